//! A new secret without one refused link, in process (contract section 12): clients fetch all the while, and it is broken off,
//! switched off and interfered with at every step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::{
        aws::rotation::{ROTATION_TAG, SecretRotationKind},
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            check::CheckResult,
            event::StageEvent,
            goal::{OperatorGoal, RunStage, StageStep},
            plan::RequiredConsent,
        },
        secret::Secret,
        url::token::{
            TokenMacAlgorithm, UrlTokenConstruction, compute_secret_fingerprint, sign_packages_url,
        },
    },
    sandbox::Sandbox,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    client::download_package,
    engine::{apply_stages, look_at_stage, open_instant_sandbox, run_stages},
    resilience::sandbox_host::read_config_values,
    session::open_session,
    vendor::LIVE_STAGES,
    version_proof::{count_version_secrets, fetch_status, switch_off},
};

const FUNCTION: &str = "packagecloud_cloudfront_auth";
const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";

fn answers_for(kind: SecretRotationKind) -> OperatorAnswers {
    let consents = OperatorConsents {
        live_change: true,
        rotation_take_over: true,
        no_other_node: true,
        ..OperatorConsents::default()
    };
    OperatorAnswers {
        goal: Some(OperatorGoal::Rotate),
        rotation: kind,
        consents,
        ..OperatorAnswers::default()
    }
}

/// A sandbox that is live, and the secret that it is live with.
async fn open_live_sandbox() -> (tempfile::TempDir, Sandbox, Secret) {
    let dir = tempfile::tempdir().unwrap();
    let world = open_instant_sandbox(dir.path(), &[]);
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    let secret = read_secret(&world);
    (dir, world, secret)
}

fn read_secret(world: &Sandbox) -> Secret {
    read_config_values(world).secret.unwrap()
}

/// The status of a link that is signed now with this secret.
async fn fetch_link_by_secret(world: &Sandbox, secret: &Secret) -> u16 {
    let domain = read_config_values(world).packages_domain.unwrap();
    let key = secret.decode_base64_secret_key().unwrap();
    let expires = world.sandbox_unix_time_now().as_secs() + 300;
    let construction = UrlTokenConstruction::default();
    let url = sign_packages_url(&key, PACKAGE_KEY, expires, TokenMacAlgorithm::Sha1, construction, &domain);
    fetch_status(world, &url).await
}

