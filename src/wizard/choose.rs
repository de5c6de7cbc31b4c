//! What is chosen from a list or typed into a field: the goal, the identity, the bucket, the backup, the download URL.

use super::{
    CredentialInput, Wizard, WizardEffect, WizardJobKind,
    form::{FormPurpose, InputForm},
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::{
    failure::Failure,
    run::{
        check::CheckResult,
        event::CredentialRenewalNeed,
        goal::{OperatorGoal, RunStage},
        plan::{PlanConfirmationQuestion, RequiredConsent},
        welcome::{AwsIdentitySource, FoundAwsIdentity},
    },
    secret::Secret,
};

impl Wizard {
    /// Begins to set CloudFront up: with the identity and the bucket that were found where nobody has to choose.
    pub(super) fn begin_setup(&mut self, goal: OperatorGoal) -> Option<WizardEffect> {
        self.answers.goal = Some(goal);
        self.return_screen = None;
        match self.welcome.value_if_loaded().and_then(|w| w.identities.first()).cloned() {
            // Nothing in AWS is known before that.
            Some(first) if first.device.is_some() => {
                self.form = build_mfa_code_form(&first);
                None
            }
            // The proposed one stands at the head of the plan, from where another can be chosen.
            Some(first) if first.is_usable_identity() && !first.arn.is_empty() => {
                self.use_identity(&first, true)
            }
            _ => {
                self.show_screen(WizardScreen::Identity);
                None
            }
        }
    }

    /// Takes the identity that is chosen, or opens the form for another.
    pub(super) fn accept_selected_identity(&mut self) -> Option<WizardEffect> {
        let identities = self.welcome.value_if_loaded().map_or(&[][..], |welcome| &welcome.identities);
        match self.choice.checked_sub(identities.len()) {
            Some(0) => self.form = Some(InputForm::new(FormPurpose::Profile)),
            Some(_) => self.form = Some(InputForm::new(FormPurpose::Keys)),
            None => {
                let identity = identities[self.choice].clone();
                match build_mfa_code_form(&identity) {
                    Some(form) => self.form = Some(form),
                    None => return self.use_identity(&identity, false),
                }
            }
        }
        None
    }

    /// Takes AWS's answer to whose the credentials are; where they want a code it is asked for, and again where it was wrong.
    pub(super) fn handle_identity_lookup_result(
        &mut self,
        found: Result<FoundAwsIdentity, Failure>,
    ) -> Option<WizardEffect> {
        let kind = self
            .active_job_kind()
            .filter(|kind| matches!(kind, WizardJobKind::Identify | WizardJobKind::Code))?;
        self.busy = None;
        self.shown_at = self.now;
        let identity = match found {
            Ok(identity) => identity,
            Err(failure) => {
                self.notice = Some(format!("{failure}; {}", failure.next));
                return None;
            }
        };
        let CheckResult { detail, next, .. } = &identity.suffices;
        let next = if next.is_empty() { String::new() } else { format!("; {next}") };
        self.notice = Some(format!("{}: {detail}{next}", identity.found));
        if let Some(mut form) = build_mfa_code_form(&identity) {
            if kind == WizardJobKind::Code {
                form.focus_field_with_error(0, "was not accepted: wait for the next one");
                self.notice = None;
            }
            self.form = Some(form);
            return None;
        }
        if identity.arn.is_empty() {
            // AWS knows nobody by these.
            return None;
        }
        if self.screen == WizardScreen::Home {
            // What could not be found out before.
            return Some(self.start_welcome_lookup());
        }
        self.use_identity(&identity, false)
    }

    /// Returns the form for what the run that stands still wants; none where it goes on by itself.
    pub(super) fn build_credential_renewal_form(&self) -> Option<InputForm> {
        Some(match &self.running_stage_credential_wait()?.wants {
            CredentialRenewalNeed::Renewal => return None,
            CredentialRenewalNeed::Code(device) => {
                InputForm::new_mfa_code_form(device, "").mark_as_credential_renewal()
            }
            CredentialRenewalNeed::Keys => InputForm::new(FormPurpose::Keys).mark_as_credential_renewal(),
        })
    }

    /// Uses this identity from now on; one of another account than the last run's only after a yes. Where it is the proposed
    /// one (`is_proposed`), the bucket that was found by it is used too.
    pub(super) fn use_identity(
        &mut self,
        identity: &FoundAwsIdentity,
        is_proposed: bool,
    ) -> Option<WizardEffect> {
        if let Some(question) = self.build_other_account_question(identity) {
            self.shown_at = self.now;
            self.identity_to_confirm = Some(identity.clone());
            self.overlay = Some(ScreenOverlay::Ask(PlanConfirmationQuestion {
                consent: RequiredConsent::OtherBucket,
                question,
            }));
            return None;
        }
        // What was planned by another identity is no plan any more.
        self.progress.remove(&RunStage::Overview);
        self.answers.source = Some(identity.source.clone());
        self.answers.profile = match &identity.source {
            AwsIdentitySource::Profile(name) => Some(name.clone()),
            _ => None,
        };
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.answers.identity = known(&identity.arn);
        self.answers.account = known(&identity.account);
        let is_bucket_found =
            self.welcome.value_if_loaded().is_some_and(|welcome| !welcome.buckets.is_empty());
        if is_proposed && is_bucket_found {
            self.choice = 0;
            return self.accept_selected_bucket();
        }
        self.show_screen(WizardScreen::Bucket);
        None
    }

    /// Returns the question to ask where the identity is of another account than the last run's.
    #[must_use]
    pub fn build_other_account_question(&self, identity: &FoundAwsIdentity) -> Option<String> {
        let (account, bucket) = self.welcome.value_if_loaded()?.last.as_ref()?;
        let other = !identity.account.is_empty() && identity.account != *account;
        (other && !self.answers.consents.other_bucket).then(|| {
            format!(
                "The last run on this host worked in account {account}, on bucket {bucket}. This identity is of account {}. Work there now?",
                identity.account
            )
        })
    }

    /// Takes the bucket that is chosen, or opens the form for another.
    pub(super) fn accept_selected_bucket(&mut self) -> Option<WizardEffect> {
        let found =
            self.welcome.value_if_loaded().and_then(|welcome| welcome.buckets.get(self.choice)).cloned();
        let Some(bucket) = found else {
            self.form = Some(InputForm::new(FormPurpose::Bucket));
            return None;
        };
        self.progress.remove(&RunStage::Overview);
        self.answers.bucket = Some(bucket.name);
        self.answers.region = (!bucket.region.is_empty()).then_some(bucket.region);
        Some(self.show_and_plan_stage(RunStage::Access, true))
    }

    /// Takes the backup that is chosen.
    pub(super) fn accept_selected_backup(&mut self) -> Option<WizardEffect> {
        let backup = self.welcome.value_if_loaded()?.backups.get(self.choice)?.path.clone();
        self.answers.roll_back.backup = Some(backup);
        // What was said of another one was said of that.
        self.answers.roll_back.whole_file = false;
        Some(self.show_and_plan_stage(RunStage::RollBack, false))
    }

    /// Takes what was typed into the form, or says what is wrong with it.
    pub(super) fn submit_form(&mut self) -> Option<WizardEffect> {
        let mut form = self.form.take()?;
        if !form.validate_form_fields() {
            self.form = Some(form);
            return None;
        }
        let text = form.trimmed_field_text(0);
        match form.purpose {
            FormPurpose::Profile | FormPurpose::Keys => {
                let credentials = if form.purpose == FormPurpose::Profile {
                    CredentialInput::Profile(text)
                } else {
                    CredentialInput::Keys(form.typed_credentials())
                };
                if form.renews {
                    return Some(WizardEffect::Renew(credentials));
                }
                self.start_wizard_job(WizardJobKind::Identify);
                Some(WizardEffect::Identify(credentials, self.answers.clone()))
            }
            FormPurpose::Code => {
                let credentials = CredentialInput::Code { profile: form.profile, code: Secret::new(text) };
                if form.renews {
                    return Some(WizardEffect::Renew(credentials));
                }
                self.start_wizard_job(WizardJobKind::Code);
                Some(WizardEffect::Identify(credentials, self.answers.clone()))
            }
            FormPurpose::Bucket => {
                self.progress.remove(&RunStage::Overview);
                self.answers.bucket = Some(text);
                self.answers.region = self.init.answers.region.clone();
                Some(self.show_and_plan_stage(RunStage::Access, true))
            }
            FormPurpose::ConfirmBucket if text == self.bucket_name() => {
                self.answers.bucket = Some(text);
                self.record_consent_and_continue(RequiredConsent::ConfirmBucket)
            }
            FormPurpose::ConfirmBucket => {
                form.focus_field_with_error(0, "is not this bucket's name");
                self.form = Some(form);
                None
            }
            FormPurpose::Probe if !text.starts_with("https://") && !text.starts_with("http://") => {
                form.focus_field_with_error(0, "does not begin with https:// or http://");
                self.form = Some(form);
                None
            }
            FormPurpose::Probe => {
                self.answers.probe_url = Some(text);
                let WizardScreen::Stage(stage) = self.screen else { return None };
                Some(self.show_and_plan_stage(stage, false))
            }
        }
    }
}

/// The form that asks for the code of its device, where an identity wants one.
fn build_mfa_code_form(identity: &FoundAwsIdentity) -> Option<InputForm> {
    match (&identity.device, &identity.source) {
        (Some(device), AwsIdentitySource::Profile(profile)) => {
            Some(InputForm::new_mfa_code_form(device, profile))
        }
        _ => None,
    }
}
