//! The engine's two verbs: `look` reads the account and the host and returns a plan, `apply` does exactly that plan, saying events.
//!
//! Truth lives in the account and in packagecloud.rb: to resume, to run again and to disable from another host are all to look again.

mod batch;
pub mod delivery;
pub mod hand_over;
pub mod kept_plan;
pub mod leaving;
pub mod link_explanation;
mod live_change;
pub mod packagecloud;
pub mod reindex;
pub mod resources;
pub mod run;
pub mod session;
pub mod stages;
pub mod status;
pub mod watch;
pub mod welcome;

pub use run::{OperatorPresence, RunContext};
pub use session::{RandomByteSource, Session, SessionSettings};

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::FutureExt as _;

use run::StageRun;

use crate::aws::awaited;
use crate::host::{ConfigRestoreScope, run::state::SavedRun};
use crate::model::{
    aws::evidence::StageEvidence,
    failure::{Failure, FailureKind},
    iam::{
        access::{
            edge_logs_permission, edge_metrics_permission, flat_rate_plan_permission,
            list_invalidation_permissions,
        },
        least_privilege::render_least_privilege_policy,
    },
    packagecloud::ctl_command::CtlCommand,
    run::{
        answers::OperatorAnswers,
        check::CheckResult,
        event::StageEnd,
        goal::{OperatorGoal, RunStage, StageStep},
        plan::{PlanConfirmationQuestion, StagePlan},
        welcome::FoundBackup,
    },
    url::token::UrlTokenConstruction,
};

/// AWS is given so long to answer before it is said which of its services doesn't.
const SILENT_CALL_AFTER: Duration = Duration::from_secs(10);

/// Says which call to AWS has had no answer for ten seconds, of those that this process waits for: the most silent one.
#[must_use]
pub fn describe_silent_aws_call() -> Option<String> {
    describe_call_silent_for(SILENT_CALL_AFTER)
}

/// Says which call to AWS has had no answer for `time`: the most silent one.
fn describe_call_silent_for(time: Duration) -> Option<String> {
    awaited::describe_calls_silent_for(time)
}

/// Reads what is there, and says what would change.
///
/// # Errors
/// Fails where what the stage needs can't be read, or must not be changed.
pub async fn look(
    session: &Session,
    stage: RunStage,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    match stage {
        RunStage::Overview => stages::overview::look_and_plan_overview(session, answers).await,
        _ => look_at_single_stage(session, stage, answers).await,
    }
}

/// Looks at the access stage, asking only for what `stages` need: the ones of a run that have something to do.
///
/// # Errors
/// Fails where the identity or the bucket can't be found.
pub async fn look_at_access_stage(
    session: &Session,
    answers: &OperatorAnswers,
    stages: &[RunStage],
) -> Result<StagePlan, Failure> {
    stages::access::look_and_plan_needed_access(session, answers, Some(stages)).await
}

/// Returns what is asked before anything is looked at in another account or bucket than the last run's. Where that
/// can't be told yet, what is looked at first says why.
pub async fn list_changed_bucket_confirmations(
    session: &Session,
    answers: &OperatorAnswers,
) -> Vec<PlanConfirmationQuestion> {
    if session.settings.last.is_none() {
        return Vec::new();
    }
    match session.get_or_discover_aws_target(answers).await {
        Ok(target) if session.build_bucket_or_account_question(&target, answers).is_some() => {
            stages::access::build_bucket_confirmation_questions(session, &target, answers)
        }
        _ => Vec::new(),
    }
}

/// A look at one stage that does something itself.
async fn look_at_single_stage(
    session: &Session,
    stage: RunStage,
    answers: &OperatorAnswers,
) -> Result<StagePlan, Failure> {
    if matches!(stage, RunStage::Secret | RunStage::Bootstrap)
        && let Some(failure) = stages::rotate::find_interrupted_replacement(session).await
    {
        return Err(failure);
    }
    // Boxed: each of these is large, and all of them in one future are more than the compiler lays out.
    let looking = match stage {
        RunStage::Access | RunStage::Overview => stages::access::look(session, answers).boxed(),
        RunStage::Reindex => stages::reindex::look(session, answers).boxed(),
        RunStage::Secret => stages::secret::look(session, answers).boxed(),
        RunStage::Bootstrap => stages::bootstrap::look(session, answers).boxed(),
        RunStage::Distribution => stages::distribution::look(session, answers).boxed(),
        RunStage::Configuration => stages::configuration::look(session, answers).boxed(),
        RunStage::GoLive => stages::go_live::look(session, answers).boxed(),
        RunStage::Verify => return Ok(stages::verify::look(session).await),
        RunStage::Disable => stages::disable::look(session, answers).boxed(),
        RunStage::RollBack => stages::roll_back::look(session, answers).boxed(),
        RunStage::Rotate => stages::rotate::look(session, answers).boxed(),
        RunStage::Invalidate => stages::invalidate::look(session, answers).boxed(),
    };
    let looked = looking.await;
    if looked.as_ref().is_err_and(|failure| failure.kind == FailureKind::Credentials) {
        // Fresh ones are found by the next look alone.
        session.invalidate_cached_aws_target().await;
    }
    looked
}

