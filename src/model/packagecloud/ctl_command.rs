//! packagecloud-ctl's commands that this program runs.

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
