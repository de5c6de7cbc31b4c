//! One run of one stage: its steps, its events, its stop and its pause.
//!
//! A step that began finishes or fails; `Ended` is said last, exactly once, even on a panic.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::{Failure, FailureKind},
    run::{
        check::CheckResult,
        event::{CredentialRenewalNeed, ProgressStats, StageEnd, StageEvent},
        goal::{RunStage, StageStep},
    },
};

/// Where a stage says what happens, and hears that it shall stop or pause.
#[derive(Clone)]
pub struct RunContext {
    events: mpsc::UnboundedSender<StageEvent>,
    stop: CancellationToken,
    pause: watch::Receiver<bool>,
    presence: OperatorPresence,
    /// Hears each event too.
    listener: Option<EventListener>,
}

/// Who is there, and may see to what the run can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorPresence {
    Nobody,
    /// Somebody sees it, and can type in another terminal.
    Watched,
    /// Somebody can type here too.
    Typing,
}

type EventListener = Arc<dyn Fn(&StageEvent) + Send + Sync>;

impl RunContext {
    /// Returns a run of which nobody is known to be there; `pause` holds true while it shall pause.
    #[must_use]
    pub fn new(
        events: mpsc::UnboundedSender<StageEvent>,
        stop: CancellationToken,
        pause: watch::Receiver<bool>,
    ) -> Self {
        Self { events, stop, pause, presence: OperatorPresence::Nobody, listener: None }
    }

    /// Returns the same run, with somebody there.
    #[must_use]
    pub fn with_operator_presence(self, attended: OperatorPresence) -> Self {
        Self { presence: attended, ..self }
    }

    /// Returns a run that nobody listens to, stops or pauses.
    #[must_use]
    pub fn new_silent_context() -> Self {
        let (events, _) = mpsc::unbounded_channel();
        let (_, pause) = watch::channel(false);
        Self::new(events, CancellationToken::new(), pause)
    }

    /// Returns the same run, where `witness` hears each event before the face does, after those that hear it already.
    #[must_use]
    pub fn with_event_listener(&self, witness: impl Fn(&StageEvent) + Send + Sync + 'static) -> Self {
        let before = self.listener.clone();
        let all = move |event: &StageEvent| {
            before.iter().for_each(|before| before(event));
            witness(event);
        };
        Self { listener: Some(Arc::new(all)), ..self.clone() }
    }

    /// Returns the run inside `stage`.
    #[must_use]
    pub fn create_stage_run(&self, stage: RunStage) -> StageRun {
        StageRun { run: self.clone(), stage }
    }

    /// Returns what is cancelled to stop the run.
    #[must_use]
    pub fn cancellation_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Returns who is there.
    #[must_use]
    pub fn operator_presence(&self) -> OperatorPresence {
        self.presence
    }

    /// Returns what holds true while the run shall pause.
    #[must_use]
    pub fn subscribe_to_run_pause(&self) -> watch::Receiver<bool> {
        self.pause.clone()
    }
}

/// A run inside one stage.
#[derive(Clone)]
pub struct StageRun {
    run: RunContext,
    stage: RunStage,
}

impl StageRun {
    /// Says an event.
    pub fn emit_stage_event(&self, event: StageEvent) {
        if let Some(witness) = &self.run.listener {
            witness(&event);
        }
        // A face that has gone hears nothing; the work goes on to a consistent end all the same.
        let _ = self.run.events.send(event);
    }

    /// Returns the run that this stage is part of.
    #[must_use]
    pub fn parent_run_context(&self) -> &RunContext {
        &self.run
    }

