//! The reindex: every object of the bucket gets the Cache-Control that its class calls for, and loses nothing.
//!
//! list → HEAD → decide → copy onto itself, streaming, in bounded memory. Killed at any moment, the next run repeats
//! at most what was in flight; what is right already is never written again.

pub mod concurrency;
mod control;
mod cursor;
mod decide;
mod estimate;
pub mod open_files;
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
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, UNIX_EPOCH},
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use control::Control;
pub use cursor::{Counts, rules};
pub use estimate::{Survey, named, survey};

use self::{cursor::Cursor, progress::Ledger, workers::Crew};
pub(crate) use crate::aws::s3::fast::{Objects, Refusal, Requests};
use crate::engine::batch::Spool;
use crate::model::{
    packagecloud::object::Classes,
    run::{
        answers::ReindexAnswers,
        event::Pace,
        failure::{Failure, Kind},
    },
};

/// Requests in flight at most: S3 lets 5,500 reads and 3,500 writes a second through for each prefix, which these
/// reach at 140 ms; each holds a connection, and while it waits no buffer. Fewer where fewer files may be open.
pub const MOST: usize = 1280;
/// Between two paces: with the end's own, at most ten in any second.
const SAY: Duration = Duration::from_millis(120);
/// Between two cursors: what is killed looks again at what was done since the last one.
const SAVE: Duration = Duration::from_millis(100);

/// What a run needs to know.
#[derive(Debug, Clone)]
pub struct Options {
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
    pub spool: Option<Arc<Spool>>,
    /// Requests that were sent before the part of which the cost is told; none: all that were sent until now.
    pub since: Option<Requests>,
    /// Requests in flight at most.
    pub most: usize,
}

/// What a run that went to its end did, earlier parts of it included; requests and slow-downs are this part's.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub counts: Counts,
    pub requests: Requests,
    pub slow_downs: u64,
    /// Whether some access control lists could not be read, and so not kept.
    pub acls_denied: bool,
}

/// What earlier runs left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Objects done by a run that was interrupted.
    pub resumes: Option<u64>,
    /// Whether a run went to its end under these rules.
    pub finished: bool,
}

/// What earlier runs for `bucket` left beside `cursor`.
#[must_use]
pub fn standing(bucket: &str, answers: &ReindexAnswers, cursor: &Path) -> Standing {
    let rules = cursor::rules(bucket, answers);
    let finished = std::fs::read(marker(cursor))
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    Standing {
        resumes: Cursor::load(cursor, &rules).map(|cursor| cursor.counts.done),
        finished: finished.is_some_and(|marker| marker["rules"] == rules),
    }
}

/// Lets the next run begin anew, whatever the last one on `bucket` has done; but what that began and didn't end is dropped by it.
///
/// # Errors
/// Where the files can't be written.
pub(super) fn forget(cursor: &Path, bucket: &str) -> Result<(), Failure> {
    Cursor::remove(&marker(cursor))?;
    let uploads = Cursor::uploads(cursor, bucket);
    if uploads.is_empty() {
        return Cursor::remove(cursor);
    }
    // Rules that no run has.
    let rules = serde_json::json!([0, bucket]).to_string();
    Cursor { rules, uploads, ..Cursor::default() }.save(cursor)
}

/// Where it stands that a run went to its end.
pub(super) fn marker(cursor: &Path) -> PathBuf {
    cursor.with_extension("finished")
}

