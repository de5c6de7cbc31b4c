//! Which intents are possible now, and what the footer calls them; `update` refuses every other, so that the footer can't lie.

use super::{
    JobKind, Loadable, Wizard, copy,
    intent::{CursorMove, InputMode, IntentAvailability, UserIntent},
    log::StageProgress,
    navigation::EnterAction,
    screen::{Overlay, Screen},
};
use crate::model::run::{
    event::{CredentialNeed, StageEnd},
    goal::{Goal, Stage},
    plan::Consent,
};

impl Wizard {
    /// Which part of the key table holds.
    #[must_use]
    pub fn input_mode(&self) -> InputMode {
        match &self.overlay {
            Some(over) if over.needs_yes_or_no() => InputMode::Ask,
            None if self.form.is_some() => InputMode::Text,
            _ => InputMode::Browse,
        }
    }

    #[must_use]
    pub fn intent_availability(&self, intent: UserIntent) -> IntentAvailability {
        let usual =
            |possible: bool| if possible { IntentAvailability::Usual } else { IntentAvailability::Hidden };
        let covered = self.overlay.is_some();
        match intent {
            UserIntent::Interrupt => return IntentAvailability::Usual,
            UserIntent::Quit => {
                return usual(self.input_mode() != InputMode::Text && self.overlay != Some(Overlay::Quit));
            }
            _ => {}
        }
        match self.input_mode() {
            InputMode::Text => {
                return match intent {
                    UserIntent::Next => IntentAvailability::As("done"),
                    UserIntent::NextField | UserIntent::PreviousField => {
                        usual(self.form.as_ref().is_some_and(|form| form.fields.len() > 1))
                    }
                    UserIntent::Back | UserIntent::Edit(_) => IntentAvailability::Usual,
                    _ => IntentAvailability::Hidden,
                };
            }
            InputMode::Ask => {
                // nothing is typed and nothing runs while a consent is asked for
                if intent == UserIntent::Disable {
                    return usual(self.applying_stage().is_none());
                }
                return usual(matches!(
                    intent,
                    UserIntent::Yes | UserIntent::No | UserIntent::Back | UserIntent::Move(_)
                ));
            }
            InputMode::Browse => {}
        }
        let stage = match self.screen {
            Screen::Stage(stage) => Some(stage),
            _ => None,
        };
        let applying = self.applying_stage();
        match intent {
            UserIntent::Next => match &self.overlay {
                Some(Overlay::Ask(_)) => IntentAvailability::As("choose this"),
                Some(_) => IntentAvailability::As("close"),
                None => self.next_availability(),
            },
            UserIntent::Back if covered => IntentAvailability::As("close"),
            UserIntent::Back => usual(applying.is_none() && self.screen != Screen::Welcome),
            UserIntent::Again => usual(
                !covered
                    && applying.is_none()
                    && !matches!(
                        self.busy.map(|busy| busy.kind),
                        Some(JobKind::Look(_) | JobKind::Identify | JobKind::Code | JobKind::Watch)
                    ),
            ),
            UserIntent::Skip => {
                let left =
                    |leg: &StageProgress| !matches!(leg.end, Some(StageEnd::Applied | StageEnd::Unchanged));
                let can = !covered
                    && (stage == Some(Stage::Reindex)
                        && self.stage_progress(Stage::Reindex).is_none_or(left)
                        || stage == Some(Stage::GoLive) && applying.is_none() && self.is_reindex_pending())
                    && !self.skipping
                    && (applying.is_none() || !self.busy.is_some_and(|busy| busy.stopping));
                match stage {
                    Some(Stage::GoLive) if can => IntentAvailability::As("skip the reindex"),
                    _ => usual(can),
                }
            }
            UserIntent::Ahead => {
                let runs = applying == Some(Stage::Reindex) && !self.busy.is_some_and(|busy| busy.stopping);
                usual(!covered && runs && self.next_stage(Stage::Reindex).is_some())
            }
            UserIntent::Pause => match self.busy {
                Some(busy)
                    if !covered
                        && applying == Some(Stage::Reindex)
                        && !busy.stopping
                        && self.credential_wait().is_none() =>
                {
                    if busy.paused {
                        IntentAvailability::As("go on")
                    } else {
                        IntentAvailability::Usual
                    }
                }
                _ => IntentAvailability::Hidden,
            },
            UserIntent::Disable => {
                usual(applying.is_none() && stage != Some(Stage::Disable) && self.can_discard_job())
            }
            UserIntent::Log => usual(self.overlay != Some(Overlay::Log)),
            UserIntent::Explain => usual(
                self.overlay != Some(Overlay::Explain)
                    && stage
                        .and_then(|stage| self.stage_progress(stage))
                        .is_some_and(|leg| leg.plan.is_some()),
            ),
            UserIntent::Help => usual(self.overlay != Some(Overlay::Help)),
            UserIntent::Copy => usual(!covered && self.attachment_to_copy().is_some()),
            UserIntent::Anyway => usual(!covered && self.can_continue_anyway()),
            UserIntent::Diagnose403 => usual(
                !covered && self.screen == Screen::Welcome && matches!(self.welcome, Loadable::Loaded(_)),
            ),
            UserIntent::ToggleVendorReindex
                if covered || applying.is_some() || stage != Some(Stage::Reindex) =>
            {
                IntentAvailability::Hidden
            }
            UserIntent::ToggleVendorReindex if self.answers.reindex.vendor => {
                IntentAvailability::As("ours alone")
            }
            UserIntent::ToggleVendorReindex => IntentAvailability::Usual,
            UserIntent::ToggleWholeFile => {
                usual(!covered && applying.is_none() && stage == Some(Stage::RollBack))
            }
            UserIntent::Probe => {
                usual(!covered && applying.is_none() && matches!(stage, Some(Stage::GoLive | Stage::Verify)))
            }
            UserIntent::TakeOver => usual(!covered && self.can_take_over()),
            UserIntent::Move(step) => {
                let list = self.list_len() > 1
                    && matches!(step, CursorMove::Up | CursorMove::Down | CursorMove::Home | CursorMove::End);
                if list {
                    IntentAvailability::As("choose")
                } else {
                    usual(self.extent.lines > self.extent.rows)
                }
            }
            UserIntent::Credentials => match self.credential_wait().map(|waits| &waits.wants) {
                Some(CredentialNeed::Code(_)) if !covered => IntentAvailability::As("type the code"),
                Some(CredentialNeed::Keys) if !covered => IntentAvailability::As("type other keys"),
                _ => IntentAvailability::Hidden,
            },
            UserIntent::Yes
            | UserIntent::No
            | UserIntent::NextField
            | UserIntent::PreviousField
            | UserIntent::Edit(_)
            | UserIntent::Quit
            | UserIntent::Interrupt => IntentAvailability::Hidden,
        }
    }

