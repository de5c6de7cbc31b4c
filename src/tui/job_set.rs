//! The jobs of a face: what the screen waits for, what goes on in the background, the copy; and what each effect does to them.

use tokio::task::JoinHandle;

use super::job::{EffectJobContext, WizardEffectJob};
use crate::wizard::{WizardEffect, WizardInput};

/// The jobs that run, and the performer that starts them.
pub struct WizardJobSet<F> {
    effects: F,
    /// The look or the run.
    foreground: Option<WizardEffectJob>,
    /// A run that goes on while the screen is at a later stage.
    background: Option<WizardEffectJob>,
    /// The copy, or what is given to a run that stands still.
    beside: Option<WizardEffectJob>,
}

impl<F> WizardJobSet<F>
where
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    /// Makes a set in which nothing runs yet.
    pub fn new_idle_job_set(effects: F) -> Self {
        Self { effects, foreground: None, background: None, beside: None }
    }

    /// Waits for what a job says next, the one that the screen waits for first. May be dropped and called again without
    /// losing anything.
    pub async fn receive_next_job_input(&mut self) -> WizardInput {
        async fn receive_input_from_job(job: &mut Option<WizardEffectJob>) -> WizardInput {
            match job {
                Some(job) => job.receive_wizard_job_input().await,
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            biased;
            input = receive_input_from_job(&mut self.foreground) => input,
            input = receive_input_from_job(&mut self.background) => input,
            input = receive_input_from_job(&mut self.beside) => input,
        }
    }

    /// Does what an effect asks of the jobs; returns the effect where it is the face's own: to leave, to suspend, to draw.
    pub fn perform_job_effect(&mut self, effect: WizardEffect) -> Option<WizardEffect> {
        match effect {
            WizardEffect::Leave(_) | WizardEffect::Suspend | WizardEffect::Redraw => return Some(effect),
            WizardEffect::Stop => {
                self.foreground.iter().chain(&self.background).for_each(WizardEffectJob::request_job_stop);
            }
            WizardEffect::BringToForeground => self.foreground = self.background.take(),
            WizardEffect::Pause(paused) => {
                // The reindex alone can be paused: beside the screen's job, or as that job.
                if let Some(job) = self.background.as_ref().or(self.foreground.as_ref()) {
                    job.set_job_paused(paused);
                }
            }
            effect @ WizardEffect::LookWhileJobRuns(..) => {
                self.background = self.foreground.take();
                self.foreground = Some(WizardEffectJob::start_effect_job(effect, &self.effects));
            }
            effect @ (WizardEffect::Copy(_) | WizardEffect::Renew(_)) => {
                self.beside = Some(WizardEffectJob::start_effect_job(effect, &self.effects));
            }
            effect => {
                // a look that nobody waits for any more ends here, with all that it would have said
                self.foreground = None;
                self.foreground = Some(WizardEffectJob::start_effect_job(effect, &self.effects));
            }
        }
        None
    }
}
