//! What others do while a secret is rotated, by the real stages and at each of its events: switch off, roll back, enable.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use packagecloud_cloudfront::{
    engine::{RunContext, Session},
    host::HostStateDir,
    model::{
        aws::rotation::SecretRotationKind,
        failure::Failure,
        run::{
            answers::{OperatorAnswers, RollBackAnswers},
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::Sandbox,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    answers_for, assert_rotated,
    broken_off::{BreakingPoint, break_off_rotation, choose_stride, copy_sandbox},
    fetch_link_by_secret,
    links::LinkClients,
    open_live_sandbox, run_rotation,
};
use crate::{
    engine::{apply_stages, with_yes},
    resilience::sandbox_host::read_config_values,
    session::open_session,
};

fn disable_answers() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Disable), ..OperatorAnswers::default() }
}

/// Rotates; from its `nth` event on `beside` goes on too. How each ended; nothing of `beside` where there are fewer events.
async fn rotate_with_another_beside(
    session: &Session,
    nth: usize,
    beside: impl Future<Output = Result<(), Failure>>,
) -> (Result<(), Failure>, Option<Result<(), Failure>>) {
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let count = Arc::new(AtomicUsize::new(0));
    let (telling, mut told) = mpsc::unbounded_channel();
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(move |_| {
        if count.fetch_add(1, Relaxed) == nth {
            let _ = telling.send(());
        }
    });
    let answers = answers_for(SecretRotationKind::Rotate);
    let rotating = async {
        let ended = apply_stages(session, &answers, &[RunStage::Rotate], &run).await;
        drop(run);
        ended
    };
    let other = async {
        told.recv().await?;
        Some(beside.await)
    };
    tokio::join!(Box::pin(rotating), Box::pin(other))
}

/// Goes on to the rotation's end once CloudFront is on again: nothing is lost.
async fn enable_and_finish(world: &Sandbox, clients: &mut LinkClients, of: &str) {
    let run = RunContext::new_silent_context();
    let session = open_session(world);
    let enable = with_yes(&OperatorAnswers::default());
    let going = apply_stages(&session, &enable, &[RunStage::GoLive], &run);
    assert_eq!(Box::pin(clients.fetch_during(world, going)).await, Ok(()), "{of}");
    drop(session);
    for kind in [SecretRotationKind::Rotate, SecretRotationKind::Finish] {
        let (session, answers) = (open_session(world), answers_for(kind));
        let (said, result) = Box::pin(clients.fetch_during(world, run_rotation(&session, &answers))).await;
        assert_eq!(result, Ok(()), "{of}: {kind:?}: {said:?}");
    }
    clients.fetch_rest(world).await;
    clients.assert_none_refused(of);
}

#[tokio::test(start_paused = true)]
async fn a_disable_at_every_event_wins_and_refuses_nothing() {
    let (live, world, old) = Box::pin(open_live_sandbox()).await;
    drop(world);
    for nth in (0..).step_by(choose_stride(47)) {
        let (_dir, world) = copy_sandbox(live.path());
        let (session, other) = (open_session(&world), open_session(&world));
        let mut clients = LinkClients::default();
        let (disable, run) = (disable_answers(), RunContext::new_silent_context());
        let disabling = apply_stages(&other, &disable, &[RunStage::Disable], &run);
        let both = rotate_with_another_beside(&session, nth, disabling);
        let (rotated, disabled) = Box::pin(clients.fetch_during(&world, both)).await;
        drop((session, other));
        let Some(disabled) = disabled else { break };
        let of = format!("event {nth}, {rotated:?}");
        assert_eq!(disabled, Ok(()), "{of}");
        let values = read_config_values(&world);
        assert_eq!(values.enabled, Some(false), "{of}: nothing is ever turned on");
        let running = world.read_sandbox_state_from_disk(|state| state.packagecloud.nodes.clone());
        assert!(running.iter().all(|node| !node.enabled), "{of}: it runs");
        if let Err(failure) = &rotated {
            assert!(!failure.next.is_empty() && failure.to_string().contains("off"), "{of}");
        }
        Box::pin(enable_and_finish(&world, &mut clients, &of)).await;
        assert_rotated(&world, &old, &of);
    }
}

