//! The distribution stage: cache policy, distribution, authenticator, Deployed, and only then the bucket policy (contract section 5).
//!
//! At no instant may a distribution read the bucket without the authenticator on every behavior, as deployed at the edge.

use tokio::try_join;

use crate::cloud::{Access, Intent, Shape, bucket_distributions};
use crate::model::{
    answers::Answers,
    event::End,
    failure::{Failure, Kind},
    goal::{Stage, Step},
    names::Names,
    plan::{Plan, Verb},
    policy::{self, Reader},
    seen::{Behavior, BootstrapSeen, Distribution, DistributionSeen, OriginAccessIdentity, Ownership, Seen},
};

use super::{
    adopt::{Adoption, adoption},
    bootstrap,
    ground::{Ground, Scene},
    run::StageRun,
};

/// What is there of the distribution, the cache policy and the grant.
pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).await?;
    let seen = see(&scene, answers, &below).await?;
    plan(seen, &scene.names, answers)
}

pub(super) async fn see(
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

fn by_identity(identity: &OriginAccessIdentity) -> Reader<'_> {
    Reader::Identity { id: &identity.id, canonical_user: &identity.canonical_user_id }
}

/// The ids of the origins of `distribution` that are the bucket.
fn serving_origins(distribution: &Distribution, names: &Names) -> Vec<String> {
    let prefix = format!("{}.s3", names.bucket());
    distribution
        .origins
        .iter()
        .filter(|origin| origin.domain.starts_with(&prefix))
        .map(|origin| origin.id.clone())
        .collect()
}

/// Whether every behavior on one of `origins` carries a version of `function` (`:function:NAME:`).
fn guarded(distribution: &Distribution, origins: &[String], function: &str) -> bool {
    distribution
        .behaviors
        .iter()
        .filter(|behavior| origins.contains(&behavior.origin))
        .all(|behavior| behavior.viewer_request.as_ref().is_some_and(|arn| arn.contains(function)))
}

/// Stops where another distribution serves the bucket without the authenticator.
fn refuse_unguarded(other: &Distribution, names: &Names) -> Result<(), Failure> {
    // Another install of this program guards its own with a function of another suffix.
    let function = ":function:packagecloud_cloudfront_auth";
    if guarded(other, &serving_origins(other, names), function) {
        return Ok(());
    }
    Err(Failure::other(
        format!("distribution {}", other.id),
        format!(
            "it has bucket {} as its origin, and a behavior without the authenticator: what CloudFront may read, it would give to anybody",
            names.bucket()
        ),
        "remove that origin from it, or put the authenticator on all its behaviors, then look again; nothing was changed",
    ))
}

