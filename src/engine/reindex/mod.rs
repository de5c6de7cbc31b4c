//! The reindex: every object of the bucket gets the Cache-Control that its class calls for, and loses nothing.
//!
//! list → HEAD → decide → copy onto itself, streaming, in bounded memory; repository metadata first, then the packages. Killed at any moment, the next run repeats
//! at most what was in flight; what is right already is never written again.

pub mod concurrency;
mod control;
mod cursor;
mod decide;
pub mod due;
mod estimate;
pub mod open_files;
pub mod pass;
pub mod process;
pub mod progress;
pub mod queue;
mod ranges;
pub mod spool;
#[cfg(test)]
mod tests;
pub mod workers;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use control::ReindexControl;
pub use cursor::{ReindexCounts, render_reindex_cursor_scope};
pub use estimate::{BucketSurvey, estimate_bucket_objects, render_counts_by_name};

use self::{
    concurrency::AdaptiveConcurrencyLimit,
    cursor::{ReindexCursor, ReindexPart},
    progress::ReindexCheckpoint,
    spool::BatchManifestWriter,
    workers::ReindexWorkers,
};
pub(crate) use crate::aws::s3::fast::{S3ObjectClient, S3RequestCounts, S3RequestError};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::object::ObjectClassifier,
    run::{answers::ReindexAnswers, event::ProgressStats},
};

/// Requests in flight at most: S3 lets 5,500 reads and 3,500 writes a second through for each prefix, which these
/// reach at 140 ms; each holds a connection, and while it waits no buffer. Fewer where fewer files may be open.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1280;
/// Between two paces: with the end's own, at most ten in any second.
const PACE_INTERVAL: Duration = Duration::from_millis(120);
/// Between two cursors: what is killed looks again at what was done since the last one.
const CURSOR_SAVE_INTERVAL: Duration = Duration::from_millis(100);

/// What a run needs to know.
#[derive(Debug, Clone)]
pub struct ReindexOptions {
    pub answers: ReindexAnswers,
    /// Where the cursor is kept; beside it stands the marker of a run that went to its end.
    pub cursor: PathBuf,
    /// The list of what could not be changed: a JSON object a line, with `key` and `reason`.
    pub skipped: PathBuf,
    /// Objects of the layout, where a survey has counted them.
    pub total: Option<u64>,
    /// Keys between which it is listed side by side, where a survey has found them.
    pub cuts: Option<Vec<String>>,
    /// Takes the packages that a job of S3 Batch Operations can copy; without it all copies are made from here.
    pub spool: Option<Arc<BatchManifestWriter>>,
    /// Requests that were sent before the part of which the cost is told; none: all that were sent until now.
    pub requests_before: Option<S3RequestCounts>,
    /// Requests in flight at most.
    pub requests_max: usize,
    /// Holds true while links still lead to S3: then it begins below a thousand copies a second.
    pub are_links_at_s3: Arc<AtomicBool>,
}

/// What a run that went to its end did, earlier parts of it included; requests and slow-downs are this part's.
#[derive(Debug, Clone, PartialEq)]
pub struct ReindexSummary {
    pub counts: ReindexCounts,
    pub requests: S3RequestCounts,
    pub slow_downs: u64,
    /// Whether some access control lists could not be read, and so not kept.
    pub acls_denied: bool,
}

/// What earlier runs left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReindexProgress {
    /// Objects done by a run that was interrupted.
    pub resumes: Option<u64>,
    /// Whether a run went to its end under these rules.
    pub finished: bool,
}

/// What earlier runs for `bucket` left beside `cursor`.
#[must_use]
pub fn read_reindex_progress(bucket: &str, answers: &ReindexAnswers, cursor: &Path) -> ReindexProgress {
    let rules = cursor::render_reindex_cursor_scope(bucket, answers);
    let finished = std::fs::read(build_reindex_finished_marker_path(cursor))
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    ReindexProgress {
        resumes: ReindexCursor::load_reindex_cursor(cursor, &rules).map(|cursor| cursor.counts.done),
        finished: finished.is_some_and(|marker| marker["rules"] == rules),
    }
}

