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

/// Describes how many requests the edge answers where Lambda's quota holds it back, with what raises it; none where as
/// many executions are free as an account usually has. `all` is the quota, `free` what no function has reserved of it.
#[must_use]
pub fn describe_low_lambda_concurrency(all: i32, free: i32, bucket_region: &str) -> Option<String> {
    if free >= CONCURRENT_EXECUTIONS_USUAL {
        return None;
    }
    let has_other_region = bucket_region != EDGE_REGION && !bucket_region.is_empty();
    let raise = |region: &str| {
        // As many more as are missing: what is reserved stays so.
        let wanted = all + (CONCURRENT_EXECUTIONS_USUAL - free);
        format!(
            "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value {wanted} --region {region}"
        )
    };
    let here = raise(EDGE_REGION);
    let of = if free == all { String::new() } else { format!(" of {all}") };
    let leaves = format!(
        "Lambda's quota \"Concurrent executions\" (L-B99A9384) leaves {free}{of} executions at once in {EDGE_REGION}"
    );
    let requests = free.max(0) * REQUESTS_PER_EXECUTION;
    if all >= CONCURRENT_EXECUTIONS_USUAL {
        let reserved = all - free;
        let region = if has_other_region { bucket_region } else { "REGION" };
        return Some(format!(
            "{leaves}, as other functions have reserved {reserved}: over about {requests} requests a second there the edge answers 503. Before going live take reservations back, or raise the quota: {here}. Each region near your clients, where the function's replicas run, has a quota and reservations of its own, which this shows: aws lambda get-account-settings --region {region}"
        ));
    }
    let near = if has_other_region {
        format!("{here} (and where the bucket is: {})", raise(bucket_region))
    } else {
        here
    };
    Some(format!(
        "{leaves}, and likely as few in every other region, as for a new account: over about {requests} requests a second in a region the edge answers 503. Raise it in Service Quotas in {EDGE_REGION} and in each region near your clients, where the function's replicas run, before going live: {near}"
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
        assert!(describe_low_lambda_concurrency(10, -5, "").unwrap().contains("about 0 requests"));
        let said = describe_low_lambda_concurrency(500, 400, "us-east-1").unwrap();
        assert!(said.contains("leaves 400 of 500") && said.contains("as for a new account"), "{said}");
        assert!(said.contains("--desired-value 1100 --region us-east-1"), "{said}");
    }

    #[test]
    fn where_others_reserve_the_rest_more_is_asked_for_than_there_is() {
        assert_eq!(describe_low_lambda_concurrency(5000, 1000, "us-east-1"), None);
        for (all, free, region, words) in [
            (1000, 900, "us-east-1", ["leaves 900 of 1000", "reserved 100:", "--desired-value 1100 "]),
            (5000, 900, "eu-west-1", ["leaves 900 of 5000", "reserved 4100:", "--desired-value 5100 "]),
            (1000, 0, "", ["leaves 0 of 1000", "reserved 1000:", "--desired-value 2000 "]),
        ] {
            let said = describe_low_lambda_concurrency(all, free, region).unwrap();
            assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
            assert!(!said.contains("new account") && !said.contains("as few"), "{said}");
            // What another region has isn't known, so nothing is asked for there.
            assert_eq!(said.matches("request-service-quota-increase").count(), 1, "{said}");
            let shown = if region == "eu-west-1" { region } else { "REGION" };
            assert!(said.ends_with(&format!("aws lambda get-account-settings --region {shown}")), "{said}");
        }
    }
}
