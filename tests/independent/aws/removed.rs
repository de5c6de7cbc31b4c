//! Each single action taken out of the policy: the step that ends is the one that the table says, and the message names
//! the action, the thing and the next move; `check` has said so before.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, stream};
use packagecloud_cloudfront::model::{
    iam::{
        access::{RequiredPermission, add_origin_access_control_permissions},
        least_privilege::render_least_privilege_policy,
    },
    run::goal::{OperatorGoal, RunStage},
};
use serde_json::Value;

use super::{
    account::{AccountRun, TestAccount},
    faults,
    server::MinistackServer,
    world,
};

/// How many accounts are tried at once.
const CONCURRENT_ACCOUNTS: usize = 10;
/// How many of the actions are tried where not all are asked for: every so manieth. The sandbox tries the others.
const SAMPLE_STEP: usize = 6;

/// The vendor's procedure, a command each, and the stage that it is.
const STAGE_COMMANDS: [(RunStage, &str); 4] = [
    (RunStage::Reindex, "reindex-everything"),
    (RunStage::Secret, "generate-cloudfront-secret"),
    (RunStage::Bootstrap, "bootstrap-cloudfront"),
    (RunStage::Distribution, "reconfigure-cloudfront-distribution"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 10)]
async fn each_single_action() {
    let server = Arc::new(MinistackServer::start_ministack());
    let all = TestAccount::with_root_key(&server.url, "000000000000", "000000000000", "any")
        .await
        .permission_needs(OperatorGoal::Upgrade);
    let actions: BTreeSet<&'static str> = all.iter().map(|need| need.action).collect();
    assert!(actions.len() > 50);
    let step = if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 1 } else { SAMPLE_STEP };
    let tries = actions.into_iter().enumerate().step_by(step).map(|(index, action)| {
        let server = server.clone();
        tokio::spawn(async move {
            let mut account =
                TestAccount::create_fresh(&server.url, &format!("{:012}", 300_000_000_000 + index)).await;
            try_without_action(&mut account, action).await
        })
    });
    let wrong: Vec<String> = stream::iter(tries.collect::<Vec<_>>())
        .buffer_unordered(CONCURRENT_ACCOUNTS)
        .filter_map(async |tried| tried.unwrap().err())
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

async fn try_without_action(account: &mut TestAccount, action: &'static str) -> Result<(), String> {
    let needs = add_origin_access_control_permissions(account.permission_needs(OperatorGoal::Upgrade));
    let (taken, left): (Vec<RequiredPermission>, Vec<RequiredPermission>) =
        needs.into_iter().partition(|need| need.action == action);
    let policy = render_least_privilege_policy(&left);
    account.use_user_with_policy(&faults::translate_policy_with_simulation(&policy)).await;
    check_predicted_denial(account, action, &taken)?;

    let mut failed = run_vendor_steps(account, &[]);
    if failed.is_none() {
        // Nothing of a fresh account needed it: what somebody changes later does.
        world::disturb_account(account).await;
        failed = run_vendor_steps(account, &["--adopt", "--construction", "raw:path+expires"]);
    }
    let never = faults::ACTIONS_NEVER_EVALUATED.iter().any(|(known, _)| *known == action);
    let optional = taken.iter().all(|need| need.optional);
    match failed {
        None if never || optional => Ok(()),
        None => Err(format!("{action}: nothing failed without it")),
        Some(ran) if never => Err(format!("{action}: it was asked for: {}", ran.text)),
        Some(ran) => check_failed_step(&taken, &ran),
    }
}

/// What `check` says beforehand.
fn check_predicted_denial(
    account: &TestAccount,
    action: &str,
    taken: &[RequiredPermission],
) -> Result<(), String> {
    if action == "iam:SimulatePrincipalPolicy" || faults::SIMULATED_WITHOUT_CONTEXT.contains(&action) {
        return Ok(());
    }
    let ran = account.run_json(&["check", "--all"]);
    if ran.code == 1 {
        // Without it nothing of the bucket can be looked at: that is what it says, in place of its checks.
        return check_failed_step(taken, &ran);
    }
    for (name, result, detail) in ran.check_results().filter(|(name, ..)| name.contains(':')) {
        let wanted = if name == action {
            let need = |need: &RequiredPermission| {
                detail.contains(&need.resource) && detail.contains(&need.describe_stage_and_step())
            };
            let fit = if taken.iter().all(|need| need.optional) { "unknown" } else { "fail" };
            taken.iter().any(need) && (result == fit || result == "unknown")
        } else {
            faults::SIMULATED_WITHOUT_CONTEXT.contains(&name) || result == "pass"
        };
        if !wanted {
            return Err(format!("{action}: check says {name} {result}: {detail}"));
        }
    }
    let said = ran.check_results().any(|(name, result, _)| name == action && result != "pass");
    if said { Ok(()) } else { Err(format!("{action}: check did not say it: {}", ran.text)) }
}

/// The steps of the vendor's procedure, one command each, until one fails.
fn run_vendor_steps(account: &TestAccount, options: &[&str]) -> Option<AccountRun> {
    let run = |words: &[&str]| {
        let ran = account.run_json(&[options, words, &["--yes"]].concat());
        if ran.code == 0 { Ok(ran) } else { Err(ran) }
    };
    let through = || -> Result<(), AccountRun> {
        run(&["reindex-everything", "--rescan"])?;
        run(&["generate-cloudfront-secret"])?;
        let made = run(&["bootstrap-cloudfront"])?;
        let ended = made.lines.iter().find(|line| line["type"] == "ended").unwrap();
        let text = ended["text"].as_str().unwrap();
        let arn = text.split([' ', ';']).find(|word| word.starts_with("arn:aws:lambda:")).unwrap();
        run(&["reconfigure-cloudfront-distribution", arn])?;
        Ok(())
    };
    through().err()
}

fn check_failed_step(taken: &[RequiredPermission], ran: &AccountRun) -> Result<(), String> {
    let action = taken[0].action;
    let failed = ran.lines.iter().find(|line| line["type"] == "failed");
    let Some(failed) = failed else { return Err(format!("{action}: no event says it: {}", ran.text)) };
    let text = |field: &str| failed[field].as_str().unwrap_or_default().to_owned();
    let said = failed.to_string();
    let name = |need: &RequiredPermission| -> String {
        let last = need.resource.rsplit([':', '/']).next().unwrap_or_default();
        last.trim_start_matches('*').to_owned()
    };
    let ran_as = ran.text.lines().next().unwrap_or_default();
    let command = STAGE_COMMANDS.iter().position(|(_, command)| ran_as.contains(command));
    let here = taken.iter().any(|need| {
        // What is looked at before a stage begins has no step yet; a later command looks at what an earlier one made.
        let looked = STAGE_COMMANDS.iter().position(|(stage, _)| *stage == need.stage) <= command;
        let stage = text("stage") == need.stage.stage_name() || (text("stage").is_empty() && looked);
        let step = failed["step"].is_null()
            || failed["step"] == serde_json::to_value(need.step).unwrap_or(Value::Null);
        stage && step && said.contains(name(need).as_str())
    });
    let next = said.contains(action) && said.contains("check --policy");
    if here && next {
        return Ok(());
    }
    Err(format!(
        "{action}: expected at {:?}: {}",
        taken.iter().map(RequiredPermission::describe_stage_and_step).collect::<Vec<_>>(),
        ran.text
    ))
}
