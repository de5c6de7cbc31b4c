//! What stands of the distribution, the cache policy and the grant; another distribution that would open the bucket stops it.

use tokio::try_join;

use super::guard::{guarded, refuse_unguarded, serving_origins};
use crate::cloud::bucket_distributions;
use crate::engine::ground::Scene;
use crate::model::{
    answers::Answers,
    failure::Failure,
    policy::{self, Reader},
    seen::{BootstrapSeen, Distribution, DistributionSeen, OriginAccessIdentity, Ownership},
};

pub async fn see(
    scene: &Scene,
    answers: &Answers,
    below: &BootstrapSeen,
) -> Result<DistributionSeen, Failure> {
    let (cloud, names) = (&scene.cloud, &scene.names);
    let (all, cache_policy, bucket) = try_join!(
        cloud.distributions(names),
        cloud.cache_policy(names),
        cloud.bucket(names.bucket(), &scene.account)
    )?;
    let ours = |distribution: &&Distribution| {
        distribution.ownership == Ownership::Ours && distribution.comment == names.comment()
    };
    let serving: Vec<&Distribution> = bucket_distributions(&all, names.bucket());
    let function = format!(":function:{}:", names.function());
    let distribution =
        all.iter()
            .find(ours)
            .or_else(|| {
                serving.iter().copied().find(|distribution| {
                    guarded(distribution, &serving_origins(distribution, names), &function)
                })
            })
            .cloned();
    for other in serving.iter().filter(|other| distribution.as_ref().is_none_or(|d| d.id != other.id)) {
        refuse_unguarded(other, names)?;
    }
    let version_arn = answers.version_arn.clone().or_else(|| below.version.clone());
    let granted = distribution.as_ref().is_some_and(|distribution| {
        reader(below, distribution, &scene.account)
            .is_some_and(|reader| policy::grants(bucket.policy.as_deref(), names, reader))
    });
    Ok(DistributionSeen {
        version_arn,
        distribution,
        cache_policy,
        identity: below.identity.clone(),
        control: below.control.clone(),
        by_control: below.by_control,
        bucket,
        granted,
    })
}

/// Who is granted: the identity, or the service in the name of this distribution.
fn reader<'a>(
    below: &'a BootstrapSeen,
    distribution: &'a Distribution,
    account: &'a str,
) -> Option<Reader<'a>> {
    if below.by_control {
        Some(Reader::Distribution { arn: &distribution.arn, account })
    } else {
        below.identity.as_ref().map(by_identity)
    }
}

pub fn by_identity(identity: &OriginAccessIdentity) -> Reader<'_> {
    Reader::Identity { id: &identity.id, canonical_user: &identity.canonical_user_id }
}
