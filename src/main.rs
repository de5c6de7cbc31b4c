//! Parse, choose cloud and host, choose the face, end with its exit code: the only place where the process ends.

mod lay;

use std::io::IsTerminal;

use clap::{CommandFactory, Parser};
use packagecloud_cloudfront::{
    args::{Arguments, Command, ReindexFlags, SandboxCommand},
    cli::{self, Session},
    model::run::failure::Failure,
    say, tell, tui,
    wizard::Beginning,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // What runs beside the wizard's loop has the depth that a command has on the main thread.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(Box::pin(run(arguments)));
            // A keyring's prompt or a lost connection must not hold the end up.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            tell!("packagecloud-cloudfront: no threads could be started: {error}");
            cli::FAILED
        }
    };
    std::process::exit(i32::from(code));
}

async fn run(arguments: Arguments) -> u8 {
    let Arguments { global, command } = arguments;
    let _theirs = lay::theirs(&global);
    let command = command.unwrap_or(Command::Wizard { goal: None, reindex: ReindexFlags::default() });
    match &command {
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "packagecloud-cloudfront",
                &mut std::io::stdout(),
            );
            return cli::DONE;
        }
        Command::Man => {
            let page = clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout());
            return if page.is_ok() { cli::DONE } else { cli::FAILED };
        }
        Command::Sandbox(sandbox) => return lay::finish(serve_or_import(&global, sandbox).await),
        Command::Wizard { .. } if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() => {
            return lay::finish(Err(Failure::usage(
                "the wizard",
                "it needs a terminal, and there is none here",
                "use the commands instead: check, plan, enable, disable, verify, roll-back (see --help)",
            )));
        }
        _ => {}
    }
    let laid = match lay::ground(&global, &command).await {
        Ok(laid) => laid,
        Err(failure) => return lay::finish(Err(failure)),
    };
    if let Command::Wizard { goal, .. } = &command {
        let performer = laid.performer();
        let beginning = Beginning {
            config: laid.ground.host.config_place(),
            answers: laid.answers,
            goal: goal.map(Into::into),
            sandbox: laid.sandbox,
        };
        let taken_over = laid.ground.asked_to_end();
        return match tui::run(beginning, performer, taken_over).await {
            Ok(outcome) => {
                outcome.last_words.iter().for_each(|words| say!("{words}"));
                outcome.code
            }
            Err(failure) => lay::finish(Err(failure)),
        };
    }
    let stop = CancellationToken::new();
    let taken_over = laid.ground.asked_to_end();
    let mut session = Session {
        ground: laid.ground,
        answers: laid.answers,
        line: std::env::args().collect(),
        sandbox: laid.sandbox,
        stop: stop.clone(),
        global,
    };
    // Boxed: the whole of the engine lies in this future.
    let work = Box::pin(cli::run(&mut session, &command));
    tokio::select! {
        code = work => code,
        () = interrupted(stop, taken_over) => {
            tell!("packagecloud-cloudfront: left at once; the step that ran may be half done: start it again, it looks at what is there");
            cli::INTERRUPTED
        }
    }
}

/// The first Ctrl-C, dropped line or request to end, or another run that takes over, stops after the request in flight;
/// this ends on the second.
async fn interrupted(stop: CancellationToken, taken_over: impl Future<Output = String>) {
    let signals =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal).into_iter();
    let mut signals: Vec<_> = signals.flatten().collect();
    tokio::select! {
        heard = any(&mut signals) => {
            if !heard {
                std::future::pending::<()>().await;
            }
            tell!("packagecloud-cloudfront: stopping after the request in flight (Ctrl-C again leaves at once)");
        }
        by = taken_over => {
            tell!("packagecloud-cloudfront: {by} takes over: stopping after the request in flight (Ctrl-C leaves at once)");
        }
    }
    stop.cancel();
    if !any(&mut signals).await {
        std::future::pending::<()>().await;
    }
}

/// Waits for any of the signals; false where none can be heard.
async fn any(signals: &mut [Signal]) -> bool {
    if signals.is_empty() {
        return false;
    }
    futures::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    true
}

async fn serve_or_import(
    global: &packagecloud_cloudfront::args::Global,
    command: &SandboxCommand,
) -> Result<(), Failure> {
    match command {
        SandboxCommand::Import { dir, path } => lay::import(global, dir, path),
        SandboxCommand::Serve { dir, aws_port, front_port, edge_port, lagging_node } => {
            lay::serve(global, dir, [*aws_port, *front_port, *edge_port], *lagging_node).await
        }
    }
}
