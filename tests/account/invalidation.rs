//! `invalidate` on a sandbox that is live: what edges hold is forgotten, on our distribution alone, and waited for.

use std::time::Duration;

use packagecloud_cloudfront::{
    engine::{self, RunContext, Session},
    model::{
        aws::names::{ResourceNameSuffix, ResourceNames},
        failure::{Failure, FailureKind},
        iam::access::list_required_permissions,
        run::{
            answers::{InvalidationAnswers, OperatorAnswers, ReindexAnswers},
            check::{CheckResult, CheckVerdict},
            event::{StageEnd, StageEvent},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions,
        control_plane::{ACCOUNT_ID, cloudfront::SandboxInvalidation, s3::place_sandbox_object},
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
    download_key(world, PACKAGE_KEY).await
}

async fn download_key(world: &Sandbox, key: &str) -> (String, bool) {
    let Session { web, .. } = open_session(world);
    let url = format!("https://{PACKAGECLOUD_HOST}/{key}");
    let redirect = web.send_http_get(&url, &[("authorization", "Basic ZGVtby10b2tlbjo=")]).await.unwrap();
    let reply = web.send_http_get(redirect.find_header("location").unwrap(), &[]).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    let is_hit = reply.find_header("x-cache").is_some_and(|said| said.starts_with("Hit"));
    (String::from_utf8(reply.body.to_vec()).unwrap(), is_hit)
}

async fn fetch_until_held(world: &Sandbox) {
    fetch_key_until_held(world, PACKAGE_KEY).await;
}

async fn fetch_key_until_held(world: &Sandbox, key: &str) {
    for _ in 0..10 {
        if download_key(world, key).await.1 {
            return;
        }
    }
    panic!("no edge holds {key}");
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

/// Somebody else's invalidations, which are in progress.
fn begin_others_invalidations(world: &Sandbox, paths: &[String]) {
    let created = world.sandbox_unix_time_now();
    world.update_sandbox_state_on_disk(|state| {
        for one in state.cloudfront.distributions.values_mut() {
            one.invalidations.push(SandboxInvalidation {
                id: "IOTHERS".to_owned(),
                reference: "others".to_owned(),
                paths: paths.to_vec(),
                created,
            });
        }
    });
}

#[tokio::test(start_paused = true)]
async fn others_that_take_all_room_are_waited_for_each_kind_apart() {
    let key_with_tilde = format!("{PACKAGE_KEY}~rc1");
    let wildcards: Vec<String> = (0..15).map(|number| format!("/{number}/*")).collect();
    let files: Vec<String> = (0..3000).map(|number| format!("/{number}.deb")).collect();
    for (others, key, waits) in [
        (&wildcards, PACKAGE_KEY, false),
        (&wildcards, key_with_tilde.as_str(), true),
        (&files, PACKAGE_KEY, true),
        (&files, key_with_tilde.as_str(), false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_live_sandbox(dir.path(), &[]).await;
        begin_others_invalidations(&world, others);
        let (said, end, failure) =
            invalidate(&world, &answers_to_forget(&[key]), CancellationToken::new()).await;
        assert_eq!((end, failure), (StageEnd::Applied, None), "{key}");
        let waited = format!("{said:?}").contains("waiting for other invalidations to end first");
        assert_eq!(waited, waits, "{} others, {key}: {said:?}", others.len());
        assert_eq!(list_invalidations(&world).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn others_that_never_end_and_a_stop_meanwhile_are_one_sentence_each() {
    const NEVER: &str = "cloudfront:CreateInvalidation:1+:error:TooManyInvalidationsInProgress";
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[NEVER]).await;
    let answers = answers_to_forget(&[PACKAGE_KEY]);
    let began = tokio::time::Instant::now();
    let (_, end, failure) = invalidate(&world, &answers, CancellationToken::new()).await;
    let failure = failure.unwrap();
    assert_eq!(end, StageEnd::Failed);
    assert!(failure.why.contains("900 s of waiting for other invalidations to end first"), "{failure:?}");
    assert!(failure.next.starts_with("wait until those that are in progress have ended"), "{failure:?}");
    assert!(began.elapsed() < Duration::from_mins(16), "{:?}", began.elapsed());

    let stop = CancellationToken::new();
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        stop.cancel();
    };
    let began = tokio::time::Instant::now();
    let ((_, end, failure), ()) = tokio::join!(invalidate(&world, &answers, stop.clone()), stopping);
    let failure = failure.unwrap();
    assert_eq!((end, failure.kind), (StageEnd::Stopped, FailureKind::Interrupted), "{failure:?}");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(!failure.why.contains("CloudFront goes on"), "it was never sent: {failure:?}");
    assert!(list_invalidations(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_longer_than_half_an_hour_is_left_to_cloudfront_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    let session = open_session(&world);
    let plan = Box::pin(engine::look(&session, RunStage::Invalidate, &answers_to_forget(&[]))).await.unwrap();
    // No edge tells that it has done it: what is asked about later was made later.
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, CancellationToken::new(), pause);
    let holding_up = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let now = world.sandbox_unix_time_now();
            world.update_sandbox_state_on_disk(|state| {
                let all = state.cloudfront.distributions.values_mut().flat_map(|one| &mut one.invalidations);
                all.for_each(|one| one.created = now);
            });
        }
    };
    let answers = answers_to_forget(&[]);
    let (end, failure) = tokio::select! {
        () = holding_up => unreachable!("it goes on for ever"),
        ended = Box::pin(engine::apply(&session, &plan, &answers, &run)) => ended,
    };
    let failure = failure.unwrap();
    assert_eq!(end, StageEnd::Failed);
    assert!(failure.what.starts_with("invalidation I"), "{failure:?}");
    assert!(failure.why.contains("it didn't come about in 1800 s"), "{failure:?}");
    assert!(failure.next.starts_with("CloudFront goes on with it by itself"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_with_a_tilde_is_forgotten_and_one_that_begins_otherwise_is_still_held() {
    const TILDE_KEY: &str = "1/2/debian/pool/a_1~rc1.deb";
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    place_sandbox_object(&world, SANDBOX_BUCKET, TILDE_KEY, &KEPT_A_YEAR, b"the file of before").unwrap();
    fetch_key_until_held(&world, TILDE_KEY).await;
    fetch_until_held(&world).await;
    place_sandbox_object(&world, SANDBOX_BUCKET, TILDE_KEY, &KEPT_A_YEAR, b"the file of after!").unwrap();
    let (_, _, failure) =
        invalidate(&world, &answers_to_forget(&[TILDE_KEY]), CancellationToken::new()).await;
    assert_eq!(failure, None);
    assert_eq!(list_invalidations(&world), [["/1/2/debian/pool/a_1*"]]);
    assert_eq!(download_key(&world, TILDE_KEY).await, ("the file of after!".to_owned(), false));
    assert!(download(&world).await.1, "another key's copy stays");
}

#[tokio::test(start_paused = true)]
async fn a_distribution_that_went_since_it_was_shown_is_looked_at_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    let session = open_session(&world);
    let plan = Box::pin(engine::look(&session, RunStage::Invalidate, &answers_to_forget(&[]))).await.unwrap();
    world.update_sandbox_state_on_disk(|state| state.cloudfront.distributions.clear());
    let silent = RunContext::new_silent_context();
    let (_, failure) = Box::pin(engine::apply(&session, &plan, &answers_to_forget(&[]), &silent)).await;
    assert_eq!(failure.unwrap().kind, FailureKind::Drifted);
}

#[tokio::test(start_paused = true)]
async fn three_copies_are_compared_and_no_more_and_where_no_edge_holds_one_it_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    let keys: Vec<String> = (0..12).map(|number| format!("1/2/ubuntu/package_files/{number}.deb")).collect();
    let place = |text: &[u8]| {
        for key in &keys {
            place_sandbox_object(&world, SANDBOX_BUCKET, key, &KEPT_A_YEAR, text).unwrap();
        }
    };
    place(b"1");
    let is_cached = |check: &CheckResult| check.name == "cached-copies";
    for key in &keys {
        fetch_key_until_held(&world, key).await;
    }
    let well = verify(&world).await;
    let copies = well.iter().find(|check| is_cached(check)).unwrap();
    assert_eq!(
        (copies.result, copies.detail.as_str()),
        (CheckVerdict::Pass, "3 packages that an edge holds are S3's")
    );
    place(b"2");
    world.clear_call_ledger();
    let checks = verify(&world).await;
    let copies = checks.iter().find(|check| is_cached(check)).unwrap();
    assert_eq!(copies.result, CheckVerdict::Fail, "{copies:?}");
    assert_eq!(copies.detail.matches(".deb").count(), 3, "{copies:?}");
    let reads = world.sandbox_recorded_aws_calls();
    let reads = reads.iter().filter(|call| ["GetObject", "HeadObject"].contains(&call.operation.as_str()));
    assert!(reads.clone().count() <= 20, "{:?}", reads.collect::<Vec<_>>());

    // Nothing may be held any more.
    for key in &keys {
        place_sandbox_object(&world, SANDBOX_BUCKET, key, &[("cache-control", "no-store")], b"3").unwrap();
    }
    world.sandbox_in_memory_state().cache.lock().unwrap().clear();
    let checks = verify(&world).await;
    let copies = checks.iter().find(|check| is_cached(check)).unwrap();
    assert_eq!(copies.result, CheckVerdict::Unknown, "{copies:?}");
    assert!(copies.detail.contains("holds none of the sampled packages"), "{copies:?}");
}

fn answers_with_metadata_glob(glob: &str) -> OperatorAnswers {
    let reindex = ReindexAnswers { metadata_globs: vec![glob.to_owned()], ..ReindexAnswers::default() };
    OperatorAnswers { reindex, ..install_answers() }
}

#[tokio::test(start_paused = true)]
async fn where_packages_are_no_longer_cached_by_a_path_the_command_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox(dir.path(), &[]).await;
    let find_note = async |answers: &OperatorAnswers| {
        let plan = look_at_stage(&world, answers, RunStage::Distribution).await.unwrap();
        plan.notes.into_iter().find(|note| note.contains("no longer cached as packages"))
    };
    assert_eq!(find_note(&install_answers()).await, None, "nothing changes");
    // A pattern that comes takes from what was cached, and one that can't be said takes all.
    for glob in ["*.run", "*.{run,sh}"] {
        let answers = answers_with_metadata_glob(glob);
        let note = find_note(&answers).await.unwrap_or_else(|| panic!("{glob}"));
        assert!(note.contains("up to a day") && note.ends_with("invalidate --packages"), "{glob}: {note}");
        let (said, result) = run_stages(&world, &answers, &[RunStage::Distribution]).await;
        assert_eq!(result, Ok(()), "{glob}");
        let ended = said.iter().find_map(|event| match event {
            StageEvent::Ended { text, .. } => Some(text.clone()),
            _ => None,
        });
        assert!(
            ended.as_ref().is_some_and(|text| text.ends_with("invalidate --packages")),
            "{glob}: {ended:?}"
        );
        assert_eq!(find_note(&answers).await, None, "{glob}: it is done");
    }
    // What comes back takes nothing away.
    assert_eq!(find_note(&install_answers()).await, None);
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