    /// Returns what an adapter calls while it waits: becomes a progress event of `step`.
    pub fn build_step_progress_reporter(&self, step: StageStep) -> impl Fn(&str) + Send + Sync + 'static {
        let (run, stage) = (self.clone(), self.stage);
        move |text| {
            run.emit_stage_event(StageEvent::Progress { stage, step, text: text.to_owned(), pace: None });
        }
    }

    /// Says that the step stands still until AWS accepts the credentials again.
    pub fn emit_credential_wait(&self, step: StageStep, failure: Failure, wants: CredentialRenewalNeed) {
        let text = format!("paused: {failure}; next: {}", failure.next);
        self.emit_stage_event(StageEvent::Waiting { stage: self.stage, step, text, failure, wants });
    }

    /// Says how far a step is, and how fast.
    pub fn emit_progress_pace(&self, step: StageStep, text: impl Into<String>, pace: ProgressStats) {
        self.emit_stage_event(StageEvent::Progress {
            stage: self.stage,
            step,
            text: text.into(),
            pace: Some(pace),
        });
    }

    /// Says the result of a check.
    pub fn emit_check_result(&self, check: CheckResult) {
        self.emit_stage_event(StageEvent::Check { stage: self.stage, check });
    }

    /// Does one step: says that it began (`doing`) and how it ended. The work returns its value and the past-tense
    /// text of what was done. Nothing begins after a stop.
    ///
    /// # Errors
    /// Fails where `work` does, or the run is stopped before it begins.
    pub async fn run_stage_step<T>(
        &self,
        step: StageStep,
        doing: impl Into<String>,
        work: impl Future<Output = Result<(T, String), Failure>>,
    ) -> Result<T, Failure> {
        let stage = self.stage;
        if self.run.stop.is_cancelled() {
            return Err(build_interrupted_failure());
        }
        self.emit_stage_event(StageEvent::Started { stage, step, text: doing.into() });
        match work.await {
            Ok((value, text)) => {
                self.emit_stage_event(StageEvent::Finished { stage, step, text });
                Ok(value)
            }
            Err(failure) => {
                self.emit_stage_event(StageEvent::Failed { stage, step, failure: failure.clone() });
                Err(failure)
            }
        }
    }

    /// Waits for `work`, which only reads, but no longer than until a stop.
    ///
    /// # Errors
    /// Fails where `work` does, or the run is stopped meanwhile.
    pub async fn read_unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.run.stop.cancelled() => Err(build_interrupted_failure()),
            result = work => result,
        }
    }

    /// Runs a stage's work to its `Ended`, which is said here and nowhere else.
    pub async fn run_stage_to_end(
        &self,
        work: impl Future<Output = Result<(StageEnd, String), Failure>>,
    ) -> (StageEnd, Option<Failure>) {
        let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
            Err(Failure::new_program_fault(
                format!("stage {}", self.stage.stage_name()),
                &*panic,
                format!(
                    "run: {} — it looks at what is there and continues; please report this with the log",
                    render_same_command_again(&[])
                ),
            ))
        });
        let (end, text, failure) = match result {
            Ok((end, text)) => (end, text, None),
            Err(failure) if failure.kind == FailureKind::Interrupted => {
                (StageEnd::Stopped, failure.why.clone(), Some(failure))
            }
            Err(failure) => (StageEnd::Failed, failure.to_string(), Some(failure)),
        };
        self.emit_stage_event(StageEvent::Ended { stage: self.stage, step: None, end, text });
        (end, failure)
    }
}

/// Returns what a stop becomes.
#[must_use]
pub fn build_interrupted_failure() -> Failure {
    Failure::new(
        FailureKind::Interrupted,
        "this run was stopped",
        "at your request; what was done so far is kept",
        format!("run: {} — it looks at what is there and continues", render_same_command_again(&[])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_stage_run() -> (StageRun, mpsc::UnboundedReceiver<StageEvent>, CancellationToken) {
        let (events, heard) = mpsc::unbounded_channel();
        let (_, pause) = watch::channel(false);
        let stop = CancellationToken::new();
        (RunContext::new(events, stop.clone(), pause).create_stage_run(RunStage::Secret), heard, stop)
    }

    fn drain_events(mut heard: mpsc::UnboundedReceiver<StageEvent>) -> Vec<StageEvent> {
        std::iter::from_fn(|| heard.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn a_panic_still_ends_the_stage_once() {
        let (run, heard, _) = new_stage_run();
        let (end, failure) = run.run_stage_to_end(async { panic!("boom") }).await;
        assert_eq!(end, StageEnd::Failed);
        assert!(failure.unwrap().why.contains("boom"));
        assert!(matches!(drain_events(heard).as_slice(), [StageEvent::Ended { end: StageEnd::Failed, .. }]));
    }

    #[tokio::test]
    async fn nothing_begins_after_a_stop() {
        let (run, heard, stop) = new_stage_run();
        stop.cancel();
        let (end, _) = run
            .run_stage_to_end(async {
                run.run_stage_step(StageStep::Secret, "making", async { Ok(((), "made".into())) }).await?;
                Ok((StageEnd::Applied, String::new()))
            })
            .await;
        assert_eq!(end, StageEnd::Stopped);
        assert_eq!(drain_events(heard).len(), 1, "only Ended is said");
    }
}
