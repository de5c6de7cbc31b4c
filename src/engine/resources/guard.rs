//! Whether the authenticator stands before the bucket: on every behavior that reaches it, in every distribution that could read it.
//!
//! A distribution could read it that has it as an origin, by any form of its domain, or that uses the identity which reads it.

use crate::aws::cloudfront::is_bucket_domain;
use crate::model::{
    aws::{
        cloudfront::{CloudFrontDistribution, DistributionBehavior},
        names::ResourceNames,
    },
    failure::Failure,
};

/// What the functions of every install of this program begin with, and the vendor's is called.
const AUTHENTICATOR_ARN_PART: &str = ":function:packagecloud_cloudfront_auth";

/// The ids of the origins of `distribution` that are the bucket, or that are read as `identity`.
fn find_bucket_origin_ids(
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
    identity: Option<&str>,
) -> Vec<String> {
    let reads = |origin: &&crate::model::aws::cloudfront::DistributionOrigin| {
        is_bucket_domain(&origin.domain, names.bucket_name())
            || identity.is_some_and(|id| origin.identity.as_deref() == Some(id))
    };
    distribution.origins.iter().filter(reads).map(|origin| origin.id.clone()).collect()
}

/// The behaviors through which the bucket is read.
fn find_bucket_cache_behaviors<'a>(
    distribution: &'a CloudFrontDistribution,
    names: &ResourceNames,
    identity: Option<&str>,
) -> impl Iterator<Item = &'a DistributionBehavior> {
    let origins = find_bucket_origin_ids(distribution, names, identity);
    distribution.behaviors.iter().filter(move |behavior| origins.contains(&behavior.origin))
}

/// Returns whether every behavior on the bucket carries a version of the function of this name.
pub(crate) fn is_distribution_behind_authenticator(
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) -> bool {
    let function = format!(":function:{}:", names.lambda_function_name());
    find_bucket_cache_behaviors(distribution, names, None)
        .all(|behavior| behavior.viewer_request.as_ref().is_some_and(|arn| arn.contains(&function)))
}

/// Returns whether it has the bucket behind a behavior, and exactly this version on every such behavior.
pub(crate) fn has_version_on_bucket_behaviors(
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
    arn: &str,
) -> bool {
    let mut served = find_bucket_cache_behaviors(distribution, names, None).peekable();
    served.peek().is_some() && served.all(|behavior| behavior.viewer_request.as_deref() == Some(arn))
}

/// Stops where another distribution could read the bucket without the authenticator.
///
/// # Errors
/// Fails with the distribution, the behavior that is open, and who holds its viewer request.
pub(crate) fn refuse_unguarded_distributions(
    other: &CloudFrontDistribution,
    names: &ResourceNames,
    identity: Option<&str>,
) -> Result<(), Failure> {
    let open = |behavior: &&DistributionBehavior| {
        // Another install of this program guards its own with a function of another suffix.
        !behavior.viewer_request.as_ref().is_some_and(|arn| arn.contains(AUTHENTICATOR_ARN_PART))
    };
    let Some(open) = find_bucket_cache_behaviors(other, names, identity).find(open) else { return Ok(()) };
    let behavior =
        open.path.as_deref().map_or_else(|| "default behavior".into(), |path| format!("behavior {path}"));
    let holder = open.viewer_request.as_ref().or(open.viewer_request_function.as_ref());
    let holder = holder.map(|arn| format!(" (its viewer request is taken by {arn})")).unwrap_or_default();
    Err(Failure::new_generic_failure(
        format!("distribution {}", other.id),
        format!(
            "it reaches bucket {}, and its {behavior} is without the authenticator{holder}: what CloudFront may read, it would give to anybody",
            names.bucket_name()
        ),
        "remove that origin from it, or put the authenticator on all its behaviors, then look again; nothing was changed",
    ))
}

/// Stops where another distribution that uses the identity is still being deployed: its edges may serve what stood
/// before the authenticator.
///
/// # Errors
/// Fails with the distribution; waiting some minutes helps.
pub(crate) fn refuse_undeployed_distribution(
    other: &CloudFrontDistribution,
    identity: &str,
) -> Result<(), Failure> {
    let uses = other.origins.iter().any(|origin| origin.identity.as_deref() == Some(identity));
    if !uses || other.status == "Deployed" {
        return Ok(());
    }
    Err(Failure::new_generic_failure(
        format!("distribution {}", other.id),
        format!(
            "it uses the origin access identity {identity}, and is still being deployed: what its edges serve isn't known"
        ),
        "wait until it is deployed, some minutes, then try again; the bucket was not opened",
    ))
}

/// Stops where somebody else's function sits on a viewer request.
///
/// # Errors
/// Fails with the distribution and the function's ARN.
pub(crate) fn refuse_taken_viewer_request(
    distribution: &CloudFrontDistribution,
    names: &ResourceNames,
) -> Result<(), Failure> {
    let ours = format!(":function:{}:", names.lambda_function_name());
    let taken = |behavior: &DistributionBehavior| {
        let other = behavior.viewer_request.as_ref().filter(|arn| !arn.contains(&ours));
        other.or(behavior.viewer_request_function.as_ref()).cloned()
    };
    match find_bucket_cache_behaviors(distribution, names, None).find_map(taken) {
        None => Ok(()),
        Some(arn) => Err(Failure::new_generic_failure(
            format!("distribution {}", distribution.id),
            format!("its viewer request is taken by {arn}"),
            "one behavior runs one function there: remove that one, or use a distribution of its own; nothing was changed",
        )),
    }
}
