//! What is left on the terminal once the wizard is left: where packages go now, and where to look for more (contract section 2).
//!
//! It reads this host alone: nobody waits for AWS in order to leave.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{hand_over::REPORT_FILE, packagecloud::switch::read_cloudfront_on_since, session::Session};
use crate::host::environment::clock;
use crate::model::run::proposed_command::render_proposed_command;

/// Returns where the log lies: `log_file` where that is given, else in the state directory.
#[must_use]
pub fn choose_log_path(session: &Session, log_file: Option<&Path>) -> PathBuf {
    log_file.map_or_else(|| session.host.state.state_dir_path().join("log"), Path::to_owned)
}

/// How long the host is waited for: it may be behind ssh.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(3);

/// Renders what is on or off since when, the domain, the verdict, the newest backup, how to go back, the log and the report:
/// eight lines at most. `log_file` is the log's path where it isn't the usual one.
pub async fn render_leaving_lines(
    session: &Session,
    verdict: Option<&str>,
    log_file: Option<&Path>,
) -> Vec<String> {
    let read = async {
        let config = session.host.read_packagecloud_config().await;
        let backup = super::list_config_backups(session).await.ok().and_then(|all| all.into_iter().next());
        (config, backup)
    };
    let mut lines = Vec::new();
    match tokio::time::timeout(LEAVING_TIMEOUT, read).await {
        Ok((Ok(config), backup)) => {
            let may_be_on = config.seen.may_cloudfront_be_on();
            let since = read_cloudfront_on_since(session).map(clock::render_utc_time);
            lines.push(match (may_be_on, config.seen.values.enabled, since) {
                (true, Some(true), Some(since)) => format!("CloudFront is on since {since}."),
                (true, Some(true), None) => "CloudFront is on.".to_owned(),
                (true, ..) => "CloudFront may be on: packagecloud.rb does not settle it.".to_owned(),
                (false, ..) => "CloudFront is off: packages come from S3.".to_owned(),
            });
            if let Some(domain) = &config.seen.values.packages_domain {
                lines.push(format!("Packages domain: {domain}"));
            }
            lines.extend(verdict.map(|verdict| format!("Verdict: {verdict}")));
            lines.extend(backup.map(|backup| format!("Newest backup: {}", backup.path)));
            // Switched off, it is all there still; a backup may hold what made somebody switch it off.
            let is_set_up = config.seen.values.distribution_id.is_some();
            let (way, command) = match (may_be_on, is_set_up) {
                (true, _) => ("To switch off", "disable"),
                (false, true) => ("To switch on again", "enable"),
                (false, false) => ("To go back", "roll-back"),
            };
            lines.push(format!("{way}: {}", render_proposed_command(command, &[])));
        }
        Ok((Err(failure), _)) => lines.push(format!("Whether CloudFront is on can't be told: {failure}")),
        Err(_) => lines.push("Whether CloudFront is on can't be told: the host did not answer.".to_owned()),
    }
    let dir = session.host.state.state_dir_path();
    let log = choose_log_path(session, log_file);
    if log.exists() {
        lines.push(format!("Log: {}", log.display()));
    }
    let report = dir.join(REPORT_FILE);
    if report.exists() {
        lines.push(format!("Report: {}", report.display()));
    }
    lines
}
