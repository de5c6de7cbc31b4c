//! Each single action taken out of the policy that suffices, with an origin access identity: the step that ends is the one that the table names.
//!
//! The sandbox weighs the user's policy at every call, as AWS does; ministack, which has no identities, does the same for a control.

use std::{collections::BTreeSet, path::Path, time::Duration};

use packagecloud_cloudfront::{
    engine::{self, RunContext},
    model::{
        aws::names::ResourceNames,
        failure::Failure,
        iam::{
            access::{RequiredPermission, list_required_permissions},
            least_privilege::render_least_privilege_policy,
        },
        run::{
            answers::OperatorAnswers,
            event::StageEvent,
            goal::{OperatorGoal, RunStage, StageStep},
        },
    },
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays, control_plane::ACCOUNT_ID,
        seed::SANDBOX_BUCKET,
    },
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{disturbed, engine::open_instant_sandbox, session::open_session};

/// How many of the actions are tried where not all are asked for: every so manieth.
const SAMPLE_STEP: usize = 9;

/// What the sandbox doesn't weigh, or answers without.
const UNEVALUATED_ACTIONS: &[(&str, &str)] = &[
    (
        "lambda:DisableReplication*",
        "AWS asks it when an association goes; the sandbox replaces one version by another",
    ),
    ("lambda:ListTags", "GetFunction gives the tags to whoever may ask it"),
    ("s3:GetBucketLocation", "HeadBucket names the region"),
    ("s3:GetObject", "an installation looks at objects where it may, and is told to look where it may not"),
];

fn upgrade_needs() -> Vec<RequiredPermission> {
    list_required_permissions(
        OperatorGoal::Upgrade,
        &ResourceNames::new(SANDBOX_BUCKET, &"".parse().unwrap_or_default()),
        ACCOUNT_ID,
    )
}

/// From here on the one user has this policy alone.
fn restrict_user_policy(world: &Sandbox, needs: &[RequiredPermission]) {
    let policy = serde_json::from_str(&render_least_privilege_policy(needs)).unwrap();
    world.update_sandbox_state_on_disk(|state| state.iam.user.policy = policy);
}

/// Where a run ended: the stage, the step if it had begun one, and why.
type RunFailure = (RunStage, Option<StageStep>, Failure);

/// What makes and changes anything in AWS, stage after stage.
async fn run_writing_stages(world: &Sandbox, answers: &OperatorAnswers) -> Result<(), RunFailure> {
    let session = open_session(world);
    for stage in
        [RunStage::Access, RunStage::Reindex, RunStage::Secret, RunStage::Bootstrap, RunStage::Distribution]
    {
        let plan = Box::pin(engine::look(&session, stage, answers)).await;
        let plan = plan.map_err(|failure| (stage, None, failure))?;
        let (events, mut heard) = mpsc::unbounded_channel();
        let (_pausing, pause) = watch::channel(false);
        let run = RunContext::new(events, CancellationToken::new(), pause);
        let (_, failure) = Box::pin(engine::apply(&session, &plan, answers, &run)).await;
        drop(run);
        let mut ended = None;
        while let Some(event) = heard.recv().await {
            if let StageEvent::Failed { step, .. } = event {
                ended.get_or_insert(step);
            }
        }
        if let Some(failure) = failure {
            return Err((stage, ended, failure));
        }
    }
    Ok(())
}

/// How the run without `action` ends, on a fresh account, else on one where something of everything is to be mended.
async fn run_without_action(action: &str, stood: &Path) -> Option<RunFailure> {
    let left: Vec<RequiredPermission> =
        upgrade_needs().into_iter().filter(|need| need.action != action).collect();
    let dir = tempfile::tempdir().unwrap();
    let fresh = open_instant_sandbox(dir.path(), &[]);
    restrict_user_policy(&fresh, &left);
    let upgrade = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    if let Err(end) = Box::pin(run_writing_stages(&fresh, &upgrade)).await {
        return Some(end);
    }
    let dir = tempfile::tempdir().unwrap();
    crate::directory::copy_directory(stood, dir.path());
    let standing = open_instant_sandbox(dir.path(), &[]);
    restrict_user_policy(&standing, &left);
    Box::pin(run_writing_stages(&standing, &disturbed::repair_answers(OperatorGoal::Upgrade))).await.err()
}

fn check_failed_step(action: &str, end: Option<&RunFailure>) -> Result<(), String> {
    let rows: Vec<RequiredPermission> =
        upgrade_needs().into_iter().filter(|need| need.action == action).collect();
    let needed: Vec<&RequiredPermission> = rows.iter().filter(|need| !need.optional).collect();
    let Some((stage, step, failure)) = end else {
        let known = UNEVALUATED_ACTIONS.iter().any(|(known, _)| *known == action);
        return if needed.is_empty() || known { Ok(()) } else { Err(format!("{action}: nothing ended")) };
    };
    let here = needed.iter().any(|need| need.stage == *stage && step.is_none_or(|step| step == need.step));
    let said = format!("{failure} {}", failure.next);
    if here && said.contains(action) && said.contains("check --policy") {
        return Ok(());
    }
    let places: Vec<String> = needed.iter().map(|need| need.describe_stage_and_step()).collect();
    Err(format!("{action}: expected at {places:?}, ended at {stage:?}, {step:?}: {failure:?}"))
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_the_step_ends_that_the_table_names() {
    let dir = tempfile::tempdir().unwrap();
    let stood = open_instant_sandbox(dir.path(), &[]);
    restrict_user_policy(&stood, &upgrade_needs());
    let upgrade = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_writing_stages(&stood, &upgrade)).await, Ok(()), "with all of it");
    disturbed::disturb_account(&stood);
    drop(stood);

    let actions: BTreeSet<&str> = upgrade_needs().iter().map(|need| need.action).collect();
    let step = if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 1 } else { SAMPLE_STEP };
    let mut wrong = Vec::new();
    for action in actions.into_iter().step_by(step) {
        let end = Box::pin(run_without_action(action, dir.path())).await;
        wrong.extend(check_failed_step(action, end.as_ref()).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// KMS lets a fresh key's tags count only minutes later: no step of a first installation may need them to.
#[tokio::test(start_paused = true)]
async fn all_of_it_is_enough_before_the_tags_of_a_fresh_key_count() {
    let dir = tempfile::tempdir().unwrap();
    let delays =
        Some(SandboxPropagationDelays { tags: Duration::from_mins(5), ..SandboxPropagationDelays::NONE });
    let world = sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.path().to_owned(),
        delays,
        ..SandboxOptions::default()
    })
    .unwrap();
    restrict_user_policy(&world, &upgrade_needs());
    let upgrade = OperatorAnswers { goal: Some(OperatorGoal::Upgrade), ..OperatorAnswers::default() };
    assert_eq!(Box::pin(run_writing_stages(&world, &upgrade)).await, Ok(()));
}
