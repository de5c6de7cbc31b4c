//! The function's runtime rolls on: `enable` on one of ours publishes the new one, proven, associated, Deployed and gated, and no link is refused meanwhile.

use packagecloud_cloudfront::{
    edge::bundle::parse_function_version_description,
    engine::{self, RunContext},
    model::{
        aws::lambda_runtime::AUTHENTICATOR_RUNTIME,
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            event::StageEvent,
            goal::{OperatorGoal, RunStage, StageStep},
            plan::{RequiredConsent, ResourceChangeKind},
        },
    },
    sandbox::{self, Sandbox, SandboxOptions},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{download_package, watch_clients_during},
    engine::{apply_stages, look_at_stage, open_instant_sandbox, run_stages, with_yes},
    session::open_session,
    vendor::{ALL_LEFTOVERS, LIVE_STAGES, set_up_vendor_bootstrap},
    version_proof::{
        count_invokes, count_version_secrets, fetch_handed_out_link, fetch_status, replace_code_of_version,
        set_up_new_secret, switch_off,
    },
};

const OLD_RUNTIME: &str = "nodejs20.x";

fn install_answers() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() }
}

/// What an older release left: its versions' runtime, and where `digest` is given, its digest of them.
pub fn age_authenticator(world: &Sandbox, digest: Option<char>) {
    world.update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            for version in &mut function.versions {
                for one in [&mut version.configuration, &mut version.of] {
                    one.runtime = OLD_RUNTIME.into();
                    if let (Some(digest), Some(mut described)) =
                        (digest, parse_function_version_description(&one.description))
                    {
                        described.digest = digest.to_string().repeat(64);
                        one.description = described.to_string();
                    }
                }
            }
            function.latest.runtime = OLD_RUNTIME.into();
        }
    });
}

/// The number, runtime and fingerprints of the version that the distribution carries, and the distribution's status.
fn read_associated_version(world: &Sandbox) -> (String, String, Vec<String>) {
    world.read_sandbox_state_from_disk(|state| {
        let config = &state.cloudfront.distributions.values().next().unwrap().config;
        let (_, rest) = config.split_once("<LambdaFunctionARN>").unwrap();
        let arn = rest.split_once('<').unwrap().0;
        let number = arn.rsplit(':').next().unwrap().to_owned();
        let function = state.lambda.functions.values().next().unwrap();
        let version = &function.versions[number.parse::<usize>().unwrap() - 1].configuration;
        let described = parse_function_version_description(&version.description).unwrap();
        (number, version.runtime.clone(), described.fingerprints)
    })
}

/// Live, on the old runtime, with states that take their time.
async fn open_live_sandbox_of_old_runtime(dir: &std::path::Path, digest: Option<char>) -> Sandbox {
    let options = SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
    age_authenticator(&world, digest);
    assert_eq!(read_associated_version(&world).1, OLD_RUNTIME);
    world
}

/// Does all stages, which `listener` hears; where it cancels `killed`, all of it ends there and then.
async fn roll_on_heard_by(
    world: &Sandbox,
    killed: &CancellationToken,
    listener: impl Fn(&StageEvent) + Send + Sync + 'static,
) -> Option<Result<(), Failure>> {
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(listener);
    let (session, answers) = (open_session(world), with_yes(&install_answers()));
    tokio::select! {
        biased;
        () = killed.cancelled() => None,
        result = Box::pin(apply_stages(&session, &answers, &LIVE_STAGES, &run)) => Some(result),
    }
}

