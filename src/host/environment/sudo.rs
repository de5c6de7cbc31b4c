//! What sudo left out on the way to root: the variables and the home by which AWS's credentials are found.
//!
//! Only names are ever said of a variable: its value may be a secret.

use std::{collections::BTreeMap, ffi::OsString, fs, os::unix::ffi::OsStringExt as _, path::PathBuf};

use super::users;
use crate::model::run::proposed_command::{join_shell_words, list_started_words};

/// Which variables matter here.
const RELEVANT_PREFIXES: [&str; 2] = ["AWS_", "PACKAGECLOUD_CLOUDFRONT_"];
const AWS_FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")];

/// What was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SudoDroppedEnvironment {
    user: String,
    /// Variables that sudo was started with and this program isn't.
    variables: Vec<String>,
    /// AWS's files of whoever used sudo, which root has none of: the variable that names one, and the file.
    files: Vec<(&'static str, PathBuf)>,
    /// The home, where a profile needs more of it than those files: a session of single sign-on is kept beside them.
    home: Option<PathBuf>,
}

/// What is known of a process that was started by sudo.
struct SudoEnvironment {
    user: String,
    /// What sudo itself was started with.
    before: BTreeMap<String, OsString>,
    /// What of it this process has.
    here: BTreeMap<String, OsString>,
    /// The home of whoever used sudo.
    home: Option<PathBuf>,
}

/// Finds what sudo left out of this process; `None` where it left nothing out, or isn't there.
#[must_use]
pub fn find_sudo_dropped_environment() -> Option<SudoDroppedEnvironment> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let here: BTreeMap<String, OsString> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
    let user = here.get("SUDO_USER")?.to_str()?.to_owned();
    let before = read_sudo_process_environment();
    let home = before
        .get("HOME")
        .map(PathBuf::from)
        .or_else(|| users::find_home_dir_of_uid(here.get("SUDO_UID")?.to_str()?.parse().ok()?));
    compare_sudo_environments(SudoEnvironment { user, before, here, home })
}

fn compare_sudo_environments(seen: SudoEnvironment) -> Option<SudoDroppedEnvironment> {
    let SudoEnvironment { user, before, here, home } = seen;
    let matters = |name: &&String| RELEVANT_PREFIXES.iter().any(|ours| name.starts_with(ours));
    let variables: Vec<String> = before
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name)
        .filter(matters)
        .filter(|name| !here.contains_key(*name))
        .cloned()
        .collect();
    let own = here.get("HOME").map(PathBuf::from);
    let lost = |(variable, name): &(&'static str, &str)| {
        let named = here.contains_key(*variable) || before.contains_key(*variable);
        let has = own.as_ref().is_some_and(|home| home.join(".aws").join(name).exists());
        let theirs = home.as_ref()?.join(".aws").join(name);
        (!named && !has && theirs.exists()).then_some((*variable, theirs))
    };
    let files: Vec<(&'static str, PathBuf)> = AWS_FILES.iter().filter_map(lost).collect();
    let session = files.iter().filter_map(|(_, path)| fs::read_to_string(path).ok());
    let sessions = session.into_iter().any(|text| text.contains("sso_") || text.contains("login_session"));
    let home = home.filter(|_| sessions);
    (!variables.is_empty() || !files.is_empty()).then_some(SudoDroppedEnvironment {
        user,
        variables,
        files,
        home,
    })
}

impl SudoDroppedEnvironment {
    /// Renders what was left out: `sudo left out AWS_PROFILE, and root has no AWS files where alice has
    /// /home/alice/.aws/config`.
    #[must_use]
    pub fn render_dropped_environment(&self) -> String {
        let mut said = Vec::new();
        if !self.variables.is_empty() {
            said.push(format!("sudo left out {}", self.variables.join(", ")));
        }
        if !self.files.is_empty() {
            let files: Vec<String> = self.files.iter().map(|(_, path)| path.display().to_string()).collect();
            said.push(format!("{} of {} isn't looked at under root", files.join(" and "), self.user));
        }
        said.join("; ")
    }

