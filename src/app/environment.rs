//! The environment as it is meant: a variable that stands there empty isn't set, and what stands around a value isn't of it.
//!
//! The SDK takes an empty region for one, and a line end for a part of a key. A process can't change its own environment
//! while others may read it, so it starts anew in a clean one; that happens only where there is something to clean.

use std::{os::unix::process::CommandExt as _, process::Command};

use crate::aws::home_path::expand_home_path;

/// Whose variables are cleaned: AWS's, this program's own, and those that name a proxy.
const CLEANED_PREFIXES: [&str; 2] = ["AWS_", "PACKAGECLOUD_CLOUDFRONT_"];
const CLEANED_NAMES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// Empty, they would be a path in whatever directory this runs in; their values count as they stand.
const UNSET_WHEN_EMPTY: [&str; 5] = ["HOME", "TMPDIR", "NETRC", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"];
/// Empty, it is a sandbox in its usual directory: taken away, the run would work on a real account.
const MEANT_WHEN_EMPTY: &str = "PACKAGECLOUD_CLOUDFRONT_SANDBOX";
/// A file that the SDK reads by itself, and knows no `~` in.
const HOME_PATH_VARIABLE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Starts this program anew where the environment must be cleaned; goes on in it where that can't be done.
pub fn restart_in_clean_environment() {
    let cleaned: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            let cleaned = clean_variable_value(&name, &value);
            (cleaned.as_deref() != Some(&*value)).then_some((name, cleaned))
        })
        .collect();
    let Ok(program) = std::env::current_exe() else { return };
    if cleaned.is_empty() {
        return;
    }
    let mut words = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words);
    for (name, value) in cleaned {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // It comes back only with an error: then the variables count as they stand.
    let _ = command.exec();
}

/// Returns what a variable is to hold; none where it counts as unset.
fn clean_variable_value(name: &str, value: &str) -> Option<String> {
    let is_cleaned = CLEANED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || CLEANED_NAMES.contains(&name.to_ascii_uppercase().as_str());
    if value.is_empty() && UNSET_WHEN_EMPTY.contains(&name) {
        return None;
    }
    if !is_cleaned || name == MEANT_WHEN_EMPTY {
        return Some(value.to_owned());
    }
    match value.trim() {
        "" => None,
        path if name == HOME_PATH_VARIABLE => Some(expand_home_path(path).display().to_string()),
        trimmed => Some(trimmed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_isnt_set_and_cleaning_twice_changes_nothing() {
        for (name, value, cleaned) in [
            ("AWS_REGION", "", None),
            ("AWS_SECRET_ACCESS_KEY", " s \r\n", Some("s")),
            ("AWS_PROFILE", "ops team", Some("ops team")),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/a\n", Some("/a")),
            ("PACKAGECLOUD_CLOUDFRONT_BUCKET", " ", None),
            ("PACKAGECLOUD_CLOUDFRONT_SANDBOX", "", Some("")),
            ("https_proxy", "", None),
            ("HOME", "", None),
            ("TMPDIR", "", None),
            ("TMPDIR", "/a ", Some("/a ")),
            ("LANG", " C ", Some(" C ")),
        ] {
            let once = clean_variable_value(name, value);
            assert_eq!(once.as_deref(), cleaned, "{name}={value:?}");
            if let Some(once) = once {
                assert_eq!(clean_variable_value(name, &once).as_deref(), Some(&*once), "{name}");
            }
        }
        let home = clean_variable_value("AWS_WEB_IDENTITY_TOKEN_FILE", "~/token").unwrap();
        assert!(home.ends_with("/token") && !home.starts_with('~'), "{home}");
    }
}
