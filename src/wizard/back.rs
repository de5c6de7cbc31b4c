//! The way back: from each screen to the one before it.

use super::{Wizard, WizardEffect, log::StageProgress, screen::WizardScreen};
use crate::model::{
    failure::FailureKind,
    run::{event::StageEnd, goal::RunStage},
};

impl Wizard {
    /// Goes to the screen before this one.
    pub(super) fn go_back_one_screen(&mut self) -> Option<WizardEffect> {
        self.notice = None;
        let WizardScreen::Stage(stage) = self.screen else {
            return match self.screen {
                WizardScreen::Bucket => {
                    self.discard_running_plan_job();
                    self.show_screen(WizardScreen::Identity);
                    // An identity that was refused since is another one than was found.
                    let refused = |progress: &StageProgress| {
                        progress.latest_stage_failure().is_some_and(|f| f.kind == FailureKind::Credentials)
                    };
                    self.progress.values().any(refused).then(|| self.start_welcome_lookup())
                }
                WizardScreen::Backups if self.welcome.value_if_loaded().is_some() => {
                    self.return_screen = None;
                    self.answers.goal = None;
                    self.show_screen(WizardScreen::Welcome);
                    None
                }
                WizardScreen::Watch => Some(self.restart_at_welcome_screen()),
                _ if self.welcome.value_if_loaded().is_none() || self.return_screen.is_some() => {
                    Some(self.restart_at_welcome_screen())
                }
                _ => {
                    self.discard_running_plan_job();
                    self.show_screen(WizardScreen::Welcome);
                    None
                }
            };
        };
        if stage == RunStage::RollBack && self.welcome.value_if_loaded().is_some() {
            self.discard_running_plan_job();
            self.show_screen(WizardScreen::Backups);
            return None;
        }
        if let Some(origin) = self.return_screen.take() {
            return match origin {
                WizardScreen::Stage(stage) => Some(self.show_and_plan_stage(stage, false)),
                screen if self.welcome.value_if_loaded().is_some() => {
                    if screen == WizardScreen::Welcome {
                        self.answers.goal = None;
                    }
                    self.discard_running_plan_job();
                    self.show_screen(screen);
                    None
                }
                _ => Some(self.restart_at_welcome_screen()),
            };
        }
        let stages = self.stages_of_chosen_goal();
        match stages.iter().position(|known| *known == stage) {
            Some(index)
                if stages[..index].last() == Some(&RunStage::Reindex) && self.has_reindex_failed() =>
            {
                // Why it failed beside the later stages stands on its screen alone; from there it is looked at again.
                self.discard_running_plan_job();
                self.auto_advance = false;
                self.show_screen(WizardScreen::Stage(RunStage::Reindex));
                None
            }
            Some(index) if index > 0 => Some(self.show_and_plan_stage(stages[index - 1], false)),
            _ => {
                self.discard_running_plan_job();
                self.show_screen(WizardScreen::Bucket);
                None
            }
        }
    }

    fn has_reindex_failed(&self) -> bool {
        self.background.is_none()
            && self
                .find_stage_progress(RunStage::Reindex)
                .is_some_and(|progress| progress.end == Some(StageEnd::Failed))
    }

    /// What is still being looked at is of no use any more; its job ends with the next one, and its answer is not taken.
    fn discard_running_plan_job(&mut self) {
        if self.stage_applied_in_foreground().is_none() {
            self.busy = None;
        }
    }
}
