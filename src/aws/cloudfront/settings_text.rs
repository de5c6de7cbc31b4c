//! A distribution's settings as lines to read, before there is one.

use aws_sdk_cloudfront::types::{
    Aliases, CacheBehaviors, CustomErrorResponses, DistributionConfig, HttpVersion,
    LambdaFunctionAssociations,
};

use super::{
    config::{DistributionSettings, build_distribution_config},
    failure_from_sdk_build_error,
};
use crate::model::{aws::names::ResourceNames, failure::Failure};

/// Describes what a new distribution with these settings is, a line each, by the very configuration that is sent.
///
/// # Errors
/// Where a part that the SDK requires is missing.
pub fn describe_new_distribution_settings(
    names: &ResourceNames,
    settings: &DistributionSettings<'_>,
) -> Result<Vec<String>, Failure> {
    let config = build_distribution_config(names, settings, "")
        .map_err(|error| failure_from_sdk_build_error("distribution", &error))?;
    Ok(describe_distribution_config(&config))
}

fn describe_distribution_config(config: &DistributionConfig) -> Vec<String> {
    let text = |value: Option<&str>| value.unwrap_or("none").to_owned();
    let is_on = |on: Option<bool>| if on.unwrap_or(false) { "on" } else { "off" };
    let http = config.http_version.as_ref().map(HttpVersion::as_str);
    let mut lines = vec![
        format!("Comment: {}", config.comment),
        format!("Enabled: {}", config.enabled),
        format!("IPv6: {}", is_on(config.is_ipv6_enabled)),
        format!("HTTP versions: {}", text(http)),
    ];
    for origin in config.origins.iter().flat_map(|all| &all.items) {
        let identity = origin.s3_origin_config.as_ref().map(|s3| s3.origin_access_identity.as_str());
        let identity = identity.filter(|identity| !identity.is_empty());
        let control = origin.origin_access_control_id.as_deref().filter(|control| !control.is_empty());
        lines.push(format!("Origin {}: {}", origin.id, origin.domain_name));
        lines.push(format!("  origin access identity: {}", text(identity)));
        lines.push(format!("  origin access control: {}", text(control)));
    }
    let mut describe =
        |path: &str, policy: Option<&str>, viewer: &str, lambda: Option<&LambdaFunctionAssociations>| {
            lines.push(format!("Behavior {path}: {viewer}, GET and HEAD, cache policy {}", text(policy)));
            for one in lambda.into_iter().flat_map(LambdaFunctionAssociations::items) {
                lines.push(format!("  {}: {}", one.event_type.as_str(), one.lambda_function_arn));
            }
        };
    for one in config.cache_behaviors.iter().flat_map(CacheBehaviors::items) {
        let lambda = one.lambda_function_associations.as_ref();
        describe(&one.path_pattern, one.cache_policy_id(), one.viewer_protocol_policy.as_str(), lambda);
    }
    if let Some(one) = &config.default_cache_behavior {
        let lambda = one.lambda_function_associations.as_ref();
        describe("(default)", one.cache_policy_id(), one.viewer_protocol_policy.as_str(), lambda);
    }
    let codes: Vec<String> = config
        .custom_error_responses
        .iter()
        .flat_map(CustomErrorResponses::items)
        .map(|one| one.error_code.to_string())
        .collect();
    lines.push(format!("Errors that are not kept: {}", codes.join(", ")));
    for name in config.aliases.iter().flat_map(Aliases::items) {
        lines.push(format!("Alternate domain name: {name}"));
    }
    if let Some(certificate) = &config.viewer_certificate {
        lines.push(format!("Certificate: {}", text(certificate.acm_certificate_arn())));
    }
    lines
}
