//! packagecloud-ctl: run so that a dropped line doesn't end it, with its lines shown as they come.
//!
//! Every line passes the redactor before anyone sees it; a command that runs already is followed, not started again.

mod detached;
mod output;
pub mod remote;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::ctl_command::CtlCommand,
    run::proposed_command::{join_shell_words, render_same_command_again},
};

use super::{Host, HostTransport, run::unfinished_work::UnfinishedCtlCommand};

use output::{PrivateKeyFilter, truncate_shown_line};
use remote::RemoteCtlCommand;

pub use detached::DetachedCtlCommand;

/// Where the time of our last reconfigure is kept.
const LAST_RECONFIGURE_NOTE: &str = "reconfigured";

/// A stand-in in this process: it runs a command, sends its lines, and gives its exit status.
pub type SimulatedPackagecloudCtl =
    Arc<dyn Fn(String, UnboundedSender<String>) -> BoxFuture<'static, Result<i32, Failure>> + Send + Sync>;

#[derive(Clone)]
pub enum PackagecloudCtlRunner {
    /// `--ctl none`: reconfigure and restart are left to the operator.
    None,
    /// The program and its first arguments.
    Command(Vec<String>),
    /// A sandbox's.
    Simulated(SimulatedPackagecloudCtl),
}

impl std::fmt::Debug for PackagecloudCtlRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("PackagecloudCtlRunner::None"),
            Self::Command(words) => write!(f, "PackagecloudCtlRunner::Command({words:?})"),
            Self::Simulated(_) => f.write_str("PackagecloudCtlRunner::Simulated"),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CtlOutcome {
    /// With status 0.
    Done,
    /// With another status; the last lines that it said.
    Failed { status: i32, last: Vec<String> },
    /// packagecloud-ctl doesn't know the command.
    UnknownCommand,
    /// There is no packagecloud-ctl here: it is left to the operator.
    LeftToOperator,
}

impl std::str::FromStr for PackagecloudCtlRunner {
    type Err = Failure;

    /// `--ctl`, split as a shell splits words.
    fn from_str(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::new_usage_failure(
                format!("--ctl {text}"),
                why,
                "give a command such as packagecloud-ctl, or none",
            )
        };
        let words = shell_words::split(text).map_err(|_| wrong("a quote in it doesn't end"))?;
        match words.as_slice() {
            [] => Err(wrong("it is empty")),
            [word] if word == "none" => Ok(Self::None),
            _ => Ok(Self::Command(words)),
        }
    }
}

/// What a command said, line by line: for its outcome, the last of them are kept.
struct CtlCommandOutput<'a> {
    host: &'a Host,
    on_line: &'a mut (dyn FnMut(&str) + Send),
    command: CtlCommand,
    last: VecDeque<String>,
    /// Whether one of them said that there is no such command; the list of those that there are follows it.
    unknown: bool,
    keys: PrivateKeyFilter,
}

impl<'a> CtlCommandOutput<'a> {
    fn new_ctl_command_output(
        host: &'a Host,
        command: CtlCommand,
        on_line: &'a mut (dyn FnMut(&str) + Send),
    ) -> Self {
        let keys = PrivateKeyFilter::default();
        Self { host, on_line, command, last: VecDeque::new(), unknown: false, keys }
    }
}

impl CtlCommandOutput<'_> {
    fn add_ctl_output_line(&mut self, line: &str) {
        let Some(line) = self.keys.hide_private_key_in_line(line) else { return };
        let line = truncate_shown_line(self.host.redactor.redact_secrets_in_line(&line));
        self.host.state.append_log_line(
            self.host.clock.read_host_clock(),
            &self.host.redactor,
            &format!("{}: {line}", self.command),
        );
        (self.on_line)(&line);
        self.unknown |= line.contains("I don't know that command");
        if !line.trim().is_empty() {
            self.last.push_back(line);
        }
        if self.last.len() > 20 {
            self.last.pop_front();
        }
    }

    /// Says something of the command that isn't its own line.
    fn say_of_ctl_command(&mut self, text: &str) {
        let line = self.host.redactor.redact_secrets_in_line(text);
        self.host.state.append_log_line(self.host.clock.read_host_clock(), &self.host.redactor, &line);
        (self.on_line)(&line);
    }

    fn into_ctl_outcome(self, status: i32) -> CtlOutcome {
        match status {
            0 => CtlOutcome::Done,
            1 if self.unknown => CtlOutcome::UnknownCommand,
            _ => CtlOutcome::Failed { status, last: self.last.into() },
        }
    }
}

