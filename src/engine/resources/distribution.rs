//! What stands of the distribution, the cache policies and the grant; another distribution that would open the bucket stops it.

use super::{
    adoption::is_our_distribution,
    guard::{is_distribution_behind_authenticator, refuse_unguarded_distributions},
    path_caching::choose_path_caching,
};
use crate::aws::find_bucket_distributions;
use crate::engine::session::{AwsTarget, account_cache::DeliveryResources};
use crate::model::{
    aws::{
        bucket::ObservedBucket,
        cloudfront::{CloudFrontDistribution, CloudFrontOriginAccessIdentity},
        evidence::{BootstrapStageEvidence, DistributionEvidence},
        names::ResourceNames,
    },
    failure::Failure,
    iam::policy::{self, CloudFrontBucketReader},
    run::answers::OperatorAnswers,
};

/// Reads the distribution, the cache policies and the grant, on top of what stands `below`: the authenticator.
///
/// # Errors
/// Fails where AWS does not answer, or where another distribution could read the bucket without the authenticator.
pub(crate) async fn observe_distribution(
    target: &AwsTarget,
    answers: &OperatorAnswers,
    below: &BootstrapStageEvidence,
) -> Result<DistributionEvidence, Failure> {
    let (evidence, open) = observe_distribution_and_open_ones(target, answers, below).await?;
    open.into_iter().next().map_or(Ok(evidence), Err)
}

/// Reads the same, and beside it a failure for each other distribution that could read the bucket without the
/// authenticator: what only looks names them, and looks on.
///
/// # Errors
/// Fails where AWS does not answer.
pub(crate) async fn observe_distribution_and_open_ones(
    target: &AwsTarget,
    answers: &OperatorAnswers,
    below: &BootstrapStageEvidence,
) -> Result<(DistributionEvidence, Vec<Failure>), Failure> {
    let names = &target.names;
    let resources = target.read_distributions_and_policies().await?;
    let identity = below.identity.as_ref().map(|identity| identity.id.as_str());
    let distribution = find_install_distribution(&resources.distributions, names);
    let others =
        resources.distributions.iter().filter(|other| distribution.is_none_or(|one| one.id != other.id));
    let open = others.filter_map(|other| refuse_unguarded_distributions(other, names, identity).err());
    let open = open.collect();
    Ok((build_distribution_evidence(target, answers, below, &resources), open))
}

/// Finds the distribution that this install made or adopted, else one that could be adopted.
pub(crate) fn find_install_distribution<'d>(
    all: &'d [CloudFrontDistribution],
    names: &ResourceNames,
) -> Option<&'d CloudFrontDistribution> {
    let serving: Vec<&CloudFrontDistribution> = find_bucket_distributions(all, names.bucket_name());
    let ours = all.iter().find(|one| is_our_distribution(one, names));
    ours.or_else(|| serving.into_iter().find(|one| is_distribution_behind_authenticator(one, names)))
}

/// Builds the evidence from what was read; whatever else reaches the bucket stops nothing here.
pub(crate) fn build_distribution_evidence(
    target: &AwsTarget,
    answers: &OperatorAnswers,
    below: &BootstrapStageEvidence,
    resources: &DeliveryResources,
) -> DistributionEvidence {
    let names = &target.names;
    let DeliveryResources { distributions: all, cache_policies, bucket_policy } = resources;
    let distribution = find_install_distribution(all, names).cloned();
    let version_arn = answers.version_arn.clone().or_else(|| below.version.clone());
    let granted = distribution.as_ref().is_some_and(|distribution| {
        choose_cloudfront_bucket_reader(below, distribution).is_some_and(|reader| {
            policy::grants_cloudfront_read_access(bucket_policy.as_deref(), names, reader)
        })
    });
    let path_caching = choose_path_caching(distribution.as_ref(), cache_policies, names, answers);
    DistributionEvidence {
        version_arn,
        dropped: below.beside.dropped.clone(),
        distribution,
        cache_policies: cache_policies.clone(),
        path_caching,
        serves_links: false,
        has_unproven_change: false,
        identity: below.identity.clone(),
        control: below.control.clone(),
        by_control: below.by_control,
        why_control: below.why_control.clone(),
        granted,
        has_next_reader: policy::has_pending_origin_access_statements(bucket_policy.as_deref(), names),
        packages_domain: None,
        keys: Vec::new(),
        flat_rate_plan: None,
        bucket: ObservedBucket { policy: bucket_policy.clone(), ..target.bucket.clone() },
    }
}

/// Who is granted: the identity, or the service in the name of this distribution.
fn choose_cloudfront_bucket_reader<'a>(
    below: &'a BootstrapStageEvidence,
    distribution: &'a CloudFrontDistribution,
) -> Option<CloudFrontBucketReader<'a>> {
    if below.by_control {
        Some(CloudFrontBucketReader::Distribution { arn: &distribution.arn })
    } else {
        below.identity.as_ref().map(build_bucket_reader_from_oai)
    }
}

/// Returns the identity as the reader that a bucket policy names.
pub(crate) fn build_bucket_reader_from_oai(
    identity: &CloudFrontOriginAccessIdentity,
) -> CloudFrontBucketReader<'_> {
    CloudFrontBucketReader::Identity { id: &identity.id, canonical_user: &identity.canonical_user_id }
}
