//! A plan in a file: kept by `plan --out`, read and held against what is there by `enable --plan`.

use std::path::Path;

use crate::engine::Session;
use crate::host::{environment::clock, read_regular_file, write_file_whole};
use crate::model::{
    failure::{Failure, FailureKind},
    run::{
        answers::OperatorAnswers,
        goal::OperatorGoal,
        kept_plan::{KeptPlan, KeptPlanOrigin, list_kept_changes_of_plan},
        plan::StagePlan,
        proposed_command::render_proposed_command,
    },
};

/// The digest of the plan that a run has begun to make, until its end. Lost, a run that was broken off makes another plan.
const BEGUN_PLAN_FILE: &str = "begun-plan";

/// Builds what is kept of `plans`.
///
/// # Errors
/// Where the account or the bucket can't be found.
pub async fn build_kept_plan(
    session: &Session,
    answers: &OperatorAnswers,
    plans: &[StagePlan],
) -> Result<KeptPlan, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let nodes = session.list_all_node_sessions();
    let origin = KeptPlanOrigin {
        made: clock::render_utc_time(session.host.clock.read_host_clock()),
        account: target.account.clone(),
        bucket: target.names.bucket_name().to_owned(),
        files: nodes.iter().map(|node| node.host.render_config_location()).collect(),
    };
    Ok(KeptPlan::new(origin, answers, plans))
}

/// Writes a plan to `path`, whole or not at all.
///
/// # Errors
/// Where the file can't be written.
pub fn write_kept_plan_file(path: &Path, plan: &KeptPlan) -> Result<(), Failure> {
    let unwritable = |why: &str| {
        Failure::new_generic_failure(
            path.display().to_string(),
            format!("the plan can't be written there: {why}"),
            "name a file that can be written with --out",
        )
    };
    // A new file takes the place of what is there: of a device or a link it must not.
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(unwritable("something is there that is no file"));
    }
    write_file_whole(path, plan.render_kept_plan_json().as_bytes())
        .map_err(|error| unwritable(&error.to_string()))
}

/// Reads a plan from `path`.
///
/// # Errors
/// Where the file can't be read or is no plan that this version can make.
pub fn read_kept_plan_file(path: &Path) -> Result<KeptPlan, Failure> {
    let unusable = |why: String| {
        Failure::new_usage_failure(
            format!("--plan {}", path.display()),
            format!("{why}; nothing was changed"),
            format!("make one: {}", render_plan_command(OperatorGoal::Install, path)),
        )
    };
    let bytes = read_regular_file(path).map_err(|error| unusable(error.to_string()))?;
    KeptPlan::parse_kept_plan_json(&bytes).map_err(|fault| unusable(fault.describe_kept_plan_fault()))
}

/// Renders how a plan of this goal is kept in that file.
#[must_use]
pub fn render_plan_command(goal: OperatorGoal, path: &Path) -> String {
    let path = path.to_string_lossy();
    match goal {
        OperatorGoal::Upgrade => render_proposed_command("plan", &["--goal", "upgrade", "--out", &path]),
        _ => render_proposed_command("plan", &["--out", &path]),
    }
}

/// Refuses a plan that was made on something else than this run is on.
///
/// # Errors
/// Where version, account, bucket or hosts differ, or can't be found.
pub async fn refuse_other_plan_origin(
    session: &Session,
    answers: &OperatorAnswers,
    (kept, path): (&KeptPlan, &Path),
) -> Result<(), Failure> {
    let now = build_kept_plan(session, answers, &[]).await?;
    match kept.describe_other_origin(&now) {
        Some(moved) => Err(build_moved_plan_failure(kept, path, &moved)),
        None => Ok(()),
    }
}

/// Refuses where other changes are to be made now than were planned, but for what a run of this plan has made already.
///
/// # Errors
/// Where they differ.
pub fn refuse_moved_plan(
    session: &Session,
    (kept, path): (&KeptPlan, &Path),
    plans: &[StagePlan],
) -> Result<(), Failure> {
    let now: Vec<_> = plans.iter().flat_map(list_kept_changes_of_plan).collect();
    match kept.describe_moved_changes(&now, is_plan_begun(session, kept)) {
        Some(moved) => Err(build_moved_plan_failure(kept, path, &moved)),
        None => Ok(()),
    }
}

/// Refuses a plan of a stage that would change what isn't in the kept plan, in the middle of making it.
///
/// # Errors
/// Where it would.
pub fn refuse_unplanned_changes(kept: &KeptPlan, path: &Path, plan: &StagePlan) -> Result<(), Failure> {
    match kept.describe_moved_changes(&list_kept_changes_of_plan(plan), true) {
        Some(moved) => Err(build_moved_plan_failure(kept, path, &moved)),
        None => Ok(()),
    }
}

fn build_moved_plan_failure(kept: &KeptPlan, path: &Path, moved: &str) -> Failure {
    Failure::new(
        FailureKind::Other,
        format!("the plan of {} in {}", kept.made, path.display()),
        format!("{moved}; no more was changed"),
        format!("look at what would be done now, and keep that: {}", render_plan_command(kept.goal, path)),
    )
}

fn is_plan_begun(session: &Session, kept: &KeptPlan) -> bool {
    let begun = session.host.state.read_state_dir_file(BEGUN_PLAN_FILE);
    begun.is_some_and(|digest| digest == kept.compute_kept_plan_digest().as_bytes())
}

/// Notes that this plan is being made: the next run of it goes on where this one is broken off.
pub fn note_plan_begun(session: &Session, kept: &KeptPlan) {
    let digest = kept.compute_kept_plan_digest();
    // Lost, it costs another plan and no more.
    let _ = session.host.state.write_state_dir_file(BEGUN_PLAN_FILE, digest.as_bytes());
}

/// Notes that the plan is made.
pub fn note_plan_made(session: &Session) {
    session.host.state.remove_state_dir_file(BEGUN_PLAN_FILE);
}
