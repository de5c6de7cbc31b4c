//! The plan's page: its lines, which one is chosen, and what opening one shows.

use super::{Wizard, WizardEffect, intent::UserIntentAvailability, screen::WizardScreen};
use crate::model::run::{
    check::CheckVerdict,
    goal::RunStage,
    plan::{PlannedChange, ResourceChangeKind},
};

/// A line of the plan that can be chosen and opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanPageLine {
    Identity,
    Bucket,
    Access,
    /// What one stage changes.
    Stage(RunStage),
    /// What is right as it stands.
    Kept,
    /// What is good to know beside what is decided by.
    More,
}

impl Wizard {
    fn overview_changes(&self) -> &[PlannedChange] {
        self.find_stage_progress(RunStage::Overview)
            .and_then(|progress| progress.plan.as_ref())
            .map_or(&[], |plan| &plan.changes)
    }

    /// Lists the changes that the overview shows of one stage.
    #[must_use]
    pub fn list_overview_changes(&self, stage: RunStage) -> Vec<&PlannedChange> {
        let is_due = |change: &&PlannedChange| change.verb != ResourceChangeKind::Keep;
        self.overview_changes().iter().filter(is_due).filter(|change| change.stage == stage).collect()
    }

    /// Lists the lines of the overview that are right as they stand.
    #[must_use]
    pub fn list_kept_overview_lines(&self) -> Vec<&PlannedChange> {
        self.overview_changes().iter().filter(|change| change.verb == ResourceChangeKind::Keep).collect()
    }

    /// Whether the plan has facts, which one line opens whole: on a small page some are shortened.
    #[must_use]
    pub fn has_plan_facts(&self) -> bool {
        let plan = self.find_stage_progress(RunStage::Overview).and_then(|progress| progress.plan.as_ref());
        plan.is_some_and(|plan| !plan.facts.is_empty() || !plan.documents.is_empty())
    }

    /// Lists the lines of the plan, from the top; none before there is a plan.
    #[must_use]
    pub fn list_plan_page_lines(&self) -> Vec<PlanPageLine> {
        if self.screen != WizardScreen::Stage(RunStage::Overview)
            || self.find_stage_progress(RunStage::Overview).is_none_or(|progress| progress.plan.is_none())
        {
            return Vec::new();
        }
        let mut lines = Vec::new();
        if self.is_setup_goal() {
            lines.extend([PlanPageLine::Identity, PlanPageLine::Bucket, PlanPageLine::Access]);
        }
        let stages = self.stages_of_chosen_goal().iter().copied();
        lines.extend(
            stages.filter(|stage| !self.list_overview_changes(*stage).is_empty()).map(PlanPageLine::Stage),
        );
        if !self.list_kept_overview_lines().is_empty() {
            lines.push(PlanPageLine::Kept);
        }
        if self.has_plan_facts() {
            lines.push(PlanPageLine::More);
        }
        lines
    }

    /// Returns the line of the plan that is chosen.
    #[must_use]
    pub fn chosen_plan_page_line(&self) -> Option<PlanPageLine> {
        self.list_plan_page_lines().get(self.choice).copied()
    }

    /// Returns what Tab does: it opens the chosen line of a plan, or all checks that passed.
    pub(super) fn open_line_availability(&self) -> UserIntentAvailability {
        if let Some(line) = self.chosen_plan_page_line() {
            let is_open = self.opened_line == Some(line);
            return UserIntentAvailability::As(if is_open { "close" } else { "open" });
        }
        let has_folded = match self.screen {
            WizardScreen::Stage(stage) => self.find_stage_progress(stage).is_some_and(|progress| {
                progress.latest_checks().iter().any(|check| check.result == CheckVerdict::Pass)
            }),
            _ => false,
        };
        match (has_folded, self.shows_passed_checks) {
            (false, _) => UserIntentAvailability::Hidden,
            (true, false) => UserIntentAvailability::As("all checks"),
            (true, true) => UserIntentAvailability::As("fold checks"),
        }
    }

    /// `Tab`: opens the chosen line, or closes it; the identity, the bucket and access have screens of their own.
    pub(super) fn open_chosen_line(&mut self) -> Option<WizardEffect> {
        match self.chosen_plan_page_line() {
            Some(PlanPageLine::Identity) => self.show_screen(WizardScreen::Identity),
            Some(PlanPageLine::Bucket) => self.show_screen(WizardScreen::Bucket),
            Some(PlanPageLine::Access) => {
                self.auto_advance = false;
                self.show_screen(WizardScreen::Stage(RunStage::Access));
            }
            Some(line) => {
                self.opened_line = (self.opened_line != Some(line)).then_some(line);
                self.scroll = None;
            }
            None => {
                self.shows_passed_checks = !self.shows_passed_checks;
                self.scroll = None;
            }
        }
        None
    }
}
