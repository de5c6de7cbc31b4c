//! The state directory: the last answers and where it was left, the log, saved policy documents; its locks are in `lock`.
//!
//! It is a convenience: what is lost or unreadable here is noted and ignored. Three files cost more than time when they
//! are lost: `managed-secret`, a secret that the file doesn't hold yet, `switched-off`, which keeps another run from going live,
//! and `unproven-change`, by which a change of what serves links is proven or put back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::model::{
    failure::{Failure, FailureKind},
    run::{answers::OperatorAnswers, goal::RunStage},
};

use crate::host::{
    environment::{clock, owner::find_sudo_user, users},
    files::{NO_FOLLOW, remove_abandoned_temporary_files, write_file_whole},
    paths::ROOT_STATE_DIR,
    redact::Redactor,
};

/// The state directory, open. Clones share it.
#[derive(Debug, Clone)]
pub struct HostStateDir {
    dir: PathBuf,
    log: Arc<Mutex<Option<File>>>,
    /// Why not all is kept or logged that should be.
    faults: Arc<[Failure]>,
    /// Where the directory only stands in for another one: removed with the last of the clones.
    _stand_in: Option<Arc<StandInStateDir>>,
}

/// A directory that stands in for the state directory, and that no later run looks for.
#[derive(Debug)]
struct StandInStateDir(PathBuf);

/// What an operator is told the path of, or a command that goes on still writes: with one of these the directory stays.
const KEPT_NAME_PREFIXES: [&str; 7] =
    ["policy-", "lines-to-type", "clipboard", "managed-", "reindex.skipped", "batch.failed", "ctl."];

