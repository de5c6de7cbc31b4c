//! Another run on the host, and another account than the last run's.

use super::*;
use crate::model::run::other_run::{OtherRun, Watched};

fn other() -> OtherRun {
    OtherRun {
        on: "this host".into(),
        who: "process 812 (alice)".into(),
        since: "2026-11-23 20:45:00 UTC (14 minutes ago)".into(),
        stage: Some(Stage::Distribution),
        stands: "2 minutes".into(),
        rests: false,
    }
}

/// On the first screen, beside another run.
fn beside() -> Try {
    let (mut it, _) = Try::begin(None);
    it.hear(News::Welcome(Ok(Box::new(Welcome { other_run: Some(other()), ..welcome() }))));
    it
}

fn watched(it: &mut Try, seen: Watched) -> Option<Effect> {
    it.hear(News::Watched(Ok(seen)))
}

fn started(stage: Stage, step: Step) -> Watched {
    let event = Event::Started { stage, step, text: "goes".into() };
    Watched::Event(event, Duration::from_secs(90))
}

#[test]
fn enter_watches_what_the_other_run_does() {
    let mut it = beside();
    assert_eq!(it.wizard.offers(Intent::Next), Offer::As("watch it"));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Watch { take_over: false })));
    watched(&mut it, Watched::Run(other(), Duration::from_secs(100)));
    watched(&mut it, started(Stage::Secret, Step::Secret));
    watched(&mut it, started(Stage::Distribution, Step::Deployed));
    let watching = it.wizard.watching.as_ref().unwrap();
    assert_eq!(watching.stage, Some(Stage::Distribution));
    assert_eq!(watching.leg.lines.len(), 1, "a stage begins anew");
    // The event is ten seconds old by the clock of the run's own host.
    assert_eq!(
        watching.now(&it.wizard).checked_sub(watching.leg.lines[0].since).unwrap(),
        Duration::from_secs(10)
    );
    watched(&mut it, Watched::Anew);
    assert!(it.wizard.watching.as_ref().unwrap().leg.lines.is_empty());
    assert_eq!(it.wizard.offers(Intent::Disable), Offer::Usual);
    assert!(matches!(watched(&mut it, Watched::Over), Some(Effect::Welcome(_))));
    assert!(it.wizard.notice.as_ref().unwrap().starts_with("The other run has ended (process 812"));
    // What is still said of it is not heard any more.
    assert!(watched(&mut it, Watched::Over).is_none());
}

#[test]
fn taking_over_is_asked_first_and_once() {
    for from_watch in [false, true] {
        let mut it = beside();
        if from_watch {
            it.press(Intent::Next);
        }
        assert!(it.press(Intent::TakeOver).is_none());
        assert_eq!((it.wizard.mode(), it.wizard.over.clone()), (Mode::Ask, Some(Over::TakeOver)));
        assert!(it.press(Intent::No).is_none());
        assert_eq!(it.wizard.over, None);
        it.press(Intent::TakeOver);
        it.hear(News::Key(Intent::Yes));
        assert_eq!(it.wizard.over, Some(Over::TakeOver), "a key that was typed before it stood says nothing");
        assert!(matches!(it.press(Intent::Yes), Some(Effect::Watch { take_over: true })));
        watched(&mut it, Watched::Asked);
        assert_eq!(it.wizard.offers(Intent::TakeOver), Offer::Hidden);
        // Another one has it by then: that wasn't asked.
        let third = OtherRun { who: "process 900 (bob)".into(), ..other() };
        watched(&mut it, Watched::Run(third, Duration::from_secs(100)));
        assert_eq!(it.wizard.offers(Intent::TakeOver), Offer::Usual);
    }
    let mut it = beside();
    it.press(Intent::TakeOver);
    it.press(Intent::Yes);
    it.hear(News::Watched(Err(Failure::other("take-over", "no room", "make some"))));
    assert_eq!(it.wizard.offers(Intent::Next), Offer::As("watch it again"));
}

#[test]
fn whoever_is_taken_over_from_ends_after_the_request_in_flight() {
    let by = || News::TakenOver("process 900 (bob)".into());
    let mut it = Try::at(Stage::Secret, plan(Stage::Secret, Verb::Create));
    let Some(Effect::Leave(outcome)) = it.hear(by()) else { panic!("nothing runs: it leaves at once") };
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].starts_with("process 900 (bob) took over"), "{outcome:?}");

    let mut it = Try::at(Stage::Secret, plan(Stage::Secret, Verb::Create));
    it.press(Intent::Next);
    assert!(matches!(it.hear(by()), Some(Effect::Stop)));
    assert_eq!(left(it.end(Stage::Secret, End::Stopped)), Some(130));

    // Asked to stop by its own operator before: it leaves all the same.
    let mut it = Try::at(Stage::Secret, plan(Stage::Secret, Verb::Create));
    it.press(Intent::Next);
    it.hear(News::Key(Intent::Interrupt));
    assert!(it.hear(by()).is_none());
    assert_eq!(left(it.end(Stage::Secret, End::Stopped)), Some(130));
}

#[test]
fn another_account_than_the_last_runs_is_asked_about_when_it_is_chosen() {
    let (mut it, _) = Try::begin(None);
    let last = Some(("2".to_owned(), "attic".to_owned()));
    it.hear(News::Welcome(Ok(Box::new(Welcome { last, ..welcome() }))));
    it.press(Intent::Next);
    assert!(it.press(Intent::Next).is_none());
    let Some(Over::Ask(ask)) = it.wizard.over.clone() else { panic!("it is asked") };
    assert!(ask.question.contains("account 2, on bucket attic") && ask.question.contains("of account 1"));
    assert_eq!((it.wizard.screen, it.wizard.answers.account.clone()), (Screen::Identity, None));
    it.press(Intent::No);
    assert_eq!((it.wizard.screen, it.wizard.answers.account.clone()), (Screen::Identity, None));
    it.press(Intent::Next);
    it.press(Intent::Yes);
    assert_eq!(it.wizard.screen, Screen::Bucket);
    assert_eq!(it.wizard.answers.account.as_deref(), Some("1"));
    assert!(it.wizard.answers.consents.other_bucket, "it isn't asked twice");

    let (mut it, _) = Try::begin(None);
    let last = Some(("1".to_owned(), "attic".to_owned()));
    it.hear(News::Welcome(Ok(Box::new(Welcome { last, ..welcome() }))));
    it.press(Intent::Next);
    it.press(Intent::Next);
    assert_eq!(it.wizard.screen, Screen::Bucket, "the same account needs no question");
}
