//! Every goal, by a user who has exactly the policy that `check --policy` prints, and nothing else.

use packagecloud_cloudfront::model::{iam::policy::least_privilege, run::goal::Goal};

use crate::{account::Account, faults, server::Server};

#[tokio::test]
async fn an_upgrade_off_and_on_again_with_the_policy_alone() {
    let server = Server::start();
    let mut account = Account::fresh(&server.url, "111111111111").await;
    let policy = account.run_with(&[], &["check", "--policy"]).is(0).text;
    let policy = policy.split_once('\n').unwrap().1.to_owned();
    assert!(policy.chars().count() <= 6144);
    assert_eq!(policy.trim_end(), least_privilege(&account.needs(Goal::Upgrade)));
    account.as_user_with(&faults::translated(&policy)).await;

    account.run(&["enable", "--upgrade", "--yes", "--unproven"]).is(0);
    assert!(account.file().contains("['cloudfront_enabled'] = true"), "{}", account.file());
    account.run(&["plan", "--goal", "upgrade"]).is(0);
    account.run(&["check"]).is(0);
    let verified = account.run(&["verify"]).is(0);
    for (name, result, detail) in verified.checks() {
        // ministack's delivery runs no function at the edge.
        let delivery = ["signed-url", "package-cached", "metadata-fresh", "no-token"].contains(&name);
        assert_eq!(result == "unknown", delivery || name == "packagecloud-redirect", "{name}: {detail}");
    }
    account.run(&["disable", "--yes"]).is(0);
    assert!(account.file().contains("['cloudfront_enabled'] = false"), "{}", account.file());
    account.run(&["enable", "--yes", "--unproven"]).is(0);
    assert!(account.file().contains("['cloudfront_enabled'] = true"), "{}", account.file());
}

#[tokio::test]
async fn an_install_with_its_own_policy_and_the_edge_rolled_back_with_that() {
    let server = Server::start();
    let mut account = Account::fresh(&server.url, "222222222222").await;
    let policy = least_privilege(&account.needs(Goal::Install));
    account.as_user_with(&faults::translated(&policy)).await;
    account.run(&["enable", "--prepare", "--yes"]).is(0);
    // Another construction makes another version, which is associated.
    account.run(&["--construction", "raw:path+expires", "enable", "--prepare", "--yes"]).is(0);
    let backups = account.run(&["roll-back"]).is(0);
    let backup = backups.lines.iter().find(|line| line["type"] == "backup").unwrap()["path"].clone();
    account.run(&["roll-back", backup.as_str().unwrap(), "--yes"]).is(0);

    let policy = least_privilege(&account.needs(Goal::RollBack));
    account.as_user_with(&faults::translated(&policy)).await;
    let version = format!("arn:aws:lambda:us-east-1:{}:function:packagecloud_cloudfront_auth:1", account.id);
    account.run(&["roll-back", "--edge", &version, "--yes"]).is(0);
    // More than that it doesn't allow.
    let denied = account.run(&["--construction", "raw:key+expires", "bootstrap-cloudfront", "--yes"]).is(1);
    assert!(denied.text.contains("is denied"), "{}", denied.text);
}
