//! The composition root: runs one command line from its arguments to its exit code.
//!
//! The one place, beside the tests, that plugs a sandbox in.

mod answers;
mod answers_file;
pub mod compose;
pub mod environment;
mod hosts;
mod interrupt;
mod panic_report;
pub mod runtime;
mod sandbox_command;
mod saved_answers;

use std::{
    convert::Infallible,
    io::{IsTerminal, Write as _},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::{
    args::{self, CliArguments, CliCommand, GlobalOptions, ReindexFlags},
    aws::awaited,
    cli::{self, CommandInvocation},
    engine::{
        Session,
        leaving::{choose_log_path, render_leaving_lines},
    },
    errln,
    host::{environment::owner::OwnershipRestorer, run::unfinished_work::UnfinishedCtlCommand},
    model::{failure::Failure, packagecloud::ctl_command::CtlCommand, run::goal::OperatorGoal},
    outln, plain,
    tui::{self, terminal::TerminalOptions},
    wizard::{WizardEffect, WizardStartOptions},
};

use answers_file::FileAnswers;
use compose::AppContext;
use interrupt::InterruptedEnd;
use saved_answers::AnswersRecorder;

/// What to do after a fault of this program.
fn advise_after_program_fault() -> String {
    format!(
        "what was done is kept. To continue: {} ; to switch CloudFront off without the wizard: {} ; please report this with the log",
        render_same_command_again(&[]),
        render_proposed_command("disable", &[])
    )
}

/// Runs a command line, and returns its exit code.
///
/// Boxed, so that the engine's futures are compiled with this library and not again with the program.
#[must_use]
pub fn dispatch_cli_arguments(arguments: CliArguments) -> Pin<Box<dyn Future<Output = u8>>> {
    Box::pin(async {
        panic_report::print_panics_as_lines();
        let ran = AssertUnwindSafe(run_parsed_command_line(arguments)).catch_unwind().await;
        ran.unwrap_or_else(|panic| {
            print_failure_return_exit_code(Err(Failure::new_program_fault(
                "this program",
                &*panic,
                advise_after_program_fault(),
            )))
        })
    })
}

async fn run_parsed_command_line(arguments: CliArguments) -> u8 {
    let CliArguments { mut global, command } = arguments;
    let _theirs = restore_file_ownership_on_drop(&global);
    let mut command = command.unwrap_or(CliCommand::Wizard { goal: None, reindex: ReindexFlags::default() });
    let recorder = AnswersRecorder::new_answers_recorder(global.save_answers.as_deref());
    let goal = match answer_options_from_file(&mut global, &mut command) {
        Ok(goal) => goal,
        Err(failure) => return print_failure_return_exit_code(Err(failure)),
    };
    match &command {
        CliCommand::Completions { shell } => {
            return print_document(&args::render_completion_script(*shell));
        }
        CliCommand::Man => return print_document(&args::render_man_page()),
        CliCommand::Sandbox(sandbox) => {
            return print_failure_return_exit_code(
                sandbox_command::run_sandbox_command(&global, sandbox).await,
            );
        }
        _ if find_sandbox_option_without_sandbox(&global).is_some() => {
            let option = find_sandbox_option_without_sandbox(&global).unwrap_or_default();
            return print_failure_return_exit_code(Err(Failure::new_usage_failure(
                option,
                "it works only on a sandbox",
                "leave it out, or give --sandbox[=DIR] too",
            )));
        }
        CliCommand::Wizard { .. } if !has_wizard_terminal() => {
            return print_failure_return_exit_code(Err(Failure::new_usage_failure(
                "the wizard",
                "it needs a terminal, and there is none here",
                format!(
                    "use the commands instead: check, plan, enable, disable, verify, roll-back; this lists them: {}",
                    render_proposed_command("--help", &[])
                ),
            )));
        }
        _ => {}
    }
    if let Err(failure) = recorder.refuse_unwritable_path() {
        return print_failure_return_exit_code(Err(failure));
    }
    let code = match compose::build_app_context(&global, &command).await {
        Err(failure) => match &command {
            CliCommand::Status { format, out } => {
                cli::report_status_not_begun(*format, out.as_deref(), &failure)
            }
            _ => print_failure_return_exit_code(Err(failure)),
        },
        Ok(app) => match &command {
            CliCommand::Wizard { .. } => run_wizard(app, &global, goal, &recorder).await,
            _ => run_command_without_wizard(app, global, &command, &recorder).await,
        },
    };
    keep_recorded_answers(&recorder, code)
}

/// Whether there is a terminal that the wizard can ask at.
fn has_wizard_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Takes the answers file's answers in the place of the options that aren't given, and returns the goal. Where there is no
/// terminal for the wizard, its goal names the command.
///
/// # Errors
/// Where the file can't be read or holds what isn't known, or leaves the goal open and nobody can be asked.
fn answer_options_from_file(
    global: &mut GlobalOptions,
    command: &mut CliCommand,
) -> Result<Option<OperatorGoal>, Failure> {
    let given = match command {
        CliCommand::Wizard { goal, .. } => goal.map(OperatorGoal::from),
        _ => None,
    };
    let Some(path) = &global.answers else { return Ok(given) };
    let file = match FileAnswers::read_answers_file(path) {
        Ok(file) => file,
        // Switching off asks nothing that it could answer, and waits for nothing.
        Err(failure) if matches!(command, CliCommand::Disable) => {
            errln!("{}", cli::plain::render_failure(&failure));
            return Ok(given);
        }
        Err(failure) => return Err(failure),
    };
    file.fill_in_options(global, command);
    let goal = given.or(file.goal);
    if let CliCommand::Wizard { reindex, .. } = command
        && !has_wizard_terminal()
    {
        *command = file.build_command_of_goal(goal, reindex.clone())?;
    }
    Ok(goal)
}

/// Writes what was answered where `--save-answers` wants it; returns the exit code.
fn keep_recorded_answers(recorder: &AnswersRecorder, code: u8) -> u8 {
    match recorder.write_recorded_answers() {
        Ok(None) => code,
        Ok(Some(path)) => {
            let path = path.display().to_string();
            errln!(
                "The answers are in {path}. To give them again: {}",
                render_proposed_command("", &["--answers", &path])
            );
            code
        }
        Err(failure) => match (print_failure_return_exit_code(Err(failure)), code) {
            (failed, cli::EXIT_DONE) => failed,
            (_, code) => code,
        },
    }
}

/// Finds an option that only a sandbox heeds, where there is none: on a real account it would be silently without effect.
fn find_sandbox_option_without_sandbox(global: &GlobalOptions) -> Option<&'static str> {
    let given = [
        (!global.sandbox_fault.is_empty(), "--sandbox-fault"),
        (global.sandbox_construction.is_some(), "--sandbox-construction"),
        (global.sandbox_empty, "--sandbox-empty"),
        (global.sandbox_seed.is_some(), "--sandbox-seed"),
    ];
    given.into_iter().find(|(given, _)| *given && global.sandbox.is_none()).map(|(_, name)| name)
}

