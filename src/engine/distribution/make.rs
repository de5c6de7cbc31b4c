//! Makes what the distribution stage's plan says, in the order that never leaves the bucket open.

use super::grant::grant;
use crate::cloud::{Access, Intent, Shape};
use crate::engine::{ground::Ground, run::StageRun};
use crate::model::{answers::Answers, event::End, failure::Failure, goal::Step, seen::DistributionSeen};

/// Makes what the plan says, in the order that never leaves the bucket open.
pub async fn apply(
    ground: &Ground,
    seen: &DistributionSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let (cloud, names) = (&scene.cloud, &scene.names);
    let adopt = answers.consents.adopt;
    let version_arn = seen.version_arn.as_deref().ok_or_else(|| {
        Failure::other(
            "the function's version",
            "there is none yet that is right",
            "run bootstrap-cloudfront first",
        )
    })?;
    let access_id = match (seen.by_control, &seen.identity, &seen.control) {
        (false, Some(identity), _) => identity.id.clone(),
        (true, _, Some(control)) => control.id.clone(),
        _ => {
            return Err(Failure::other(
                "the origin access",
                "there is none yet",
                "run bootstrap-cloudfront first",
            ));
        }
    };
    let cache = run
        .step(Step::CachePolicy, format!("cache policy {}", names.cache_policy()), async {
            let cache = cloud.ensure_cache_policy(names, seen.cache_policy.as_ref(), adopt).await?;
            let text = format!("cache policy {} stands", cache.id);
            Ok((cache, text))
        })
        .await?;
    let shape = Shape {
        region: &seen.bucket.region,
        access: if seen.by_control { Access::Control(&access_id) } else { Access::Identity(&access_id) },
        cache_policy_id: &cache.id,
        version_arn,
        alias: None,
    };
    let say = run.progress(Step::Distribution);
    let made = run
        .step(Step::Distribution, "distribution, with the authenticator on every behavior", async {
            let distribution = match &seen.distribution {
                None => cloud.create_distribution(names, &shape, &say).await?,
                Some(stands) => {
                    cloud
                        .associate(names, &stands.id, &stands.etag, &Intent::Whole(shape), adopt, &say)
                        .await?
                }
            };
            let text = format!("distribution {} at {} stands", distribution.id, distribution.domain);
            Ok((distribution, text))
        })
        .await?;
    // The same request carries both; the screen has a line for each.
    run.step(Step::Authenticator, version_arn, async {
        Ok(((), format!("{version_arn} is on every behavior")))
    })
    .await?;
    let say = run.progress(Step::Deployed);
    let deployed = run
        .step(
            Step::Deployed,
            format!("waiting until every edge has {}; this takes minutes", made.id),
            async {
                let deployed = run.unless_stopped(cloud.wait_deployed(names, &made.id, &say)).await?;
                let text = format!("distribution {} is deployed", deployed.id);
                Ok((deployed, text))
            },
        )
        .await?;
    let say = run.progress(Step::BucketPolicy);
    run.step(Step::BucketPolicy, format!("bucket policy of {}", names.bucket()), async {
        let text = grant(ground, &scene, seen, &deployed, version_arn, &say).await?;
        Ok(((), text))
    })
    .await?;
    Ok((End::Applied, format!("{} serves {}", deployed.domain, names.bucket())))
}
