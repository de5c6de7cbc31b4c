//! From one screen to the next: what Enter leads to, how a stage is entered and looked at, and how the wizard is left.

use super::{
    ClipboardText, Loadable, RunningWizardJob, Wizard, WizardEffect, WizardJobKind, WizardOutcome,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::run::{
    event::StageEnd,
    goal::{OperatorGoal, RunStage, StageStep},
    plan::PlanAttachment,
};

/// What Enter does on a stage's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnterKeyAction {
    /// Something runs.
    Nowhere,
    Again,
    Apply,
    /// Asks the first question of the overview.
    Answer,
    /// Consents to all that the overview shows; the stage that begins it.
    Consent(RunStage),
    Next(RunStage),
    /// The goal is reached.
    Finish,
}

impl Wizard {
    /// Shows another screen: keys typed before it settles consent to nothing.
    pub(super) fn show_screen(&mut self, screen: WizardScreen) {
        self.screen = screen;
        if screen == WizardScreen::Home {
            // What was begun from there is over, with the consent to it.
            self.answers.goal = None;
            self.plan_consent = None;
            self.stepwise = false;
            self.switches_on = false;
            self.passed_despite_failure.clear();
        }
        self.overlay = None;
        self.identity_to_confirm = None;
        self.form = None;
        self.choice = 0;
        self.scroll = None;
        self.ignore_failed_checks = false;
        self.copy_count = 0;
        self.opened_line = None;
        self.shows_passed_checks = false;
        self.shown_at = self.now;
        self.choice = self.default_list_cursor();
    }

    fn default_list_cursor(&self) -> usize {
        let welcome = self.welcome.value_if_loaded();
        match self.screen {
            WizardScreen::Bucket => welcome
                .and_then(|w| {
                    w.buckets.iter().position(|found| Some(&found.name) == self.answers.bucket.as_ref())
                })
                .unwrap_or(0),
            _ => 0,
        }
    }

    /// Notes the job that runs from now on.
    pub(super) fn start_wizard_job(&mut self, kind: WizardJobKind) {
        self.busy = Some(RunningWizardJob { kind, since: self.now, stopping: false, paused: false });
    }

    /// Starts to look for what the first screen shows.
    pub(super) fn start_welcome_lookup(&mut self) -> WizardEffect {
        self.welcome = Loadable::Loading;
        self.local_findings = None;
        self.start_wizard_job(WizardJobKind::Welcome);
        WizardEffect::Welcome(self.answers.clone())
    }

    /// Goes back to the first screen, which looks around anew.
    pub(super) fn restart_at_home(&mut self) -> WizardEffect {
        // what runs in the background is still told of
        self.progress.retain(|stage, _| self.background.is_some() && *stage == RunStage::Reindex);
        self.return_screen = None;
        self.auto_advance = true;
        self.show_screen(WizardScreen::Home);
        self.start_welcome_lookup()
    }

    /// Shows a stage, and looks at what it would do. Coming from the stage before it, a stage that has nothing to do
    /// is passed by itself; coming back to it, it stays.
    pub(super) fn show_and_plan_stage(&mut self, stage: RunStage, onward: bool) -> WizardEffect {
        self.auto_advance = onward;
        self.skipping = false;
        self.show_screen(WizardScreen::Stage(stage));
        if let Some(job) = self.background.take_if(|_| stage == RunStage::Reindex) {
            self.busy = Some(job);
            return WizardEffect::BringToForeground;
        }
        self.stage_progress_mut(stage).reset_stage_progress();
        self.start_wizard_job(WizardJobKind::Look(stage));
        WizardEffect::Look(stage, self.answers.clone())
    }

    /// Shows the stage after the reindex, which runs on in the background.
    pub(super) fn move_reindex_to_background(&mut self) -> Option<WizardEffect> {
        self.starts_reindex_beside = false;
        let next = self.find_stage_after(RunStage::Reindex)?;
        self.background = self.busy.take();
        let looking = self.show_and_plan_stage(next, true);
        self.notice = Some("The reindex continues, and nothing waits for it; b leads back to it.".to_owned());
        match looking {
            WizardEffect::Look(stage, answers) => Some(WizardEffect::LookWhileJobRuns(stage, answers)),
            other => Some(other),
        }
    }

