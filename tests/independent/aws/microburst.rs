//! enable before ministack, with microburst between, which plays AWS's failures in AWS's own envelopes: the first reply of each
//! write lost, and all kinds of them mixed. It comes through, where AWS is out by trying again as it says, and nothing is made twice.
//!
//! The reindex is left out: microburst's answers to HEAD have no length.

use serde_json::{Value, json};

use super::{
    account::TestAccount,
    server::{MicroburstProxy, MinistackServer},
};

/// The writes of enable whose reply has a body, by the scope of their signature: microburst cuts within that.
const LOST_REPLIES: [(&str, &str); 11] = [
    ("iam", "CreateRole"),
    ("iam", "CreateServiceLinkedRole"),
    ("iam", "PutRolePolicy"),
    ("kms", "CreateKey"),
    ("kms", "CreateAlias"),
    ("kms", "Encrypt"),
    ("lambda", "CreateFunction"),
    ("lambda", "PublishVersion"),
    ("cloudfront", "CreateCachePolicy"),
    ("cloudfront", "CreateOriginAccessControl"),
    ("cloudfront", "CreateDistributionWithTags"),
];

/// Rules that fail in turn, and say nothing of chance: each failure comes again at the same place.
fn mixed_rules() -> Value {
    let refuse = |service: &str, code: &str, status: u16| json!({"service": service, "sequence": {"fail": 1, "pass": 3}, "error": {"code": code, "status": status}});
    json!([
        {"service": "*", "sequence": {"fail": 1, "pass": 6}, "reset": true},
        refuse("s3", "SlowDown", 503),
        refuse("iam", "Throttling", 400),
        refuse("kms", "ThrottlingException", 400),
        refuse("lambda", "TooManyRequestsException", 429),
        refuse("cloudfront", "ServiceUnavailable", 503),
        {"service": "*", "sequence": {"fail": 1, "pass": 9}, "response": {"abort_frac": 0.5}},
    ])
}

/// How often enable may be asked, where an outage ends it. CreateDistribution is asked once and then looked for: an answer of
/// 503 there says that AWS is out, and to try again.
const MIXED_RUNS_MAX: usize = 4;

/// Enables through these rules, within so many runs; what of them struck: service, operation, action.
async fn enable_through_faults(rules: Value, runs_max: usize) -> Vec<(String, String, String)> {
    let server = MinistackServer::start_ministack();
    let proxy = MicroburstProxy::start_before(&server.url, &rules);
    let mut account = TestAccount::create_fresh(&server.url, "999999999999").await;
    account.send_through(&proxy.url);
    let account = tokio::task::spawn_blocking(move || {
        for left in (0..runs_max).rev() {
            let ran = account.run_json(&["enable", "--yes", "--unproven"]);
            if ran.code == 0 {
                break;
            }
            assert!(left > 0 && ran.text.contains(r#""kind":"unreachable""#), "{}", ran.text);
        }
        account
    })
    .await
    .unwrap();
    assert!(account.read_config().contains("['cloudfront_enabled'] = true"), "{}", account.read_config());
    assert_nothing_made_twice(&account).await;
    proxy.list_fired_faults()
}

async fn assert_nothing_made_twice(account: &TestAccount) {
    let functions = aws_sdk_lambda::Client::new(&account.root);
    let made = functions.list_functions().send().await.unwrap().functions.unwrap();
    assert_eq!(made.len(), 1, "{made:?}");
    let name = made[0].function_name().unwrap();
    let versions = functions.list_versions_by_function().function_name(name).send().await.unwrap();
    assert_eq!(versions.versions().len(), 2, "$LATEST and one more: {versions:?}");
    let keys = aws_sdk_kms::Client::new(&account.root).list_keys().send().await.unwrap();
    assert_eq!(keys.keys().len(), 1, "{keys:?}");
    let cloudfront = aws_sdk_cloudfront::Client::new(&account.root);
    let distributions = cloudfront.list_distributions().send().await.unwrap().distribution_list.unwrap();
    assert_eq!(distributions.items().len(), 1, "{distributions:?}");
    let controls = cloudfront.list_origin_access_controls().send().await.unwrap();
    assert_eq!(controls.origin_access_control_list.unwrap().items().len(), 1);
    let policies = cloudfront
        .list_cache_policies()
        .r#type(aws_sdk_cloudfront::types::CachePolicyType::Custom)
        .send()
        .await
        .unwrap();
    let policies = policies.cache_policy_list.unwrap();
    let mut names: Vec<&str> = policies
        .items()
        .iter()
        .filter_map(|one| one.cache_policy()?.cache_policy_config())
        .map(aws_sdk_cloudfront::types::CachePolicyConfig::name)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["packagecloud_cloudfront", "packagecloud_cloudfront_packages"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enable_comes_through_and_makes_nothing_twice() {
    let lost: Vec<Value> = LOST_REPLIES
        .iter()
        .map(|(service, operation)| {
            json!({"service": service, "operation": operation, "times": 1, "response": {"abort_bytes": 0}})
        })
        .collect();
    // Both at once: most of it is waiting.
    let (lost, mixed) = tokio::join!(
        enable_through_faults(Value::Array(lost), 1),
        enable_through_faults(mixed_rules(), MIXED_RUNS_MAX)
    );
    for (service, operation) in LOST_REPLIES {
        let struck =
            lost.iter().filter(|(of, asked, _)| (of.as_str(), asked.as_str()) == (service, operation));
        assert_eq!(struck.count(), 1, "{service}:{operation}: {lost:?}");
    }
    for action in
        ["reset", "response:abort", "error:SlowDown", "error:Throttling", "error:ServiceUnavailable"]
    {
        assert!(mixed.iter().any(|(_, _, struck)| struck == action), "no {action}: {mixed:?}");
    }
    assert!(mixed.len() > 20, "{mixed:?}");
}
