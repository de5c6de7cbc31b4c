//! What `e` shows behind the lines of a plan: which changes, what each writes, and which of it `c` copies next.

use super::{ClipboardText, Wizard, WizardEffect, screen::WizardScreen};
use crate::model::run::plan::{PlannedChange, StagePlan};

impl Wizard {
    /// Returns the plan that the screen shows.
    fn plan_shown_on_screen(&self) -> Option<&StagePlan> {
        let WizardScreen::Stage(stage) = self.screen else { return None };
        self.find_stage_progress(stage)?.plan.as_deref()
    }

    /// Lists the changes that are explained, each with what it writes, where that can be read.
    #[must_use]
    pub fn list_explained_changes(&self) -> Vec<(&PlannedChange, Option<String>)> {
        let Some(plan) = self.plan_shown_on_screen() else { return Vec::new() };
        plan.changes.iter().map(|change| (change, plan.find_change_document(change))).collect()
    }

    /// Returns the place of the explained change whose document `c` copies next; none where no change has one.
    #[must_use]
    pub fn next_explained_document_place(&self) -> Option<usize> {
        let explained = self.list_explained_changes();
        let places: Vec<usize> = (0..explained.len()).filter(|place| explained[*place].1.is_some()).collect();
        places.get(self.copy_count % places.len().max(1)).copied()
    }

    /// Returns the explained document that `c` copies next.
    pub(super) fn next_explained_document(&self) -> Option<String> {
        let place = self.next_explained_document_place()?;
        self.list_explained_changes().swap_remove(place).1
    }

    /// Copies the explained document that is next.
    pub(super) fn copy_next_explained_document(&mut self) -> Option<WizardEffect> {
        let place = self.next_explained_document_place()?;
        let mut explained = self.list_explained_changes();
        let (change, document) = explained.swap_remove(place);
        let title = format!("{} ({})", change.step.step_title(), change.target);
        let text = format!("{}\n", document?);
        self.copy_count += 1;
        Some(WizardEffect::Copy(ClipboardText { title, text }))
    }
}
