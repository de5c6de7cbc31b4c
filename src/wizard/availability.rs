//! When each intent is possible, and what the footer calls it there: the first half of the rows of the table of intents.

use super::{
    Loadable, Wizard, WizardJobKind, copy,
    intent::{CursorMove, UserIntent, UserIntentAvailability, WizardInputMode},
    intent_table::find_intent_rule,
    log::StageProgress,
    navigation::EnterKeyAction,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::{
    aws::rotation::SecretRotationKind,
    run::{
        event::{CredentialRenewalNeed, StageEnd},
        goal::{OperatorGoal, RunStage},
    },
};

impl Wizard {
    /// Returns which part of the key table holds.
    #[must_use]
    pub fn current_wizard_input_mode(&self) -> WizardInputMode {
        match &self.overlay {
            Some(overlay) if overlay.is_yes_no_question() => WizardInputMode::Ask,
            Some(_) if self.is_typing_text_to_find() => WizardInputMode::Text,
            None if self.form.is_some() => WizardInputMode::Text,
            _ => WizardInputMode::Browse,
        }
    }

    /// Returns whether an intent is possible now, and what the footer calls it.
    #[must_use]
    pub fn intent_availability(&self, intent: UserIntent) -> UserIntentAvailability {
        find_intent_rule(self, intent).map_or(UserIntentAvailability::Hidden, |rule| (rule.offered)(self))
    }

    /// Returns the stage whose screen has the focus.
    pub(super) fn stage_shown_on_screen(&self) -> Option<RunStage> {
        match self.screen {
            WizardScreen::Stage(stage) => Some(stage),
            _ => None,
        }
    }

    /// Whether there is a screen before this one, and nothing is applied on it.
    pub(super) fn can_go_back(&self) -> bool {
        self.stage_applied_in_foreground().is_none() && self.screen != WizardScreen::Home
    }

    /// Returns what `b` is called: where the goal is reached it leads to Home.
    pub(super) fn back_availability(&self) -> UserIntentAvailability {
        match self.can_go_back() {
            false => UserIntentAvailability::Hidden,
            true if self.is_goal_reached_here() => UserIntentAvailability::As("Home"),
            true => UserIntentAvailability::Usual,
        }
    }

    /// Returns what `c` is called: the copy holds the secret that the screen hides.
    pub(super) fn copy_availability(text: Option<&str>) -> UserIntentAvailability {
        match text {
            None => UserIntentAvailability::Hidden,
            Some(text) if copy::is_secret_hidden_in(text) => {
                UserIntentAvailability::As("copy, secret in clear")
            }
            Some(_) => UserIntentAvailability::Usual,
        }
    }

    /// Returns what `c` is called for what the screen shows as copyable.
    pub(super) fn copy_document_availability(&self) -> UserIntentAvailability {
        let text = self.next_document_to_copy().map(|document| document.lines.join("\n"));
        Self::copy_availability(text.as_deref())
    }

    /// Whether nothing is under way that another look would cut off.
    pub(super) fn can_refresh_current_screen(&self) -> bool {
        !matches!(
            self.active_job_kind(),
            Some(
                WizardJobKind::Apply(_)
                    | WizardJobKind::Look(_)
                    | WizardJobKind::Identify
                    | WizardJobKind::Code
                    | WizardJobKind::Watch
                    | WizardJobKind::Status
                    | WizardJobKind::Link
            )
        )
    }

    /// Returns how the reindex may be skipped: on its own screen.
    pub(super) fn skip_reindex_availability(&self) -> UserIntentAvailability {
        let applying = self.stage_applied_in_foreground();
        if self.skipping || applying.is_some() && self.busy.is_some_and(|busy| busy.stopping) {
            return UserIntentAvailability::Hidden;
        }
        match self.stage_shown_on_screen() {
            Some(RunStage::Reindex)
                if !self.find_stage_progress(RunStage::Reindex).is_some_and(StageProgress::is_stage_done) =>
            {
                UserIntentAvailability::Usual
            }
            _ => UserIntentAvailability::Hidden,
        }
    }

    /// Whether the reindex runs on this screen and may run on beside the stages after it.
    pub(super) fn can_move_reindex_to_background(&self) -> bool {
        self.is_reindex_running_here() && self.find_stage_after(RunStage::Reindex).is_some()
    }

    /// Whether the reindex is applied on this screen, and was not asked to stop.
    fn is_reindex_running_here(&self) -> bool {
        self.stage_applied_in_foreground() == Some(RunStage::Reindex)
            && !self.busy.is_some_and(|busy| busy.stopping)
    }

    /// Returns how the reindex may be paused, or gone on with.
    pub(super) fn pause_reindex_availability(&self) -> UserIntentAvailability {
        let reindex = self.background.or(self.busy.filter(|_| self.is_reindex_running_here()));
        match reindex {
            _ if self.running_stage_credential_wait().is_some() => UserIntentAvailability::Hidden,
            Some(job) if job.stopping => UserIntentAvailability::Hidden,
            Some(job) if job.paused && self.background.is_some() => {
                UserIntentAvailability::As("continue the reindex")
            }
            Some(job) if job.paused => UserIntentAvailability::As("continue"),
            Some(_) if self.background.is_some() => UserIntentAvailability::As("pause the reindex"),
            Some(_) => UserIntentAvailability::Usual,
            None => UserIntentAvailability::Hidden,
        }
    }

    /// Whether switching off may be shown. A look may be left at any time, since it writes nothing.
    pub(super) fn can_show_disable_stage(&self) -> bool {
        self.stage_applied_in_foreground().is_none()
            && self.stage_shown_on_screen() != Some(RunStage::Disable)
    }

    /// Whether the stage that is shown has a plan.
    pub(super) fn has_plan(&self) -> bool {
        self.stage_shown_on_screen()
            .and_then(|stage| self.find_stage_progress(stage))
            .is_some_and(|progress| progress.plan.is_some())
    }

    /// Whether the first screen knows enough to ask why clients get 403.
    pub(super) fn can_diagnose_403(&self) -> bool {
        self.screen == WizardScreen::Home && matches!(self.welcome, Loadable::Loaded(_))
    }

    /// Returns how packagecloud's own reindex is switched on or off.
    pub(super) fn find_vendor_reindex_toggle_availability(&self) -> UserIntentAvailability {
        if self.stage_applied_in_foreground().is_some()
            || self.stage_shown_on_screen() != Some(RunStage::Reindex)
        {
            UserIntentAvailability::Hidden
        } else if self.answers.reindex.vendor {
            UserIntentAvailability::As("ours alone")
        } else {
            UserIntentAvailability::Usual
        }
    }

    /// Whether it may be chosen how much of a backup is restored.
    pub(super) fn can_toggle_whole_file(&self) -> bool {
        self.stage_applied_in_foreground().is_none()
            && self.stage_shown_on_screen() == Some(RunStage::RollBack)
    }

    /// Whether a download URL helps on this screen.
    pub(super) fn can_enter_probe_url_here(&self) -> bool {
        self.stage_applied_in_foreground().is_none()
            && matches!(self.stage_shown_on_screen(), Some(RunStage::GoLive | RunStage::Verify))
    }

    /// Returns what a move does: it chooses in a list, or scrolls a text that is longer than the screen.
    pub(super) fn cursor_move_availability(&self, to: CursorMove) -> UserIntentAvailability {
        let moves_by_line =
            matches!(to, CursorMove::Up | CursorMove::Down | CursorMove::Home | CursorMove::End);
        if moves_by_line && self.count_screen_list_lines() > 1 {
            UserIntentAvailability::As("choose")
        } else if self.extent.lines > self.extent.rows {
            UserIntentAvailability::Usual
        } else {
            UserIntentAvailability::Hidden
        }
    }

    /// Returns what Ctrl-C does: it is named where it stops something, and works everywhere.
    pub(super) fn stop_key_availability(&self) -> UserIntentAvailability {
        let runs = self.stage_being_applied().is_some();
        let is_stopping = self.busy.or(self.background).is_some_and(|job| job.stopping);
        if runs {
            UserIntentAvailability::As(if is_stopping { "leave at once" } else { "stop" })
        } else {
            UserIntentAvailability::Usual
        }
    }

    /// Returns what may be typed for a run that stands still for want of credentials.
    pub(super) fn enter_credentials_availability(&self) -> UserIntentAvailability {
        match self.running_stage_credential_wait().map(|wait| &wait.wants) {
            Some(CredentialRenewalNeed::Code(_)) => UserIntentAvailability::As("type the code"),
            Some(CredentialRenewalNeed::Keys) => UserIntentAvailability::As("type other keys"),
            Some(CredentialRenewalNeed::Renewal) | None => UserIntentAvailability::Hidden,
        }
    }

    /// Returns what Enter does on a page that covers the screen.
    pub(super) fn overlay_enter_key_availability(&self) -> UserIntentAvailability {
        match &self.overlay {
            Some(ScreenOverlay::Ask(_)) => UserIntentAvailability::As("choose this"),
            _ => UserIntentAvailability::As("close"),
        }
    }

    /// Returns what Enter does on a screen that nothing covers.
    pub(super) fn screen_enter_key_availability(&self) -> UserIntentAvailability {
        match self.screen {
            WizardScreen::Home => self.home_enter_key_availability(),
            WizardScreen::Status | WizardScreen::Link if self.busy.is_some() => {
                UserIntentAvailability::Hidden
            }
            WizardScreen::Status | WizardScreen::Link => UserIntentAvailability::As("back to Home"),
            WizardScreen::Watch if self.busy.is_none() => UserIntentAvailability::As("watch it again"),
            WizardScreen::Watch => UserIntentAvailability::Hidden,
            WizardScreen::Identity | WizardScreen::Bucket => {
                if self.busy.is_some() {
                    UserIntentAvailability::Hidden
                } else {
                    UserIntentAvailability::As("use this")
                }
            }
            WizardScreen::Backups => {
                if self.count_screen_list_lines() == 0 {
                    UserIntentAvailability::Hidden
                } else {
                    UserIntentAvailability::As("show what it changes")
                }
            }
            WizardScreen::Stage(stage) => match self.find_enter_key_action(stage) {
                EnterKeyAction::Nowhere => UserIntentAvailability::Hidden,
                EnterKeyAction::Again => UserIntentAvailability::As("look again"),
                EnterKeyAction::Answer => UserIntentAvailability::As("answer the question"),
                EnterKeyAction::Consent(_) => UserIntentAvailability::As("set this up"),
                EnterKeyAction::Apply
                    if stage == RunStage::Rotate && self.answers.rotation == SecretRotationKind::Finish =>
                {
                    UserIntentAvailability::As("end the old secret")
                }
                EnterKeyAction::Apply => UserIntentAvailability::As(copy::stage_enter_key_label(stage)),
                EnterKeyAction::Next(_) => UserIntentAvailability::As("continue"),
                EnterKeyAction::Finish if self.is_goal_reached_here() && self.background.is_some() => {
                    UserIntentAvailability::As("leave, asks first")
                }
                EnterKeyAction::Finish if self.is_goal_reached_here() => UserIntentAvailability::As("leave"),
                EnterKeyAction::Finish => UserIntentAvailability::As("back to Home"),
            },
        }
    }

    /// Whether a failed check or a stop may be passed by on purpose.
    pub(super) fn can_continue_despite_failure(&self) -> bool {
        let WizardScreen::Stage(stage) = self.screen else { return false };
        if self.busy.is_some()
            || stage == RunStage::GoLive
                && self.find_stage_progress(stage).is_none_or(|progress| progress.end.is_none())
        {
            return false;
        }
        let Some(progress) = self.find_stage_progress(stage) else { return false };
        match progress.end {
            // going on without the reindex is to skip it, which has a key of its own
            Some(StageEnd::Stopped) if stage == RunStage::Reindex => false,
            // a go-live that was told not to run packagecloud-ctl stops after the write: that is its end
            Some(StageEnd::Stopped) => self.find_stage_after(stage).is_some(),
            Some(StageEnd::Failed) => stage == RunStage::Verify && self.return_screen.is_none(),
            Some(StageEnd::Applied | StageEnd::Unchanged) => progress.has_failed_check(),
            // what the simulation alone denies may be allowed all the same; what was looked at itself stands in the way
            None if stage == RunStage::Access => progress.has_simulated_denials_alone(),
            None => progress.plan.is_some() && progress.has_failed_check(),
        }
    }

    /// Whether the goal needs the consents of a set-up at all.
    pub(super) fn does_goal_need_setup_consents(&self) -> bool {
        matches!(self.chosen_goal(), Some(OperatorGoal::Install | OperatorGoal::Upgrade))
    }
}
