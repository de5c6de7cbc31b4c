//! Opens packagecloud's hosts: this machine, those that `--host` names, or the sandbox's.

use std::{path::Path, sync::Arc};

use crate::{
    args::{CliCommand, GlobalOptions},
    errln,
    host::{
        self, Host, HostClock, HostStateDir, SshClient,
        ctl::SimulatedPackagecloudCtl,
        run::state::{find_log_file_fault, is_log_file_failure},
    },
    model::failure::Failure,
    sandbox::{self, Sandbox},
};

/// packagecloud's host, and its other web nodes.
pub(super) struct PackagecloudWebNodes {
    pub first: Host,
    pub others: Vec<Host>,
}

/// Connects to the hosts that `--host` names, one after the other; without it opens this machine, or the sandbox's.
///
/// # Errors
/// Where the names can't be used so, or a host isn't reached and the command needs it.
pub(super) async fn connect_packagecloud_hosts(
    global: &GlobalOptions,
    command: &CliCommand,
    world: Option<&Sandbox>,
) -> Result<PackagecloudWebNodes, Failure> {
    let here = open_local_host(global, command, world)?;
    if world.is_none() {
        SshClient::refuse_command_without_hosts(&global.ssh, &global.host)?;
    }
    if global.host.is_empty() {
        return Ok(PackagecloudWebNodes { first: here, others: Vec::new() });
    }
    if world.is_some() {
        return Err(Failure::new_usage_failure(
            "--host",
            "a sandbox has a host of its own, and never touches another",
            "leave out --host or --sandbox",
        ));
    }
    if let Some(twice) = global.host.iter().enumerate().find(|(at, name)| global.host[..*at].contains(name)) {
        return Err(Failure::new_usage_failure(
            "--host",
            format!("{} is named twice", twice.1),
            "name each host once",
        ));
    }
    // An earlier function version is every node's: each one's secret is held to it.
    if matches!(command, CliCommand::RollBack { edge: None, .. }) && global.host.len() > 1 {
        return Err(Failure::new_usage_failure(
            "--host",
            "backups are one host's: roll-back restores on one at a time",
            "name one, restore there, then the next",
        ));
    }
    let mut hosts = Vec::new();
    for name in &global.host {
        let line = SshClient::new(name, &global.ssh)?;
        // One after the other, since each may ask something.
        if let Err(failure) = line.connect_ssh_as_root().await
            && !does_command_go_on_past_lost_host(command)
            && !(host::is_host_down(&failure)
                && (!hosts.is_empty() || matches!(command, CliCommand::RotateSecret { .. }))
                && may_command_leave_other_nodes_out(command))
        {
            return Err(failure);
        }
        let host = Host::new_remote_host(line, &here.config, here.ctl.clone(), here.state.clone());
        hosts.push(Host { redactor: here.redactor.clone(), keyring: here.keyring.clone(), ..host });
    }
    let first = hosts.remove(0);
    Ok(PackagecloudWebNodes { first, others: hosts })
}

/// Whether this goes on past a host that can't be reached: what may end in switching off, and what says how each is.
fn does_command_go_on_past_lost_host(command: &CliCommand) -> bool {
    matches!(command, CliCommand::Disable | CliCommand::Status { .. } | CliCommand::Wizard { .. })
}

/// Whether this goes on past another node than the first that is down, and says so; a rotation goes past the first, too.
fn may_command_leave_other_nodes_out(command: &CliCommand) -> bool {
    matches!(
        command,
        CliCommand::Enable { .. }
            | CliCommand::Plan { .. }
            | CliCommand::Check { .. }
            | CliCommand::Verify { .. }
            | CliCommand::Report
            | CliCommand::Export(_)
            | CliCommand::RotateSecret { .. }
    )
}

