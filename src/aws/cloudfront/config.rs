//! What a distribution of ours is (contract section 5), as the SDK's types, and how an existing one becomes it.
//!
//! Only what contract section 5 names is set; everything else that stands in a configuration stays.

#![expect(
    deprecated,
    reason = "a distribution made by hand may still hold the legacy settings, which are told and replaced"
)]

use aws_sdk_cloudfront::{
    error::BuildError,
    types::{
        Aliases, AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, CustomErrorResponse,
        CustomErrorResponses, DefaultCacheBehavior, DistributionConfig, EventType, FunctionAssociations,
        HttpVersion, LambdaFunctionAssociation, LambdaFunctionAssociations, Method, MinimumProtocolVersion,
        Origin, Origins, S3OriginConfig, SslSupportMethod, ViewerCertificate, ViewerProtocolPolicy,
    },
};

use super::{
    failure_from_sdk_build_error,
    origin::{format_regional_bucket_domain, is_bucket_origin, list_bucket_origin_target_ids},
};
use crate::model::{
    aws::names::ResourceNames,
    failure::Failure,
    packagecloud::path_cache::{
        CachePolicyRole, PathCacheRule, StandingPathBehavior, find_own_path_behaviors,
    },
};

/// The errors that CloudFront can be told not to keep.
pub const UNCACHED_ERROR_CODES: [i32; 11] = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

const ORIGIN_ID: &str = "packagecloud";

/// How CloudFront gets at the bucket: the id, `E…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginAccessId<'a> {
    Identity(&'a str),
    Control(&'a str),
}

/// How packages are cached by their path: the policy, and the behaviors in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathCachingSettings<'a> {
    pub policy_id: &'a str,
    pub rules: &'a [PathCacheRule],
}

/// A distribution of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DistributionSettings<'a> {
    /// The bucket's region: the origin is `<bucket>.s3.<region>.amazonaws.com`.
    pub region: &'a str,
    pub access: OriginAccessId<'a>,
    pub cache_policy_id: &'a str,
    /// None: no behavior of ours stands beside the default one.
    pub path_caching: Option<PathCachingSettings<'a>>,
    /// With its number.
    pub version_arn: &'a str,
    /// A domain of one's own and its ACM certificate's ARN.
    pub alias: Option<(&'a str, &'a str)>,
}

/// What an update shall make of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntendedDistributionUpdate<'a> {
    /// All of contract section 5.
    Whole(DistributionSettings<'a>),
    /// This version on the viewer request of every behavior of the bucket, and nothing else.
    Version(&'a str),
}

impl<'a> IntendedDistributionUpdate<'a> {
    /// Returns the domain of one's own and its certificate, where they are to be set.
    pub fn intended_alias_and_certificate(&self) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Whole(shape) => shape.alias,
            Self::Version(_) => None,
        }
    }

    /// Returns the function version that is to hold the viewer request.
    pub fn intended_function_version_arn(&self) -> &'a str {
        match self {
            Self::Whole(shape) => shape.version_arn,
            Self::Version(arn) => arn,
        }
    }
}

/// Builds the configuration of a new distribution.
///
/// # Errors
/// Where a part that the SDK requires is missing.
pub fn build_distribution_config(
    names: &ResourceNames,
    shape: &DistributionSettings<'_>,
    caller_reference: &str,
) -> Result<DistributionConfig, BuildError> {
    let origin = Origin::builder()
        .id(ORIGIN_ID)
        .domain_name(format_regional_bucket_domain(names.bucket_name(), shape.region))
        .origin_path("")
        .s3_origin_config(S3OriginConfig::builder().origin_access_identity("").build())
        .build()?;
    let behavior = DefaultCacheBehavior::builder()
        .target_origin_id(ORIGIN_ID)
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .build()?;
    let mut config = DistributionConfig::builder()
        .caller_reference(caller_reference)
        .comment(names.distribution_and_identity_comment())
        .enabled(true)
        .origins(Origins::builder().quantity(1).items(origin).build()?)
        .default_cache_behavior(behavior)
        .build()?;
    apply_distribution_settings(&mut config, names, shape)?;
    Ok(config)
}

