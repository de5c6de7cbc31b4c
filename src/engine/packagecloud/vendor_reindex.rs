//! The vendor's own reindex: packagecloud-ctl queues its jobs, and they are waited for until they have settled.
//!
//! The command only queues. What it set off is over when no repository metadata has changed for ten minutes, and all of
//! it has the attributes that it needs. The next start finds the command, or the wait, where this one left it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) use crate::aws::s3::last_modified::RepoMetadataLastModified;
use crate::engine::{
    run::StageRun,
    session::{ReindexBucket, Session, retry_on_expiry::retry_on_expired_credentials},
};
use crate::host::CtlOutcome;
use crate::model::{
    failure::Failure,
    packagecloud::{ctl_command::CtlCommand, object::ObjectClassifier},
    run::goal::StageStep,
};

/// So long nothing may have changed.
const QUIET_PERIOD: Duration = Duration::from_mins(10);
/// Between two listings; and between them at least so many times as long as one takes.
const LISTING_INTERVAL_MIN: Duration = Duration::from_mins(1);
const LISTING_PAUSE_FACTOR: u32 = 10;
/// Where it stands how far it is.
const VENDOR_STATE_FILE: &str = "vendor.json";

/// What is said of it before it is run.
pub const VENDOR_REINDEX_NOTICE: &str = "packagecloud's own reindex queues its index jobs ahead of new uploads: packages that are uploaded meanwhile appear in \
                         their repositories only after them. It is waited for until no repository metadata has changed for ten minutes.";

/// How far an earlier run came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VendorReindexState {
    /// The command has ended; its jobs may still run.
    Queued,
    Settled,
}

/// Reads what an earlier run left, for this bucket.
pub fn read_vendor_reindex_state(session: &Session, bucket: &str) -> Option<VendorReindexState> {
    let kept: (String, VendorReindexState) =
        serde_json::from_slice(&session.host.state.read_state_dir_file(VENDOR_STATE_FILE)?).ok()?;
    (kept.0 == bucket).then_some(kept.1)
}

/// Losing it costs running the command again, and nothing else.
fn save_packagecloud_reindex_state(session: &Session, bucket: &str, left: VendorReindexState) {
    let text = serde_json::to_vec(&(bucket, left)).unwrap_or_default();
    let _ = session.host.state.write_state_dir_file(VENDOR_STATE_FILE, &text);
}

/// Keeps that it was settled, and everything is right.
pub fn save_packagecloud_reindex_complete(session: &Session, bucket: &str) {
    save_packagecloud_reindex_state(session, bucket, VendorReindexState::Settled);
}

/// Runs the command, or follows the one that runs; then waits until nothing changes any more. True where there is
/// something to have settled.
///
/// # Errors
/// Fails where the command fails, the bucket can't be listed, or it is stopped.
pub async fn run_vendor_reindex(
    session: &Session,
    found: &ReindexBucket,
    classes: &ObjectClassifier,
    rescan: bool,
    run: &StageRun,
) -> Result<bool, Failure> {
    let bucket = found.name.as_str();
    let what = format!("packagecloud-ctl {}", CtlCommand::ReindexEverything);
    let waits = read_vendor_reindex_state(session, bucket) == Some(VendorReindexState::Queued) && !rescan;
    run.run_stage_step(StageStep::VendorReindex, what.clone(), async {
        let say = run.build_step_progress_reporter(StageStep::VendorReindex);
        if !waits {
            let running = run.read_unless_stopped(async {
                let mut on_line = |line: &str| say(line);
                session.host.run_packagecloud_ctl(CtlCommand::ReindexEverything, &mut on_line).await
            });
            match running.await? {
                CtlOutcome::Done => {
                    save_packagecloud_reindex_state(session, bucket, VendorReindexState::Queued);
                }
                CtlOutcome::LeftToOperator => return Ok((false, format!("left to you: {what}"))),
                CtlOutcome::UnknownCommand => {
                    return Ok((
                        false,
                        format!(
                            "this packagecloud doesn't know {}; ours suffices",
                            CtlCommand::ReindexEverything
                        ),
                    ));
                }
                CtlOutcome::Failed { status, last } => {
                    return Err(Failure::new_generic_failure(
                        what,
                        format!("it ended with exit code {status}: {}", last.join(" ")),
                        "ours suffices: go on without --vendor-reindex yes",
                    ));
                }
            }
        }
        let look = || {
            let look = || found.cloud.find_newest_repo_metadata_change(bucket, classes);
            retry_on_expired_credentials(session, &found.cloud, run, StageStep::VendorReindex, look)
        };
        let times = (
            session.scale_wait_for_sandbox(QUIET_PERIOD),
            session.scale_wait_for_sandbox(LISTING_INTERVAL_MIN).max(Duration::from_millis(100)),
        );
        let newest = run.read_unless_stopped(wait_until_repo_metadata_settles(look, times, &say)).await?;
        Ok((
            true,
            format!("settled: none of {} objects of repository metadata changes any more", newest.count),
        ))
    })
    .await
}

