//! When each intent is possible, and what the footer calls it there: the first half of the rows of the table of intents.

use super::{
    Loadable, Wizard, WizardJobKind, copy,
    intent::{CursorMove, InputMode, IntentAvailability, UserIntent},
    intent_table::find_intent_rule,
    log::StageProgress,
    navigation::EnterAction,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::run::{
    event::{CredentialNeed, StageEnd},
    goal::{Goal, Stage},
};

impl Wizard {
    /// Returns which part of the key table holds.
    #[must_use]
    pub fn input_mode(&self) -> InputMode {
        match &self.overlay {
            Some(overlay) if overlay.needs_yes_or_no() => InputMode::Ask,
            None if self.form.is_some() => InputMode::Text,
            _ => InputMode::Browse,
        }
    }

    /// Returns whether an intent is possible now, and what the footer calls it.
    #[must_use]
    pub fn intent_availability(&self, intent: UserIntent) -> IntentAvailability {
        find_intent_rule(self, intent).map_or(IntentAvailability::Hidden, |rule| (rule.offered)(self))
    }

    /// Returns the stage whose screen has the focus.
    pub(super) fn shown_stage(&self) -> Option<Stage> {
        match self.screen {
            WizardScreen::Stage(stage) => Some(stage),
            _ => None,
        }
    }

    /// Whether there is a screen before this one, and nothing is applied on it.
    pub(super) fn can_go_back(&self) -> bool {
        self.applying_stage().is_none() && self.screen != WizardScreen::Welcome
    }

    /// Whether nothing is under way that another look would cut off.
    pub(super) fn can_look_again(&self) -> bool {
        !matches!(
            self.active_job_kind(),
            Some(
                WizardJobKind::Apply(_)
                    | WizardJobKind::Look(_)
                    | WizardJobKind::Identify
                    | WizardJobKind::Code
                    | WizardJobKind::Watch
            )
        )
    }

    /// Returns how the reindex may be skipped: on its own screen, or where going live waits for it.
    pub(super) fn skip_availability(&self) -> IntentAvailability {
        let applying = self.applying_stage();
        if self.skipping || applying.is_some() && self.busy.is_some_and(|busy| busy.stopping) {
            return IntentAvailability::Hidden;
        }
        match self.shown_stage() {
            Some(Stage::Reindex)
                if !self.stage_progress(Stage::Reindex).is_some_and(StageProgress::is_done) =>
            {
                IntentAvailability::Usual
            }
            Some(Stage::GoLive) if applying.is_none() && self.is_reindex_pending() => {
                IntentAvailability::As("skip the reindex")
            }
            _ => IntentAvailability::Hidden,
        }
    }

    /// Whether the reindex runs on this screen and may run on beside the stages after it.
    pub(super) fn can_go_ahead(&self) -> bool {
        self.is_reindex_going_on() && self.next_stage(Stage::Reindex).is_some()
    }

    /// Whether the reindex is applied on this screen, and was not asked to stop.
    fn is_reindex_going_on(&self) -> bool {
        self.applying_stage() == Some(Stage::Reindex) && !self.busy.is_some_and(|busy| busy.stopping)
    }

    /// Returns how the reindex may be paused, or gone on with.
    pub(super) fn pause_availability(&self) -> IntentAvailability {
        if !self.is_reindex_going_on() || self.credential_wait().is_some() {
            return IntentAvailability::Hidden;
        }
        if self.busy.is_some_and(|busy| busy.paused) {
            IntentAvailability::As("go on")
        } else {
            IntentAvailability::Usual
        }
    }

    /// Whether switching off may be shown. A look may be left at any time, since it writes nothing.
    pub(super) fn can_disable(&self) -> bool {
        self.applying_stage().is_none() && self.shown_stage() != Some(Stage::Disable)
    }

    /// Whether the stage that is shown has a plan.
    pub(super) fn has_plan(&self) -> bool {
        self.shown_stage()
            .and_then(|stage| self.stage_progress(stage))
            .is_some_and(|progress| progress.plan.is_some())
    }

    /// Whether the first screen knows enough to ask why clients get 403.
    pub(super) fn can_diagnose_403(&self) -> bool {
        self.screen == WizardScreen::Welcome && matches!(self.welcome, Loadable::Loaded(_))
    }

    /// Returns how packagecloud's own reindex is switched on or off.
    pub(super) fn vendor_reindex_availability(&self) -> IntentAvailability {
        if self.applying_stage().is_some() || self.shown_stage() != Some(Stage::Reindex) {
            IntentAvailability::Hidden
        } else if self.answers.reindex.vendor {
            IntentAvailability::As("ours alone")
        } else {
            IntentAvailability::Usual
        }
    }

    /// Whether it may be chosen how much of a backup is restored.
    pub(super) fn can_toggle_whole_file(&self) -> bool {
        self.applying_stage().is_none() && self.shown_stage() == Some(Stage::RollBack)
    }

    /// Whether a download URL helps on this screen.
    pub(super) fn can_give_probe_url(&self) -> bool {
        self.applying_stage().is_none() && matches!(self.shown_stage(), Some(Stage::GoLive | Stage::Verify))
    }

    /// Returns what a move does: it chooses in a list, or scrolls a text that is longer than the screen.
    pub(super) fn move_availability(&self, to: CursorMove) -> IntentAvailability {
        let moves_by_line =
            matches!(to, CursorMove::Up | CursorMove::Down | CursorMove::Home | CursorMove::End);
        if moves_by_line && self.screen_list_len() > 1 {
            IntentAvailability::As("choose")
        } else if self.extent.lines > self.extent.rows {
            IntentAvailability::Usual
        } else {
            IntentAvailability::Hidden
        }
    }

    /// Returns what may be typed for a run that stands still for want of credentials.
    pub(super) fn credentials_availability(&self) -> IntentAvailability {
        match self.credential_wait().map(|wait| &wait.wants) {
            Some(CredentialNeed::Code(_)) => IntentAvailability::As("type the code"),
            Some(CredentialNeed::Keys) => IntentAvailability::As("type other keys"),
            Some(CredentialNeed::Renewal) | None => IntentAvailability::Hidden,
        }
    }

    /// Returns what Enter does on a page that covers the screen.
    pub(super) fn page_next_availability(&self) -> IntentAvailability {
        match &self.overlay {
            Some(ScreenOverlay::Ask(_)) => IntentAvailability::As("choose this"),
            _ => IntentAvailability::As("close"),
        }
    }

    /// Returns what Enter does on a screen that nothing covers.
    pub(super) fn next_intent_availability(&self) -> IntentAvailability {
        match self.screen {
            WizardScreen::Welcome => match &self.welcome {
                Loadable::Loading => IntentAvailability::Hidden,
                Loadable::Failed(_) => IntentAvailability::As("look again"),
                Loadable::Loaded(welcome) if welcome.other_run.is_some() => {
                    IntentAvailability::As("watch it")
                }
                Loadable::Loaded(welcome) => {
                    match (Self::OFFERED_GOALS.get(self.choice), welcome.identities.first()) {
                        (Some(Goal::Install | Goal::Upgrade), Some(first)) if first.device.is_some() => {
                            IntentAvailability::As("type the code")
                        }
                        _ => IntentAvailability::As("go on"),
                    }
                }
            },
            WizardScreen::Watch if self.busy.is_none() => IntentAvailability::As("watch it again"),
            WizardScreen::Watch => IntentAvailability::Hidden,
            WizardScreen::Identity | WizardScreen::Bucket => {
                if self.busy.is_some() {
                    IntentAvailability::Hidden
                } else {
                    IntentAvailability::As("use this")
                }
            }
            WizardScreen::Backups => {
                if self.screen_list_len() == 0 {
                    IntentAvailability::Hidden
                } else {
                    IntentAvailability::As("show what it changes")
                }
            }
            WizardScreen::Stage(stage) => match self.enter_action(stage) {
                EnterAction::Nowhere => IntentAvailability::Hidden,
                EnterAction::Again => IntentAvailability::As("look again"),
                EnterAction::Apply => IntentAvailability::As(copy::enter_key_label(stage)),
                EnterAction::Next(_) => IntentAvailability::As("go on"),
                EnterAction::Reindex => IntentAvailability::As("to the reindex"),
                EnterAction::Finish => {
                    IntentAvailability::As(if stage == Stage::Verify && self.return_screen.is_none() {
                        "finish"
                    } else {
                        "back to the start"
                    })
                }
            },
        }
    }

    /// Whether a failed check or a stop may be passed by on purpose.
    pub(super) fn can_continue_despite_failure(&self) -> bool {
        let WizardScreen::Stage(stage) = self.screen else { return false };
        if self.busy.is_some()
            || stage == Stage::GoLive
                && self.stage_progress(stage).is_none_or(|progress| progress.end.is_none())
        {
            return false;
        }
        let Some(progress) = self.stage_progress(stage) else { return false };
        match progress.end {
            // going on without the reindex is to skip it, which has a key of its own
            Some(StageEnd::Stopped) if stage == Stage::Reindex => false,
            // a go-live that was told not to run packagecloud-ctl stops after the write: that is its end
            Some(StageEnd::Stopped) => self.next_stage(stage).is_some(),
            Some(StageEnd::Failed) => stage == Stage::Verify && self.return_screen.is_none(),
            Some(StageEnd::Applied | StageEnd::Unchanged) => progress.has_failed_check(),
            None => progress.plan.is_some() && progress.has_failed_check(),
        }
    }

    /// Whether the goal needs the consents of a set-up at all.
    pub(super) fn is_setup_goal(&self) -> bool {
        matches!(self.chosen_goal(), Some(Goal::Install | Goal::Upgrade))
    }
}
