//! Invalidations: the edges forget what they hold under some paths, and it is waited until all of them have.
//!
//! One whose reply was lost is asked for again by the same reference, which makes no second one.

use aws_sdk_cloudfront::types::{InvalidationBatch, Paths};

use super::failure_from_sdk_build_error;
use crate::aws::{AwsClients, WaitProgressReporter, error, retry};
use crate::model::failure::{Failure, FailureKind};

/// Minutes as a rule.
const INVALIDATION_COMPLETED_WAIT: retry::PollLimits =
    retry::PollLimits::new("every edge to forget them", 1800, 5);
/// Others' are in progress, and CloudFront takes no more at once.
const INVALIDATION_ACCEPTED_WAIT: retry::PollLimits =
    retry::PollLimits::new("other invalidations to end first", 900, 15);
/// So many are in progress already that CloudFront takes no more.
pub const INVALIDATION_QUOTA_CODE: &str = "TooManyInvalidationsInProgress";
const COMPLETED_STATUS: &str = "Completed";

/// An invalidation as CloudFront keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInvalidation {
    /// `I…`.
    pub id: String,
    /// Whether every edge has done it.
    pub completed: bool,
}

fn format_distribution_label(distribution: &str) -> String {
    format!("distribution {distribution}")
}

fn is_invalidation_quota_used(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, INVALIDATION_QUOTA_CODE)
}

impl AwsClients {
    /// Has a distribution's edges forget what they hold under `paths`; the same `reference` again makes no second one.
    ///
    /// Others' invalidations are waited for while `may_wait` says so.
    ///
    /// # Errors
    /// Where CloudFront refuses, or others' invalidations take longer than a quarter of an hour.
    pub async fn create_cache_invalidation(
        &self,
        distribution: &str,
        reference: &str,
        paths: &[String],
        may_wait: impl Fn() -> bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<CacheInvalidation, Failure> {
        let label = format_distribution_label(distribution);
        let built = |error| failure_from_sdk_build_error(&label, &error);
        let quantity = i32::try_from(paths.len()).unwrap_or(i32::MAX);
        let listed = Paths::builder().quantity(quantity).set_items(Some(paths.to_vec())).build();
        let batch = InvalidationBatch::builder().paths(listed.map_err(built)?).caller_reference(reference);
        let batch = batch.build().map_err(built)?;
        let create = || async {
            let asked = self.cloudfront.create_invalidation().distribution_id(distribution);
            let asked = asked.invalidation_batch(batch.clone()).send().await;
            asked.map_err(error::build_aws_action_failure("cloudfront:CreateInvalidation", label.as_str()))
        };
        let passing = |failure: &Failure| is_invalidation_quota_used(failure) && may_wait();
        let answer = retry::retry_while_transient(INVALIDATION_ACCEPTED_WAIT, say, passing, create);
        let made = answer.await?.invalidation.ok_or_else(|| {
            error::build_missing_response_part_failure(
                "cloudfront:CreateInvalidation",
                label.as_str(),
                "the invalidation",
            )
        })?;
        Ok(CacheInvalidation { completed: made.status == COMPLETED_STATUS, id: made.id })
    }

    /// Waits until every edge has forgotten what the invalidation `id` names, for half an hour at most.
    ///
    /// # Errors
    /// Where the time is over, or CloudFront refuses.
    pub async fn wait_until_invalidation_completed(
        &self,
        distribution: &str,
        id: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        let label = format!("invalidation {id} of distribution {distribution}");
        retry::poll_until(INVALIDATION_COMPLETED_WAIT, say, || async {
            let asked = self.cloudfront.get_invalidation().distribution_id(distribution).id(id).send().await;
            let found = asked
                .map_err(error::build_aws_action_failure("cloudfront:GetInvalidation", label.as_str()))?;
            Ok(found.invalidation.filter(|now| now.status == COMPLETED_STATUS).map(|_| ()))
        })
        .await
        .map_err(|failure| match failure.kind {
            FailureKind::Other if failure.code.is_none() => Failure::new_generic_failure(
                label.clone(),
                failure.why,
                "CloudFront goes on with it by itself: look in its console, under Invalidations of that distribution, in some minutes",
            ),
            _ => failure,
        })
    }
}