/// Goes through the bucket to its end, saying the pace at most ten times a second.
///
/// # Errors
/// Where it was stopped, or can't go on; the cursor is kept, and the same call goes on where it was.
pub async fn reindex(
    s3: &Objects,
    options: &Options,
    say: &(dyn Fn(Pace) + Sync),
    control: &Control,
) -> Result<Summary, Failure> {
    let answers = &options.answers;
    let classes = Classes::new(answers.all_keys, &answers.package_globs, &answers.metadata_globs)?;
    let rules = cursor::rules(s3.bucket(), answers);
    // Whatever the rules of the run that began them.
    let begun = Cursor::uploads(&options.cursor, s3.bucket());
    let left = if answers.rescan { None } else { Cursor::load(&options.cursor, &rules) };
    if left.is_none() {
        Cursor::remove(&options.skipped)?;
    }
    Cursor::remove(&marker(&options.cursor))?;
    if let Some(folder) = options.skipped.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cursor::unwritable(folder, &error))?;
    }
    let started = options.since.unwrap_or_else(|| s3.requests());
    let acl = !answers.no_acl && has_acls(s3).await?;
    let cursor = if let Some(cursor) = left {
        cursor
    } else {
        let ranges = match &options.cuts {
            Some(cuts) => ranges::between(cuts),
            None => ranges::divide(s3).await,
        };
        Cursor { rules: rules.clone(), ranges, ..Cursor::default() }
    };
    let count = cursor.ranges.len();
    let mut ledger = Ledger::new(cursor.ranges, cursor.counts);
    for (key, upload) in begun {
        // One that can't be dropped now costs storage, and stops nothing: the next run tries again.
        if s3.abort_parts(&key, &upload).await.is_err() {
            ledger.uploads.insert(upload, key);
        }
    }
    let undone = ledger.take_back(cursor.undone);
    let crew = Arc::new(Crew::new(s3.clone(), classes, control.clone(), ledger, acl, options));
    crew.jobs.add(undone);
    let mut tasks = JoinSet::new();
    for index in 0..count {
        tasks.spawn(crew.clone().list(index));
    }
    let run = Run { crew: &crew, options, rules: &rules, started };
    let ended = run.follow(&mut tasks, say).await;
    crew.jobs.close();
    while let Some(ended) = tasks.join_next().await {
        run.survived(ended);
    }
    run.conclude(ended)
}

/// Whether access control lists are kept: where that can't be asked, yes, and each object tells.
async fn has_acls(s3: &Objects) -> Result<bool, Failure> {
    match a_few_times(|| s3.has_acls()).await {
        Ok(has) => Ok(has),
        Err(Refusal::Fatal(failure)) => Err(failure),
        Err(_) => Ok(true),
    }
}

/// Asks again where that can help: for what is asked before the lanes are there.
async fn a_few_times<T, F: Future<Output = Result<T, Refusal>>>(ask: impl Fn() -> F) -> Result<T, Refusal> {
    let mut tries = 0;
    loop {
        match ask().await {
            Err(Refusal::Throttled | Refusal::Broken(_)) if tries < 5 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
            }
            said => return said,
        }
    }
}

struct Run<'a> {
    crew: &'a Arc<Crew>,
    options: &'a Options,
    rules: &'a str,
    /// Requests sent before this run, by whoever shares the connections.
    started: Requests,
}

