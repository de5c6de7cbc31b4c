//! The way back of a change: a distribution's configuration kept before it, and put back part by part.
//!
//! Only what the change set is put back, and only where nobody has changed it since.

use aws_sdk_cloudfront::types::DistributionConfig;

use super::{
    config::{
        IntendedDistributionUpdate, apply_intent_to_distribution_config, restore_changed_distribution_parts,
    },
    distribution::{UPDATE_RETRIES_MAX, is_stale_etag},
};
use crate::aws::{AwsClients, WaitProgressReporter, error};
use crate::model::{
    aws::{cloudfront::CloudFrontDistribution, names::ResourceNames},
    failure::Failure,
};

/// A distribution's configuration as it stood before a change.
#[derive(Debug, Clone)]
pub struct DistributionSnapshot {
    id: String,
    before: DistributionConfig,
}

impl AwsClients {
    /// Keeps the configuration of a distribution, for [`Self::restore_distribution`].
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn snapshot_distribution(&self, id: &str) -> Result<DistributionSnapshot, Failure> {
        let read = self.read_distribution_config(id).await?;
        Ok(DistributionSnapshot { id: id.to_owned(), before: read.config })
    }

    /// Puts back what `intent` changed since `kept`, and nothing else: the distribution as it then is.
    ///
    /// # Errors
    /// Where CloudFront refuses, doesn't answer, or the configuration goes on changing.
    pub async fn restore_distribution(
        &self,
        names: &ResourceNames,
        kept: &DistributionSnapshot,
        intent: &IntendedDistributionUpdate<'_>,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        let (id, what) = (kept.id.as_str(), format!("distribution {}", kept.id));
        let mut after = kept.before.clone();
        apply_intent_to_distribution_config(&mut after, names, intent)?;
        let mut tries = 0;
        loop {
            let read = self.read_distribution_config(id).await?;
            let mut wanted = read.config.clone();
            restore_changed_distribution_parts(&mut wanted, &kept.before, &after);
            if wanted == read.config {
                return self
                    .read_distribution(names, id)
                    .await?
                    .ok_or_else(|| Failure::new_plan_drift_failure(&what, "it was deleted meanwhile"));
            }
            self.check_distribution_config_round_trip(id, &read).await?;
            let asked = self
                .cloudfront
                .update_distribution()
                .id(id)
                .if_match(&read.etag)
                .distribution_config(wanted)
                .send()
                .await;
            match asked.map_err(error::build_aws_action_failure("cloudfront:UpdateDistribution", &what)) {
                Ok(answer) => {
                    return self
                        .wait_until_etag_visible(names, id, &read.etag, answer.e_tag.as_deref(), say)
                        .await;
                }
                Err(failure) if is_stale_etag(&failure) && tries < UPDATE_RETRIES_MAX => {
                    say("the distribution's ETag moved: reading it again");
                    tries += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}
