//! The commands that change something: each shows its plan, asks, and applies stage after stage.

use super::{CommandInvocation, EXIT_DONE, EXIT_PENDING, json, plain, read};
use crate::args::CloudFrontConfigFormat;
use crate::engine;
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::ctl_command::CtlCommand,
    run::{
        answers::RollBackAnswers,
        check::has_simulated_denials_alone,
        event::StageEnd,
        goal::{OperatorGoal, RunStage},
        plan::StagePlan,
    },
};

/// Runs the whole set-up.
///
/// # Errors
/// Fails where the access doesn't suffice, a plan can't be made, or is refused.
pub async fn run_full_setup_command(invocation: &mut CommandInvocation) -> Result<u8, Failure> {
    invocation.refuse_other_plan_origin().await?;
    confirm_same_aws_target(invocation).await?;
    let stages = list_stages_to_apply(invocation);
    let mut plans = plan_setup_stages(invocation, &stages).await?;
    invocation.refuse_moved_plan(&plans)?;
    if !plans.iter().all(StagePlan::is_plan_without_changes) {
        confirm_plans_with_operator(invocation, &mut plans)?;
    }
    invocation.note_plan_begun();
    if let Some(failure) = apply_stages_beside_reindex(invocation, stages, plans).await? {
        print_json_configuration_after_failure(invocation).await;
        return Ok(super::report_stage_failure(&failure));
    }
    let values = engine::resolve_cloudfront_setting_values(&invocation.session, &invocation.answers).await?;
    read::print_cloudfront_settings(invocation, &values, CloudFrontConfigFormat::Ruby);
    if invocation.answers.prepare {
        match describe_cloudfront_left_alone(invocation).await? {
            Some(left) => errln!("{left}"),
            None => {
                errln!(
                    "All is prepared, and nothing is live yet. To go live: {}",
                    render_proposed_command("enable", &[])
                );
            }
        }
    }
    clear_run_resume_point(invocation);
    invocation.note_plan_made();
    Ok(EXIT_DONE)
}

/// Says that what is on, or may be, was left as it was; nothing where packagecloud.rb surely has it off.
async fn describe_cloudfront_left_alone(invocation: &CommandInvocation) -> Result<Option<String>, Failure> {
    let config = invocation.session.host.read_packagecloud_config().await?.seen;
    let is_on = config.values.enabled == Some(true);
    Ok(config.describe_cloudfront_unless_off().map(|on| {
        if is_on {
            format!("{on} already; this left it on.")
        } else {
            format!("{on}; this left it as it is.")
        }
    }))
}

/// Returns the goal's stages that are applied one by one.
fn list_stages_to_apply(invocation: &CommandInvocation) -> Vec<RunStage> {
    let goal = invocation.answers.goal.unwrap_or(OperatorGoal::Install);
    let left_out = |stage: RunStage| match stage {
        RunStage::Access | RunStage::Overview => true,
        RunStage::GoLive | RunStage::Verify => invocation.answers.prepare,
        _ => false,
    };
    goal.stages_of_goal().iter().copied().filter(|&stage| !left_out(stage)).collect()
}

/// Plans the access stage and all of `stages` but verify, and shows whether the access suffices.
///
/// # Errors
/// Fails where a stage can't be looked at, a permission is missing, or a consent is.
async fn plan_setup_stages(
    invocation: &CommandInvocation,
    stages: &[RunStage],
) -> Result<Vec<StagePlan>, Failure> {
    let mut plans = Vec::new();
    let mut stopped = None;
    for &stage in stages.iter().filter(|&&stage| stage != RunStage::Verify) {
        match engine::look(&invocation.session, stage, &invocation.answers).await {
            Ok(plan) => plans.push(plan),
            // Whose account it is, whether it is the bucket that was meant, and what may not be done comes before it.
            Err(failure) => {
                stopped = Some(failure);
                break;
            }
        }
    }
    // A stage with nothing to do needs no permission that its look didn't.
    let pending: Vec<RunStage> = stages
        .iter()
        .copied()
        .filter(|stage| {
            plans
                .iter()
                .find(|plan| plan.run_stage_of_plan() == *stage)
                .is_none_or(|plan| !plan.is_plan_without_changes())
        })
        .collect();
    let access = engine::look_at_access_stage(&invocation.session, &invocation.answers, &pending).await?;
    show_failed_access_checks(invocation, &access);
    refuse_failed_access_checks(invocation, &access)?;
    if let Some(failure) = stopped {
        invocation.refuse_unconfirmed_plans(std::slice::from_ref(&access))?;
        return Err(failure);
    }
    plans.insert(0, access);
    invocation.refuse_unconfirmed_plans(&plans)?;
    Ok(plans)
}

