//! Folds events into what a screen shows of a stage, and into the log: the same events always fold into the same lines.

use std::{collections::VecDeque, time::Duration};

use crate::model::{
    failure::{Failure, FailureKind},
    run::{
        check::{self, CheckResult},
        event::{CredentialRenewalNeed, ProgressStats, StageEnd, StageEvent},
        goal::{RunStage, StageStep},
        plan::StagePlan,
    },
};

/// How many lines the log keeps; the file that the engine writes has them all.
const LOG_LINES_MAX: usize = 5000;
/// How many rates the curve keeps.
const RATE_SAMPLES_MAX: usize = 240;

/// One stage's story: its plan, and what came of it.
#[derive(Debug, Default)]
pub struct StageProgress {
    pub plan: Option<Box<StagePlan>>,
    /// Why it could not be looked at.
    pub failure: Option<Failure>,
    pub steps: Vec<StepProgress>,
    /// Checks that came as events, beside those of the plan.
    pub checks: Vec<CheckResult>,
    pub pace: Option<ProgressStats>,
    /// Objects a second, the newest last.
    pub rates: VecDeque<u64>,
    /// What it stands still for.
    pub credential_wait: Option<CredentialWait>,
    pub end: Option<StageEnd>,
    /// What `Ended` said.
    pub text: String,
    pub skipped: bool,
}

/// A step that stands still because AWS no longer accepts the credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialWait {
    pub step: StageStep,
    pub failure: Failure,
    pub wants: CredentialRenewalNeed,
}

/// One step, as far as it got.
#[derive(Debug, Clone, PartialEq)]
pub struct StepProgress {
    pub step: StageStep,
    pub state: StageStepState,
    pub text: String,
    pub since: Duration,
    pub took: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum StageStepState {
    Running,
    Done,
    Failed(Box<Failure>),
}

impl StageProgress {
    /// Forgets what came of an earlier look or run; reality is looked at again.
    pub fn reset_stage_progress(&mut self) {
        *self = Self::default();
    }

    /// Forgets what an earlier run said before the plan is applied again.
    pub fn reset_progress_to_plan(&mut self) {
        let plan = self.plan.take();
        *self = Self { plan, ..Self::default() };
    }

    /// Lists all checks, the later result of one name in place of the earlier.
    #[must_use]
    pub fn latest_checks(&self) -> Vec<&CheckResult> {
        let mut all: Vec<&CheckResult> = Vec::new();
        for check in self.plan.iter().flat_map(|plan| &plan.checks).chain(&self.checks) {
            match all.iter_mut().find(|known| known.name == check.name) {
                Some(known) => *known = check,
                None => all.push(check),
            }
        }
        all
    }

    /// Whether a check failed in its latest result.
    #[must_use]
    pub fn has_failed_check(&self) -> bool {
        self.latest_checks().iter().any(|check| check.has_failed())
    }

    /// Whether checks failed, and IAM's simulation alone says so of each.
    #[must_use]
    pub fn has_simulated_denials_alone(&self) -> bool {
        check::has_simulated_denials_alone(self.latest_checks())
    }

    /// Finds a step that has begun.
    #[must_use]
    pub fn find_started_step(&self, step: StageStep) -> Option<&StepProgress> {
        self.steps.iter().find(|line| line.step == step)
    }