/// Looks until what it sees has stood still for long enough: on this machine's steady clock, whatever S3's says.
async fn wait_until_repo_metadata_settles<F: Future<Output = Result<RepoMetadataLastModified, Failure>>>(
    look: impl Fn() -> F,
    (quiet, beat): (Duration, Duration),
    say: &(impl Fn(&str) + Sync),
) -> Result<RepoMetadataLastModified, Failure> {
    let mut seen: Option<(RepoMetadataLastModified, Instant)> = None;
    loop {
        let began = Instant::now();
        let now = look().await?;
        let since = match seen {
            Some((before, since)) if before == now => since,
            _ => began,
        };
        seen = Some((now, since));
        let still = since.elapsed();
        if still >= quiet {
            return Ok(now);
        }
        say(&format!(
            "waiting until packagecloud has worked through its queue: {} objects of repository metadata, unchanged for {} of {} s",
            now.count,
            still.as_secs(),
            quiet.as_secs()
        ));
        let pause = beat.max(began.elapsed() * LISTING_PAUSE_FACTOR);
        tokio::time::sleep(pause.min(quiet.saturating_sub(still).max(Duration::from_millis(100)))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn simulate_changes(changes: &[u64]) -> (u64, u64) {
        let (began, looks) = (Instant::now(), Cell::new(0));
        let look = async || {
            looks.set(looks.get() + 1);
            let minutes = began.elapsed().as_secs() / 60;
            Ok(RepoMetadataLastModified {
                count: 7,
                changed: changes.iter().copied().filter(|at| *at <= minutes).max().unwrap_or(0).cast_signed(),
            })
        };
        let newest =
            wait_until_repo_metadata_settles(look, (QUIET_PERIOD, LISTING_INTERVAL_MIN), &|_: &str| {})
                .await
                .unwrap();
        assert_eq!(newest.count, 7);
        (began.elapsed().as_secs() / 60, looks.get())
    }

    #[tokio::test(start_paused = true)]
    async fn it_has_settled_when_nothing_has_changed_for_ten_minutes() {
        assert_eq!(simulate_changes(&[]).await, (10, 11));
        // Each change begins the wait anew, the last one at the ninth minute of the one before.
        assert_eq!(simulate_changes(&[3, 12, 21]).await.0, 31);
        assert_eq!(simulate_changes(&[40]).await.0, 10, "what comes later isn't waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_takes_long_is_made_rarely() {
        let looks = Cell::new(0);
        let look = async || {
            looks.set(looks.get() + 1);
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(RepoMetadataLastModified::default())
        };
        wait_until_repo_metadata_settles(look, (QUIET_PERIOD, LISTING_INTERVAL_MIN), &|_: &str| {})
            .await
            .unwrap();
        assert!(looks.get() <= 4, "{}", looks.get());
    }
}
