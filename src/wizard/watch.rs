//! Watching another run on the host, and taking over from it; and being taken over from.

use super::{
    RunningWizardJob, Wizard, WizardEffect, WizardJobKind,
    screen::{ScreenOverlay, WizardScreen},
    watch_state::WatchedRunState,
};
use crate::model::{
    failure::Failure,
    run::other_run::{ConcurrentRun, WatchedRunEvent},
};

impl Wizard {
    /// Returns the other run that the first screen shows, or that is watched.
    #[must_use]
    pub fn detected_other_run(&self) -> Option<&ConcurrentRun> {
        match self.screen {
            WizardScreen::Home => self.known_findings()?.other_run.as_ref(),
            WizardScreen::Watch => self.watching.as_ref().map(|watching| &watching.run),
            _ => None,
        }
    }

    /// Whether the other run may be asked to end.
    pub(super) fn can_take_over_other_run(&self) -> bool {
        let stop_requested =
            self.watching.as_ref().is_some_and(|watching| watching.stop_requested_at.is_some());
        self.detected_other_run().is_some() && !(self.screen == WizardScreen::Watch && stop_requested)
    }

    /// Shows the other run; `take_over` asks it to end.
    pub(super) fn watch_other_run(&mut self, take_over: bool) -> Option<WizardEffect> {
        let run = self.detected_other_run()?.clone();
        self.notice = None;
        self.show_screen(WizardScreen::Watch);
        self.watching = Some(WatchedRunState::new(run));
        self.start_wizard_job(WizardJobKind::Watch);
        Some(WizardEffect::Watch { take_over })
    }

    /// Takes what is seen of the other run.
    pub(super) fn apply_watched_run_event(&mut self, watch_event: WatchedRunEvent) -> Option<WizardEffect> {
        if !matches!(self.busy, Some(RunningWizardJob { kind: WizardJobKind::Watch, .. })) {
            return None;
        }
        let now = self.now;
        let watching = self.watching.as_mut()?;
        match watch_event {
            WatchedRunEvent::Run(run, at) => {
                if run.who != watching.run.who || run.host != watching.run.host {
                    *watching = WatchedRunState::new(run);
                    self.shown_at = now;
                } else {
                    watching.run = run;
                }
                watching.record_watched_host_time(at, now);
            }
            WatchedRunEvent::Restarted => watching.clear_watched_run_progress(),
            WatchedRunEvent::Event(event, at) => watching.apply_watched_stage_event(&event, at),
            WatchedRunEvent::StopRequested => watching.stop_requested_at = Some(now),
            WatchedRunEvent::Ended => {
                let (who, stop_requested) = (watching.run.who.clone(), watching.stop_requested_at.is_some());
                let effect = self.restart_at_home();
                let how = if stop_requested { "It has ended as asked" } else { "The other run has ended" };
                self.notice =
                    Some(format!("{how} ({who}). This is what it left; this wizard continues from there."));
                return Some(effect);
            }
        }
        None
    }

    /// Notes why it can't be watched, or can't be asked to end.
    pub(super) fn record_other_run_watch_failure(&mut self, failure: Failure) {
        if let Some(watching) = &mut self.watching {
            self.busy = None;
            watching.failure = Some(failure);
        }
    }

    /// Ends after the request in flight: somebody goes on in this wizard's place.
    pub(super) fn handle_taken_over_by_other(&mut self, by: String) -> Option<WizardEffect> {
        self.overlay = None;
        self.form = None;
        self.notice = Some(format!("{by} takes over: this ends after the request in flight."));
        self.taken_over_by = Some(by);
        if self.request_wizard_jobs_stop() {
            self.pending_exit_code = Some(130);
            return Some(WizardEffect::Stop);
        }
        // Where it stops already, it leaves once it has.
        if self.stage_being_applied().is_some() {
            self.pending_exit_code = Some(130);
            return None;
        }
        Some(self.leave_wizard_with_code(130))
    }

    /// Asks whether the other run shall end.
    pub(super) fn show_run_takeover_confirmation(&mut self) -> Option<WizardEffect> {
        self.shown_at = self.now;
        self.overlay = Some(ScreenOverlay::TakeOver);
        None
    }

    /// Whether the first screen found another run.
    pub(super) fn has_other_run(&self) -> bool {
        self.known_findings().is_some_and(|found| found.other_run.is_some())
    }
}
