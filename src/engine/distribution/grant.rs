//! Lets CloudFront read the bucket: the last step, after everything that could read through it was looked at once more.

use super::{
    guard::{carries, guarded, refuse_unguarded, serving_origins},
    see::by_identity,
};
use crate::cloud::{Say, bucket_distributions};
use crate::engine::ground::{Ground, Scene};
use crate::model::{
    failure::{Failure, Kind},
    policy::{self, Reader},
    seen::{Distribution, DistributionSeen},
};

/// Lets CloudFront read, after everything that could read through it was looked at once more.
pub async fn grant(
    ground: &Ground,
    scene: &Scene,
    seen: &DistributionSeen,
    deployed: &Distribution,
    version_arn: &str,
    say: Say<'_>,
) -> Result<String, Failure> {
    let (cloud, names) = (&scene.cloud, &scene.names);
    let all = cloud.distributions(names).await?;
    for other in bucket_distributions(&all, names.bucket()) {
        if other.id == deployed.id {
            if !carries(other, names, version_arn) || other.status != "Deployed" {
                return Err(Failure::drifted(
                    format!("distribution {}", other.id),
                    "it was changed while it was being deployed, so the bucket was not opened to it",
                ));
            }
        } else {
            refuse_unguarded(other, names)?;
        }
    }
    if let Some(identity) = seen.identity.as_ref().filter(|_| !seen.by_control) {
        let stranger = all.iter().find(|distribution| {
            distribution.id != deployed.id
                && distribution.origins.iter().any(|origin| origin.identity.as_ref() == Some(&identity.id))
                && !guarded(
                    distribution,
                    &serving_origins(distribution, names),
                    ":function:packagecloud_cloudfront_auth",
                )
        });
        if let Some(stranger) = stranger {
            refuse_unguarded(stranger, names)?;
        }
    }
    let reader = match (&seen.identity, seen.by_control) {
        (Some(identity), false) => by_identity(identity),
        _ => Reader::Distribution { arn: &deployed.arn, account: &scene.account },
    };
    if policy::grants(seen.bucket.policy.as_deref(), names, reader) {
        return Ok("CloudFront may read already".to_owned());
    }
    let document = policy::merged_bucket_policy(seen.bucket.policy.as_deref(), names, reader)?;
    let saved = match &seen.bucket.policy {
        Some(old) => {
            let path = ground.host.state.save_policy(ground.host.clock.now(), names.bucket(), old).map_err(
                |failure| {
                    Failure::new(
                        Kind::Other,
                        failure.what,
                        failure.why,
                        format!("{}; the bucket policy was not changed", failure.next),
                    )
                },
            )?;
            format!("; the policy before is kept in {}", path.display())
        }
        None => String::new(),
    };
    cloud
        .put_bucket_policy(names.bucket(), seen.bucket.policy.as_deref(), &document, &scene.account, say)
        .await?;
    Ok(format!("CloudFront may read {}{saved}", names.bucket()))
}
