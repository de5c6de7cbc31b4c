//! Jobs followed to their end: how far they are, what holds them, what they could not do.
//!
//! A job that failed or was cancelled is an end too: what it left is done from here. One that waits for a person isn't.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::aws::{
    AwsClients,
    batch::{BatchJob, BatchJobState, FailedBatchTask},
};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    prices::{BATCH_JOB, BATCH_OBJECT, S3_WRITE_REQUEST},
    run::event::ProgressStats,
};

/// How often in a row S3 may not answer.
const UNANSWERED_POLLS_MAX: u32 = 30;
/// US dollars for an object of a job: S3's copy, and the job's own.
const COST_PER_OBJECT_USD: f64 = S3_WRITE_REQUEST.dollars + BATCH_OBJECT.dollars;

/// The jobs to follow, and where.
pub struct BatchJobFollower<'a> {
    pub cloud: &'a AwsClients,
    pub account: &'a str,
    pub bucket: &'a str,
    pub ids: &'a [String],
    /// How many objects they have to copy, where that is known before they say it.
    pub objects: Option<u64>,
    /// Between two looks at them.
    pub poll_interval: Duration,
}

/// How they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchJobsOutcome {
    pub succeeded: u64,
    pub failed: u64,
    /// Jobs that failed or were cancelled, and why.
    pub broken: Vec<String>,
    /// What could not be copied, by code.
    pub codes: BTreeMap<String, u64>,
}

