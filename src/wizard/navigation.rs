//! From one screen to the next: what Enter leads to, how a stage is entered and looked at, and how the wizard is left.

use super::{
    ActiveJob, ClipboardText, Loadable, Wizard, WizardEffect, WizardJobKind, WizardOutcome,
    screen::WizardScreen,
};
use crate::model::run::{
    event::StageEnd,
    goal::{Goal, Stage, Step},
    plan::PlanDocument,
};

/// What Enter does on a stage's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnterAction {
    /// Something runs.
    Nowhere,
    Again,
    Apply,
    Next(Stage),
    /// Going live waits for the reindex: its screen.
    Reindex,
    /// The goal is reached.
    Finish,
}

impl Wizard {
    /// Shows another screen: keys typed before it settles consent to nothing.
    pub(super) fn show_screen(&mut self, screen: WizardScreen) {
        self.screen = screen;
        self.overlay = None;
        self.identity_to_confirm = None;
        self.form = None;
        self.choice = 0;
        self.scroll = 0;
        self.ignore_failed_checks = false;
        self.copy_count = 0;
        self.shown_at = self.now;
        self.choice = self.default_list_choice();
    }

    fn default_list_choice(&self) -> usize {
        let welcome = self.welcome.as_loaded();
        match self.screen {
            WizardScreen::Welcome => {
                let goal =
                    self.chosen_goal().or_else(|| welcome.and_then(|w| w.goal.as_ref()).map(|goal| goal.0));
                Self::OFFERED_GOALS.iter().position(|offered| Some(*offered) == goal).unwrap_or(0)
            }
            WizardScreen::Bucket => welcome
                .and_then(|w| {
                    w.buckets.iter().position(|found| Some(&found.name) == self.answers.bucket.as_ref())
                })
                .unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn start_wizard_job(&mut self, kind: WizardJobKind) {
        self.busy = Some(ActiveJob { kind, since: self.now, stopping: false, paused: false });
    }

    pub(super) fn load_welcome(&mut self) -> WizardEffect {
        self.welcome = Loadable::Loading;
        self.start_wizard_job(WizardJobKind::Welcome);
        WizardEffect::Welcome(self.answers.clone())
    }

    /// Goes back to the first screen, which looks around anew.
    pub(super) fn restart_at_welcome(&mut self) -> WizardEffect {
        // what runs in the background is still told of
        self.progress.retain(|stage, _| self.background.is_some() && *stage == Stage::Reindex);
        self.return_screen = None;
        self.auto_advance = true;
        self.answers.goal = None;
        self.show_screen(WizardScreen::Welcome);
        self.load_welcome()
    }

    /// Shows a stage, and looks at what it would do. Coming from the stage before it, a stage that has nothing to do
    /// is passed by itself; coming back to it, it stays.
    pub(super) fn enter_stage(&mut self, stage: Stage, onward: bool) -> WizardEffect {
        self.auto_advance = onward;
        self.skipping = false;
        self.show_screen(WizardScreen::Stage(stage));
        if let Some(job) = self.background.take_if(|_| stage == Stage::Reindex) {
            self.busy = Some(job);
            return WizardEffect::BringToForeground;
        }
        self.stage_progress_mut(stage).reset_stage_progress();
        self.start_wizard_job(WizardJobKind::Look(stage));
        WizardEffect::Look(stage, self.answers.clone())
    }

    /// Shows the stage after the reindex, which runs on in the background.
    pub(super) fn move_reindex_to_background(&mut self) -> Option<WizardEffect> {
        let next = self.next_stage(Stage::Reindex)?;
        self.background = self.busy.take();
        let looking = self.enter_stage(next, true);
        self.notice =
            Some("The reindex runs on. Only going live waits for it; b leads back to it.".to_owned());
        match looking {
            WizardEffect::Look(stage, answers) => Some(WizardEffect::LookWhileJobRuns(stage, answers)),
            other => Some(other),
        }
    }

    /// Shows a stage that starts from any screen and leads back to it: disabling or rolling back.
    pub(super) fn enter_stage_with_return(&mut self, stage: Stage) -> WizardEffect {
        if !matches!(self.screen, WizardScreen::Stage(Stage::Disable | Stage::RollBack)) {
            self.return_screen = Some(self.screen);
        }
        self.enter_stage(stage, false)
    }

    pub(super) fn current_goal_stages(&self) -> &'static [Stage] {
        self.chosen_goal().map_or(&[], Goal::goal_stages)
    }

    pub(super) fn next_stage(&self, stage: Stage) -> Option<Stage> {
        if self.return_screen.is_some() {
            return None;
        }
        let stages = self.current_goal_stages();
        stages.iter().position(|known| *known == stage).and_then(|index| stages.get(index + 1)).copied()
    }

    /// Returns what Enter does on this stage's screen as it stands.
    #[must_use]
    pub fn enter_action(&self, stage: Stage) -> EnterAction {
        if self.busy.is_some() {
            return EnterAction::Nowhere;
        }
        let Some(progress) = self.stage_progress(stage) else { return EnterAction::Again };
        // a restored file that says on is made true behind go-live's gate, not by the restoring
        let restored_on = stage == Stage::RollBack
            && progress.end == Some(StageEnd::Applied)
            && progress.plan.as_ref().is_some_and(|plan| plan.changes.iter().any(|c| c.step == Step::Switch));
        let next = if restored_on { Some(Stage::GoLive) } else { self.next_stage(stage) };
        let onward_action = next.map_or(EnterAction::Finish, EnterAction::Next);
        if progress.has_failed_check() && !self.ignore_failed_checks {
            return EnterAction::Again;
        }
        let waits =
            stage == Stage::GoLive && progress.plan.as_ref().is_some_and(|plan| !plan.has_no_changes());
        if waits && progress.end.is_none() && self.is_reindex_pending() {
            return EnterAction::Reindex;
        }
        match (progress.end, &progress.plan) {
            (Some(StageEnd::Applied | StageEnd::Unchanged), _) => onward_action,
            (Some(StageEnd::Stopped | StageEnd::Failed), _) | (None, None) => EnterAction::Again,
            (None, Some(plan)) => {
                // the overview names what the stages after it will ask
                if stage != Stage::Overview && !self.missing_confirmations(stage).is_empty() {
                    return EnterAction::Apply;
                }
                let only_looks = matches!(stage, Stage::Access | Stage::Overview);
                if only_looks || plan.has_no_changes() && stage != Stage::Verify {
                    onward_action
                } else {
                    EnterAction::Apply
                }
            }
        }
    }

    /// Does what Enter does on this stage's screen.
    pub(super) fn run_enter_action(&mut self, stage: Stage) -> Option<WizardEffect> {
        match self.enter_action(stage) {
            EnterAction::Nowhere => None,
            EnterAction::Again => Some(self.enter_stage(stage, false)),
            EnterAction::Apply => self.confirm_or_apply(stage),
            EnterAction::Next(next) => Some(self.enter_stage(next, true)),
            EnterAction::Reindex => Some(self.enter_stage(Stage::Reindex, false)),
            EnterAction::Finish if stage == Stage::Verify && self.return_screen.is_none() => {
                Some(self.leave_wizard_with_code(0))
            }
            EnterAction::Finish => Some(self.restart_at_welcome()),
        }
    }

    /// Leaves with `code`, saying what a shell's user should know.
    pub(super) fn leave_wizard_with_code(&self, code: u8) -> WizardEffect {
        let mut last_words = Vec::new();
        if let Some(by) = &self.taken_over_by {
            last_words.push(format!("{by} took over, and goes on from what is there. Nothing is lost."));
        } else if let Some(stage) = self.applying_stage() {
            last_words.push(format!(
                "{} was left in the middle: {} may be half done. Nothing is lost; start again, and it goes on from what is there.",
                stage.stage_title(),
                self.stage_progress(stage)
                    .and_then(|progress| progress.steps.iter().rev().find(|line| line.took.is_none()))
                    .map_or("its last step", |line| line.step.step_title()),
            ));
        } else if self.background.is_some() {
            last_words.push(
                "The reindex was left before its end. Nothing is lost; start again, and it goes on where it was."
                    .to_owned(),
            );
        } else if self.is_setup_goal() && code != 0 {
            last_words
                .push("Start again at any time: it looks again and goes on from what is there.".to_owned());
        }
        WizardEffect::Leave(WizardOutcome { code, last_words })
    }

    /// Returns what `c` copies: of what the screen shows as copyable, one after the other.
    #[must_use]
    pub fn document_to_copy(&self) -> Option<&PlanDocument> {
        let WizardScreen::Stage(stage) = self.screen else { return None };
        let plan = self.stage_progress(stage)?.plan.as_ref()?;
        let copyable: Vec<_> = plan.documents.iter().filter(|document| document.copy).collect();
        copyable.get(self.copy_count % copyable.len().max(1)).copied()
    }

    /// Copies what is next to be copied.
    pub(super) fn copy_document(&mut self) -> Option<WizardEffect> {
        let document = self.document_to_copy()?;
        let mut text = document.lines.join("\n");
        text.push('\n');
        let copied = ClipboardText { title: document.title.clone(), text };
        self.copy_count += 1;
        Some(WizardEffect::Copy(copied))
    }
}
