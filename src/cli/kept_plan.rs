//! `plan --out` and `enable --plan`: a plan that is approved first, and then made just so.

use std::path::Path;

use super::CommandInvocation;
use crate::{
    args::GlobalOptions,
    engine::kept_plan::{
        build_kept_plan, note_plan_begun, note_plan_made, read_kept_plan_file, refuse_moved_plan,
        refuse_other_plan_origin, refuse_unplanned_changes, render_plan_command, write_kept_plan_file,
    },
    model::{
        failure::Failure,
        run::{
            goal::OperatorGoal, kept_plan::KeptPlan, plan::StagePlan,
            proposed_command::render_proposed_command,
        },
    },
};

/// Keeps what `plans` would change in the file at `path`.
///
/// # Errors
/// Fails where the goal isn't one of `enable`'s, or the file can't be written.
pub async fn keep_plan_in_file(
    invocation: &CommandInvocation,
    path: &Path,
    plans: &[StagePlan],
) -> Result<(), Failure> {
    let kept = build_kept_plan(&invocation.session, &invocation.answers, plans).await?;
    write_kept_plan_file(path, &kept)
}

/// Refuses to keep a plan that `enable` doesn't make.
///
/// # Errors
/// Where the goal is none that sets CloudFront up.
pub fn refuse_unkeepable_goal(goal: OperatorGoal) -> Result<(), Failure> {
    if is_set_up_goal(goal) {
        return Ok(());
    }
    Err(Failure::new_usage_failure(
        "--out",
        "a plan of the goal install or upgrade alone can be kept and made later",
        format!("switching off needs no file: {}", render_proposed_command("disable", &[])),
    ))
}

fn is_set_up_goal(goal: OperatorGoal) -> bool {
    matches!(goal, OperatorGoal::Install | OperatorGoal::Upgrade)
}

/// Reads the plan that is to be made: its goal and its options stand in the place of the last run's.
///
/// # Errors
/// Fails where the file is no plan, or an option that was given contradicts it.
pub fn take_kept_plan(invocation: &mut CommandInvocation, path: &Path) -> Result<(), Failure> {
    let kept = read_kept_plan_file(path)?;
    if let Some((option, planned)) = find_contradicting_option(&invocation.global, &kept) {
        return Err(Failure::new_usage_failure(
            option,
            format!("the plan in {} was made with {planned}; nothing was changed", path.display()),
            format!("leave {option} out, or make another plan: {}", render_plan_command(kept.goal, path)),
        ));
    }
    refuse_unkeepable_goal(kept.goal)?;
    let answers = &mut invocation.answers;
    kept.options.apply_plan_options(answers);
    answers.goal = Some(kept.goal);
    answers.bucket = invocation.global.bucket.clone().or_else(|| Some(kept.bucket.clone()));
    invocation.plan_to_make = Some((kept, path.to_owned()));
    Ok(())
}

/// Finds an option that was given and is another in the plan, and what it is there. The bucket isn't one: it is found first.
fn find_contradicting_option(global: &GlobalOptions, kept: &KeptPlan) -> Option<(&'static str, String)> {
    let options = &kept.options;
    let none = || "none".to_owned();
    let differs = |option, given: Option<String>, planned: Option<String>| {
        (given.is_some() && given != planned).then(|| (option, planned.unwrap_or_else(none)))
    };
    let json = |value: serde_json::Result<serde_json::Value>| {
        value.ok().filter(|value| !value.is_null()).map(|value| value.to_string().replace('"', ""))
    };
    differs(
        "--name-suffix",
        global.name_suffix.as_ref().and_then(|one| json(serde_json::to_value(one))),
        json(serde_json::to_value(&options.name_suffix)),
    )
    .or_else(|| {
        differs(
            "--origin-access",
            global.origin_access.and_then(|one| json(serde_json::to_value(one))),
            json(serde_json::to_value(options.origin_access)),
        )
    })
    .or_else(|| differs("--packages-domain", global.packages_domain.clone(), options.packages_domain.clone()))
    .or_else(|| differs("--certificate", global.certificate.clone(), options.certificate.clone()))
    .or_else(|| {
        differs(
            "--permissions-boundary",
            global.permissions_boundary.clone(),
            options.permissions_boundary.clone(),
        )
    })
    .or_else(|| {
        differs(
            "--construction",
            global.construction.map(|one| one.to_string()),
            options.construction.map(|one| one.to_string()),
        )
    })
}

impl CommandInvocation {
    /// Refuses where the plan that is to be made was made on something else; without such a plan nothing is refused.
    ///
    /// # Errors
    /// Where version, account, bucket or hosts differ, or can't be found.
    pub(super) async fn refuse_other_plan_origin(&self) -> Result<(), Failure> {
        let Some((kept, path)) = &self.plan_to_make else { return Ok(()) };
        refuse_other_plan_origin(&self.session, &self.answers, (kept, path)).await
    }

    /// Refuses where other changes than those of the plan that is to be made would be made now.
    ///
    /// # Errors
    /// Where they differ.
    pub(super) fn refuse_moved_plan(&self, plans: &[StagePlan]) -> Result<(), Failure> {
        let Some((kept, path)) = &self.plan_to_make else { return Ok(()) };
        refuse_moved_plan(&self.session, (kept, path), plans)
    }

    /// Refuses a later look that would change what isn't in the plan that is to be made.
    ///
    /// # Errors
    /// Where it would.
    pub(super) fn refuse_unplanned_changes(&self, plan: &StagePlan) -> Result<(), Failure> {
        let Some((kept, path)) = &self.plan_to_make else { return Ok(()) };
        refuse_unplanned_changes(kept, path, plan)
    }

    /// Notes that the plan is being made, so that the next run of it goes on where this one is broken off.
    pub(super) fn note_plan_begun(&self) {
        self.plan_to_make.iter().for_each(|(kept, _)| note_plan_begun(&self.session, kept));
    }

    /// Notes that it is made.
    pub(super) fn note_plan_made(&self) {
        self.plan_to_make.iter().for_each(|_| note_plan_made(&self.session));
    }
}

/// Renders the command that makes what was planned: of the file it was kept in, else with the reindex's `flags`.
pub fn render_plan_making_command(goal: OperatorGoal, out: Option<&Path>, flags: &[String]) -> String {
    let flags = || flags.iter().map(String::as_str);
    match (goal, out) {
        (OperatorGoal::Install | OperatorGoal::Upgrade, Some(path)) => render_kept_plan_command(path),
        (OperatorGoal::Install, None) => render_proposed_command("enable", &flags().collect::<Vec<_>>()),
        (OperatorGoal::Upgrade, None) => {
            let words: Vec<&str> = std::iter::once("--upgrade").chain(flags()).collect();
            render_proposed_command("enable", &words)
        }
        (OperatorGoal::Disable, _) => render_proposed_command("disable", &[]),
        (OperatorGoal::RollBack, _) => render_proposed_command("roll-back", &[]),
        (OperatorGoal::Rotate, _) => render_proposed_command("rotate-secret", &[]),
    }
}

/// Renders how a plan that was kept is made.
pub fn render_kept_plan_command(path: &Path) -> String {
    render_proposed_command("enable", &["--plan", &path.to_string_lossy()])
}
