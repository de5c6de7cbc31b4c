//! What the next reconfigure will apply beside this program's own lines: told by the file's times and packagecloud's own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Ctl, Host};

/// Holds the hash of what was written last, and whether somebody else had changed the file before since the last
/// reconfigure. Lost, the next go-live says more than it must.
const WRITTEN: &str = "written";
const PACKAGES: [&str; 2] = ["packagecloud", "packagecloud-enterprise"];

/// What packagecloud.rb holds that packagecloud doesn't follow yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
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
    /// What the file whose bytes hash to `hash` holds since the last reconfigure.
    pub async fn pending(&self, hash: &str) -> Pending {
        let Some(changed) = self.config_changed().await else { return Pending::Unknown };
        let last = self.last_reconfigure().await;
        let written = self.noted(WRITTEN);
        let ours = written.as_deref().and_then(|text| text.split_once(' ')).filter(|(of, _)| *of == hash);
        match (last, ours) {
            (Some(last), _) if changed <= last => Pending::Nothing { last },
            (Some(last), Some((_, "ours"))) => Pending::Ours { last },
            _ => Pending::Theirs { changed, last },
        }
    }

    /// Keeps that this program brought the file to the hash `new`, from what was `before`.
    pub(super) fn note_written(&self, new: &str, before: Pending) {
        let whose = match before {
            Pending::Nothing { .. } | Pending::Ours { .. } => "ours",
            Pending::Unknown | Pending::Theirs { .. } => "theirs",
        };
        self.note(WRITTEN, &format!("{new} {whose}"));
    }

    /// Unix time at which packagecloud was installed or upgraded last, by its package or by what that left.
    pub async fn installed(&self) -> Option<Duration> {
        if !matches!(self.ctl, Ctl::Command(_)) {
            return None;
        }
        if let Some(rpm) = self.rpm().await {
            for name in PACKAGES {
                let said = self.reach.ask(&rpm, &["-q", "--qf", "%{INSTALLTIME}\n", name]).await;
                let time = said.and_then(|said| said.lines().next()?.trim().parse().ok());
                if let Some(time) = time {
                    return Some(Duration::from_secs(time));
                }
            }
        }
        // dpkg writes its list as it unpacks; the manifest has the time of the build, which is earlier.
        let lists = PACKAGES.map(|name| Path::new("/var/lib/dpkg/info").join(name).with_extension("list"));
        let traces: Vec<PathBuf> =
            lists.into_iter().chain([PathBuf::from("/opt/packagecloud/version-manifest.txt")]).collect();
        self.reach.modified(&traces).await
    }
}
