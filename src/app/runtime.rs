//! The threads that a command line runs on: two, or one where a sandbox with a seed shall do the same each time.

use std::{io, path::PathBuf};

use tokio::runtime::{Builder, Runtime};

use crate::{
    args::{CliArguments, CliCommand, SandboxCommand},
    host,
    sandbox::{read_kept_sandbox_seed, serve::find_running_sandbox_addresses},
};

/// What a command runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandThreads {
    /// Two threads, and the time that passes.
    Usual,
    /// One thread, since draws belong to a thread; the time that passes, since somebody outside waits, too.
    One,
    /// One thread, on which a wait takes no time: the clock moves to its end once nothing else is to be done.
    OneWithoutWaits,
}

/// Builds the runtime of a command line.
///
/// # Errors
/// Where no threads can be started.
pub fn build_command_runtime(arguments: &CliArguments) -> io::Result<Runtime> {
    match choose_command_threads(arguments) {
        CommandThreads::Usual => Builder::new_multi_thread()
            .worker_threads(2)
            // What runs beside the wizard's loop has the depth that a command has on the main thread.
            .thread_stack_size(8 << 20)
            .enable_all()
            .build(),
        CommandThreads::One => Builder::new_current_thread().enable_all().build(),
        CommandThreads::OneWithoutWaits => {
            host::keep_blocking_work_on_this_thread();
            Builder::new_current_thread().enable_all().start_paused(true).build()
        }
    }
}

fn choose_command_threads(arguments: &CliArguments) -> CommandThreads {
    let CliArguments { global, command } = arguments;
    let (dir, is_for_others) = match (command, &global.sandbox) {
        (Some(CliCommand::Sandbox(SandboxCommand::Serve { dir, .. })), _) => (dir.clone(), true),
        (Some(CliCommand::Sandbox(SandboxCommand::Import { dir, .. })), _) => (dir.clone(), false),
        (None | Some(CliCommand::Wizard { .. }), Some(dir)) => (find_sandbox_dir(dir.as_ref()), true),
        (Some(_), Some(dir)) => (find_sandbox_dir(dir.as_ref()), false),
        (_, None) => return CommandThreads::Usual,
    };
    if global.sandbox_seed.or_else(|| read_kept_sandbox_seed(&dir)).is_none() {
        CommandThreads::Usual
    } else if is_for_others || find_running_sandbox_addresses(&dir).is_some() {
        CommandThreads::One
    } else {
        CommandThreads::OneWithoutWaits
    }
}

/// Returns where a sandbox is kept: in `dir`, else in a fixed directory below the user's state directory.
pub(super) fn find_sandbox_dir(dir: Option<&PathBuf>) -> PathBuf {
    dir.map_or_else(|| host::run::state::choose_default_state_dir().join("sandbox"), Clone::clone)
}
