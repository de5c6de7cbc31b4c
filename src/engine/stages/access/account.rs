//! What of the account could stand in the way later: the key's state, Lambda's concurrency, CloudFront's quotas.
//!
//! It is asked by `check` alone: a set-up meets each of them at its own step.

use tokio::join;

use crate::engine::session::Scene;
use crate::model::{
    aws::evidence::Ownership,
    run::{check::Check, failure::Failure},
};

/// CloudFront's quotas where AWS hasn't raised them (aws-facts section 2).
const DISTRIBUTIONS: usize = 500;
const CACHE_POLICIES: usize = 20;
const IDENTITIES: usize = 100;
/// What an account has once AWS knows it; a new one may have ten.
const CONCURRENCY: i32 = 1000;

pub async fn checks(scene: &Scene) -> Vec<Check> {
    let (key, concurrency, quotas, plan) =
        join!(key(scene), concurrency(scene), quotas(scene), flat_rate(scene));
    [Some(key), Some(concurrency), Some(quotas), plan].into_iter().flatten().collect()
}

fn unknown(name: &str, failure: &Failure) -> Check {
    Check::unknown(name, format!("cannot be asked: {}", failure.why))
}

async fn key(scene: &Scene) -> Check {
    const NAME: &str = "kms-key";
    match scene.cloud.key(&scene.names).await {
        Err(failure) => unknown(NAME, &failure),
        Ok(None) => Check::pass(NAME, "none yet: bootstrap makes one"),
        Ok(Some(key)) if key.state == "Enabled" => Check::pass(NAME, format!("{} is enabled", key.id)),
        Ok(Some(key)) => Check::fail(
            NAME,
            format!("{} is {}: the edge can't decrypt the secret with it", key.id, key.state),
            "enable it, or cancel its deletion, in the KMS console in us-east-1",
        ),
    }
}

async fn concurrency(scene: &Scene) -> Check {
    const NAME: &str = "lambda-concurrency";
    match scene.cloud.lambda_concurrency().await {
        Err(failure) => unknown(NAME, &failure),
        Ok((_, free)) if free >= CONCURRENCY => Check::pass(
            NAME,
            format!("{free} executions at once: {} requests a second and region", free * 10),
        ),
        Ok((all, free)) => Check::unknown(
            NAME,
            format!(
                "{free} of {all} executions at once are free: over {} requests a second in a region the edge answers 503; raise \"Concurrent executions\" in Service Quotas where that is too few",
                free * 10
            ),
        ),
    }
}

async fn quotas(scene: &Scene) -> Check {
    const NAME: &str = "cloudfront-quotas";
    let used = match scene.cloud.cloudfront_used().await {
        Err(failure) => return unknown(NAME, &failure),
        Ok(used) => used,
    };
    let all = [
        ("distributions", used.distributions, DISTRIBUTIONS),
        ("cache policies", used.cache_policies, CACHE_POLICIES),
        ("origin access identities", used.identities, IDENTITIES),
    ];
    let text = |(what, used, of): &(&str, usize, usize)| format!("{used} of {of} {what}");
    match all.iter().find(|(_, used, of)| used >= of) {
        Some(full) => Check::unknown(
            NAME,
            format!(
                "{} are used, where AWS hasn't raised the quota: raise it in Service Quotas, or remove one that is no longer used",
                text(full)
            ),
        ),
        None => Check::pass(NAME, all.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

/// The API tells no plan; a web ACL is what a distribution on one always has.
async fn flat_rate(scene: &Scene) -> Option<Check> {
    let all = scene.cloud.distributions(&scene.names).await.ok()?;
    let ours = all.into_iter().find(|one| {
        one.web_acl.is_some() && (one.ownership == Ownership::Ours || one.comment == scene.names.comment())
    })?;
    Some(Check::unknown(
        "flat-rate-plan",
        format!(
            "distribution {} has a web ACL, as one on a flat-rate plan has: own cache policies need its Business or Premium plan, and rules against clients without a browser's headers refuse package managers",
            ours.id
        ),
    ))
}