/// Brings `config` to `intent`.
///
/// # Errors
/// Where a part that the SDK requires is missing, or the configuration can't carry the change.
pub fn apply_intent_to_distribution_config(
    config: &mut DistributionConfig,
    names: &ResourceNames,
    intent: &IntendedDistributionUpdate<'_>,
) -> Result<(), Failure> {
    let done = match intent {
        IntendedDistributionUpdate::Whole(shape) => apply_distribution_settings(config, names, shape),
        IntendedDistributionUpdate::Version(arn) => associate_authenticator(config, names, arn),
    };
    done.map_err(|error| failure_from_sdk_build_error("distribution", &error))
}

/// Sets the fields of a behavior that contract section 5 names; the default behavior and the others are two types of one shape.
macro_rules! set_behavior_fields {
    ($behavior:expr, $policy_id:expr) => {{
        $behavior.viewer_protocol_policy = ViewerProtocolPolicy::HttpsOnly;
        $behavior.cache_policy_id = Some($policy_id.to_owned());
        $behavior.forwarded_values = None;
        $behavior.min_ttl = None;
        $behavior.default_ttl = None;
        $behavior.max_ttl = None;
        $behavior.compress = Some(false);
        if !is_get_and_head_only($behavior.allowed_methods.as_ref()) {
            $behavior.allowed_methods = Some(build_get_and_head_methods()?);
        }
    }};
}

fn apply_distribution_settings(
    config: &mut DistributionConfig,
    names: &ResourceNames,
    shape: &DistributionSettings<'_>,
) -> Result<(), BuildError> {
    let targets = list_bucket_origin_target_ids(config, names.bucket_name());
    if let Some(behavior) = &mut config.default_cache_behavior
        && targets.contains(&behavior.target_origin_id)
    {
        set_behavior_fields!(behavior, shape.cache_policy_id);
    }
    set_path_behaviors(config, &targets, shape)?;
    associate_authenticator(config, names, shape.version_arn)?;
    for origin in config.origins.iter_mut().flat_map(|all| &mut all.items) {
        if is_bucket_origin(origin, names.bucket_name()) {
            set_distribution_bucket_origin(origin, names, shape);
        }
    }
    set_distribution_viewer_settings(config, names, shape)
}

/// Sets the behaviors beside the default one: whoever's else first, in their order, then ours.
fn set_path_behaviors(
    config: &mut DistributionConfig,
    targets: &[String],
    shape: &DistributionSettings<'_>,
) -> Result<(), BuildError> {
    let standing = config.cache_behaviors.as_ref().and_then(|all| all.items.clone()).unwrap_or_default();
    let default_target = config.default_cache_behavior.as_ref().map(|one| one.target_origin_id.clone());
    let seen: Vec<StandingPathBehavior<'_>> = standing
        .iter()
        .map(|one| StandingPathBehavior {
            pattern: &one.path_pattern,
            policy: one.cache_policy_id.as_deref(),
            on_bucket: targets.contains(&one.target_origin_id),
        })
        .collect();
    let is_own = find_own_path_behaviors(&seen, Some(shape.cache_policy_id));
    let (mut items, mut own) = (Vec::new(), Vec::new());
    for (mut behavior, is_own) in standing.into_iter().zip(is_own) {
        if is_own {
            own.push(behavior);
        } else {
            if targets.contains(&behavior.target_origin_id) {
                set_behavior_fields!(behavior, shape.cache_policy_id);
            }
            items.push(behavior);
        }
    }
    let wanted = shape.path_caching.zip(default_target.filter(|target| targets.contains(target)));
    if own.is_empty() && items.is_empty() && wanted.is_none() {
        // An empty list is left in the form in which AWS gives it.
        return Ok(());
    }
    if let Some((caching, target)) = wanted {
        for rule in caching.rules {
            let stands = own.iter().find(|one: &&CacheBehavior| one.path_pattern == rule.pattern).cloned();
            let mut behavior = match stands {
                Some(behavior) => behavior,
                None => CacheBehavior::builder()
                    .path_pattern(&rule.pattern)
                    .target_origin_id(&target)
                    .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
                    .build()?,
            };
            behavior.target_origin_id.clone_from(&target);
            set_behavior_fields!(
                behavior,
                match rule.role {
                    CachePolicyRole::PassThrough => shape.cache_policy_id,
                    CachePolicyRole::Packages => caching.policy_id,
                }
            );
            items.push(behavior);
        }
    }
    config.cache_behaviors = Some(
        CacheBehaviors::builder()
            .quantity(count_cloudfront_list_items(&items))
            .set_items(Some(items))
            .build()?,
    );
    Ok(())
}

