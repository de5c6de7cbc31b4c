//! The way back of a change: a distribution's configuration kept before it and after it, and put back part by part.
//!
//! Only what the change set is put back, and only where nobody has changed it since.

use aws_sdk_cloudfront::types::DistributionConfig;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;

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
    raw: Vec<u8>,
}

impl DistributionSnapshot {
    /// Returns the configuration as CloudFront gave it, to be kept for [`AwsClients::parse_distribution_snapshot`].
    #[must_use]
    pub fn render_snapshot(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Returns whether both say the same.
    #[must_use]
    pub fn is_same_configuration(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

/// Answers a request with a document that was kept: the SDK reads it as it read CloudFront's answer then, and nothing is sent.
#[derive(Debug, Clone)]
struct KeptAnswerConnector(String);

impl HttpConnector for KeptAnswerConnector {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let found = StatusCode::try_from(200).expect("it is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(found, SdkBody::from(self.0.as_str()))))
    }
}

impl AwsClients {
    /// Keeps the configuration of a distribution, for [`Self::restore_distribution`].
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn snapshot_distribution(&self, id: &str) -> Result<DistributionSnapshot, Failure> {
        let read = self.read_distribution_config(id).await?;
        Ok(DistributionSnapshot { id: id.to_owned(), config: read.config, raw: read.raw })
    }

    /// Reads what [`DistributionSnapshot::render_snapshot`] gave; sends nothing.
    ///
    /// # Errors
    /// Where it isn't a distribution's configuration.
    pub async fn parse_distribution_snapshot(
        &self,
        id: &str,
        kept: &str,
    ) -> Result<DistributionSnapshot, Failure> {
        let connector = SharedHttpConnector::new(KeptAnswerConnector(kept.to_owned()));
        let client = http_client_fn(move |_, _| connector.clone());
        let answered = self
            .cloudfront
            .get_distribution_config()
            .id(id)
            .customize()
            .config_override(aws_sdk_cloudfront::config::Builder::new().http_client(client))
            .send()
            .await;
        let what = format!("the configuration that distribution {id} had");
        let unreadable = |why: String| {
            Failure::new_generic_failure(
                what.as_str(),
                format!("what was kept of it can't be read: {why}"),
                "look at the distribution in the CloudFront console",
            )
        };
        match answered.map(|answer| answer.distribution_config) {
            Ok(Some(config)) => {
                Ok(DistributionSnapshot { id: id.to_owned(), config, raw: kept.as_bytes().to_vec() })
            }
            Ok(None) => Err(unreadable("it is empty".to_owned())),
            Err(error) => Err(unreadable(error.to_string())),
        }
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