impl Run<'_> {
    /// Keeps as many lanes as the window is large, tells the pace and saves the cursor; true when all is done, false
    /// when the run was halted.
    async fn follow(&self, tasks: &mut JoinSet<()>, say: &(dyn Fn(Pace) + Sync)) -> bool {
        let crew = self.crew;
        let (mut said, mut saved, mut due) = (Instant::now(), Instant::now(), Instant::now());
        let mut speed = Speed::default();
        loop {
            tokio::select! {
                biased;
                () = crew.halt.cancelled() => return false,
                () = crew.control.stopped() => {
                    crew.halt.cancel();
                    return false;
                }
                Some(ended) = tasks.join_next() => {
                    self.survived(ended);
                    continue;
                }
                () = crew.over.notified() => {}
                () = sleep_until(due) => {}
            }
            let now = Instant::now();
            due = now + if crew.control.paused() { SAY } else { crew.window.pause() };
            crew.window.tick(crew.busy.load(Relaxed), crew.s3.take_heads());
            let waiting = crew.jobs.len();
            let lanes = crew.lanes.load(Relaxed);
            for _ in lanes..crew.window.size().min(crew.busy.load(Relaxed) + waiting) {
                crew.lanes.fetch_add(1, Relaxed);
                tasks.spawn(crew.clone().lane());
            }
            if now - said >= SAY {
                said = now;
                say(self.pace(&mut speed, now));
            }
            if now - saved >= SAVE {
                saved = now;
                let cursor = crew.ledger().cursor(self.rules);
                if let Err(failure) = cursor.save(&self.options.cursor) {
                    crew.fail(failure);
                }
            }
            if crew.ledger().finished() {
                say(self.pace(&mut speed, now));
                return true;
            }
        }
    }

    /// A task that panicked ends the run; the cursor stays.
    fn survived(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            self.crew.fail(Failure::other(
                "the reindex",
                error.to_string(),
                "report this, then run the same command: it goes on where it was",
            ));
        }
    }

    fn requests(&self) -> Requests {
        let (now, before) = (self.crew.s3.requests(), self.started);
        Requests {
            list: now.list - before.list,
            head: now.head - before.head,
            copy: now.copy - before.copy,
            other: now.other - before.other,
        }
    }

    fn pace(&self, speed: &mut Speed, now: Instant) -> Pace {
        let (counts, total) = {
            let ledger = self.crew.ledger();
            let listed = ledger.all_listed().then(|| ledger.handed_out());
            (ledger.counts().clone(), listed.or(self.options.total))
        };
        let per_second = speed.measure(now, counts.done);
        let left = total.map(|total| total.saturating_sub(counts.done));
        let seconds_left = left
            .zip(per_second)
            .filter(|(_, speed)| *speed > 0.0)
            .map(|(left, speed)| (left as f64 / speed).ceil() as u64);
        Pace {
            done: Some(counts.done),
            total,
            kept: Some(counts.kept),
            skipped: Some(counts.skipped),
            reasons: counts.reasons,
            foreign: counts.foreign,
            per_second,
            in_flight: Some(self.crew.busy.load(Relaxed) as u64),
            slow_downs: Some(self.crew.window.slow_downs()),
            bytes: Some(counts.bytes),
            cost: Some(self.requests().cost()),
            seconds_left,
        }
    }

    /// Leaves the cursor, or after a run to the end none, and says how it ended.
    fn conclude(&self, ended: bool) -> Result<Summary, Failure> {
        let crew = self.crew;
        let (finished, counts, cursor, given_up) = {
            let ledger = crew.ledger();
            (ledger.finished(), ledger.counts().clone(), ledger.cursor(self.rules), ledger.given_up())
        };
        let failure = crew.failure();
        if ended && finished && given_up == 0 && failure.is_none() {
            Cursor::remove(&self.options.cursor)?;
            let at = crew.s3.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let text = serde_json::json!({ "rules": self.rules, "at": at, "done": counts.done }).to_string();
            let path = marker(&self.options.cursor);
            cursor::replace(&path, text.as_bytes()).map_err(|error| cursor::unwritable(&path, &error))?;
            return Ok(Summary {
                requests: self.requests(),
                slow_downs: crew.window.slow_downs(),
                acls_denied: counts.acls_denied > 0,
                counts,
            });
        }
        cursor.save(&self.options.cursor)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(first) = crew.first_given_up().filter(|_| ended) {
            let what = format!("{given_up} of {} objects", counts.done + given_up as u64);
            return Err(Failure::new(first.kind, what, format!("{}: {}", first.what, first.why), first.next));
        }
        Err(Failure::new(
            Kind::Interrupted,
            format!("reindex of bucket {}", crew.s3.bucket()),
            format!("stopped after {} objects", counts.done),
            "run the same command again: it goes on there",
        ))
    }
}

/// Objects a second, over the last second or so.
#[derive(Default)]
struct Speed(VecDeque<(Instant, u64)>);

impl Speed {
    fn measure(&mut self, now: Instant, done: u64) -> Option<f64> {
        self.0.push_back((now, done));
        while self.0.len() > 11 {
            self.0.pop_front();
        }
        let (then, before) = *self.0.front()?;
        let elapsed = (now - then).as_secs_f64();
        (elapsed > 0.0).then(|| (done - before) as f64 / elapsed)
    }
}
