//! A new secret without one refused link, in process (contract section 12): clients fetch all the while, and it is broken off,
//! switched off and interfered with at every step.

mod beside;
mod broken_off;
mod leaked;
mod links;
mod nodes;

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use packagecloud_cloudfront::{
    edge::bundle::parse_function_version_description,
    engine::{self, RunContext, Session},
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

use self::links::LinkClients;
use crate::{
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

/// Makes the rotation's stage go to its end: what it said, and how it ended.
async fn run_rotation(
    session: &Session,
    answers: &OperatorAnswers,
) -> (Vec<StageEvent>, Result<(), Failure>) {
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, CancellationToken::new(), pause);
    let result = Box::pin(apply_stages(session, answers, &[RunStage::Rotate], &run)).await;
    drop(run);
    let mut said = Vec::new();
    while let Some(event) = heard.recv().await {
        said.push(event);
    }
    (said, result)
}

/// Rotates while clients fetch all the while, none of whose links may be refused.
async fn rotate_under_load(
    world: &Sandbox,
    kind: SecretRotationKind,
) -> (Vec<StageEvent>, Result<(), Failure>) {
    let mut clients = LinkClients::default();
    let (session, answers) = (open_session(world), answers_for(kind));
    let done = Box::pin(clients.fetch_during(world, run_rotation(&session, &answers))).await;
    clients.fetch_all_now(world).await;
    clients.assert_none_refused(&format!("{kind:?}"));
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
    // The new one, too, which no node holds yet.
    let proven = find_version_proof_text(&said);
    assert!(proven.contains("a link by each of its 2 secrets through"), "{proven}");
    let ended = find_ended_text(&said);
    assert!(
        ended.contains("the edge accepts two secrets since ") && ended.contains("rotate-secret --finish"),
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
    let back = find_ended_text(&said).split("roll-back --edge ").nth(1).map(str::to_owned);
    let (here, run) = (open_session(&world), RunContext::new_silent_context());
    let arn = back.expect("the way back is said");
    let failure =
        Box::pin(engine::roll_back_function_version(&here, &OperatorAnswers::default(), &arn, &run)).await.1;
    assert_eq!((failure, fetch_link_by_secret(&world, &old).await), (None, 200));
}

#[tokio::test(start_paused = true)]
async fn a_finish_wants_its_own_yes_and_a_rotation_that_is_through() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
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
        other.secret = Some(old.expose_secret().to_owned());
        state.packagecloud.nodes.push(other);
        state.packagecloud.lagging = true;
    });
    let (session, run) = (open_session(&world), RunContext::new_silent_context());
    let checks =
        Box::pin(engine::run_verify_checks(&session, &OperatorAnswers::default(), &run)).await.unwrap();
    let two = checks.iter().find(|check| check.name == "accepted-secrets").unwrap();
    assert!(two.detail.contains("5 of 10 links are signed with another secret"), "{two:?}");
    assert!(two.detail.contains("rotate-secret") && !two.detail.contains("--finish"), "{two:?}");
    let failure = Box::pin(run_stages(&world, &finish, &[RunStage::Rotate])).await.1.unwrap_err();
    assert!(failure.why.contains("links are signed with another secret"), "{failure:?}");
    assert_eq!(count_version_secrets(&world, 2), (2, 2));
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

#[tokio::test(start_paused = true)]
async fn a_disable_between_its_file_and_its_restart_is_waited_for_and_said() {
    for follows in [true, false] {
        let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
        let (session, answers) = (open_session(&world), answers_for(SecretRotationKind::Rotate));
        // Its file says off before any node is written; packagecloud follows half a minute later, or never.
        let disabling = async {
            while !has_edge_two_secrets(&world) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            switch_off(&world);
            let proving = || world.read_sandbox_state_from_disk(|state| state.packagecloud.turn);
            // The readings of the edge take three minutes; then all links are asked for.
            tokio::time::sleep(Duration::from_mins(4)).await;
            assert!(proving() > 0);
            if follows {
                world.update_sandbox_state_on_disk(|state| {
                    state.packagecloud.nodes.iter_mut().for_each(|node| node.enabled = false);
                });
            }
        };
        let mut clients = LinkClients::default();
        let both = async { tokio::join!(run_rotation(&session, &answers), disabling).0 };
        let (said, result) = Box::pin(clients.fetch_during(&world, both)).await;
        clients.fetch_all_now(&world).await;
        clients.assert_none_refused(&format!("follows: {follows}"));
        assert_ne!(read_secret(&world), old);
        if follows {
            assert_eq!(result, Ok(()), "{said:?}");
            let ended = find_ended_text(&said);
            for words in
                ["CloudFront was switched off meanwhile in ", "and stays off", "to switch on again: "]
            {
                assert!(ended.contains(words), "{words}: {ended}");
            }
        } else {
            let failure = result.unwrap_err();
            assert!(failure.why.contains("was switched off in "), "{failure:?}");
            assert!(failure.why.contains("no link is refused"), "{failure:?}");
            assert!(
                failure.next.contains("disable") && failure.next.contains("rotate-secret"),
                "{failure:?}"
            );
        }
    }
}

/// Whether the edge has a version that accepts two.
fn has_edge_two_secrets(world: &Sandbox) -> bool {
    world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().any(|one| one.config.contains(":2</LambdaFunctionARN>"))
    })
}

/// What the version was seen to do before any edge had it.
fn find_version_proof_text(said: &[StageEvent]) -> String {
    let shown = said.iter().find_map(|event| match event {
        StageEvent::Finished { step: StageStep::VersionProof, text, .. } => Some(text.clone()),
        _ => None,
    });
    shown.unwrap_or_default()
}

