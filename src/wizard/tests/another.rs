//! Another run on the host, and another account than the last run's.

use super::*;
use crate::model::run::other_run::{ConcurrentRun, WatchedRunEvent};

fn sample_other_run() -> ConcurrentRun {
    ConcurrentRun {
        host: "this host".into(),
        who: "process 812 (alice)".into(),
        since: "2026-11-23 20:45:00 UTC (14 minutes ago)".into(),
        stage: Some(RunStage::Distribution),
        stage_age: "2 minutes".into(),
        is_idle: false,
    }
}

/// On the first screen, beside another run.
fn start_beside_other_run() -> WizardHarness {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    it.send_input(WizardInput::Welcome(Ok(Box::new(WelcomeFindings {
        other_run: Some(sample_other_run()),
        ..sample_welcome()
    }))));
    it
}

fn send_watch_event(it: &mut WizardHarness, event: WatchedRunEvent) -> Option<WizardEffect> {
    it.send_input(WizardInput::Watched(Ok(event)))
}

fn step_started_event(stage: RunStage, step: StageStep) -> WatchedRunEvent {
    let event = StageEvent::Started { stage, step, text: "goes".into() };
    WatchedRunEvent::Event(event, Duration::from_secs(90))
}

#[test]
fn enter_watches_what_the_other_run_does() {
    let mut it = start_beside_other_run();
    assert_eq!(it.wizard.intent_availability(UserIntent::Next), UserIntentAvailability::As("watch it"));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Watch { take_over: false })));
    send_watch_event(&mut it, WatchedRunEvent::Run(sample_other_run(), Duration::from_secs(100)));
    send_watch_event(&mut it, step_started_event(RunStage::Secret, StageStep::Secret));
    send_watch_event(&mut it, step_started_event(RunStage::Distribution, StageStep::Deployed));
    let watching = it.wizard.watching.as_ref().unwrap();
    assert_eq!(watching.stage, Some(RunStage::Distribution));
    assert_eq!(watching.progress.steps.len(), 1, "a stage begins anew");
    // The event is ten seconds old by the clock of the run's own host.
    assert_eq!(
        watching
            .convert_to_watched_host_time(it.wizard.now)
            .checked_sub(watching.progress.steps[0].since)
            .unwrap(),
        Duration::from_secs(10)
    );
    send_watch_event(&mut it, WatchedRunEvent::Restarted);
    assert!(it.wizard.watching.as_ref().unwrap().progress.steps.is_empty());
    assert_eq!(it.wizard.intent_availability(UserIntent::Disable), UserIntentAvailability::Usual);
    assert!(matches!(send_watch_event(&mut it, WatchedRunEvent::Ended), Some(WizardEffect::Welcome(_))));
    assert!(it.wizard.notice.as_ref().unwrap().starts_with("The other run has ended (process 812"));
    // What is still said of it is not heard any more.
    assert!(send_watch_event(&mut it, WatchedRunEvent::Ended).is_none());
}