fn set_distribution_viewer_settings(
    config: &mut DistributionConfig,
    names: &ResourceNames,
    shape: &DistributionSettings<'_>,
) -> Result<(), BuildError> {
    config.comment = names.distribution_and_identity_comment();
    config.enabled = true;
    config.is_ipv6_enabled = Some(true);
    // HTTP/3 is refused while a continuous deployment is attached: then what stands stays.
    if config.continuous_deployment_policy_id.as_deref().unwrap_or_default().is_empty() {
        config.http_version = Some(HttpVersion::Http2and3);
    }
    let standing = config.custom_error_responses.take().and_then(|all| all.items).unwrap_or_default();
    config.custom_error_responses = Some(disable_error_caching(standing)?);
    if let Some((domain, certificate)) = shape.alias {
        let mut names = config.aliases.take().and_then(|all| all.items).unwrap_or_default();
        if !names.iter().any(|name| name == domain) {
            names.push(domain.to_owned());
        }
        config.aliases = Some(
            Aliases::builder()
                .quantity(count_cloudfront_list_items(&names))
                .set_items(Some(names))
                .build()?,
        );
        let right = config.viewer_certificate.as_ref().and_then(ViewerCertificate::acm_certificate_arn);
        if right != Some(certificate) {
            config.viewer_certificate = Some(
                ViewerCertificate::builder()
                    .acm_certificate_arn(certificate)
                    .ssl_support_method(SslSupportMethod::SniOnly)
                    .minimum_protocol_version(MinimumProtocolVersion::TlSv122021)
                    .build(),
            );
        }
    }
    Ok(())
}

fn set_distribution_bucket_origin(
    origin: &mut Origin,
    names: &ResourceNames,
    shape: &DistributionSettings<'_>,
) {
    let (identity, control) = match shape.access {
        OriginAccessId::Identity(id) => (format!("origin-access-identity/cloudfront/{id}"), String::new()),
        OriginAccessId::Control(id) => (String::new(), id.to_owned()),
    };
    origin.domain_name = format_regional_bucket_domain(names.bucket_name(), shape.region);
    origin.origin_path = Some(String::new());
    origin.custom_origin_config = None;
    // Absent and empty mean the same, and AWS gives it as empty.
    if origin.origin_access_control_id.as_deref().unwrap_or_default() != control {
        origin.origin_access_control_id = Some(control);
    }
    // The element is wanted even where it says nothing.
    let standing = origin.s3_origin_config.get_or_insert_with(|| S3OriginConfig::builder().build());
    standing.origin_access_identity = identity;
}

/// The version on the viewer request of every behavior of the bucket.
fn associate_authenticator(
    config: &mut DistributionConfig,
    names: &ResourceNames,
    arn: &str,
) -> Result<(), BuildError> {
    let targets = list_bucket_origin_target_ids(config, names.bucket_name());
    if let Some(behavior) = &mut config.default_cache_behavior
        && targets.contains(&behavior.target_origin_id)
    {
        behavior.lambda_function_associations =
            Some(add_authenticator_association(behavior.lambda_function_associations.take(), arn)?);
    }
    for behavior in config.cache_behaviors.iter_mut().flat_map(|all| all.items.iter_mut().flatten()) {
        if targets.contains(&behavior.target_origin_id) {
            behavior.lambda_function_associations =
                Some(add_authenticator_association(behavior.lambda_function_associations.take(), arn)?);
        }
    }
    Ok(())
}

