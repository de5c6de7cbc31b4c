//! Who does the work: listers that hand out keys, and workers that process one object at a time.
//!
//! A worker has one request in flight, so as many workers as the limit allows keep it full. Throttling is waited out
//! without end, anything else a bounded number of times; nothing waits for a whole page.

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    ReindexControl, ReindexOptions,
    concurrency::AdaptiveConcurrencyLimit,
    cursor::ReindexPart,
    progress::{ObjectReindexJob, ObjectReindexOutcome, ReindexCheckpoint},
    queue::ObjectJobQueue,
    spool::BatchManifestWriter,
};
pub(crate) use crate::aws::s3::fast::{S3ObjectClient, S3RequestError};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::object::{ObjectCacheClass, ObjectClassifier},
};

/// How often a request that broke is sent again.
const BROKEN_TRIES_MAX: u32 = 8;
/// Objects that are copied in parts side by side: their connections, and a batch's manifests, are what [`super::open_files`] leaves room for.
const LARGE_COPIES_MAX: usize = 8;
/// Objects that can be given up before the run is.
const GIVEN_UP_MAX: usize = 1000;
/// Reasons to skip an object of which it is kept what helps: as many as are told apart when they are counted.
const SKIP_ADVICE_MAX: usize = 64;

/// The next move where objects were given up.
fn advise_to_do_what_remains() -> String {
    format!("run: {} — only they remain", render_same_command_again(&[]))
}

fn advise_for_public_acl() -> String {
    format!(
        "where Block Public Access (BlockPublicAcls) is on, run: {} — it lets ACLs go: packages are read through CloudFront then; else allow this identity s3:PutObjectAcl",
        render_same_command_again(&["--no-acl"])
    )
}

const UNSUPPORTED_COPY_ADVICE: &str = "look what the S3-compatible store answers: the copy must be conditional (If-Match), else what is written meanwhile could be lost; --skip-reindex goes on without, uncached";

/// Everything that the workers share.
pub struct ReindexWorkers {
    pub s3: S3ObjectClient,
    pub classes: ObjectClassifier,
    pub control: ReindexControl,
    pub limit: Arc<AdaptiveConcurrencyLimit>,
    /// Which objects are done now.
    pub part: ReindexPart,
    pub jobs: ObjectJobQueue,
    pub halt: CancellationToken,
    /// Told when nothing is left to do.
    pub all_done: Notify,
    checkpoint: Mutex<ReindexCheckpoint>,
    failure: Mutex<Option<Failure>>,
    /// The first object that was given up, and why.
    given_up: Mutex<Option<Failure>>,
    /// Whether access control lists are kept: until S3 says that it has none.
    pub keeps_acls: AtomicBool,
    /// What helps against each reason to skip an object.
    skip_advice: Mutex<BTreeMap<String, String>>,
    /// Who may copy in parts: each has several requests in flight.
    pub large_copy_permits: Semaphore,
    pub worker_count: AtomicUsize,
    pub busy_workers: AtomicUsize,
    pub skipped: PathBuf,
    pub spool: Option<Arc<BatchManifestWriter>>,
}

/// Why an object isn't done, where trying again now wouldn't help.
pub enum ObjectNotDone {
    Gone,
    Overtaken,
    /// S3 can't do it to this object as it is.
    Unfit {
        why: String,
        next: String,
    },
    /// S3 refused for a reason that isn't the object's own.
    Refused {
        kind: FailureKind,
        why: String,
        next: String,
    },
    /// This S3 lacks what it takes.
    Unsupported(String),
    /// Its list of access lets everybody read, and S3 refuses to write that; why.
    PublicAclRefused(String),
    /// No reply, whatever was tried.
    GivenUp(String),
    Halted,
}

