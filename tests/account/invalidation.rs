//! `invalidate` on a sandbox that is live: what edges hold is forgotten, on our distribution alone, and waited for.

use std::time::Duration;

use packagecloud_cloudfront::{
    engine::{self, RunContext, Session},
    model::{
        aws::names::{ResourceNameSuffix, ResourceNames},
        failure::{Failure, FailureKind},
        iam::access::list_required_permissions,
        run::{
            answers::{InvalidationAnswers, OperatorAnswers},
            check::{CheckResult, CheckVerdict},
            event::{StageEnd, StageEvent},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions,
        control_plane::{ACCOUNT_ID, s3::place_sandbox_object},
        router::PACKAGECLOUD_HOST,
        seed::SANDBOX_BUCKET,
    },
};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{look_at_stage, run_stages},
    session::open_session,
    vendor::{self, ALL_LEFTOVERS, LIVE_STAGES},
};

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";
const KEPT_A_YEAR: [(&str, &str); 1] = [("cache-control", "public, max-age=31536000, immutable")];

fn install_answers() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() }
}

fn answers_to_forget(keys: &[&str]) -> OperatorAnswers {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let invalidation = InvalidationAnswers { packages: keys.is_empty(), keys };
    OperatorAnswers { invalidation, ..install_answers() }
}

/// With states that take their time: an invalidation isn't at all edges at once.
async fn open_live_sandbox(dir: &std::path::Path, faults: &[&str]) -> Sandbox {
    let options = SandboxOptions {
        dir: dir.to_owned(),
        faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        ..SandboxOptions::default()
    };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    place_sandbox_object(&world, SANDBOX_BUCKET, PACKAGE_KEY, &KEPT_A_YEAR, b"the file of before").unwrap();
    run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
    world
}

/// What a client gets: the body, and whether an edge had it.
async fn download(world: &Sandbox) -> (String, bool) {
    let Session { web, .. } = open_session(world);
    let url = format!("https://{PACKAGECLOUD_HOST}/{PACKAGE_KEY}");
    let redirect = web.send_http_get(&url, &[("authorization", "Basic ZGVtby10b2tlbjo=")]).await.unwrap();
    let reply = web.send_http_get(redirect.find_header("location").unwrap(), &[]).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let is_hit = reply.find_header("x-cache").is_some_and(|said| said.starts_with("Hit"));
    (String::from_utf8(reply.body.to_vec()).unwrap(), is_hit)
}

async fn fetch_until_held(world: &Sandbox) {
    for _ in 0..10 {
        if download(world).await.1 {
            return;
        }
    }
    panic!("no edge holds it");
}

/// Packagecloud's database was restored, and another package got the id: the edge holds the one of before.
async fn restore_database(world: &Sandbox) {
    fetch_until_held(world).await;
    place_sandbox_object(world, SANDBOX_BUCKET, PACKAGE_KEY, &KEPT_A_YEAR, b"the file of after!").unwrap();
    assert_eq!(download(world).await, ("the file of before".to_owned(), true));
}

async fn invalidate(
    world: &Sandbox,
    answers: &OperatorAnswers,
    stop: CancellationToken,
) -> (Vec<StageEvent>, StageEnd, Option<Failure>) {
    let session = open_session(world);
    let plan = Box::pin(engine::look(&session, RunStage::Invalidate, answers)).await.unwrap();
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, stop, pause);
    let (end, failure) = Box::pin(engine::apply(&session, &plan, answers, &run)).await;
    drop(run);
    let mut said = Vec::new();
    while let Some(event) = heard.recv().await {
        said.push(event);
    }
    (said, end, failure)
}

fn list_invalidations(world: &Sandbox) -> Vec<Vec<String>> {
    world.read_sandbox_state_from_disk(|state| {
        let all = state.cloudfront.distributions.values().flat_map(|one| &one.invalidations);
        all.map(|one| one.paths.clone()).collect()
    })
}

async fn verify(world: &Sandbox) -> Vec<CheckResult> {
    let session = open_session(world);
    let run = RunContext::new_silent_context();
    Box::pin(engine::run_verify_checks(&session, &install_answers(), &run)).await.unwrap()
}

#[track_caller]
fn find_check<'a>(checks: &'a [CheckResult], name: &str) -> &'a CheckResult {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name}: {checks:#?}"))
}

