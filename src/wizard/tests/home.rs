//! Home: what is offered first, what the road says, and that what is known without AWS waits for nobody.

use super::*;
use crate::model::run::welcome::{
    CloudFrontSetUpBy, FoundCloudFront, FoundRedirects, FoundSwitchState, LastRunPosition,
};
use crate::wizard::{
    home::HomeAction,
    request_path::{RequestPathHop, RequestPathSight},
};

fn found(by: CloudFrontSetUpBy, switch: FoundSwitchState, redirects: FoundRedirects) -> WelcomeFindings {
    let distribution = if by == CloudFrontSetUpBy::Nobody { "" } else { "E2EXAMPLE" };
    WelcomeFindings {
        cloudfront: FoundCloudFront {
            switch,
            by,
            distribution: distribution.to_owned(),
            ..FoundCloudFront::default()
        },
        redirects,
        ..sample_welcome()
    }
}

fn home_of(found: WelcomeFindings) -> WizardHarness {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    it.send_input(WizardInput::Welcome(Ok(Box::new(found))));
    it
}

#[test]
fn the_fitting_action_stands_first_and_is_chosen() {
    use CloudFrontSetUpBy::{Nobody, Others, Us};
    use FoundSwitchState::{MaybeOn, Off, On};
    let left = LastRunPosition {
        goal: OperatorGoal::Install,
        stage: RunStage::Distribution,
        ago: "1 minute ago".to_owned(),
        on: None,
    };
    let upgrade = HomeAction::SetUp(OperatorGoal::Upgrade);
    for (found, first) in [
        (found(Nobody, Off, FoundRedirects::S3), upgrade),
        (found(Us, Off, FoundRedirects::S3), HomeAction::SwitchOn),
        (found(Us, Off, FoundRedirects::NotAsked), HomeAction::SwitchOn),
        (found(Us, On, FoundRedirects::CloudFront), HomeAction::Check),
        (found(Us, MaybeOn, FoundRedirects::NotAsked), HomeAction::Check),
        (found(Others, On, FoundRedirects::CloudFront), HomeAction::Check),
        // The redirect counts, and not what the file says.
        (found(Us, Off, FoundRedirects::CloudFront), HomeAction::Check),
        (
            WelcomeFindings { left: Some(left), ..found(Us, Off, FoundRedirects::S3) },
            HomeAction::GoOn(OperatorGoal::Install),
        ),
        (
            WelcomeFindings {
                goal: Some((OperatorGoal::Disable, "AWS can't be asked".to_owned())),
                ..found(CloudFrontSetUpBy::Unknown, On, FoundRedirects::NotAsked)
            },
            HomeAction::Disable,
        ),
    ] {
        let it = home_of(found);
        assert_eq!(it.wizard.chosen_home_action(), Some(first), "{:?}", it.wizard.list_home_actions());
        assert!(it.wizard.list_home_actions().contains(&HomeAction::Disable), "it can always be chosen");
    }
}

#[test]
fn a_rotation_that_was_begun_can_be_ended() {
    let mut seen = found(CloudFrontSetUpBy::Us, FoundSwitchState::On, FoundRedirects::CloudFront);
    let is_offered = |found: &WelcomeFindings| {
        home_of(found.clone()).wizard.list_home_actions().contains(&HomeAction::FinishRotation)
    };
    assert!(!is_offered(&seen));
    seen.cloudfront.accepts_earlier_secret = true;
    assert!(is_offered(&seen));
}

#[test]
fn the_road_says_how_each_part_is_known() {
    use RequestPathSight::{Absent, ByFile, Seen, Unknown};
    let signs = |hops: &[RequestPathHop]| hops.iter().map(|hop| hop.sight).collect::<Vec<_>>();
    let by_us = |switch, redirects| found(CloudFrontSetUpBy::Us, switch, redirects);
    for (found, road, idle) in [
        (by_us(FoundSwitchState::On, FoundRedirects::CloudFront), vec![Seen; 4], vec![]),
        (by_us(FoundSwitchState::On, FoundRedirects::NotAsked), vec![ByFile; 4], vec![]),
        (by_us(FoundSwitchState::Off, FoundRedirects::S3), vec![Seen; 2], vec![Seen; 2]),
        (by_us(FoundSwitchState::Off, FoundRedirects::NotAsked), vec![ByFile; 2], vec![Seen; 2]),
        // A file that can't be read is never off.
        (by_us(FoundSwitchState::Unread, FoundRedirects::NotAsked), vec![Unknown; 2], vec![Seen; 2]),
        // What was seen counts more than the file.
        (by_us(FoundSwitchState::Off, FoundRedirects::CloudFront), vec![Seen; 4], vec![]),
        (
            found(CloudFrontSetUpBy::Nobody, FoundSwitchState::Off, FoundRedirects::S3),
            vec![Seen; 2],
            vec![Absent; 2],
        ),
    ] {
        let path = home_of(found.clone()).wizard.build_request_path();
        assert_eq!((signs(&path.hops), signs(&path.idle)), (road, idle), "{found:?}");
    }
    let (it, _) = WizardHarness::start_with_goal(None);
    assert_eq!(signs(&it.wizard.build_request_path().hops), vec![Unknown; 2], "nothing was asked yet");
    // What was seen before something was switched is over, until it is seen again.
    for (stage, end, road) in [
        (RunStage::RollBack, StageEnd::Applied, Unknown),
        (RunStage::Disable, StageEnd::Failed, Unknown),
        (RunStage::GoLive, StageEnd::Failed, Unknown),
        (RunStage::Disable, StageEnd::Applied, Seen),
    ] {
        let mut it = home_of(by_us(FoundSwitchState::On, FoundRedirects::CloudFront));
        it.wizard.stage_progress_mut(stage).end = Some(end);
        assert_eq!(signs(&it.wizard.build_request_path().hops), vec![road; 2], "{stage:?} {end:?}");
    }
}