async fn run_wizard(
    app: AppContext,
    global: &GlobalOptions,
    goal: Option<OperatorGoal>,
    recorder: &AnswersRecorder,
) -> u8 {
    let perform = app.build_wizard_effect_performer(Arc::new(Mutex::new(std::io::stdout())));
    let recorder = recorder.clone();
    let performer = move |effect: WizardEffect, context| {
        effect.answers_of_effect().into_iter().for_each(|answers| recorder.record_answers(answers));
        perform(effect, context)
    };
    let is_plain = app.is_plain;
    let beginning = WizardStartOptions {
        config_path: app.session.host.render_config_location(),
        answers: app.answers,
        goal,
        sandbox: app.sandbox,
        log_path: choose_log_path(&app.session, global.log_file.as_deref()).display().to_string(),
        begins_at: app.session.host.clock.read_host_clock(),
    };
    let taken_over = app.session.wait_until_takeover_requested();
    let session = app.session.clone();
    let outcome = if is_plain {
        plain::run_plain_wizard(beginning, performer, taken_over).await
    } else {
        let options = TerminalOptions { mouse: global.mouse, links: !app.sandbox };
        tui::run_wizard(beginning, options, performer, taken_over).await
    };
    match outcome {
        Ok(outcome) => {
            outcome.last_words.iter().for_each(|words| outln!("{words}"));
            if outcome.has_looked {
                let verdict = outcome.verdict.as_deref();
                let log_file = global.log_file.as_deref();
                let left = render_leaving_lines(&session, verdict, log_file).await;
                left.iter().for_each(|line| outln!("{line}"));
            }
            let unfinished = list_unfinished_ctl_commands(&session);
            if !unfinished.is_empty() {
                outln!("{}", describe_left_run(&session, &unfinished).await);
            }
            outcome.code
        }
        Err(failure) => print_failure_return_exit_code(Err(failure)),
    }
}

