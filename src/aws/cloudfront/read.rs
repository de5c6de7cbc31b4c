//! Distributions as they stand: all of the account, one.
//!
//! Tags and the whole configuration are asked only of those that may concern the bucket.

#![expect(
    deprecated,
    reason = "a distribution made by hand may still hold the legacy settings, which are told and replaced"
)]

use aws_sdk_cloudfront::types::{
    Aliases, CacheBehaviors, DefaultCacheBehavior, DistributionConfig, DistributionSummary, HttpVersion,
    OriginGroups, Origins, Tags, ViewerCertificate, ViewerProtocolPolicy,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    config::{
        find_viewer_request_functions, is_error_caching_enabled, is_get_and_head_only,
        list_custom_error_pages,
    },
    origin::{self, is_bucket_origin, list_bucket_origin_target_ids},
};
use crate::aws::{AwsClients, error, resource_ownership_from_tags};
use crate::model::{
    aws::{
        account::ResourceOwnership,
        cloudfront::{CloudFrontDistribution, DistributionBehavior, DistributionOrigin},
        names::ResourceNames,
    },
    failure::Failure,
};

const READ_CONCURRENCY_MAX: usize = 6;
const IDENTITY_PATH_PREFIX: &str = "origin-access-identity/cloudfront/";

fn format_distribution_id_label(id: &str) -> String {
    format!("distribution {id}")
}

impl AwsClients {
    /// Lists all distributions of the account. Those that are neither the bucket's nor carry our Comment are
    /// `Unmarked`, without ETag and differences.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn list_distributions(
        &self,
        names: &ResourceNames,
    ) -> Result<Vec<CloudFrontDistribution>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.cloudfront.list_distributions().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "cloudfront:ListDistributions",
                "the account's distributions",
            ))?;
            all.extend(page.distribution_list.and_then(|list| list.items).unwrap_or_default());
        }
        let whole: Vec<_> =
            all.into_iter().map(|one| self.read_distribution_or_keep_summary(names, one)).collect();
        stream::iter(whole).buffered(READ_CONCURRENCY_MAX).try_collect().await
    }

    async fn read_distribution_or_keep_summary(
        &self,
        names: &ResourceNames,
        one: DistributionSummary,
    ) -> Result<CloudFrontDistribution, Failure> {
        let origins = one.origins().map(Origins::items).unwrap_or_default();
        let concerns = one.comment == names.distribution_and_identity_comment()
            || origins.iter().any(|origin| is_bucket_origin(origin, names.bucket_name()));
        let whole = if concerns { self.read_distribution(names, &one.id).await? } else { None };
        Ok(whole.unwrap_or_else(|| distribution_from_summary(&one, names)))
    }

    /// Reads one distribution, by its id.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub async fn read_distribution(
        &self,
        names: &ResourceNames,
        id: &str,
    ) -> Result<Option<CloudFrontDistribution>, Failure> {
        let Some(found) = self.read_distribution_without_tags(names, id).await? else { return Ok(None) };
        let asked = self.cloudfront.list_tags_for_resource().resource(&found.arn).send().await;
        let tags = asked
            .map_err(error::build_aws_action_failure(
                "cloudfront:ListTagsForResource",
                format_distribution_id_label(id),
            ))?
            .tags;
        let tags = tags.as_ref().map(Tags::items).unwrap_or_default();
        let ownership = resource_ownership_from_tags(
            tags.iter().map(|tag| (tag.key(), tag.value().unwrap_or_default())),
            names,
        );
        Ok(Some(CloudFrontDistribution { ownership, ..found }))
    }

    /// Reads one distribution, whoever's it is.
    ///
    /// # Errors
    /// Where CloudFront refuses or doesn't answer.
    pub(super) async fn read_distribution_without_tags(
        &self,
        names: &ResourceNames,
        id: &str,
    ) -> Result<Option<CloudFrontDistribution>, Failure> {
        let asked = self.cloudfront.get_distribution().id(id).send().await;
        let found = error::none_if_aws_not_found(asked.map_err(error::build_aws_action_failure(
            "cloudfront:GetDistribution",
            format_distribution_id_label(id),
        )))?;
        let Some(found) = found else { return Ok(None) };
        let part = |part| {
            error::build_missing_response_part_failure(
                "cloudfront:GetDistribution",
                format_distribution_id_label(id),
                part,
            )
        };
        let etag = found.e_tag.ok_or_else(|| part("the ETag"))?;
        let distribution = found.distribution.ok_or_else(|| part("the distribution"))?;
        let config = distribution.distribution_config.ok_or_else(|| part("the configuration"))?;
        Ok(Some(CloudFrontDistribution {
            id: distribution.id,
            arn: distribution.arn,
            domain: distribution.domain_name,
            status: distribution.status,
            modified: u64::try_from(distribution.last_modified_time.secs()).ok(),
            etag,
            ..parse_distribution_config(&config, names)
        }))
    }
}

