//! The engine on a sandbox, stage by stage, with what it says; and what then stands in the account.

use packagecloud_cloudfront::{
    engine::{self, Attended, Ground, Run},
    model::run::{
        answers::Answers,
        event::Event,
        failure::{Failure, Kind},
        goal::Stage,
        plan::Plan,
    },
    sandbox::{self, Delays, Options, World, seed},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::ground::ground;

/// A sandbox with `faults`, whose states take no time.
pub fn world(dir: &std::path::Path, faults: &[String]) -> World {
    let delays = Some(Delays::NONE);
    sandbox::open(&Options { dir: dir.to_owned(), faults: faults.to_vec(), delays, ..Options::default() })
        .unwrap()
}

/// What `stages` said, and how they ended; what drifted is looked at again.
pub async fn done(world: &World, answers: &Answers, stages: &[Stage]) -> (Vec<Event>, Result<(), Failure>) {
    done_before(Attended::Nobody, world, answers, stages).await
}

/// The same before somebody, or nobody.
pub async fn done_before(
    who: Attended,
    world: &World,
    answers: &Answers,
    stages: &[Stage],
) -> (Vec<Event>, Result<(), Failure>) {
    let ground = ground(world);
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = Run::new(events, CancellationToken::new(), pause).attended(who);
    let result = Box::pin(all(&ground, answers, stages, &run)).await;
    drop(run);
    let mut said = Vec::new();
    while let Some(event) = heard.recv().await {
        said.push(event);
    }
    (said, result)
}

async fn all(ground: &Ground, answers: &Answers, stages: &[Stage], run: &Run) -> Result<(), Failure> {
    for &stage in stages {
        for looks in 1.. {
            let plan = Box::pin(engine::look(ground, stage, answers)).await?;
            let (_, failure) = Box::pin(engine::apply(ground, &plan, answers, run)).await;
            match failure {
                None => break,
                Some(failure) if failure.kind == Kind::Drifted && looks < 4 => {}
                Some(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// The plan of one stage, or why there is none.
pub async fn looked(world: &World, answers: &Answers, stage: Stage) -> Result<Plan, Failure> {
    Box::pin(engine::look(&ground(world), stage, answers)).await
}

pub const SET_UP: [Stage; 3] = [Stage::Secret, Stage::Bootstrap, Stage::Distribution];

/// How many there are of all that is made once: keys, functions, versions, identities, distributions.
pub fn made(world: &World) -> [usize; 5] {
    world.read(|state| {
        [
            state.kms.keys.len(),
            state.lambda.functions.len(),
            state.lambda.functions.values().map(|function| function.versions.len()).sum(),
            state.cloudfront.identities.len(),
            state.cloudfront.distributions.len(),
        ]
    })
}

pub fn bucket_policy(world: &World) -> String {
    world.read(|state| state.s3.buckets[seed::BUCKET].policy.clone().unwrap_or_default())
}
