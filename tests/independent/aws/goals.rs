//! Every goal, by a user who has exactly the policy that `check --policy` prints, and nothing else.

use packagecloud_cloudfront::model::{
    iam::{
        access::{
            edge_logs_permission, edge_metrics_permission, flat_rate_plan_permission,
            list_invalidation_permissions,
        },
        least_privilege::render_least_privilege_policy,
    },
    run::goal::OperatorGoal,
};

use super::{account::TestAccount, faults, server::MinistackServer, world};

#[tokio::test]
async fn an_upgrade_off_and_on_again_with_the_policy_alone() {
    let server = MinistackServer::start_ministack();
    let mut account = TestAccount::create_fresh(&server.url, "111111111111").await;
    let policy = account.run_with_options(&[], &["check", "--policy"]).assert_code(0).out;
    assert!(policy.chars().count() <= 6144);
    let mut needs = account.permission_needs(OperatorGoal::Upgrade);
    let logs = edge_logs_permission(&account.resource_names(), &account.id);
    needs.extend([flat_rate_plan_permission(), edge_metrics_permission(), logs]);
    needs.extend(list_invalidation_permissions(&account.id));
    assert_eq!(policy.trim_end(), render_least_privilege_policy(&needs));
    account.use_user_with_policy(&faults::translate_policy(&policy)).await;

    account.run_json(&["enable", "--upgrade", "--yes", "--unproven"]).assert_code(0);
    assert!(account.read_config().contains("['cloudfront_enabled'] = true"), "{}", account.read_config());
    account.run_json(&["plan", "--goal", "upgrade"]).assert_code(0);
    account.run_json(&["check", "--all"]).assert_code(0);
    let verified = account.run_json(&["verify", "--all"]).assert_code(0);
    for (name, result, detail) in verified.check_results() {
        // ministack's delivery runs no function at the edge.
        let delivery =
            ["signed-url", "package-cached", "cached-copies", "metadata-fresh", "no-token"].contains(&name);
        assert_eq!(result == "unknown", delivery || name == "packagecloud-redirect", "{name}: {detail}");
    }
    account.run_json(&["disable", "--yes"]).assert_code(0);
    assert!(account.read_config().contains("['cloudfront_enabled'] = false"), "{}", account.read_config());
    account.run_json(&["enable", "--yes", "--unproven"]).assert_code(0);
    assert!(account.read_config().contains("['cloudfront_enabled'] = true"), "{}", account.read_config());
}

#[tokio::test]
async fn an_install_with_its_own_policy_and_the_edge_rolled_back_with_that() {
    let server = MinistackServer::start_ministack();
    let mut account = TestAccount::create_fresh(&server.url, "222222222222").await;
    let policy = render_least_privilege_policy(&account.permission_needs(OperatorGoal::Install));
    account.use_user_with_policy(&faults::translate_policy(&policy)).await;
    account.run_json(&["enable", "--prepare", "--yes"]).assert_code(0);
    // Another construction makes another version, which is associated.
    account.run_json(&["--construction", "raw:path+expires", "enable", "--prepare", "--yes"]).assert_code(0);
    let backups = account.run_json(&["roll-back"]).assert_code(0);
    let backup = backups.lines.iter().find(|line| line["type"] == "backup").unwrap()["path"].clone();
    account.run_json(&["roll-back", backup.as_str().unwrap(), "--yes"]).assert_code(0);

    let policy = render_least_privilege_policy(&account.permission_needs(OperatorGoal::RollBack));
    account.use_user_with_policy(&faults::translate_policy(&policy)).await;
    let version = format!("arn:aws:lambda:us-east-1:{}:function:packagecloud_cloudfront_auth:1", account.id);
    account.run_json(&["roll-back", "--edge", &version, "--yes"]).assert_code(0);
    // More than that it doesn't allow.
    let denied = account
        .run_json(&["--construction", "raw:key+expires", "bootstrap-cloudfront", "--yes"])
        .assert_code(1);
    assert!(denied.text.contains("is denied"), "{}", denied.text);
}

#[tokio::test]
async fn a_bucket_under_a_key_and_what_lost_its_marker_with_the_policy_alone() {
    let server = MinistackServer::start_ministack();
    let mut account = TestAccount::create_fresh(&server.url, "333333333333").await;
    let key = account.encrypt_bucket().await;
    let policy = account.run_with_options(&["--adopt-bucket-key"], &["check", "--policy"]).assert_code(0).out;
    assert!(policy.chars().count() <= 6144, "{policy}");
    for part in [key.as_str(), "kms:Decrypt", "kms:GenerateDataKey", "kms:ViaService"] {
        assert!(policy.contains(part), "no {part} in {policy}");
    }
    account.use_user_with_policy(&faults::translate_policy(&policy)).await;
    let consents = ["--adopt-bucket-key", "--adopt"];
    let line = |words: &[&'static str]| [words, &consents, &["--yes", "--unproven"]].concat();
    account.run_json(&line(&["enable", "--upgrade"])).assert_code(0);
    assert!(account.read_config().contains("['cloudfront_enabled'] = true"), "{}", account.read_config());
    account.run_json(&["disable", "--yes"]).assert_code(0);
    world::disturb_account(&account).await;
    account.run_json(&line(&["enable", "--upgrade"])).assert_code(0);
    assert!(account.read_config().contains("['cloudfront_enabled'] = true"), "{}", account.read_config());
}