/// Returns all that a configuration says.
pub fn parse_distribution_config(
    config: &DistributionConfig,
    names: &ResourceNames,
) -> CloudFrontDistribution {
    let parts = DistributionCommonFields {
        origins: config.origins(),
        groups: config.origin_groups(),
        default: config.default_cache_behavior(),
        others: config.cache_behaviors(),
    };
    let deployment = config.continuous_deployment_policy_id().unwrap_or_default();
    CloudFrontDistribution {
        id: String::new(),
        arn: String::new(),
        domain: String::new(),
        status: String::new(),
        modified: None,
        etag: String::new(),
        comment: config.comment.clone(),
        enabled: config.enabled,
        ownership: ResourceOwnership::Unmarked,
        aliases: config.aliases().map(Aliases::items).unwrap_or_default().to_vec(),
        certificate: viewer_certificate_acm_arn(config.viewer_certificate()),
        origins: parts.convert_sdk_origins(),
        behaviors: parts.convert_cache_behaviors_from_sdk(names),
        error_pages: list_custom_error_pages(config.custom_error_responses()),
        continuous_deployment: !deployment.is_empty(),
        web_acl: config.web_acl_id.clone().filter(|id| !id.is_empty()),
        differs: find_distribution_differences(config, names),
    }
}

fn distribution_from_summary(one: &DistributionSummary, names: &ResourceNames) -> CloudFrontDistribution {
    let parts = DistributionCommonFields {
        origins: one.origins(),
        groups: one.origin_groups(),
        default: one.default_cache_behavior(),
        others: one.cache_behaviors(),
    };
    CloudFrontDistribution {
        id: one.id.clone(),
        arn: one.arn.clone(),
        domain: one.domain_name.clone(),
        status: one.status.clone(),
        modified: u64::try_from(one.last_modified_time.secs()).ok(),
        etag: String::new(),
        comment: one.comment.clone(),
        enabled: one.enabled,
        ownership: ResourceOwnership::Unmarked,
        aliases: one.aliases().map(Aliases::items).unwrap_or_default().to_vec(),
        certificate: viewer_certificate_acm_arn(one.viewer_certificate()),
        origins: parts.convert_sdk_origins(),
        behaviors: parts.convert_cache_behaviors_from_sdk(names),
        error_pages: list_custom_error_pages(one.custom_error_responses()),
        continuous_deployment: false,
        web_acl: Some(one.web_acl_id.clone()).filter(|id| !id.is_empty()),
        differs: Vec::new(),
    }
}

fn viewer_certificate_acm_arn(served: Option<&ViewerCertificate>) -> Option<String> {
    served?.acm_certificate_arn.clone().filter(|arn| !arn.is_empty())
}

/// What a summary and a configuration share.
struct DistributionCommonFields<'a> {
    origins: Option<&'a Origins>,
    groups: Option<&'a OriginGroups>,
    default: Option<&'a DefaultCacheBehavior>,
    others: Option<&'a CacheBehaviors>,
}

macro_rules! behavior_from_sdk {
    ($one:expr, $path:expr, $target:expr) => {{
        let (lambda, function) =
            find_viewer_request_functions($one.lambda_function_associations(), $one.function_associations());
        DistributionBehavior {
            path: $path,
            origin: $target($one.target_origin_id()),
            cache_policy: $one.cache_policy_id.clone().filter(|id| !id.is_empty()),
            viewer_request: lambda,
            viewer_request_function: function,
        }
    }};
}

