//! What the host's programs inherit of this process's environment: nothing of AWS's, and nothing that is this program's own.

use std::ffi::OsString;

/// What begins so holds keys, tokens or settings that are none of the host's programs' business.
const PRIVATE_VARIABLE_PREFIXES: [&str; 2] = ["AWS_", "PACKAGECLOUD_CLOUDFRONT_"];

/// Lists the variables that a program of the host is started without.
pub(in crate::host) fn list_private_variable_names() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(is_private_variable_name).collect()
}

fn is_private_variable_name(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    PRIVATE_VARIABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_tokens_are_private_and_the_rest_is_not() {
        for (name, private) in [
            ("AWS_SECRET_ACCESS_KEY", true),
            ("AWS_PROFILE", true),
            ("PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN", true),
            ("PATH", false),
            ("PACKAGECLOUD_HOME", false),
            ("https_proxy", false),
        ] {
            assert_eq!(is_private_variable_name(&OsString::from(name)), private, "{name}");
        }
    }
}
