//! Parse, choose cloud and host, choose the face, end with its exit code: the only place where the process ends.

mod lay;

use std::io::IsTerminal;

use clap::{CommandFactory, Parser};
use packagecloud_cloudfront::{
    args::{CliArguments, CliCommand, ReindexFlags, SandboxCommand},
    cli::{self, Invocation},
    errln,
    model::run::failure::Failure,
    outln, tui,
    wizard::Init,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() {
    let arguments = CliArguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // What runs beside the wizard's loop has the depth that a command has on the main thread.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(Box::pin(run_command_line(arguments)));
            // A keyring's prompt or a lost connection must not hold the end up.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            errln!("packagecloud-cloudfront: no threads could be started: {error}");
            cli::EXIT_FAILED
        }
    };
    std::process::exit(i32::from(code));
}

async fn run_command_line(arguments: CliArguments) -> u8 {
    let CliArguments { global, command } = arguments;
    let _theirs = lay::restore_ownership(&global);
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
            return lay::exit_code_of(run_sandbox_command(&global, sandbox).await);
        }
        CliCommand::Wizard { .. } if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() => {
            return lay::exit_code_of(Err(Failure::usage_failure(
                "the wizard",
                "it needs a terminal, and there is none here",
                "use the commands instead: check, plan, enable, disable, verify, roll-back (see --help)",
            )));
        }
        _ => {}
    }
    let laid = match lay::compose(&global, &command).await {
        Ok(laid) => laid,
        Err(failure) => return lay::exit_code_of(Err(failure)),
    };
    if let CliCommand::Wizard { goal, .. } = &command {
        let performer = laid.effect_performer();
        let beginning = Init {
            config_path: laid.session.host.config_location(),
            answers: laid.answers,
            goal: goal.map(Into::into),
            sandbox: laid.sandbox,
        };
        let taken_over = laid.session.wait_until_stop_requested();
        return match tui::run_wizard(beginning, performer, taken_over).await {
            Ok(outcome) => {
                outcome.last_words.iter().for_each(|words| outln!("{words}"));
                outcome.code
            }
            Err(failure) => lay::exit_code_of(Err(failure)),
        };
    }
    let stop = CancellationToken::new();
    let taken_over = laid.session.wait_until_stop_requested();
    let mut invocation = Invocation {
        session: laid.session,
        answers: laid.answers,
        command_line: std::env::args().collect(),
        sandbox: laid.sandbox,
        stop: stop.clone(),
        global,
    };
    // Boxed: the whole of the engine lies in this future.
    let work = Box::pin(cli::run_command(&mut invocation, &command));
    tokio::select! {
        code = work => code,
        () = wait_for_second_interrupt(stop, taken_over) => {
            errln!("packagecloud-cloudfront: left at once; the step that ran may be half done: start it again, it looks at what is there");
            cli::EXIT_INTERRUPTED
        }
    }
}

/// The first Ctrl-C, dropped line or request to end, or another run that takes over, stops after the request in flight;
/// this ends on the second.
async fn wait_for_second_interrupt(stop: CancellationToken, taken_over: impl Future<Output = String>) {
    let signals =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal).into_iter();
    let mut signals: Vec<_> = signals.flatten().collect();
    tokio::select! {
        heard = wait_for_any_signal(&mut signals) => {
            if !heard {
                std::future::pending::<()>().await;
            }
            errln!("packagecloud-cloudfront: stopping after the request in flight (Ctrl-C again leaves at once)");
        }
        by = taken_over => {
            errln!("packagecloud-cloudfront: {by} takes over: stopping after the request in flight (Ctrl-C leaves at once)");
        }
    }
    stop.cancel();
    if !wait_for_any_signal(&mut signals).await {
        std::future::pending::<()>().await;
    }
}

/// Waits for any of the signals; false where none can be heard.
async fn wait_for_any_signal(signals: &mut [Signal]) -> bool {
    if signals.is_empty() {
        return false;
    }
    futures::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    true
}

async fn run_sandbox_command(
    global: &packagecloud_cloudfront::args::GlobalOptions,
    command: &SandboxCommand,
) -> Result<(), Failure> {
    match command {
        SandboxCommand::Import { dir, path } => lay::import_objects(global, dir, path),
        SandboxCommand::Serve { dir, aws_port, front_port, edge_port, lagging_node } => {
            lay::serve_sandbox(global, dir, [*aws_port, *front_port, *edge_port], *lagging_node).await
        }
    }
}
