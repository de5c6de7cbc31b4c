//! Home: what can be done now, by what was found; the fitting one first.

use super::{Loadable, Wizard, WizardEffect, intent::UserIntentAvailability, screen::WizardScreen};
use crate::model::{
    aws::rotation::SecretRotationKind,
    run::{
        goal::{OperatorGoal, RunStage},
        welcome::{CloudFrontSetUpBy, FoundRedirects, FoundSwitchState, WelcomeFindings},
    },
};

/// What can be begun from Home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeAction {
    /// AWS did not answer, and is asked again.
    LookAgain,
    /// The last run is gone on with where it was left.
    GoOn(OperatorGoal),
    /// To install or to upgrade.
    SetUp(OperatorGoal),
    /// What is set up and off is switched on.
    SwitchOn,
    /// All of it is verified.
    Check,
    Status,
    Rotate,
    FinishRotation,
    RollBack,
    Disable,
}

impl Wizard {
    /// Returns what is known so far: all of it, or what needs no answer of AWS's.
    #[must_use]
    pub fn known_findings(&self) -> Option<&WelcomeFindings> {
        self.welcome.value_if_loaded().or(self.local_findings.as_deref())
    }

    /// Whether packages go through CloudFront now, or may: by the redirects, and by the file where they tell nothing.
    #[must_use]
    pub fn may_packages_use_cloudfront(&self) -> bool {
        self.known_findings().is_some_and(|found| match found.redirects {
            FoundRedirects::CloudFront | FoundRedirects::Mixed(_) => true,
            FoundRedirects::S3 => false,
            FoundRedirects::NotAsked | FoundRedirects::Unknown(_) => {
                matches!(found.cloudfront.switch, FoundSwitchState::On | FoundSwitchState::MaybeOn)
            }
        })
    }

    /// Lists what can be done now, the fitting one first; nothing before all was looked at, or while another run works here.
    #[must_use]
    pub fn list_home_actions(&self) -> Vec<HomeAction> {
        let Some(found) = self.welcome.value_if_loaded().filter(|found| found.other_run.is_none()) else {
            return Vec::new();
        };
        let is_on = self.may_packages_use_cloudfront();
        let by = found.cloudfront.by;
        let is_set_up = matches!(by, CloudFrontSetUpBy::Us | CloudFrontSetUpBy::Others);
        let proposed = found.goal.as_ref().map(|(goal, _)| *goal);
        let set_up = match proposed {
            Some(OperatorGoal::Install) => [OperatorGoal::Install, OperatorGoal::Upgrade],
            _ => [OperatorGoal::Upgrade, OperatorGoal::Install],
        };
        let mut actions = Vec::new();
        // Of a file that can't be read the lines to type are shown there.
        if proposed == Some(OperatorGoal::Disable) || found.config.failure.is_some() {
            actions.push(HomeAction::Disable);
        }
        if found.is_aws_silent {
            actions.push(HomeAction::LookAgain);
        }
        actions.extend(found.left.as_ref().map(|left| HomeAction::GoOn(left.goal)));
        if by == CloudFrontSetUpBy::Us && !is_on && !found.cloudfront.distribution.is_empty() {
            actions.push(HomeAction::SwitchOn);
        }
        if is_set_up && is_on {
            actions.extend([HomeAction::Check, HomeAction::Status]);
        }
        if found.cloudfront.accepts_earlier_secret {
            actions.push(HomeAction::FinishRotation);
        }
        actions.extend(set_up.map(HomeAction::SetUp));
        if is_set_up && !is_on {
            actions.extend([HomeAction::Check, HomeAction::Status]);
        }
        if by == CloudFrontSetUpBy::Us {
            actions.push(HomeAction::Rotate);
        }
        actions.extend([HomeAction::RollBack, HomeAction::Disable]);
        if let Some(wanted) = self.chosen_goal() {
            // What was asked for at the start stands first.
            actions.sort_by_key(|action| home_action_goal(*action) != Some(wanted));
        }
        let mut once = Vec::new();
        for action in actions {
            if !once.contains(&action) {
                once.push(action);
            }
        }
        once
    }

