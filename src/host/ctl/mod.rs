//! packagecloud-ctl: run so that a dropped line doesn't end it, with its lines shown as they come.
//!
//! Every line passes the redactor before anyone sees it; a command that runs already is followed, not started again.

mod detached;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use crate::model::failure::{Failure, Kind};

use super::{Host, redact::Redactor};

pub use detached::Running;

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
    redactor: &'a Redactor,
    on_line: &'a mut (dyn FnMut(&str) + Send),
    last: std::collections::VecDeque<String>,
}

impl Lines<'_> {
    fn take(&mut self, line: &str) {
        let line = self.redactor.clean(line);
        (self.on_line)(&line);
        if !line.trim().is_empty() {
            self.last.push_back(line);
        }
        if self.last.len() > 20 {
            self.last.pop_front();
        }
    }

    fn outcome(self, status: i32) -> Outcome {
        let unknown = self.last.iter().any(|line| line.contains("I don't know that command"));
        match status {
            0 => Outcome::Done,
            1 if unknown => Outcome::Unknown,
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
    /// Runs packagecloud-ctl's `command` to its end; where it runs already, follows it from its first line on.
    /// Dropping the future stops the following, never the command.
    ///
    /// # Errors
    /// Where it can't be started, or its end can't be known.
    pub async fn ctl(
        &self,
        command: &str,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Outcome, Failure> {
        let mut lines = Lines { redactor: &self.redactor, on_line, last: std::collections::VecDeque::new() };
        match &self.ctl {
            Ctl::None => Ok(Outcome::Left),
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
                let status = match status {
                    Some(status) => status,
                    None => run.await?,
                };
                Ok(lines.outcome(status))
            }
            Ctl::Command(words) => {
                let dir = self.state.dir();
                if let Some(running) = Running::find(dir)
                    && running.command != command
                {
                    lines.take(&format!(
                        "packagecloud-ctl {} runs already: waiting for its end first",
                        running.command
                    ));
                    running.follow(&mut |line| lines.take(line)).await?;
                    lines.last.clear();
                }
                let running = match Running::find(dir) {
                    Some(running) => running,
                    None => {
                        let (first, rest) =
                            words.split_first().expect("a command has a first word, held by from_str");
                        let Some(program) = self.reach.program(first).await else {
                            return Err(missing(first, command));
                        };
                        Running::start(dir, &program, rest, command, self.clock.now())?
                    }
                };
                let status = running.follow(&mut |line| lines.take(line)).await?;
                Ok(lines.outcome(status))
            }
        }
    }

    /// A command of packagecloud-ctl that an earlier run started and that still runs.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        Running::find(self.state.dir())
    }
}

fn missing(program: &str, command: &str) -> Failure {
    Failure::new(
        Kind::Missing,
        program,
        "there is no such program here",
        format!(
            "run this on packagecloud's host, name the program with --ctl, or use --ctl none and run packagecloud-ctl {command} there yourself"
        ),
    )
}
