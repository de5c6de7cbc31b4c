//! Each single action taken out of the policy that suffices, with an origin access identity: the step that ends is the one that the table names.
//!
//! The sandbox weighs the user's policy at every call, as AWS does; ministack, which has no identities, does the same for a control.

use std::{collections::BTreeSet, path::Path, time::Duration};

use packagecloud_cloudfront::{
    engine::{self, Run},
    model::{
        aws::names::Names,
        iam::{
            access::{Need, needs},
            policy::least_privilege,
        },
        run::{
            answers::Answers,
            event::Event,
            failure::Failure,
            goal::{Goal, Stage, Step},
        },
    },
    sandbox::{self, Delays, Options, World, control_plane::ACCOUNT, seed::BUCKET},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{disturbed, engine::world, ground::ground};

/// How many of the actions are tried where not all are asked for: every so manieth.
const SAMPLED: usize = 9;

/// What the sandbox doesn't weigh, or answers without.
const NOT_WEIGHED: &[(&str, &str)] = &[
    (
        "lambda:DisableReplication*",
        "AWS asks it when an association goes; the sandbox replaces one version by another",
    ),
    ("lambda:ListTags", "GetFunction gives the tags to whoever may ask it"),
    ("s3:GetBucketLocation", "HeadBucket names the region"),
    ("s3:GetObject", "an installation looks at objects where it may, and is told to look where it may not"),
];

fn rows() -> Vec<Need> {
    needs(Goal::Upgrade, &Names::new(BUCKET, &"".parse().unwrap_or_default()), ACCOUNT)
}

/// From here on the one user has this policy alone.
fn restrict(world: &World, needs: &[Need]) {
    let policy = serde_json::from_str(&least_privilege(needs)).unwrap();
    world.write(|state| state.iam.user.policy = policy);
}

/// Where a run ended: the stage, the step if it had begun one, and why.
type End = (Stage, Option<Step>, Failure);

/// What makes and changes anything in AWS, stage after stage.
async fn run(world: &World, answers: &Answers) -> Result<(), End> {
    let ground = ground(world);
    for stage in [Stage::Access, Stage::Reindex, Stage::Secret, Stage::Bootstrap, Stage::Distribution] {
        let plan = Box::pin(engine::look(&ground, stage, answers)).await;
        let plan = plan.map_err(|failure| (stage, None, failure))?;
        let (events, mut heard) = mpsc::unbounded_channel();
        let (_pausing, pause) = watch::channel(false);
        let run = Run::new(events, CancellationToken::new(), pause);
        let (_, failure) = Box::pin(engine::apply(&ground, &plan, answers, &run)).await;
        drop(run);
        let mut ended = None;
        while let Some(event) = heard.recv().await {
            if let Event::Failed { step, .. } = event {
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
async fn without(action: &str, stood: &Path) -> Option<End> {
    let left: Vec<Need> = rows().into_iter().filter(|need| need.action != action).collect();
    let dir = tempfile::tempdir().unwrap();
    let fresh = world(dir.path(), &[]);
    restrict(&fresh, &left);
    let upgrade = Answers { goal: Some(Goal::Upgrade), ..Answers::default() };
    if let Err(end) = Box::pin(run(&fresh, &upgrade)).await {
        return Some(end);
    }
    let dir = tempfile::tempdir().unwrap();
    crate::twin::copy(stood, dir.path());
    let standing = world(dir.path(), &[]);
    restrict(&standing, &left);
    Box::pin(run(&standing, &disturbed::answers(Goal::Upgrade))).await.err()
}

fn as_named(action: &str, end: Option<&End>) -> Result<(), String> {
    let rows: Vec<Need> = rows().into_iter().filter(|need| need.action == action).collect();
    let needed: Vec<&Need> = rows.iter().filter(|need| !need.optional).collect();
    let Some((stage, step, failure)) = end else {
        let known = NOT_WEIGHED.iter().any(|(known, _)| *known == action);
        return if needed.is_empty() || known { Ok(()) } else { Err(format!("{action}: nothing ended")) };
    };
    let here = needed.iter().any(|need| need.stage == *stage && step.is_none_or(|step| step == need.step));
    let said = format!("{failure} {}", failure.next);
    if here && said.contains(action) && said.contains("check --policy") {
        return Ok(());
    }
    let places: Vec<String> = needed.iter().map(|need| need.place()).collect();
    Err(format!("{action}: expected at {places:?}, ended at {stage:?}, {step:?}: {failure:?}"))
}

#[tokio::test(start_paused = true)]
async fn without_any_one_action_the_step_ends_that_the_table_names() {
    let dir = tempfile::tempdir().unwrap();
    let stood = world(dir.path(), &[]);
    restrict(&stood, &rows());
    let upgrade = Answers { goal: Some(Goal::Upgrade), ..Answers::default() };
    assert_eq!(Box::pin(run(&stood, &upgrade)).await, Ok(()), "with all of it");
    disturbed::disturb(&stood);
    drop(stood);

    let actions: BTreeSet<&str> = rows().iter().map(|need| need.action).collect();
    let step = if std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some() { 1 } else { SAMPLED };
    let mut wrong = Vec::new();
    for action in actions.into_iter().step_by(step) {
        let end = Box::pin(without(action, dir.path())).await;
        wrong.extend(as_named(action, end.as_ref()).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// KMS lets a fresh key's tags count only minutes later: no step of a first installation may need them to.
#[tokio::test(start_paused = true)]
async fn all_of_it_is_enough_before_the_tags_of_a_fresh_key_count() {
    let dir = tempfile::tempdir().unwrap();
    let delays = Some(Delays { tags: Duration::from_mins(5), ..Delays::NONE });
    let world = sandbox::open(&Options { dir: dir.path().to_owned(), delays, ..Options::default() }).unwrap();
    restrict(&world, &rows());
    let upgrade = Answers { goal: Some(Goal::Upgrade), ..Answers::default() };
    assert_eq!(Box::pin(run(&world, &upgrade)).await, Ok(()));
}
