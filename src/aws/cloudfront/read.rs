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
    config::{errors_kept, get_and_head, viewer_request},
    origin::{self, is_bucket, reaches_bucket},
};
use crate::aws::{Cloud, error, whose};
use crate::model::{
    aws::{
        evidence::{Behavior, Distribution, Origin, Ownership},
        names::Names,
    },
    run::failure::Failure,
};

const AT_ONCE: usize = 6;
const IDENTITY: &str = "origin-access-identity/cloudfront/";

fn what(id: &str) -> String {
    format!("distribution {id}")
}

impl Cloud {
    /// All distributions of the account. Those that are neither the bucket's nor carry our Comment are `Unmarked`,
    /// without ETag and differences.
    pub async fn distributions(&self, names: &Names) -> Result<Vec<Distribution>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.cloudfront.list_distributions().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(error::of("cloudfront:ListDistributions", "the account's distributions"))?;
            all.extend(page.distribution_list.and_then(|list| list.items).unwrap_or_default());
        }
        let whole: Vec<_> = all.into_iter().map(|one| self.whole(names, one)).collect();
        stream::iter(whole).buffered(AT_ONCE).try_collect().await
    }

    async fn whole(&self, names: &Names, one: DistributionSummary) -> Result<Distribution, Failure> {
        let origins = one.origins().map(Origins::items).unwrap_or_default();
        let concerns =
            one.comment == names.comment() || origins.iter().any(|origin| is_bucket(origin, names.bucket()));
        let whole = if concerns { self.distribution(names, &one.id).await? } else { None };
        Ok(whole.unwrap_or_else(|| summarized(&one, names)))
    }

    /// One distribution, by its id.
    pub async fn distribution(&self, names: &Names, id: &str) -> Result<Option<Distribution>, Failure> {
        let Some(found) = self.distribution_without_tags(names, id).await? else { return Ok(None) };
        let asked = self.cloudfront.list_tags_for_resource().resource(&found.arn).send().await;
        let tags = asked.map_err(error::of("cloudfront:ListTagsForResource", what(id)))?.tags;
        let tags = tags.as_ref().map(Tags::items).unwrap_or_default();
        let ownership = whose(tags.iter().map(|tag| (tag.key(), tag.value().unwrap_or_default())), names);
        Ok(Some(Distribution { ownership, ..found }))
    }

    /// One distribution, whoever's it is.
    pub(super) async fn distribution_without_tags(
        &self,
        names: &Names,
        id: &str,
    ) -> Result<Option<Distribution>, Failure> {
        let asked = self.cloudfront.get_distribution().id(id).send().await;
        let found = error::absent(asked.map_err(error::of("cloudfront:GetDistribution", what(id))))?;
        let Some(found) = found else { return Ok(None) };
        let part = |part| error::lacking("cloudfront:GetDistribution", what(id), part);
        let etag = found.e_tag.ok_or_else(|| part("the ETag"))?;
        let distribution = found.distribution.ok_or_else(|| part("the distribution"))?;
        let config = distribution.distribution_config.ok_or_else(|| part("the configuration"))?;
        Ok(Some(Distribution {
            id: distribution.id,
            arn: distribution.arn,
            domain: distribution.domain_name,
            status: distribution.status,
            etag,
            ..configured(&config, names)
        }))
    }
}

/// All that a configuration says.
pub fn configured(config: &DistributionConfig, names: &Names) -> Distribution {
    let parts = Parts {
        origins: config.origins(),
        groups: config.origin_groups(),
        default: config.default_cache_behavior(),
        others: config.cache_behaviors(),
    };
    let deployment = config.continuous_deployment_policy_id().unwrap_or_default();
    Distribution {
        id: String::new(),
        arn: String::new(),
        domain: String::new(),
        status: String::new(),
        etag: String::new(),
        comment: config.comment.clone(),
        enabled: config.enabled,
        ownership: Ownership::Unmarked,
        aliases: config.aliases().map(Aliases::items).unwrap_or_default().to_vec(),
        certificate: certificate(config.viewer_certificate()),
        origins: parts.origins(),
        behaviors: parts.behaviors(names),
        continuous_deployment: !deployment.is_empty(),
        web_acl: config.web_acl_id.clone().filter(|id| !id.is_empty()),
        differs: differs(config, names),
    }
}