/// Notes which nodes are on, before they are switched off for a new secret; returns those that can't be reached.
///
/// # Errors
/// Fails where a file can't be read.
pub async fn note_nodes_to_switch_on(session: &Session) -> Result<Vec<String>, Failure> {
    stages::rotate::note_nodes_to_switch_on(session).await
}

/// Lists the places of the nodes that were noted as on before; `forget` removes what was noted.
pub async fn list_nodes_to_switch_on(session: &Session, forget: bool) -> Vec<usize> {
    stages::rotate::list_nodes_to_switch_on(session, forget).await
}

/// Does exactly `plan`, and says what happens; `Ended` is said last, once.
pub async fn apply(
    session: &Session,
    plan: &StagePlan,
    answers: &OperatorAnswers,
    run: &RunContext,
) -> (StageEnd, Option<Failure>) {
    let stage = plan.run_stage_of_plan();
    let began = AtomicBool::new(false);
    let witness = session.clone();
    let run =
        run.with_event_listener(move |event| witness.append_run_journal_event(event)).create_stage_run(stage);
    let (end, failure) = run
        .run_stage_to_end(async {
            acquire_run_lock_for_stage(session, stage).await?;
            // They lead nowhere, so where another run was left stays known; a rotation is found by what stands.
            if !matches!(stage, RunStage::Invalidate | RunStage::Rotate) {
                let left = session.note_stage_begin(stage);
                save_run_resume_point(session, answers, left);
                began.store(true, Ordering::Relaxed);
            }
            refuse_unconfirmed_plan(plan)?;
            // Switching off looks for itself: a run beside it may have switched on since it was planned.
            if plan.is_plan_without_changes() && stage != RunStage::Disable {
                return Ok((StageEnd::Unchanged, explain_unchanged_stage(plan)));
            }
            apply_stage_changes(session, plan, answers, &run).await
        })
        .await;
    if failure.is_some() {
        session.invalidate_cached_account_reads().await;
    }
    // Beside another run that one's place stays as it is.
    if began.into_inner() {
        let is_done = match stage {
            RunStage::Reindex => matches!(end, StageEnd::Applied | StageEnd::Unchanged),
            _ => is_run_finished(stage, end, session.is_packagecloud_ctl_disabled()),
        };
        let left = session.note_stage_end(stage, is_done);
        save_run_resume_point(session, answers, left);
    }
    (end, failure)
}

/// Says why nothing is to do, where that isn't plain: a reindex that was finished or skipped looks at no object, and a rotation
/// that every node has followed is still to be finished.
fn explain_unchanged_stage(plan: &StagePlan) -> String {
    let telling = match plan.run_stage_of_plan() {
        RunStage::Reindex => StageStep::Objects,
        RunStage::Rotate => StageStep::Secret,
        _ => return String::new(),
    };
    let kept = plan.changes.iter().find(|change| change.step == telling);
    kept.map(|change| change.why.clone()).unwrap_or_default()
}

/// Acquires the run lock where the stage changes something.
async fn acquire_run_lock_for_stage(session: &Session, stage: RunStage) -> Result<(), Failure> {
    match stage {
        // What edges forget is of no host: it may run beside a reindex of days.
        RunStage::Access | RunStage::Overview | RunStage::Verify | RunStage::Invalidate => Ok(()),
        RunStage::Disable => {
            // It waits for nobody.
            let _ = session.acquire_run_lock().await;
            Ok(())
        }
        RunStage::Reindex
        | RunStage::Secret
        | RunStage::Bootstrap
        | RunStage::Distribution
        | RunStage::Configuration
        | RunStage::GoLive
        | RunStage::RollBack
        | RunStage::Rotate => session.acquire_run_lock().await,
    }
}

/// Refuses a plan with a question that nobody has answered with yes.
fn refuse_unconfirmed_plan(plan: &StagePlan) -> Result<(), Failure> {
    let Some(ask) = plan.confirmations.first() else { return Ok(()) };
    Err(Failure::new_missing_consent_failure(
        plan.run_stage_of_plan().stage_title(),
        ask.question.clone(),
        format!("say yes with {}", ask.consent.consent_cli_flag()),
    ))
}

