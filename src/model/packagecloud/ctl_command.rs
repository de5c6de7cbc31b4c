//! packagecloud-ctl's commands that this program runs, and what of the environment they are run without.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CtlCommand {
    /// packagecloud reads its configuration.
    Reconfigure,
    Restart,
    /// The vendor's reindex, which only queues jobs.
    ReindexEverything,
    Version,
}

impl CtlCommand {
    /// Returns the word after `packagecloud-ctl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reconfigure => "reconfigure",
            Self::Restart => "restart",
            Self::ReindexEverything => "reindex-everything",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for CtlCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What begins so holds keys, tokens or settings that are none of packagecloud's business.
const PRIVATE_VARIABLE_PREFIXES: [&str; 2] = ["AWS_", "PACKAGECLOUD_CLOUDFRONT_"];

/// Returns whether a variable of the environment is AWS's or this program's own: packagecloud's programs never get it.
#[must_use]
pub fn is_private_variable_name(name: &str) -> bool {
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
            assert_eq!(is_private_variable_name(name), private, "{name}");
        }
    }
}
