//! The engine on a sandbox, stage by stage, with what it says; and what then stands in the account.

use packagecloud_cloudfront::{
    engine::{self, OperatorPresence, RunContext, Session},
    model::{
        failure::{Failure, FailureKind},
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            event::{StageEnd, StageEvent},
            goal::RunStage,
            plan::StagePlan,
        },
    },
    sandbox::{self, Sandbox, SandboxOptions, SandboxPropagationDelays, seed},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::session::open_session;

/// A sandbox with `faults`, whose states take no time.
pub fn open_instant_sandbox(dir: &std::path::Path, faults: &[String]) -> Sandbox {
    let delays = Some(SandboxPropagationDelays::NONE);
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        faults: faults.to_vec(),
        delays,
        ..SandboxOptions::default()
    })
    .unwrap()
}

/// What `stages` said, and how they ended; what drifted is looked at again.
pub async fn run_stages(
    world: &Sandbox,
    answers: &OperatorAnswers,
    stages: &[RunStage],
) -> (Vec<StageEvent>, Result<(), Failure>) {
    run_stages_attended(OperatorPresence::Nobody, world, answers, stages).await
}

/// The same before somebody, or nobody.
pub async fn run_stages_attended(
    who: OperatorPresence,
    world: &Sandbox,
    answers: &OperatorAnswers,
    stages: &[RunStage],
) -> (Vec<StageEvent>, Result<(), Failure>) {
    let session = open_session(world);
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_pausing, pause) = watch::channel(false);
    let run = RunContext::new(events, CancellationToken::new(), pause).with_operator_presence(who);
    let result = Box::pin(apply_stages(&session, &with_yes(answers), stages, &run)).await;
    drop(run);
    let mut said = Vec::new();
    while let Some(event) = heard.recv().await {
        said.push(event);
    }
    (said, result)
}

/// The same answers with what `--yes` says.
pub fn with_yes(answers: &OperatorAnswers) -> OperatorAnswers {
    let consents = OperatorConsents { live_change: true, ..answers.consents.clone() };
    OperatorAnswers { consents, ..answers.clone() }
}

/// Does `stages`, one after the other; what drifted is looked at again.
pub async fn apply_stages(
    session: &Session,
    answers: &OperatorAnswers,
    stages: &[RunStage],
    run: &RunContext,
) -> Result<(), Failure> {
    for &stage in stages {
        for looks in 1.. {
            let plan = Box::pin(engine::look(session, stage, answers)).await?;
            let (_, failure) = Box::pin(engine::apply(session, &plan, answers, run)).await;
            match failure {
                None => break,
                Some(failure) if failure.kind == FailureKind::Drifted && looks < 4 => {}
                Some(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// Does one stage that has nothing to ask; what drifted is looked at again.
pub async fn apply_unasked_stage(
    session: &Session,
    answers: &OperatorAnswers,
    stage: RunStage,
    run: &RunContext,
) -> Result<(), Failure> {
    let (mut looks, answers) = (0, &with_yes(answers));
    loop {
        looks += 1;
        let plan = engine::look(session, stage, answers).await?;
        assert!(plan.confirmations.is_empty(), "{stage:?}: {:?}", plan.confirmations);
        let (end, failure) = engine::apply(session, &plan, answers, run).await;
        match failure {
            None => {
                assert!(matches!(end, StageEnd::Applied | StageEnd::Unchanged), "{stage:?} {end:?}");
                return Ok(());
            }
            Some(failure) if failure.kind == FailureKind::Drifted && looks < 4 => {}
            Some(failure) => return Err(failure),
        }
    }
}

/// The plan of one stage, or why there is none.
pub async fn look_at_stage(
    world: &Sandbox,
    answers: &OperatorAnswers,
    stage: RunStage,
) -> Result<StagePlan, Failure> {
    Box::pin(engine::look(&open_session(world), stage, answers)).await
}

pub const SET_UP_STAGES: [RunStage; 3] = [RunStage::Secret, RunStage::Bootstrap, RunStage::Distribution];

/// How many there are of all that is made once: keys, functions, versions, identities, distributions.
pub fn count_made_resources(world: &Sandbox) -> [usize; 5] {
    world.read_sandbox_state_from_disk(|state| {
        [
            state.kms.keys.len(),
            state.lambda.functions.len(),
            state.lambda.functions.values().map(|function| function.versions.len()).sum(),
            state.cloudfront.identities.len(),
            state.cloudfront.distributions.len(),
        ]
    })
}

pub fn read_bucket_policy(world: &Sandbox) -> String {
    world.read_sandbox_state_from_disk(|state| {
        state.s3.buckets[seed::SANDBOX_BUCKET].policy.clone().unwrap_or_default()
    })
}