async fn run_command_without_wizard(
    app: AppContext,
    global: GlobalOptions,
    command: &CliCommand,
    recorder: &AnswersRecorder,
) -> u8 {
    recorder.record_answers(&app.answers);
    let stop = CancellationToken::new();
    let taken_over = app.session.wait_until_takeover_requested();
    let session = app.session.clone();
    let applying = Arc::<AtomicBool>::default();
    let mut invocation = CommandInvocation {
        session: app.session,
        answers: app.answers,
        sandbox: app.sandbox,
        stop: stop.clone(),
        applying: Arc::clone(&applying),
        global,
        plan_to_make: None,
    };
    let at_hangup = match command {
        CliCommand::Disable => interrupt::HangupResponse::GoOn,
        _ => interrupt::HangupResponse::Stop,
    };
    // Boxed: the whole of the engine lies in this future.
    let work = Box::pin(cli::run_cli_command(&mut invocation, command));
    tokio::select! {
        biased;
        code = work => code,
        end = interrupt::cancel_then_await_end(
            stop,
            taken_over,
            at_hangup,
            &applying,
            || describe_stop_wait(&list_unfinished_ctl_commands(&session)),
            || session.list_all_node_sessions().iter().any(|node| node.host.unfinished.is_host_worked_on()),
        ) => {
            print_interrupted_end(&session, end).await;
            cli::EXIT_INTERRUPTED
        }
        never = say_what_aws_keeps_waiting() => match never {},
    }
}

/// Says how a command that was interrupted was left.
async fn print_interrupted_end(session: &Session, end: InterruptedEnd) {
    let how = match end {
        InterruptedEnd::NothingApplied => {
            errln!(
                "packagecloud-cloudfront: stopped; nothing was half done. To continue: {}",
                render_same_command_again(&[])
            );
            return;
        }
        InterruptedEnd::OnlyReadsAwaited => "stopped without AWS's answer, which changes nothing",
        InterruptedEnd::LeftAtOnce => "left at once",
    };
    let unfinished = list_unfinished_ctl_commands(session);
    errln!("packagecloud-cloudfront: {how}; {}", describe_left_run(session, &unfinished).await);
}

/// AWS is given so long to answer before it is said that it is waited for, and again after as long.
const AWS_WAIT_NOTE_INTERVAL: Duration = Duration::from_secs(15);

/// Says now and then which answer of AWS this waits for.
async fn say_what_aws_keeps_waiting() -> Infallible {
    let mut said = Duration::ZERO;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(call) = awaited::find_longest_awaited_call() else { continue };
        // Another call than the one that was last said has been awaited for less.
        said = said.min(call.awaited_time());
        if call.awaited_time() >= said + AWS_WAIT_NOTE_INTERVAL {
            said = call.awaited_time();
            errln!("     {}", call.describe_awaited_call());
        }
    }
}

/// Lists the commands of packagecloud-ctl that go on when this process ends, of all web nodes.
fn list_unfinished_ctl_commands(session: &Session) -> Vec<UnfinishedCtlCommand> {
    let nodes = session.list_all_node_sessions();
    nodes.iter().filter_map(|node| node.host.find_unfinished_ctl_command()).collect()
}

fn join_ctl_command_texts<'a>(commands: impl IntoIterator<Item = &'a UnfinishedCtlCommand>) -> String {
    commands.into_iter().map(|command| command.text.as_str()).collect::<Vec<_>>().join(" and ")
}