impl BatchJobFollower<'_> {
    /// Follows all of them to their ends; `say` hears how far they are, `list` what they could not copy.
    ///
    /// # Errors
    /// Fails where it is stopped, or AWS refuses to tell of a job.
    pub async fn follow_jobs_to_end(
        &self,
        say: &(dyn Fn(&str, ProgressStats) + Sync),
        list: &(dyn Fn(&[FailedBatchTask]) -> Result<(), Failure> + Sync),
    ) -> Result<BatchJobsOutcome, Failure> {
        let began = Instant::now();
        let (mut ended, mut deaf) = (BatchJobsOutcome::default(), 0);
        loop {
            let jobs = match self.read_s3_batch_jobs().await {
                Ok(jobs) => jobs,
                Err(failure) if deaf < UNANSWERED_POLLS_MAX && is_transient_aws_failure(&failure) => {
                    deaf += 1;
                    tokio::time::sleep(self.poll_interval).await;
                    continue;
                }
                Err(failure) => {
                    return Err(Failure { next: append_batch_follow_hint(&failure.next), ..failure });
                }
            };
            deaf = 0;
            say(&render_batch_job_states(&jobs), measure_batch_pace(&jobs, self.objects, began));
            if let Some(held) = jobs.iter().find(|job| job.state == BatchJobState::Suspended) {
                return Err(build_suspended_job_failure(self.account, held));
            }
            if jobs.iter().all(|job| job.state.is_job_over()) {
                for job in &jobs {
                    self.add_batch_job_to_outcome(job, &mut ended, list).await?;
                }
                return Ok(ended);
            }
            tokio::time::sleep(self.poll_interval).await;
        }
    }

    async fn read_s3_batch_jobs(&self) -> Result<Vec<BatchJob>, Failure> {
        let asked = self.ids.iter().map(|id| async {
            let gone = || BatchJob {
                id: id.clone(),
                state: BatchJobState::Failed,
                why: "S3 has forgotten it".to_owned(),
                ..BatchJob::default()
            };
            Ok(Box::pin(self.cloud.read_batch_job(self.account, id)).await?.unwrap_or_else(gone))
        });
        futures::future::try_join_all(asked).await
    }

    async fn add_batch_job_to_outcome(
        &self,
        job: &BatchJob,
        ended: &mut BatchJobsOutcome,
        list: &(dyn Fn(&[FailedBatchTask]) -> Result<(), Failure> + Sync),
    ) -> Result<(), Failure> {
        ended.succeeded += job.succeeded;
        ended.failed += job.failed;
        if job.state != BatchJobState::Complete {
            let how = if job.state == BatchJobState::Cancelled { "was cancelled" } else { "failed" };
            let why = if job.why.is_empty() { String::new() } else { format!(": {}", job.why) };
            ended.broken.push(format!("job {} {how} after {} of {}{why}", job.id, job.succeeded, job.total));
        }
        if job.failed > 0 {
            match self.cloud.read_failed_batch_tasks(self.bucket, job).await {
                Ok(unfit) => {
                    for one in &unfit {
                        *ended.codes.entry(one.code.clone()).or_default() += 1;
                    }
                    list(&unfit)?;
                }
                // The words alone are lost: every object is looked at again.
                Err(failure)
                    if !matches!(failure.kind, FailureKind::Interrupted | FailureKind::Credentials) =>
                {
                    ended.broken.push(format!("the report of job {} can't be read: {}", job.id, failure.why));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// Whether asking again may help: the jobs go on whether or not they are asked about.
fn is_transient_aws_failure(failure: &Failure) -> bool {
    failure.kind == FailureKind::Unreachable
        || crate::aws::error::is_throttling_failure(failure)
        || failure.code.as_deref() == Some("InternalServiceException")
}

fn append_batch_follow_hint(next: &str) -> String {
    format!("{next}; the jobs run on at AWS; to follow them: {}", render_same_command_again(&[]))
}

fn build_suspended_job_failure(account: &str, job: &BatchJob) -> Failure {
    Failure::new_generic_failure(
        format!("S3 Batch Operations job {}", job.id),
        format!(
            "it is suspended{}",
            if job.why.is_empty() { String::new() } else { format!(": {}", job.why) }
        ),
        format!(
            "let it go on (aws s3control update-job-status --account-id {account} --job-id {} --requested-job-status Ready), or cancel it \
             (--requested-job-status Cancelled); then run: {} — what it leaves is done from here",
            job.id,
            render_same_command_again(&[])
        ),
    )
}

fn render_batch_job_states(jobs: &[BatchJob]) -> String {
    let over = jobs.iter().filter(|job| job.state.is_job_over()).count();
    let held = jobs.iter().filter(|job| job.state == BatchJobState::Paused).count();
    let mut text = format!("{over} of {} jobs are over", jobs.len());
    if held > 0 {
        text.push_str(&format!("; {held} paused by S3 for a job of a higher priority"));
    }
    text
}

fn measure_batch_pace(jobs: &[BatchJob], objects: Option<u64>, began: Instant) -> ProgressStats {
    let sum = |of: fn(&BatchJob) -> u64| jobs.iter().map(of).sum::<u64>();
    let done = sum(|job| job.succeeded + job.failed);
    let total = sum(|job| job.total).max(objects.unwrap_or_default());
    let seconds = began.elapsed().as_secs_f64();
    let rate = (seconds > 0.0 && done > 0).then(|| done as f64 / seconds);
    let left = total.saturating_sub(done) as f64;
    ProgressStats {
        done: Some(done),
        total: (total > 0).then_some(total),
        skipped: Some(sum(|job| job.failed)),
        per_second: rate,
        cost: Some(jobs.len() as f64 * BATCH_JOB.dollars + done as f64 * COST_PER_OBJECT_USD),
        seconds_left: rate.map(|rate| (left / rate).ceil() as u64),
        ..ProgressStats::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_for_a_person_says_what_to_press() {
        let job =
            BatchJob { id: "j-1".to_owned(), why: "Awaiting confirmation".to_owned(), ..BatchJob::default() };
        let failure = build_suspended_job_failure("123", &job);
        assert_eq!(
            failure.to_string(),
            "S3 Batch Operations job j-1: it is suspended: Awaiting confirmation"
        );
        assert!(failure.next.contains("--account-id 123 --job-id j-1 --requested-job-status Ready"));
    }

    #[test]
    fn the_words_count_what_is_over_and_what_is_held() {
        let job = |state| BatchJob { state, ..BatchJob::default() };
        assert_eq!(
            render_batch_job_states(&[job(BatchJobState::Working), job(BatchJobState::Complete)]),
            "1 of 2 jobs are over"
        );
        assert!(
            render_batch_job_states(&[job(BatchJobState::Paused)])
                .ends_with("1 paused by S3 for a job of a higher priority")
        );
    }
}