/// Restores the newest backup of packagecloud.rb by the real stage; whether there was one.
async fn roll_back_to_newest_backup(world: &Sandbox) -> Result<bool, Failure> {
    let session = open_session(world);
    let backups = session.host.list_config_backups().await?;
    // The newest comes first. Where the rotation has written none yet, it is of before CloudFront was on.
    let Some(backup) = backups.first() else { return Ok(false) };
    if session.host.read_config_backup(backup).await?.values.enabled != Some(true) {
        return Ok(false);
    }
    let roll_back =
        RollBackAnswers { backup: Some(backup.path.display().to_string()), ..RollBackAnswers::default() };
    let goal = Some(OperatorGoal::RollBack);
    let answers = with_yes(&OperatorAnswers { goal, roll_back, ..OperatorAnswers::default() });
    let run = RunContext::new_silent_context();
    Box::pin(apply_stages(&session, &answers, &[RunStage::RollBack], &run)).await?;
    Ok(true)
}

#[tokio::test(start_paused = true)]
async fn a_roll_back_after_a_break_at_every_event_refuses_nothing() {
    let (live, world, old) = Box::pin(open_live_sandbox()).await;
    drop(world);
    let mut restored = 0;
    for nth in (0..).step_by(choose_stride(47)) {
        let (_dir, world) = copy_sandbox(live.path());
        let session = open_session(&world);
        let mut clients = LinkClients::default();
        let breaking =
            break_off_rotation(&world, &session, SecretRotationKind::Rotate, BreakingPoint::Event(nth));
        let Some(of) = Box::pin(clients.fetch_during(&world, breaking)).await else { break };
        drop(session);
        let rolled = Box::pin(clients.fetch_during(&world, roll_back_to_newest_backup(&world))).await;
        restored += usize::from(rolled.unwrap_or_else(|failure| panic!("{of}: {failure:?}")));
        assert_eq!(fetch_link_by_secret(&world, &old).await, 200, "{of}");
        Box::pin(enable_and_finish(&world, &mut clients, &of)).await;
        assert_rotated(&world, &old, &of);
    }
    assert!(restored > 0, "no backup was restored");
}

/// A session whose state is another machine's: neither's lock holds the other back.
fn open_session_of_second_operator(world: &Sandbox) -> Session {
    let mut session = open_session(world);
    let state = world.sandbox_dir().join("second-operator");
    session.host.state = HostStateDir::open_state_dir(&state, None).unwrap();
    session
}

#[tokio::test(start_paused = true)]
async fn an_enable_by_a_second_operator_at_every_event_changes_no_secret_and_refuses_nothing() {
    let (live, world, old) = Box::pin(open_live_sandbox()).await;
    drop(world);
    for nth in (0..).step_by(choose_stride(47)) {
        let (_dir, world) = copy_sandbox(live.path());
        let (session, other) = (open_session(&world), open_session_of_second_operator(&world));
        let mut clients = LinkClients::default();
        let (enable, run) = (with_yes(&OperatorAnswers::default()), RunContext::new_silent_context());
        let enabling = apply_stages(&other, &enable, &crate::vendor::LIVE_STAGES, &run);
        let both = rotate_with_another_beside(&session, nth, enabling);
        let (rotated, enabled) = Box::pin(clients.fetch_during(&world, both)).await;
        drop((session, other));
        let Some(enabled) = enabled else { break };
        let of = format!("event {nth}, {rotated:?}, {enabled:?}");
        for ended in [&rotated, &enabled] {
            if let Err(failure) = ended {
                assert!(!failure.why.is_empty() && !failure.next.is_empty(), "{of}");
            }
        }
        Box::pin(enable_and_finish(&world, &mut clients, &of)).await;
        assert_rotated(&world, &old, &of);
    }
}
