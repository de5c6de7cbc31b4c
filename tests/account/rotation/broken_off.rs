//! A rotation that is broken off as by a kill, at each of its events and at each of its requests, and started again: no link of
//! clients is refused.

use std::{
    future::poll_fn,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use packagecloud_cloudfront::{
    engine::{RunContext, Session},
    model::{
        aws::rotation::SecretRotationKind,
        run::{answers::OperatorAnswers, goal::RunStage},
        secret::Secret,
    },
    sandbox::Sandbox,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    FUNCTION, answers_for, assert_rotated, fetch_link_by_secret,
    links::LinkClients,
    nodes::{add_second_node, open_two_node_session, read_second_secret},
    open_live_sandbox, read_secret, rotate_under_load, run_rotation,
};
use crate::{
    directory::copy_directory,
    engine::{apply_stages, open_instant_sandbox, run_stages},
    session::open_session,
    vendor::LIVE_STAGES,
};

/// Where a run is broken off, counted from 0.
#[derive(Debug, Clone, Copy)]
pub enum BreakingPoint {
    Event(usize),
    /// The request is done, and its answer is not heard.
    Request(usize),
}

/// Every `stride`-th point, or each one where everything is asked for.
pub fn choose_stride(stride: usize) -> usize {
    if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 1 } else { stride }
}

/// The last of the requests of this run that AWS has answered, where there are more than `count`; clients' are not among them.
fn find_request_beyond(world: &Sandbox, count: usize) -> Option<String> {
    let calls = world.sandbox_recorded_aws_calls();
    let own = calls.iter().filter(|call| {
        !["packagecloud", "edge"].contains(&call.service.as_str())
            && !["Decrypt", "GetObject"].contains(&call.operation.as_str())
    });
    own.map(|call| format!("{}:{}", call.service, call.operation)).nth(count)
}