/// Refuses where a check failed; past what IAM's simulation alone denies, and nothing else, `--anyway` goes on.
fn refuse_failed_access_checks(invocation: &CommandInvocation, access: &StagePlan) -> Result<(), Failure> {
    let is_simulated_alone = has_simulated_denials_alone(&access.checks);
    let failed = || access.checks.iter().filter(|check| check.has_failed());
    // What was looked at itself stands in the way for sure.
    let Some(first) = failed().find(|check| !check.is_simulated_denial()).or(failed().next()) else {
        return Ok(());
    };
    if is_simulated_alone && invocation.global.anyway {
        return Ok(());
    }
    let mut next = first.next.clone();
    if is_simulated_alone {
        next = format!(
            "{next}; IAM's simulation may err, and AWS's answer to the request itself decides: to go on all the same, run: {}",
            invocation.render_command_with_flag("--anyway")
        );
    }
    Err(Failure::new_generic_failure(first.name.clone(), first.detail.clone(), next))
}

/// Shows all plans and what they come to, and asks whether they shall be applied.
///
/// # Errors
/// Fails where the answer is no, or nobody can be asked.
fn confirm_plans_with_operator(
    invocation: &mut CommandInvocation,
    plans: &mut [StagePlan],
) -> Result<(), Failure> {
    show_plans_overview(invocation, plans);
    if !(invocation.is_json_output() && invocation.global.yes) {
        errln!("All in all");
        let summary = engine::stages::overview::summarize_plans(plans);
        summary.render_plan_summary_lines().iter().for_each(|line| errln!("  {line}"));
    }
    if invocation.ask_operator_consent("Apply these changes?")?
        && invocation.ask_live_change_consents(plans)?
    {
        return Ok(());
    }
    Err(Failure::new_missing_consent_failure(
        "enable",
        "you said no",
        format!("nothing was changed; when you are ready: {}", render_same_command_again(&[])),
    ))
}

/// Applies the stages, the reindex beside those that follow it; returns the failure of the first that failed, else the reindex's.
///
/// # Errors
/// Fails as [`apply_stages`] does, once the reindex has ended too.
async fn apply_stages_beside_reindex(
    invocation: &CommandInvocation,
    mut stages: Vec<RunStage>,
    mut plans: Vec<StagePlan>,
) -> Result<Option<Failure>, Failure> {
    let is_due =
        |plan: &StagePlan| plan.run_stage_of_plan() == RunStage::Reindex && !plan.is_plan_without_changes();
    let Some(reindex) = plans.iter().position(is_due).map(|place| plans.swap_remove(place)) else {
        return apply_stages(invocation, stages, plans).await;
    };
    stages.retain(|&stage| stage != RunStage::Reindex);
    invocation
        .run_printing_stage_events(async |run| {
            let reindexing = engine::apply(&invocation.session, &reindex, &invocation.answers, &run);
            let setting_up = apply_stages(invocation, stages, plans);
            let ((_, reindex_failure), set_up) = tokio::join!(Box::pin(reindexing), Box::pin(setting_up));
            Ok(set_up?.or(reindex_failure.map(explain_reindex_left)))
        })
        .await
}

/// The failure of a reindex beside a set-up that is done: nothing else waits for it.
fn explain_reindex_left(failure: Failure) -> Failure {
    let next = render_proposed_command("reindex-everything", &[]);
    let left = format!("the set-up is done, and stays as it is; the reindex continues with: {next}");
    let next = if failure.kind == FailureKind::Interrupted || failure.next.is_empty() {
        left
    } else {
        format!("{}; {left}", failure.next)
    };
    Failure { next, ..failure }
}

/// Applies stage after stage, and returns the failure of the one that failed.
///
/// `plans` were made in one look: while nothing changes they still stand; after a change the later stages look again.
///
/// # Errors
/// Fails where a stage can't be looked at again, wants a consent, or the run is stopped between two stages.
async fn apply_stages(
    invocation: &CommandInvocation,
    stages: Vec<RunStage>,
    mut plans: Vec<StagePlan>,
) -> Result<Option<Failure>, Failure> {
    let mut changed = false;
    for stage in stages {
        if stage == RunStage::Verify && !can_verify_cloudfront_now(invocation) {
            continue;
        }
        if invocation.stop.is_cancelled() {
            // Asked to end while the stage before did its last write: it was finished, and no other is begun.
            return Err(Failure::new(
                FailureKind::Interrupted,
                "enable",
                format!("stopped before the stage {}", stage.stage_title()),
                format!("run: {} — it continues from what is there", render_same_command_again(&[])),
            ));
        }
        let standing = plans.iter().position(|plan| plan.run_stage_of_plan() == stage).filter(|_| !changed);
        let plan = if let Some(index) = standing {
            plans.swap_remove(index)
        } else {
            let plan = engine::look(&invocation.session, stage, &invocation.answers).await?;
            invocation.refuse_unplanned_changes(&plan)?;
            plan
        };
        invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
        let (end, failure) = apply_plan_replanning_on_drift(invocation, plan).await?;
        changed |= end == StageEnd::Applied;
        if failure.is_some() {
            return Ok(failure);
        }
    }
    Ok(None)
}

