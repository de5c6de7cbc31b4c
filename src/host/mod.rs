//! The host: the machine with packagecloud.rb and packagecloud-ctl on it, and what this program keeps there.
//!
//! Nothing outside knows where packagecloud.rb lies or how its commands are run.

pub mod config;
pub mod ctl;
pub mod environment;
pub mod pending_changes;
pub mod redact;
pub mod run;
pub mod transport;

use std::path::{Path, PathBuf};

pub use config::{Backup, Config, Restore, Written};
pub use ctl::{Ctl, Outcome, REINDEX};
pub use environment::clock::Clock;
pub use environment::keyring::Keyring;
pub use redact::Redactor;
pub use run::remote::{Afar, Hold};
pub use run::state::State;
pub use run::stop_request::Asked;
pub use transport::Reach;
pub use transport::ssh::Ssh;

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

    /// Another one, at the end of `line`, which was laid; what is kept here of it is kept in `state`.
    #[must_use]
    pub fn afar(line: Ssh, config: &Path, ctl: Ctl, state: State) -> Self {
        let of = line.clone();
        let clock = Clock::new(move || environment::clock::shifted(Clock::default().now(), of.ahead()));
        Self { reach: Reach::Ssh(line), clock, ..Self::here(config, ctl, state) }
    }

    /// A sandbox's: no keyring, no configuration client of this machine is ever asked.
    #[must_use]
    pub fn sandboxed(config: &Path, play: ctl::Play, state: State, clock: Clock) -> Self {
        let (keyring, ctl) = (Keyring::memory(), Ctl::Played(play));
        Self { keyring, clock, clients: false, ..Self::here(config, ctl, state) }
    }
    /// Something of this host, as it is said: `web1:packagecloud-ctl` where it is another one.
    #[must_use]
    pub fn said_at(&self, what: &str) -> String {
        match self.reach.name() {
            None => what.to_owned(),
            Some(name) => format!("{name}:{what}"),
        }
    }

    /// ` on web1`, for the end of what is said of another host; nothing for this one.
    #[must_use]
    pub fn on(&self) -> String {
        self.reach.name().map(|name| format!(" on {name}")).unwrap_or_default()
    }

    /// Where packagecloud.rb lies, as it is said.
    #[must_use]
    pub fn config_place(&self) -> String {
        self.said_at(&self.config.display().to_string())
    }

    /// Keeps something about this host, here. Lost, it loses no more than time.
    pub fn note(&self, name: &str, text: &str) {
        let _ = self.state.write(&self.note_name(name), text.as_bytes());
    }

    /// What [`Self::note`] kept.
    #[must_use]
    pub fn noted(&self, name: &str) -> Option<String> {
        String::from_utf8(self.state.read(&self.note_name(name))?).ok()
    }

    pub fn forget_note(&self, name: &str) {
        self.state.remove(&self.note_name(name));
    }

    /// A name for something that is kept here about this host.
    #[must_use]
    pub fn note_name(&self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._@".contains(c) { c } else { '_' };
        match self.reach.name() {
            None => name.to_owned(),
            Some(host) => format!("{name} {}", host.chars().map(plain).collect::<String>()),
        }
    }
}
