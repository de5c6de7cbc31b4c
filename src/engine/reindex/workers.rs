//! Who does the work: listers that hand out keys, and lanes that treat one object at a time.
//!
//! A lane has one request in flight, so as many lanes as the window is large keep it full. Throttling is waited out
//! without end, anything else a bounded number of times; nothing waits for a whole page.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    Control, Options,
    concurrency::Window,
    open_files,
    progress::{Job, Ledger, Outcome},
    queue::Jobs,
};
pub(crate) use crate::aws::s3::fast::{Objects, Refusal};
use crate::engine::batch::Spool;
use crate::model::{
    packagecloud::object::{Class, Classes},
    run::failure::{Failure, Kind},
};

/// How often a request that broke is sent again.
const TRIES: u32 = 8;
/// Objects that are copied in parts side by side: their connections, and a batch's manifests, are what [`files`] leaves room for.
const LARGE: usize = 8;
/// Objects that can be given up before the run is.
const GIVEN_UP: usize = 1000;

/// Everything that the lanes share.
pub struct Crew {
    pub s3: Objects,
    pub classes: Classes,
    pub control: Control,
    pub window: Window,
    pub jobs: Jobs,
    pub halt: CancellationToken,
    /// Told when nothing is left to do.
    pub over: Notify,
    ledger: Mutex<Ledger>,
    failure: Mutex<Option<Failure>>,
    /// The first object that was given up, and why.
    given_up: Mutex<Option<Failure>>,
    /// Whether access control lists are kept.
    pub acl: bool,
    /// Who may copy in parts: each has several requests in flight.
    pub large: Semaphore,
    pub lanes: AtomicUsize,
    pub busy: AtomicUsize,
    pub skipped: PathBuf,
    pub spool: Option<Arc<Spool>>,
}

/// Why an object isn't done, where trying again now wouldn't help.
pub enum Left {
    Gone,
    Overtaken,
    Unfit(String),
    /// Not in this run.
    GivenUp(Kind, String),
    Halted,
}

impl Crew {
    pub fn new(
        s3: Objects,
        classes: Classes,
        control: Control,
        ledger: Ledger,
        acl: bool,
        options: &Options,
    ) -> Self {
        Self {
            s3,
            classes,
            control,
            window: Window::new(open_files::connections(options.most)),
            jobs: Jobs::default(),
            halt: CancellationToken::new(),
            over: Notify::new(),
            ledger: Mutex::new(ledger),
            failure: Mutex::new(None),
            given_up: Mutex::new(None),
            acl,
            large: Semaphore::new(LARGE),
            lanes: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            skipped: options.skipped.clone(),
            spool: options.spool.clone(),
        }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters something that may be the last.
    fn entered(&self, enter: impl FnOnce(&mut Ledger)) {
        let mut ledger = self.ledger();
        enter(&mut ledger);
        if ledger.finished() {
            self.over.notify_one();
        }
    }

    /// Stops everything; the first reason is the one that is told.
    pub fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.halt.cancel();
    }

    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn first_given_up(&self) -> Option<Failure> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits while paused, and for its turn.
    async fn may_go(&self) -> Result<(), Left> {
        if self.halt.is_cancelled() {
            return Err(Left::Halted);
        }
        if !self.control.paused() && !self.window.limited() {
            return Ok(());
        }
        let turn = async {
            self.control.unpaused().await;
            self.window.turn().await;
            // Paused while it stood in line.
            self.control.unpaused().await;
        };
        // Rare, and large: not in the future of every request.
        Box::pin(async {
            tokio::select! {
                biased;
                () = self.halt.cancelled() => Err(Left::Halted),
                () = turn => Ok(()),
            }
        })
        .await
    }

    pub async fn rest(&self, base: u64, times: u32, most: u64) {
        let millis = (base << times.min(12)).min(most);
        let rest = tokio::time::sleep(Duration::from_millis(fastrand::u64(millis / 2..=millis)));
        tokio::select! {
            () = self.halt.cancelled() => {}
            () = rest => {}
        }
    }

