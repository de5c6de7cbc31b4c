//! packagecloud-ctl: run so that a dropped line doesn't end it, with its lines shown as they come.
//!
//! Every line passes the redactor before anyone sees it; a command that runs already is followed, not started again.

mod detached;
pub mod remote;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use crate::model::run::failure::{Failure, Kind};

use super::{Host, Reach};

use remote::Afar;

pub use detached::Running;

/// Where the time of our last reconfigure is kept.
const RECONFIGURED: &str = "reconfigured";
/// The vendor's reindex, which only queues jobs.
pub const REINDEX: &str = "reindex-everything";

/// A stand-in in this process: it runs a command, sends its lines, and gives its exit status.
pub type Play =
    Arc<dyn Fn(String, UnboundedSender<String>) -> BoxFuture<'static, Result<i32, Failure>> + Send + Sync>;

#[derive(Clone)]
pub enum Ctl {
    /// `--ctl none`: reconfigure and restart are left to the operator.
    None,
    /// The program and its first arguments.
    Command(Vec<String>),
    /// A sandbox's.
    Played(Play),
}

impl std::fmt::Debug for Ctl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("Ctl::None"),
            Self::Command(words) => write!(f, "Ctl::Command({words:?})"),
            Self::Played(_) => f.write_str("Ctl::Played"),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With status 0.
    Done,
    /// With another status; the last lines that it said.
    Failed { status: i32, last: Vec<String> },
    /// packagecloud-ctl doesn't know the command.
    Unknown,
    /// There is no packagecloud-ctl here: it is left to the operator.
    Left,
}

impl std::str::FromStr for Ctl {
    type Err = Failure;

    /// `--ctl`, split as a shell splits words.
    fn from_str(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("--ctl {text}"), why, "give a command such as packagecloud-ctl, or none")
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
struct Lines<'a> {
    host: &'a Host,
    on_line: &'a mut (dyn FnMut(&str) + Send),
    command: &'a str,
    last: VecDeque<String>,
    /// Whether one of them said that there is no such command; the list of those that there are follows it.
    unknown: bool,
}

impl Lines<'_> {
    fn take(&mut self, line: &str) {
        let line = self.host.redactor.clean(line);
        self.host.state.log(self.host.clock.now(), &self.host.redactor, &format!("{}: {line}", self.command));
        (self.on_line)(&line);
        self.unknown |= line.contains("I don't know that command");
        if !line.trim().is_empty() {
            self.last.push_back(line);
        }
        if self.last.len() > 20 {
            self.last.pop_front();
        }
    }

    fn outcome(self, status: i32) -> Outcome {
        match status {
            0 => Outcome::Done,
            1 if self.unknown => Outcome::Unknown,
            _ => Outcome::Failed { status, last: self.last.into() },
        }
    }
}

impl Ctl {
    /// As it is typed: `packagecloud-ctl`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Command(words) => shell_words::join(words),
            Self::None | Self::Played(_) => "packagecloud-ctl".to_owned(),
        }
    }
}