impl ReindexWorkers {
    /// Begins with no worker; the run starts them as the limit grows.
    pub fn new(
        s3: S3ObjectClient,
        classes: ObjectClassifier,
        control: ReindexControl,
        (part, checkpoint): (ReindexPart, ReindexCheckpoint),
        acl: bool,
        limit: Arc<AdaptiveConcurrencyLimit>,
        options: &ReindexOptions,
    ) -> Self {
        Self {
            s3,
            classes,
            control,
            limit,
            part,
            jobs: ObjectJobQueue::default(),
            halt: CancellationToken::new(),
            all_done: Notify::new(),
            checkpoint: Mutex::new(checkpoint),
            failure: Mutex::new(None),
            given_up: Mutex::new(None),
            keeps_acls: AtomicBool::new(acl),
            skip_advice: Mutex::default(),
            large_copy_permits: Semaphore::new(LARGE_COPIES_MAX),
            worker_count: AtomicUsize::new(0),
            busy_workers: AtomicUsize::new(0),
            skipped: options.skipped.clone(),
            spool: options.spool.clone(),
        }
    }

    /// Locks the checkpoint.
    pub fn lock_reindex_checkpoint(&self) -> MutexGuard<'_, ReindexCheckpoint> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters something that may be the last.
    fn update_reindex_checkpoint(&self, enter: impl FnOnce(&mut ReindexCheckpoint)) {
        let mut checkpoint = self.lock_reindex_checkpoint();
        enter(&mut checkpoint);
        if checkpoint.is_reindex_finished() {
            self.all_done.notify_one();
        }
    }

    /// Stops everything; the first reason is the one that is told.
    pub fn halt_workers_with_failure(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.halt.cancel();
    }

    /// Takes the failure that halted the run.
    pub fn extract_worker_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes why the first job was given up.
    pub fn extract_first_given_up_failure(&self) -> Option<Failure> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits while paused, and for its turn.
    async fn wait_for_s3_send_permit(&self) -> Result<(), ObjectNotDone> {
        if self.halt.is_cancelled() {
            return Err(ObjectNotDone::Halted);
        }
        if !self.control.is_reindex_paused() && !self.limit.is_request_rate_limited() {
            return Ok(());
        }
        let turn = async {
            self.control.wait_while_paused().await;
            self.limit.wait_for_request_rate().await;
            // Paused while it stood in line.
            self.control.wait_while_paused().await;
        };
        // Rare, and large: not in the future of every request.
        Box::pin(async {
            tokio::select! {
                biased;
                () = self.halt.cancelled() => Err(ObjectNotDone::Halted),
                () = turn => Ok(()),
            }
        })
        .await
    }

    /// Waits before another try, longer each time.
    pub async fn wait_retry_backoff(&self, base: u64, times: u32, most: u64) {
        let millis = (base << times.min(12)).min(most);
        let rest = tokio::time::sleep(Duration::from_millis(fastrand::u64(millis / 2..=millis)));
        tokio::select! {
            biased;
            () = self.halt.cancelled() => {}
            () = rest => {}
        }
    }

    /// Sends, and again where that can help.
    ///
    /// # Errors
    /// Fails where S3 refuses it, or too many tries broke.
    pub async fn retry_s3_request<T, F>(&self, ask: impl Fn() -> F) -> Result<T, ObjectNotDone>
    where
        F: Future<Output = Result<T, S3RequestError>>,
    {
        let (mut slowed, mut broken, mut passed) = (0, 0, 0);
        loop {
            self.wait_for_s3_send_permit().await?;
            let refusal = match ask().await {
                Ok(value) => {
                    self.limit.count_request_success();
                    return Ok(value);
                }
                Err(refusal) => refusal,
            };
            match refusal {
                S3RequestError::Throttled => {
                    self.limit.count_s3_slow_down();
                    slowed += 1;
                    self.wait_retry_backoff(40, slowed, 2_000).await;
                    continue;
                }
                S3RequestError::Broken(_) if broken < BROKEN_TRIES_MAX => {
                    broken += 1;
                    if broken == BROKEN_TRIES_MAX / 2 {
                        passed = self.limit.successful_request_count();
                    }
                    self.wait_retry_backoff(50, broken, 10_000).await;
                    continue;
                }
                S3RequestError::Broken(why) if self.limit.successful_request_count() == passed => {
                    // Nothing at all has come through in half of its tries: it isn't this object.
                    self.halt_workers_with_failure(Failure::new(
                        FailureKind::Unreachable,
                        format!("bucket {}", self.s3.bucket_name()),
                        why,
                        format!(
                            "check the network and the endpoint, then run: {} — it continues where it stopped",
                            render_same_command_again(&[])
                        ),
                    ));
                    return Err(ObjectNotDone::Halted);
                }
                S3RequestError::Broken(why) => return Err(ObjectNotDone::GivenUp(why)),
                S3RequestError::Fatal(failure) => {
                    self.halt_workers_with_failure(failure);
                    return Err(ObjectNotDone::Halted);
                }
                _ => self.limit.count_request_success(),
            }
            return Err(match refusal {
                S3RequestError::Gone => ObjectNotDone::Gone,
                S3RequestError::ObjectChanged => ObjectNotDone::Overtaken,
                S3RequestError::Denied { why, next } => {
                    ObjectNotDone::Refused { kind: FailureKind::Denied, why, next }
                }
                S3RequestError::Unfit { message, next, .. } => ObjectNotDone::Unfit { why: message, next },
                S3RequestError::Refused { why, next, .. } => {
                    ObjectNotDone::Refused { kind: FailureKind::Other, why, next }
                }
                S3RequestError::Unsupported(why) => ObjectNotDone::Unsupported(why),
                _ => ObjectNotDone::GivenUp("S3 refused without a reason".to_owned()),
            });
        }
    }