/// Says where the last run was left; asks first whether another account or bucket than that run's is meant.
async fn confirm_same_aws_target(invocation: &CommandInvocation) -> Result<(), Failure> {
    if let Some(left) = engine::welcome::read_unfinished_run(&invocation.session) {
        errln!("The last run was left {left}. This continues from what is there.");
    }
    invocation.refuse_missing_confirmations(
        &engine::list_changed_bucket_confirmations(&invocation.session, &invocation.answers).await,
    )
}

/// In JSON the block as the file holds it, after a stage that failed; a person reads of the failure last.
async fn print_json_configuration_after_failure(invocation: &CommandInvocation) {
    if invocation.is_json_output()
        && let Ok(config) = invocation.session.host.read_packagecloud_config().await
    {
        read::print_cloudfront_settings(invocation, &config.seen.values, CloudFrontConfigFormat::Ruby);
    }
}

/// Whether packagecloud follows its file: verify after `--ctl none` would only fail.
fn can_verify_cloudfront_now(invocation: &CommandInvocation) -> bool {
    !invocation.session.is_packagecloud_ctl_disabled()
}

/// Applies; where reality moved since the plan was shown, looks again and applies what is right now, a few times.
///
/// # Errors
/// Fails where a look fails, and where what is right now was neither planned nor consented to.
pub(super) async fn apply_plan_replanning_on_drift(
    invocation: &CommandInvocation,
    mut plan: StagePlan,
) -> Result<(StageEnd, Option<Failure>), Failure> {
    for _ in 0..3 {
        let (end, failure) = invocation.apply_plan(&plan).await;
        match &failure {
            Some(drifted) if drifted.kind == FailureKind::Drifted => {
                plan =
                    engine::look(&invocation.session, plan.run_stage_of_plan(), &invocation.answers).await?;
                invocation.refuse_unplanned_changes(&plan)?;
                invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
            }
            _ => return Ok((end, failure)),
        }
    }
    Ok(invocation.apply_plan(&plan).await)
}

fn show_failed_access_checks(invocation: &CommandInvocation, plan: &StagePlan) {
    if invocation.is_json_output() {
        return;
    }
    for check in plan.checks.iter().filter(|check| check.has_failed() || !check.is_permission_check()) {
        errln!("{}", plain::render_check_result(check));
    }
    let all = plan.checks.len();
    match plan.checks.iter().filter(|check| check.has_failed()).count() {
        0 => errln!("Access: nothing stands in the way ({all} checks)"),
        failed if invocation.global.anyway && has_simulated_denials_alone(&plan.checks) => errln!(
            "Access: IAM's simulation denies {failed} of {all}; --anyway goes on, and AWS's answer to each request decides"
        ),
        failed => errln!("Access: {failed} of {all} checks failed"),
    }
}

/// Prints what the plans would change, on stderr.
pub(super) fn show_plans_overview(invocation: &CommandInvocation, plans: &[StagePlan]) {
    // In JSON stdout is for events; what a missing --yes would consent to stands on stderr all the same.
    if invocation.is_json_output() && invocation.global.yes {
        return;
    }
    let changing = plans.iter().filter(|plan| !plan.is_plan_without_changes());
    plain::render_plans_as_lines(changing).iter().for_each(|line| errln!("{line}"));
}

fn clear_run_resume_point(invocation: &CommandInvocation) {
    engine::save_run_resume_point(&invocation.session, &invocation.answers, None);
}

