//! The way back of a change: a distribution's configuration kept before it and after it, and put back part by part.
//!
//! Only what the change set is put back, and only where nobody has changed it since.

use aws_sdk_cloudfront::types::DistributionConfig;

use super::{
    config::restore_changed_distribution_parts,
    distribution::{UPDATE_RETRIES_MAX, is_stale_etag},
};
use crate::aws::{AwsClients, WaitProgressReporter, error};
use crate::model::{
    aws::{cloudfront::CloudFrontDistribution, names::ResourceNames},
    failure::Failure,
};

/// A distribution's configuration as CloudFront gave it at one moment.
#[derive(Debug, Clone)]
pub struct DistributionSnapshot {
    id: String,
    config: DistributionConfig,
}

impl AwsClients {
    /// Keeps the configuration of a distribution, for [`Self::restore_distribution`].
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn snapshot_distribution(&self, id: &str) -> Result<DistributionSnapshot, Failure> {
        let read = self.read_distribution_config(id).await?;
        Ok(DistributionSnapshot { id: id.to_owned(), config: read.config })
    }

    /// Puts back what differs between `before` and `after`, and nothing else: the distribution as it then is.
    ///
    /// # Errors
    /// Where CloudFront refuses, doesn't answer, or all of it has been changed since.
    pub async fn restore_distribution(
        &self,
        names: &ResourceNames,
        before: &DistributionSnapshot,
        after: &DistributionSnapshot,
        say: WaitProgressReporter<'_>,
    ) -> Result<CloudFrontDistribution, Failure> {
        let (id, what) = (before.id.as_str(), format!("distribution {}", before.id));
        let drifted = |why: &str| Failure::new_plan_drift_failure(&what, why);
        let mut tries = 0;
        loop {
            let read = self.read_distribution_config(id).await?;
            let mut wanted = read.config.clone();
            restore_changed_distribution_parts(&mut wanted, &before.config, &after.config);
            if wanted == read.config && before.config != after.config {
                return Err(drifted("its configuration was changed since, so nothing was put back"));
            }
            if wanted == read.config {
                let stands = self.read_distribution(names, id).await?;
                return stands.ok_or_else(|| drifted("it was deleted meanwhile"));
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
