//! What stands of the distribution, the cache policy and the grant; another distribution that would open the bucket stops it.

use super::guard::{guarded, refuse_unguarded};
use crate::aws::bucket_distributions;
use crate::engine::session::{Scene, account::Delivery};
use crate::model::{
    aws::{
        evidence::{
            BootstrapSeen, BucketSeen, Distribution, DistributionSeen, OriginAccessIdentity, Ownership,
        },
        names::Names,
    },
    iam::policy::{self, Reader},
    run::{answers::Answers, failure::Failure},
};

/// Whether this install made it, or adopted it.
pub(crate) fn is_ours(distribution: &Distribution, names: &Names) -> bool {
    distribution.ownership == Ownership::Ours && distribution.comment == names.comment()
}

pub async fn see(
    scene: &Scene,
    answers: &Answers,
    below: &BootstrapSeen,
) -> Result<DistributionSeen, Failure> {
    let names = &scene.names;
    let Delivery { distributions: all, cache_policy, bucket_policy } = scene.delivery().await?;
    let serving: Vec<&Distribution> = bucket_distributions(&all, names.bucket());
    let ours = all.iter().find(|one| is_ours(one, names));
    let distribution = ours.or_else(|| serving.iter().copied().find(|one| guarded(one, names))).cloned();
    let identity = below.identity.as_ref().map(|identity| identity.id.as_str());
    for other in all.iter().filter(|other| distribution.as_ref().is_none_or(|one| one.id != other.id)) {
        refuse_unguarded(other, names, identity)?;
    }
    let version_arn = answers.version_arn.clone().or_else(|| below.version.clone());
    let granted = distribution.as_ref().is_some_and(|distribution| {
        reader(below, distribution, &scene.account)
            .is_some_and(|reader| policy::grants(bucket_policy.as_deref(), names, reader))
    });
    Ok(DistributionSeen {
        version_arn,
        distribution,
        cache_policy,
        identity: below.identity.clone(),
        control: below.control.clone(),
        by_control: below.by_control,
        why_control: below.why_control.clone(),
        granted,
        moving: policy::moving(bucket_policy.as_deref(), names),
        packages_domain: None,
        keys: Vec::new(),
        bucket: BucketSeen { policy: bucket_policy, ..scene.bucket.clone() },
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