/// Hands the plan's evidence to its stage.
async fn apply_stage_changes(
    session: &Session,
    plan: &StagePlan,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    // Boxed, as in looking.
    let applying = match &plan.observed {
        // They change nothing.
        StageEvidence::Access | StageEvidence::Overview => return Ok((StageEnd::Unchanged, String::new())),
        StageEvidence::Reindex(seen) => stages::reindex::apply(session, seen, answers, run).boxed(),
        StageEvidence::Secret(seen) => stages::secret::apply(session, seen, answers, run).boxed(),
        StageEvidence::Bootstrap(seen) => stages::bootstrap::apply(session, seen, answers, run).boxed(),
        StageEvidence::Distribution(seen) => stages::distribution::apply(session, seen, answers, run).boxed(),
        StageEvidence::Configuration(seen) => {
            stages::configuration::apply(session, seen, answers, run).boxed()
        }
        StageEvidence::GoLive(seen) => stages::go_live::apply(session, seen, answers, run).boxed(),
        StageEvidence::Verify => stages::verify::apply(session, answers, run).boxed(),
        StageEvidence::Disable => stages::disable::apply(session, answers, run).boxed(),
        StageEvidence::RollBack(seen) => stages::roll_back::apply(session, answers, seen, run).boxed(),
        StageEvidence::Rotation(seen) => stages::rotate::apply(session, seen, answers, run).boxed(),
        StageEvidence::Invalidate(seen) => stages::invalidate::apply(session, answers, seen, run).boxed(),
    };
    applying.await
}

/// Whether a run has come to its end, so that the next start has nothing to go on with.
fn is_run_finished(stage: RunStage, end: StageEnd, without_ctl: bool) -> bool {
    match stage {
        RunStage::Verify => matches!(end, StageEnd::Applied | StageEnd::Unchanged),
        RunStage::Disable | RunStage::RollBack => {
            end != StageEnd::Failed && (end != StageEnd::Stopped || without_ctl)
        }
        // The rest is left to the operator.
        RunStage::GoLive => end == StageEnd::Stopped && without_ctl,
        _ => false,
    }
}

/// Keeps the answers, and where this run is: `None` where it went to its end.
pub fn save_run_resume_point(session: &Session, answers: &OperatorAnswers, stage: Option<RunStage>) {
    let when = session.host.clock.read_host_clock().as_secs();
    let before = session.host.state.read_saved_run().0.unwrap_or_default();
    let mut answers = answers.clone();
    let mut on = before.on;
    if let Some(target) = session.cached_aws_target() {
        answers.identity = Some(target.caller.arn.clone());
        answers.account = Some(target.account.clone());
        on = Some((target.account.clone(), target.names.bucket_name().to_owned()));
    } else {
        // Switching off asks AWS nothing: what the run before knew stays known.
        answers.identity = before.answers.identity;
        answers.account = before.answers.account;
    }
    answers.profile = answers.profile.or_else(|| session.settings.last_profile.clone());
    answers.goal = match stage {
        Some(RunStage::Disable) => Some(OperatorGoal::Disable),
        Some(RunStage::RollBack) => Some(OperatorGoal::RollBack),
        _ => answers.goal.filter(|goal| matches!(goal, OperatorGoal::Install | OperatorGoal::Upgrade)),
    };
    // Losing it loses no more than time.
    let _ = session.host.state.write_saved_run(&SavedRun { answers, stage, when, on });
}

/// Associates an earlier function version again.
pub async fn roll_back_function_version(
    session: &Session,
    answers: &OperatorAnswers,
    arn: &str,
    run: &RunContext,
) -> (StageEnd, Option<Failure>) {
    let run = run.create_stage_run(RunStage::RollBack);
    let ended = run
        .run_stage_to_end(
            stages::roll_back::associate_earlier_function_version(session, answers, arn, &run).boxed(),
        )
        .await;
    session.invalidate_cached_account_reads().await;
    ended
}