impl Host {
    /// Runs packagecloud-ctl's `command` to its end; where it runs already, on packagecloud.rb as it is, follows it
    /// from its first line on.
    /// Dropping the future stops the following, never the command.
    ///
    /// # Errors
    /// Where it can't be started, or its end can't be known.
    pub async fn ctl(
        &self,
        command: &str,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Outcome, Failure> {
        if matches!(self.ctl, Ctl::None) {
            return Ok(Outcome::Left);
        }
        let mut lines = Lines { host: self, on_line, command, last: VecDeque::new(), unknown: false };
        let outcome = self.carry_out(command, &mut lines).await?;
        if command == "reconfigure" && outcome == 0 {
            // Lost, it only makes the next go-live say less about what is new in the file.
            self.note(RECONFIGURED, &self.clock.now().as_secs().to_string());
        }
        Ok(lines.outcome(outcome))
    }

    /// Runs or follows a command; its exit status.
    async fn carry_out(&self, command: &str, lines: &mut Lines<'_>) -> Result<i32, Failure> {
        match &self.ctl {
            Ctl::None => Err(self.missing("packagecloud-ctl", command)),
            Ctl::Played(play) => {
                let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
                let run = play(command.to_owned(), send);
                tokio::pin!(run);
                let mut status = None;
                loop {
                    tokio::select! {
                        biased;
                        line = receive.recv() => match line {
                            Some(line) => lines.take(&line),
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
            Ctl::Command(words) => self.follow_or_start(words, command, lines).await,
        }
    }

    /// One command of packagecloud-ctl runs at a time: whoever else's runs is followed where it does what is wanted,
    /// else waited for.
    async fn follow_or_start(
        &self,
        words: &[String],
        command: &str,
        lines: &mut Lines<'_>,
    ) -> Result<i32, Failure> {
        // The vendor's reindex reads nothing of the file, and once is enough: one that ended unseen is this one.
        if command == REINDEX
            && let Some(unseen) = Child::unseen(self, command).await?
        {
            return unseen.follow(&mut |line| lines.take(line)).await;
        }
        loop {
            // Two that find nothing running must not both start.
            let turn = self.state.turn(&self.note_name("ctl-turn"), TURN).await;
            let Some(found) = Child::find(self).await? else {
                let (first, rest) =
                    words.split_first().expect("a command has a first word, held by from_str");
                let Some(program) = self.reach.program(first).await else {
                    return Err(self.missing(first, command));
                };
                let started = Child::start(self, &program, rest, command).await?;
                drop(turn);
                return started.follow(&mut |line| lines.take(line)).await;
            };
            drop(turn);
            if self.would_do(&found, command).await {
                return found.follow(&mut |line| lines.take(line)).await;
            }
            lines.take(&format!(
                "packagecloud-ctl {} runs already: waiting for its end first",
                found.command()
            ));
            // How that one ended is nothing to this one.
            let _ = found.follow(&mut |line| lines.take(line)).await;
            lines.last.clear();
            lines.unknown = false;
        }
    }

    /// Whether a command that runs already does what this one would: one that began before the file was changed may
    /// have read what stood there before, and a restart from before the end of a reconfigure what was rendered before.
    async fn would_do(&self, running: &Child, command: &str) -> bool {
        let after = |time: Option<Duration>, slack| time.is_none_or(|time| time + slack < running.since());
        running.command() == command
            && after(self.config_changed().await, FILE_CLOCK)
            && (command != "restart" || after(self.last_reconfigure().await, WHOLE_SECOND))
    }

    /// Unix time of the last reconfigure, as far as it is known: ours, or one that left its log.
    pub async fn last_reconfigure(&self) -> Option<Duration> {
        let ours = self.noted(RECONFIGURED).and_then(|text| text.trim().parse().ok());
        let mut last = ours.map(Duration::from_secs);
        let logs = Path::new("/var/log/packagecloud/reconfigure");
        if matches!(self.ctl, Ctl::Command(_))
            && let Ok(names) = self.reach.list(logs).await
        {
            let logs: Vec<PathBuf> = names.iter().map(|name| logs.join(name)).collect();
            last = last.max(self.reach.modified(&logs).await);
        }
        last
    }

    /// A command of packagecloud-ctl that an earlier run started and that still runs.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        Running::find(self.state.dir())
    }
}

/// A file's time comes from a clock of the kernel that is some ticks behind: within these, nobody can say what was first.
const FILE_CLOCK: Duration = Duration::from_millis(20);
/// The time of a reconfigure is kept in whole seconds.
const WHOLE_SECOND: Duration = Duration::from_secs(1);
/// Starting one takes moments.
const TURN: Duration = Duration::from_secs(10);

impl Host {
    pub(super) fn missing(&self, program: &str, command: &str) -> Failure {
        let next = match self.reach.name() {
            None => {
                "run this on packagecloud's host, name that with --host HOST, name the program with --ctl"
                    .to_owned()
            }
            Some(name) => format!("see that {name} is packagecloud's host, name the program with --ctl"),
        };
        Failure::new(
            Kind::Missing,
            self.said_at(program),
            format!(
                "there is no such program {}",
                if self.reach.name().is_some() { "there" } else { "here" }
            ),
            format!("{next}, or use --ctl none and run packagecloud-ctl {command} there yourself"),
        )
    }
}

/// A command of packagecloud-ctl that was started, on this machine or there.
#[derive(Debug, Clone)]
enum Child {
    Here(Running),
    There(Afar),
}

impl Child {
    async fn find(host: &Host) -> Result<Option<Self>, Failure> {
        Ok(match &host.reach {
            Reach::Local => Running::find(host.state.dir()).map(Self::Here),
            Reach::Ssh(line) => Afar::find(line).await?.map(Self::There),
        })
    }

    /// One of `command` that runs, or whose end came while nobody looked.
    async fn unseen(host: &Host, command: &str) -> Result<Option<Self>, Failure> {
        Ok(match &host.reach {
            Reach::Local => Running::unseen(host.state.dir(), command).map(Self::Here),
            Reach::Ssh(line) => Afar::unseen(line, command).await?.map(Self::There),
        })
    }

    async fn start(host: &Host, program: &Path, rest: &[String], command: &str) -> Result<Self, Failure> {
        match &host.reach {
            Reach::Local => {
                Running::start(host.state.dir(), program, rest, command, host.clock.now()).map(Self::Here)
            }
            Reach::Ssh(line) => Afar::start(line, program, rest, command).await.map(Self::There),
        }
    }

    fn command(&self) -> &str {
        match self {
            Self::Here(running) => &running.command,
            Self::There(afar) => afar.command(),
        }
    }

    fn since(&self) -> Duration {
        match self {
            Self::Here(running) => running.since,
            Self::There(afar) => afar.since(),
        }
    }

    async fn follow(&self, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<i32, Failure> {
        match self {
            Self::Here(running) => running.follow(on_line).await,
            Self::There(afar) => afar.follow(on_line).await,
        }
    }
}
