//! What each intent does: the second half of the rows of the table of intents. One that isn't offered is refused, and one
//! that would consent before the screen has settled is not heard.

#![expect(clippy::unnecessary_wraps, reason = "every row of the intent table has one signature")]

use super::{
    END_OF_PAGE, Loadable, ScrollExtent, Wizard, WizardEffect, WizardJobKind,
    form::{FormPurpose, InputForm},
    intent::{CursorMove, UserIntent, UserIntentAvailability},
    intent_table::find_intent_rule,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::run::{event::StageEnd, goal::RunStage};

/// How many lines one turn of the wheel scrolls.
const WHEEL_LINES: usize = 3;

impl Wizard {
    /// Performs an intent, where it is offered and the screen accepts it already.
    pub(super) fn handle_user_intent(&mut self, intent: UserIntent) -> Option<WizardEffect> {
        let rule = find_intent_rule(self, intent)?;
        if (rule.offered)(self) == UserIntentAvailability::Hidden {
            return None;
        }
        let typing = self.form.as_ref().is_some_and(|form| form.purpose != FormPurpose::ConfirmBucket)
            || self.is_typing_text_to_find();
        if intent.can_intent_confirm_change() && !typing && !self.has_consent_delay_passed() {
            return None;
        }
        (rule.perform)(self)
    }

    /// Enter on a screen that nothing covers: goes on from it.
    pub(super) fn run_screen_enter_action(&mut self) -> Option<WizardEffect> {
        self.notice = None;
        match self.screen {
            WizardScreen::Home if self.has_other_run() => self.watch_other_run(false),
            WizardScreen::Home => match (&self.welcome, self.chosen_home_action()) {
                (Loadable::Loaded(_), Some(action)) => self.begin_home_action(action),
                _ => Some(self.start_welcome_lookup()),
            },
            WizardScreen::Status | WizardScreen::Link => self.go_back_one_screen(),
            WizardScreen::Identity => self.accept_selected_identity(),
            WizardScreen::Bucket => self.accept_selected_bucket(),
            WizardScreen::Backups => self.accept_selected_backup(),
            WizardScreen::Watch => self.watch_other_run(false),
            WizardScreen::Stage(stage) => self.run_enter_action(stage),
        }
    }

    /// `r`: looks at the stage again, or around.
    pub(super) fn refresh_current_screen(&mut self) -> Option<WizardEffect> {
        self.notice = None;
        Some(match self.screen {
            WizardScreen::Stage(stage) => self.show_and_plan_stage(stage, false),
            WizardScreen::Status => self.show_status_screen(),
            WizardScreen::Link => return self.ask_for_link_explanation(),
            _ => self.start_welcome_lookup(),
        })
    }

    /// `a`: goes on in spite of a failed check, or past a stage that did not come to its end.
    pub(super) fn continue_past_failed_stage(&mut self) -> Option<WizardEffect> {
        self.ignore_failed_checks = true;
        let stage = self.stage_shown_on_screen()?;
        self.passed_despite_failure.insert(stage);
        let broke_off = self
            .find_stage_progress(stage)
            .is_some_and(|progress| matches!(progress.end, Some(StageEnd::Stopped | StageEnd::Failed)));
        if !broke_off {
            return self.run_enter_action(stage);
        }
        Some(match self.find_stage_after(stage) {
            Some(next) => self.show_and_plan_stage(next, true),
            None => self.leave_wizard_with_code(1),
        })
    }

    /// `s`: skips the reindex; one that runs is stopped first.
    pub(super) fn stop_and_skip_reindex(&mut self) -> Option<WizardEffect> {
        if self.stage_being_applied().is_none() {
            return self.skip_reindex();
        }
        self.skipping = true;
        self.request_wizard_jobs_stop();
        Some(WizardEffect::Stop)
    }

    /// `p`: pauses what runs, or lets it go on.
    pub(super) fn toggle_running_job_pause(&mut self) -> Option<WizardEffect> {
        let job = self.background.as_mut().or(self.busy.as_mut())?;
        job.paused = !job.paused;
        Some(WizardEffect::Pause(job.paused))
    }

    /// `x`: verifies all of it, from the first screen.
    pub(super) fn show_verify_stage(&mut self) -> Option<WizardEffect> {
        self.return_screen = Some(WizardScreen::Home);
        Some(self.show_and_plan_stage(RunStage::Verify, false))
    }

    /// `v`: packagecloud's own reindex too, or ours alone.
    pub(super) fn toggle_packagecloud_own_reindex(&mut self) -> Option<WizardEffect> {
        self.answers.reindex.vendor = !self.answers.reindex.vendor;
        Some(self.show_and_plan_stage(RunStage::Reindex, false))
    }

    /// `w`: restores the whole file, or the four values alone.
    pub(super) fn toggle_whole_file_restore(&mut self) -> Option<WizardEffect> {
        self.answers.roll_back.whole_file = !self.answers.roll_back.whole_file;
        Some(self.show_and_plan_stage(RunStage::RollBack, false))
    }

    /// `i`: opens the form for credentials that a run stands still for.
    pub(super) fn open_credential_renewal_form(&mut self) -> Option<WizardEffect> {
        self.form = self.build_credential_renewal_form();
        None
    }

    /// `u`: opens the form for a download URL.
    pub(super) fn open_probe_url_form(&mut self) -> Option<WizardEffect> {
        self.form = Some(InputForm::new(FormPurpose::Probe));
        None
    }

    /// `D`: shows how CloudFront is switched off.
    pub(super) fn show_disable_stage(&mut self) -> Option<WizardEffect> {
        Some(self.open_stage_over_current_screen(RunStage::Disable))
    }

    /// `q`: leaves; asks first where something runs.
    pub(super) fn quit_or_ask(&mut self) -> Option<WizardEffect> {
        if self.stage_being_applied().is_some() {
            return self.open_screen_overlay(ScreenOverlay::Quit);
        }
        Some(self.leave_wizard_with_code(self.quit_exit_code()))
    }

    /// Lays a page or a question over the screen.
    pub(super) fn open_screen_overlay(&mut self, page: ScreenOverlay) -> Option<WizardEffect> {
        // the log's newest lines are what it is opened for
        self.scroll = (page == ScreenOverlay::Log).then_some(END_OF_PAGE);
        self.page_find = None;
        self.shown_at = self.now;
        self.overlay = Some(page);
        None
    }

    /// Takes what is chosen, where the page is a choice; else closes it.
    pub(super) fn accept_choice_or_close_overlay(&mut self) -> Option<WizardEffect> {
        match &self.overlay {
            Some(ScreenOverlay::Ask(confirmation)) => self.record_consent_and_continue(confirmation.consent),
            _ => self.dismiss_overlay(),
        }
    }

    /// Takes a yes to the question that is asked.
    pub(super) fn answer_question_with_yes(&mut self) -> Option<WizardEffect> {
        match &self.overlay {
            Some(ScreenOverlay::Ask(confirmation)) => self.record_consent_and_continue(confirmation.consent),
            Some(ScreenOverlay::TakeOver) => {
                self.overlay = None;
                self.watch_other_run(true)
            }
            Some(ScreenOverlay::Quit) => {
                self.overlay = None;
                self.pending_exit_code = Some(130);
                self.request_wizard_jobs_stop();
                Some(WizardEffect::Stop)
            }
            Some(ScreenOverlay::Help | ScreenOverlay::Log | ScreenOverlay::Explain) | None => None,
        }
    }

    /// Takes a no to the question that is asked, or closes the page.
    pub(super) fn dismiss_overlay(&mut self) -> Option<WizardEffect> {
        self.page_find = None;
        if let Some(ScreenOverlay::Ask(confirmation)) = self.overlay.take() {
            self.decline_confirmation(&confirmation);
        } else {
            self.scroll = None;
            self.shown_at = self.now;
        }
        None
    }

    /// Changes the form that is open.
    pub(super) fn edit_open_wizard_form(
        &mut self,
        change: impl FnOnce(&mut InputForm),
    ) -> Option<WizardEffect> {
        self.form.as_mut().map(change);
        None
    }

    /// Closes the form, and forgets what was typed.
    pub(super) fn close_form(&mut self) -> Option<WizardEffect> {
        self.form = None;
        self.shown_at = self.now;
        None
    }

    /// Stops whatever runs, on the screen and in the background, after the request in flight; returns false where nothing has to be told.
    pub(super) fn request_wizard_jobs_stop(&mut self) -> bool {
        let mut newly_stopped = false;
        let applying = self.busy.as_mut().filter(|busy| matches!(busy.kind, WizardJobKind::Apply(_)));
        for busy in applying.into_iter().chain(&mut self.background) {
            newly_stopped |= !std::mem::replace(&mut busy.stopping, true);
            busy.paused = false;
        }
        newly_stopped
    }

    /// Goes on without the reindex.
    pub(super) fn skip_reindex(&mut self) -> Option<WizardEffect> {
        self.answers.reindex.skip = true;
        let progress = self.stage_progress_mut(RunStage::Reindex);
        progress.skipped = true;
        // where going live waited for it, that is looked at again
        let next = match self.screen {
            WizardScreen::Stage(stage) if stage != RunStage::Reindex => stage,
            _ => self.find_stage_after(RunStage::Reindex)?,
        };
        let effect = self.show_and_plan_stage(next, true);
        self.notice = Some(
            "Reindex skipped: correct, but what is in S3 now is not cached until it is done.".to_owned(),
        );
        Some(effect)
    }

    /// Ctrl-C: stops what runs after the request in flight; a second one leaves at once.
    pub(super) fn handle_ctrl_c(&mut self) -> Option<WizardEffect> {
        if self.request_wizard_jobs_stop() {
            self.overlay = None;
            self.form.take_if(|form| form.renews);
            self.notice =
                Some("Stopping after the request in flight. Ctrl-C again leaves at once.".to_owned());
            return Some(WizardEffect::Stop);
        }
        Some(self.leave_wizard_with_code(130))
    }

    /// Leaving in the middle is no mistake; leaving after a failure that nothing mended is.
    fn quit_exit_code(&self) -> u8 {
        let WizardScreen::Stage(stage) = self.screen else { return 0 };
        u8::from(
            self.find_stage_progress(stage)
                .is_some_and(|progress| progress.end == Some(StageEnd::Failed) || progress.failure.is_some()),
        )
    }

    /// Moves through a list, or scrolls a text that is longer than the screen.
    pub(super) fn move_list_cursor_or_scroll(&mut self, to: CursorMove) -> Option<WizardEffect> {
        let list = self.count_screen_list_lines();
        let over_list = self.overlay.is_none() || self.selected_choice_consent().is_some();
        let moves_by_line =
            matches!(to, CursorMove::Up | CursorMove::Down | CursorMove::Home | CursorMove::End);
        if list > 1 && over_list && moves_by_line {
            self.scroll = None;
            self.move_list_cursor(to, list - 1);
        } else {
            self.scroll_body(to);
        }
        None
    }

    /// A click: chooses this line of the list.
    pub(super) fn choose_list_line(&mut self, index: usize) -> Option<WizardEffect> {
        self.choice = index.min(self.count_screen_list_lines().saturating_sub(1));
        None
    }

    fn move_list_cursor(&mut self, to: CursorMove, last: usize) {
        self.choice = match to {
            CursorMove::Up => self.choice.saturating_sub(1),
            CursorMove::Down => (self.choice + 1).min(last),
            CursorMove::Home => 0,
            CursorMove::End => last,
            CursorMove::PageUp | CursorMove::PageDown | CursorMove::ScrollUp | CursorMove::ScrollDown => {
                self.choice
            }
        };
    }

    fn scroll_body(&mut self, to: CursorMove) {
        let ScrollExtent { lines, rows, top } = self.extent;
        let last = lines.saturating_sub(rows);
        let page = rows.saturating_sub(1).max(1);
        let to = match to {
            CursorMove::Up => top.saturating_sub(1),
            CursorMove::Down => top.saturating_add(1),
            CursorMove::PageUp => top.saturating_sub(page),
            CursorMove::PageDown => top.saturating_add(page),
            CursorMove::Home => 0,
            CursorMove::End => last,
            CursorMove::ScrollUp => top.saturating_sub(WHEEL_LINES),
            CursorMove::ScrollDown => top.saturating_add(WHEEL_LINES),
        };
        self.scroll = Some(to.min(last));
    }
}