#[test]
fn taking_over_is_asked_first_and_once() {
    for from_watch in [false, true] {
        let mut it = start_beside_other_run();
        if from_watch {
            it.press_key(UserIntent::Next);
        }
        assert!(it.press_key(UserIntent::TakeOver).is_none());
        assert_eq!(
            (it.wizard.current_wizard_input_mode(), it.wizard.overlay.clone()),
            (WizardInputMode::Ask, Some(ScreenOverlay::TakeOver))
        );
        assert!(it.press_key(UserIntent::No).is_none());
        assert_eq!(it.wizard.overlay, None);
        it.press_key(UserIntent::TakeOver);
        it.send_input(WizardInput::Key(UserIntent::Yes));
        assert_eq!(
            it.wizard.overlay,
            Some(ScreenOverlay::TakeOver),
            "a key that was typed before it stood says nothing"
        );
        assert!(matches!(it.press_key(UserIntent::Yes), Some(WizardEffect::Watch { take_over: true })));
        send_watch_event(&mut it, WatchedRunEvent::StopRequested);
        assert_eq!(it.wizard.intent_availability(UserIntent::TakeOver), UserIntentAvailability::Hidden);
        // Another one has it by then: that wasn't asked.
        let third = ConcurrentRun { who: "process 900 (bob)".into(), ..sample_other_run() };
        send_watch_event(&mut it, WatchedRunEvent::Run(third, Duration::from_secs(100)));
        assert_eq!(it.wizard.intent_availability(UserIntent::TakeOver), UserIntentAvailability::Usual);
    }
    let mut it = start_beside_other_run();
    it.press_key(UserIntent::TakeOver);
    it.press_key(UserIntent::Yes);
    it.send_input(WizardInput::Watched(Err(Failure::new_generic_failure(
        "take-over",
        "no room",
        "make some",
    ))));
    assert_eq!(it.wizard.intent_availability(UserIntent::Next), UserIntentAvailability::As("watch it again"));
}

#[test]
fn whoever_is_taken_over_from_ends_after_the_request_in_flight() {
    let by = || WizardInput::TakenOver("process 900 (bob)".into());
    let mut it =
        WizardHarness::at_stage(RunStage::Secret, sample_plan(RunStage::Secret, ResourceChangeKind::Create));
    let Some(WizardEffect::Leave(outcome)) = it.send_input(by()) else {
        panic!("nothing runs: it leaves at once")
    };
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].starts_with("process 900 (bob) took over"), "{outcome:?}");

    let mut it =
        WizardHarness::at_stage(RunStage::Secret, sample_plan(RunStage::Secret, ResourceChangeKind::Create));
    it.press_key(UserIntent::Next);
    assert!(matches!(it.send_input(by()), Some(WizardEffect::Stop)));
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Secret, StageEnd::Stopped)), Some(130));

    // Asked to stop by its own operator before: it leaves all the same.
    let mut it =
        WizardHarness::at_stage(RunStage::Secret, sample_plan(RunStage::Secret, ResourceChangeKind::Create));
    it.press_key(UserIntent::Next);
    it.send_input(WizardInput::Key(UserIntent::Interrupt));
    assert!(it.send_input(by()).is_none());
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Secret, StageEnd::Stopped)), Some(130));
}

#[test]
fn another_account_than_the_last_runs_is_asked_about_when_it_is_chosen() {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    let last = Some(("2".to_owned(), "attic".to_owned()));
    it.send_input(WizardInput::Welcome(Ok(Box::new(WelcomeFindings { last, ..sample_welcome() }))));
    assert!(it.press_key(UserIntent::Next).is_none());
    let Some(ScreenOverlay::Ask(confirmation)) = it.wizard.overlay.clone() else { panic!("it is asked") };
    assert!(
        confirmation.question.contains("account 2, on bucket attic")
            && confirmation.question.contains("of account 1")
    );
    assert_eq!((it.wizard.screen, it.wizard.answers.account.clone()), (WizardScreen::Home, None));
    it.press_key(UserIntent::No);
    assert_eq!((it.wizard.screen, it.wizard.answers.account.clone()), (WizardScreen::Identity, None));
    it.press_key(UserIntent::Next);
    it.press_key(UserIntent::Yes);
    assert_eq!(it.wizard.screen, WizardScreen::Bucket);
    assert_eq!(it.wizard.answers.account.as_deref(), Some("1"));
    assert!(it.wizard.answers.consents.other_bucket, "it isn't asked twice");

    let (mut it, _) = WizardHarness::start_with_goal(None);
    let last = Some(("1".to_owned(), "attic".to_owned()));
    it.send_input(WizardInput::Welcome(Ok(Box::new(WelcomeFindings { last, ..sample_welcome() }))));
    it.press_key(UserIntent::Next);
    assert_eq!(it.wizard.screen, WizardScreen::Stage(RunStage::Access), "the same account needs no question");
}
