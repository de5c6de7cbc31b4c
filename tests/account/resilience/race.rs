//! Switching off beside a run that goes live, at each moment of either, in process: at the end CloudFront is off.
//!
//! A moment is a wait of one of them: there it is held, or killed, while the other goes on.

use std::{future::poll_fn, path::Path, pin::Pin, task::Poll};

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::{
        failure::{Failure, FailureKind},
        run::{
            answers::OperatorAnswers,
            event::StageEnd,
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::Sandbox,
};

use super::{faults::open_sandbox_with_faults, sandbox_host::read_config_values};
use crate::{directory::copy_directory, session::open_session};

type RaceOutcome = (StageEnd, Option<Failure>);

/// One of the two, let go on from wait to wait.
struct SteppedRun {
    work: Pin<Box<dyn Future<Output = RaceOutcome>>>,
    moments: usize,
    ended: Option<RaceOutcome>,
}

impl SteppedRun {
    /// One stage in a process of its own; as there, the operator sees first what stands now, and what moved is looked
    /// at again.
    fn new(dir: &Path, stage: RunStage) -> Self {
        let session = open_session(&open_sandbox_with_faults(dir, &[]));
        let answers = OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() };
        futures::FutureExt::now_or_never(session.remember_seen_disable_markers())
            .expect("on this machine nothing is waited for");
        let work = async move {
            let mut looks = 0;
            loop {
                looks += 1;
                let plan = engine::look(&session, stage, &answers).await.unwrap();
                let (end, failure) =
                    engine::apply(&session, &plan, &answers, &RunContext::new_silent_context()).await;
                match failure {
                    Some(failure) if failure.kind == FailureKind::Drifted && looks < 4 => {}
                    failure => return (end, failure),
                }
            }
        };
        Self { work: Box::pin(work), moments: 0, ended: None }
    }

    /// Goes on until it has waited `moments` times in all, or has ended.
    async fn advance_to(&mut self, moments: usize) {
        poll_fn(|wakes| {
            if self.ended.is_some() || self.moments >= moments {
                return Poll::Ready(());
            }
            match self.work.as_mut().poll(wakes) {
                Poll::Ready(ended) => self.ended = Some(ended),
                Poll::Pending => self.moments += 1,
            }
            if self.ended.is_some() || self.moments >= moments { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Stands still while the other goes to its end, unless that waits for this one; whether it stood still all the way.
    async fn hold_while_other_runs(&mut self, other: &mut Self) -> bool {
        // Longer than anything is waited for but the end of a reconfigure.
        let stands =
            tokio::time::timeout(std::time::Duration::from_mins(3), other.run_to_end()).await.is_ok();
        if !stands {
            tokio::join!(self.run_to_end(), other.run_to_end());
        }
        stands
    }

    async fn run_to_end(&mut self) -> &RaceOutcome {
        self.advance_to(usize::MAX).await;
        self.ended.as_ref().unwrap()
    }
}

/// A sandbox on which all is made, and nothing is live.
async fn prepare_sandbox() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let session = open_session(&open_sandbox_with_faults(dir.path(), &[]));
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() };
    for &stage in OperatorGoal::Install.stages_of_goal() {
        if !matches!(stage, RunStage::GoLive | RunStage::Verify) {
            let plan = engine::look(&session, stage, &answers).await.unwrap();
            let (end, failure) =
                engine::apply(&session, &plan, &answers, &RunContext::new_silent_context()).await;
            assert!(failure.is_none(), "{stage:?} {end:?} {failure:?}");
        }
    }
    dir
}

fn copy_sandbox(of: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_directory(of, dir.path());
    dir
}

/// By the file, by what was rendered from it, and by what runs.
fn assert_off(dir: &Path, moment: &str) {
    let world: Sandbox = open_sandbox_with_faults(dir, &[]);
    assert_ne!(read_config_values(&world).enabled, Some(true), "{moment}: the file says that it is on");
    let running = world.read_sandbox_state_from_disk(|state| state.packagecloud.clone());
    assert!(running.rendered.iter().chain(&running.nodes).all(|node| !node.enabled), "{moment}: it runs");
}

/// How many moments a stage has on its own.
async fn count_moments(dir: &Path, stage: RunStage) -> usize {
    let mut part = SteppedRun::new(dir, stage);
    let ended = part.run_to_end().await.clone();
    assert!(ended.1.is_none(), "{stage:?}: {ended:?}");
    part.moments
}

#[tokio::test(start_paused = true)]
async fn switching_off_wins_at_every_moment_of_going_live() {
    let ready = prepare_sandbox().await;
    let alone = copy_sandbox(ready.path());
    let live = count_moments(alone.path(), RunStage::GoLive).await;
    let off = count_moments(alone.path(), RunStage::Disable).await;
    assert!(live > 30 && off > 10, "{live} moments of going live, {off} of switching off");
    for held in 0..=live {
        // Held there while the other goes all the way; and killed there.
        for killed in [false, true] {
            let moment = format!("{held} of {live}, killed: {killed}");
            let dir = copy_sandbox(ready.path());
            let mut on = SteppedRun::new(dir.path(), RunStage::GoLive);
            on.advance_to(held).await;
            let through = on.ended.is_some();
            if killed {
                drop(on);
                let mut switching = SteppedRun::new(dir.path(), RunStage::Disable);
                let ended = switching.run_to_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
            } else {
                let mut switching = SteppedRun::new(dir.path(), RunStage::Disable);
                if on.hold_while_other_runs(&mut switching).await {
                    assert_off(dir.path(), &format!("{moment}, while it is held"));
                }
                let ended = switching.run_to_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
                let (end, failure) = on.run_to_end().await;
                // How often it waits differs by one or two: where it was through already, it is off after it.
                assert!(
                    through || *end == StageEnd::Failed && failure.as_ref().unwrap().what == "going live",
                    "{moment}: {end:?} {failure:?}"
                );
            }
            assert_off(dir.path(), &moment);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn switching_off_wins_where_going_live_comes_between_its_moments() {
    let ready = prepare_sandbox().await;
    let alone = copy_sandbox(ready.path());
    let live = count_moments(alone.path(), RunStage::GoLive).await;
    let off = count_moments(alone.path(), RunStage::Disable).await;
    for held in (0..=live).step_by(10) {
        for between in (1..=off).step_by(6) {
            // To the one's moment, to the other's, then the first to its end or its death, then the other to its end.
            for killed in [None, Some(held + 3)] {
                let moment = format!("{held} of {live}, {between} of {off}, killed: {killed:?}");
                let dir = copy_sandbox(ready.path());
                let mut on = SteppedRun::new(dir.path(), RunStage::GoLive);
                on.advance_to(held).await;
                let mut switching = SteppedRun::new(dir.path(), RunStage::Disable);
                switching.advance_to(between).await;
                if let Some(last) = killed {
                    on.advance_to(last).await;
                    drop(on);
                } else {
                    switching.hold_while_other_runs(&mut on).await;
                }
                let ended = switching.run_to_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
                assert_off(dir.path(), &moment);
            }
        }
    }
}
