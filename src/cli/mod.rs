//! The face without a terminal: the same engine, shown as sentences or as JSON lines, with the exit codes of contract section 2.

#[macro_use]
pub mod print;
mod change_request;
mod hand_over;
mod invalidate;
pub mod json;
mod kept_plan;
pub mod plain;
mod read;
mod rotate;
mod status;
mod write;

use std::{
    io::IsTerminal,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::args::{CliCommand, CloudFrontConfigFormat, ExportCommand, GlobalOptions, OutputFormat};
use crate::engine::{self, OperatorPresence, RunContext, Session};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::ctl_command::CtlCommand,
    run::{
        answers::{ManagedConfigWriteChoice, OperatorAnswers},
        check::CheckResult,
        event::{StageEnd, StageEvent},
        goal::RunStage,
        kept_plan::KeptPlan,
        plan::{PlanConfirmationQuestion, RequiredConsent, StagePlan},
    },
};

/// The exit codes of contract section 2.
pub const EXIT_DONE: u8 = 0;
pub const EXIT_FAILED: u8 = 1;
pub const EXIT_USAGE: u8 = 2;
pub const EXIT_PENDING: u8 = 3;
pub const EXIT_INTERRUPTED: u8 = 130;

pub use status::report_status_not_begun;

/// One command's run: where it shows, what it stands on, what was answered.
pub struct CommandInvocation {
    pub session: Session,
    pub answers: OperatorAnswers,
    pub global: GlobalOptions,
    pub stop: CancellationToken,
    /// Whether something is being changed: then a stop lets it come to its end.
    pub applying: Arc<AtomicBool>,
    pub sandbox: bool,
    /// The plan that is to be made and no other, and its file.
    pub plan_to_make: Option<(KeptPlan, PathBuf)>,
}

/// Runs a command to its exit code; a panic in it is a failure like any other.
pub async fn run_cli_command(invocation: &mut CommandInvocation, command: &CliCommand) -> u8 {
    let ran = AssertUnwindSafe(run_cli_command_or_fail(invocation, command)).catch_unwind().await;
    let result = ran.unwrap_or_else(|panic| {
        Err(Failure::new_program_fault("this command", &*panic, CommandInvocation::render_restart_advice()))
    });
    result.unwrap_or_else(|failure| invocation.report_failure(&failure))
}