/// Says what a stop waits for: whatever packagecloud-ctl does, but for the vendor's reindex, whose lines alone are lost.
fn describe_stop_wait(unfinished: &[UnfinishedCtlCommand]) -> String {
    let (left, awaited): (Vec<_>, Vec<_>) =
        unfinished.iter().partition(|running| running.command == CtlCommand::ReindexEverything.name());
    let mut said = vec!["stopping after the request in flight".to_owned()];
    if !awaited.is_empty() {
        said = vec![format!(
            "waiting for the end of {}, which leaving doesn't end",
            join_ctl_command_texts(awaited)
        )];
    }
    if !left.is_empty() {
        said.push(format!("{} goes on by itself", join_ctl_command_texts(left)));
    }
    said.join("; ")
}

/// How long leaving looks at packagecloud.rb.
const LEAVING_LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Says what a run that was left in its middle leaves: the process that still runs, what the file says, how to go on.
async fn describe_left_run(session: &Session, unfinished: &[UnfinishedCtlCommand]) -> String {
    let mut said = vec![match unfinished {
        [] => "the step that ran may be half done".to_owned(),
        [running] => format!("{} still runs", running.text),
        all => format!("{} still run", join_ctl_command_texts(all)),
    }];
    if let Ok(Ok(config)) =
        tokio::time::timeout(LEAVING_LOOK_TIMEOUT, session.host.read_packagecloud_config()).await
    {
        let state = match config.seen.values.enabled {
            Some(true) => "says that CloudFront is on",
            _ if config.seen.may_cloudfront_be_on() => "may have CloudFront on",
            _ => "says that CloudFront is off",
        };
        said.push(format!("{} {state}", config.seen.path));
    }
    format!(
        "{}. To continue: {} ; to switch CloudFront off: {}",
        said.join("; "),
        render_same_command_again(&[]),
        render_proposed_command("disable", &[])
    )
}

/// Returns the places where root writes a user's own files: they are that user's again when this is dropped.
fn restore_file_ownership_on_drop(global: &GlobalOptions) -> OwnershipRestorer {
    let aws = std::env::home_dir().map(|home| home.join(".aws"));
    let named = [
        global.state_dir.clone(),
        global.log_file.clone(),
        global.save_answers.clone(),
        global.sandbox.clone().flatten(),
        aws,
    ];
    OwnershipRestorer::new_restorer_for_sudo_user(
        named.into_iter().flatten().filter_map(|path| std::path::absolute(path).ok()),
    )
}

/// Prints a document of this program's own to stdout as it stands, and returns the exit code.
fn print_document(text: &str) -> u8 {
    let written = std::io::stdout().write_all(text.as_bytes());
    if written.is_ok() { cli::EXIT_DONE } else { cli::EXIT_FAILED }
}

/// Prints a failure, and returns the exit code.
fn print_failure_return_exit_code(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => cli::EXIT_DONE,
        Err(failure) => {
            errln!("packagecloud-cloudfront: {}", cli::plain::render_failure(&failure));
            cli::map_failure_to_exit_code(&failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_waits_for_packagecloud_ctl_on_every_node_but_not_for_the_vendors_reindex() {
        let running = |command: CtlCommand, host: &str| UnfinishedCtlCommand {
            command: command.name().to_owned(),
            pid: 7,
            text: format!("packagecloud-ctl {command} on {host} (process 7)"),
        };
        let web1 = running(CtlCommand::Reconfigure, "web1");
        let web2 = running(CtlCommand::Restart, "web2");
        let vendors = running(CtlCommand::ReindexEverything, "web1");
        for (unfinished, said) in [
            (vec![], "stopping after the request in flight"),
            (
                vec![web1, web2],
                "waiting for the end of packagecloud-ctl reconfigure on web1 (process 7) and packagecloud-ctl restart on web2 (process 7), which leaving doesn't end",
            ),
            (
                vec![vendors],
                "stopping after the request in flight; packagecloud-ctl reindex-everything on web1 (process 7) goes on by itself",
            ),
        ] {
            assert_eq!(describe_stop_wait(&unfinished), said);
        }
    }
}
