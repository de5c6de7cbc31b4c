//! Folds events into what a screen shows of a stage, and into the log: the same events always fold into the same lines.

use std::{collections::VecDeque, time::Duration};

use crate::model::run::{
    check::Check,
    event::{End, Event, Pace, Wants},
    failure::{Failure, Kind},
    goal::{Stage, Step},
    plan::Plan,
};

/// How many lines the log keeps; the file that the engine writes has them all.
const LOG_LINES: usize = 5000;
/// How many rates the curve keeps.
const RATES: usize = 240;

/// One stage's story: its plan, and what came of it.
#[derive(Debug, Default)]
pub struct Leg {
    pub plan: Option<Box<Plan>>,
    /// Why it could not be looked at.
    pub failure: Option<Failure>,
    pub lines: Vec<Line>,
    /// Checks that came as events, beside those of the plan.
    pub checks: Vec<Check>,
    pub pace: Option<Pace>,
    /// Objects a second, the newest last.
    pub rates: VecDeque<u64>,
    /// What it stands still for.
    pub waits: Option<Waits>,
    pub end: Option<End>,
    /// What `Ended` said.
    pub text: String,
    pub skipped: bool,
}

/// A step that stands still because AWS no longer accepts the credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Waits {
    pub step: Step,
    pub failure: Failure,
    pub wants: Wants,
}

/// One step, as far as it got.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub step: Step,
    pub state: LineState,
    pub text: String,
    pub since: Duration,
    pub took: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum LineState {
    Running,
    Done,
    Failed(Box<Failure>),
}

impl Leg {
    /// What came of an earlier look or run is forgotten; reality is looked at again.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Before it is applied: the plan stays, what an earlier run said goes.
    pub fn begin(&mut self) {
        let plan = self.plan.take();
        *self = Self { plan, ..Self::default() };
    }

    /// All checks, the later result of one name in place of the earlier.
    #[must_use]
    pub fn all_checks(&self) -> Vec<&Check> {
        let mut all: Vec<&Check> = Vec::new();
        for check in self.plan.iter().flat_map(|plan| &plan.checks).chain(&self.checks) {
            match all.iter_mut().find(|known| known.name == check.name) {
                Some(known) => *known = check,
                None => all.push(check),
            }
        }
        all
    }

    #[must_use]
    pub fn any_failed_check(&self) -> bool {
        self.all_checks().iter().any(|check| check.failed())
    }

    #[must_use]
    pub fn line(&self, step: Step) -> Option<&Line> {
        self.lines.iter().find(|line| line.step == step)
    }

    /// The failure that ended it.
    #[must_use]
    pub fn failed(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| {
            self.lines.iter().rev().find_map(|line| match &line.state {
                LineState::Failed(failure) => Some(&**failure),
                LineState::Running | LineState::Done => None,
            })
        })
    }

    /// Whether it failed because reality moved since the plan was shown.
    #[must_use]
    pub fn drifted(&self) -> bool {
        self.end == Some(End::Failed) && self.failed().is_some_and(|failure| failure.kind == Kind::Drifted)
    }

    /// Folds one event of this stage.
    pub fn fold(&mut self, at: Duration, event: &Event) {
        let over = match event {
            Event::Ended { .. } => true,
            of => self.waits.as_ref().is_some_and(|waits| of.step() == Some(waits.step)),
        };
        if over {
            self.waits = None;
        }
        match event {
            Event::Waiting { step, failure, wants, .. } => {
                let (step, failure, wants) = (*step, failure.clone(), wants.clone());
                "stands still until AWS accepts the credentials"
                    .clone_into(&mut self.line_mut(step, at).text);
                self.waits = Some(Waits { step, failure, wants });
            }
            Event::Started { step, text, .. } => {
                let line = self.line_mut(*step, at);
                *line = Line {
                    step: *step,
                    state: LineState::Running,
                    text: text.clone(),
                    since: at,
                    took: None,
                };
            }
            Event::Progress { step, text, pace, .. } => {
                self.line_mut(*step, at).text.clone_from(text);
                if let Some(pace) = pace {
                    if let Some(rate) = pace.per_second {
                        if self.rates.len() == RATES {
                            self.rates.pop_front();
                        }
                        self.rates.push_back(rate.max(0.0).round() as u64);
                    }
                    self.pace = Some(pace.clone());
                }
            }
            Event::Finished { step, text, .. } => self.close(*step, at, LineState::Done, text),
            Event::Failed { step, failure, .. } => {
                let text = failure.to_string();
                self.close(*step, at, LineState::Failed(Box::new(failure.clone())), &text);
            }
            Event::Check { check, .. } => match self.checks.iter_mut().find(|known| known.name == check.name)
            {
                Some(known) => *known = check.clone(),
                None => self.checks.push(check.clone()),
            },
            Event::Ended { end, text, .. } => {
                self.end = Some(*end);
                self.text.clone_from(text);
            }
        }
    }

    fn line_mut(&mut self, step: Step, at: Duration) -> &mut Line {
        let index = self.lines.iter().position(|line| line.step == step).unwrap_or_else(|| {
            let line = Line { step, state: LineState::Running, text: String::new(), since: at, took: None };
            self.lines.push(line);
            self.lines.len() - 1
        });
        &mut self.lines[index]
    }

    fn close(&mut self, step: Step, at: Duration, state: LineState, text: &str) {
        let line = self.line_mut(step, at);
        line.state = state;
        text.clone_into(&mut line.text);
        line.took = Some(at.saturating_sub(line.since));
    }
}

/// Every event as a line, the oldest first.
#[derive(Debug, Default)]
pub struct Log {
    pub lines: VecDeque<LogLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Duration,
    pub stage: Stage,
    pub mark: Mark,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Started,
    Goes,
    Done,
    Failed,
}

impl Log {
    pub fn fold(&mut self, at: Duration, event: &Event) {
        let titled = |step: &Step, text: &str| {
            if text.is_empty() { step.title().to_owned() } else { format!("{}: {text}", step.title()) }
        };
        let (mark, text) = match event {
            Event::Started { step, text, .. } => (Mark::Started, titled(step, text)),
            Event::Progress { step, text, pace, .. } => {
                // a pace changes many times a second; the screen shows it, the log its milestones
                if pace.is_some() || text.is_empty() {
                    return;
                }
                (Mark::Goes, titled(step, text))
            }
            Event::Waiting { step, text, .. } => (Mark::Goes, titled(step, text)),
            Event::Finished { step, text, .. } => (Mark::Done, titled(step, text)),
            Event::Failed { step, failure, .. } => {
                (Mark::Failed, format!("{}: {failure}; next: {}", step.title(), failure.next))
            }
            Event::Check { check, .. } => (
                if check.failed() { Mark::Failed } else { Mark::Done },
                format!("{}: {}", check.name, check.detail),
            ),
            Event::Ended { end, text, .. } => (
                if *end == End::Failed { Mark::Failed } else { Mark::Done },
                if text.is_empty() { format!("{} ended", event.stage().title()) } else { text.clone() },
            ),
        };
        let line = LogLine { at, stage: event.stage(), mark, text };
        if self.lines.back().is_some_and(|last| last.stage == line.stage && last.text == line.text) {
            return;
        }
        if self.lines.len() == LOG_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