async fn run_cli_command_or_fail(
    invocation: &mut CommandInvocation,
    command: &CliCommand,
) -> Result<u8, Failure> {
    if let CliCommand::Check { policy: true, .. } = command {
        return Ok(read::print_required_iam_policy(invocation).await);
    }
    if let CliCommand::Export(ExportCommand::TerraformImport) = command {
        return hand_over::print_terraform_imports(invocation).await;
    }
    if let CliCommand::Report = command {
        return hand_over::print_report(invocation).await;
    }
    if let CliCommand::Plan { format: Some(_), .. } | CliCommand::Configuration { format: Some(_) } = command
    {
        // The format that is named wins over --output.
        invocation.global.output = OutputFormat::Human;
    }
    let has_own_format = matches!(
        command,
        CliCommand::Status { format: Some(_), .. } | CliCommand::Status { out: Some(_), .. }
    );
    if invocation.is_json_output() && !has_own_format {
        json::print_json_line(&json::render_version_json(invocation.sandbox));
    }
    if let CliCommand::Enable { plan: Some(path), .. } = command {
        kept_plan::take_kept_plan(invocation, path)?;
    }
    acquire_run_lock_if_needed(invocation, command).await?;
    match command {
        CliCommand::Check { all, .. } => read::run_check_access_command(invocation, *all).await,
        CliCommand::Plan { out, format, reindex, .. } => {
            let flags = reindex.list_given_flag_words();
            read::run_plan_command(invocation, out.as_deref(), *format, &flags).await
        }
        CliCommand::Verify { all } => read::run_verify_command(invocation, *all).await,
        CliCommand::Status { format, out } => {
            status::run_status_command(invocation, *format, out.as_deref()).await
        }
        CliCommand::Configuration { format } => {
            let format = format.unwrap_or(CloudFrontConfigFormat::Ruby);
            read::run_configuration_command(invocation, format).await
        }
        CliCommand::Sign { path } => read::run_sign_url_command(invocation, path).await,
        CliCommand::Inspect { url } => read::run_inspect_url_command(invocation, url.as_deref()).await,
        CliCommand::Enable { .. } => write::run_full_setup_command(invocation).await,
        CliCommand::Disable => write::run_disable_cloudfront_command(invocation).await,
        CliCommand::RollBack { backup, whole_file, edge } => {
            write::run_roll_back_command(invocation, backup.as_deref(), *whole_file, edge.as_deref()).await
        }
        CliCommand::ReindexEverything { .. } => {
            write::run_selected_stages(invocation, &[RunStage::Reindex]).await
        }
        CliCommand::GenerateCloudfrontSecret => {
            write::run_selected_stages(invocation, &[RunStage::Secret]).await
        }
        CliCommand::BootstrapCloudfront => write::run_bootstrap_cloudfront_command(invocation).await,
        CliCommand::ReconfigureCloudfrontDistribution { go_live, .. } => {
            write::run_distribution_command(invocation, *go_live).await
        }
        CliCommand::RotateSecret { .. } => rotate::run_rotate_secret_command(invocation).await,
        CliCommand::Invalidate { .. } => invalidate::run_invalidate_command(invocation).await,
        CliCommand::Reconfigure => {
            write::run_packagecloud_ctl_command(invocation, CtlCommand::Reconfigure).await
        }
        CliCommand::Restart => write::run_packagecloud_ctl_command(invocation, CtlCommand::Restart).await,
        CliCommand::Wizard { .. }
        | CliCommand::Export(_)
        | CliCommand::Report
        | CliCommand::Sandbox(_)
        | CliCommand::Completions { .. }
        | CliCommand::Man => Ok(EXIT_DONE),
    }
}

