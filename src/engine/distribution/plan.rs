//! What the distribution stage would make or change, decided from what stands; touches nothing.

use super::guard::{carries, slots_are_free};
use crate::engine::adopt::{Adoption, adoption};
use crate::model::{
    answers::Answers,
    failure::Failure,
    goal::{Stage, Step},
    names::Names,
    plan::{Plan, Verb},
    seen::{DistributionSeen, Seen},
};

/// Decides; touches nothing.
pub fn plan(seen: DistributionSeen, names: &Names, answers: &Answers) -> Result<Plan, Failure> {
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