/// Runs a rotation to where it is broken off; what that was, or none where it came to its end before.
pub async fn break_off_rotation(
    world: &Sandbox,
    session: &Session,
    kind: SecretRotationKind,
    point: BreakingPoint,
) -> Option<String> {
    let (events, _heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let count = Arc::new(AtomicUsize::new(0));
    let (killing, mut killed) = mpsc::unbounded_channel();
    let run = RunContext::new(events, CancellationToken::new(), pause).with_event_listener(move |event| {
        let nth = count.fetch_add(1, Relaxed);
        if matches!(point, BreakingPoint::Event(wanted) if wanted == nth) {
            let _ = killing.send(format!("{nth}: {event:?}"));
        }
    });
    world.clear_call_ledger();
    let answers = answers_for(kind);
    let rotating = apply_stages(session, &answers, &[RunStage::Rotate], &run);
    // Looked at whenever anything of this wakes, which is before the run hears its answer.
    let request = poll_fn(|_| match point {
        BreakingPoint::Request(nth) => find_request_beyond(world, nth).map_or(Poll::Pending, Poll::Ready),
        BreakingPoint::Event(_) => Poll::Pending,
    });
    tokio::select! {
        biased;
        of = killed.recv() => of,
        of = request => Some(format!("{point:?}: {of}")),
        done = Box::pin(rotating) => {
            assert_eq!(done, Ok(()));
            None
        }
    }
}

pub fn copy_sandbox(of: &Path) -> (tempfile::TempDir, Sandbox) {
    let dir = tempfile::tempdir().unwrap();
    copy_directory(of, dir.path());
    let world = open_instant_sandbox(dir.path(), &[]);
    (dir, world)
}

fn count_versions(world: &Sandbox) -> usize {
    world.read_sandbox_state_from_disk(|state| state.lambda.functions[FUNCTION].versions.len())
}

/// A live sandbox, once: each run has a copy of it.
async fn prepare_live_dir(with_second_node: bool) -> (tempfile::TempDir, Secret) {
    let (dir, world, old) = Box::pin(open_live_sandbox()).await;
    if with_second_node {
        add_second_node(&world);
    }
    (dir, old)
}

/// Breaks a rotation off, goes on, and finishes it, while clients fetch all the while.
async fn break_off_and_go_on(live: &Path, old: &Secret, is_two: bool, point: BreakingPoint) -> bool {
    let (_dir, world) = copy_sandbox(live);
    let open = || if is_two { open_two_node_session(&world) } else { open_session(&world) };
    let mut clients = LinkClients::default();
    let session = open();
    let breaking = break_off_rotation(&world, &session, SecretRotationKind::Rotate, point);
    let of = Box::pin(clients.fetch_during(&world, breaking)).await;
    drop(session);
    let Some(of) = of else { return false };
    for kind in [SecretRotationKind::Rotate, SecretRotationKind::Finish] {
        let (session, answers) = (open(), answers_for(kind));
        if kind == SecretRotationKind::Finish {
            assert_eq!(fetch_link_by_secret(&world, old).await, 200, "{of}: refused before it is finished");
        }
        let rotating = run_rotation(&session, &answers);
        let (said, result) = Box::pin(clients.fetch_during(&world, rotating)).await;
        assert_eq!(result, Ok(()), "{of}: {kind:?} {said:?}");
    }
    clients.fetch_rest(&world).await;
    clients.assert_none_refused(&of);
    let new = assert_rotated(&world, old, &of);
    assert!(!is_two || read_second_secret(&world) == new, "{of}");
    assert!(count_versions(&world) <= 4, "{of}: {} versions", count_versions(&world));
    let ends = (fetch_link_by_secret(&world, old).await, fetch_link_by_secret(&world, &new).await);
    assert_eq!(ends, (403, 200), "{of}");
    println!("{of}: {} links, 0 refused", clients.fetched.len());
    true
}

#[tokio::test(start_paused = true)]
async fn broken_off_at_every_event_it_goes_on_and_refuses_nothing() {
    let (live, old) = Box::pin(prepare_live_dir(false)).await;
    // A prime: every step is met, sooner or later, and each event where all is wanted.
    for nth in (0..).step_by(choose_stride(43)) {
        if !Box::pin(break_off_and_go_on(live.path(), &old, false, BreakingPoint::Event(nth))).await {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn broken_off_at_every_request_on_two_nodes_it_goes_on_and_refuses_nothing() {
    let (live, old) = Box::pin(prepare_live_dir(true)).await;
    let mut met = 0;
    for nth in (0..).step_by(choose_stride(37)) {
        if !Box::pin(break_off_and_go_on(live.path(), &old, true, BreakingPoint::Request(nth))).await {
            break;
        }
        met += 1;
    }
    assert!(met > 2, "only {met} requests were met");
}

#[tokio::test(start_paused = true)]
async fn a_finish_that_is_broken_off_at_every_request_is_finished_by_the_next_with_one_version() {
    let (live, old) = Box::pin(prepare_live_dir(true)).await;
    {
        let world = open_instant_sandbox(live.path(), &[]);
        let rotate = answers_for(SecretRotationKind::Rotate);
        assert_eq!(run_rotation(&open_two_node_session(&world), &rotate).await.1, Ok(()));
    }
    let finish = SecretRotationKind::Finish;
    for nth in (0..).step_by(choose_stride(41)) {
        let (_dir, world) = copy_sandbox(live.path());
        let mut clients = LinkClients::default();
        let session = open_two_node_session(&world);
        let breaking = break_off_rotation(&world, &session, finish, BreakingPoint::Request(nth));
        let Some(of) = Box::pin(clients.fetch_during(&world, breaking)).await else {
            assert!(nth > 20, "only {nth} requests were met");
            break;
        };
        drop(session);
        let session = open_two_node_session(&world);
        let answers = answers_for(finish);
        let (said, result) = Box::pin(clients.fetch_during(&world, run_rotation(&session, &answers))).await;
        assert_eq!(result, Ok(()), "{of}: {said:?}");
        clients.fetch_rest(&world).await;
        clients.assert_none_refused(&of);
        assert_eq!(count_versions(&world), 3, "{of}: one version accepts the new secret alone");
        let new = read_secret(&world);
        let ends = (fetch_link_by_secret(&world, &old).await, fetch_link_by_secret(&world, &new).await);
        assert_eq!(ends, (403, 200), "{of}");
        println!("finish, {of}: {} links, 0 refused", clients.fetched.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_switch_was_interrupted_is_named_with_the_command_that_finishes_it() {
    let (_dir, world, old) = Box::pin(open_live_sandbox()).await;
    let (session, answers) = (open_session(&world), answers_for(SecretRotationKind::Rotate));
    // A run that switched on was killed once packagecloud had restarted, and before it had seen its links.
    session.host.write_state_file_about_host("switch", "4711 interrupted");
    let failure = Box::pin(run_rotation(&session, &answers)).await.1.unwrap_err();
    assert!(failure.why.contains("switching it on or off was interrupted in "), "{failure:?}");
    assert!(
        failure.next.starts_with("finish switching on: packagecloud-cloudfront enable, or "),
        "{failure:?}"
    );
    drop(session);
    assert_eq!(Box::pin(run_stages(&world, &OperatorAnswers::default(), &LIVE_STAGES)).await.1, Ok(()));
    let (said, result) = rotate_under_load(&world, SecretRotationKind::Rotate).await;
    assert_eq!(result, Ok(()), "{said:?}");
    assert_rotated(&world, &old, "an interrupted switch");
}
