//! Parse, build the runtime, run, end with the exit code: the only place where the process ends.

use packagecloud_cloudfront::{
    app::{dispatch_cli_arguments, environment::restart_in_clean_environment},
    args::CliArguments,
    cli, errln,
    model::run::proposed_command::remember_started_command_line,
};

fn main() {
    restart_in_clean_environment();
    let words: Vec<_> = std::env::args_os().collect();
    let (arguments, started) = CliArguments::parse_started_command_line(&words);
    remember_started_command_line(started);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // What runs beside the wizard's loop has the depth that a command has on the main thread.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build();
    let code = match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(dispatch_cli_arguments(arguments));
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