/// This machine, or the sandbox's.
fn open_local_host(
    global: &GlobalOptions,
    command: &CliCommand,
    world: Option<&Sandbox>,
) -> Result<Host, Failure> {
    let state = open_first_usable_state_dir(global, command, world)?;
    let host = match world {
        Some(world) => new_sandbox_host(world, state),
        None => {
            Host::new_local_host(Path::new(host::DEFAULT_CONFIG_PATH), "packagecloud-ctl".parse()?, state)
        }
    };
    Ok(Host {
        config: global.config.clone().unwrap_or(host.config),
        ctl: global.ctl.as_ref().map_or(Ok(host.ctl), |command| command.parse())?,
        ..host
    })
}

/// Opens the state directory that is named, the sandbox's, or the first of the usual ones that can be used.
fn open_first_usable_state_dir(
    global: &GlobalOptions,
    command: &CliCommand,
    world: Option<&Sandbox>,
) -> Result<HostStateDir, Failure> {
    let sandboxed = world.map(|world| world.sandbox_dir().join("state"));
    let named = global.state_dir.clone().or(sandboxed);
    let dirs = named.map_or_else(host::run::state::list_default_state_dirs, |dir| vec![dir]);
    let mut log_file = global.log_file.as_deref();
    let mut faults = Vec::new();
    // Looked at before it is opened: a pipe would wait for its reader.
    if let Some(fault) = log_file.and_then(find_log_file_fault) {
        faults.push(report_unusable_log_file(fault));
        log_file = None;
    }
    let mut refused = Vec::new();
    for dir in dirs {
        let mut opened = HostStateDir::open_state_dir(&dir, log_file);
        // No other directory mends the log.
        if let Err(failure) = opened.as_ref()
            && is_log_file_failure(failure)
        {
            if !does_command_go_on_past_lost_host(command) {
                return opened;
            }
            faults.push(report_unusable_log_file(failure.clone()));
            log_file = None;
            opened = HostStateDir::open_state_dir(&dir, None);
        }
        match opened {
            Ok(state) => {
                for failure in refused {
                    errln!("packagecloud-cloudfront: {} is used instead: {failure}", dir.display());
                }
                return Ok(state.with_state_faults(faults));
            }
            Err(failure) => refused.push(failure),
        }
    }
    // Switching off needs packagecloud.rb alone: no full disk stops it.
    if does_command_go_on_past_lost_host(command) {
        for failure in &mut refused {
            errln!("packagecloud-cloudfront: nothing is kept or logged: {failure}");
            failure.why = format!("{}; nothing is kept or logged", failure.why);
        }
        faults.append(&mut refused);
        return Ok(HostStateDir::open_fallback_state_dir().with_state_faults(faults));
    }
    Err(refused.swap_remove(0))
}

/// Says that the log that was named isn't the one that is written, and returns why.
fn report_unusable_log_file(failure: Failure) -> Failure {
    errln!("packagecloud-cloudfront: the usual log is written instead: {failure}");
    Failure { why: format!("{}; the usual log is written instead", failure.why), ..failure }
}

/// Returns the host of a sandbox, with its packagecloud-ctl in this process and its clock.
pub(super) fn new_sandbox_host(world: &Sandbox, state: HostStateDir) -> Host {
    let clock = world.clone();
    Host::new_sandboxed_host(
        &world.sandbox_dir().join("packagecloud.rb"),
        build_simulated_packagecloud_ctl(world),
        state,
        HostClock::new(move || clock.sandbox_unix_time_now()),
    )
}

/// The sandbox's packagecloud-ctl, in this process.
fn build_simulated_packagecloud_ctl(world: &Sandbox) -> SimulatedPackagecloudCtl {
    let world = world.clone();
    Arc::new(move |command, lines| {
        let world = world.clone();
        Box::pin(async move {
            let words = shell_words::split(&command).unwrap_or_default();
            Ok(sandbox::packagecloud::simulate_packagecloud_ctl_command(&world, &words, &mut |line| {
                let _ = lines.send(line.to_owned());
            })
            .await)
        })
    })
}
