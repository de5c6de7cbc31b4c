//! The one way in which the wizard changes: a message in, at most one effect out.

use super::{
    END_OF_PAGE, Loadable, ScrollExtent, TimedInput, Wizard, WizardEffect, WizardInput, WizardJobKind,
    home::HomeAction,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::{
    failure::Failure,
    run::{
        event::{StageEnd, StageEvent},
        goal::{OperatorGoal, RunStage},
        plan::StagePlan,
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
                Some(OperatorGoal::Disable) => self.open_stage_over_current_screen(RunStage::Disable),
                _ => self.start_welcome_lookup(),
            }),
            WizardInput::Key(intent) => self.handle_user_intent(intent),
            WizardInput::Paste(text) if self.is_typing_text_to_find() => {
                self.paste_text_to_find(&text);
                None
            }
            WizardInput::Paste(text) => {
                if let (Some(form), None) = (&mut self.form, &self.overlay) {
                    form.paste_into_form(&text);
                    return None;
                }
                self.explain_pasted_link(&text)
            }
            WizardInput::Resize | WizardInput::Tick => None,
            WizardInput::Resumed => {
                self.shown_at = self.now;
                None
            }
            WizardInput::Drawn(extent) => {
                self.note_drawn_extent(extent);
                None
            }
            WizardInput::AwsSilent(silent) => {
                self.silent_aws_call = silent;
                None
            }
            WizardInput::Hangup => self.handle_terminal_hangup(),
            WizardInput::TakenOver(by) => self.handle_taken_over_by_other(by),
            WizardInput::Watched(Ok(event)) => self.apply_watched_run_event(event),
            WizardInput::Watched(Err(failure)) => {
                self.record_other_run_watch_failure(failure);
                None
            }
            WizardInput::LocalFindings(found) => {
                if self.active_job_kind() == Some(WizardJobKind::Welcome) {
                    self.local_findings = Some(found);
                    // Another run may be among it, by which Enter means something else.
                    self.shown_at = self.now;
                }
                None
            }
            WizardInput::LinkExplained(explained) => {
                self.handle_link_explanation(explained);
                None
            }
            WizardInput::Status(status) => {
                self.handle_install_status(status);
                None
            }
            WizardInput::Welcome(found) => self.handle_welcome_findings(found),
            WizardInput::Identified(found) => self.handle_identity_lookup_result(found),
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

    /// Notes how much of the page is seen, and scrolls no further than to its end.
    fn note_drawn_extent(&mut self, extent: ScrollExtent) {
        self.extent = extent;
        // The end stays the end, however many rows the keys take.
        self.scroll = self.scroll.map(|scroll| match scroll {
            END_OF_PAGE => END_OF_PAGE,
            scroll => scroll.min(extent.lines.saturating_sub(extent.rows)),
        });
    }

    /// Returns the kind of the job that runs.
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
        self.local_findings = None;
        self.welcome = match found {
            Ok(welcome) => Loadable::Loaded(welcome),
            Err(failure) => Loadable::Failed(failure),
        };
        if self.screen == WizardScreen::Home {
            let overlay = self.overlay.take();
            self.show_screen(WizardScreen::Home);
            self.overlay = overlay;
            if let (Some(OperatorGoal::RollBack), Loadable::Loaded(_)) = (self.init.goal, &self.welcome) {
                return self.begin_home_action(HomeAction::RollBack);
            }
        }
        None
    }

    fn handle_stage_plan(
        &mut self,
        stage: RunStage,
        plan: Result<Box<StagePlan>, Failure>,
    ) -> Option<WizardEffect> {
        if self.active_job_kind() != Some(WizardJobKind::Look(stage)) {
            return None;
        }
        self.busy = None;
        self.shown_at = self.now;
        let mut passes = false;
        match plan {
            Ok(plan) => {
                passes = self.auto_advance
                    && self.is_idle_stage_passed(stage)
                    && plan.is_plan_without_changes()
                    && plan.confirmations.is_empty();
                self.stage_progress_mut(stage).plan = Some(plan);
            }
            Err(failure) => self.stage_progress_mut(stage).failure = Some(failure),
        }
        let has_failed_check =
            self.find_stage_progress(stage).is_some_and(super::log::StageProgress::has_failed_check);
        if passes && !has_failed_check && !self.is_run_being_ended() {
            self.stage_progress_mut(stage).end = Some(StageEnd::Unchanged);
            if let Some(next) = self.find_stage_after(stage) {
                let effect = self.show_next_stage_under_page(next);
                self.notice = Some(format!("{}: nothing to change", stage.stage_title()));
                return Some(effect);
            }
        }
        if let Some(effect) =
            self.pass_stage_that_only_looks(stage).or_else(|| self.apply_plan_if_covered(stage))
        {
            return Some(effect);
        }
        // verifying changes nothing: it needs no consent, and is what the screen is for
        if stage == RunStage::Verify
            && self.find_stage_progress(stage).is_some_and(|progress| progress.plan.is_some())
        {
            return self.ask_consent_or_apply_plan(stage);
        }
        None
    }

    fn handle_stage_event(&mut self, event: &StageEvent) -> Option<WizardEffect> {
        let stage = event.stage_of_event();
        self.log.append_stage_event_line(self.now, event);
        let now = self.now;
        self.stage_progress_mut(stage).apply_stage_event(now, event);
        if matches!(event, StageEvent::Check { .. }) && self.stage_applied_in_foreground() != Some(stage) {
            // it changes what Enter means
            self.shown_at = self.now;
        }
        let StageEvent::Ended { end, .. } = event else {
            return self.can_reindex_go_beside(event).then(|| self.move_reindex_to_background())?;
        };
        if stage == RunStage::Reindex && self.background.is_some() {
            return self.handle_background_reindex_end(*end);
        }
        if self.stage_applied_in_foreground() != Some(stage) {
            return None;
        }
        let job = self.busy.take();
        self.shown_at = self.now;
        self.form.take_if(|form| form.renews);
        // Whoever is about to leave is not taken further.
        let is_leaving = self.overlay.take_if(|page| *page == ScreenOverlay::Quit).is_some();
        if let Some(code) = self.pending_exit_code {
            // Beside what switched off after the terminal had gone the reindex ran on.
            return match self.background {
                None => Some(self.leave_wizard_with_code(code)),
                Some(_) => self.request_wizard_jobs_stop().then_some(WizardEffect::Stop),
            };
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        if self.find_stage_progress(stage).is_some_and(super::log::StageProgress::has_drift_failure) {
            let effect = self.show_and_plan_stage(stage, false);
            self.notice = Some("Something changed since it was shown; this is the current state.".to_owned());
            return Some(effect);
        }
        if is_leaving { None } else { self.advance_after_stage_end(stage, *end, job) }
    }

    /// Whether this event shows that the reindex runs, so that the next stage comes on by itself (contract section 1). A page, a
    /// form or a pause that the operator has opened meanwhile is left to the operator, and so is a reindex that `b` led back to.
    fn can_reindex_go_beside(&self, event: &StageEvent) -> bool {
        self.starts_reindex_beside
            && matches!(
                event,
                StageEvent::Started { stage: RunStage::Reindex, .. }
                    | StageEvent::Progress { stage: RunStage::Reindex, .. }
            )
            && self.can_move_reindex_to_background()
            && self.overlay.is_none()
            && self.form.is_none()
            && !self.busy.is_some_and(|busy| busy.paused)
    }

    /// The reindex came to its end while the screen was at a later stage.
    fn handle_background_reindex_end(&mut self, end: StageEnd) -> Option<WizardEffect> {
        self.background = None;
        self.form.take_if(|form| form.renews);
        if self.overlay == Some(ScreenOverlay::Quit) && self.stage_applied_in_foreground().is_none() {
            self.overlay = None;
            self.shown_at = self.now;
        }
        if let Some(code) = self.pending_exit_code {
            return self.stage_applied_in_foreground().is_none().then(|| self.leave_wizard_with_code(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        self.notice = Some(match end {
            StageEnd::Applied | StageEnd::Unchanged => "The reindex is done.".to_owned(),
            StageEnd::Stopped => {
                "The reindex has stopped, and nothing waits for it; b leads back to it.".to_owned()
            }
            StageEnd::Failed => {
                "The reindex failed, and nothing waits for it; b leads back to its screen, which says why."
                    .to_owned()
            }
        });
        None
    }

    /// A terminal that goes doesn't stop what switches off, which then ends the wizard; asked a second time, it stops.
    fn handle_terminal_hangup(&mut self) -> Option<WizardEffect> {
        let asked_before = self.pending_exit_code.replace(130).is_some();
        if self.is_switching_off() && !asked_before {
            return None;
        }
        if self.request_wizard_jobs_stop() {
            return Some(WizardEffect::Stop);
        }
        Some(self.leave_wizard_with_code(130))
    }
}
