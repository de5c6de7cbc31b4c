//! The face without a terminal: the same engine, shown as sentences or as JSON lines, with the exit codes of contract section 2.

#[macro_use]
mod print;
pub mod json;
pub mod plain;
mod read;
mod write;

use std::io::{IsTerminal, Write};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::args::{Command, Global, Output};
use crate::engine::{self, Attended, Ground, Run};
use crate::model::run::{
    answers::Answers,
    check::Check,
    event::{End, Event},
    failure::{Failure, Kind},
    goal::Stage,
    plan::{Ask, Consent, Plan},
};

/// The exit codes of contract section 2.
pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const PENDING: u8 = 3;
pub const INTERRUPTED: u8 = 130;

/// One command's run: where it shows, what it stands on, what was answered.
pub struct Session {
    pub ground: Ground,
    pub answers: Answers,
    pub global: Global,
    /// The command line as it was given, for saying it again with `--yes`.
    pub line: Vec<String>,
    pub stop: CancellationToken,
    pub sandbox: bool,
}

/// Runs a command to its exit code.
pub async fn run(session: &mut Session, command: &Command) -> u8 {
    if let Command::Check { policy: true, .. } = command {
        return read::policy(session).await;
    }
    if session.json() {
        json::print(&json::version(session.sandbox));
    }
    if let Err(failure) = alone(session, command).await {
        return session.refuse(&failure);
    }
    let result = match command {
        Command::Check { .. } => read::check(session).await,
        Command::Plan { .. } => read::plan(session).await,
        Command::Verify => read::verify(session).await,
        Command::Configuration { format } => read::configuration(session, *format).await,
        Command::Sign { path } => read::sign(session, path).await,
        Command::Inspect { url } => read::inspect(session, url.as_deref()).await,
        Command::Enable { .. } => write::enable(session).await,
        Command::Disable => write::disable(session).await,
        Command::RollBack { backup, whole_file, edge } => {
            write::roll_back(session, backup.as_deref(), *whole_file, edge.as_deref()).await
        }
        Command::ReindexEverything { .. } => write::stages(session, &[Stage::Reindex]).await,
        Command::GenerateCloudfrontSecret => write::stages(session, &[Stage::Secret]).await,
        Command::BootstrapCloudfront => write::bootstrap(session).await,
        Command::ReconfigureCloudfrontDistribution { go_live, .. } => {
            write::distribution(session, *go_live).await
        }
        Command::Reconfigure => write::ctl(session, "reconfigure").await,
        Command::Restart => write::ctl(session, "restart").await,
        Command::Wizard { .. } | Command::Sandbox(_) | Command::Completions { .. } | Command::Man => Ok(DONE),
    };
    result.unwrap_or_else(|failure| session.refuse(&failure))
}

