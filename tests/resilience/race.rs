//! Switching off beside a run that goes live, at each moment of either, in process: at the end CloudFront is off.
//!
//! A moment is a wait of one of them: there it is held, or killed, while the other goes on.

use std::{future::poll_fn, path::Path, pin::Pin, task::Poll};

use packagecloud_cloudfront::{
    engine::{self, Run},
    model::run::{
        answers::Answers,
        event::End,
        failure::{Failure, Kind},
        goal::{Goal, Stage},
    },
    sandbox::World,
};

use crate::{faults::world, ground::ground, host::values, twin::copy};

type Ended = (End, Option<Failure>);

/// One of the two, let go on from wait to wait.
struct Part {
    work: Pin<Box<dyn Future<Output = Ended>>>,
    moments: usize,
    ended: Option<Ended>,
}

impl Part {
    /// One stage in a process of its own; as there, the operator sees first what stands now, and what moved is looked
    /// at again.
    fn new(dir: &Path, stage: Stage) -> Self {
        let ground = ground(&world(dir, &[]));
        let answers = Answers { goal: Some(Goal::Install), ..Answers::default() };
        futures::FutureExt::now_or_never(ground.mean_it()).expect("on this machine nothing is waited for");
        let work = async move {
            let mut looks = 0;
            loop {
                looks += 1;
                let plan = engine::look(&ground, stage, &answers).await.unwrap();
                let (end, failure) = engine::apply(&ground, &plan, &answers, &Run::silent()).await;
                match failure {
                    Some(failure) if failure.kind == Kind::Drifted && looks < 4 => {}
                    failure => return (end, failure),
                }
            }
        };
        Self { work: Box::pin(work), moments: 0, ended: None }
    }

    /// Goes on until it has waited `moments` times in all, or has ended.
    async fn to(&mut self, moments: usize) {
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
    async fn beside(&mut self, other: &mut Self) -> bool {
        // Longer than anything is waited for but the end of a reconfigure.
        let stands =
            tokio::time::timeout(std::time::Duration::from_mins(3), other.run_to_its_end()).await.is_ok();
        if !stands {
            tokio::join!(self.run_to_its_end(), other.run_to_its_end());
        }
        stands
    }

    async fn run_to_its_end(&mut self) -> &Ended {
        self.to(usize::MAX).await;
        self.ended.as_ref().unwrap()
    }
}

/// A sandbox on which all is made, and nothing is live.
async fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ground = ground(&world(dir.path(), &[]));
    let answers = Answers { goal: Some(Goal::Install), ..Answers::default() };
    for &stage in Goal::Install.stages() {
        if !matches!(stage, Stage::GoLive | Stage::Verify) {
            let plan = engine::look(&ground, stage, &answers).await.unwrap();
            let (end, failure) = engine::apply(&ground, &plan, &answers, &Run::silent()).await;
            assert!(failure.is_none(), "{stage:?} {end:?} {failure:?}");
        }
    }
    dir
}

fn twin(of: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(of, dir.path());
    dir
}

/// By the file, by what was rendered from it, and by what runs.
fn is_off(dir: &Path, moment: &str) {
    let world: World = world(dir, &[]);
    assert_ne!(values(&world).enabled, Some(true), "{moment}: the file says that it is on");
    let running = world.read(|state| state.packagecloud.clone());
    assert!(running.rendered.iter().chain(&running.nodes).all(|node| !node.enabled), "{moment}: it runs");
}

/// How many moments a stage has on its own.
async fn moments(dir: &Path, stage: Stage) -> usize {
    let mut part = Part::new(dir, stage);
    let ended = part.run_to_its_end().await.clone();
    assert!(ended.1.is_none(), "{stage:?}: {ended:?}");
    part.moments
}

#[tokio::test(start_paused = true)]
async fn switching_off_wins_at_every_moment_of_going_live() {
    let ready = prepared().await;
    let alone = twin(ready.path());
    let live = moments(alone.path(), Stage::GoLive).await;
    let off = moments(alone.path(), Stage::Disable).await;
    assert!(live > 30 && off > 10, "{live} moments of going live, {off} of switching off");
    for held in 0..=live {
        // Held there while the other goes all the way; and killed there.
        for killed in [false, true] {
            let moment = format!("{held} of {live}, killed: {killed}");
            let dir = twin(ready.path());
            let mut on = Part::new(dir.path(), Stage::GoLive);
            on.to(held).await;
            let through = on.ended.is_some();
            if killed {
                drop(on);
                let mut switching = Part::new(dir.path(), Stage::Disable);
                let ended = switching.run_to_its_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
            } else {
                let mut switching = Part::new(dir.path(), Stage::Disable);
                if on.beside(&mut switching).await {
                    is_off(dir.path(), &format!("{moment}, while it is held"));
                }
                let ended = switching.run_to_its_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
                let (end, failure) = on.run_to_its_end().await;
                // How often it waits differs by one or two: where it was through already, it is off after it.
                assert!(
                    through || *end == End::Failed && failure.as_ref().unwrap().what == "going live",
                    "{moment}: {end:?} {failure:?}"
                );
            }
            is_off(dir.path(), &moment);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn switching_off_wins_where_going_live_comes_between_its_moments() {
    let ready = prepared().await;
    let alone = twin(ready.path());
    let live = moments(alone.path(), Stage::GoLive).await;
    let off = moments(alone.path(), Stage::Disable).await;
    for held in (0..=live).step_by(10) {
        for between in (1..=off).step_by(6) {
            // To the one's moment, to the other's, then the first to its end or its death, then the other to its end.
            for killed in [None, Some(held + 3)] {
                let moment = format!("{held} of {live}, {between} of {off}, killed: {killed:?}");
                let dir = twin(ready.path());
                let mut on = Part::new(dir.path(), Stage::GoLive);
                on.to(held).await;
                let mut switching = Part::new(dir.path(), Stage::Disable);
                switching.to(between).await;
                if let Some(last) = killed {
                    on.to(last).await;
                    drop(on);
                } else {
                    switching.beside(&mut on).await;
                }
                let ended = switching.run_to_its_end().await;
                assert!(ended.1.is_none(), "{moment}: {ended:?}");
                is_off(dir.path(), &moment);
            }
        }
    }
}