    /// Shows a stage that starts from any screen and leads back to it: disabling or rolling back.
    pub(super) fn open_stage_over_current_screen(&mut self, stage: RunStage) -> WizardEffect {
        self.return_screen.get_or_insert(self.screen);
        self.show_and_plan_stage(stage, false)
    }

    /// Returns the stages of the chosen goal; none before one is chosen.
    pub(super) fn stages_of_chosen_goal(&self) -> &'static [RunStage] {
        self.chosen_goal().map_or(&[], OperatorGoal::stages_of_goal)
    }

    /// Finds the stage that follows in the chosen goal.
    pub(super) fn find_stage_after(&self, stage: RunStage) -> Option<RunStage> {
        if self.return_screen.is_some() {
            return None;
        }
        let stages = self.stages_of_chosen_goal();
        stages.iter().position(|known| *known == stage).and_then(|index| stages.get(index + 1)).copied()
    }

    /// Returns what Enter does on this stage's screen as it stands.
    #[must_use]
    pub fn find_enter_key_action(&self, stage: RunStage) -> EnterKeyAction {
        if self.busy.is_some() {
            return EnterKeyAction::Nowhere;
        }
        let Some(progress) = self.find_stage_progress(stage) else { return EnterKeyAction::Again };
        // a restored file that says on is made true behind go-live's gate, not by the restoring
        let restored_on = stage == RunStage::RollBack
            && progress.end == Some(StageEnd::Applied)
            && progress
                .plan
                .as_ref()
                .is_some_and(|plan| plan.changes.iter().any(|c| c.step == StageStep::Switch));
        let next = if restored_on { Some(RunStage::GoLive) } else { self.find_stage_after(stage) };
        let onward_action = next.map_or(EnterKeyAction::Finish, EnterKeyAction::Next);
        if progress.has_failed_check() && !self.ignore_failed_checks {
            return EnterKeyAction::Again;
        }
        match (progress.end, &progress.plan) {
            (Some(StageEnd::Applied | StageEnd::Unchanged), _) => onward_action,
            (Some(StageEnd::Stopped | StageEnd::Failed), _) | (None, None) => EnterKeyAction::Again,
            (None, Some(plan)) => {
                if stage == RunStage::Overview && self.is_setup_goal() {
                    return match onward_action {
                        _ if !self.missing_confirmations_before_consent().is_empty() => {
                            EnterKeyAction::Answer
                        }
                        EnterKeyAction::Next(next) => EnterKeyAction::Consent(next),
                        other => other,
                    };
                }
                if !self.missing_confirmations(stage).is_empty() {
                    return EnterKeyAction::Apply;
                }
                let only_looks = matches!(stage, RunStage::Access | RunStage::Overview);
                if only_looks || plan.is_plan_without_changes() && stage != RunStage::Verify {
                    onward_action
                } else {
                    EnterKeyAction::Apply
                }
            }
        }
    }

    /// Whether the screen shows that the goal of a set-up is reached: nothing is left to do, and Enter leaves.
    #[must_use]
    pub fn is_goal_reached_here(&self) -> bool {
        let verified = RunStage::Verify;
        self.screen == WizardScreen::Stage(verified)
            && self.return_screen.is_none()
            && self.find_enter_key_action(verified) == EnterKeyAction::Finish
    }

    /// Does what Enter does on this stage's screen.
    pub(super) fn run_enter_action(&mut self, stage: RunStage) -> Option<WizardEffect> {
        match self.find_enter_key_action(stage) {
            EnterKeyAction::Nowhere => None,
            EnterKeyAction::Again => {
                let onward =
                    matches!(stage, RunStage::Access | RunStage::Overview) || self.has_plan_consent();
                Some(self.show_and_plan_stage(stage, onward))
            }
            EnterKeyAction::Apply | EnterKeyAction::Answer => self.ask_consent_or_apply_plan(stage),
            EnterKeyAction::Consent(next) => Some(self.give_plan_consent(next)),
            EnterKeyAction::Next(next) => Some(self.show_and_plan_stage(next, true)),
            EnterKeyAction::Finish if self.is_goal_reached_here() => {
                if self.background.is_some() {
                    // The reindex runs on: leaving would stop it, which is asked about first.
                    self.overlay = Some(ScreenOverlay::Quit);
                    self.shown_at = self.now;
                    return None;
                }
                Some(self.leave_wizard_with_code(self.broken_off_reindex_exit_code().unwrap_or(0)))
            }
            EnterKeyAction::Finish => Some(self.restart_at_home()),
        }
    }

    /// Returns the exit code of a reindex that failed or was stopped beside the other stages (contract section 1).
    fn broken_off_reindex_exit_code(&self) -> Option<u8> {
        if self.background.is_some() || !self.is_reindex_left_open() {
            return None;
        }
        match self.find_stage_progress(RunStage::Reindex)?.end? {
            StageEnd::Failed => Some(1),
            StageEnd::Stopped => Some(130),
            StageEnd::Applied | StageEnd::Unchanged => None,
        }
    }

    /// Leaves with `code`, saying what a shell's user should know.
    pub(super) fn leave_wizard_with_code(&self, code: u8) -> WizardEffect {
        let mut last_words = Vec::new();
        if let Some(by) = &self.taken_over_by {
            last_words.push(format!("{by} took over, and continues from what is there. Nothing is lost."));
        } else if let Some(stage) = self.stage_applied_in_foreground() {
            last_words.push(format!(
                "{} was interrupted: {} may be half done. Nothing is lost. To continue from what is there: {}",
                stage.stage_title(),
                self.find_stage_progress(stage)
                    .and_then(|progress| progress.steps.iter().rev().find(|line| line.took.is_none()))
                    .map_or("its last step", |line| line.step.step_title()),
                render_same_command_again(&[])
            ));
        } else if self.background.is_some() {
            last_words.push(format!(
                "The reindex was interrupted. Nothing is lost. To continue where it stopped: {}",
                render_same_command_again(&[])
            ));
        } else if self.broken_off_reindex_exit_code().is_some() {
            last_words.push(format!(
                "The reindex has not finished; everything else stays as it is. To continue where it stopped: {}",
                render_proposed_command("reindex-everything", &[])
            ));
        } else if self.does_goal_need_setup_consents() && code != 0 {
            last_words.push(format!(
                "To continue from what is there, at any time: {}",
                render_same_command_again(&[])
            ));
        }
        let verdict = self
            .find_stage_progress(RunStage::Verify)
            .and_then(|progress| progress.latest_checks().into_iter().find(|check| check.name == "verdict"))
            .map(|check| check.detail.clone());
        let has_looked = self.known_findings().is_some() || !self.progress.is_empty();
        WizardEffect::Leave(WizardOutcome { code, last_words, verdict, has_looked })
    }

    /// Returns what `c` copies: of what the screen shows as copyable, one after the other.
    #[must_use]
    pub fn next_document_to_copy(&self) -> Option<&PlanAttachment> {
        let WizardScreen::Stage(stage) = self.screen else { return None };
        let plan = self.find_stage_progress(stage)?.plan.as_ref()?;
        let copyable: Vec<_> = plan.documents.iter().filter(|document| document.copy).collect();
        copyable.get(self.copy_count % copyable.len().max(1)).copied()
    }

    /// Copies what is next to be copied.
    pub(super) fn copy_next_document_to_clipboard(&mut self) -> Option<WizardEffect> {
        let document = self.next_document_to_copy()?;
        let mut text = document.lines.join("\n");
        text.push('\n');
        let copied = ClipboardText { title: document.title.clone(), text };
        self.copy_count += 1;
        Some(WizardEffect::Copy(copied))
    }
}