/// One run at a time changes this host. What only reads needs no lock; switching off takes it where it can, and waits for nobody.
async fn alone(session: &Session, command: &Command) -> Result<(), Failure> {
    session.ground.mean_it().await;
    match command {
        Command::Enable { .. }
        | Command::ReindexEverything { .. }
        | Command::GenerateCloudfrontSecret
        | Command::BootstrapCloudfront
        | Command::ReconfigureCloudfrontDistribution { .. }
        | Command::Reconfigure
        | Command::Restart
        | Command::RollBack { backup: Some(_), .. }
        | Command::RollBack { edge: Some(_), .. } => session.ground.take().await,
        Command::Disable => {
            if let Some(other) = session.ground.other_run().await {
                tell!("{} Switching off goes on beside it, and keeps it from going live.", other.whole());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Session {
    pub fn json(&self) -> bool {
        self.global.output == Output::Json
    }

    /// Shows one event, and keeps it in the log. In JSON a check is a line of its own only for the commands that check;
    /// elsewhere it is how far its step is.
    fn show(&self, event: &Event, checks: bool) {
        if let Some(line) = plain::event(event) {
            self.ground.log(&line);
            if !self.json() {
                // For a command that checks, the checks are the result.
                if checks && matches!(event, Event::Check { .. }) {
                    say!("{line}");
                } else {
                    tell!("{line}");
                }
            }
        }
        if self.json() {
            match event {
                Event::Check { check, .. } if checks => json::print(&json::check(check)),
                Event::Check { stage, check } => json::print(&json::checking(*stage, check)),
                other => json::print(&json::event(other)),
            }
        }
    }

    fn show_checks(&self, checks: &[Check]) {
        for check in checks {
            if self.json() {
                json::print(&json::check(check));
            } else {
                say!("{}", plain::check(check));
            }
        }
    }

    /// One line of what `inspect` found.
    fn show_finding(&self, label: &str, text: &str) {
        if self.json() {
            json::print(&serde_json::json!({"type": "finding", "name": label, "detail": text}));
        } else {
            say!("{label:<10} {text}");
        }
    }

    /// A result for a person: on stdout.
    fn say(&self, line: &str) {
        if !self.json() {
            say!("{line}");
        }
    }

    /// Says a failure that no stage said, and turns it into its exit code.
    fn refuse(&self, failure: &Failure) -> u8 {
        self.ground.log(&plain::failure(failure));
        if self.json() {
            json::print(&json::failed(None, failure));
        }
        tell!("packagecloud-cloudfront: {}", plain::failure(failure));
        code(failure)
    }

    /// Does `work` with a run whose events are shown as they come.
    async fn shown<T>(&self, work: impl AsyncFnOnce(Run) -> T) -> T {
        self.showing(false, work).await
    }

    async fn showing<T>(&self, checks: bool, work: impl AsyncFnOnce(Run) -> T) -> T {
        let (events, mut heard) = mpsc::unbounded_channel();
        let (_pausing, pause) = watch::channel(false);
        let run = Run::new(events, self.stop.clone(), pause).attended(attended());
        let showing = async {
            while let Some(event) = heard.recv().await {
                self.show(&event, checks);
            }
        };
        tokio::join!(work(run), showing).0
    }

    /// Applies a plan, showing what happens.
    async fn apply(&self, plan: &Plan) -> (End, Option<Failure>) {
        self.shown(async |run| engine::apply(&self.ground, plan, &self.answers, &run).await).await
    }

    /// Whether to go on: `--yes`, or a yes at the terminal.
    ///
    /// # Errors
    /// Without a terminal and without `--yes`: the whole command with it.
    fn consent(&self, question: &str) -> Result<bool, Failure> {
        if self.global.yes {
            return Ok(true);
        }
        if self.json() || !std::io::stdin().is_terminal() {
            return Err(Failure::consent(
                "consent",
                "this would change something, there is no terminal to ask at, and --yes was not given",
                format!("look at what is shown above, then run: {} --yes", shell_words::join(&self.line)),
            ));
        }
        let _ = write!(std::io::stderr(), "{question} [y/N] ");
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Refuses where a plan asks what only its own flag answers.
    fn refuse_asks(&self, plans: &[Plan]) -> Result<(), Failure> {
        self.refuse_unasked(plans.iter().flat_map(|plan| &plan.asks))
    }

    fn refuse_unasked<'a>(&self, of: impl IntoIterator<Item = &'a Ask>) -> Result<(), Failure> {
        let mut asks: Vec<&Ask> = Vec::new();
        for ask in of {
            if !asks.iter().any(|known| known.consent == ask.consent) {
                asks.push(ask);
            }
        }
        let Some(first) = asks.first() else { return Ok(()) };
        let mut line = self.line.clone();
        for ask in &asks {
            // `wait|write` is no word for a shell.
            let flag = if ask.consent == Consent::Managed { "--managed write" } else { ask.consent.flag() };
            line.extend(flag.split(' ').map(str::to_owned));
        }
        if !self.global.yes {
            line.push("--yes".into());
        }
        let questions: Vec<&str> = asks.iter().map(|ask| ask.question.as_str()).collect();
        let mut next = format!("if the answer is yes, run: {}", shell_words::join(&line));
        if asks.iter().any(|ask| ask.consent == Consent::Managed) {
            next.push_str(
                " (or --managed wait: it writes nothing, and goes on once the file holds the values)",
            );
        }
        let what = first.consent.flag().split(' ').next().unwrap_or_default();
        Err(Failure::consent(format!("{what} was not given, nothing was changed"), questions.join(" "), next))
    }
}

/// Whether somebody sees what is said, and may stop it.
fn attended() -> Attended {
    let seen = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if seen { Attended::Watched } else { Attended::Nobody }
}

/// A failure's exit code.
#[must_use]
pub fn code(failure: &Failure) -> u8 {
    match failure.kind {
        Kind::Usage | Kind::Consent => USAGE,
        Kind::Interrupted => INTERRUPTED,
        _ => FAILED,
    }
}

/// Says how a stage failed once more, as the last thing on the screen, and turns it into its exit code.
fn ended(failure: &Failure) -> u8 {
    tell!("packagecloud-cloudfront: {}", plain::failure(failure));
    code(failure)
}
