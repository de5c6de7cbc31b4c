//! One pass of the reindex as a step of a run: paused and stopped from a face, going on where AWS refused its credentials.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{ReindexControl, ReindexOptions, ReindexSummary, reindex_bucket, render_counts_by_name};
use crate::aws::{AwsClients, s3::fast::S3ObjectClient};
use crate::engine::{
    run::StageRun,
    session::{Session, retry_on_expiry::retry_on_expired_credentials},
};
use crate::model::{failure::Failure, run::goal::StageStep};

/// A pass over all objects from this machine, as a step of a run.
pub(crate) struct ReindexPass<'a> {
    pub session: &'a Session,
    pub cloud: &'a AwsClients,
    pub s3: &'a S3ObjectClient,
    pub run: &'a StageRun,
}

impl ReindexPass<'_> {
    /// Goes through the bucket to its end, over pauses and renewed credentials.
    ///
    /// # Errors
    /// Fails where it was stopped or can't go on; the next pass goes on where this one was.
    pub async fn reindex_all_objects(
        &self,
        step: StageStep,
        options: &ReindexOptions,
    ) -> Result<(), Failure> {
        let run = self.run;
        run.run_stage_step(step, format!("the objects of {}", self.s3.bucket_name()), async {
            let options =
                ReindexOptions { requests_before: Some(self.s3.sent_s3_request_counts()), ..options.clone() };
            let begun = AtomicBool::new(false);
            let pass = || {
                let mut options = options.clone();
                // What was begun anew goes on once it was interrupted.
                options.answers.rescan &= !begun.swap(true, Relaxed);
                async move {
                    let control = ReindexControl::default();
                    let say = |pace| run.emit_progress_pace(step, "objects", pace);
                    let working = reindex_bucket(self.s3, &options, &say, &control);
                    run_reindex_with_control(run, &control, working).await
                }
            };
            let summary = retry_on_expired_credentials(self.session, self.cloud, run, step, pass).await?;
            Ok(((), render_reindex_summary(&summary, &options)))
        })
        .await
    }
}

/// Runs `working`, passing on what the face asks: pause, go on, stop.
async fn run_reindex_with_control<T>(
    run: &StageRun,
    control: &ReindexControl,
    working: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut pause = run.parent_run_context().subscribe_to_run_pause();
    let stop = run.parent_run_context().cancellation_token().clone();
    if *pause.borrow_and_update() {
        control.pause_reindex();
    }
    tokio::pin!(working);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                control.stop_reindex();
            }
            changed = pause.changed(), if !stopping => match changed {
                Ok(()) if *pause.borrow() => control.pause_reindex(),
                Ok(()) => control.resume_reindex(),
                // Nobody is left who could pause.
                Err(_) => return working.await,
            },
            result = &mut working => return result,
        }
    }
}

fn render_reindex_summary(summary: &ReindexSummary, options: &ReindexOptions) -> String {
    let counts = &summary.counts;
    let mut text =
        format!("{} objects: {} changed, {} right already", counts.done, counts.changed, counts.kept);
    if counts.skipped > 0 {
        // A run that goes on where another stopped knows how many that one skipped, and no reason.
        let reasons = render_counts_by_name(&counts.reasons, "", 3);
        let reasons = if reasons.is_empty() { reasons } else { format!("{reasons}; ") };
        text.push_str(&format!(
            ", {} skipped ({reasons}each key in {})",
            counts.skipped,
            options.skipped.display()
        ));
    }
    if counts.gone > 0 {
        text.push_str(&format!(", {} vanished since they were listed", counts.gone));
    }
    if counts.handed_over > 0 {
        text.push_str(&format!(", {} left to S3 Batch Operations", counts.handed_over));
    }
    if !counts.foreign.is_empty() {
        text.push_str(&format!(
            ", {} not of packagecloud's layout left alone ({})",
            counts.foreign.sum_name_counts(),
            render_counts_by_name(&counts.foreign, "in ", 5)
        ));
    }
    if let Some(unlinkable) = counts.unlinkable.render_unlinkable_keys() {
        text.push_str(&format!("; {unlinkable}"));
    }
    if summary.acls_denied {
        text.push_str("; some ACLs could not be read, and were reset to private");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Arc};

    use super::*;
    use crate::engine::reindex::{ReindexCounts, S3RequestCounts};
    use crate::model::run::{answers::ReindexAnswers, tally::CountsByName};

    #[test]
    fn every_object_that_was_listed_is_accounted_for() {
        let mut counts = ReindexCounts {
            done: 128,
            changed: 100,
            kept: 20,
            skipped: 4,
            gone: 3,
            handed_over: 1,
            ..ReindexCounts::default()
        };
        counts.reasons.increment_name_count("archived");
        let options = ReindexOptions {
            answers: ReindexAnswers::default(),
            cursor: PathBuf::new(),
            skipped: PathBuf::from("/s"),
            total: None,
            cuts: None,
            spool: None,
            requests_before: None,
            requests_max: 1,
            are_links_at_s3: Arc::default(),
        };
        let requests = S3RequestCounts::default();
        let summary = ReindexSummary { counts, requests, slow_downs: 0, acls_denied: false };
        let said = render_reindex_summary(&summary, &options);
        let numbers: Vec<u64> =
            said.split([' ', ':', ',', '(', ';']).filter_map(|word| word.parse().ok()).collect();
        // The whole first; of the reasons only the skipped ones' own.
        assert_eq!(
            (numbers[0], numbers[1..4].iter().sum::<u64>(), numbers[5..].iter().sum()),
            (128, 124, 4),
            "{said}"
        );
        assert!(said.contains("3 vanished since they were listed"), "{said}");
        assert!(said.contains("4 skipped (1 archived; each key in /s)"), "{said}");
        let mut unexplained = summary;
        unexplained.counts.reasons = CountsByName::default();
        let said = render_reindex_summary(&unexplained, &options);
        assert!(said.contains("4 skipped (each key in /s)"), "{said}");
    }
}
