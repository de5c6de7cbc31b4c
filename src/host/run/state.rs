//! The state directory: the last answers and where it was left, the log, saved policy documents; its locks are in `lock`.
//!
//! It is a convenience: what is lost or unreadable here is noted and ignored. Two files cost more than time when they are
//! lost: `managed-secret`, a secret that the file doesn't hold yet, and `switched-off`, which keeps another run from going live.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::{
    failure::Failure,
    run::{answers::OperatorAnswers, goal::RunStage},
};

use crate::host::{environment::clock, files::write_new_file, paths::ROOT_STATE_DIR, redact::Redactor};

/// The state directory, open. Clones share it.
#[derive(Debug, Clone)]
pub struct HostStateDir {
    dir: PathBuf,
    log: Arc<Mutex<Option<File>>>,
}

/// What the last run said, and where it was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedRun {
    pub answers: OperatorAnswers,
    /// The stage that it was in; `None` where it went to its end.
    pub stage: Option<RunStage>,
    /// Unix seconds.
    pub when: u64,
    /// The account and the bucket that it worked on, where it came to know them.
    pub on: Option<(String, String)>,
}

/// Returns where the state lies without `--state-dir`.
#[must_use]
pub fn choose_default_state_dir() -> PathBuf {
    const STATE_DIR_NAME: &str = "packagecloud-cloudfront";
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(ROOT_STATE_DIR);
    }
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    home.unwrap_or_else(std::env::temp_dir).join(STATE_DIR_NAME)
}

impl HostStateDir {
    /// Opens the directory, or makes it (0700); the log goes to `log_file`, else to `log` in it.
    ///
    /// # Errors
    /// Where it can't be made, or a log that was named can't be written.
    pub fn open_state_dir(dir: &Path, log_file: Option<&Path>) -> Result<Self, Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
            Failure::new_generic_failure(
                format!("state directory {}", dir.display()),
                error.to_string(),
                "name another one with --state-dir DIR",
            )
        })?;
        let path = log_file.map_or_else(|| dir.join("log"), Path::to_owned);
        let log = match OpenOptions::new().append(true).create(true).mode(0o600).open(&path) {
            Ok(file) => Some(file),
            // A log that was asked for must be one; the usual one isn't worth stopping for.
            Err(error) if log_file.is_some() => {
                return Err(Failure::new_usage_failure(
                    format!("--log-file {}", path.display()),
                    error.to_string(),
                    "name a file that can be written",
                ));
            }
            Err(_) => None,
        };
        Ok(Self { dir: dir.to_owned(), log: Arc::new(Mutex::new(log)) })
    }

    /// Stands in for a directory that can't be opened: nothing is kept, and nothing that only reads or writes
    /// packagecloud.rb is stopped by that.
    ///
    /// Switching off must work on a full disk; packagecloud-ctl's lines go below the temporary directory then, where
    /// they can.
    #[must_use]
    pub fn open_fallback_state_dir(dir: &Path) -> Self {
        let name = format!("packagecloud-cloudfront-{:016x}", fastrand::u64(..));
        let other = std::env::temp_dir().join(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&other);
        Self { dir: if made.is_ok() { other } else { dir.to_owned() }, log: Arc::default() }
    }

    /// Returns the directory.
    #[must_use]
    pub fn state_dir_path(&self) -> &Path {
        &self.dir
    }

    /// Adds a line to the log, with its time, past the redactor. A log that can't be written stops nothing.
    pub fn append_log_line(&self, now: Duration, redactor: &Redactor, line: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = log.as_mut() {
            let now = clock::render_utc_time(now);
            let lines: Vec<String> = line
                .lines()
                .map(|line| {
                    format!(
                        "{now} {}
",
                        redactor.redact_secrets_in_line(line)
                    )
                })
                .collect();
            let _ = file.write_all(lines.concat().as_bytes());
        }
    }

    /// Reads what the last run left, and a note where that can't be read.
    #[must_use]
    pub fn read_saved_run(&self) -> (Option<SavedRun>, Option<String>) {
        let path = self.dir.join("answers.json");
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (None, None),
            Err(error) => Err(error.to_string()),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        };
        match read {
            Ok(left) => (Some(left), None),
            Err(why) => (None, Some(format!("{} is ignored: {why}", path.display()))),
        }
    }

    /// Keeps the answers and the stage for the next start; a note where that can't be done.
    pub fn write_saved_run(&self, left: &SavedRun) -> Option<String> {
        let bytes = serde_json::to_vec_pretty(left).expect("answers are plain data, whose keys are strings");
        self.write_state_dir_file("answers.json", &bytes).err().map(|failure| failure.to_string())
    }

    /// Reads a file of the directory, such as the reindex's cursor; `None` where it isn't there or can't be read.
    #[must_use]
    pub fn read_state_dir_file(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.dir.join(name)).ok()
    }

    /// Writes a file of the directory, whole or not at all, 0600; says where it is.
    ///
    /// # Errors
    /// Where the disk refuses it; the old file stands then.
    pub fn write_state_dir_file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.dir.join(name);
        let fresh = self.dir.join(format!(".{name}.{:016x}.new", fastrand::u64(..)));
        write_new_file(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path)).map_err(|error| {
            let _ = fs::remove_file(&fresh);
            Failure::new_generic_failure(
                path.display().to_string(),
                error.to_string(),
                "make room there, or name another --state-dir DIR",
            )
        })?;
        Ok(path)
    }

    /// Removes a file of the directory.
    pub fn remove_state_dir_file(&self, name: &str) {
        let _ = fs::remove_file(self.dir.join(name));
    }

    /// Saves a policy document before it is replaced; says where.
    ///
    /// # Errors
    /// Where the disk refuses it.
    pub fn save_replaced_policy_document(
        &self,
        now: Duration,
        of: &str,
        document: &str,
    ) -> Result<PathBuf, Failure> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
        let of: String = of.chars().map(plain).collect();
        let mut name = format!("policy-{of}.{}.json", clock::render_time_for_file_name(now));
        let mut count = 2;
        while self.dir.join(&name).exists() {
            name = format!("policy-{of}.{}-{count}.json", clock::render_time_for_file_name(now));
            count += 1;
        }
        self.write_state_dir_file(&name, document.as_bytes())
    }

    /// Puts what `c` copied into a file of its own, 0600; says where.
    ///
    /// # Errors
    /// Where the disk refuses it.
    pub fn write_clipboard_file(&self, text: &str) -> Result<PathBuf, Failure> {
        self.write_state_dir_file("clipboard", text.as_bytes())
    }
}