/// One run at a time changes this host. What only reads needs no lock; switching off takes it where it can, and waits for nobody.
async fn acquire_run_lock_if_needed(
    invocation: &CommandInvocation,
    command: &CliCommand,
) -> Result<(), Failure> {
    invocation.session.remember_seen_disable_markers().await;
    match command {
        CliCommand::Enable { .. }
        | CliCommand::ReindexEverything { .. }
        | CliCommand::GenerateCloudfrontSecret
        | CliCommand::BootstrapCloudfront
        | CliCommand::ReconfigureCloudfrontDistribution { .. }
        | CliCommand::Reconfigure
        | CliCommand::Restart
        | CliCommand::RotateSecret { .. }
        | CliCommand::RollBack { backup: Some(_), .. }
        | CliCommand::RollBack { edge: Some(_), .. } => invocation.session.acquire_run_lock().await,
        CliCommand::Disable => {
            if let Some(other) = invocation.session.acquire_lock_or_find_holder().await {
                errln!(
                    "{} Switching off continues beside it, and keeps it from going live.",
                    other.describe_concurrent_run()
                );
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl CommandInvocation {
    /// Returns whether stdout is for JSON alone.
    pub fn is_json_output(&self) -> bool {
        self.global.output == OutputFormat::Json
    }

    /// Shows one event, and keeps it in the log. For the commands that check, checks are the result: in JSON each is a line
    /// as it comes, and for a person they are printed together, worst first. Elsewhere a check is how far its step is.
    fn show_stage_event(&self, event: &StageEvent, checks: bool) {
        if let Some(line) = plain::render_stage_event_line(event) {
            self.session.write_log_line(&line);
            if !self.is_json_output() {
                let is_result = checks && matches!(event, StageEvent::Check { .. });
                if !is_result {
                    errln!("{line}");
                }
            }
        }
        if self.is_json_output() {
            match event {
                StageEvent::Check { check, .. } if checks => {
                    json::print_json_line(&json::render_check_result_json(check));
                }
                StageEvent::Check { stage, check } => {
                    json::print_json_line(&json::render_check_progress_json(*stage, check));
                }
                other => json::print_json_line(&json::render_stage_event_json(other)),
            }
        }
    }

    /// Prints checks for a person: worst first, what passed as a count on a terminal unless `list_passed`, the summary last. A file
    /// or a program gets each check: it has no screen to fill, and may look for one by its name.
    fn print_checks_worst_first(&self, checks: &[CheckResult], list_passed: bool, conclusion: Option<&str>) {
        let list_passed = list_passed || !std::io::stdout().is_terminal();
        for line in plain::render_checks_worst_first(checks, list_passed, conclusion) {
            self.print_plain_result_line(&line);
        }
    }

    /// One line of what `inspect` found.
    fn show_inspect_finding(&self, label: &str, text: &str) {
        if self.is_json_output() {
            json::print_json_line(&serde_json::json!({"type": "finding", "name": label, "detail": text}));
        } else {
            outln!("{label:<10} {text}");
        }
    }

    /// A result for a person: on stdout.
    fn print_plain_result_line(&self, line: &str) {
        if !self.is_json_output() {
            outln!("{line}");
        }
    }

    /// Returns what to do after a fault of this program: the same again, whole.
    fn render_restart_advice() -> String {
        format!(
            "what was done is kept. To continue: {} ; please report this with the log",
            render_same_command_again(&[])
        )
    }

    /// Says a failure that no stage said, and turns it into its exit code.
    fn report_failure(&self, failure: &Failure) -> u8 {
        self.session.write_log_line(&plain::render_failure(failure));
        if self.is_json_output() {
            json::print_json_line(&json::render_failure_json(None, failure));
        }
        errln!("packagecloud-cloudfront: {}", plain::render_failure(failure));
        map_failure_to_exit_code(failure)
    }

    /// Does `work` with a run whose events are shown as they come.
    async fn run_printing_stage_events<T>(&self, work: impl AsyncFnOnce(RunContext) -> T) -> T {
        self.run_with_event_display(false, work).await
    }

    async fn run_with_event_display<T>(&self, checks: bool, work: impl AsyncFnOnce(RunContext) -> T) -> T {
        let (events, mut received) = mpsc::unbounded_channel();
        let (_pausing, pause) = watch::channel(false);
        let run = RunContext::new(events, self.stop.clone(), pause)
            .with_operator_presence(detect_operator_presence());
        let showing = async {
            while let Some(event) = received.recv().await {
                self.show_stage_event(&event, checks);
            }
        };
        // What only checks is dropped wherever it is.
        // Inside another run, what that one changes goes on being changed.
        let outer = self.applying.fetch_or(!checks, Ordering::Relaxed);
        let done = tokio::join!(work(run), showing).0;
        self.applying.store(outer, Ordering::Relaxed);
        done
    }

    /// Applies a plan, showing what happens.
    async fn apply_plan(&self, plan: &StagePlan) -> (StageEnd, Option<Failure>) {
        self.run_printing_stage_events(async |run| {
            engine::apply(&self.session, plan, &self.answers, &run).await
        })
        .await
    }

    /// Returns the command as it was given, with `flag`, and with `--yes` where nobody could be asked.
    fn render_command_with_flag(&self, flag: &str) -> String {
        let asks_nobody = self.is_json_output() || !std::io::stdin().is_terminal();
        let yes = (!self.global.yes && asks_nobody).then_some("--yes");
        render_same_command_again(&[Some(flag), yes].into_iter().flatten().collect::<Vec<_>>())
    }

    /// Whether to go on: `--yes`, or a yes at the terminal.
    ///
    /// # Errors
    /// Without a terminal and without `--yes`: the whole command with it.
    fn ask_operator_consent(&self, question: &str) -> Result<bool, Failure> {
        if self.global.yes {
            return Ok(true);
        }
        if self.is_json_output() || !std::io::stdin().is_terminal() {
            return Err(Failure::new_missing_consent_failure(
                "consent",
                "this would change something, there is no terminal to ask at, and --yes was not given",
                format!("look at what is shown above, then run: {}", render_same_command_again(&["--yes"])),
            ));
        }
        print::print_question(&format!("{question} [y/N]"));
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Asks about each change of what serves links now, and notes the yes in `plans`; returns false at the first no.
    ///
    /// # Errors
    /// Without a terminal and without `--yes`: the whole command with it.
    fn ask_live_change_consents(&mut self, plans: &mut [StagePlan]) -> Result<bool, Failure> {
        for plan in plans {
            for question in plan.confirmations.extract_if(.., |one| one.consent.is_answered_by_yes()) {
                let consents = &self.answers.consents;
                if !consents.has_consent(question.consent, "")
                    && !self.ask_operator_consent(&question.question)?
                {
                    return Ok(false);
                }
                self.answers.consents.record_consent(question.consent, None, ManagedConfigWriteChoice::Wait);
            }
        }
        Ok(true)
    }

    /// Refuses where a plan asks what only its own flag answers.
    fn refuse_unconfirmed_plans(&self, plans: &[StagePlan]) -> Result<(), Failure> {
        self.refuse_missing_confirmations(plans.iter().flat_map(|plan| &plan.confirmations))
    }

    fn refuse_missing_confirmations<'a>(
        &self,
        confirmations: impl IntoIterator<Item = &'a PlanConfirmationQuestion>,
    ) -> Result<(), Failure> {
        let mut missing: Vec<&PlanConfirmationQuestion> = Vec::new();
        for confirmation in confirmations {
            // It is asked about where somebody can be asked, beside the plan that it is part of.
            if confirmation.consent.is_answered_by_yes() {
                continue;
            }
            if !missing.iter().any(|known| known.consent == confirmation.consent) {
                missing.push(confirmation);
            }
        }
        let Some(first) = missing.first() else { return Ok(()) };
        let mut added = Vec::new();
        for confirmation in &missing {
            // `wait|write` is no word for a shell.
            let flag = if confirmation.consent == RequiredConsent::Managed {
                "--managed write"
            } else {
                confirmation.consent.consent_cli_flag()
            };
            added.extend(flag.split(' '));
        }
        if !self.global.yes {
            added.push("--yes");
        }
        let questions: Vec<&str> =
            missing.iter().map(|confirmation| confirmation.question.as_str()).collect();
        let mut next = format!("if the answer is yes, run: {}", render_same_command_again(&added));
        if missing.iter().any(|confirmation| confirmation.consent == RequiredConsent::Managed) {
            let waiting: Vec<&str> =
                added.iter().map(|word| if *word == "write" { "wait" } else { *word }).collect();
            next = format!(
                "{next} — or, to write nothing and go on once the file holds the values: {}",
                render_same_command_again(&waiting)
            );
        }
        let what = first.consent.consent_cli_flag().split(' ').next().unwrap_or_default();
        Err(Failure::new_missing_consent_failure(
            format!("{what} was not given, nothing was changed"),
            questions.join(" "),
            next,
        ))
    }
}

/// Whether somebody sees what is said, and may stop it.
fn detect_operator_presence() -> OperatorPresence {
    let is_watched = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if is_watched { OperatorPresence::Watched } else { OperatorPresence::Nobody }
}

/// Returns a failure's exit code.
#[must_use]
pub fn map_failure_to_exit_code(failure: &Failure) -> u8 {
    match failure.kind {
        FailureKind::Usage | FailureKind::Consent => EXIT_USAGE,
        FailureKind::Interrupted => EXIT_INTERRUPTED,
        _ => EXIT_FAILED,
    }
}

/// Says how a stage failed once more, as the last thing on the screen, and turns it into its exit code.
fn report_stage_failure(failure: &Failure) -> u8 {
    errln!("packagecloud-cloudfront: {}", plain::render_failure(failure));
    map_failure_to_exit_code(failure)
}