/// Decides; touches nothing.
pub(super) fn plan(seen: DistributionSeen, names: &Names, answers: &Answers) -> Result<Plan, Failure> {
    let mut adopted = Adoption::default();
    let mut plan = Plan::new(Stage::Distribution, Seen::Nothing);
    match &seen.cache_policy {
        None => plan.line(
            Step::CachePolicy,
            Verb::Create,
            names.cache_policy(),
            "packages by their Cache-Control, all else never",
        ),
        Some(cache) => {
            adopted.consider(
                adoption(&cache.ownership, "cache policy", &names.cache_policy(), names)?,
                "its times to live",
            );
            if cache.right {
                plan.line(Step::CachePolicy, Verb::Keep, &cache.id, "its times to live are right")
            } else {
                plan.line(Step::CachePolicy, Verb::Update, &cache.id, "its times to live or its key differ")
            }
        }
    }
    .calls
    .extend(["cloudfront:ListCachePolicies".into(), "cloudfront:CreateCachePolicy".into()]);

    let version = seen.version_arn.as_deref().unwrap_or("the version from the bootstrap");
    match &seen.distribution {
        None => {
            plan.line(
                Step::Distribution,
                Verb::Create,
                names.comment(),
                "serves the bucket, https only; nothing can read through it yet",
            )
            .calls
            .extend([
                "cloudfront:ListDistributions".into(),
                "cloudfront:CreateDistribution".into(),
                "cloudfront:TagResource".into(),
            ]);
            plan.line(Step::Authenticator, Verb::Attach, version, "on the viewer request of every behavior")
                .calls
                .extend(["lambda:GetFunction".into(), "lambda:EnableReplication*".into()]);
            plan.line(
                Step::Deployed,
                Verb::Run,
                "every edge",
                "takes 3 to 15 minutes; customers notice nothing",
            );
        }
        Some(distribution) => {
            adopted.consider(
                adoption(&distribution.ownership, "distribution", &distribution.id, names)?,
                "its behaviors' viewer request, cache policy and origin access",
            );
            slots_are_free(distribution, names)?;
            if distribution.differs.is_empty() {
                plan.line(
                    Step::Distribution,
                    Verb::Keep,
                    &distribution.id,
                    format!("it is there: {}", distribution.domain),
                );
            } else {
                plan.line(
                    Step::Distribution,
                    Verb::Update,
                    &distribution.id,
                    distribution.differs.join("; "),
                );
            }
            let carried = seen.version_arn.as_ref().is_some_and(|arn| carries(distribution, names, arn));
            if carried {
                plan.line(
                    Step::Authenticator,
                    Verb::Keep,
                    version,
                    "on the viewer request of every behavior",
                );
            } else {
                plan.line(
                    Step::Authenticator,
                    Verb::Attach,
                    version,
                    "on the viewer request of every behavior",
                )
                .calls
                .extend(["cloudfront:GetDistributionConfig".into(), "cloudfront:UpdateDistribution".into()]);
            }
            if carried && distribution.differs.is_empty() && distribution.status == "Deployed" {
                plan.line(Step::Deployed, Verb::Keep, &distribution.id, "every edge has it");
            } else {
                plan.line(
                    Step::Deployed,
                    Verb::Run,
                    &distribution.id,
                    "takes 3 to 15 minutes; customers notice nothing",
                );
            }
        }
    }
    let line = if seen.granted {
        plan.line(
            Step::BucketPolicy,
            Verb::Keep,
            names.bucket(),
            "CloudFront may read; every other statement stays",
        )
    } else {
        plan.line(Step::BucketPolicy, Verb::Update, names.bucket(), "CloudFront may read, granted only once the authenticator is deployed; every other statement stays")
    };
    line.calls.extend(["s3:GetBucketPolicy".into(), "s3:PutBucketPolicy".into()]);
    for change in &mut plan.changes {
        change
            .calls
            .push("by hand: packagecloud-ctl reconfigure-cloudfront-distribution <version ARN>".into());
    }
    plan.asks.extend(adopted.ask(answers, names));
    plan.seen = Seen::Distribution(Box::new(seen));
    Ok(plan)
}

/// Whether every behavior carries exactly this version.
fn carries(distribution: &Distribution, names: &Names, arn: &str) -> bool {
    let origins = serving_origins(distribution, names);
    let mut served =
        distribution.behaviors.iter().filter(|behavior| origins.contains(&behavior.origin)).peekable();
    served.peek().is_some() && served.all(|behavior| behavior.viewer_request.as_deref() == Some(arn))
}

/// Stops where somebody else's function sits on a viewer request.
fn slots_are_free(distribution: &Distribution, names: &Names) -> Result<(), Failure> {
    let ours = format!(":function:{}:", names.function());
    let taken = |behavior: &Behavior| {
        let other = behavior.viewer_request.as_ref().filter(|arn| !arn.contains(&ours));
        other.or(behavior.viewer_request_function.as_ref()).cloned()
    };
    match distribution.behaviors.iter().find_map(taken) {
        None => Ok(()),
        Some(arn) => Err(Failure::other(
            format!("distribution {}", distribution.id),
            format!("its viewer request is taken by {arn}"),
            "one behavior runs one function there: take that one away, or use a distribution of its own; nothing was changed",
        )),
    }
}

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

/// Lets CloudFront read, after everything that could read through it was looked at once more.
async fn grant(
    ground: &Ground,
    scene: &Scene,
    seen: &DistributionSeen,
    deployed: &Distribution,
    version_arn: &str,
    say: crate::cloud::Say<'_>,
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
