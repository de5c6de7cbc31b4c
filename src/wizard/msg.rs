//! Everything that may happen to the wizard, and everything that it may ask for: the whole boundary between what is pure and what is not.

use std::time::Duration;

use super::intent::UserIntent;
use crate::model::{
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        event::StageEvent,
        goal::RunStage,
        link_explanation::LinkExplanation,
        other_run::WatchedRunEvent,
        plan::StagePlan,
        welcome::{FoundAwsIdentity, OperatorTypedCredentials, WelcomeFindings},
    },
    secret::Secret,
    status::InstallStatus,
};

/// An input, and when it came.
#[derive(Debug)]
pub struct TimedInput {
    /// Since the wizard began: its only clock.
    pub at: Duration,
    pub input: WizardInput,
}

#[derive(Debug)]
pub enum WizardInput {
    /// The first frame stands.
    Start,
    Key(UserIntent),
    /// A bracketed paste.
    Paste(String),
    Resize,
    /// The terminal was the shell's for a while: what stands on it is new to whoever looks.
    Resumed,
    /// Time passed while something moves.
    Tick,
    /// The frame was drawn: how long the body's text is, and how much of it fits.
    Drawn(ScrollExtent),
    /// Which service of AWS's doesn't answer, a sentence; none where one does again, or none is waited for.
    AwsSilent(Option<String>),
    /// The terminal is gone, or the process was asked to end.
    Hangup,
    /// Another run asked this one to end: who it is.
    TakenOver(String),
    /// What is seen of another run, or why it can't be asked to end.
    Watched(Result<WatchedRunEvent, Failure>),
    /// What the first screen shows, as far as it is known without AWS.
    LocalFindings(Box<WelcomeFindings>),
    Welcome(Result<Box<WelcomeFindings>, Failure>),
    Status(Result<Box<InstallStatus>, Failure>),
    /// What was found of a customer's link, or a fault of this program.
    LinkExplained(Result<Box<LinkExplanation>, Failure>),
    /// The answer to typed keys or to a profile's name.
    Identified(Result<FoundAwsIdentity, Failure>),
    Looked(RunStage, Result<Box<StagePlan>, Failure>),
    Event(StageEvent),
    /// Where the copy lies and what it is, or why there is none.
    Copied(Result<String, Failure>),
}

/// Lines of the body's text, rows that show it, and where they begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrollExtent {
    pub lines: usize,
    pub rows: usize,
    /// The line in the first row, from 0.
    pub top: usize,
}

/// What the wizard asks the terminal face for. Each but the last seven and `Renew` starts a job; a new one takes the place of the one before.
#[derive(Debug)]
pub enum WizardEffect {
    /// Find what the first screen shows; answered by [`WizardInput::LocalFindings`] at once, then by [`WizardInput::Welcome`].
    Welcome(OperatorAnswers),
    /// Ask whether all of the install is well; answered by [`WizardInput::Status`].
    Status(OperatorAnswers),
    /// Explain a customer's link; answered by [`WizardInput::LinkExplained`].
    ExplainLink(String, OperatorAnswers),
    /// Ask AWS whose keys these are, and use them from now on; answered by [`WizardInput::Identified`].
    Identify(CredentialInput, OperatorAnswers),
    /// Credentials for the run that stands still for want of them; it goes on meanwhile.
    Renew(CredentialInput),
    /// Answered by [`WizardInput::Looked`]; checks that take their time may follow it as events.
    Look(RunStage, OperatorAnswers),
    /// The same, while the job that runs goes on in the background, beside all that follow.
    LookWhileJobRuns(RunStage, OperatorAnswers),
    /// Says events; `Ended` is the last.
    Apply(Box<StagePlan>, OperatorAnswers),
    /// Watch the other run, after asking it to end where that is wanted; answered by [`WizardInput::Watched`], to its end.
    Watch {
        take_over: bool,
    },
    /// Beside the job that runs: answered by [`WizardInput::Copied`].
    Copy(ClipboardText),
    /// The job in the background is the one that the screen shows again.
    BringToForeground,
    /// What runs, on the screen and in the background, shall stop after the request in flight.
    Stop,
    /// The job that runs shall pause, or go on.
    Pause(bool),
    /// This process shall stop until it is continued, as Ctrl-Z has it.
    Suspend,
    /// The whole screen shall be drawn anew.
    Redraw,
    Leave(WizardOutcome),
}

impl WizardEffect {
    /// Returns what was answered by the time that it is asked for, where it needs that.
    #[must_use]
    pub fn answers_of_effect(&self) -> Option<&OperatorAnswers> {
        match self {
            Self::Welcome(answers)
            | Self::Status(answers)
            | Self::ExplainLink(_, answers)
            | Self::Identify(_, answers)
            | Self::Look(_, answers)
            | Self::LookWhileJobRuns(_, answers)
            | Self::Apply(_, answers) => Some(answers),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialInput {
    Profile(String),
    Keys(OperatorTypedCredentials),
    /// A code of the device that a profile's role wants.
    Code {
        profile: String,
        code: Secret,
    },
}

/// What is copied. A secret stands in it as `(hidden)`, as the screen shows it: whoever performs the copy knows the
/// file that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipboardText {
    pub title: String,
    pub text: String,
}

/// How the wizard was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WizardOutcome {
    /// The exit code (contract section 2).
    pub code: u8,
    /// Whole sentences for the terminal that is left behind.
    pub last_words: Vec<String>,
    /// What verify came to, where it ran.
    pub verdict: Option<String>,
    /// Something was looked at: what stands is worth a few lines.
    pub has_looked: bool,
}