#[test]
fn what_is_known_without_aws_is_shown_while_aws_is_asked() {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    let local = found(CloudFrontSetUpBy::Unknown, FoundSwitchState::On, FoundRedirects::NotAsked);
    it.send_input(WizardInput::LocalFindings(Box::new(local)));
    assert!(it.wizard.known_findings().is_some() && it.wizard.busy.is_some());
    assert_eq!(it.wizard.intent_availability(UserIntent::Next), UserIntentAvailability::Hidden);
    assert!(matches!(it.press_key(UserIntent::Disable), Some(WizardEffect::Look(RunStage::Disable, _))));
    it.send_input(WizardInput::Looked(
        RunStage::Disable,
        Ok(Box::new(sample_plan(RunStage::Disable, ResourceChangeKind::Update))),
    ));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))), "two keys");
}

#[test]
fn status_and_rotation_begin_from_home() {
    let seen = found(CloudFrontSetUpBy::Us, FoundSwitchState::On, FoundRedirects::CloudFront);
    let mut it = home_of(seen);
    it.press_key(UserIntent::Move(CursorMove::Down));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Status(_))));
    it.press_key(UserIntent::Back);
    assert_eq!(it.wizard.screen, WizardScreen::Home);
    let place =
        it.wizard.list_home_actions().iter().position(|action| *action == HomeAction::Rotate).unwrap();
    it.wizard.choice = place;
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Look(RunStage::Rotate, _))));
}

/// Wherever the screen is, also while it looks or waits: `D` shows how CloudFront is switched off, Enter does it.
#[test]
fn from_every_screen_two_keys_switch_off() {
    let screens = [
        WizardScreen::Home,
        WizardScreen::Identity,
        WizardScreen::Bucket,
        WizardScreen::Backups,
        WizardScreen::Status,
        WizardScreen::Watch,
    ];
    let stages = OperatorGoal::Upgrade.stages_of_goal().iter().chain(&[RunStage::RollBack, RunStage::Rotate]);
    let screens = screens.into_iter().chain(stages.map(|stage| WizardScreen::Stage(*stage)));
    let jobs = [
        None,
        Some(WizardJobKind::Welcome),
        Some(WizardJobKind::Look(RunStage::Bootstrap)),
        Some(WizardJobKind::Status),
        Some(WizardJobKind::Watch),
        Some(WizardJobKind::Identify),
    ];
    let pages = [None, Some(ScreenOverlay::Help), Some(ScreenOverlay::Log), Some(ScreenOverlay::TakeOver)];
    for screen in screens {
        for job in jobs {
            for page in &pages {
                let mut it =
                    home_of(found(CloudFrontSetUpBy::Us, FoundSwitchState::On, FoundRedirects::CloudFront));
                it.wizard.answers.goal = Some(OperatorGoal::Upgrade);
                it.wizard.show_screen(screen);
                if let Some(job) = job {
                    it.wizard.start_wizard_job(job);
                }
                it.wizard.overlay.clone_from(page);
                let shown = it.press_key(UserIntent::Disable);
                assert!(
                    matches!(shown, Some(WizardEffect::Look(RunStage::Disable, _))),
                    "{screen:?} {job:?} {page:?}: {shown:?}"
                );
                let plan = sample_plan(RunStage::Disable, ResourceChangeKind::Update);
                it.send_input(WizardInput::Looked(RunStage::Disable, Ok(Box::new(plan))));
                assert!(
                    matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))),
                    "{screen:?}"
                );
            }
        }
    }
}
