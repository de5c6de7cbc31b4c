//! What comes of a key: refused where it isn't offered, unheard where it would consent before the screen has settled.

use super::{
    Effect, JobKind, Loadable, ScrollExtent, Wizard,
    form::{FormPurpose, InputForm},
    intent::{CursorMove, IntentAvailability, UserIntent},
    screen::{Overlay, Screen},
};
use crate::model::run::{event::StageEnd, goal::Stage};

impl Wizard {
    pub(super) fn handle_intent(&mut self, intent: UserIntent) -> Option<Effect> {
        if intent == UserIntent::Interrupt {
            return Some(self.handle_interrupt());
        }
        if self.intent_availability(intent) == IntentAvailability::Hidden {
            return None;
        }
        let consents =
            matches!(intent, UserIntent::Next | UserIntent::Yes | UserIntent::Anyway | UserIntent::Skip);
        let typing = self.form.as_ref().is_some_and(|form| form.purpose != FormPurpose::ConfirmBucket);
        if consents && !typing && !self.accepts_input() {
            return None;
        }
        if let Some(over) = self.overlay.clone() {
            return self.handle_overlay_intent(&over, intent);
        }
        if self.form.is_some() {
            return self.handle_form_intent(intent);
        }
        match intent {
            UserIntent::Next => {
                self.notice = None;
                match self.screen {
                    Screen::Welcome => match &self.welcome {
                        Loadable::Loaded(_) if self.has_other_run() => self.watch_other_run(false),
                        Loadable::Loaded(_) => self.choose_goal(),
                        _ => Some(self.load_welcome()),
                    },
                    Screen::Identity => self.choose_identity(),
                    Screen::Bucket => self.choose_bucket(),
                    Screen::Backups => self.choose_backup(),
                    Screen::Watch => self.watch_other_run(false),
                    Screen::Stage(stage) => self.run_enter_action(stage),
                }
            }
            UserIntent::Back => self.go_back(),
            UserIntent::Again => {
                self.notice = None;
                match self.screen {
                    Screen::Stage(stage) => Some(self.enter_stage(stage, false)),
                    _ => Some(self.load_welcome()),
                }
            }
            UserIntent::Anyway => {
                self.ignore_failed_checks = true;
                let Screen::Stage(stage) = self.screen else { return None };
                if self
                    .stage_progress(stage)
                    .is_some_and(|leg| matches!(leg.end, Some(StageEnd::Stopped | StageEnd::Failed)))
                {
                    return Some(match self.next_stage(stage) {
                        Some(next) => self.enter_stage(next, true),
                        None => self.leave_with_code(1),
                    });
                }
                self.run_enter_action(stage)
            }
            UserIntent::Skip if self.running_stage().is_some() => {
                self.skipping = true;
                self.stop_running_jobs();
                Some(Effect::Stop)
            }
            UserIntent::Skip => self.skip_reindex(),
            UserIntent::Pause => {
                let busy = self.busy.as_mut()?;
                busy.paused = !busy.paused;
                Some(Effect::Pause(busy.paused))
            }
            UserIntent::Ahead => self.move_reindex_to_background(),
            UserIntent::Copy => self.copy_attachment(),
            UserIntent::Diagnose403 => {
                self.return_screen = Some(Screen::Welcome);
                Some(self.enter_stage(Stage::Verify, false))
            }
            UserIntent::ToggleVendorReindex => {
                self.answers.reindex.vendor = !self.answers.reindex.vendor;
                Some(self.enter_stage(Stage::Reindex, false))
            }
            UserIntent::ToggleWholeFile => {
                self.answers.roll_back.whole_file = !self.answers.roll_back.whole_file;
                Some(self.enter_stage(Stage::RollBack, false))
            }
            UserIntent::Credentials => {
                self.form = self.renewal_form();
                None
            }
            UserIntent::TakeOver => {
                self.show_take_over_confirmation();
                None
            }
            UserIntent::Probe => {
                self.form = Some(InputForm::new(FormPurpose::Probe));
                None
            }
            UserIntent::Move(step) => {
                self.move_or_scroll(step);
                None
            }
            _ => self.handle_global_intent(intent),
        }
    }

    /// Keys that mean the same over a screen and on it.
    fn handle_global_intent(&mut self, intent: UserIntent) -> Option<Effect> {
        let over = match intent {
            UserIntent::Disable => return Some(self.enter_stage_with_return(Stage::Disable)),
            UserIntent::Quit if self.running_stage().is_some() => Overlay::Quit,
            UserIntent::Quit => return Some(self.leave_with_code(self.quit_exit_code())),
            UserIntent::Log => Overlay::Log,
            UserIntent::Explain => Overlay::Explain,
            UserIntent::Help => Overlay::Help,
            _ => return None,
        };
        // the log's newest lines are what it is opened for; `Drawn` brings this back to what there is
        self.scroll = if over == Overlay::Log { usize::MAX } else { 0 };
        self.shown_at = self.now;
        self.overlay = Some(over);
        None
    }