    /// Sends, and again where that can help.
    pub async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Left>
    where
        F: Future<Output = Result<T, Refusal>>,
    {
        let (mut slowed, mut broken, mut passed) = (0, 0, 0);
        loop {
            self.may_go().await?;
            let refusal = match ask().await {
                Ok(value) => {
                    self.window.passed();
                    return Ok(value);
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Throttled => {
                    self.window.slowed();
                    slowed += 1;
                    self.rest(40, slowed, 2_000).await;
                    continue;
                }
                Refusal::Broken(_) if broken < TRIES => {
                    broken += 1;
                    if broken == TRIES / 2 {
                        passed = self.window.all_passed();
                    }
                    self.rest(50, broken, 10_000).await;
                    continue;
                }
                Refusal::Broken(why) if self.window.all_passed() == passed => {
                    // Nothing at all has come through in half of its tries: it isn't this object.
                    self.fail(Failure::new(
                        Kind::Unreachable,
                        format!("bucket {}", self.s3.bucket()),
                        why,
                        "check the network and the endpoint, then run the same command: it goes on where it was",
                    ));
                    return Err(Left::Halted);
                }
                Refusal::Broken(why) => return Err(Left::GivenUp(Kind::Other, why)),
                Refusal::Fatal(failure) => {
                    self.fail(failure);
                    return Err(Left::Halted);
                }
                _ => self.window.passed(),
            }
            return Err(match refusal {
                Refusal::Gone => Left::Gone,
                Refusal::Overtaken => Left::Overtaken,
                Refusal::Denied(why) => Left::GivenUp(Kind::Denied, why),
                Refusal::Unfit { message, .. } => Left::Unfit(message),
                _ => Left::GivenUp(Kind::Other, "S3 refused without a reason".to_owned()),
            });
        }
    }

    /// Lists a range to its end, never further ahead than the lanes need.
    pub async fn list(self: Arc<Self>, index: usize) {
        let mut range = self.ledger().range(index);
        loop {
            tokio::select! {
                biased;
                () = self.halt.cancelled() => return,
                () = self.jobs.room() => {}
            }
            let page = match self.patiently(|| self.s3.list("", &range.after, false)).await {
                Ok(page) => page,
                Err(Left::Halted) => return,
                Err(left) => return self.fail(self.unlisted(left)),
            };
            let mut ended = !page.more;
            if page.more && page.entries.last().is_none_or(|entry| entry.key <= range.after) {
                return self.fail(Failure::other(
                    format!("bucket {}", self.s3.bucket()),
                    "its listing says that more follows, and doesn't go on",
                    "check --endpoint-url: this isn't how S3 answers",
                ));
            }
            let within = |key: &String| range.until.as_ref().is_none_or(|until| key <= until);
            let mut keys = Vec::with_capacity(page.entries.len());
            for entry in page.entries {
                if !within(&entry.key) {
                    ended = true;
                    break;
                }
                let foreign = self.classes.class(&entry.key) == Class::Foreign;
                keys.push((Arc::<str>::from(entry.key), foreign));
            }
            if let Some((key, _)) = keys.last() {
                key.as_ref().clone_into(&mut range.after);
            }
            let jobs = self.ledger().hand_out(index, keys.into_iter());
            self.jobs.add(jobs);
            if ended {
                return self.entered(|ledger| ledger.listed(index));
            }
        }
    }

    fn unlisted(&self, left: Left) -> Failure {
        let bucket = self.s3.bucket();
        let (kind, why, next) = match left {
            Left::GivenUp(Kind::Denied, why) => (
                Kind::Denied,
                why,
                format!(
                    "allow s3:ListBucket on arn:aws:s3:::{bucket}, then run the same command: it goes on where it was"
                ),
            ),
            Left::GivenUp(kind, why) => {
                (kind, why, "run the same command again: it goes on where it was".to_owned())
            }
            Left::Unfit(why) => (Kind::Other, why, "check --bucket and --endpoint-url".to_owned()),
            Left::Gone | Left::Overtaken | Left::Halted => (
                Kind::Missing,
                "it is not there (any more)".to_owned(),
                "name the bucket with --bucket".to_owned(),
            ),
        };
        Failure::new(kind, format!("listing bucket {bucket}"), why, next)
    }

    /// Treats objects until there are none, or the window has shrunk.
    pub async fn lane(self: Arc<Self>) {
        loop {
            let size = self.window.size();
            let over = |lanes: usize| (lanes > size).then(|| lanes - 1);
            if self.lanes.fetch_update(Relaxed, Relaxed, over).is_ok() {
                return;
            }
            let Some(job) = self.jobs.take().await else { break };
            self.busy.fetch_add(1, Relaxed);
            let treated = self.treat(&job.key).await;
            self.busy.fetch_sub(1, Relaxed);
            if !self.enter(&job, treated) {
                break;
            }
        }
        self.lanes.fetch_sub(1, Relaxed);
    }

    /// Enters what became of the object; false where the run is over.
    fn enter(&self, job: &Job, treated: Result<Outcome, Left>) -> bool {
        let outcome = match treated {
            Ok(outcome) => outcome,
            Err(Left::Gone) => Outcome::Gone,
            Err(Left::Unfit(why)) => match self.note_skipped(&job.key, &why) {
                Ok(()) => Outcome::Skipped(why.into()),
                Err(failure) => {
                    self.fail(failure);
                    return false;
                }
            },
            Err(Left::Halted) => return false,
            Err(Left::Overtaken) => {
                self.give_up(job, Kind::Other, "it kept changing while it was looked at".to_owned());
                return true;
            }
            Err(Left::GivenUp(kind, why)) => {
                self.give_up(job, kind, why);
                return true;
            }
        };
        self.entered(|ledger| ledger.settle(job, outcome));
        true
    }

    fn give_up(&self, job: &Job, kind: Kind, why: String) {
        let mut count = 0;
        self.entered(|ledger| {
            ledger.give_up(job);
            count = ledger.given_up();
        });
        let next = match kind {
            Kind::Denied => {
                "allow this identity what 'check --policy' lists, on these objects too, then run the same command: only they remain"
            }
            _ => "run the same command again: only they remain",
        };
        let failure = Failure::new(kind, job.key.as_ref(), why, next);
        if count > GIVEN_UP {
            self.fail(failure.clone());
        }
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// A line in the list of what could not be changed.
    fn note_skipped(&self, key: &str, why: &str) -> Result<(), Failure> {
        let line = format!("{}\n", serde_json::json!({ "key": key, "reason": why }));
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.skipped)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|error| super::cursor::unwritable(&self.skipped, &error))
    }
}
