//! Lets CloudFront read the bucket, after everything that could read through it was looked at once more.
//!
//! Where one origin access takes another's place, both may read from before the change until every edge has it.

use super::{
    guard::{carries, guarded, refuse_undeployed, refuse_unguarded},
    observe::by_identity,
};
use crate::aws::Say;
use crate::engine::session::{Ground, Scene};
use crate::model::{
    aws::evidence::{Distribution, DistributionSeen},
    iam::policy::{self, Reader},
    run::failure::{Failure, Kind},
};

/// What the account and the bucket policy were left as.
pub struct Granted {
    pub text: String,
    pub distributions: Vec<Distribution>,
    pub bucket_policy: Option<String>,
}

fn reader<'a>(seen: &'a DistributionSeen, arn: &'a str, account: &'a str) -> Reader<'a> {
    match (&seen.identity, seen.by_control) {
        (Some(identity), false) => by_identity(identity),
        _ => Reader::Distribution { arn, account },
    }
}

/// All distributions of the account, none of which would open the bucket: `own` is Deployed, and carries `version_arn`
/// where that is given, else any version of ours.
async fn looked_at(
    scene: &Scene,
    seen: &DistributionSeen,
    own: &Distribution,
    version_arn: Option<&str>,
) -> Result<Vec<Distribution>, Failure> {
    let names = &scene.names;
    let identity = seen.identity.as_ref().filter(|_| !seen.by_control).map(|one| one.id.as_str());
    let all = scene.cloud.distributions(names).await?;
    for other in &all {
        if other.id != own.id {
            refuse_unguarded(other, names, identity)?;
            if let Some(identity) = identity {
                refuse_undeployed(other, identity)?;
            }
            continue;
        }
        let right = version_arn.map_or_else(|| guarded(other, names), |arn| carries(other, names, arn));
        if !right || other.status != "Deployed" {
            return Err(Failure::drifted(
                format!("distribution {}", other.id),
                "it was changed while it was being deployed, so the bucket was not opened to it",
            ));
        }
    }
    Ok(all)
}

/// The last step: CloudFront may read, and nobody that it read as before.
pub async fn grant(
    ground: &Ground,
    scene: &Scene,
    seen: &DistributionSeen,
    deployed: &Distribution,
    version_arn: &str,
    say: Say<'_>,
) -> Result<Granted, Failure> {
    let distributions = looked_at(scene, seen, deployed, Some(version_arn)).await?;
    let reader = reader(seen, &deployed.arn, &scene.account);
    let document = policy::merged_bucket_policy(seen.bucket.policy.as_deref(), &scene.names, reader)?;
    let text = format!("CloudFront may read {}", scene.names.bucket());
    let text = put(ground, scene, seen.bucket.policy.as_deref(), &document, text, say).await?;
    Ok(Granted { text, distributions, bucket_policy: Some(document) })
}

/// Before the origin access changes: the next one may read too. `standing` is Deployed behind the authenticator.
/// The bucket policy as it then is.
pub async fn let_both_read(
    ground: &Ground,
    scene: &Scene,
    seen: &DistributionSeen,
    standing: &Distribution,
    say: Say<'_>,
) -> Result<(String, String), Failure> {
    looked_at(scene, seen, standing, None).await?;
    let reader = reader(seen, &standing.arn, &scene.account);
    let document = policy::bucket_policy_for_both(seen.bucket.policy.as_deref(), &scene.names, reader)?;
    let text =
        format!("CloudFront may read {} in both ways, until every edge has changed", scene.names.bucket());
    let text = put(ground, scene, seen.bucket.policy.as_deref(), &document, text, say).await?;
    Ok((document, text))
}

/// Puts `new` where `old` stands, which is kept beforehand.
async fn put(
    ground: &Ground,
    scene: &Scene,
    old: Option<&str>,
    new: &str,
    text: String,
    say: Say<'_>,
) -> Result<String, Failure> {
    if old == Some(new) {
        return Ok(format!("{text} already"));
    }
    let bucket = scene.names.bucket();
    let saved = match old {
        Some(old) => {
            let path =
                ground.host.state.save_policy(ground.host.clock.now(), bucket, old).map_err(|failure| {
                    let next = format!("{}; the bucket policy was not changed", failure.next);
                    Failure::new(Kind::Other, failure.what, failure.why, next)
                })?;
            format!("; the policy before is kept in {}", path.display())
        }
        None => String::new(),
    };
    scene.cloud.put_bucket_policy(bucket, old, new, &scene.account, say).await?;
    Ok(format!("{text}{saved}"))
}