/// Does `work` while a client fetches all the while; the first link that was refused, if one was.
async fn watch_links_during<T>(world: &Sandbox, work: impl Future<Output = T>) -> (T, Option<String>) {
    let mut wrong = None;
    let watching = async {
        loop {
            if let Some((host, status)) = Box::pin(download_package(world)).await
                && status != 200
            {
                wrong.get_or_insert(format!("a signed link to {host} answers {status}"));
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let done = tokio::select! {
        biased;
        () = watching => unreachable!("it watches for ever"),
        done = Box::pin(work) => done,
    };
    (done, wrong)
}

/// Rotates while a client fetches all the while, none of whose links may be refused.
async fn rotate_under_load(
    world: &Sandbox,
    kind: SecretRotationKind,
) -> (Vec<StageEvent>, Result<(), Failure>) {
    let answers = answers_for(kind);
    let rotating = Box::pin(run_stages(world, &answers, &[RunStage::Rotate]));
    let (done, wrong) = Box::pin(watch_links_during(world, rotating)).await;
    assert_eq!(wrong, None, "{kind:?}");
    done
}

fn assert_rotated(world: &Sandbox, old: &Secret, of: &str) -> Secret {
    let new = read_secret(world);
    assert_ne!(&new, old, "{of}");
    let running = world.read_sandbox_state_from_disk(|state| state.packagecloud.nodes.clone());
    assert!(
        running.iter().all(|node| node.enabled && node.secret.as_deref() == Some(new.expose_secret())),
        "{of}: packagecloud signs with the new one"
    );
    new
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_rotated_and_finished_without_one_refused_link() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    let (said, result) = rotate_under_load(&world, SecretRotationKind::Rotate).await;
    assert_eq!(result, Ok(()), "{said:?}");
    let new = assert_rotated(&world, &old, "whole");
    assert_eq!(count_version_secrets(&world, 2), (2, 2));
    let ended = said.iter().find_map(|event| match event {
        StageEvent::Ended { text, .. } => Some(text.clone()),
        _ => None,
    });
    let ended = ended.unwrap();
    assert!(
        ended.contains("the edge accepts two since ") && ended.contains("rotate-secret --finish"),
        "{ended}"
    );
    // The one before is accepted until it is finished, and verify says so.
    assert_eq!(fetch_link_by_secret(&world, &old).await, 200);
    let checks = {
        let (session, run) = (open_session(&world), RunContext::new_silent_context());
        Box::pin(engine::run_verify_checks(&session, &OperatorAnswers::default(), &run)).await.unwrap()
    };
    let two = checks.iter().find(|check| check.name == "accepted-secrets").unwrap();
    assert!(two.detail.starts_with("two secrets accepted since 20"), "{two:?}");
    assert!(!checks.iter().any(CheckResult::has_failed), "{checks:?}");
    // Another rotation isn't begun before that one is finished.
    let plan =
        look_at_stage(&world, &answers_for(SecretRotationKind::Rotate), RunStage::Rotate).await.unwrap();
    assert!(plan.is_plan_without_changes(), "{:?}", plan.changes);
    // Whoever enables meanwhile changes nothing of it.
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    assert_eq!((read_secret(&world), fetch_link_by_secret(&world, &old).await), (new.clone(), 200));

    let (said, result) = rotate_under_load(&world, SecretRotationKind::Finish).await;
    assert_eq!(result, Ok(()), "{said:?}");
    assert_eq!(fetch_link_by_secret(&world, &old).await, 403);
    assert_eq!(fetch_link_by_secret(&world, &new).await, 200);
    let back = said.iter().find_map(|event| match event {
        StageEvent::Ended { text, .. } => text.split("roll-back --edge ").nth(1).map(str::to_owned),
        _ => None,
    });
    let (here, run) = (open_session(&world), RunContext::new_silent_context());
    let arn = back.expect("the way back is said");
    let failure =
        Box::pin(engine::roll_back_function_version(&here, &OperatorAnswers::default(), &arn, &run)).await.1;
    assert_eq!((failure, fetch_link_by_secret(&world, &old).await), (None, 200));
}

#[tokio::test(start_paused = true)]
async fn a_finish_wants_its_own_yes_and_a_rotation_that_is_through() {
    let (_dir, world, _) = Box::pin(open_live_sandbox()).await;
    let finish = answers_for(SecretRotationKind::Finish);
    let plan = look_at_stage(&world, &finish, RunStage::Rotate).await.unwrap();
    assert!(plan.is_plan_without_changes(), "there is one secret alone");
    assert_eq!(rotate_under_load(&world, SecretRotationKind::Rotate).await.1, Ok(()));
    let consents = OperatorConsents { no_other_node: false, ..finish.consents.clone() };
    let unasked = OperatorAnswers { consents, ..finish.clone() };
    let plan = look_at_stage(&world, &unasked, RunStage::Rotate).await.unwrap();
    let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|one| one.consent).collect();
    assert_eq!(asked, [RequiredConsent::NoOtherNode]);
    // A second node that nobody named signs on with what it has.
    world.update_sandbox_state_on_disk(|state| {
        let mut other = state.packagecloud.nodes[0].clone();
        other.secret = Some(Secret::generate_cloudfront_secret(&[7; 16]).expose_secret().to_owned());
        state.packagecloud.nodes.push(other);
        state.packagecloud.lagging = true;
    });
    let failure = Box::pin(run_stages(&world, &finish, &[RunStage::Rotate])).await.1.unwrap_err();
    assert!(failure.why.contains("links are signed with another secret"), "{failure:?}");
    assert_eq!(count_version_secrets(&world, 2), (2, 2));
}

/// Runs a rotation until its `nth` event, where it breaks off as by a kill; the step, or none where it ended before that.
async fn break_off_at_event(world: &Sandbox, kind: SecretRotationKind, nth: usize) -> Option<String> {
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let count = Arc::new(AtomicUsize::new(0));
    let (killing, mut killed) = mpsc::unbounded_channel();
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(move |event| {
        if count.fetch_add(1, Relaxed) == nth {
            let _ = killing.send(format!("{nth}: {event:?}"));
        }
    });
    let session = open_session(world);
    let answers = answers_for(kind);
    let rotating = apply_stages(&session, &answers, &[RunStage::Rotate], &run);
    tokio::select! {
        biased;
        of = killed.recv() => of,
        done = Box::pin(rotating) => {
            assert_eq!(done, Ok(()));
            None
        }
    }
}

#[tokio::test(start_paused = true)]
async fn broken_off_at_every_event_it_goes_on_and_refuses_nothing() {
    // A prime: every step is met, sooner or later, and each event where all is wanted.
    let stride = if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 1 } else { 11 };
    for nth in (0..).step_by(stride) {
        let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
        let breaking = Box::pin(break_off_at_event(&world, SecretRotationKind::Rotate, nth));
        let (of, wrong) = Box::pin(watch_links_during(&world, breaking)).await;
        assert_eq!(wrong, None, "{of:?}");
        let Some(of) = of else { break };
        let (said, result) = rotate_under_load(&world, SecretRotationKind::Rotate).await;
        assert_eq!(result, Ok(()), "{of}: {said:?}");
        let new = assert_rotated(&world, &old, &of);
        assert_eq!(fetch_link_by_secret(&world, &old).await, 200, "{of}: {said:?}");
        let held =
            world.read_sandbox_state_from_disk(|state| state.lambda.functions[FUNCTION].versions.len());
        assert!(held <= 3, "{of}: {held} versions");
        let (said, result) = rotate_under_load(&world, SecretRotationKind::Finish).await;
        assert_eq!(result, Ok(()), "{of}: {said:?}");
        let ends = (fetch_link_by_secret(&world, &old).await, fetch_link_by_secret(&world, &new).await);
        assert_eq!(ends, (403, 200), "{of}");
    }
}

/// Rotates; at the beginning of `step` somebody does something beside it.
async fn rotate_beside(
    world: &Sandbox,
    step: StageStep,
    beside: impl Fn(&Sandbox) + Send + Sync + 'static,
) -> Result<(), Failure> {
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let there = world.clone();
    let done = AtomicUsize::new(0);
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(move |event| {
        if matches!(event, StageEvent::Started { step: now, .. } if *now == step)
            && done.fetch_add(1, Relaxed) == 0
        {
            beside(&there);
        }
    });
    let session = open_session(world);
    Box::pin(apply_stages(&session, &answers_for(SecretRotationKind::Rotate), &[RunStage::Rotate], &run))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_disable_in_the_middle_stays_off_and_the_node_has_the_new_secret() {
    for step in [StageStep::EdgeReadings, StageStep::Reconfigure] {
        let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
        let done = rotate_beside(&world, step, |world| {
            switch_off(world);
            world.update_sandbox_state_on_disk(|state| {
                state.packagecloud.nodes.iter_mut().for_each(|node| node.enabled = false);
            });
        })
        .await;
        assert_eq!(done, Ok(()), "{step:?}");
        let values = read_config_values(&world);
        assert_eq!(values.enabled, Some(false), "{step:?}: nothing is ever turned on");
        assert_ne!(values.secret, Some(old), "{step:?}");
    }
}

/// Puts a secret into packagecloud.rb, as an operator pastes it.
fn paste_secret(world: &Sandbox, secret: &Secret) {
    let path = world.sandbox_dir().join("packagecloud.rb");
    let text = std::fs::read_to_string(&path).unwrap();
    let now = read_secret(world);
    std::fs::write(&path, text.replace(now.expose_secret(), secret.expose_secret())).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_secret_pasted_by_hand_that_the_edge_refuses_comes_first() {
    let (_dir, world, _) = Box::pin(open_live_sandbox()).await;
    let pasted = Secret::generate_cloudfront_secret(&[9; 16]);
    let there = pasted.clone();
    let failure = rotate_beside(&world, StageStep::EdgeReadings, move |world| paste_secret(world, &there))
        .await
        .unwrap_err();
    assert!(failure.why.contains("holds a secret that the edge doesn't accept"), "{failure:?}");
    assert_eq!(read_secret(&world), pasted, "it is left as it is");
    let failure =
        look_at_stage(&world, &answers_for(SecretRotationKind::Rotate), RunStage::Rotate).await.unwrap_err();
    assert!(failure.next.contains("that comes first"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_meanwhile_is_gone_on_from() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    assert_eq!(rotate_under_load(&world, SecretRotationKind::Rotate).await.1, Ok(()));
    paste_secret(&world, &old);
    let failure =
        look_at_stage(&world, &answers_for(SecretRotationKind::Finish), RunStage::Rotate).await.map(|_| ());
    // The file holds the one before again: it is no end of that.
    assert_eq!(failure, Ok(()));
    let (_, result) = rotate_under_load(&world, SecretRotationKind::Rotate).await;
    assert_eq!(result, Ok(()));
    assert_rotated(&world, &old, "after the roll-back");
}

/// What another host says in the function's tag.
fn mark_by_other_host(world: &Sandbox, seconds_ago: u64) {
    let at = world.sandbox_unix_time_now().as_secs() - seconds_ago;
    let mark = packagecloud_cloudfront::model::aws::rotation::RotationMark {
        host: "web9".into(),
        at,
        is_running: true,
        fingerprint: compute_secret_fingerprint(&read_secret(world)).unwrap(),
        since: None,
        finish_at: None,
    };
    world.update_sandbox_state_on_disk(|state| {
        let function = state.lambda.functions.get_mut(FUNCTION).unwrap();
        function.tags.insert(ROTATION_TAG.to_owned(), mark.to_string());
    });
}

#[tokio::test(start_paused = true)]
async fn another_hosts_rotation_is_waited_for_and_after_an_hour_asked_about() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    let mut answers = answers_for(SecretRotationKind::Rotate);
    answers.consents.rotation_take_over = false;
    mark_by_other_host(&world, 600);
    let failure = look_at_stage(&world, &answers, RunStage::Rotate).await.unwrap_err();
    assert!(
        failure.why.contains("a run on web9 rotates it") && failure.next.contains("rotate-secret"),
        "{failure:?}"
    );
    mark_by_other_host(&world, 3700);
    let plan = look_at_stage(&world, &answers, RunStage::Rotate).await.unwrap();
    let asked: Vec<RequiredConsent> = plan.confirmations.iter().map(|one| one.consent).collect();
    assert_eq!(asked, [RequiredConsent::RotationTakeOver]);
    // One that begins while this one waits keeps it from the nodes.
    let failure = rotate_beside(&world, StageStep::EdgeReadings, |world| mark_by_other_host(world, 0))
        .await
        .unwrap_err();
    assert!(failure.why.contains("a run on web9"), "{failure:?}");
    assert_eq!((failure.kind, read_secret(&world)), (FailureKind::Other, old));
}
