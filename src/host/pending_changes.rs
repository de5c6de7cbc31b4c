//! What the next reconfigure will apply beside this program's own lines: told by the file's times and packagecloud's own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Host, PackagecloudCtlRunner};

/// Holds the hash of what was written last, and whether somebody else had changed the file before since the last
/// reconfigure. Lost, the next go-live says more than it must.
const LAST_WRITE_NOTE: &str = "written";
const PACKAGE_NAMES: [&str; 2] = ["packagecloud", "packagecloud-enterprise"];

/// What packagecloud.rb holds that packagecloud doesn't follow yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingConfigChanges {
    /// When the file was changed can't be told.
    Unknown,
    /// It is as it was at the last reconfigure.
    Nothing { last: Duration },
    /// Since then nobody but this program changed it.
    Ours { last: Duration },
    /// Somebody changed it, or nobody can say who did; `last` is unknown where no reconfigure left a trace.
    Theirs { changed: Duration, last: Option<Duration> },
}

impl Host {
    /// Reads what the file whose bytes hash to `hash` holds since the last reconfigure.
    pub async fn read_pending_config_changes(&self, hash: &str) -> PendingConfigChanges {
        let Some(changed) = self.read_config_change_time().await else {
            return PendingConfigChanges::Unknown;
        };
        let last = self.read_last_reconfigure_time().await;
        let written = self.read_host_state_file(LAST_WRITE_NOTE);
        let ours = written.as_deref().and_then(|text| text.split_once(' ')).filter(|(of, _)| *of == hash);
        match (last, ours) {
            (Some(last), _) if changed <= last => PendingConfigChanges::Nothing { last },
            (Some(last), Some((_, "ours"))) => PendingConfigChanges::Ours { last },
            _ => PendingConfigChanges::Theirs { changed, last },
        }
    }

    /// Returns whether the file's bytes, which hash to `hash`, are those that this program wrote last.
    pub(super) fn is_own_last_config_write(&self, hash: &str) -> bool {
        let written = self.read_host_state_file(LAST_WRITE_NOTE);
        written.is_some_and(|text| text.split_once(' ').is_some_and(|(of, _)| of == hash))
    }

    /// Keeps that this program brought the file to the hash `new`, from what was `before`.
    pub(super) fn note_own_config_write(&self, new: &str, before: PendingConfigChanges) {
        let whose = match before {
            PendingConfigChanges::Nothing { .. } | PendingConfigChanges::Ours { .. } => "ours",
            PendingConfigChanges::Unknown | PendingConfigChanges::Theirs { .. } => "theirs",
        };
        self.write_state_file_about_host(LAST_WRITE_NOTE, &format!("{new} {whose}"));
    }

    /// Reads the Unix time at which packagecloud was installed or upgraded last, by its package or by what that left.
    pub async fn read_packagecloud_install_time(&self) -> Option<Duration> {
        if !matches!(self.ctl, PackagecloudCtlRunner::Command(_)) {
            return None;
        }
        if let Some(rpm) = self.find_rpm_program().await {
            for name in PACKAGE_NAMES {
                let said = self
                    .transport
                    .query_program_stdout(&rpm, &["-q", "--qf", "%{INSTALLTIME}\n", name])
                    .await;
                let time = said.and_then(|said| said.lines().next()?.trim().parse().ok());
                if let Some(time) = time {
                    return Some(Duration::from_secs(time));
                }
            }
        }
        // dpkg writes its list as it unpacks; the manifest has the time of the build, which is earlier.
        let lists =
            PACKAGE_NAMES.map(|name| Path::new("/var/lib/dpkg/info").join(name).with_extension("list"));
        let traces: Vec<PathBuf> =
            lists.into_iter().chain([PathBuf::from("/opt/packagecloud/version-manifest.txt")]).collect();
        self.transport.read_newest_file_change_time(&traces).await
    }
}
