//! How much of CloudFront's quotas an account has used, of what the set-up makes one more of.

use aws_sdk_cloudfront::types::CachePolicyType;

use crate::aws::{AwsClients, error};
use crate::model::failure::Failure;

/// How many there are in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudFrontResourceCounts {
    pub distributions: usize,
    pub cache_policies: usize,
    pub identities: usize,
}

impl AwsClients {
    /// Reads how much of CloudFront's quotas the account uses.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn count_cloudfront_resources(&self) -> Result<CloudFrontResourceCounts, Failure> {
        let distributions = async {
            let mut count = 0;
            let mut pages = self.cloudfront.list_distributions().into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(error::build_aws_action_failure(
                    "cloudfront:ListDistributions",
                    "the account's distributions",
                ))?;
                count += page.distribution_list.and_then(|list| list.items).map_or(0, |items| items.len());
            }
            Ok::<_, Failure>(count)
        };
        let policies = async {
            let asked = self.cloudfront.list_cache_policies().r#type(CachePolicyType::Custom).send().await;
            let found = asked.map_err(error::build_aws_action_failure(
                "cloudfront:ListCachePolicies",
                "the account's cache policies",
            ))?;
            Ok(found.cache_policy_list.and_then(|list| list.items).map_or(0, |items| items.len()))
        };
        let (distributions, cache_policies, identities) =
            tokio::try_join!(distributions, policies, self.list_origin_access_identities())?;
        Ok(CloudFrontResourceCounts { distributions, cache_policies, identities: identities.len() })
    }
}