impl DistributionCommonFields<'_> {
    fn convert_sdk_origins(&self) -> Vec<DistributionOrigin> {
        let all = self.origins.map(Origins::items).unwrap_or_default();
        let origin = |one: &aws_sdk_cloudfront::types::Origin| {
            let identity =
                one.s3_origin_config().map(|s3| s3.origin_access_identity.as_str()).unwrap_or_default();
            DistributionOrigin {
                id: one.id.clone(),
                domain: origin::format_origin_address(one),
                identity: Some(identity.trim_start_matches(IDENTITY_PATH_PREFIX).to_owned())
                    .filter(|id| !id.is_empty()),
                control: one.origin_access_control_id.clone().filter(|id| !id.is_empty()),
            }
        };
        all.iter().map(origin).collect()
    }

    fn convert_cache_behaviors_from_sdk(&self, names: &ResourceNames) -> Vec<DistributionBehavior> {
        let origins = self.origins.map(Origins::items).unwrap_or_default();
        let target =
            |id: &str| origin::find_origin_of_behavior_target(id, self.groups, origins, names.bucket_name());
        let default = self.default.map(|one| behavior_from_sdk!(one, None, target));
        let others = self.others.map(CacheBehaviors::items).unwrap_or_default();
        let others = others.iter().map(|one| behavior_from_sdk!(one, Some(one.path_pattern.clone()), target));
        default.into_iter().chain(others).collect()
    }
}

macro_rules! push_behavior_differences {
    ($one:expr, $name:expr, $all:expr) => {{
        if $one.viewer_protocol_policy != ViewerProtocolPolicy::HttpsOnly {
            $all.push(format!(
                "viewer protocol policy of {} is {}",
                $name,
                $one.viewer_protocol_policy.as_str()
            ));
        }
        if !is_get_and_head_only($one.allowed_methods()) {
            $all.push(format!("{} allows more than GET and HEAD", $name));
        }
        if $one.compress == Some(true) {
            $all.push(format!("{} compresses", $name));
        }
        if $one.forwarded_values.is_some() {
            $all.push(format!("{} uses legacy cache settings", $name));
        }
    }};
}

/// What contract section 5 wants and a distribution of the bucket hasn't; the version, cache policy and origin access are
/// compared where they are known.
fn find_distribution_differences(config: &DistributionConfig, names: &ResourceNames) -> Vec<String> {
    let mut all = Vec::new();
    let targets = list_bucket_origin_target_ids(config, names.bucket_name());
    if !config.enabled {
        all.push("it is disabled".to_owned());
    }
    let deployment = config.continuous_deployment_policy_id().unwrap_or_default();
    if config.http_version() != Some(&HttpVersion::Http2and3) && deployment.is_empty() {
        let version = config.http_version().map_or("http2", HttpVersion::as_str);
        all.push(format!("HTTP version is {version}"));
    }
    if config.is_ipv6_enabled != Some(true) {
        all.push("IPv6 is off".to_owned());
    }
    if is_error_caching_enabled(config.custom_error_responses()) {
        all.push("errors are cached".to_owned());
    }
    for origin in config.origins().map(Origins::items).unwrap_or_default() {
        if is_bucket_origin(origin, names.bucket_name())
            && !is_regional_bucket_domain(&origin.domain_name, names.bucket_name())
        {
            all.push(format!("origin {} is not the bucket's regional domain", origin.domain_name));
        }
        if is_bucket_origin(origin, names.bucket_name())
            && !origin.origin_path().unwrap_or_default().is_empty()
        {
            all.push(format!("origin path is {}", origin.origin_path().unwrap_or_default()));
        }
    }
    if let Some(one) = config.default_cache_behavior().filter(|one| targets.contains(&one.target_origin_id)) {
        push_behavior_differences!(one, "the default behavior", all);
    }
    for one in config.cache_behaviors().map(CacheBehaviors::items).unwrap_or_default() {
        if targets.contains(&one.target_origin_id) {
            push_behavior_differences!(one, format!("behavior {}", one.path_pattern), all);
        }
    }
    all
}

/// Returns whether an origin's domain is the bucket's in its region: `b.s3.<region>.amazonaws.com`.
#[must_use]
pub fn is_regional_bucket_domain(domain: &str, bucket: &str) -> bool {
    let rest = domain.strip_prefix(bucket).and_then(|rest| rest.strip_prefix(".s3."));
    let region = rest.and_then(|rest| rest.split_once(".amazonaws.com")).map(|(region, _)| region);
    region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
}
