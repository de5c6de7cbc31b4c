//! The host: the machine with packagecloud.rb and packagecloud-ctl on it, and what this program keeps there.
//!
//! Nothing outside knows where packagecloud.rb lies or how its commands are run.

pub mod clock;
pub mod config;
#[cfg(test)]
mod config_tests;
pub mod ctl;
pub mod keyring;
pub mod lock;
pub mod managed;
pub mod netrc;
pub mod reach;
pub mod redact;
pub mod state;
pub mod version;

use std::path::{Path, PathBuf};

pub use clock::Clock;
pub use config::{Backup, Config, Restore, Written};
pub use ctl::{Ctl, Outcome, REINDEX};
pub use keyring::Keyring;
pub use reach::Reach;
pub use redact::Redactor;
pub use state::State;

/// The host, and how it is reached. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Host {
    pub reach: Reach,
    /// Where packagecloud.rb lies.
    pub config: PathBuf,
    pub ctl: Ctl,
    pub state: State,
    pub keyring: Keyring,
    pub redactor: Redactor,
    pub clock: Clock,
    /// Whether the host is asked for configuration clients; a sandbox never asks.
    pub clients: bool,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn here(config: &Path, ctl: Ctl, state: State) -> Self {
        Self {
            reach: Reach::Local,
            config: config.to_owned(),
            ctl,
            state,
            keyring: Keyring::System,
            redactor: Redactor::default(),
            clock: Clock::default(),
            clients: true,
        }
    }

    /// A sandbox's: no keyring, no configuration client of this machine is ever asked.
    #[must_use]
    pub fn sandboxed(config: &Path, play: ctl::Play, state: State, clock: Clock) -> Self {
        let (keyring, ctl) = (Keyring::memory(), Ctl::Played(play));
        Self { keyring, clock, clients: false, ..Self::here(config, ctl, state) }
    }
}
