//! What of the account could stand in the way later: the key's state, Lambda's concurrency, CloudFront's quotas.
//!
//! It is asked by `check` alone: a set-up meets each of them at its own step.

use tokio::join;

use crate::engine::{resources::edge_limits, session::AwsTarget};
use crate::model::{aws::account::ResourceOwnership, failure::Failure, run::check::CheckResult};

/// CloudFront's quotas where AWS hasn't raised them (aws-facts section 2).
const DISTRIBUTIONS_QUOTA: usize = 500;
const CACHE_POLICIES_QUOTA: usize = 20;
const ORIGIN_ACCESS_IDENTITIES_QUOTA: usize = 100;

/// Checks what the account could refuse later.
pub async fn check_aws_account_limits(target: &AwsTarget) -> Vec<CheckResult> {
    let (key, concurrency, quotas, plan) = join!(
        check_kms_key(target),
        check_lambda_concurrency(target),
        check_cloudfront_quotas(target),
        check_flat_rate_plan(target)
    );
    [Some(key), Some(concurrency), Some(quotas), plan].into_iter().flatten().collect()
}

fn build_unreadable_resource_check(name: &str, failure: &Failure) -> CheckResult {
    CheckResult::new_unknown_check(name, format!("cannot be asked: {}", failure.why))
}

async fn check_kms_key(target: &AwsTarget) -> CheckResult {
    const CHECK_NAME: &str = "kms-key";
    match target.cloud.find_our_kms_key(&target.names).await {
        Err(failure) => build_unreadable_resource_check(CHECK_NAME, &failure),
        Ok(None) => CheckResult::new_passed_check(CHECK_NAME, "none yet: bootstrap makes one"),
        Ok(Some(key)) if key.state == "Enabled" => {
            CheckResult::new_passed_check(CHECK_NAME, format!("{} is enabled", key.id))
        }
        Ok(Some(key)) => CheckResult::new_failed_check(
            CHECK_NAME,
            format!("{} is {}: the edge can't decrypt the secret with it", key.id, key.state),
            "enable it, or cancel its deletion, in the KMS console in us-east-1",
        ),
    }
}

async fn check_lambda_concurrency(target: &AwsTarget) -> CheckResult {
    const CHECK_NAME: &str = "lambda-concurrency";
    match target.cloud.read_lambda_concurrency_limit().await {
        Err(failure) => build_unreadable_resource_check(CHECK_NAME, &failure),
        Ok((all, free)) => {
            match edge_limits::describe_low_lambda_concurrency(all, free, &target.bucket.region) {
                Some(low) => CheckResult::new_unknown_check(CHECK_NAME, low),
                None => CheckResult::new_passed_check(
                    CHECK_NAME,
                    format!("{free} executions at once: {} requests a second and region", free * 10),
                ),
            }
        }
    }
}

async fn check_cloudfront_quotas(target: &AwsTarget) -> CheckResult {
    const CHECK_NAME: &str = "cloudfront-quotas";
    let used = match target.cloud.count_cloudfront_resources().await {
        Err(failure) => return build_unreadable_resource_check(CHECK_NAME, &failure),
        Ok(used) => used,
    };
    let all = [
        ("distributions", used.distributions, DISTRIBUTIONS_QUOTA),
        ("cache policies", used.cache_policies, CACHE_POLICIES_QUOTA),
        ("origin access identities", used.identities, ORIGIN_ACCESS_IDENTITIES_QUOTA),
    ];
    let text = |(what, used, of): &(&str, usize, usize)| format!("{used} of {of} {what}");
    match all.iter().find(|(_, used, of)| used >= of) {
        Some(full) => CheckResult::new_unknown_check(
            CHECK_NAME,
            format!(
                "{} are used, where AWS hasn't raised the quota: raise it in Service Quotas, or remove one that is no longer used",
                text(full)
            ),
        ),
        None => {
            CheckResult::new_passed_check(CHECK_NAME, all.iter().map(text).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A web ACL is what a distribution on a plan always has; no other is asked about.
async fn check_flat_rate_plan(target: &AwsTarget) -> Option<CheckResult> {
    let all = target.cloud.list_distributions(&target.names).await.ok()?;
    let ours = all.into_iter().find(|one| {
        one.web_acl.is_some()
            && (one.ownership == ResourceOwnership::Ours
                || one.comment == target.names.distribution_and_identity_comment())
    })?;
    let finding = edge_limits::find_flat_rate_plan(target, &ours).await?;
    Some(CheckResult::new_unknown_check(
        "flat-rate-plan",
        finding.describe_flat_rate_plan(&format!("distribution {}", ours.id)),
    ))
}
