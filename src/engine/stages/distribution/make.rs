//! Makes what the distribution stage's plan says, in the order that never leaves the bucket open, nor customers without it.

use super::{
    grant::{grant, let_both_read},
    guard::guarded,
    observe::is_ours,
    plan::reads_otherwise,
};
use crate::aws::{Access, Intent, Shape};
use crate::engine::{
    resources::bucket_key,
    run::StageRun,
    session::{
        Ground, Scene,
        account::{Delivery, Made},
        retry_on_expiry::renewing,
    },
};
use crate::model::{
    aws::evidence::{Certificate, Distribution, DistributionSeen},
    run::{answers::Answers, event::End, failure::Failure, goal::Step},
};

pub(crate) async fn apply(
    ground: &Ground,
    seen: &DistributionSeen,
    answers: &Answers,
    run: &StageRun,
) -> Result<(End, String), Failure> {
    let scene = ground.scene(answers).await?;
    let (cloud, names) = (&scene.cloud, &scene.names);
    let adopt = answers.consents.adopt;
    let needed = |what: &str, why: &str| Failure::other(what, why, "run bootstrap-cloudfront first");
    let version_arn = seen
        .version_arn
        .as_deref()
        .ok_or_else(|| needed("the function's version", "there is none yet that is right"))?;
    let access = match (seen.by_control, &seen.identity, &seen.control) {
        (false, Some(identity), _) => Access::Identity(&identity.id),
        (true, _, Some(control)) => Access::Control(&control.id),
        _ => return Err(needed("the origin access", "there is none yet")),
    };
    let making_cache = run.step(Step::CachePolicy, format!("cache policy {}", names.cache_policy()), async {
        let cache = cloud.ensure_cache_policy(names, seen.cache_policy.as_ref(), adopt).await?;
        let text = format!("cache policy {} stands", cache.id);
        Ok((cache, text))
    });
    let (cache, certificate) = tokio::try_join!(making_cache, Box::pin(issued(ground, &scene, seen, run)))?;
    let alias = seen.packages_domain.as_ref().zip(certificate.as_ref());
    let shape = Shape {
        region: &seen.bucket.region,
        access,
        cache_policy_id: &cache.id,
        version_arn,
        alias: alias.map(|(domain, certificate)| (domain.name.as_str(), certificate.arn.as_str())),
    };
    let mut seen = seen.clone();
    if let Some(standing) = seen.distribution.clone().filter(|one| guarded(one, names))
        && reads_otherwise(&seen, names)
    {
        let standing = Box::pin(deployed(ground, &scene, &standing, run)).await?;
        let say = run.progress(Step::BucketPolicy);
        let policy = run
            .step(Step::BucketPolicy, format!("bucket policy of {}, for both ways", names.bucket()), async {
                Box::pin(let_both_read(ground, &scene, &seen, &standing, &say)).await
            })
            .await?;
        seen.bucket.policy = Some(policy);
    }
    let say = run.progress(Step::Distribution);
    let made = run
        .step(Step::Distribution, "distribution, with the authenticator on every behavior", async {
            let distribution = match &seen.distribution {
                None => {
                    // The plan may be old: one that was made since is never made twice.
                    if cloud.distributions(names).await?.iter().any(|one| is_ours(one, names)) {
                        return Err(Failure::drifted("the distribution", "it was made since this was shown"));
                    }
                    Box::pin(cloud.create_distribution(names, &shape, &say)).await?
                }
                Some(stands) => {
                    let intent = Intent::Whole(shape);
                    let changing = cloud.associate(names, &stands.id, &stands.etag, &intent, adopt, &say);
                    Box::pin(changing).await?
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
    let made = Box::pin(deployed(ground, &scene, &made, run)).await?;
    let left = Box::pin(bucket_key::ensure(&scene, &seen.keys, &made.arn, answers, run)).await?;
    let say = run.progress(Step::BucketPolicy);
    let granted = run
        .step(Step::BucketPolicy, format!("bucket policy of {}", names.bucket()), async {
            let granted = Box::pin(grant(ground, &scene, &seen, &made, version_arn, &say)).await?;
            let text = granted.text.clone();
            Ok((granted, text))
        })
        .await?;
    scene
        .has_made(Made::Delivery(Delivery {
            distributions: granted.distributions,
            cache_policy: Some(cache),
            bucket_policy: granted.bucket_policy,
        }))
        .await;
    Ok((End::Applied, format!("{} serves {}{left}", made.domain, names.bucket())))
}

/// The certificate for the packages domain, once ACM has issued it.
async fn issued(
    ground: &Ground,
    scene: &Scene,
    seen: &DistributionSeen,
    run: &StageRun,
) -> Result<Option<Certificate>, Failure> {
    let Some(domain) = &seen.packages_domain else { return Ok(None) };
    let certificate = &domain.certificate;
    if certificate.issued() {
        return Ok(Some(certificate.clone()));
    }
    let say = run.progress(Step::Certificate);
    let doing = format!("waiting until ACM has issued {}; this waits for its DNS record", certificate.arn);
    run.step(Step::Certificate, doing, async {
        let waiting = || run.unless_stopped(scene.cloud.wait_issued(certificate, &say));
        let issued = renewing(ground, &scene.cloud, run, Step::Certificate, waiting).await?;
        let text = format!("certificate {} is issued", issued.arn);
        Ok((Some(issued), text))
    })
    .await
}

/// The distribution, once every edge has it.
async fn deployed(
    ground: &Ground,
    scene: &Scene,
    made: &Distribution,
    run: &StageRun,
) -> Result<Distribution, Failure> {
    let say = run.progress(Step::Deployed);
    let doing = format!("waiting until every edge has {}; this takes minutes", made.id);
    run.step(Step::Deployed, doing, async {
        let waiting = || run.unless_stopped(scene.cloud.wait_deployed(&scene.names, made, &say));
        let deployed = if made.status == "Deployed" {
            made.clone()
        } else {
            renewing(ground, &scene.cloud, run, Step::Deployed, waiting).await?
        };
        let text = format!("distribution {} is deployed", deployed.id);
        Ok((deployed, text))
    })
    .await
}