impl Drop for StandInStateDir {
    fn drop(&mut self) {
        let is_kept = |entry: io::Result<fs::DirEntry>| {
            let name = entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
            name.is_ok_and(|name| KEPT_NAME_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        };
        if fs::read_dir(&self.0).is_ok_and(|mut entries| !entries.any(is_kept)) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Opens the log that `--log-file` names: one that was asked for must be one.
///
/// # Errors
/// Where it can't be written.
fn open_named_log_file(path: &Path) -> Result<File, Failure> {
    if let Some(fault) = find_log_file_fault(path) {
        return Err(fault);
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(|error| {
        Failure::new_usage_failure(
            format!("--log-file {}", path.display()),
            error.to_string(),
            "name a file that can be written",
        )
    })
}

/// Returns whether the state directory can't be opened for its log alone, which a command line named.
#[must_use]
pub fn is_log_file_failure(failure: &Failure) -> bool {
    failure.kind == FailureKind::Usage
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
    list_default_state_dirs().swap_remove(0)
}

/// Lists where the state may lie without `--state-dir`: the first that can be opened is it. The directory for temporary
/// files, which others write to as well, is the last resort, by a name that no two users share.
#[must_use]
pub fn list_default_state_dirs() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    list_state_dirs_of_user(user, |name| std::env::var_os(name).map(PathBuf::from), &std::env::temp_dir())
}

fn list_state_dirs_of_user(
    user: u32,
    variable: impl Fn(&str) -> Option<PathBuf>,
    temporary: &Path,
) -> Vec<PathBuf> {
    const STATE_DIR_NAME: &str = "packagecloud-cloudfront";
    if user == 0 {
        return vec![PathBuf::from(ROOT_STATE_DIR)];
    }
    let set = |name: &str| variable(name).filter(|path| path.is_absolute());
    let own = [set("XDG_STATE_HOME"), set("HOME").map(|home| home.join(".local/state"))];
    let own = own.into_iter().flatten().map(|dir| dir.join(STATE_DIR_NAME));
    own.chain([temporary.join(format!("{STATE_DIR_NAME}-{user}"))]).collect()
}

/// How much of the log's end is read: years of runs.
const LOG_BYTES_READ_MAX: u64 = 16 << 20;

/// Below a device nothing can be made: where nothing is kept.
const NO_STATE_DIR: &str = "/dev/null/packagecloud-cloudfront";

/// Why a directory's own attributes keep it from holding the state, with the command that mends it; the user that this
/// runs as, and the one who used sudo, may own it.
fn find_state_dir_fault(dir: &Path, (owner, mode): (u32, u32), users: &[u32]) -> Option<(String, String)> {
    let quoted = shell_words::quote(&dir.to_string_lossy()).into_owned();
    if !users.contains(&owner) {
        let name = users::find_user_name_by_uid(owner).map(|name| format!("{name}, "));
        let why = format!("it belongs to another user ({}user id {owner})", name.unwrap_or_default());
        return Some((why, "name another one with --state-dir DIR".to_owned()));
    }
    (mode & 0o022 != 0).then(|| {
        (
            format!("others can write to it (mode {:04o})", mode & 0o7777),
            format!("see what they left in it, then: chmod go-w {quoted} — or name another one with --state-dir DIR"),
        )
    })
}

/// Refuses a directory in which others can place files, or have placed links.
fn check_state_dir_is_own(dir: &Path) -> Result<(), Failure> {
    let refused = |why: String, next: String| {
        Failure::new_generic_failure(format!("state directory {}", dir.display()), why, next)
    };
    let failed =
        |error: io::Error| refused(error.to_string(), "name another one with --state-dir DIR".into());
    let own = rustix::process::geteuid().as_raw();
    // What root keeps in the home of whoever used sudo is given to that user in the end.
    let users: Vec<u32> =
        [Some(own), Some(0), find_sudo_user().map(|(user, _)| user)].into_iter().flatten().collect();
    let meta = fs::metadata(dir).map_err(failed)?;
    if let Some((why, next)) = find_state_dir_fault(dir, (meta.uid(), meta.mode()), &users) {
        return Err(refused(why, next));
    }
    for entry in fs::read_dir(dir).map_err(failed)?.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) && !path.is_dir() {
            return Err(refused(
                format!("{} in it is a symbolic link, which is never followed", path.display()),
                format!(
                    "see who made it, then: rm {} — or name another one with --state-dir DIR",
                    shell_words::quote(&path.to_string_lossy())
                ),
            ));
        }
    }
    Ok(())
}

/// Finds why nothing can be logged to a file: a pipe's reader may never come, and a device keeps nothing.
#[must_use]
pub fn find_log_file_fault(path: &Path) -> Option<Failure> {
    let kind = fs::metadata(path).ok()?.file_type();
    (!kind.is_file() && !kind.is_dir()).then(|| {
        Failure::new_usage_failure(
            format!("--log-file {}", path.display()),
            "it is a pipe or a device, not a file: nothing is logged there",
            "name a file that can be written",
        )
    })
}

impl HostStateDir {
    /// Opens the directory, or makes it (0700); the log goes to `log_file`, which may lie in it, else to `log` in it.
    ///
    /// # Errors
    /// Where it can't be made, is another user's, can be written by others or holds links, or a log that was named can't be
    /// written.
    pub fn open_state_dir(dir: &Path, log_file: Option<&Path>) -> Result<Self, Failure> {
        let is_new = !dir.exists();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::AlreadyExists => "it is a file, not a directory".to_owned(),
                io::ErrorKind::NotADirectory => "it would lie below a file".to_owned(),
                _ => error.to_string(),
            };
            Failure::new_generic_failure(
                format!("state directory {}", dir.display()),
                why,
                "name another one with --state-dir DIR",
            )
        })?;
        check_state_dir_is_own(dir)?;
        remove_abandoned_temporary_files(dir, None);
        let log = if let Some(path) = log_file {
            open_named_log_file(path).map(Some)
        } else {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o600).custom_flags(NO_FOLLOW);
            // The usual one isn't worth stopping for.
            Ok(options.open(dir.join("log")).ok())
        };
        if is_new && log.is_err() {
            let _ = fs::remove_dir(dir);
        }
        Ok(Self {
            dir: dir.to_owned(),
            log: Arc::new(Mutex::new(log?)),
            faults: Arc::default(),
            _stand_in: None,
        })
    }

    /// Stands in for a directory that can't be opened: nothing is kept, and nothing that only reads or writes
    /// packagecloud.rb is stopped by that.
    ///
    /// Switching off must work on a full disk; packagecloud-ctl's lines go below the temporary directory then, where
    /// they can.
    #[must_use]
    pub fn open_fallback_state_dir() -> Self {
        let name = format!("packagecloud-cloudfront-{:016x}", fastrand::u64(..));
        let dir = std::env::temp_dir().join(name);
        // Made by this very call, so it is nobody else's.
        let made = fs::DirBuilder::new().mode(0o700).create(&dir).is_ok();
        let stand_in = made.then(|| Arc::new(StandInStateDir(dir.clone())));
        let dir = if made { dir } else { PathBuf::from(NO_STATE_DIR) };
        Self { dir, log: Arc::default(), faults: Arc::default(), _stand_in: stand_in }
    }

    /// Returns the directory.
    #[must_use]
    pub fn state_dir_path(&self) -> &Path {
        &self.dir
    }

    /// Returns the same, with why not all is kept or logged that should be.
    #[must_use]
    pub fn with_state_faults(self, faults: Vec<Failure>) -> Self {
        Self { faults: faults.into(), ..self }
    }

    /// Returns why not all is kept or logged that should be.
    #[must_use]
    pub fn list_state_faults(&self) -> &[Failure] {
        &self.faults
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

    /// Reads the end of the log in the directory; empty where there is none.
    #[must_use]
    pub fn read_log_text(&self) -> String {
        use io::{Seek as _, SeekFrom};
        let open = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(self.dir.join("log"));
        let Ok(mut file) = open else { return String::new() };
        let length = file.metadata().map_or(0, |meta| meta.len());
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_READ_MAX)))
            .and_then(|_| file.take(LOG_BYTES_READ_MAX).read_to_end(&mut bytes));
        read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
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
        let mut bytes = Vec::new();
        let mut file =
            OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(self.dir.join(name)).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Writes a file of the directory, whole or not at all, 0600; says where it is.
    ///
    /// # Errors
    /// Where the disk refuses it; the old file stands then.
    pub fn write_state_dir_file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.dir.join(name);
        write_file_whole(&path, bytes).map_err(|error| {
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
        assert!(failure.what.contains("--log-file") && is_log_file_failure(&failure));
        let dir = root.path().join("state");
        HostStateDir::open_state_dir(&dir, Some(&root.path().join("no/log"))).unwrap_err();
        assert!(!dir.exists(), "nothing is made where nothing can be logged");
    }

    #[test]
    fn a_log_may_lie_in_the_directory_that_isnt_there_yet() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("state");
        let state = HostStateDir::open_state_dir(&dir, Some(&dir.join("run.log"))).unwrap();
        state.append_log_line(NOW, &Redactor::default(), "one");
        assert_eq!(fs::read_to_string(dir.join("run.log")).unwrap(), "2026-11-23 20:45:00 UTC one\n");
    }

    #[test]
    fn one_that_stands_in_goes_with_the_run_unless_it_holds_what_somebody_was_told_of() {
        for (name, stays) in [
            ("", false),
            ("switched-off", false),
            ("ctl-turn", false),
            ("answers.json", false),
            ("lines-to-type", true),
            ("policy-b.20261123T204500Z.json", true),
            ("ctl.out", true),
        ] {
            let state = HostStateDir::open_fallback_state_dir();
            let dir = state.state_dir_path().to_owned();
            if !name.is_empty() {
                fs::write(dir.join(name), "x").unwrap();
            }
            let clone = state.clone();
            drop(state);
            assert!(dir.exists(), "{name}: a clone still uses it");
            drop(clone);
            assert_eq!(dir.exists(), stays, "{name}");
            let _ = fs::remove_dir_all(dir);
        }
    }

    #[test]
    fn a_directory_that_others_own_or_write_to_is_refused_by_name() {
        let dir = Path::new("/tmp/x y");
        for (owner, mode, users, why) in [
            (1000, 0o40700, &[1000][..], None),
            (1000, 0o40755, &[1000], None),
            (0, 0o40755, &[1000, 0], None),
            (1000, 0o40700, &[0, 1000], None),
            (5000, 0o40700, &[0, 1000], Some("another user")),
            (1000, 0o40777, &[1000], Some("mode 0777")),
            (1000, 0o40720, &[1000], Some("mode 0720")),
            (1000, 0o41777, &[1000], Some("mode 1777")),
        ] {
            let fault = find_state_dir_fault(dir, (owner, mode), users);
            assert_eq!(fault.is_some(), why.is_some(), "{owner} {mode:o}");
            assert!(fault.as_ref().is_none_or(|(said, _)| said.contains(why.unwrap())), "{fault:?}");
        }
        let (_, next) = find_state_dir_fault(dir, (1, 0o40777), &[1]).unwrap();
        assert!(next.contains("chmod go-w '/tmp/x y' —"), "{next}");
    }

    #[test]
    fn the_directory_for_temporary_files_is_the_last_resort_and_no_two_users_share_it() {
        let list = |user: u32, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables.iter().find(|(of, _)| *of == name).map(|(_, value)| PathBuf::from(value))
            };
            let dirs = list_state_dirs_of_user(user, variable, Path::new("/tmp"));
            dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list(0, &[("HOME", "/home/a")]), [ROOT_STATE_DIR]);
        let last = "/tmp/packagecloud-cloudfront-1000";
        assert_eq!(
            list(1000, &[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")]),
            ["/s/packagecloud-cloudfront", "/home/a/.local/state/packagecloud-cloudfront", last]
        );
        assert_eq!(list(1000, &[("HOME", "relative"), ("XDG_STATE_HOME", "")]), [last]);
        assert_ne!(list(1001, &[]), [last]);
    }

    #[test]
    fn a_link_in_it_is_never_followed() {
        let root = tempfile::tempdir().unwrap();
        let (dir, precious) = (root.path().join("state"), root.path().join("precious"));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, dir.join("events")).unwrap();
        let failure = HostStateDir::open_state_dir(&dir, None).unwrap_err();
        let link = dir.join("events");
        assert!(failure.why.contains(&format!("{} in it is a symbolic link", link.display())), "{failure}");
        assert!(failure.next.contains(&format!("rm {}", link.display())), "{}", failure.next);
        // One that comes after the look isn't followed either.
        fs::remove_file(&link).unwrap();
        let state = HostStateDir::open_state_dir(&dir, None).unwrap();
        for name in ["events", "lock", "answers.json", "take-over"] {
            std::os::unix::fs::symlink(&precious, dir.join(name)).unwrap();
        }
        assert_eq!(state.read_state_dir_file("events"), None);
        assert!(state.acquire_run_lock(NOW, &crate::host::StopRequest::default()).is_err());
        state.write_state_dir_file("answers.json", b"{}").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    }

    #[test]
    fn what_a_killed_run_left_in_it_goes_with_the_next_start() {
        let (_root, state) = create_temporary_state_dir();
        let left = state.state_dir_path().join(".managed-secret.0123456789abcdef.new");
        fs::write(&left, "a secret").unwrap();
        HostStateDir::open_state_dir(state.state_dir_path(), None).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_log_that_is_a_pipe_or_a_device_is_told_and_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for log in [pipe.as_path(), Path::new("/dev/null")] {
            let fault = open_named_log_file(log).unwrap_err();
            assert!(
                fault.to_string().contains("a pipe or a device, not a file: nothing is logged there"),
                "{fault}"
            );
        }
        let log = root.path().join("log");
        open_named_log_file(&log).unwrap();
        assert_eq!(find_log_file_fault(&log), None);
    }
}
