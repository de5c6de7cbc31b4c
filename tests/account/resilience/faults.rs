//! Every request of a whole set-up goes wrong in every way, in process and on a paused clock.
//!
//! Each ends in success or in one failure with a next move; never is the bucket open; and the next run finishes the job.

use std::path::Path;

use packagecloud_cloudfront::{
    engine::RunContext,
    model::{
        failure::Failure,
        run::{
            answers::OperatorAnswers,
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{self, Sandbox, SandboxOptions},
};

use super::sandbox_host::{WHOLE_SET_UP, count_all_resources, find_open_access, read_config_values};
use crate::{engine::apply_unasked_stage, session::open_session};

const FAULT_KINDS: [&str; 9] = [
    "lost",
    "cut",
    "page",
    "throttle",
    "deny",
    "drift",
    "hang",
    "error:InternalError",
    "error:ValidationException=no such thing",
];

pub fn open_sandbox_with_faults(dir: &Path, faults: &[String]) -> Sandbox {
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        faults: faults.to_vec(),
        ..SandboxOptions::default()
    })
    .unwrap()
}

/// The whole set-up, as `enable --upgrade --yes` goes through it.
async fn run_enable(world: &Sandbox) -> Result<(), Failure> {
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    run_upgrade_stages(world, &answers, |_| true).await
}

/// The stages of an upgrade that `wanted` names.
async fn run_upgrade_stages(
    world: &Sandbox,
    answers: &OperatorAnswers,
    wanted: fn(RunStage) -> bool,
) -> Result<(), Failure> {
    let session = open_session(world);
    for &stage in OperatorGoal::Upgrade.stages_of_goal().iter().filter(|stage| wanted(**stage)) {
        apply_unasked_stage(&session, answers, stage, &RunContext::new_silent_context()).await?;
    }
    Ok(())
}

/// Watches the account at every instant at which anything waits.
async fn watch_account_during(
    world: &Sandbox,
    work: impl Future<Output = Result<(), Failure>>,
) -> (Result<(), Failure>, Option<String>) {
    let mut seen = 0;
    let mut wrong = None;
    let watching = async {
        loop {
            let calls = world.sandbox_recorded_aws_calls().len();
            if calls != seen {
                seen = calls;
                if let Some(found) = find_open_access(world) {
                    wrong.get_or_insert(found);
                }
            }
            // The paused clock moves only once nothing else can: this looks after every wait.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = watching => unreachable!("it watches for ever"),
    };
    let wrong = wrong.or_else(|| find_open_access(world));
    (result, wrong)
}

/// What must hold of one run with a fault, and of the next without.
async fn assert_fault_survived(fault: &str) {
    let dir = tempfile::tempdir().unwrap();
    let world_ = open_sandbox_with_faults(dir.path(), &[fault.to_owned()]);
    let (result, wrong) = watch_account_during(&world_, run_enable(&world_)).await;
    assert_eq!(wrong, None, "{fault}");
    let made = count_all_resources(&world_);
    assert!(
        made.iter().zip(WHOLE_SET_UP).all(|(made, whole)| *made <= whole),
        "{fault}: made twice: {made:?} {result:?}"
    );
    if let Err(failure) = &result {
        assert!(
            !failure.what.is_empty() && !failure.why.is_empty() && !failure.next.is_empty(),
            "{fault}: {failure:?}"
        );
        assert!(!failure.why.contains("panicked"), "{fault}: {failure:?}");
    }
    let before = read_config_values(&world_).secret;
    drop(world_);
    let world_ = open_sandbox_with_faults(dir.path(), &[]);
    // A world that is opened again begins at its last change: what was made by it is listed a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let again = Box::pin(watch_account_during(&world_, run_enable(&world_))).await;
    assert_eq!(again, (Ok(()), None), "{fault}: the next run, after {result:?}");
    assert_eq!(count_all_resources(&world_), WHOLE_SET_UP, "{fault}: after {result:?}");
    let after = read_config_values(&world_);
    assert_eq!(after.enabled, Some(true), "{fault}");
    assert!(before.is_none() || before == after.secret, "{fault}: another secret");
}

/// How many requests a whole set-up makes.
async fn count_requests() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let (result, wrong) = Box::pin(watch_account_during(&world, run_enable(&world))).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(count_all_resources(&world), WHOLE_SET_UP);
    world.sandbox_recorded_aws_calls().len()
}

/// Every `step`-th request; all of them where everything is asked for.
async fn inject_at_sampled_requests(kind: &str, step: usize) {
    let offset = FAULT_KINDS.iter().position(|one| *one == kind).unwrap();
    inject_at_each_request(kind, "", step, offset).await;
}

/// The same with every request from there on, where `on` is a plus.
async fn inject_at_each_request(kind: &str, on: &str, step: usize, offset: usize) {
    let everything = std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some();
    let all = count_requests().await;
    assert!(all > 100, "{all} requests are no whole set-up");
    for nth in (1..=all).skip(if everything { 0 } else { offset }).step_by(if everything { 1 } else { step })
    {
        Box::pin(assert_fault_survived(&format!("*:{nth}{on}:{kind}"))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_at_any_request() {
    inject_at_sampled_requests("lost", 43).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_reply_at_any_request() {
    inject_at_sampled_requests("cut", 61).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxys_page_at_any_request() {
    inject_at_sampled_requests("page", 61).await;
}

#[tokio::test(start_paused = true)]
async fn throttling_at_any_request() {
    inject_at_sampled_requests("throttle", 61).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_any_request() {
    inject_at_sampled_requests("deny", 43).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_edit_at_any_request() {
    inject_at_sampled_requests("drift", 61).await;
}

#[tokio::test(start_paused = true)]
async fn silence_at_any_request() {
    inject_at_sampled_requests("hang", 61).await;
}

#[tokio::test(start_paused = true)]
async fn an_internal_error_at_any_request() {
    inject_at_sampled_requests("error:InternalError", 61).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_of_no_known_kind_at_any_request() {
    inject_at_sampled_requests("error:ValidationException=no such thing", 43).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_that_vanish_at_any_request() {
    inject_at_each_request(
        "error:ExpiredToken=The security token included in the request is expired",
        "+",
        83,
        31,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn from_any_write_on_everything_is_refused() {
    // Not one request fails but all from here on, as when credentials end: the bucket is as closed as before.
    for service in ["iam", "kms", "lambda", "cloudfront"] {
        for nth in [1, 4, 9] {
            Box::pin(assert_fault_survived(&format!("{service}:{nth}+:deny"))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_goes_live_without_its_reindex() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    assert_eq!(run_upgrade_stages(&world, &answers, |stage| stage != RunStage::Reindex).await, Ok(()));
    let copies = world.sandbox_recorded_aws_calls().into_iter().filter(|call| call.operation == "CopyObject");
    assert_eq!(copies.count(), 0, "no object was rewritten");
    assert_eq!(read_config_values(&world).enabled, Some(true));
}