    /// Renders the command that keeps it: `sudo --preserve-env=AWS_PROFILE AWS_CONFIG_FILE=… packagecloud-cloudfront
    /// check`.
    #[must_use]
    pub fn render_preserve_env_command(&self, line: &[String]) -> String {
        let mut words = vec!["sudo".to_owned()];
        if !self.variables.is_empty() {
            words.push(format!("--preserve-env={}", self.variables.join(",")));
        }
        match &self.home {
            Some(home) => words.push(format!("HOME={}", home.display())),
            None => {
                words.extend(self.files.iter().map(|(name, path)| format!("{name}={}", path.display())));
            }
        }
        words.extend_from_slice(line);
        join_shell_words(words.iter().map(String::as_str))
    }

    /// Renders both, for the end of what is said: with this process's own command line.
    #[must_use]
    pub fn render_sudo_advice(&self) -> String {
        format!(
            "{}; to keep it: {}",
            self.render_dropped_environment(),
            self.render_preserve_env_command(&list_started_words())
        )
    }
}

/// What sudo was started with: it waits above this process, and root may read it.
fn read_sudo_process_environment() -> BTreeMap<String, OsString> {
    let mut pid = std::os::unix::process::parent_id();
    // A shell or a wrapper may stand between.
    for _ in 0..5 {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "sudo" {
            let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let pair = |entry: &[u8]| {
                let at = entry.iter().position(|byte| *byte == b'=')?;
                let name = String::from_utf8(entry[..at].to_vec()).ok()?;
                Some((name, OsString::from_vec(entry[at + 1..].to_vec())))
            };
            let all: BTreeMap<String, OsString> = bytes.split(|byte| *byte == 0).filter_map(pair).collect();
            // sudo runs in sudo's own session too: the outer one is whose environment was the operator's.
            if !all.contains_key("SUDO_COMMAND") {
                return all;
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        match parent {
            Some(parent) if parent > 1 => pid = parent,
            _ => break,
        }
    }
    BTreeMap::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_environment(pairs: &[(&str, &str)]) -> BTreeMap<String, OsString> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect()
    }

    #[test]
    fn what_is_left_out_is_named_with_the_command_that_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let (alice, root) = (dir.path().join("alice"), dir.path().join("root"));
        fs::create_dir_all(alice.join(".aws")).unwrap();
        fs::create_dir_all(root.join(".aws")).unwrap();
        let decide = |before: &[(&str, &str)], here: &[(&str, &str)]| {
            let mut here = to_environment(here);
            here.insert("HOME".into(), root.clone().into());
            compare_sudo_environments(SudoEnvironment {
                user: "alice".into(),
                before: to_environment(before),
                here,
                home: Some(alice.clone()),
            })
        };
        let line = ["packagecloud-cloudfront".to_owned(), "check".to_owned()];
        assert_eq!(decide(&[("TERM", "x"), ("AWS_REGION", "x")], &[("AWS_REGION", "x")]), None);
        assert_eq!(decide(&[("AWS_PROFILE", "")], &[]), None, "empty, it isn't set");

        let secret = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter22")];
        let keys = decide(&secret, &[]).unwrap();
        assert_eq!(
            keys.render_dropped_environment(),
            "sudo left out AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
        );
        assert_eq!(
            keys.render_preserve_env_command(&line),
            "sudo --preserve-env=AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY packagecloud-cloudfront check"
        );
        assert!(!keys.render_preserve_env_command(&line).contains("hunter22"));

        let config = alice.join(".aws/config");
        fs::write(&config, "[profile work]\nregion=x\n").unwrap();
        let profile = decide(&[("AWS_PROFILE", "work")], &[]).unwrap();
        assert_eq!(
            profile.render_dropped_environment(),
            format!("sudo left out AWS_PROFILE; {} of alice isn't looked at under root", config.display())
        );
        assert_eq!(
            profile.render_preserve_env_command(&line),
            format!(
                "sudo --preserve-env=AWS_PROFILE AWS_CONFIG_FILE={} packagecloud-cloudfront check",
                config.display()
            )
        );
        // A session of single sign-on lies beside the file, in the home.
        fs::write(&config, "[profile work]\nsso_session = corp\n").unwrap();
        let session = decide(&[("AWS_PROFILE", "work")], &[]).unwrap();
        assert!(
            session.render_preserve_env_command(&line).contains(&format!(" HOME={} ", alice.display())),
            "{session:?}"
        );
        // Where root has a file of its own, that is the one that is meant.
        fs::write(root.join(".aws/config"), "").unwrap();
        assert_eq!(decide(&[], &[]), None);
    }
}
