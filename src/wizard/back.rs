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
        let opened_from_plan = matches!(
            self.screen,
            WizardScreen::Identity | WizardScreen::Bucket | WizardScreen::Stage(RunStage::Access)
        );
        if opened_from_plan && self.busy.is_none() && self.has_overview_plan() {
            self.show_screen(WizardScreen::Stage(RunStage::Overview));
            return None;
        }
        match self.screen {
            WizardScreen::Stage(stage) => self.go_back_from_stage(stage),
            WizardScreen::Bucket => {
                self.discard_running_plan_job();
                self.show_screen(WizardScreen::Identity);
                // An identity that was refused since is another one than was found.
                let refused = |progress: &StageProgress| {
                    progress.latest_stage_failure().is_some_and(|f| f.kind == FailureKind::Credentials)
                };
                self.progress.values().any(refused).then(|| self.start_welcome_lookup())
            }
            WizardScreen::Watch => Some(self.restart_at_home()),
            // What these show was asked for apart: Home stands as it was found.
            WizardScreen::Backups | WizardScreen::Status | WizardScreen::Link => {
                self.return_screen = None;
                self.show_home_as_found()
            }
            _ if self.return_screen.is_some() => Some(self.restart_at_home()),
            _ => self.show_home_as_found(),
        }
    }

    /// Shows Home with what was found last; where nothing was, it looks around anew.
    fn show_home_as_found(&mut self) -> Option<WizardEffect> {
        if self.welcome.value_if_loaded().is_none() {
            return Some(self.restart_at_home());
        }
        self.discard_running_plan_job();
        self.show_screen(WizardScreen::Home);
        None
    }

    fn go_back_from_stage(&mut self, stage: RunStage) -> Option<WizardEffect> {
        if self.is_goal_reached_here() {
            return Some(self.restart_at_home());
        }
        if stage == RunStage::RollBack && self.welcome.value_if_loaded().is_some() {
            self.discard_running_plan_job();
            self.show_screen(WizardScreen::Backups);
            return None;
        }
        if let Some(origin) = self.return_screen.take() {
            return match origin {
                WizardScreen::Stage(stage) => Some(self.show_and_plan_stage(stage, false)),
                screen if self.welcome.value_if_loaded().is_some() => {
                    self.discard_running_plan_job();
                    self.show_screen(screen);
                    None
                }
                _ => Some(self.restart_at_home()),
            };
        }
        if stage == RunStage::Overview {
            return self.show_home_as_found();
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

    /// Whether the plan stands from which the identity, the bucket or access was opened.
    fn has_overview_plan(&self) -> bool {
        self.find_stage_progress(RunStage::Overview).is_some_and(|progress| progress.plan.is_some())
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
