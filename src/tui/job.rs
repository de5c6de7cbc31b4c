//! One effect under way: a task, the channels by which it answers, and the ways to stop and pause it.
//!
//! Each job owns fresh channels: dropping it drops what it would still have said. A panic in it becomes its answer,
//! so that no screen waits for ever.

use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::{
        failure::Failure,
        run::{
            event::{StageEnd, StageEvent},
            goal::RunStage,
        },
    },
    wizard::{WizardEffect, WizardInput},
};

/// What an effect's performer is given. It says events while it works, then its answer; `Apply` answers by `Ended` alone.
#[derive(Debug)]
pub struct EffectJobContext {
    pub events: mpsc::UnboundedSender<StageEvent>,
    pub inputs: mpsc::UnboundedSender<WizardInput>,
    /// Stop after the request in flight.
    pub stop: CancellationToken,
    /// Whether it shall stand still for now.
    pub pause: watch::Receiver<bool>,
}

/// What an effect owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PendingWizardReply {
    Welcome,
    Status,
    LinkExplained,
    Identified,
    Looked(RunStage),
    Ended(RunStage),
    Copied,
    Nothing,
}

#[derive(Debug)]
pub struct WizardEffectJob {
    events: mpsc::UnboundedReceiver<StageEvent>,
    inputs: mpsc::UnboundedReceiver<WizardInput>,
    stop: CancellationToken,
    pause: watch::Sender<bool>,
    handle: JoinHandle<()>,
    finished: bool,
    expected_reply: PendingWizardReply,
}

impl WizardEffectJob {
    /// Starts `perform` on an effect, with channels of its own.
    pub fn start_effect_job(
        effect: WizardEffect,
        perform: impl FnOnce(WizardEffect, EffectJobContext) -> JoinHandle<()>,
    ) -> Self {
        let expected_reply = match &effect {
            WizardEffect::Welcome(_) => PendingWizardReply::Welcome,
            WizardEffect::Status(_) => PendingWizardReply::Status,
            WizardEffect::ExplainLink(..) => PendingWizardReply::LinkExplained,
            WizardEffect::Identify(..) => PendingWizardReply::Identified,
            WizardEffect::Look(stage, _) | WizardEffect::LookWhileJobRuns(stage, _) => {
                PendingWizardReply::Looked(*stage)
            }
            WizardEffect::Apply(plan, _) => PendingWizardReply::Ended(plan.run_stage_of_plan()),
            WizardEffect::Copy(_) => PendingWizardReply::Copied,
            WizardEffect::Renew(_)
            | WizardEffect::Watch { .. }
            | WizardEffect::BringToForeground
            | WizardEffect::Stop
            | WizardEffect::Pause(_)
            | WizardEffect::Suspend
            | WizardEffect::Redraw
            | WizardEffect::Leave(_) => PendingWizardReply::Nothing,
        };
        let (event_sender, events) = mpsc::unbounded_channel();
        let (input_sender, inputs) = mpsc::unbounded_channel();
        let (pause, pause_receiver) = watch::channel(false);
        let stop = CancellationToken::new();
        let context = EffectJobContext {
            events: event_sender,
            inputs: input_sender,
            stop: stop.clone(),
            pause: pause_receiver,
        };
        let handle = perform(effect, context);
        Self { events, inputs, stop, pause, handle, finished: false, expected_reply }
    }

    /// Asks it to stop after the request in flight.
    pub fn request_job_stop(&self) {
        // what is paused must move in order to stop
        self.pause.send_replace(false);
        self.stop.cancel();
    }

    /// Pauses it, or lets it go on.
    pub fn set_job_paused(&self, paused: bool) {
        self.pause.send_replace(paused);
    }

    /// Waits for what it says next. May be dropped and called again without losing anything.
    pub async fn receive_wizard_job_input(&mut self) -> WizardInput {
        loop {
            tokio::select! {
                // its last event stands in the channel when its task is over: the channels come first
                biased;
                Some(event) = self.events.recv() => {
                    if matches!(event, StageEvent::Ended { .. }) && matches!(self.expected_reply, PendingWizardReply::Ended(_)) {
                        self.expected_reply = PendingWizardReply::Nothing;
                    }
                    return WizardInput::Event(event);
                }
                Some(input) = self.inputs.recv() => {
                    // What comes before the answer is none.
                    if !matches!(input, WizardInput::LocalFindings(_) | WizardInput::AwsSilent(_)) {
                        self.expected_reply = PendingWizardReply::Nothing;
                    }
                    return input;
                }
                ended = &mut self.handle, if !self.finished => {
                    self.finished = true;
                    if let Some(input) = self.build_reply_for_crashed_job(ended) {
                        return input;
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    /// The answer that is still owed when the task is over.
    fn build_reply_for_crashed_job(&mut self, ended: Result<(), JoinError>) -> Option<WizardInput> {
        let next = "look again; if it comes back, send the log to the maintainers";
        let panic = match ended {
            Err(error) if error.is_panic() => Some(error.into_panic()),
            _ => None,
        };
        let failure = |what: &str| match &panic {
            Some(panic) => Failure::new_program_fault(what, &**panic, next),
            None => Failure::new_generic_failure(what, "it ended without an answer", next),
        };
        match std::mem::replace(&mut self.expected_reply, PendingWizardReply::Nothing) {
            PendingWizardReply::Nothing => None,
            PendingWizardReply::Welcome => Some(WizardInput::Welcome(Err(failure("looking around")))),
            PendingWizardReply::Status => Some(WizardInput::Status(Err(failure("asking for the status")))),
            PendingWizardReply::LinkExplained => {
                Some(WizardInput::LinkExplained(Err(failure("explaining the link"))))
            }
            PendingWizardReply::Identified => {
                Some(WizardInput::Identified(Err(failure("asking AWS who this is"))))
            }
            PendingWizardReply::Looked(stage) => {
                Some(WizardInput::Looked(stage, Err(failure(stage.stage_name()))))
            }
            PendingWizardReply::Copied => Some(WizardInput::Copied(Err(failure("copying")))),
            PendingWizardReply::Ended(stage) => {
                let text = failure(stage.stage_name()).to_string();
                Some(WizardInput::Event(StageEvent::Ended { stage, step: None, end: StageEnd::Failed, text }))
            }
        }
    }
}

impl Drop for WizardEffectJob {
    fn drop(&mut self) {
        self.stop.cancel();
        self.handle.abort();
    }
}