impl PackagecloudCtlRunner {
    /// Returns the command as it is typed: `packagecloud-ctl`.
    #[must_use]
    pub fn render_ctl_command_line(&self) -> String {
        match self {
            Self::Command(words) => shell_words::join(words),
            Self::None | Self::Simulated(_) => "packagecloud-ctl".to_owned(),
        }
    }

    /// Returns the commands by which packagecloud follows its file, as they are typed:
    /// `packagecloud-ctl reconfigure && packagecloud-ctl restart`.
    #[must_use]
    pub fn render_reconfigure_and_restart(&self) -> String {
        let ctl = self.render_ctl_command_line();
        format!("{ctl} {} && {ctl} {}", CtlCommand::Reconfigure, CtlCommand::Restart)
    }
}

impl Host {
    /// Runs packagecloud-ctl's `command` to its end; where it runs already, on packagecloud.rb as it is, follows it
    /// from its first line on.
    /// Dropping the future stops the following, never the command.
    ///
    /// # Errors
    /// Where it can't be started, or its end can't be known.
    pub async fn run_packagecloud_ctl(
        &self,
        command: CtlCommand,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<CtlOutcome, Failure> {
        if matches!(self.ctl, PackagecloudCtlRunner::None) {
            return Ok(CtlOutcome::LeftToOperator);
        }
        let _running = self.unfinished.begin_host_work();
        let mut lines = CtlCommandOutput::new_ctl_command_output(self, command, on_line);
        let outcome = self.run_or_follow_ctl(command, &mut lines).await?;
        if command == CtlCommand::Reconfigure && outcome == 0 {
            // Lost, it only makes the next go-live say less about what is new in the file.
            self.write_state_file_about_host(
                LAST_RECONFIGURE_NOTE,
                &self.clock.read_host_clock().as_secs().to_string(),
            );
        }
        Ok(lines.into_ctl_outcome(outcome))
    }

    /// Runs or follows a command; its exit status.
    async fn run_or_follow_ctl(
        &self,
        command: CtlCommand,
        lines: &mut CtlCommandOutput<'_>,
    ) -> Result<i32, Failure> {
        match &self.ctl {
            PackagecloudCtlRunner::None => {
                Err(self.build_missing_program_failure("packagecloud-ctl", command))
            }
            PackagecloudCtlRunner::Simulated(play) => {
                let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
                let run = play(command.name().to_owned(), send);
                tokio::pin!(run);
                let mut status = None;
                loop {
                    tokio::select! {
                        biased;
                        line = receive.recv() => match line {
                            Some(line) => lines.add_ctl_output_line(&line),
                            None => break,
                        },
                        ended = &mut run, if status.is_none() => {
                            status = Some(ended?);
                            // What it sent before its end is taken; whatever still holds the sender isn't waited for.
                            receive.close();
                        }
                    }
                }
                match status {
                    Some(status) => Ok(status),
                    None => run.await,
                }
            }
            PackagecloudCtlRunner::Command(words) => self.follow_or_start_ctl(words, command, lines).await,
        }
    }

    /// One command of packagecloud-ctl runs at a time: whoever else's runs is followed where it does what is wanted,
    /// else waited for.
    async fn follow_or_start_ctl(
        &self,
        words: &[String],
        command: CtlCommand,
        lines: &mut CtlCommandOutput<'_>,
    ) -> Result<i32, Failure> {
        // The vendor's reindex reads nothing of the file, and once is enough: one that ended unseen is this one.
        if command == CtlCommand::ReindexEverything
            && let Some(unseen) = LocalOrRemoteCtlCommand::find_running_or_ended_ctl(self, command).await?
        {
            return self.follow_ctl_saying_its_silence(&unseen, lines).await;
        }
        loop {
            // Two that find nothing running must not both start.
            let turn = self
                .state
                .acquire_config_write_lock(&self.build_host_note_file_name("ctl-turn"), START_LOCK_TIMEOUT)
                .await;
            let Some(found) = LocalOrRemoteCtlCommand::find_running_ctl_command(self).await? else {
                let (first, rest) =
                    words.split_first().expect("a command has a first word, held by from_str");
                let Some(program) = self.transport.find_program_path(first).await else {
                    return Err(self.build_missing_program_failure(first, command));
                };
                let started =
                    LocalOrRemoteCtlCommand::start_ctl_command(self, &program, rest, command).await?;
                drop(turn);
                return self.follow_ctl_saying_its_silence(&started, lines).await;
            };
            drop(turn);
            if self.can_follow_running_ctl_command(&found, command).await {
                lines.say_of_ctl_command(&format!(
                    "{} runs already (process {}): waiting for its end",
                    self.render_ctl_command(found.ctl_command_name()),
                    found.ctl_process_id()
                ));
                return self.follow_ctl_saying_its_silence(&found, lines).await;
            }
            lines.add_ctl_output_line(&format!(
                "{} runs already (process {}): waiting for its end first",
                self.render_ctl_command(found.ctl_command_name()),
                found.ctl_process_id()
            ));
            // How that one ended is nothing to this one.
            let _ = self.follow_ctl_saying_its_silence(&found, lines).await;
            lines.last.clear();
            lines.unknown = false;
        }
    }

    /// Follows a command to its end; as long as it prints nothing, says now and then that it still runs. Whoever leaves
    /// before that end finds it in [`Self::find_unfinished_ctl_command`].
    async fn follow_ctl_saying_its_silence(
        &self,
        command: &LocalOrRemoteCtlCommand,
        lines: &mut CtlCommandOutput<'_>,
    ) -> Result<i32, Failure> {
        let (name, pid) = (command.ctl_command_name(), command.ctl_process_id());
        self.unfinished.note_followed_ctl_command(self.describe_ctl_command(name, pid));
        let began = Instant::now();
        // Both write lines: the command's as they come, and this where none come.
        let said = Mutex::new((lines, began));
        let hold = || said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut on_line = |line: &str| {
            let mut held = hold();
            held.0.add_ctl_output_line(line);
            held.1 = Instant::now();
        };
        let following = command.follow_ctl_command_to_end(&mut on_line);
        tokio::pin!(following);
        loop {
            let due = hold().1 + SILENCE_NOTE_INTERVAL;
            tokio::select! {
                biased;
                ended = &mut following => {
                    // Where the host isn't reached any more, it goes on there.
                    let status = ended?;
                    self.unfinished.forget_ended_ctl_command(pid);
                    return status.ok_or_else(|| self.build_no_exit_status_failure(name));
                }
                () = tokio::time::sleep_until(due) => {
                    let mut held = hold();
                    if held.1 + SILENCE_NOTE_INTERVAL <= Instant::now() {
                        held.0.say_of_ctl_command(&format!(
                            "{} still runs, {} s (process {})",
                            self.render_ctl_command(name),
                            began.elapsed().as_secs(),
                            pid
                        ));
                        held.1 = Instant::now();
                    }
                }
            }
        }
    }

    /// Names a command with the process that runs it.
    fn describe_ctl_command(&self, name: &str, pid: u32) -> UnfinishedCtlCommand {
        let text = format!("{} (process {pid})", self.render_ctl_command(name));
        UnfinishedCtlCommand { command: name.to_owned(), pid, text }
    }

    /// Returns the failure of a command that ended, and nobody can say how.
    fn build_no_exit_status_failure(&self, name: &str) -> Failure {
        Failure::new_generic_failure(
            self.render_ctl_command(name),
            "it ended without a status: it was killed, or the machine was restarted",
            format!("run again{}: {} {name}", self.render_host_suffix(), self.ctl.render_ctl_command_line()),
        )
    }

    /// A command as it was started: `packagecloud-ctl reconfigure`.
    fn render_ctl_command(&self, name: &str) -> String {
        format!("{} {name}{}", self.ctl.render_ctl_command_line(), self.render_host_suffix())
    }

    /// Whether a command that runs already does what this one would: one that began before the file was changed may
    /// have read what stood there before, and a restart from before the end of a reconfigure what was rendered before.
    async fn can_follow_running_ctl_command(
        &self,
        running: &LocalOrRemoteCtlCommand,
        command: CtlCommand,
    ) -> bool {
        let after = |time: Option<Duration>, slack| {
            time.is_none_or(|time| time + slack < running.ctl_command_start_time())
        };
        running.ctl_command_name() == command.name()
            && after(self.read_config_change_time().await, FILE_CLOCK_SLACK)
            && (command != CtlCommand::Restart
                || after(self.read_last_reconfigure_time().await, RECONFIGURE_TIME_SLACK))
    }

    /// Reads the Unix time of the last reconfigure, as far as it is known: ours, or one that left its log.
    pub async fn read_last_reconfigure_time(&self) -> Option<Duration> {
        let ours = self.read_host_state_file(LAST_RECONFIGURE_NOTE).and_then(|text| text.trim().parse().ok());
        let mut last = ours.map(Duration::from_secs);
        let logs = Path::new("/var/log/packagecloud/reconfigure");
        if matches!(self.ctl, PackagecloudCtlRunner::Command(_))
            && let Ok(names) = self.transport.list_dir(logs).await
        {
            let logs: Vec<PathBuf> = names.iter().map(|name| logs.join(name)).collect();
            last = last.max(self.transport.read_newest_file_change_time(&logs).await);
        }
        last
    }

    /// Removes the raw lines of a command whose end nobody saw, since the run that started it was killed: they may hold
    /// secrets. The vendor's reindex is found by them, and runs once.
    pub fn remove_abandoned_ctl_output(&self) {
        DetachedCtlCommand::remove_abandoned_ctl_files(
            self.state.state_dir_path(),
            CtlCommand::ReindexEverything.name(),
        );
    }

    /// Finds a command of packagecloud-ctl that an earlier run started and that still runs.
    #[must_use]
    pub fn find_running_ctl_command(&self) -> Option<DetachedCtlCommand> {
        DetachedCtlCommand::find_running_ctl_command(self.state.state_dir_path())
    }

    /// Finds the command of packagecloud-ctl that goes on there when this process ends: the one that this process followed
    /// last and hasn't seen the end of; on this machine also one that an earlier run started.
    #[must_use]
    pub fn find_unfinished_ctl_command(&self) -> Option<UnfinishedCtlCommand> {
        let running = match self.transport {
            HostTransport::Local => self.find_running_ctl_command(),
            HostTransport::Ssh(_) => return self.unfinished.last_unfinished_ctl_command(),
        };
        running.map(|running| self.describe_ctl_command(&running.command, running.pid))
    }
}

/// A file's time comes from a clock of the kernel that is some ticks behind: within these, nobody can say what was first.
const FILE_CLOCK_SLACK: Duration = Duration::from_millis(20);
/// The time of a reconfigure is kept in whole seconds.
const RECONFIGURE_TIME_SLACK: Duration = Duration::from_secs(1);
/// A command that prints nothing for so long is said to run still.
const SILENCE_NOTE_INTERVAL: Duration = Duration::from_secs(15);
/// Starting one takes moments.
const START_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

impl Host {
    /// Returns the failure of a host that has no such program, with what to do there by hand.
    pub(super) fn build_missing_program_failure(&self, program: &str, command: CtlCommand) -> Failure {
        if self.transport.remote_host_name().is_none() && Path::new(program).is_file() {
            let quoted = join_shell_words([program]);
            return Failure::new(
                FailureKind::Missing,
                program,
                "it is not executable",
                format!(
                    "make it executable: chmod +x {quoted} — then run: {}",
                    render_same_command_again(&[])
                ),
            );
        }
        let next = match self.transport.remote_host_name() {
            None => {
                "run this on packagecloud's host, name that with --host HOST, name the program with --ctl"
                    .to_owned()
            }
            Some(name) => format!("see that {name} is packagecloud's host, name the program with --ctl"),
        };
        Failure::new(
            FailureKind::Missing,
            self.prefix_path_with_host(program),
            format!(
                "there is no such program {}",
                if self.transport.remote_host_name().is_some() { "there" } else { "here" }
            ),
            format!("{next}, or use --ctl none and run packagecloud-ctl {command} there yourself"),
        )
    }
}

/// A command of packagecloud-ctl that was started, on this machine or there.
#[derive(Debug, Clone)]
enum LocalOrRemoteCtlCommand {
    Here(DetachedCtlCommand),
    There(RemoteCtlCommand),
}

impl LocalOrRemoteCtlCommand {
    async fn find_running_ctl_command(host: &Host) -> Result<Option<Self>, Failure> {
        Ok(match &host.transport {
            HostTransport::Local => {
                DetachedCtlCommand::find_running_ctl_command(host.state.state_dir_path()).map(Self::Here)
            }
            HostTransport::Ssh(line) => {
                RemoteCtlCommand::find_running_ctl_command(line).await?.map(Self::There)
            }
        })
    }

