//! Jobs followed to their end: how far they are, what holds them, what they could not do.
//!
//! A job that failed or was cancelled is an end too: what it left is done from here. One that waits for a person isn't.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::aws::{
    Cloud,
    batch::{Job, State, Unfit},
};
use crate::model::run::{
    event::Pace,
    failure::{Failure, Kind},
};

/// How often in a row S3 may not answer.
const DEAF: u32 = 30;
/// US dollars for an object of a job: S3's copy, and the job's own.
const TASK: f64 = 0.005e-3 + 1.0e-6;
const JOB: f64 = 0.25;

/// The jobs to follow, and where.
pub struct Following<'a> {
    pub cloud: &'a Cloud,
    pub account: &'a str,
    pub bucket: &'a str,
    pub ids: &'a [String],
    /// How many objects they have to copy, where that is known before they say it.
    pub objects: Option<u64>,
    /// Between two looks at them.
    pub beat: Duration,
}

/// How they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    pub succeeded: u64,
    pub failed: u64,
    /// Jobs that failed or were cancelled, and why.
    pub broken: Vec<String>,
    /// What could not be copied, by code.
    pub codes: BTreeMap<String, u64>,
}

impl Following<'_> {
    /// Follows all of them to their ends; `say` hears how far they are, `list` what they could not copy.
    pub async fn to_the_end(
        &self,
        say: &(dyn Fn(&str, Pace) + Sync),
        list: &(dyn Fn(&[Unfit]) -> Result<(), Failure> + Sync),
    ) -> Result<Ended, Failure> {
        let began = Instant::now();
        let (mut ended, mut deaf) = (Ended::default(), 0);
        loop {
            let jobs = match self.look().await {
                Ok(jobs) => jobs,
                Err(failure) if deaf < DEAF && passing(&failure) => {
                    deaf += 1;
                    tokio::time::sleep(self.beat).await;
                    continue;
                }
                Err(failure) => return Err(Failure { next: followed(&failure.next), ..failure }),
            };
            deaf = 0;
            say(&doing(&jobs), pace(&jobs, self.objects, began));
            if let Some(held) = jobs.iter().find(|job| job.state == State::Suspended) {
                return Err(suspended(self.account, held));
            }
            if jobs.iter().all(|job| job.state.over()) {
                for job in &jobs {
                    self.enter(job, &mut ended, list).await?;
                }
                return Ok(ended);
            }
            tokio::time::sleep(self.beat).await;
        }
    }

    async fn look(&self) -> Result<Vec<Job>, Failure> {
        let asked = self.ids.iter().map(|id| async {
            let gone = || Job {
                id: id.clone(),
                state: State::Failed,
                why: "S3 has forgotten it".to_owned(),
                ..Job::default()
            };
            Ok(Box::pin(self.cloud.job(self.account, id)).await?.unwrap_or_else(gone))
        });
        futures::future::try_join_all(asked).await
    }

    async fn enter(
        &self,
        job: &Job,
        ended: &mut Ended,
        list: &(dyn Fn(&[Unfit]) -> Result<(), Failure> + Sync),
    ) -> Result<(), Failure> {
        ended.succeeded += job.succeeded;
        ended.failed += job.failed;
        if job.state != State::Complete {
            let how = if job.state == State::Cancelled { "was cancelled" } else { "failed" };
            let why = if job.why.is_empty() { String::new() } else { format!(": {}", job.why) };
            ended.broken.push(format!("job {} {how} after {} of {}{why}", job.id, job.succeeded, job.total));
        }
        if job.failed > 0 {
            match self.cloud.failed_tasks(self.bucket, job).await {
                Ok(unfit) => {
                    for one in &unfit {
                        *ended.codes.entry(one.code.clone()).or_default() += 1;
                    }
                    list(&unfit)?;
                }
                // The words alone are lost: every object is looked at again.
                Err(failure) if !matches!(failure.kind, Kind::Interrupted | Kind::Credentials) => {
                    ended.broken.push(format!("the report of job {} can't be read: {}", job.id, failure.why));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// Whether asking again may help: the jobs go on whether or not they are asked about.
fn passing(failure: &Failure) -> bool {
    failure.kind == Kind::Unreachable
        || crate::aws::error::throttled(failure)
        || failure.code.as_deref() == Some("InternalServiceException")
}

fn followed(next: &str) -> String {
    format!("{next}; the jobs run on at AWS, and the same command follows them")
}

fn suspended(account: &str, job: &Job) -> Failure {
    Failure::other(
        format!("S3 Batch Operations job {}", job.id),
        format!(
            "it is suspended{}",
            if job.why.is_empty() { String::new() } else { format!(": {}", job.why) }
        ),
        format!(
            "let it go on (aws s3control update-job-status --account-id {account} --job-id {} --requested-job-status Ready), or cancel it \
             (--requested-job-status Cancelled); then run the same command: what it leaves is done from here",
            job.id
        ),
    )
}

fn doing(jobs: &[Job]) -> String {
    let over = jobs.iter().filter(|job| job.state.over()).count();
    let held = jobs.iter().filter(|job| job.state == State::Paused).count();
    let mut text = format!("{over} of {} jobs are over", jobs.len());
    if held > 0 {
        text.push_str(&format!("; {held} paused by S3 for a job of a higher priority"));
    }
    text
}

fn pace(jobs: &[Job], objects: Option<u64>, began: Instant) -> Pace {
    let sum = |of: fn(&Job) -> u64| jobs.iter().map(of).sum::<u64>();
    let done = sum(|job| job.succeeded + job.failed);
    let total = sum(|job| job.total).max(objects.unwrap_or_default());
    let seconds = began.elapsed().as_secs_f64();
    let rate = (seconds > 0.0 && done > 0).then(|| done as f64 / seconds);
    let left = total.saturating_sub(done) as f64;
    Pace {
        done: Some(done),
        total: (total > 0).then_some(total),
        skipped: Some(sum(|job| job.failed)),
        per_second: rate,
        cost: Some(jobs.len() as f64 * JOB + done as f64 * TASK),
        seconds_left: rate.map(|rate| (left / rate).ceil() as u64),
        ..Pace::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_for_a_person_says_what_to_press() {
        let job = Job { id: "j-1".to_owned(), why: "Awaiting confirmation".to_owned(), ..Job::default() };
        let failure = suspended("123", &job);
        assert_eq!(
            failure.to_string(),
            "S3 Batch Operations job j-1: it is suspended: Awaiting confirmation"
        );
        assert!(failure.next.contains("--account-id 123 --job-id j-1 --requested-job-status Ready"));
    }

    #[test]
    fn the_words_count_what_is_over_and_what_is_held() {
        let job = |state| Job { state, ..Job::default() };
        assert_eq!(doing(&[job(State::Working), job(State::Complete)]), "1 of 2 jobs are over");
        assert!(doing(&[job(State::Paused)]).ends_with("1 paused by S3 for a job of a higher priority"));
    }
}