    fn handle_overlay_intent(&mut self, over: &Overlay, intent: UserIntent) -> Option<Effect> {
        match (over, intent) {
            (Overlay::Ask(ask), UserIntent::Next | UserIntent::Yes) => {
                return self.accept_confirmation(ask.consent);
            }
            (Overlay::Ask(ask), UserIntent::No | UserIntent::Back) => self.decline_confirmation(ask),
            (Overlay::TakeOver, UserIntent::Yes) => {
                self.overlay = None;
                return self.watch_other_run(true);
            }
            (Overlay::Quit, UserIntent::Yes) => {
                self.overlay = None;
                self.pending_exit_code = Some(130);
                self.stop_running_jobs();
                return Some(Effect::Stop);
            }
            (Overlay::Help | Overlay::Log | Overlay::Explain, UserIntent::Next)
            | (_, UserIntent::No | UserIntent::Back) => {
                self.overlay = None;
                self.scroll = 0;
                self.shown_at = self.now;
            }
            (_, UserIntent::Move(step)) => self.move_or_scroll(step),
            _ => return self.handle_global_intent(intent),
        }
        None
    }

    fn handle_form_intent(&mut self, intent: UserIntent) -> Option<Effect> {
        let form = self.form.as_mut()?;
        match intent {
            UserIntent::Edit(request) => form.edit_field(request),
            UserIntent::NextField => form.move_focus(true),
            UserIntent::PreviousField => form.move_focus(false),
            UserIntent::Back => {
                self.form = None;
                self.shown_at = self.now;
            }
            UserIntent::Next => return self.submit_form(),
            _ => {}
        }
        None
    }

    /// Whatever runs, on the screen and beside it, stops after the request in flight; false where nothing has to be told.
    pub(super) fn stop_running_jobs(&mut self) -> bool {
        let mut told = false;
        let applying = self.busy.as_mut().filter(|busy| matches!(busy.kind, JobKind::Apply(_)));
        for busy in applying.into_iter().chain(&mut self.background) {
            told |= !std::mem::replace(&mut busy.stopping, true);
            busy.paused = false;
        }
        told
    }

    pub(super) fn skip_reindex(&mut self) -> Option<Effect> {
        self.answers.reindex.skip = true;
        let leg = self.stage_progress_mut(Stage::Reindex);
        leg.skipped = true;
        // where going live waited for it, that is looked at again
        let next = match self.screen {
            Screen::Stage(stage) if stage != Stage::Reindex => stage,
            _ => self.next_stage(Stage::Reindex)?,
        };
        let effect = self.enter_stage(next, true);
        self.notice = Some(
            "Reindex skipped: correct, but what is in S3 now is not cached until it is done.".to_owned(),
        );
        Some(effect)
    }

    /// Ctrl-C: the first stops what runs after the request in flight, the second leaves at once.
    fn handle_interrupt(&mut self) -> Effect {
        if self.stop_running_jobs() {
            self.overlay = None;
            self.form.take_if(|form| form.renews);
            self.notice =
                Some("Stopping after the request in flight. Ctrl-C again leaves at once.".to_owned());
            return Effect::Stop;
        }
        self.leave_with_code(130)
    }

    /// Leaving in the middle is no mistake; leaving after a failure that nothing mended is.
    fn quit_exit_code(&self) -> u8 {
        let Screen::Stage(stage) = self.screen else { return 0 };
        u8::from(
            self.stage_progress(stage)
                .is_some_and(|leg| leg.end == Some(StageEnd::Failed) || leg.failure.is_some()),
        )
    }

    fn move_or_scroll(&mut self, step: CursorMove) {
        let list = self.list_len();
        let over_list = self.overlay.is_none() || self.open_choice_consent().is_some();
        if list > 1 && over_list {
            match step {
                CursorMove::Up => self.choice = self.choice.saturating_sub(1),
                CursorMove::Down => self.choice = (self.choice + 1).min(list - 1),
                CursorMove::Home => self.choice = 0,
                CursorMove::End => self.choice = list - 1,
                CursorMove::PageUp | CursorMove::PageDown => {}
            }
            return;
        }
        let ScrollExtent { lines, rows } = self.extent;
        let last = lines.saturating_sub(rows);
        let page = rows.saturating_sub(1).max(1);
        self.scroll = match step {
            CursorMove::Up => self.scroll.min(last).saturating_sub(1),
            CursorMove::Down => self.scroll.saturating_add(1),
            CursorMove::PageUp => self.scroll.min(last).saturating_sub(page),
            CursorMove::PageDown => self.scroll.saturating_add(page),
            CursorMove::Home => 0,
            CursorMove::End => last,
        }
        .min(last);
    }
}