/// Lets the next run begin anew, whatever the last one on `bucket` has done; but what that began and didn't end is dropped by it.
///
/// # Errors
/// Where the files can't be written.
pub(super) fn reset_reindex_progress(cursor: &Path, bucket: &str) -> Result<(), Failure> {
    ReindexCursor::remove_reindex_cursor_file(&build_reindex_finished_marker_path(cursor))?;
    let uploads = ReindexCursor::read_unfinished_uploads_from_file(cursor, bucket);
    if uploads.is_empty() {
        return ReindexCursor::remove_reindex_cursor_file(cursor);
    }
    // Rules that no run has.
    let rules = serde_json::json!([0, bucket]).to_string();
    ReindexCursor { rules, uploads, ..ReindexCursor::default() }.save_reindex_cursor(cursor)
}

/// Where it stands that a run went to its end.
pub(super) fn build_reindex_finished_marker_path(cursor: &Path) -> PathBuf {
    cursor.with_extension("finished")
}

/// Goes through the bucket to its end, saying the pace at most ten times a second.
///
/// # Errors
/// Where it was stopped, or can't go on; the cursor is kept, and the same call goes on where it was.
pub async fn reindex_bucket(
    s3: &S3ObjectClient,
    options: &ReindexOptions,
    say: &(dyn Fn(ProgressStats) + Sync),
    control: &ReindexControl,
) -> Result<ReindexSummary, Failure> {
    let answers = &options.answers;
    let classes = ObjectClassifier::new(answers.all_keys, &answers.package_globs, &answers.metadata_globs)?;
    let rules = cursor::render_reindex_cursor_scope(s3.bucket_name(), answers);
    // Whatever the rules of the run that began them.
    let begun = ReindexCursor::read_unfinished_uploads_from_file(&options.cursor, s3.bucket_name());
    let left =
        if answers.rescan { None } else { ReindexCursor::load_reindex_cursor(&options.cursor, &rules) };
    if left.is_none() {
        ReindexCursor::remove_reindex_cursor_file(&options.skipped)?;
    }
    ReindexCursor::remove_reindex_cursor_file(&build_reindex_finished_marker_path(&options.cursor))?;
    if let Some(folder) = options.skipped.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cursor::build_file_write_failure(folder, &error))?;
    }
    let started = options.requests_before.unwrap_or_else(|| s3.sent_s3_request_counts());
    let acl = !answers.no_acl && may_bucket_have_object_acls(s3).await?;
    let whole_bucket = async || match &options.cuts {
        Some(cuts) => ranges::build_key_ranges_from_cuts(cuts),
        None => ranges::divide_bucket_into_key_ranges(s3).await,
    };
    let mut cursor = match left {
        Some(cursor) => cursor,
        None => ReindexCursor {
            rules: rules.clone(),
            part: ReindexPart::Metadata,
            ranges: whole_bucket().await,
            ..ReindexCursor::default()
        },
    };
    cursor.uploads = Vec::new();
    for (key, upload) in begun {
        // One that can't be dropped now costs storage, and stops nothing: the next run tries again.
        if s3.abort_multipart_upload(&key, &upload).await.is_err() {
            cursor.uploads.push((key, upload));
        }
    }
    let limit = Arc::new(AdaptiveConcurrencyLimit::new(
        open_files::raise_open_file_limit(options.requests_max),
        options.are_links_at_s3.clone(),
    ));
    let shared =
        ReindexShared { s3, classes: &classes, control, acl, limit, options, rules: &rules, started };
    loop {
        match shared.reindex_part(cursor, say).await? {
            ReindexPartEnd::Whole(summary) => return Ok(summary),
            ReindexPartEnd::Metadata(done) => {
                cursor = ReindexCursor { ranges: whole_bucket().await, ..done };
                cursor.save_reindex_cursor(&options.cursor)?;
            }
        }
    }
}