/// The steps that ended, in order, but those of going live, which has a gate of its own.
fn list_finished_steps(said: &[StageEvent]) -> Vec<StageStep> {
    said.iter()
        .filter_map(|event| match event {
            StageEvent::Finished { stage, step, .. } if *stage != RunStage::GoLive => Some(*step),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_old_runtime_of_ours_rolls_on_while_clients_fetch() {
    for digest in [Some('0'), None] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_live_sandbox_of_old_runtime(dir.path(), digest).await;
        let (_, _, held) = read_associated_version(&world);
        let invokes = count_invokes(&world);

        let plan = look_at_stage(&world, &install_answers(), RunStage::Bootstrap).await.unwrap();
        assert!(plan.confirmations.is_empty(), "it is ours: {:?}", plan.confirmations);
        let function = plan.changes.iter().find(|change| change.step == StageStep::Function).unwrap();
        assert_eq!(function.verb, ResourceChangeKind::Update);
        assert_eq!(function.why, format!("its runtime {OLD_RUNTIME} becomes {AUTHENTICATOR_RUNTIME}"));
        let said: Vec<String> = plan.facts.iter().map(ToString::to_string).collect();
        let said = said.iter().find(|fact| fact.starts_with("The function's runtime")).unwrap();
        for part in ["2026-04-30", AUTHENTICATOR_RUNTIME, "2028-04-30", "roll-back --edge arn:aws:lambda"] {
            assert!(said.contains(part), "{part}: {said}");
        }

        let answers = install_answers();
        let rolling = run_stages(&world, &answers, &LIVE_STAGES);
        let ((said, result), wrong) = Box::pin(watch_clients_during(&world, true, rolling)).await;
        assert_eq!((result, wrong), (Ok(()), None));
        let steps = list_finished_steps(&said);
        let place = |step| steps.iter().position(|one| *one == step).unwrap_or_else(|| panic!("{step:?}"));
        let order = [
            StageStep::FunctionVersion,
            StageStep::VersionProof,
            StageStep::Authenticator,
            StageStep::Deployed,
            StageStep::Gate,
        ];
        assert!(order.map(place).is_sorted(), "{steps:?}");
        assert_eq!(count_invokes(&world), invokes + 3, "by a right, a forged and an expired link");
        assert_eq!(read_associated_version(&world), ("2".to_owned(), AUTHENTICATOR_RUNTIME.to_owned(), held));

        let again = look_at_stage(&world, &install_answers(), RunStage::Bootstrap).await.unwrap();
        assert!(again.is_plan_without_changes(), "{:?}", again.changes);
        assert!(!again.facts.iter().any(|fact| fact.topic == "The function's runtime"), "{:?}", again.facts);
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_version_gets_on_a_distribution_that_serves_links_by_a_question_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox_of_old_runtime(dir.path(), None).await;
    let asked = async || {
        let plan = look_at_stage(&world, &install_answers(), RunStage::Distribution).await.unwrap();
        let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|one| one.consent).collect();
        assert_eq!(asked, [RequiredConsent::LiveChange], "{:?}", plan.confirmations);
        for step in [StageStep::VersionProof, StageStep::Gate] {
            assert!(plan.changes.iter().any(|change| change.step == step), "{step:?}: {:?}", plan.changes);
        }
        plan
    };
    // Before it is published too: one plan shows all that is asked.
    asked().await;
    run_stages(&world, &install_answers(), &[RunStage::Bootstrap]).await.1.unwrap();
    let plan = asked().await;
    let silent = RunContext::new_silent_context();
    let (_, failure) =
        Box::pin(engine::apply(&open_session(&world), &plan, &install_answers(), &silent)).await;
    assert_eq!(failure.unwrap().kind, FailureKind::Consent);
    assert_eq!(read_associated_version(&world).0, "1", "without a yes nothing is changed");
}

#[tokio::test(start_paused = true)]
async fn a_new_runtime_that_the_gate_refuses_is_put_back_and_tried_again_once_it_works() {
    const NO_HANDLER: &str = "export const handler = async event => { throw new Error('no such module') }";
    let dir = tempfile::tempdir().unwrap();
    let world = open_live_sandbox_of_old_runtime(dir.path(), None).await;
    let (_, _, held) = read_associated_version(&world);
    // It runs in us-east-1, and at the edge it doesn't.
    let (edge, kept) = (world.clone(), std::sync::Arc::new(std::sync::Mutex::new(None)));
    let right_code = std::sync::Arc::clone(&kept);
    let never = CancellationToken::new();
    let result = roll_on_heard_by(&world, &never, move |event| {
        if matches!(event, StageEvent::Started { step: StageStep::Gate, .. }) {
            right_code.lock().unwrap().get_or_insert_with(|| replace_code_of_version(&edge, 2, NO_HANDLER));
        }
    });
    let failure = result.await.unwrap().unwrap_err();
    assert!(failure.what.starts_with("the gate"), "{failure:?}");
    assert!(failure.why.contains("the distribution was put back, and every edge has it"), "{failure:?}");
    assert!(!failure.next.is_empty() && failure.kind == FailureKind::Other, "{failure:?}");
    assert_eq!(read_associated_version(&world), ("1".to_owned(), OLD_RUNTIME.to_owned(), held.clone()));
    assert_eq!(download_package(&world).await.unwrap().1, 200);

    // The version that was published stays, and is not published again.
    let (path, code): (std::path::PathBuf, Vec<u8>) = kept.lock().unwrap().take().unwrap();
    std::fs::write(path, code).unwrap();
    tokio::time::advance(std::time::Duration::from_hours(12)).await;
    let answers = install_answers();
    let rolling = run_stages(&world, &answers, &LIVE_STAGES);
    let ((_, result), wrong) = Box::pin(watch_clients_during(&world, true, rolling)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(read_associated_version(&world), ("2".to_owned(), AUTHENTICATOR_RUNTIME.to_owned(), held));
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_the_next_run_goes_on_and_clients_notice_nothing() {
    for step in [
        StageStep::Function,
        StageStep::FunctionVersion,
        StageStep::VersionProof,
        StageStep::Authenticator,
        StageStep::Deployed,
        StageStep::Gate,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let world = open_live_sandbox_of_old_runtime(dir.path(), Some('0')).await;
        let (_, _, held) = read_associated_version(&world);
        let killed = CancellationToken::new();
        let kill = killed.clone();
        let breaking_off = roll_on_heard_by(&world, &killed, move |event| {
            if matches!(event, StageEvent::Started { step: one, .. } if *one == step) {
                kill.cancel();
            }
        });
        let (result, wrong) = Box::pin(watch_clients_during(&world, true, breaking_off)).await;
        assert_eq!((result, wrong), (None, None), "{step:?}");
        let answers = install_answers();
        let rolling = run_stages(&world, &answers, &LIVE_STAGES);
        let ((said, result), wrong) = Box::pin(watch_clients_during(&world, true, rolling)).await;
        assert_eq!((result, wrong), (Ok(()), None), "{step:?}");
        assert!(list_finished_steps(&said).contains(&StageStep::Gate), "{step:?}: it was gated");
        let now = read_associated_version(&world);
        assert_eq!(now, ("2".to_owned(), AUTHENTICATOR_RUNTIME.to_owned(), held), "{step:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_runtime_takes_every_accepted_secret_along() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
    let first_link = fetch_handed_out_link(&world).await;
    switch_off(&world);
    set_up_new_secret(&world).await.unwrap();
    run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
    let second_link = fetch_handed_out_link(&world).await;
    assert_eq!(count_version_secrets(&world, 2), (2, 2));
    age_authenticator(&world, Some('0'));
    let (_, _, held) = read_associated_version(&world);

    run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
    assert_eq!(read_associated_version(&world), ("3".to_owned(), AUTHENTICATOR_RUNTIME.to_owned(), held));
    assert_eq!(count_version_secrets(&world, 3), (2, 2));
    for link in [first_link, second_link] {
        assert_eq!(fetch_status(&world, &link).await, 200, "{link}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendors_function_rolls_on_with_adopt_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = SandboxOptions { dir: dir.path().to_owned(), ..SandboxOptions::default() };
    let world = sandbox::open_or_seed_sandbox(&options).unwrap();
    Box::pin(set_up_vendor_bootstrap(&world, &install_answers(), ALL_LEFTOVERS)).await;
    let read_runtimes = || {
        world.read_sandbox_state_from_disk(|state| {
            let function = state.lambda.functions.values().next().unwrap();
            function.versions.iter().map(|one| one.configuration.runtime.clone()).collect::<Vec<_>>()
        })
    };
    let invokes = count_invokes(&world);
    let failure = run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Consent, "{failure:?}");
    assert!(failure.next.contains("--adopt"), "{failure:?}");
    assert_eq!((read_runtimes(), count_invokes(&world)), (vec![OLD_RUNTIME.to_owned()], invokes));

    let consents = OperatorConsents { adopt: true, ..OperatorConsents::default() };
    let answers = OperatorAnswers { consents, ..install_answers() };
    let adopting = run_stages(&world, &answers, &LIVE_STAGES);
    let ((said, result), wrong) = Box::pin(watch_clients_during(&world, true, adopting)).await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert!(list_finished_steps(&said).contains(&StageStep::Gate));
    assert_eq!(read_runtimes(), [OLD_RUNTIME, AUTHENTICATOR_RUNTIME], "the old version stays");
}