    /// Returns the failure that ended it.
    #[must_use]
    pub fn latest_stage_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| {
            self.steps.iter().rev().find_map(|line| match &line.state {
                StageStepState::Failed(failure) => Some(&**failure),
                StageStepState::Running | StageStepState::Done => None,
            })
        })
    }

    /// Whether it came to its end, and all of it stands.
    #[must_use]
    pub fn is_stage_done(&self) -> bool {
        matches!(self.end, Some(StageEnd::Applied | StageEnd::Unchanged))
    }

    /// Whether it failed because reality moved since the plan was shown.
    #[must_use]
    pub fn has_drift_failure(&self) -> bool {
        self.end == Some(StageEnd::Failed)
            && self.latest_stage_failure().is_some_and(|failure| failure.kind == FailureKind::Drifted)
    }

    /// Folds one event of this stage.
    pub fn apply_stage_event(&mut self, at: Duration, event: &StageEvent) {
        let wait_is_over = match event {
            StageEvent::Ended { .. } => true,
            other => self
                .credential_wait
                .as_ref()
                .is_some_and(|wait| other.find_stage_step_of_event() == Some(wait.step)),
        };
        if wait_is_over {
            self.credential_wait = None;
        }
        match event {
            StageEvent::Waiting { step, failure, wants, .. } => {
                let (step, failure, wants) = (*step, failure.clone(), wants.clone());
                "paused until AWS accepts the credentials"
                    .clone_into(&mut self.find_or_add_step(step, at).text);
                self.credential_wait = Some(CredentialWait { step, failure, wants });
            }
            StageEvent::Started { step, text, .. } => {
                let line = self.find_or_add_step(*step, at);
                *line = StepProgress {
                    step: *step,
                    state: StageStepState::Running,
                    text: text.clone(),
                    since: at,
                    took: None,
                };
            }
            StageEvent::Progress { step, text, pace, .. } => {
                self.find_or_add_step(*step, at).text.clone_from(text);
                if let Some(pace) = pace {
                    if let Some(rate) = pace.per_second {
                        if self.rates.len() == RATE_SAMPLES_MAX {
                            self.rates.pop_front();
                        }
                        self.rates.push_back(rate.max(0.0).round() as u64);
                    }
                    self.pace = Some(pace.clone());
                }
            }
            StageEvent::Finished { step, text, .. } => {
                self.mark_step_finished(*step, at, StageStepState::Done, text);
            }
            StageEvent::Failed { step, failure, .. } => {
                let text = failure.to_string();
                self.mark_step_finished(*step, at, StageStepState::Failed(Box::new(failure.clone())), &text);
            }
            StageEvent::Check { check, .. } => {
                match self.checks.iter_mut().find(|known| known.name == check.name) {
                    Some(known) => *known = check.clone(),
                    None => self.checks.push(check.clone()),
                }
            }
            StageEvent::Ended { end, text, .. } => {
                self.end = Some(*end);
                self.text.clone_from(text);
            }
        }
    }

    fn find_or_add_step(&mut self, step: StageStep, at: Duration) -> &mut StepProgress {
        let index = self.steps.iter().position(|line| line.step == step).unwrap_or_else(|| {
            let line = StepProgress {
                step,
                state: StageStepState::Running,
                text: String::new(),
                since: at,
                took: None,
            };
            self.steps.push(line);
            self.steps.len() - 1
        });
        &mut self.steps[index]
    }

    fn mark_step_finished(&mut self, step: StageStep, at: Duration, state: StageStepState, text: &str) {
        let line = self.find_or_add_step(step, at);
        line.state = state;
        text.clone_into(&mut line.text);
        line.took = Some(at.saturating_sub(line.since));
    }
}

/// Every event as a line, the oldest first.
#[derive(Debug, Default)]
pub struct EventLog {
    pub lines: VecDeque<LogLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Duration,
    pub stage: RunStage,
    pub mark: LogLineMark,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLineMark {
    Started,
    Progress,
    Done,
    Failed,
}

impl EventLog {
    /// Appends the line that an event is told by; `at` is the time since the start.
    pub fn append_stage_event_line(&mut self, at: Duration, event: &StageEvent) {
        let titled = |step: &StageStep, text: &str| {
            if text.is_empty() {
                step.step_title().to_owned()
            } else {
                format!("{}: {text}", step.step_title())
            }
        };
        let (mark, text) = match event {
            StageEvent::Started { step, text, .. } => (LogLineMark::Started, titled(step, text)),
            StageEvent::Progress { step, text, pace, .. } => {
                // a pace changes many times a second; the screen shows it, the log its milestones
                if pace.is_some() || text.is_empty() {
                    return;
                }
                (LogLineMark::Progress, titled(step, text))
            }
            StageEvent::Waiting { step, text, .. } => (LogLineMark::Progress, titled(step, text)),
            StageEvent::Finished { step, text, .. } => (LogLineMark::Done, titled(step, text)),
            StageEvent::Failed { step, failure, .. } => {
                (LogLineMark::Failed, format!("{}: {failure}; next: {}", step.step_title(), failure.next))
            }
            StageEvent::Check { check, .. } => (
                if check.has_failed() { LogLineMark::Failed } else { LogLineMark::Done },
                format!("{}: {}", check.name, check.detail),
            ),
            StageEvent::Ended { end, text, .. } => (
                if *end == StageEnd::Failed { LogLineMark::Failed } else { LogLineMark::Done },
                if text.is_empty() {
                    format!("{} ended", event.stage_of_event().stage_title())
                } else {
                    text.clone()
                },
            ),
        };
        let line = LogLine { at, stage: event.stage_of_event(), mark, text };
        if self.lines.back().is_some_and(|last| last.stage == line.stage && last.text == line.text) {
            return;
        }
        if self.lines.len() == LOG_LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