/// Says off in packagecloud.rb where a roll-back restored it with CloudFront on, and going live did not come to its end; returns
/// whether it wrote. What packagecloud is not seen to have off is left to `disable`.
///
/// # Errors
/// Fails where the file can't be read or written.
pub async fn take_restored_switch_back(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<bool, Failure> {
    stages::roll_back::take_restored_switch_back(session, answers).await
}

/// Returns all that `check` says of the identity, the bucket, the account and the host; it changes nothing.
///
/// # Errors
/// Fails where the identity or the bucket can't be found.
pub async fn run_access_checks(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Vec<CheckResult>, Failure> {
    stages::access::run_aws_access_checks(session, answers).await
}

/// Returns the IAM policy that suffices for the goal, as JSON that fits one managed policy.
///
/// # Errors
/// Fails where the identity or the bucket can't be found.
pub async fn render_required_iam_policy(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<String, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    // An upgrade needs the most, so without a goal its policy suffices for each.
    let goal = answers.goal.unwrap_or(OperatorGoal::Upgrade);
    let mut needs = stages::access::collect_required_permissions(goal, &target, answers, None).await;
    needs.push(flat_rate_plan_permission());
    needs.push(edge_metrics_permission());
    needs.push(edge_logs_permission(&target.names, &target.account));
    needs.extend(list_invalidation_permissions(&target.account));
    Ok(render_least_privilege_policy(&needs))
}

/// Returns what the edge accepts, without asking AWS: as asked, else as last seen from this host, else the default.
#[must_use]
pub fn determine_edge_token_construction(
    session: &Session,
    answers: &OperatorAnswers,
) -> UrlTokenConstruction {
    let kept = || {
        String::from_utf8(
            session.host.state.read_state_dir_file(resources::authenticator::CONSTRUCTION_FILE)?,
        )
        .ok()?
        .trim()
        .parse()
        .ok()
    };
    answers.construction.or_else(kept).unwrap_or_default()
}

/// Returns the packages that probes ask for, by the bucket's first page.
///
/// # Errors
/// Fails where AWS can't be asked.
pub async fn list_sample_packages(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Vec<String>, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    Ok(delivery::samples::find_sample_object_keys(&target).await?.sample_packages().to_vec())
}

/// Returns the function version that is right as it stands.
///
/// # Errors
/// Fails where AWS can't be asked.
pub async fn find_matching_function_version_arn(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Option<String>, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    Ok(resources::authenticator::observe_authenticator_resources(session, &target, answers)
        .boxed()
        .await?
        .version)
}

/// Returns the backups of packagecloud.rb, the newest first.
///
/// # Errors
/// Fails where the directory of packagecloud.rb can't be read.
pub async fn list_config_backups(session: &Session) -> Result<Vec<FoundBackup>, Failure> {
    let mut found = Vec::new();
    for backup in session.host.list_config_backups().await? {
        let what = ConfigRestoreScope::Values { keep_secret: true };
        let changes = match session.host.preview_config_restore(&backup, what).await {
            Ok(changes) => changes,
            Err(failure) if session.host.is_config_missing(&failure) => {
                let missing = session.host.explain_missing_config(failure).await;
                vec![missing.to_string(), missing.next]
            }
            Err(failure) => vec![format!("what restoring it would change can't be told: {failure}")],
        };
        found.push(FoundBackup { path: backup.path.display().to_string(), when: backup.made, changes });
    }
    Ok(found)
}

/// Runs one of packagecloud-ctl's commands on every node, saying its lines as events of the go-live stage.
///
/// # Errors
/// Fails at the first node where the command does, or can't be run.
pub async fn run_ctl_on_all_nodes(
    session: &Session,
    command: CtlCommand,
    run: &RunContext,
) -> Result<(), Failure> {
    let run = run.create_stage_run(RunStage::GoLive);
    for node in session.list_all_node_sessions() {
        packagecloud::switch::run_ctl_command_step(&node, command, &run).await?;
    }
    Ok(())
}

/// Runs all checks of `verify`, each also said as an event.
///
/// # Errors
/// Fails where what the checks need can't be read.
pub async fn run_verify_checks(
    session: &Session,
    answers: &OperatorAnswers,
    run: &RunContext,
) -> Result<Vec<CheckResult>, Failure> {
    stages::verify::run_all_verify_checks(session, answers, &run.create_stage_run(RunStage::Verify)).await
}

/// Reads the values of the bucket's install, as `configuration` prints it: what packagecloud.rb holds, completed by
/// what AWS has.
///
/// # Errors
/// Fails where packagecloud.rb can't be read, or AWS is needed and can't be asked.
pub async fn resolve_cloudfront_setting_values(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<crate::model::packagecloud::settings::CloudFrontSettingValues, Failure> {
    let config = session.host.read_packagecloud_config().await?;
    let mut values = config.seen.values;
    if values.distribution_id.is_none() || values.packages_domain.is_none() {
        let distribution = resources::install::find_our_distribution(session, answers).await?;
        if let Some(distribution) = distribution {
            values.distribution_id.get_or_insert_with(|| distribution.id.clone());
            let domain =
                resources::packages_domain::choose_packages_domain(answers, &values, Some(&distribution));
            values.packages_domain = values.packages_domain.or(domain);
        }
    }
    Ok(values)
}
