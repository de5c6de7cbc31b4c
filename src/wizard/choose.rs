//! What is chosen from a list or typed into a field: the goal, the identity, the bucket, the backup, the download URL.

use super::{
    Credentials, Doing, Effect, Wizard,
    form::{Form, Purpose},
    screen::{Over, Screen},
};
use crate::model::{
    run::{
        check::Check,
        event::Wants,
        failure::Failure,
        goal::{Goal, Stage},
        plan::{Ask, Consent},
        welcome::{IdentityFound, Source},
    },
    secret::Secret,
};

impl Wizard {
    /// Enter on the first screen.
    pub(super) fn choose_goal(&mut self) -> Option<Effect> {
        let goal = *Self::GOALS.get(self.choice)?;
        self.answers.goal = Some(goal);
        match goal {
            Goal::Install | Goal::Upgrade => match self.welcome.there().and_then(|w| w.identities.first()) {
                // Nothing in AWS is known before that.
                Some(first) if first.device.is_some() => self.form = code_of(first),
                _ => self.show(Screen::Identity),
            },
            Goal::RollBack => {
                self.origin = Some(Screen::Welcome);
                self.show(Screen::Backups);
            }
            Goal::Disable => return Some(self.enter_aside(Stage::Disable)),
        }
        None
    }

    pub(super) fn choose_identity(&mut self) -> Option<Effect> {
        let identities = self.welcome.there().map_or(&[][..], |welcome| &welcome.identities);
        match self.choice.checked_sub(identities.len()) {
            Some(0) => self.form = Some(Form::new(Purpose::Profile)),
            Some(_) => self.form = Some(Form::new(Purpose::Keys)),
            None => {
                let identity = identities[self.choice].clone();
                match code_of(&identity) {
                    Some(form) => self.form = Some(form),
                    None => self.identified(&identity),
                }
            }
        }
        None
    }

    /// AWS's answer to whose the credentials are; where they want a code it is asked for, and again where it was wrong.
    pub(super) fn told_who(&mut self, found: Result<IdentityFound, Failure>) -> Option<Effect> {
        let doing = self.doing().filter(|doing| matches!(doing, Doing::Identify | Doing::Code))?;
        self.busy = None;
        self.stood = self.now;
        let identity = match found {
            Ok(identity) => identity,
            Err(failure) => {
                self.notice = Some(format!("{failure}; {}", failure.next));
                return None;
            }
        };
        let Check { detail, next, .. } = &identity.suffices;
        let next = if next.is_empty() { String::new() } else { format!("; {next}") };
        self.notice = Some(format!("{}: {detail}{next}", identity.found));
        if let Some(mut form) = code_of(&identity) {
            if doing == Doing::Code {
                form.complain(0, "was not accepted: wait for the next one");
                self.notice = None;
            }
            self.form = Some(form);
            return None;
        }
        if identity.arn.is_empty() {
            // AWS knows nobody by these.
            return None;
        }
        if self.screen == Screen::Welcome {
            // What could not be found out before.
            return Some(self.look_around());
        }
        self.identified(&identity);
        None
    }

    /// What can be typed for the run that stands still; none where it goes on by itself.
    pub(super) fn asked_to_renew(&self) -> Option<Form> {
        Some(match &self.waits()?.wants {
            Wants::Renewal => return None,
            Wants::Code(device) => Form::code(device, "").renewing(),
            Wants::Keys => Form::new(Purpose::Keys).renewing(),
        })
    }

    /// This identity is used from now on; one of another account than the last run's only after a yes.
    pub(super) fn identified(&mut self, identity: &IdentityFound) {
        if let Some(question) = self.elsewhere(identity) {
            self.stood = self.now;
            self.chosen = Some(identity.clone());
            self.over = Some(Over::Ask(Ask { consent: Consent::OtherBucket, question }));
            return;
        }
        self.answers.source = Some(identity.source.clone());
        self.answers.profile = match &identity.source {
            Source::Profile(name) => Some(name.clone()),
            _ => None,
        };
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.answers.identity = known(&identity.arn);
        self.answers.account = known(&identity.account);
        self.show(Screen::Bucket);
    }

    /// Whether the identity is of another account than the last run's: the question then.
    #[must_use]
    pub fn elsewhere(&self, identity: &IdentityFound) -> Option<String> {
        let (account, bucket) = self.welcome.there()?.last.as_ref()?;
        let other = !identity.account.is_empty() && identity.account != *account;
        (other && !self.answers.consents.other_bucket).then(|| {
            format!(
                "The last run on this host worked in account {account}, on bucket {bucket}. This identity is of account {}. Work there now?",
                identity.account
            )
        })
    }

    pub(super) fn choose_bucket(&mut self) -> Option<Effect> {
        let found = self.welcome.there().and_then(|welcome| welcome.buckets.get(self.choice)).cloned();
        let Some(bucket) = found else {
            self.form = Some(Form::new(Purpose::Bucket));
            return None;
        };
        self.answers.bucket = Some(bucket.name);
        self.answers.region = (!bucket.region.is_empty()).then_some(bucket.region);
        Some(self.enter(Stage::Access, true))
    }

    pub(super) fn choose_backup(&mut self) -> Option<Effect> {
        let backup = self.welcome.there()?.backups.get(self.choice)?.path.clone();
        self.answers.roll_back.backup = Some(backup);
        // What was said of another one was said of that.
        self.answers.roll_back.whole_file = false;
        Some(self.enter(Stage::RollBack, false))
    }

    /// Enter in a form whose fields are filled in.
    pub(super) fn submit(&mut self) -> Option<Effect> {
        let mut form = self.form.take()?;
        if !form.complete() {
            self.form = Some(form);
            return None;
        }
        let text = form.text(0);
        match form.purpose {
            Purpose::Profile | Purpose::Keys => {
                let credentials = if form.purpose == Purpose::Profile {
                    Credentials::Profile(text)
                } else {
                    Credentials::Keys(form.keys())
                };
                if form.renews {
                    return Some(Effect::Renew(credentials));
                }
                self.start(Doing::Identify);
                Some(Effect::Identify(credentials, self.answers.clone()))
            }
            Purpose::Code => {
                let credentials = Credentials::Code { profile: form.profile, code: Secret::new(text) };
                if form.renews {
                    return Some(Effect::Renew(credentials));
                }
                self.start(Doing::Code);
                Some(Effect::Identify(credentials, self.answers.clone()))
            }
            Purpose::Bucket => {
                self.answers.bucket = Some(text);
                self.answers.region = self.beginning.answers.region.clone();
                Some(self.enter(Stage::Access, true))
            }
            Purpose::ConfirmBucket if text == self.bucket() => {
                self.answers.bucket = Some(text);
                self.consented(Consent::ConfirmBucket)
            }
            Purpose::ConfirmBucket => {
                form.complain(0, "is not this bucket's name");
                self.form = Some(form);
                None
            }
            Purpose::Probe if !text.starts_with("https://") && !text.starts_with("http://") => {
                form.complain(0, "does not begin with https:// or http://");
                self.form = Some(form);
                None
            }
            Purpose::Probe => {
                self.answers.probe_url = Some(text);
                let Screen::Stage(stage) = self.screen else { return None };
                Some(self.enter(stage, false))
            }
        }
    }
}

/// The form that asks for the code of its device, where an identity wants one.
fn code_of(identity: &IdentityFound) -> Option<Form> {
    match (&identity.device, &identity.source) {
        (Some(device), Source::Profile(profile)) => Some(Form::code(device, profile)),
        _ => None,
    }
}