fn add_authenticator_association(
    standing: Option<LambdaFunctionAssociations>,
    arn: &str,
) -> Result<LambdaFunctionAssociations, BuildError> {
    let mut all = standing.and_then(|all| all.items).unwrap_or_default();
    match all.iter_mut().find(|one| one.event_type == EventType::ViewerRequest) {
        Some(one) => arn.clone_into(&mut one.lambda_function_arn),
        None => all.push(
            LambdaFunctionAssociation::builder()
                .lambda_function_arn(arn)
                .event_type(EventType::ViewerRequest)
                .include_body(false)
                .build()?,
        ),
    }
    LambdaFunctionAssociations::builder()
        .quantity(count_cloudfront_list_items(&all))
        .set_items(Some(all))
        .build()
}

/// Finds who holds the viewer request: a Lambda function's version, and a CloudFront Function, by ARN.
pub fn find_viewer_request_functions(
    lambda: Option<&LambdaFunctionAssociations>,
    functions: Option<&FunctionAssociations>,
) -> (Option<String>, Option<String>) {
    let lambda =
        lambda.and_then(|all| all.items().iter().find(|one| one.event_type == EventType::ViewerRequest));
    let function =
        functions.and_then(|all| all.items().iter().find(|one| one.event_type == EventType::ViewerRequest));
    (lambda.map(|one| one.lambda_function_arn.clone()), function.map(|one| one.function_arn.clone()))
}

/// Returns whether the behavior allows GET and HEAD alone.
pub fn is_get_and_head_only(standing: Option<&AllowedMethods>) -> bool {
    // Where nothing is said, GET and HEAD is what is meant.
    standing.is_none_or(|all| {
        all.items().len() == 2 && [Method::Get, Method::Head].iter().all(|one| all.items().contains(one))
    })
}

fn build_get_and_head_methods() -> Result<AllowedMethods, BuildError> {
    let both = || Some(vec![Method::Head, Method::Get]);
    let cached = CachedMethods::builder().quantity(2).set_items(both()).build()?;
    AllowedMethods::builder().quantity(2).set_items(both()).cached_methods(cached).build()
}

/// Returns whether CloudFront caches an error that must not be cached.
pub fn is_error_caching_enabled(standing: Option<&CustomErrorResponses>) -> bool {
    let all = standing.map(CustomErrorResponses::items).unwrap_or_default();
    !UNCACHED_ERROR_CODES
        .iter()
        .all(|code| all.iter().any(|one| one.error_code == *code && one.error_caching_min_ttl == Some(0)))
}

fn disable_error_caching(mut all: Vec<CustomErrorResponse>) -> Result<CustomErrorResponses, BuildError> {
    for code in UNCACHED_ERROR_CODES {
        match all.iter_mut().find(|one| one.error_code == code) {
            Some(one) => one.error_caching_min_ttl = Some(0),
            None => {
                all.push(CustomErrorResponse::builder().error_code(code).error_caching_min_ttl(0).build()?);
            }
        }
    }
    CustomErrorResponses::builder().quantity(count_cloudfront_list_items(&all)).set_items(Some(all)).build()
}

/// Lists the statuses that are answered with a page of their own.
pub fn list_custom_error_pages(standing: Option<&CustomErrorResponses>) -> Vec<i32> {
    let all = standing.map(CustomErrorResponses::items).unwrap_or_default();
    all.iter()
        .filter(|one| !one.response_page_path().unwrap_or_default().is_empty())
        .map(|one| one.error_code)
        .collect()
}

/// Puts back each part of `now` that a change from `before` to `after` set, and that nobody has changed since.
pub fn restore_changed_distribution_parts(
    now: &mut DistributionConfig,
    before: &DistributionConfig,
    after: &DistributionConfig,
) {
    macro_rules! restore {
        ($($part:ident)*) => {$(
            if before.$part != after.$part && now.$part == after.$part {
                now.$part.clone_from(&before.$part);
            }
        )*};
    }
    restore!(
        cache_behaviors default_cache_behavior origins comment enabled is_ipv6_enabled http_version
        custom_error_responses aliases viewer_certificate
    );
}

fn count_cloudfront_list_items<T>(all: &[T]) -> i32 {
    i32::try_from(all.len()).unwrap_or(i32::MAX)
}