/// What both parts of a run share.
struct ReindexShared<'a> {
    s3: &'a S3ObjectClient,
    classes: &'a ObjectClassifier,
    control: &'a ReindexControl,
    /// Whether access control lists are kept.
    acl: bool,
    limit: Arc<AdaptiveConcurrencyLimit>,
    options: &'a ReindexOptions,
    rules: &'a str,
    /// Requests sent before this run.
    started: S3RequestCounts,
}

/// How a part of a run ended.
enum ReindexPartEnd {
    /// All of it is done.
    Whole(ReindexSummary),
    /// The metadata is: the cursor of the packages, but for where they are listed.
    Metadata(ReindexCursor),
}

impl ReindexShared<'_> {
    /// Goes through the objects of one part, from where `cursor` stands.
    async fn reindex_part(
        &self,
        cursor: ReindexCursor,
        say: &(dyn Fn(ProgressStats) + Sync),
    ) -> Result<ReindexPartEnd, Failure> {
        let (part, count) = (cursor.part, cursor.ranges.len());
        let mut checkpoint = ReindexCheckpoint::new(cursor.ranges, cursor.counts);
        checkpoint.uploads = cursor.uploads.into_iter().map(|(key, upload)| (upload, key)).collect();
        let undone = checkpoint.requeue_undone_keys(cursor.undone);
        let workers = Arc::new(ReindexWorkers::new(
            self.s3.clone(),
            self.classes.clone(),
            self.control.clone(),
            (part, checkpoint),
            self.acl,
            self.limit.clone(),
            self.options,
        ));
        workers.jobs.add_object_jobs(undone);
        let mut tasks = JoinSet::new();
        for index in 0..count {
            tasks.spawn(workers.clone().list_objects_in_key_range(index));
        }
        let run = ReindexRun {
            workers: &workers,
            options: self.options,
            rules: self.rules,
            requests_before: self.started,
        };
        let ended = run.supervise_reindex_workers(&mut tasks, say).await;
        workers.jobs.close_object_job_queue();
        while let Some(ended) = tasks.join_next().await {
            run.halt_reindex_on_panic(ended);
        }
        if part == ReindexPart::Metadata && ended && !workers.halt.is_cancelled() {
            // What was given up of the metadata is tried once more with the packages.
            return Ok(ReindexPartEnd::Metadata(run.build_packages_cursor()));
        }
        run.save_cursor_and_summarize_reindex(ended).map(ReindexPartEnd::Whole)
    }
}

/// Whether access control lists are kept: where that can't be asked, yes, and each object tells.
async fn may_bucket_have_object_acls(s3: &S3ObjectClient) -> Result<bool, Failure> {
    match retry_s3_request_briefly(|| s3.are_object_acls_enabled()).await {
        Ok(has) => Ok(has),
        Err(S3RequestError::Fatal(failure)) => Err(failure),
        Err(_) => Ok(true),
    }
}

/// Asks again where that can help: for what is asked before the workers are there.
async fn retry_s3_request_briefly<T, F: Future<Output = Result<T, S3RequestError>>>(
    ask: impl Fn() -> F,
) -> Result<T, S3RequestError> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(S3RequestError::Throttled | S3RequestError::Broken(_)) if tries < 5 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
            }
            said => return said,
        }
    }
}

/// What helps where it isn't known any more, since an earlier part of the run met the reason.
fn advise_to_look_at_reasons() -> String {
    format!("mend that, then run: {}", render_same_command_again(&[]))
}

struct ReindexRun<'a> {
    workers: &'a Arc<ReindexWorkers>,
    options: &'a ReindexOptions,
    rules: &'a str,
    /// Requests sent before this run, by whoever shares the connections.
    requests_before: S3RequestCounts,
}

