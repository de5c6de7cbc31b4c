//! What an account's quota and a distribution's plan mean for the edge: how many requests it answers, what CloudFront may refuse.

use crate::engine::session::AwsTarget;
use crate::model::aws::{
    cloudfront::{CloudFrontDistribution, FlatRatePlanFinding},
    names::EDGE_REGION,
};

/// What an account has once AWS knows it; a new one begins with ten (aws-facts section 10).
const CONCURRENT_EXECUTIONS_USUAL: i32 = 1000;
/// Requests a second that one execution at once makes of a Lambda@Edge function (aws-facts section 1).
const REQUESTS_PER_EXECUTION: i32 = 10;

/// Describes how many requests the edge answers where Lambda's quota holds it back, with what raises it; none where the
/// quota is the usual one.
#[must_use]
pub fn describe_low_lambda_concurrency(all: i32, free: i32, bucket_region: &str) -> Option<String> {
    if free >= CONCURRENT_EXECUTIONS_USUAL {
        return None;
    }
    let command = |region: &str| {
        format!(
            "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value {CONCURRENT_EXECUTIONS_USUAL} --region {region}"
        )
    };
    let of = if free == all { String::new() } else { format!(" of {all}") };
    let near = if bucket_region == EDGE_REGION || bucket_region.is_empty() {
        command(EDGE_REGION)
    } else {
        format!("{} (and where the bucket is: {})", command(EDGE_REGION), command(bucket_region))
    };
    Some(format!(
        "Lambda's quota \"Concurrent executions\" (L-B99A9384) leaves {free}{of} executions at once in {EDGE_REGION}, and likely as few in every other region, as for a new account: over about {} requests a second in a region the edge answers 503. Raise it in Service Quotas in {EDGE_REGION} and in each region near your clients, where the function's replicas run, before going live: {near}",
        free.max(0) * REQUESTS_PER_EXECUTION
    ))
}

/// Reads Lambda's quota and describes it where it is low; none where it can't be asked: then `check` says that.
pub(crate) async fn find_low_lambda_concurrency(target: &AwsTarget) -> Option<String> {
    let (all, free) = target.cloud.read_lambda_concurrency_limit().await.ok()?;
    describe_low_lambda_concurrency(all, free, &target.bucket.region)
}

/// Finds out whether a distribution is on a flat-rate plan. Those that are have a web ACL, so no other is asked about.
pub(crate) async fn find_flat_rate_plan(
    target: &AwsTarget,
    distribution: &CloudFrontDistribution,
) -> Option<FlatRatePlanFinding> {
    distribution.web_acl.as_ref()?;
    Some(match target.cloud.find_flat_rate_plan(&distribution.arn).await {
        Ok(Some(plan)) => FlatRatePlanFinding::Subscribed(plan),
        Ok(None) => FlatRatePlanFinding::PayAsYouGo,
        Err(failure) => FlatRatePlanFinding::Unknown(failure.why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_accounts_quota_is_named_with_the_regions_to_raise_it_in() {
        assert_eq!(describe_low_lambda_concurrency(1000, 1000, "eu-west-1"), None);
        let said = describe_low_lambda_concurrency(10, 10, "eu-west-1").unwrap();
        for words in [
            "L-B99A9384",
            "leaves 10 executions at once",
            "about 100 requests a second",
            "each region near your clients",
            "--desired-value 1000 --region us-east-1",
            "--region eu-west-1)",
        ] {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        let said = describe_low_lambda_concurrency(1000, 900, "us-east-1").unwrap();
        assert!(said.contains("leaves 900 of 1000") && said.matches("--region").count() == 1, "{said}");
        assert!(describe_low_lambda_concurrency(10, -5, "").unwrap().contains("about 0 requests"));
    }
}
