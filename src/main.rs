//! Parse, build the runtime, run, end with the exit code: the only place where the process ends.

use packagecloud_cloudfront::{
    app::{
        dispatch_cli_arguments, environment::restart_in_clean_environment, runtime::build_command_runtime,
    },
    args::CliArguments,
    cli, errln,
    model::run::proposed_command::remember_started_command_line,
};

fn main() {
    restart_in_clean_environment();
    let words: Vec<_> = std::env::args_os().collect();
    let (arguments, started) = CliArguments::parse_started_command_line(&words);
    remember_started_command_line(started);
    let code = match build_command_runtime(&arguments) {
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