    /// A look may be left at any time; it writes nothing.
    fn can_discard_job(&self) -> bool {
        !matches!(self.busy.map(|busy| busy.kind), Some(JobKind::Apply(_)))
    }

    fn next_availability(&self) -> IntentAvailability {
        match self.screen {
            Screen::Welcome => match &self.welcome {
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
            Screen::Watch if self.busy.is_none() => IntentAvailability::As("watch it again"),
            Screen::Watch => IntentAvailability::Hidden,
            Screen::Identity | Screen::Bucket => {
                if self.busy.is_some() {
                    IntentAvailability::Hidden
                } else {
                    IntentAvailability::As("use this")
                }
            }
            Screen::Backups => {
                if self.list_len() == 0 {
                    IntentAvailability::Hidden
                } else {
                    IntentAvailability::As("show what it changes")
                }
            }
            Screen::Stage(stage) => match self.enter_action(stage) {
                EnterAction::Nowhere => IntentAvailability::Hidden,
                EnterAction::Again => IntentAvailability::As("look again"),
                EnterAction::Apply => IntentAvailability::As(copy::apply_key_label(stage)),
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

    /// Where a failed check or a stop may be passed by on purpose.
    pub(super) fn can_continue_anyway(&self) -> bool {
        let Screen::Stage(stage) = self.screen else { return false };
        if self.busy.is_some()
            || stage == Stage::GoLive && self.stage_progress(stage).is_none_or(|leg| leg.end.is_none())
        {
            return false;
        }
        let Some(leg) = self.stage_progress(stage) else { return false };
        match leg.end {
            // going on without the reindex is to skip it, which has a key of its own
            Some(StageEnd::Stopped) if stage == Stage::Reindex => false,
            // a go-live that was told not to run packagecloud-ctl stops after the write: that is its end
            Some(StageEnd::Stopped) => self.next_stage(stage).is_some(),
            Some(StageEnd::Failed) => stage == Stage::Verify && self.return_screen.is_none(),
            Some(StageEnd::Applied | StageEnd::Unchanged) => leg.has_failed_check(),
            None => leg.plan.is_some() && leg.has_failed_check(),
        }
    }

    /// The consents that this stage's plan still needs, in order.
    pub(super) fn missing_confirmations(&self, stage: Stage) -> Vec<&crate::model::run::plan::Confirmation> {
        let bucket = self.bucket_name();
        self.stage_progress(stage)
            .and_then(|leg| leg.plan.as_ref())
            .map(|plan| {
                plan.confirmations
                    .iter()
                    .filter(|ask| !self.answers.consents.has_consent(ask.consent, bucket))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Whether the goal needs the consents of a set-up at all.
    pub(super) fn is_setup_goal(&self) -> bool {
        matches!(self.goal(), Some(Goal::Install | Goal::Upgrade))
    }

    /// Which of the two answers a choice stands on.
    #[must_use]
    pub fn open_choice_consent(&self) -> Option<Consent> {
        match &self.overlay {
            Some(Overlay::Ask(ask)) if ask.consent == Consent::Managed => Some(ask.consent),
            _ => None,
        }
    }
}
