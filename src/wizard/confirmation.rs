//! Consents: what a plan still needs is asked for, one after the other, before exactly that plan is applied.

use super::{
    Wizard, WizardEffect, WizardJobKind,
    form::{FormPurpose, InputForm},
    navigation::EnterKeyAction,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::run::{
    answers::ManagedConfigWriteChoice,
    goal::RunStage,
    plan::{PlanConfirmationQuestion, RequiredConsent},
};

impl Wizard {
    /// Asks for what the plan still needs, one consent after the other; then applies exactly that plan.
    pub(super) fn ask_consent_or_apply_plan(&mut self, stage: RunStage) -> Option<WizardEffect> {
        if let Some(confirmation) = self.next_open_question(stage) {
            self.show_confirmation(confirmation);
            return None;
        }
        if let EnterKeyAction::Next(next) = self.find_enter_key_action(stage) {
            return Some(self.show_and_plan_stage(next, true));
        }
        let progress = self.stage_progress_mut(stage);
        let plan = progress.plan.clone()?;
        progress.reset_progress_to_plan();
        self.scroll = None;
        self.shown_at = self.now;
        self.notice = None;
        // What the operator applies is gone on from.
        self.auto_advance = true;
        self.starts_reindex_beside = stage == RunStage::Reindex;
        self.start_wizard_job(WizardJobKind::Apply(stage));
        Some(WizardEffect::Apply(plan, self.answers.clone()))
    }

    /// Returns the question that is asked next on this stage's screen.
    fn next_open_question(&self, stage: RunStage) -> Option<PlanConfirmationQuestion> {
        let open = if stage == RunStage::Overview {
            self.missing_confirmations_before_consent()
        } else {
            self.missing_confirmations(stage)
        };
        open.first().copied().cloned()
    }

    fn show_confirmation(&mut self, confirmation: PlanConfirmationQuestion) {
        self.shown_at = self.now;
        self.choice = 0;
        if confirmation.consent == RequiredConsent::ConfirmBucket {
            self.form = Some(InputForm::new(FormPurpose::ConfirmBucket));
        } else {
            self.overlay = Some(ScreenOverlay::Ask(confirmation));
        }
    }

    /// Notes a yes, or the choice; then asks for the next consent, or looks at the stage as it is now.
    pub(super) fn record_consent_and_continue(&mut self, consent: RequiredConsent) -> Option<WizardEffect> {
        if let Some(identity) = self.identity_to_confirm.take() {
            self.answers.consents.other_bucket = true;
            self.overlay = None;
            let is_proposed = self.screen == WizardScreen::Home;
            return self.use_identity(&identity, is_proposed);
        }
        let WizardScreen::Stage(stage) = self.screen else { return None };
        let managed =
            if self.choice == 0 { ManagedConfigWriteChoice::Wait } else { ManagedConfigWriteChoice::Write };
        let bucket = self.answers.bucket.clone();
        self.answers.consents.record_consent(consent, bucket.as_deref(), managed);
        self.overlay = None;
        if let Some(confirmation) = self.next_open_question(stage) {
            self.show_confirmation(confirmation);
            return None;
        }
        // A consent may change what would be done: that is shown before it is. Access changes nothing.
        let effect = self.show_and_plan_stage(stage, stage == RunStage::Access);
        self.notice = Some("Your yes is noted. This is what Enter does now.".to_owned());
        Some(effect)
    }

    /// Takes a no to a question: nothing is done.
    pub(super) fn decline_confirmation(&mut self, confirmation: &PlanConfirmationQuestion) {
        self.overlay = None;
        if self.identity_to_confirm.take().is_some() && self.screen == WizardScreen::Home {
            self.show_screen(WizardScreen::Identity);
        }
        self.shown_at = self.now;
        self.notice = Some(format!(
            "Nothing was done: that needs your yes ({}).",
            confirmation.consent.consent_cli_flag()
        ));
    }

    /// Lists the consents that this stage's plan still needs, in order.
    pub(super) fn missing_confirmations(&self, stage: RunStage) -> Vec<&PlanConfirmationQuestion> {
        let bucket = self.bucket_name();
        self.find_stage_progress(stage)
            .and_then(|progress| progress.plan.as_ref())
            .map(|plan| {
                plan.confirmations
                    .iter()
                    .filter(|confirmation| !self.answers.consents.has_consent(confirmation.consent, bucket))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Returns the consent whose two answers are chosen from, where one is open.
    #[must_use]
    pub fn selected_choice_consent(&self) -> Option<RequiredConsent> {
        match &self.overlay {
            Some(ScreenOverlay::Ask(confirmation)) if confirmation.consent == RequiredConsent::Managed => {
                Some(confirmation.consent)
            }
            _ => None,
        }
    }
}