/// What the stage's end said.
fn find_ended_text(said: &[StageEvent]) -> String {
    let ended = said.iter().find_map(|event| match event {
        StageEvent::Ended { text, .. } => Some(text.clone()),
        _ => None,
    });
    ended.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_signs_with_a_secret_that_the_edge_refuses_comes_before_any_plan() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    let strange = Secret::generate_cloudfront_secret(&[7; 16]);
    // The file is right, and packagecloud signs with something else; and a node beside it that nobody named.
    for is_other in [false, true] {
        let live = world.read_sandbox_state_from_disk(|state| state.packagecloud.clone());
        world.update_sandbox_state_on_disk(|state| {
            let mut node = state.packagecloud.nodes[0].clone();
            node.secret = Some(strange.expose_secret().to_owned());
            if is_other {
                state.packagecloud.nodes.push(node);
            } else {
                state.packagecloud.nodes[0] = node;
            }
        });
        for kind in [SecretRotationKind::Rotate, SecretRotationKind::Finish] {
            let failure = look_at_stage(&world, &answers_for(kind), RunStage::Rotate).await.unwrap_err();
            let count = if is_other { "5 of 10 links" } else { "10 of 10 links" };
            assert!(failure.why.starts_with(count), "{failure:?}");
            assert!(failure.why.contains("the edge does not accept"), "{failure:?}");
            assert!(failure.next.starts_with("correct that first: "), "{failure:?}");
        }
        world.update_sandbox_state_on_disk(|state| state.packagecloud = live);
    }
    assert_eq!(read_secret(&world), old, "nothing was changed");
    assert!(look_at_stage(&world, &answers_for(SecretRotationKind::Rotate), RunStage::Rotate).await.is_ok());
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
    assert!(failure.why.contains("a secret that the edge does not accept"), "{failure:?}");
    assert_eq!(read_secret(&world), pasted, "it is left as it is");
    let failure =
        look_at_stage(&world, &answers_for(SecretRotationKind::Rotate), RunStage::Rotate).await.unwrap_err();
    assert!(failure.next.contains("correct that first"), "{failure:?}");
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
        failure.why.contains("a run on web9 is rotating it") && failure.next.contains("rotate-secret"),
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

#[tokio::test(start_paused = true)]
async fn a_finish_hears_from_the_edges_logs_of_a_node_that_nobody_named() {
    let finish = answers_for(SecretRotationKind::Finish);
    for (fault, says) in [
        (None, ""),
        (Some("logs:*:deny"), "logs:FilterLogEvents is denied"),
        (Some("logs:*:throttle"), "could not be asked"),
    ] {
        let (dir, world, old) = Box::pin(open_live_sandbox()).await;
        assert_eq!(rotate_under_load(&world, SecretRotationKind::Rotate).await.1, Ok(()));
        drop(world);
        let faults: Vec<String> = fault.map(str::to_owned).into_iter().collect();
        let world = open_instant_sandbox(dir.path(), &faults);
        // A link of the rotation's own minutes is nobody's fault; one of later is of a node that wasn't named.
        tokio::time::sleep(Duration::from_mins(7)).await;
        assert_eq!(fetch_link_by_secret(&world, &old).await, 200);
        let (said, result) = rotate_under_load(&world, SecretRotationKind::Finish).await;
        if fault.is_some() {
            // What can't be asked is said, and stops nothing.
            assert_eq!(result, Ok(()), "{said:?}");
            assert!(format!("{said:?}").contains(says), "{says}: {said:?}");
            continue;
        }
        let failure = result.unwrap_err();
        for words in
            ["an edge in us-east-1 accepted a link by it at ", "a node that is not named signs with it"]
        {
            assert!(failure.why.contains(words), "{words}: {failure:?}");
        }
        assert!(failure.next.contains("--host") && failure.next.contains("rotate-secret"), "{failure:?}");
        assert_eq!(fetch_link_by_secret(&world, &old).await, 200, "nothing was ended");
        // An hour later that line is old news.
        tokio::time::sleep(Duration::from_mins(61)).await;
        let (said, result) = Box::pin(run_rotation(&open_session(&world), &finish)).await;
        assert_eq!(result, Ok(()), "{said:?}");
        assert!(format!("{said:?}").contains("no instance of the function has logged since"), "{said:?}");
        assert_eq!(fetch_link_by_secret(&world, &old).await, 403);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fourth_secret_is_refused_in_one_sentence() {
    let (_dir, world, _) = Box::pin(open_live_sandbox()).await;
    world.update_sandbox_state_on_disk(|state| {
        let version = state.lambda.functions.get_mut(FUNCTION).unwrap().versions.last_mut().unwrap();
        let mut described = parse_function_version_description(&version.configuration.description).unwrap();
        described.fingerprints.extend(["d".repeat(32), "e".repeat(32)]);
        version.configuration.description = described.to_string();
    });
    // Where nobody can see what packagecloud signs with, nothing that the edge accepts is left out.
    let mut session = open_session(&world);
    std::sync::Arc::get_mut(&mut session.settings).unwrap().packagecloud_url = None;
    let answers = answers_for(SecretRotationKind::Rotate);
    let failure = Box::pin(engine::look(&session, RunStage::Rotate, &answers)).await.unwrap_err();
    assert!(failure.why.contains("three") || failure.why.contains('3'), "{failure:?}");
    assert!(failure.next.contains("rotate-secret --finish"), "{failure:?}");
}