impl ReindexRun<'_> {
    /// Keeps as many workers as the limit allows, tells the pace and saves the cursor; true when all is done, false
    /// when the run was halted.
    async fn supervise_reindex_workers(
        &self,
        tasks: &mut JoinSet<()>,
        say: &(dyn Fn(ProgressStats) + Sync),
    ) -> bool {
        let workers = self.workers;
        let (mut said, mut saved, mut due) = (Instant::now(), Instant::now(), Instant::now());
        let mut speed = ReindexSpeedMeter::default();
        loop {
            tokio::select! {
                biased;
                () = workers.halt.cancelled() => return false,
                () = workers.control.wait_until_reindex_stop_requested() => {
                    workers.halt.cancel();
                    return false;
                }
                Some(ended) = tasks.join_next() => {
                    self.halt_reindex_on_panic(ended);
                    continue;
                }
                () = workers.all_done.notified() => {}
                () = sleep_until(due) => {}
            }
            let now = Instant::now();
            due = now
                + if workers.control.is_reindex_paused() {
                    PACE_INTERVAL
                } else {
                    workers.limit.next_concurrency_update_delay()
                };
            workers.limit.update_concurrency_limit(
                workers.busy_workers.load(Relaxed),
                workers.s3.drain_s3_head_timings(),
            );
            let waiting = workers.jobs.count_waiting_object_jobs();
            let running = workers.worker_count.load(Relaxed);
            for _ in running
                ..workers
                    .limit
                    .current_request_concurrency()
                    .min(workers.busy_workers.load(Relaxed) + waiting)
            {
                workers.worker_count.fetch_add(1, Relaxed);
                tasks.spawn(workers.clone().run_reindex_worker());
            }
            if now - said >= PACE_INTERVAL {
                said = now;
                say(self.measure_reindex_pace(&mut speed, now));
            }
            if now - saved >= CURSOR_SAVE_INTERVAL {
                saved = now;
                let cursor = workers.lock_reindex_checkpoint().build_reindex_cursor(self.rules, workers.part);
                if let Err(failure) = cursor.save_reindex_cursor(&self.options.cursor) {
                    workers.halt_workers_with_failure(failure);
                }
            }
            if workers.lock_reindex_checkpoint().is_reindex_finished() {
                say(self.measure_reindex_pace(&mut speed, now));
                return true;
            }
        }
    }

    /// The failure of a run in which no object was right, and none could be made so.
    fn build_nothing_changed_failure(&self, reason: &str, count: u64, skipped: u64) -> Failure {
        let next = self.workers.find_skip_advice(reason).unwrap_or_else(advise_to_look_at_reasons);
        Failure::new_generic_failure(
            format!("the objects of bucket {}", self.workers.s3.bucket_name()),
            format!(
                "none of {skipped} could be changed, {count} for this: {reason} (each key in {})",
                self.options.skipped.display()
            ),
            next,
        )
    }

    /// A task that panicked ends the run; the cursor stays.
    fn halt_reindex_on_panic(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            self.workers.halt_workers_with_failure(Failure::new_generic_failure(
                "the reindex",
                error.to_string(),
                format!(
                    "report this, then run: {} — it continues where it stopped",
                    render_same_command_again(&[])
                ),
            ));
        }
    }

    fn count_s3_requests_since_start(&self) -> S3RequestCounts {
        let (now, before) = (self.workers.s3.sent_s3_request_counts(), self.requests_before);
        S3RequestCounts {
            list: now.list - before.list,
            head: now.head - before.head,
            copy: now.copy - before.copy,
            other: now.other - before.other,
        }
    }

    fn measure_reindex_pace(&self, speed: &mut ReindexSpeedMeter, now: Instant) -> ProgressStats {
        let (counts, total) = {
            let checkpoint = self.workers.lock_reindex_checkpoint();
            // While the metadata is done, the packages are still to come.
            let is_last = self.workers.part != ReindexPart::Metadata;
            let listed = (is_last && checkpoint.is_bucket_fully_listed())
                .then(|| checkpoint.count_keys_given_to_workers());
            (checkpoint.live_reindex_counts().clone(), listed.or(self.options.total))
        };
        let per_second = speed.measure_reindex_speed(now, counts.done);
        let left = total.map(|total| total.saturating_sub(counts.done));
        let seconds_left = left
            .zip(per_second)
            .filter(|(_, speed)| *speed > 0.0)
            .map(|(left, speed)| (left as f64 / speed).ceil() as u64);
        ProgressStats {
            done: Some(counts.done),
            total,
            kept: Some(counts.kept),
            skipped: Some(counts.skipped),
            reasons: counts.reasons,
            foreign: counts.foreign,
            per_second,
            in_flight: Some(self.workers.busy_workers.load(Relaxed) as u64),
            slow_downs: Some(self.workers.limit.s3_slow_down_count()),
            bytes: Some(counts.bytes),
            cost: Some(self.count_s3_requests_since_start().compute_s3_requests_cost_usd()),
            seconds_left,
        }
    }

    /// Returns where the packages begin once the metadata is done, but for the ranges of keys.
    fn build_packages_cursor(&self) -> ReindexCursor {
        let checkpoint = self.workers.lock_reindex_checkpoint();
        let done = checkpoint.build_reindex_cursor(self.rules, ReindexPart::Packages);
        ReindexCursor { counts: checkpoint.live_reindex_counts().clone(), ..done }
    }

    /// Leaves the cursor, or after a run to the end none, and says how it ended.
    fn save_cursor_and_summarize_reindex(&self, ended: bool) -> Result<ReindexSummary, Failure> {
        let workers = self.workers;
        let (finished, counts, cursor, given_up) = {
            let checkpoint = workers.lock_reindex_checkpoint();
            (
                checkpoint.is_reindex_finished(),
                checkpoint.live_reindex_counts().clone(),
                checkpoint.build_reindex_cursor(self.rules, workers.part),
                checkpoint.given_up_key_count(),
            )
        };
        let failure = workers.extract_worker_failure();
        if ended && finished && given_up == 0 && failure.is_none() {
            ReindexCursor::remove_reindex_cursor_file(&self.options.cursor)?;
            if let Some((reason, count)) = counts.find_reason_why_nothing_changed() {
                // Nothing was changed, so the next run loses nothing by beginning anew.
                return Err(self.build_nothing_changed_failure(reason, count, counts.skipped));
            }
            let at =
                workers.s3.current_signing_time().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let text = serde_json::json!({ "rules": self.rules, "at": at, "done": counts.done }).to_string();
            let path = build_reindex_finished_marker_path(&self.options.cursor);
            cursor::replace_file_atomically(&path, text.as_bytes())
                .map_err(|error| cursor::build_file_write_failure(&path, &error))?;
            return Ok(ReindexSummary {
                requests: self.count_s3_requests_since_start(),
                slow_downs: workers.limit.s3_slow_down_count(),
                acls_denied: counts.acls_denied > 0,
                counts,
            });
        }
        cursor.save_reindex_cursor(&self.options.cursor)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(first) = workers.extract_first_given_up_failure().filter(|_| ended) {
            let what = format!("{given_up} of {} objects", counts.done + given_up as u64);
            return Err(Failure::new(first.kind, what, format!("{}: {}", first.what, first.why), first.next));
        }
        Err(Failure::new(
            FailureKind::Interrupted,
            format!("reindex of bucket {}", workers.s3.bucket_name()),
            format!("stopped after {} objects", counts.done),
            format!("run: {} — it goes on there", render_same_command_again(&[])),
        ))
    }
}

/// Objects a second, over the last second or so.
#[derive(Default)]
struct ReindexSpeedMeter(VecDeque<(Instant, u64)>);

impl ReindexSpeedMeter {
    fn measure_reindex_speed(&mut self, now: Instant, done: u64) -> Option<f64> {
        self.0.push_back((now, done));
        while self.0.len() > 11 {
            self.0.pop_front();
        }
        let (then, before) = *self.0.front()?;
        let elapsed = (now - then).as_secs_f64();
        (elapsed > 0.0).then(|| (done - before) as f64 / elapsed)
    }
}