    /// Lists a range to its end, never further ahead than the workers need.
    pub async fn list_objects_in_key_range(self: Arc<Self>, index: usize) {
        let mut range = self.lock_reindex_checkpoint().listing_key_range_at_index(index);
        loop {
            tokio::select! {
                biased;
                () = self.halt.cancelled() => return,
                () = self.jobs.wait_for_job_queue_room() => {}
            }
            let page = match self
                .retry_s3_request(|| self.s3.list_objects_page("", &range.after, false))
                .await
            {
                Ok(page) => page,
                Err(ObjectNotDone::Halted) => return,
                Err(left) => return self.halt_workers_with_failure(self.build_range_listing_failure(left)),
            };
            let mut ended = !page.more;
            if page.more && page.entries.last().is_none_or(|entry| entry.key <= range.after) {
                return self.halt_workers_with_failure(Failure::new_generic_failure(
                    format!("bucket {}", self.s3.bucket_name()),
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
                entry.key.clone_into(&mut range.after);
                let class = self.classes.classify_object_key(&entry.key);
                // What the other part does isn't held: a run that goes on lists it again.
                if self.part.is_class_of_part(class) {
                    keys.push((Arc::<str>::from(entry.key), class == ObjectCacheClass::Foreign));
                }
            }
            let jobs = self.lock_reindex_checkpoint().add_listed_object_keys(index, keys.into_iter());
            self.jobs.add_object_jobs(jobs);
            if ended {
                return self.update_reindex_checkpoint(|checkpoint| checkpoint.mark_key_range_listed(index));
            }
        }
    }

    fn build_range_listing_failure(&self, left: ObjectNotDone) -> Failure {
        let bucket = self.s3.bucket_name();
        let (kind, why, next) = match left {
            ObjectNotDone::Refused { kind, why, next } => {
                (kind, why, format!("{next}; it continues where it stopped"))
            }
            ObjectNotDone::GivenUp(why) => (
                FailureKind::Other,
                why,
                format!("run: {} — it continues where it stopped", render_same_command_again(&[])),
            ),
            ObjectNotDone::Unfit { why, next } => (FailureKind::Other, why, next),
            ObjectNotDone::Unsupported(why) | ObjectNotDone::PublicAclRefused(why) => {
                (FailureKind::Other, why, "check --bucket and --endpoint-url".to_owned())
            }
            ObjectNotDone::Gone | ObjectNotDone::Overtaken | ObjectNotDone::Halted => (
                FailureKind::Missing,
                "it is not there (any more)".to_owned(),
                "name the bucket with --bucket".to_owned(),
            ),
        };
        Failure::new(kind, format!("listing bucket {bucket}"), why, next)
    }

    /// Processes objects until there are none, or the limit has shrunk.
    pub async fn run_reindex_worker(self: Arc<Self>) {
        loop {
            let size = self.limit.current_request_concurrency();
            let over = |workers: usize| (workers > size).then(|| workers - 1);
            if self.worker_count.fetch_update(Relaxed, Relaxed, over).is_ok() {
                return;
            }
            let Some(job) = self.jobs.dequeue_object_job().await else { break };
            self.busy_workers.fetch_add(1, Relaxed);
            let processed = self.reindex_object(&job.key).await;
            self.busy_workers.fetch_sub(1, Relaxed);
            if !self.handle_object_reindex_result(&job, processed) {
                break;
            }
        }
        self.worker_count.fetch_sub(1, Relaxed);
    }

    /// Enters what became of the object; false where the run is over.
    fn handle_object_reindex_result(
        &self,
        job: &ObjectReindexJob,
        processed: Result<ObjectReindexOutcome, ObjectNotDone>,
    ) -> bool {
        let outcome = match processed {
            Ok(outcome) => outcome,
            Err(ObjectNotDone::Gone) => ObjectReindexOutcome::Gone,
            Err(ObjectNotDone::Unfit { why, next }) => match self.append_skipped_object_key(&job.key, &why) {
                Ok(()) => {
                    self.record_skip_advice(&why, next);
                    ObjectReindexOutcome::Skipped(why.into())
                }
                Err(failure) => {
                    self.halt_workers_with_failure(failure);
                    return false;
                }
            },
            Err(ObjectNotDone::Halted) => return false,
            Err(ObjectNotDone::Overtaken) => {
                let why = "it kept changing while it was looked at".to_owned();
                self.give_up_object(job, FailureKind::Other, why, advise_to_do_what_remains());
                return true;
            }
            Err(ObjectNotDone::Unsupported(why)) => {
                let why = format!("this S3 can't copy it as it must be copied: {why}");
                self.give_up_object(job, FailureKind::Other, why, UNSUPPORTED_COPY_ADVICE.to_owned());
                return true;
            }
            Err(ObjectNotDone::PublicAclRefused(why)) => {
                let why = format!("its ACL lets everybody read it, and S3 refuses to write that: {why}");
                self.give_up_object(job, FailureKind::Denied, why, advise_for_public_acl());
                return true;
            }
            Err(ObjectNotDone::Refused { kind, why, next }) => {
                self.give_up_object(job, kind, why, format!("{next}; only what is left is done then"));
                return true;
            }
            Err(ObjectNotDone::GivenUp(why)) => {
                self.give_up_object(job, FailureKind::Other, why, advise_to_do_what_remains());
                return true;
            }
        };
        self.update_reindex_checkpoint(|checkpoint| checkpoint.count_finished_object_job(job, outcome));
        true
    }

    fn give_up_object(&self, job: &ObjectReindexJob, kind: FailureKind, why: String, next: String) {
        let mut count = 0;
        self.update_reindex_checkpoint(|checkpoint| {
            checkpoint.give_up_object_job(job);
            count = checkpoint.given_up_key_count();
        });
        let failure = Failure::new(kind, job.key.as_ref(), why, next);
        if count > GIVEN_UP_MAX {
            self.halt_workers_with_failure(failure.clone());
        }
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// Keeps what helps against a reason to skip an object, for a run that changes nothing.
    fn record_skip_advice(&self, why: &str, next: String) {
        let mut advice = self.skip_advice.lock().unwrap_or_else(PoisonError::into_inner);
        if advice.len() < SKIP_ADVICE_MAX && !advice.contains_key(why) {
            advice.insert(why.to_owned(), next);
        }
    }

    /// Finds what helps against a reason for which this run skipped an object.
    pub fn find_skip_advice(&self, why: &str) -> Option<String> {
        self.skip_advice.lock().unwrap_or_else(PoisonError::into_inner).get(why).cloned()
    }

    /// A line in the list of what could not be changed.
    fn append_skipped_object_key(&self, key: &str, why: &str) -> Result<(), Failure> {
        let line = format!("{}\n", serde_json::json!({ "key": key, "reason": why }));
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.skipped)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|error| super::cursor::build_file_write_failure(&self.skipped, &error))
    }
}