/// Runs some stages alone, each as the set-up has it.
///
/// # Errors
/// Fails where a plan can't be made, or is refused.
pub async fn run_selected_stages(
    invocation: &mut CommandInvocation,
    stages: &[RunStage],
) -> Result<u8, Failure> {
    // The secret alone asks AWS nothing where packagecloud.rb tells it.
    if stages != [RunStage::Secret] {
        confirm_same_aws_target(invocation).await?;
    }
    for &stage in stages {
        let mut plan = engine::look(&invocation.session, stage, &invocation.answers).await?;
        invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
        if !plan.is_plan_without_changes() {
            show_plans_overview(invocation, std::slice::from_ref(&plan));
            if !invocation.ask_operator_consent("Apply this?")?
                || !invocation.ask_live_change_consents(std::slice::from_mut(&mut plan))?
            {
                return Err(Failure::new_missing_consent_failure(
                    stage.stage_name(),
                    "you said no",
                    "nothing was changed",
                ));
            }
        }
        let (_, failure) = apply_plan_replanning_on_drift(invocation, plan).await?;
        if let Some(failure) = failure {
            return Ok(super::report_stage_failure(&failure));
        }
    }
    clear_run_resume_point(invocation);
    Ok(EXIT_DONE)
}

/// Runs the bootstrap stage, and names the command that comes next.
///
/// # Errors
/// Fails where the plan can't be made, or is refused.
pub async fn run_bootstrap_cloudfront_command(invocation: &mut CommandInvocation) -> Result<u8, Failure> {
    let code = run_selected_stages(invocation, &[RunStage::Bootstrap]).await?;
    if code == EXIT_DONE
        && let Some(arn) =
            engine::find_matching_function_version_arn(&invocation.session, &invocation.answers).await?
    {
        invocation.print_plain_result_line(&format!(
            "Next: {}",
            render_proposed_command("reconfigure-cloudfront-distribution", &[&arn])
        ));
    }
    Ok(code)
}

/// Associates a function version with the distribution; with `go_live`, switches on too.
///
/// # Errors
/// Fails where the ARN is no function version's, or a plan can't be made, or is refused.
pub async fn run_distribution_command(
    invocation: &mut CommandInvocation,
    go_live: bool,
) -> Result<u8, Failure> {
    let arn = invocation.answers.version_arn.clone().unwrap_or_default();
    let numbered = arn.rsplit(':').next().is_some_and(|number| number.parse::<u32>().is_ok());
    let whole = arn.split(':').count() == 8 && !arn.contains(char::is_whitespace);
    if !(arn.starts_with("arn:aws:lambda:us-east-1:") && arn.contains(":function:") && numbered && whole) {
        return Err(Failure::new_usage_failure(
            arn,
            "it is no ARN of a function version in us-east-1, with its number at the end",
            format!(
                "give the one that this prints: {}",
                render_proposed_command("bootstrap-cloudfront", &[])
            ),
        ));
    }
    let mut wanted = vec![RunStage::Distribution, RunStage::Configuration];
    if go_live {
        wanted.push(RunStage::GoLive);
    }
    let code = run_selected_stages(invocation, &wanted).await?;
    if code == EXIT_DONE {
        let values =
            engine::resolve_cloudfront_setting_values(&invocation.session, &invocation.answers).await?;
        if !go_live && let Some(left) = describe_cloudfront_left_alone(invocation).await? {
            errln!("{left}");
        }
        read::print_cloudfront_settings(invocation, &values, CloudFrontConfigFormat::Ruby);
    } else {
        print_json_configuration_after_failure(invocation).await;
    }
    Ok(code)
}

/// Switches off, from packagecloud.rb alone.
///
/// # Errors
/// Fails where no packagecloud.rb can be read, or the plan is refused.
pub async fn run_disable_cloudfront_command(invocation: &mut CommandInvocation) -> Result<u8, Failure> {
    let plan = engine::look(&invocation.session, RunStage::Disable, &invocation.answers).await?;
    if !plan.is_plan_without_changes() {
        show_plans_overview(invocation, std::slice::from_ref(&plan));
        let (session, answers) = (&invocation.session, &invocation.answers);
        let check = engine::stages::disable::check_packagecloud_presigned_links(session, answers).await;
        if invocation.is_json_output() {
            json::print_json_line(&json::render_check_progress_json(RunStage::Disable, &check));
        } else {
            errln!("  {}", check.detail);
        }
        if !invocation.ask_operator_consent("Switch CloudFront off?")? {
            return Err(Failure::new_missing_consent_failure(
                "disable",
                "you said no",
                "nothing was changed",
            ));
        }
    }
    let (_, failure) = apply_plan_replanning_on_drift(invocation, plan).await?;
    for node in invocation.session.list_all_node_sessions() {
        if let Ok(config) = node.host.read_packagecloud_config().await {
            read::print_cloudfront_settings(invocation, &config.seen.values, CloudFrontConfigFormat::Ruby);
            break;
        }
    }
    match failure {
        None => Ok(EXIT_DONE),
        Some(failure) if failure.kind == FailureKind::StillOn => {
            super::report_stage_failure(&failure);
            Ok(EXIT_PENDING)
        }
        Some(failure) => Ok(super::report_stage_failure(&failure)),
    }
}

