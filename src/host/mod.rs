//! The host: the machine with packagecloud.rb and packagecloud-ctl on it, and what this program keeps there.
//!
//! Nothing outside knows where packagecloud.rb lies or how its commands are run.

mod blocking_work;
pub mod config;
pub mod ctl;
pub mod environment;
mod files;
mod paths;
pub mod pending_changes;
pub mod redact;
pub mod run;
pub mod transport;
pub mod version;

use std::path::{Path, PathBuf};

pub use blocking_work::keep_blocking_work_on_this_thread;
pub use config::{ConfigBackup, ConfigRestoreScope, ConfigWriteResult, LoadedConfig};
pub use ctl::{CtlOutcome, PackagecloudCtlRunner};
pub use environment::clock::HostClock;
pub use environment::keyring::Keyring;
pub(crate) use files::{read_regular_file, write_file_whole};
pub use paths::DEFAULT_CONFIG_PATH;
pub use redact::Redactor;
pub use run::remote_lock::RemoteRunLock;
pub use run::remote_state::RemoteStateDir;
pub use run::state::HostStateDir;
pub use run::stop_request::StopRequest;
pub use run::unfinished_work::UnfinishedHostWork;
pub use transport::HostTransport;
pub use transport::ssh::{SshClient, error::is_host_down};

/// The host, and how it is reached. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Host {
    pub transport: HostTransport,
    /// Where packagecloud.rb lies.
    pub config: PathBuf,
    pub ctl: PackagecloudCtlRunner,
    pub state: HostStateDir,
    pub keyring: Keyring,
    pub redactor: Redactor,
    pub clock: HostClock,
    /// Whether the host is asked for configuration clients; a sandbox never asks.
    pub looks_for_clients: bool,
    /// packagecloud.rb as it was read last, so that one content is parsed once.
    pub parsed: config::ParsedConfigCache,
    /// What this process is in the middle of there.
    pub unfinished: UnfinishedHostWork,
}

impl Host {
    /// Returns this machine as the host.
    #[must_use]
    pub fn new_local_host(config: &Path, ctl: PackagecloudCtlRunner, state: HostStateDir) -> Self {
        Self {
            transport: HostTransport::Local,
            config: config.to_owned(),
            ctl,
            state,
            keyring: Keyring::System,
            redactor: Redactor::default(),
            clock: HostClock::default(),
            looks_for_clients: true,
            parsed: config::ParsedConfigCache::default(),
            unfinished: UnfinishedHostWork::default(),
        }
    }

    /// Returns another machine, at the end of `line`, which was laid; what is kept here of it is kept in `state`.
    #[must_use]
    pub fn new_remote_host(
        line: SshClient,
        config: &Path,
        ctl: PackagecloudCtlRunner,
        state: HostStateDir,
    ) -> Self {
        let of = line.clone();
        let clock = HostClock::new(move || {
            environment::clock::shift_time_by_milliseconds(
                HostClock::default().read_host_clock(),
                of.remote_clock_ahead_ms().unwrap_or_default(),
            )
        });
        Self { transport: HostTransport::Ssh(line), clock, ..Self::new_local_host(config, ctl, state) }
    }

    /// Returns a sandbox's host: no keyring, no configuration client of this machine is ever asked.
    #[must_use]
    pub fn new_sandboxed_host(
        config: &Path,
        play: ctl::SimulatedPackagecloudCtl,
        state: HostStateDir,
        clock: HostClock,
    ) -> Self {
        let (keyring, ctl) = (Keyring::new_in_memory_keyring(), PackagecloudCtlRunner::Simulated(play));
        Self { keyring, clock, looks_for_clients: false, ..Self::new_local_host(config, ctl, state) }
    }
    /// Returns something of this host, as it is said: `web1:packagecloud-ctl` where it is another one.
    #[must_use]
    pub fn prefix_path_with_host(&self, what: &str) -> String {
        match self.transport.remote_host_name() {
            None => what.to_owned(),
            Some(name) => format!("{name}:{what}"),
        }
    }

    /// Returns ` on web1`, for the end of what is said of another host; nothing for this one.
    #[must_use]
    pub fn render_host_suffix(&self) -> String {
        self.transport.remote_host_name().map(|name| format!(" on {name}")).unwrap_or_default()
    }

    /// Returns where packagecloud.rb lies, as it is said.
    #[must_use]
    pub fn render_config_location(&self) -> String {
        self.prefix_path_with_host(&self.config.display().to_string())
    }

    /// Keeps something about this host, here. Lost, it loses no more than time.
    pub fn write_state_file_about_host(&self, name: &str, text: &str) {
        let _ = self.state.write_state_dir_file(&self.build_host_note_file_name(name), text.as_bytes());
    }

    /// Reads what [`Self::write_state_file_about_host`] kept.
    #[must_use]
    pub fn read_host_state_file(&self, name: &str) -> Option<String> {
        String::from_utf8(self.state.read_state_dir_file(&self.build_host_note_file_name(name))?).ok()
    }

    /// Removes what [`Self::write_state_file_about_host`] kept.
    pub fn remove_host_note(&self, name: &str) {
        self.state.remove_state_dir_file(&self.build_host_note_file_name(name));
    }

    /// Returns a name for something that is kept here about this host.
    #[must_use]
    pub fn build_host_note_file_name(&self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._@".contains(c) { c } else { '_' };
        match self.transport.remote_host_name() {
            None => name.to_owned(),
            Some(host) => format!("{name} {}", host.chars().map(plain).collect::<String>()),
        }
    }
}
