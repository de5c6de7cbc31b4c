//! The composition root: runs one command line from its arguments to its exit code.
//!
//! The one place, beside the tests, that plugs a sandbox in.

mod answers;
pub mod compose;
pub mod environment;
mod hosts;
mod interrupt;
mod panic_report;
mod sandbox_command;

use std::{io::IsTerminal, panic::AssertUnwindSafe, pin::Pin};

use clap::CommandFactory;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{CliArguments, CliCommand, GlobalOptions, ReindexFlags},
    cli::{self, CommandInvocation},
    errln,
    host::environment::owner::OwnershipRestorer,
    model::{failure::Failure, run::goal::OperatorGoal},
    outln, tui,
    wizard::WizardStartOptions,
};

use compose::AppContext;

/// What to do after a fault of this program.
const AFTER_FAULT_ADVICE: &str = "what is done stands: start it again, it looks at what is there and goes on; \
    to switch CloudFront off without the wizard: packagecloud-cloudfront disable; please report this with the log";

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
                AFTER_FAULT_ADVICE,
            )))
        })
    })
}

async fn run_parsed_command_line(arguments: CliArguments) -> u8 {
    let CliArguments { global, command } = arguments;
    let _theirs = restore_file_ownership_on_drop(&global);
    let command = command.unwrap_or(CliCommand::Wizard { goal: None, reindex: ReindexFlags::default() });
    match &command {
        CliCommand::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut CliArguments::command(),
                "packagecloud-cloudfront",
                &mut std::io::stdout(),
            );
            return cli::EXIT_DONE;
        }
        CliCommand::Man => {
            let page = clap_mangen::Man::new(CliArguments::command()).render(&mut std::io::stdout());
            return if page.is_ok() { cli::EXIT_DONE } else { cli::EXIT_FAILED };
        }
        CliCommand::Sandbox(sandbox) => {
            return print_failure_return_exit_code(
                sandbox_command::run_sandbox_command(&global, sandbox).await,
            );
        }
        CliCommand::Wizard { .. } if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() => {
            return print_failure_return_exit_code(Err(Failure::new_usage_failure(
                "the wizard",
                "it needs a terminal, and there is none here",
                "use the commands instead: check, plan, enable, disable, verify, roll-back (see --help)",
            )));
        }
        _ => {}
    }
    match compose::build_app_context(&global, &command).await {
        Err(failure) => print_failure_return_exit_code(Err(failure)),
        Ok(app) => match &command {
            CliCommand::Wizard { goal, .. } => run_wizard(app, goal.map(Into::into)).await,
            _ => run_command_without_wizard(app, global, &command).await,
        },
    }
}

async fn run_wizard(app: AppContext, goal: Option<OperatorGoal>) -> u8 {
    let performer = app.build_wizard_effect_performer();
    let beginning = WizardStartOptions {
        config_path: app.session.host.render_config_location(),
        answers: app.answers,
        goal,
        sandbox: app.sandbox,
    };
    let taken_over = app.session.wait_until_takeover_requested();
    match tui::run_wizard(beginning, performer, taken_over).await {
        Ok(outcome) => {
            outcome.last_words.iter().for_each(|words| outln!("{words}"));
            outcome.code
        }
        Err(failure) => print_failure_return_exit_code(Err(failure)),
    }
}

async fn run_command_without_wizard(app: AppContext, global: GlobalOptions, command: &CliCommand) -> u8 {
    let stop = CancellationToken::new();
    let taken_over = app.session.wait_until_takeover_requested();
    let mut invocation = CommandInvocation {
        session: app.session,
        answers: app.answers,
        command_line: std::env::args().collect(),
        sandbox: app.sandbox,
        stop: stop.clone(),
        global,
    };
    let at_hangup = match command {
        CliCommand::Disable => interrupt::HangupResponse::GoOn,
        _ => interrupt::HangupResponse::Stop,
    };
    // Boxed: the whole of the engine lies in this future.
    let work = Box::pin(cli::run_cli_command(&mut invocation, command));
    tokio::select! {
        code = work => code,
        () = interrupt::cancel_then_await_second_interrupt(stop, taken_over, at_hangup) => {
            errln!("packagecloud-cloudfront: left at once; the step that ran may be half done: start it again, it looks at what is there");
            cli::EXIT_INTERRUPTED
        }
    }
}

/// Returns the places where root writes a user's own files: they are that user's again when this is dropped.
fn restore_file_ownership_on_drop(global: &GlobalOptions) -> OwnershipRestorer {
    let aws = std::env::home_dir().map(|home| home.join(".aws"));
    let named = [global.state_dir.clone(), global.log_file.clone(), global.sandbox.clone().flatten(), aws];
    OwnershipRestorer::new_restorer_for_sudo_user(
        named.into_iter().flatten().filter_map(|path| std::path::absolute(path).ok()),
    )
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