/// Restores a backup or associates an earlier function version; without either, lists the backups.
///
/// # Errors
/// Fails where the plan can't be made, or is refused.
pub async fn run_roll_back_command(
    invocation: &mut CommandInvocation,
    backup: Option<&str>,
    whole_file: bool,
    edge: Option<&str>,
) -> Result<u8, Failure> {
    if let Some(arn) = edge {
        if !invocation.ask_operator_consent(&format!("Associate {arn} again?"))? {
            return Err(Failure::new_missing_consent_failure(
                "roll-back",
                "you said no",
                "nothing was changed",
            ));
        }
        let (_, failure) = invocation
            .run_printing_stage_events(async |run| {
                engine::roll_back_function_version(&invocation.session, &invocation.answers, arn, &run).await
            })
            .await;
        return Ok(failure.map_or(EXIT_DONE, |failure| super::report_stage_failure(&failure)));
    }
    let Some(backup) = backup else {
        let backups = engine::list_config_backups(&invocation.session).await?;
        if invocation.is_json_output() {
            backups
                .iter()
                .for_each(|backup| json::print_json_line(&json::render_packagecloud_rb_backup_json(backup)));
            return Ok(EXIT_DONE);
        }
        if backups.is_empty() {
            invocation.print_plain_result_line("There is no backup of packagecloud.rb: none was made yet.");
        }
        for backup in backups {
            invocation.print_plain_result_line(&format!("{}  {}", backup.path, backup.when));
            if backup.changes.is_empty() {
                invocation.print_plain_result_line("    restoring it would change nothing now");
            }
            backup.changes.iter().for_each(|line| invocation.print_plain_result_line(&format!("    {line}")));
        }
        return Ok(EXIT_DONE);
    };
    invocation.answers.roll_back =
        RollBackAnswers { backup: Some(backup.to_owned()), whole_file, edge: None };
    let plan = engine::look(&invocation.session, RunStage::RollBack, &invocation.answers).await?;
    invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
    if !plan.is_plan_without_changes() {
        show_plans_overview(invocation, std::slice::from_ref(&plan));
        if !invocation.ask_operator_consent("Restore this?")? {
            return Err(Failure::new_missing_consent_failure(
                "roll-back",
                "you said no",
                "nothing was changed",
            ));
        }
    }
    let (end, failure) = invocation.apply_plan(&plan).await;
    if let Some(failure) = failure {
        return Ok(super::report_stage_failure(&failure));
    }
    let values = invocation.session.host.read_packagecloud_config().await?.seen.values;
    if values.enabled == Some(true) {
        let live = run_selected_stages(invocation, &[RunStage::GoLive]).await;
        if !matches!(live, Ok(EXIT_DONE)) {
            take_restored_switch_back(invocation).await?;
            return live;
        }
    }
    // A file of before CloudFront has nothing that could be verified: it was seen to be off.
    if end != StageEnd::Applied || values.secret.is_none() || !can_verify_cloudfront_now(invocation) {
        return Ok(EXIT_DONE);
    }
    read::run_verify_command(invocation, false).await
}

/// Says off in the file again where what a roll-back restored did not go live: the next reconfigure must not switch it on unproven.
///
/// # Errors
/// Fails where the file can't be read or written.
async fn take_restored_switch_back(invocation: &CommandInvocation) -> Result<(), Failure> {
    if !invocation.stop.is_cancelled()
        && engine::take_restored_switch_back(&invocation.session, &invocation.answers).await?
    {
        errln!(
            "  !  packagecloud.rb says cloudfront_enabled = false: the backup has CloudFront on, but it did not go live, and the next reconfigure would have switched it on without a proof"
        );
    }
    Ok(())
}

/// Runs packagecloud-ctl's own command, with its lines.
///
/// # Errors
/// Fails where it is refused.
pub async fn run_packagecloud_ctl_command(
    invocation: &mut CommandInvocation,
    command: CtlCommand,
) -> Result<u8, Failure> {
    if !invocation.ask_operator_consent(&format!("Run packagecloud-ctl {command}?"))? {
        return Err(Failure::new_missing_consent_failure(command.name(), "you said no", "nothing was run"));
    }
    let ran = invocation
        .run_printing_stage_events(async |run| {
            engine::run_ctl_on_all_nodes(&invocation.session, command, &run).await
        })
        .await;
    Ok(ran.map_or_else(|failure| super::report_stage_failure(&failure), |()| EXIT_DONE))
}