#[tokio::test(start_paused = true)]
async fn a_restored_database_is_seen_by_verify_and_forgotten_by_the_command_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    fetch_until_held(&world).await;
    let well = verify(&world).await;
    assert_eq!(find_check(&well, "cached-copies").result, CheckVerdict::Pass, "{well:#?}");
    restore_database(&world).await;

    let checks = verify(&world).await;
    let copies = find_check(&checks, "cached-copies");
    assert_eq!(copies.result, CheckVerdict::Fail, "{checks:#?}");
    assert!(copies.detail.contains(PACKAGE_KEY), "{copies:?}");
    assert!(copies.next.ends_with("invalidate --packages"), "{copies:?}");
    let verdict = find_check(&checks, "verdict");
    assert!(verdict.next.ends_with("invalidate --packages"), "{verdict:?}");

    let (said, end, failure) = invalidate(&world, &answers_to_forget(&[]), CancellationToken::new()).await;
    assert_eq!((end, failure), (StageEnd::Applied, None));
    assert!(format!("{said:?}").contains("waiting for every edge to forget them"), "{said:?}");
    assert!(matches!(said.last(), Some(StageEvent::Ended { stage: RunStage::Invalidate, .. })), "{said:?}");
    assert_eq!(list_invalidations(&world), [["/*"]]);
    assert_eq!(download(&world).await, ("the file of after!".to_owned(), false));
    let checks = verify(&world).await;
    assert!(!checks.iter().any(CheckResult::has_failed), "{checks:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_forgotten_alone_and_where_another_run_was_left_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    restore_database(&world).await;
    let left = |world: &Sandbox| open_session(world).host.state.read_saved_run().0.unwrap().stage;
    let before = left(&world);
    let plan = look_at_stage(&world, &answers_to_forget(&[PACKAGE_KEY]), RunStage::Invalidate).await.unwrap();
    assert!(plan.confirmations.is_empty() && !plan.is_plan_without_changes(), "{plan:?}");
    let facts: Vec<String> = plan.facts.iter().map(ToString::to_string).collect();
    assert!(facts.iter().any(|fact| fact.contains("one path: nothing while")), "{facts:?}");
    let (_, _, failure) =
        invalidate(&world, &answers_to_forget(&[PACKAGE_KEY]), CancellationToken::new()).await;
    assert_eq!(failure, None);
    assert_eq!(list_invalidations(&world), [[format!("/{PACKAGE_KEY}")]]);
    assert_eq!(download(&world).await, ("the file of after!".to_owned(), false));
    assert_eq!(left(&world), before);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_makes_no_second_one_and_a_used_quota_is_waited_for() {
    for (fault, waits) in [
        ("cloudfront:CreateInvalidation:1:lost", false),
        ("cloudfront:CreateInvalidation:1:throttle", false),
        ("cloudfront:CreateInvalidation:1:error:TooManyInvalidationsInProgress", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_live_sandbox(dir.path(), &[fault]).await;
        let (said, end, failure) =
            invalidate(&world, &answers_to_forget(&[PACKAGE_KEY]), CancellationToken::new()).await;
        assert_eq!((end, failure), (StageEnd::Applied, None), "{fault}");
        assert_eq!(list_invalidations(&world).len(), 1, "{fault}");
        let waited = format!("{said:?}").contains("waiting for other invalidations to end first");
        assert_eq!(waited, waits, "{fault}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_off_while_it_waits_cloudfront_goes_on_and_again_is_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    restore_database(&world).await;
    let stop = CancellationToken::new();
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        stop.cancel();
    };
    let answers = answers_to_forget(&[PACKAGE_KEY]);
    let ((_, end, failure), ()) = tokio::join!(invalidate(&world, &answers, stop.clone()), stopping);
    let failure = failure.unwrap();
    assert_eq!((end, failure.kind), (StageEnd::Stopped, FailureKind::Interrupted), "{failure:?}");
    assert!(failure.why.contains("CloudFront goes on with invalidation I"), "{failure:?}");
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(download(&world).await.0, "the file of after!");
    let (_, _, failure) = invalidate(&world, &answers, CancellationToken::new()).await;
    assert_eq!((failure, list_invalidations(&world).len()), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_elses_distribution_is_touched_and_without_one_nothing_is_to_be_done() {
    let dir = tempfile::tempdir().unwrap();
    let options = SandboxOptions { dir: dir.path().to_owned(), ..SandboxOptions::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    let none = look_at_stage(&world, &answers_to_forget(&[]), RunStage::Invalidate).await.unwrap_err();
    assert!(none.why.contains("no edge holds anything"), "{none:?}");

    Box::pin(vendor::set_up_vendor_bootstrap(&world, &install_answers(), ALL_LEFTOVERS)).await;
    let foreign = look_at_stage(&world, &answers_to_forget(&[]), RunStage::Invalidate).await.unwrap_err();
    assert!(foreign.why.contains("doesn't carry this install's marker"), "{foreign:?}");
    assert!(foreign.next.ends_with("enable --adopt"), "{foreign:?}");
    assert!(list_invalidations(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_printed_policy_suffices_and_without_its_own_statement_the_action_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    let text = Box::pin(engine::render_required_iam_policy(&open_session(&world), &install_answers()))
        .await
        .unwrap();
    let mut policy: Value = serde_json::from_str(&text).unwrap();
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = policy.clone());
    let answers = answers_to_forget(&[PACKAGE_KEY]);
    let (_, _, failure) = invalidate(&world, &answers, CancellationToken::new()).await;
    assert_eq!(failure, None);

    let statements = policy["Statement"].as_array_mut().unwrap();
    statements.retain(|one| one["Sid"] != "PackagecloudCloudFrontInvalidate");
    assert!(!policy.to_string().contains("Invalidation"), "its actions stand apart");
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = policy);
    let (_, end, failure) = invalidate(&world, &answers, CancellationToken::new()).await;
    let failure = failure.unwrap();
    assert_eq!(end, StageEnd::Failed);
    assert!(failure.to_string().contains("cloudfront:CreateInvalidation"), "{failure:?}");
    let names = ResourceNames::new(SANDBOX_BUCKET, &ResourceNameSuffix::default());
    for goal in [OperatorGoal::Install, OperatorGoal::Upgrade, OperatorGoal::RollBack] {
        let needs = list_required_permissions(goal, &names, ACCOUNT_ID);
        assert!(!needs.iter().any(|need| need.action.contains("Invalidation")), "no goal needs it: {goal:?}");
    }
}
