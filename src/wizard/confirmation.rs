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
        if let Some(confirmation) = self.missing_confirmations(stage).first().copied().cloned() {
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
        self.starts_reindex_beside = stage == RunStage::Reindex;
        self.start_wizard_job(WizardJobKind::Apply(stage));
        Some(WizardEffect::Apply(plan, self.answers.clone()))
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
            self.use_identity(&identity);
            return None;
        }
        let WizardScreen::Stage(stage) = self.screen else { return None };
        let consents = &mut self.answers.consents;
        match consent {
            RequiredConsent::Adopt => consents.adopt = true,
            RequiredConsent::AdoptBucketKey => consents.adopt_bucket_key = true,
            RequiredConsent::NewSecret => consents.new_secret = true,
            RequiredConsent::Unproven => consents.unproven = true,
            RequiredConsent::OverrideExpression => consents.override_expression = true,
            RequiredConsent::OtherBucket => consents.other_bucket = true,
            RequiredConsent::Managed => {
                consents.managed = Some(if self.choice == 0 {
                    ManagedConfigWriteChoice::Wait
                } else {
                    ManagedConfigWriteChoice::Write
                });
            }
            RequiredConsent::ConfirmBucket => consents.confirm_bucket.clone_from(&self.answers.bucket),
            RequiredConsent::LiveChange => consents.live_change = true,
            RequiredConsent::RotationTakeOver => consents.rotation_take_over = true,
            RequiredConsent::NoOtherNode => consents.no_other_node = true,
        }
        self.overlay = None;
        if let Some(confirmation) = self.missing_confirmations(stage).first().copied().cloned() {
            self.show_confirmation(confirmation);
            return None;
        }
        // a consent may change what would be done: that is shown before it is
        let effect = self.show_and_plan_stage(stage, false);
        self.notice = Some("Your yes is noted. This is what Enter does now.".to_owned());
        Some(effect)
    }

    /// Takes a no to a question: nothing is done.
    pub(super) fn decline_confirmation(&mut self, confirmation: &PlanConfirmationQuestion) {
        self.overlay = None;
        self.identity_to_confirm = None;
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
