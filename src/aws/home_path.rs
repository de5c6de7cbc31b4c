//! Paths that settings of AWS name: `~` at their beginning is the home of whoever runs this, as for the aws command.

use std::path::{Path, PathBuf};

/// Returns the path that a setting or a variable names.
#[must_use]
pub fn expand_home_path(named: &str) -> PathBuf {
    expand_path_with_home(named, std::env::home_dir().as_deref())
}

fn expand_path_with_home(named: &str, home: Option<&Path>) -> PathBuf {
    match (named.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_home_of_ones_own_is_put_in() {
        for (named, path) in [
            ("~/.aws/config", "/root/.aws/config"),
            ("~//x", "/root/x"),
            ("~", "/root"),
            ("~alice/x", "~alice/x"),
            ("/a/~/b", "/a/~/b"),
            ("x", "x"),
        ] {
            assert_eq!(expand_path_with_home(named, Some(Path::new("/root"))), Path::new(path), "{named}");
        }
        assert_eq!(expand_path_with_home("~/x", None), Path::new("~/x"));
    }
}
