//! What the last reconfigure applied, where packagecloud's package wrote that down: `…-running.json`, as omnibus packages do.

use std::path::{Path, PathBuf};

use crate::host::{Host, paths::DEFAULT_CONFIG_PATH};
use crate::model::packagecloud::running_config::find_running_cloudfront_switch;

/// How the name of such a file ends.
const RUNNING_FILE_SUFFIX: &str = "-running.json";

/// packagecloud's own directories, looked at where packagecloud.rb is the usual one.
const PACKAGECLOUD_DIRS: [&str; 3] =
    ["/opt/packagecloud/embedded/nodes", "/var/opt/packagecloud", "/opt/packagecloud/etc"];

impl Host {
    /// Reads whether the last reconfigure has CloudFront on, and the file that says it; `None` where no file does that is
    /// as new as packagecloud.rb.
    pub async fn read_running_cloudfront_switch(&self) -> Option<(PathBuf, bool)> {
        let (beside, _) = self.split_config_dir_and_name();
        let usual = self.looks_for_clients && self.config == Path::new(DEFAULT_CONFIG_PATH);
        let own = PACKAGECLOUD_DIRS.iter().filter(|_| usual).map(PathBuf::from);
        let changed = self.read_config_change_time().await?;
        for dir in std::iter::once(beside).chain(own) {
            for name in self.transport.list_dir(&dir).await.unwrap_or_default() {
                if !name.ends_with(RUNNING_FILE_SUFFIX) {
                    continue;
                }
                let path = dir.join(name);
                let written = self.transport.read_newest_file_change_time(std::slice::from_ref(&path)).await;
                if written.is_none_or(|written| written < changed) {
                    continue;
                }
                let bytes = self.transport.read_file(&path).await.unwrap_or_default();
                if let Some(on) = find_running_cloudfront_switch(&bytes) {
                    return Some((path, on));
                }
            }
        }
        None
    }
}
