//! What is chosen from a list or typed into a field: the goal, the identity, the bucket, the backup, the download URL.

use super::{
    Credentials, Doing, Effect, Wizard,
    form::{Form, Purpose},
    screen::{Over, Screen},
};
use crate::model::{
    goal::{Goal, Stage},
    plan::{Ask, Consent},
    welcome::{IdentityFound, Source},
};

impl Wizard {
    /// Enter on the first screen.
    pub(super) fn choose_goal(&mut self) -> Option<Effect> {
        let goal = *Self::GOALS.get(self.choice)?;
        self.answers.goal = Some(goal);
        match goal {
            Goal::Install | Goal::Upgrade => self.show(Screen::Identity),
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
                self.identified(&identity);
            }
        }
        None
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
                self.start(Doing::Identify);
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