fn summarized(one: &DistributionSummary, names: &Names) -> Distribution {
    let parts = Parts {
        origins: one.origins(),
        groups: one.origin_groups(),
        default: one.default_cache_behavior(),
        others: one.cache_behaviors(),
    };
    Distribution {
        id: one.id.clone(),
        arn: one.arn.clone(),
        domain: one.domain_name.clone(),
        status: one.status.clone(),
        etag: String::new(),
        comment: one.comment.clone(),
        enabled: one.enabled,
        ownership: Ownership::Unmarked,
        aliases: one.aliases().map(Aliases::items).unwrap_or_default().to_vec(),
        certificate: certificate(one.viewer_certificate()),
        origins: parts.origins(),
        behaviors: parts.behaviors(names),
        continuous_deployment: false,
        web_acl: Some(one.web_acl_id.clone()).filter(|id| !id.is_empty()),
        differs: Vec::new(),
    }
}

fn certificate(served: Option<&ViewerCertificate>) -> Option<String> {
    served?.acm_certificate_arn.clone().filter(|arn| !arn.is_empty())
}

/// What a summary and a configuration share.
struct Parts<'a> {
    origins: Option<&'a Origins>,
    groups: Option<&'a OriginGroups>,
    default: Option<&'a DefaultCacheBehavior>,
    others: Option<&'a CacheBehaviors>,
}

macro_rules! behavior {
    ($one:expr, $path:expr, $target:expr) => {{
        let (lambda, function) =
            viewer_request($one.lambda_function_associations(), $one.function_associations());
        Behavior {
            path: $path,
            origin: $target($one.target_origin_id()),
            cache_policy: $one.cache_policy_id.clone().filter(|id| !id.is_empty()),
            viewer_request: lambda,
            viewer_request_function: function,
        }
    }};
}

impl Parts<'_> {
    fn origins(&self) -> Vec<Origin> {
        let all = self.origins.map(Origins::items).unwrap_or_default();
        let origin = |one: &aws_sdk_cloudfront::types::Origin| {
            let identity =
                one.s3_origin_config().map(|s3| s3.origin_access_identity.as_str()).unwrap_or_default();
            Origin {
                id: one.id.clone(),
                domain: origin::address(one),
                identity: Some(identity.trim_start_matches(IDENTITY).to_owned()).filter(|id| !id.is_empty()),
                control: one.origin_access_control_id.clone().filter(|id| !id.is_empty()),
            }
        };
        all.iter().map(origin).collect()
    }

    fn behaviors(&self, names: &Names) -> Vec<Behavior> {
        let origins = self.origins.map(Origins::items).unwrap_or_default();
        let target = |id: &str| origin::target(id, self.groups, origins, names.bucket());
        let default = self.default.map(|one| behavior!(one, None, target));
        let others = self.others.map(CacheBehaviors::items).unwrap_or_default();
        let others = others.iter().map(|one| behavior!(one, Some(one.path_pattern.clone()), target));
        default.into_iter().chain(others).collect()
    }
}

macro_rules! behavior_differs {
    ($one:expr, $name:expr, $all:expr) => {{
        if $one.viewer_protocol_policy != ViewerProtocolPolicy::HttpsOnly {
            $all.push(format!(
                "viewer protocol policy of {} is {}",
                $name,
                $one.viewer_protocol_policy.as_str()
            ));
        }
        if !get_and_head($one.allowed_methods()) {
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

/// What section 5 wants and a distribution of the bucket hasn't; the version, cache policy and origin access are
/// compared where they are known.
fn differs(config: &DistributionConfig, names: &Names) -> Vec<String> {
    let mut all = Vec::new();
    let targets = reaches_bucket(config, names.bucket());
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
    if errors_kept(config.custom_error_responses()) {
        all.push("errors are cached".to_owned());
    }
    for origin in config.origins().map(Origins::items).unwrap_or_default() {
        if is_bucket(origin, names.bucket()) && !is_regional(&origin.domain_name, names.bucket()) {
            all.push(format!("origin {} is not the bucket's regional domain", origin.domain_name));
        }
        if is_bucket(origin, names.bucket()) && !origin.origin_path().unwrap_or_default().is_empty() {
            all.push(format!("origin path is {}", origin.origin_path().unwrap_or_default()));
        }
    }
    if let Some(one) = config.default_cache_behavior().filter(|one| targets.contains(&one.target_origin_id)) {
        behavior_differs!(one, "the default behavior", all);
    }
    for one in config.cache_behaviors().map(CacheBehaviors::items).unwrap_or_default() {
        if targets.contains(&one.target_origin_id) {
            behavior_differs!(one, format!("behavior {}", one.path_pattern), all);
        }
    }
    all
}

fn is_regional(domain: &str, bucket: &str) -> bool {
    let rest = domain.strip_prefix(bucket).and_then(|rest| rest.strip_prefix(".s3."));
    let region = rest.and_then(|rest| rest.split_once(".amazonaws.com")).map(|(region, _)| region);
    region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
}
