//! The one way in which the wizard changes: a message in, at most one effect out.

use super::{
    Loadable, TimedInput, Wizard, WizardEffect, WizardInput, WizardJobKind,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::{
    failure::Failure,
    run::{
        event::{StageEnd, StageEvent},
        goal::{Goal, Stage},
        plan::Plan,
        welcome::WelcomeFindings,
    },
};

impl Wizard {
    /// Takes one input. Nothing else changes the wizard, and nothing here waits, reads a clock or touches the world.
    pub fn update_wizard(&mut self, msg: TimedInput) -> Option<WizardEffect> {
        self.now = self.now.max(msg.at);
        match msg.input {
            WizardInput::Start => Some(match self.init.goal {
                // disabling asks AWS nothing, and waits for nothing
                Some(Goal::Disable) => self.enter_stage_with_return(Stage::Disable),
                _ => self.load_welcome(),
            }),
            WizardInput::Key(intent) => self.handle_user_intent(intent),
            WizardInput::Paste(text) => {
                if let (Some(form), None) = (&mut self.form, &self.overlay) {
                    form.paste_into_form(&text);
                }
                None
            }
            WizardInput::Resize | WizardInput::Tick => None,
            WizardInput::Drawn(extent) => {
                self.extent = extent;
                self.scroll = self.scroll.min(extent.lines.saturating_sub(extent.rows));
                None
            }
            WizardInput::Hangup => Some(self.handle_terminal_hangup()),
            WizardInput::TakenOver(by) => self.handle_run_taken_over(by),
            WizardInput::Watched(Ok(event)) => self.handle_watch_event(event),
            WizardInput::Watched(Err(failure)) => {
                self.handle_watch_failure(failure);
                None
            }
            WizardInput::Welcome(found) => self.handle_welcome_findings(found),
            WizardInput::Identified(found) => self.handle_found_identity(found),
            WizardInput::Looked(stage, plan) => self.handle_stage_plan(stage, plan),
            WizardInput::Event(event) => self.handle_stage_event(&event),
            WizardInput::Copied(copied) => {
                self.notice = Some(match copied {
                    Ok(path) => format!("Copied, and kept in {path}"),
                    Err(failure) => format!("{failure}; {}", failure.next),
                });
                None
            }
        }
    }

    pub(super) fn active_job_kind(&self) -> Option<WizardJobKind> {
        self.busy.map(|busy| busy.kind)
    }

    fn handle_welcome_findings(
        &mut self,
        found: Result<Box<WelcomeFindings>, Failure>,
    ) -> Option<WizardEffect> {
        if self.active_job_kind() != Some(WizardJobKind::Welcome) {
            return None;
        }
        self.busy = None;
        self.welcome = match found {
            Ok(welcome) => Loadable::Loaded(welcome),
            Err(failure) => Loadable::Failed(failure),
        };
        if self.screen == WizardScreen::Welcome {
            let overlay = self.overlay.take();
            self.show_screen(WizardScreen::Welcome);
            self.overlay = overlay;
            if let (Some(Goal::RollBack), Loadable::Loaded(_)) = (self.init.goal, &self.welcome) {
                return self.choose_goal();
            }
        }
        None
    }

    fn handle_stage_plan(&mut self, stage: Stage, plan: Result<Box<Plan>, Failure>) -> Option<WizardEffect> {
        if self.active_job_kind() != Some(WizardJobKind::Look(stage)) {
            return None;
        }
        self.busy = None;
        self.shown_at = self.now;
        let mut passes = false;
        match plan {
            Ok(plan) => {
                let may_be_passed =
                    matches!(stage, Stage::Reindex | Stage::Secret | Stage::Bootstrap | Stage::Distribution);
                passes = self.auto_advance
                    && may_be_passed
                    && plan.has_no_changes()
                    && plan.confirmations.is_empty();
                self.stage_progress_mut(stage).plan = Some(plan);
            }
            Err(failure) => self.stage_progress_mut(stage).failure = Some(failure),
        }
        if passes && !self.stage_progress(stage).is_some_and(super::log::StageProgress::has_failed_check) {
            self.stage_progress_mut(stage).end = Some(StageEnd::Unchanged);
            if let Some(next) = self.next_stage(stage) {
                self.notice = Some(format!("{}: nothing to do, all of it stands", stage.stage_title()));
                return Some(self.enter_stage(next, true));
            }
        }
        // verifying changes nothing: it needs no consent, and is what the screen is for
        if stage == Stage::Verify
            && self.stage_progress(stage).is_some_and(|progress| progress.plan.is_some())
        {
            return self.confirm_or_apply(stage);
        }
        None
    }

    fn handle_stage_event(&mut self, event: &StageEvent) -> Option<WizardEffect> {
        let stage = event.event_stage();
        self.log.append_log_event(self.now, event);
        let now = self.now;
        self.stage_progress_mut(stage).record_stage_event(now, event);
        if matches!(event, StageEvent::Check { .. }) && self.applying_stage() != Some(stage) {
            // it changes what Enter means
            self.shown_at = self.now;
        }
        let StageEvent::Ended { end, .. } = event else { return None };
        if stage == Stage::Reindex && self.background.is_some() {
            return self.handle_background_reindex_end(*end);
        }
        if self.applying_stage() != Some(stage) {
            return None;
        }
        self.busy = None;
        self.shown_at = self.now;
        self.form.take_if(|form| form.renews);
        if self.overlay == Some(ScreenOverlay::Quit) {
            self.overlay = None;
        }
        if let Some(code) = self.pending_exit_code {
            return self.background.is_none().then(|| self.leave_wizard_with_code(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        if self.stage_progress(stage).is_some_and(super::log::StageProgress::has_drift_failure) {
            let effect = self.enter_stage(stage, false);
            self.notice = Some("Something changed since it was shown; this is how it stands now.".to_owned());
            return Some(effect);
        }
        None
    }

    /// The reindex came to its end while the screen was at a later stage.
    fn handle_background_reindex_end(&mut self, end: StageEnd) -> Option<WizardEffect> {
        self.background = None;
        self.form.take_if(|form| form.renews);
        if self.overlay == Some(ScreenOverlay::Quit) && self.applying_stage().is_none() {
            self.overlay = None;
            self.shown_at = self.now;
        }
        if let Some(code) = self.pending_exit_code {
            return self.applying_stage().is_none().then(|| self.leave_wizard_with_code(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        let shows_go_live = self.screen == WizardScreen::Stage(Stage::GoLive)
            && self.applying_stage().is_none()
            && self.overlay.is_none()
            && self.form.is_none();
        // what Enter means is another thing now: that is looked at, and shown, before it is pressed
        let effect = shows_go_live.then(|| self.enter_stage(Stage::GoLive, false));
        self.notice = Some(match end {
            StageEnd::Applied | StageEnd::Unchanged => "The reindex is done.".to_owned(),
            StageEnd::Stopped => "The reindex has stopped. Going live waits for it.".to_owned(),
            StageEnd::Failed => {
                "The reindex failed. Going live waits for it; its screen says why.".to_owned()
            }
        });
        effect
    }

    fn handle_terminal_hangup(&mut self) -> WizardEffect {
        if self.stop_running_jobs() {
            self.pending_exit_code = Some(130);
            return WizardEffect::Stop;
        }
        self.leave_wizard_with_code(130)
    }
}