/// Makes one of its own, for a test.
#[cfg(test)]
pub(super) fn create_temporary_state_dir() -> (tempfile::TempDir, HostStateDir) {
    let root = tempfile::tempdir().expect("there is room");
    let state = HostStateDir::open_state_dir(&root.path().join("a/b"), None).expect("it can be made");
    (root, state)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::{run::goal::OperatorGoal, secret::Secret};

    const NOW: Duration = Duration::from_mins(29_924_445);

    fn read_file_mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_left_is_found_again_and_what_is_broken_is_ignored_with_a_note() {
        let (_root, state) = create_temporary_state_dir();
        assert_eq!(read_file_mode(state.state_dir_path()), 0o700);
        assert_eq!(state.read_saved_run(), (None, None));
        let answers = OperatorAnswers {
            goal: Some(OperatorGoal::Upgrade),
            bucket: Some("b".into()),
            ..OperatorAnswers::default()
        };
        let left = SavedRun { answers, stage: Some(RunStage::Bootstrap), when: 7, on: None };
        assert_eq!(state.write_saved_run(&left), None);
        assert_eq!(state.read_saved_run(), (Some(left), None));
        assert_eq!(read_file_mode(&state.state_dir_path().join("answers.json")), 0o600);
        for broken in ["", "{\"stage\":\"nowhere\"}", "\u{0}\u{1}"] {
            fs::write(state.state_dir_path().join("answers.json"), broken).unwrap();
            let (left, note) = state.read_saved_run();
            assert_eq!(left, None);
            assert!(note.unwrap().contains("answers.json is ignored"), "{broken}");
        }
    }

    #[test]
    fn the_log_holds_no_secret_and_saved_documents_are_0600() {
        let (_root, state) = create_temporary_state_dir();
        let redactor = Redactor::default();
        redactor.learn_secret_to_redact(&Secret::new("hunter22"));
        state.append_log_line(NOW, &redactor, "one \u{1b}[31mhunter22\ntwo");
        let log = fs::read_to_string(state.state_dir_path().join("log")).unwrap();
        assert_eq!(log, "2026-11-23 20:45:00 UTC one (hidden)\n2026-11-23 20:45:00 UTC two\n");
        let first = state.save_replaced_policy_document(NOW, "bucket/../x", "{}").unwrap();
        let second = state.save_replaced_policy_document(NOW, "bucket/../x", "{1}").unwrap();
        assert_eq!(first.file_name().unwrap(), "policy-bucket_.._x.20261123T204500Z.json");
        assert_eq!(fs::read_to_string(first).unwrap(), "{}", "an older one is never overwritten");
        for path in [second, state.write_clipboard_file("x").unwrap(), state.state_dir_path().join("log")] {
            assert_eq!(read_file_mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_directory_or_log_that_cant_be_made_is_told() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let failure = HostStateDir::open_state_dir(&root.path().join("file/state"), None).unwrap_err();
        assert!(failure.next.contains("--state-dir"));
        let failure =
            HostStateDir::open_state_dir(root.path(), Some(&root.path().join("no/log"))).unwrap_err();
        assert!(failure.what.contains("--log-file"));
    }
}
