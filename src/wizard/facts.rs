//! What is known of the goal, the account, the bucket and the domain: from what was answered, else from what was found.

use super::{Wizard, copy, home::HomeAction};
use crate::model::{
    aws::evidence::StageEvidence,
    run::{
        goal::{OperatorGoal, RunStage},
        welcome::AwsIdentitySource,
    },
};

impl Wizard {
    /// Returns the goal that was chosen or given.
    #[must_use]
    pub fn chosen_goal(&self) -> Option<OperatorGoal> {
        self.answers.goal.or(self.init.goal)
    }

    /// Names the goal as it was begun: what stands is only switched on. Nothing before one is chosen.
    #[must_use]
    pub fn name_begun_goal(&self) -> &'static str {
        match self.chosen_goal() {
            Some(_) if self.switches_on => copy::describe_home_action(HomeAction::SwitchOn).0,
            goal => goal.map_or("", copy::goal_title),
        }
    }

    /// Returns the bucket, or an empty text where none is chosen yet.
    #[must_use]
    pub fn bucket_name(&self) -> &str {
        self.answers.bucket.as_deref().unwrap_or_else(|| {
            self.welcome
                .value_if_loaded()
                .and_then(|welcome| welcome.buckets.first())
                .map_or("", |bucket| bucket.name.as_str())
        })
    }

    /// Returns the bucket's region, or an empty text where it isn't known.
    #[must_use]
    pub fn bucket_region(&self) -> &str {
        let bucket = self.bucket_name();
        self.answers.region.as_deref().unwrap_or_else(|| {
            self.welcome
                .value_if_loaded()
                .and_then(|welcome| welcome.buckets.iter().find(|found| found.name == bucket))
                .map_or("", |found| found.region.as_str())
        })
    }

    /// Returns the account, or an empty text where it isn't known.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.answers.account.as_deref().unwrap_or_else(|| {
            self.welcome
                .value_if_loaded()
                .and_then(|welcome| welcome.identities.first())
                .map_or("", |identity| identity.account.as_str())
        })
    }

    /// Returns the packages domain, as far as it is known.
    #[must_use]
    pub fn packages_domain(&self) -> Option<String> {
        [RunStage::Configuration, RunStage::GoLive, RunStage::Distribution]
            .iter()
            .filter_map(|stage| self.find_stage_progress(*stage)?.plan.as_ref())
            .find_map(|plan| match &plan.observed {
                StageEvidence::Configuration(observed) | StageEvidence::GoLive(observed) => {
                    observed.desired.packages_domain.clone()
                }
                StageEvidence::Distribution(observed) => {
                    observed.distribution.as_ref().map(|found| found.domain.clone())
                }
                _ => None,
            })
            .or_else(|| self.answers.packages_domain.clone())
    }

    /// Whether the identity that is used is packagecloud.rb's own: it is never asked to be given more rights.
    #[must_use]
    pub fn uses_packagecloud_rb_aws_keys(&self) -> bool {
        self.answers.source == Some(AwsIdentitySource::Config)
    }
}