    /// One of `command` that runs, or whose end came while nobody looked.
    async fn find_running_or_ended_ctl(host: &Host, command: CtlCommand) -> Result<Option<Self>, Failure> {
        Ok(match &host.transport {
            HostTransport::Local => {
                DetachedCtlCommand::find_running_or_ended_ctl(host.state.state_dir_path(), command.name())
                    .map(Self::Here)
            }
            HostTransport::Ssh(line) => {
                RemoteCtlCommand::find_running_or_ended_ctl(line, command.name()).await?.map(Self::There)
            }
        })
    }

    async fn start_ctl_command(
        host: &Host,
        program: &Path,
        rest: &[String],
        command: CtlCommand,
    ) -> Result<Self, Failure> {
        match &host.transport {
            HostTransport::Local => DetachedCtlCommand::start_ctl_command(
                host.state.state_dir_path(),
                program,
                rest,
                command.name(),
                host.clock.read_host_clock(),
            )
            .map(Self::Here),
            HostTransport::Ssh(line) => {
                RemoteCtlCommand::start_ctl_command(line, program, rest, command.name())
                    .await
                    .map(Self::There)
            }
        }
    }

    fn ctl_command_name(&self) -> &str {
        match self {
            Self::Here(running) => &running.command,
            Self::There(afar) => afar.ctl_command_name(),
        }
    }

    /// The process that runs it, on its own host.
    fn ctl_process_id(&self) -> u32 {
        match self {
            Self::Here(running) => running.pid,
            Self::There(afar) => afar.ctl_process_id(),
        }
    }

    fn ctl_command_start_time(&self) -> Duration {
        match self {
            Self::Here(running) => running.since,
            Self::There(afar) => afar.ctl_command_start_time(),
        }
    }

    async fn follow_ctl_command_to_end(
        &self,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<i32>, Failure> {
        match self {
            Self::Here(running) => Ok(running.follow_ctl_command_to_end(on_line).await),
            Self::There(afar) => afar.follow_ctl_command_to_end(on_line).await,
        }
    }
}