    /// Returns the action that is chosen.
    #[must_use]
    pub fn chosen_home_action(&self) -> Option<HomeAction> {
        self.list_home_actions().get(self.choice).copied()
    }

    /// Begins what is chosen.
    pub(super) fn begin_home_action(&mut self, action: HomeAction) -> Option<WizardEffect> {
        self.stepwise = false;
        self.plan_consent = None;
        self.switches_on = action == HomeAction::SwitchOn;
        match action {
            HomeAction::LookAgain => Some(self.restart_at_home()),
            HomeAction::GoOn(goal @ (OperatorGoal::Install | OperatorGoal::Upgrade))
            | HomeAction::SetUp(goal) => self.begin_setup(goal),
            // What was made stands: nothing of the bucket is gone through again for it.
            HomeAction::SwitchOn => self.begin_setup(OperatorGoal::Install),
            HomeAction::GoOn(OperatorGoal::Disable) | HomeAction::Disable => {
                self.answers.goal = Some(OperatorGoal::Disable);
                Some(self.open_stage_over_current_screen(RunStage::Disable))
            }
            HomeAction::GoOn(OperatorGoal::RollBack) | HomeAction::RollBack => {
                self.answers.goal = Some(OperatorGoal::RollBack);
                self.return_screen = Some(WizardScreen::Home);
                self.show_screen(WizardScreen::Backups);
                None
            }
            HomeAction::GoOn(OperatorGoal::Rotate) | HomeAction::Rotate => {
                Some(self.begin_rotation(SecretRotationKind::Rotate))
            }
            HomeAction::FinishRotation => Some(self.begin_rotation(SecretRotationKind::Finish)),
            HomeAction::Check => self.show_verify_stage(),
            HomeAction::Status => Some(self.show_status_screen()),
        }
    }

    fn begin_rotation(&mut self, kind: SecretRotationKind) -> WizardEffect {
        self.answers.goal = Some(OperatorGoal::Rotate);
        self.answers.rotation = kind;
        self.open_stage_over_current_screen(RunStage::Rotate)
    }

    /// Returns what Enter does on Home.
    pub(super) fn home_enter_key_availability(&self) -> UserIntentAvailability {
        if self.has_other_run() {
            return UserIntentAvailability::As("watch it");
        }
        let wants_code = self
            .welcome
            .value_if_loaded()
            .and_then(|found| found.identities.first())
            .is_some_and(|first| first.device.is_some());
        match (&self.welcome, self.chosen_home_action()) {
            (Loadable::Loading, _) => UserIntentAvailability::Hidden,
            (Loadable::Failed(_), _) | (Loadable::Loaded(_), Some(HomeAction::LookAgain)) => {
                UserIntentAvailability::As("look again")
            }
            (Loadable::Loaded(_), Some(HomeAction::SetUp(_) | HomeAction::GoOn(_))) if wants_code => {
                UserIntentAvailability::As("type the code")
            }
            (Loadable::Loaded(_), _) => UserIntentAvailability::As("continue"),
        }
    }
}

/// Returns the goal that the action is of.
fn home_action_goal(action: HomeAction) -> Option<OperatorGoal> {
    match action {
        HomeAction::SetUp(goal) => Some(goal),
        HomeAction::RollBack => Some(OperatorGoal::RollBack),
        HomeAction::Disable => Some(OperatorGoal::Disable),
        HomeAction::Rotate => Some(OperatorGoal::Rotate),
        HomeAction::LookAgain
        | HomeAction::GoOn(_)
        | HomeAction::SwitchOn
        | HomeAction::Check
        | HomeAction::Status
        | HomeAction::FinishRotation => None,
    }
}
