//! The wizard as tables: what it hears, and what comes of it.

mod another;

use std::time::Duration;

use super::{
    Beginning, Credentials, Doing, Effect, Msg, News, Wizard,
    form::{Form, Purpose},
    intent::{Intent, Mode, Move, Offer},
    log::{Leg, LineState},
    navigation::Onward,
    screen::{Over, Screen},
};
use crate::model::{
    aws::evidence::Seen,
    run::{
        answers::Managed,
        check::Check,
        event::{End, Event, Wants},
        failure::{Failure, Kind},
        goal::{Goal, Stage, Step},
        plan::{Ask, Consent, Plan, Verb},
        welcome::{BucketFound, IdentityFound, Source, Welcome},
    },
};

/// A wizard, and the clock that its news are stamped by.
struct Try {
    wizard: Wizard,
    at: Duration,
}

impl Try {
    fn begin(goal: Option<Goal>) -> (Self, Option<Effect>) {
        let mut it =
            Self { wizard: Wizard::new(Beginning { goal, ..Beginning::default() }), at: Duration::ZERO };
        let effect = it.hear(News::Start);
        (it, effect)
    }

    /// On this stage's screen, the plan just shown.
    fn at(stage: Stage, plan: Plan) -> Self {
        let (mut it, _) = Self::begin(None);
        it.hear(News::Welcome(Ok(Box::new(welcome()))));
        it.wizard.answers.goal = Some(Goal::Upgrade);
        it.wizard.answers.bucket = Some("acme".to_owned());
        it.wizard.enter(stage, true);
        it.hear(News::Looked(stage, Ok(Box::new(plan))));
        it
    }

    fn hear(&mut self, news: News) -> Option<Effect> {
        self.wizard.update(Msg { at: self.at, news })
    }

    /// Presses a key once the screen has settled.
    fn press(&mut self, intent: Intent) -> Option<Effect> {
        self.at += Duration::from_millis(300);
        self.hear(News::Key(intent))
    }

    fn end(&mut self, stage: Stage, end: End) -> Option<Effect> {
        self.hear(News::Event(Event::Ended { stage, step: None, end, text: String::new() }))
    }
}

fn welcome() -> Welcome {
    Welcome {
        identities: vec![IdentityFound {
            source: Source::Profile("work".to_owned()),
            found: "profile work".to_owned(),
            arn: "arn:aws:iam::1:user/ops".to_owned(),
            account: "1".to_owned(),
            device: None,
            suffices: Check::pass("permissions", "all"),
        }],
        buckets: vec![BucketFound {
            name: "acme".to_owned(),
            region: "eu-central-1".to_owned(),
            found: "in packagecloud.rb".to_owned(),
            sampled: Some((9, 9)),
        }],
        goal: Some((Goal::Upgrade, "there are objects".to_owned())),
        ..Welcome::default()
    }
}

fn plan(stage: Stage, verb: Verb) -> Plan {
    let mut plan = Plan::new(stage, Seen::Nothing);
    plan.line(Step::Role, verb, "role", "because");
    plan
}

fn asking(consents: &[Consent]) -> Plan {
    let mut plan = plan(Stage::Bootstrap, Verb::Create);
    plan.asks =
        consents.iter().map(|consent| Ask { consent: *consent, question: "Shall it?".to_owned() }).collect();
    plan
}

fn left(effect: Option<Effect>) -> Option<u8> {
    match effect {
        Some(Effect::Leave(outcome)) => Some(outcome.code),
        _ => None,
    }
}

#[test]
fn it_starts_by_looking_around_and_disabling_starts_from_the_file_alone() {
    assert!(matches!(Try::begin(None).1, Some(Effect::Welcome(_))));
    assert!(matches!(Try::begin(Some(Goal::Upgrade)).1, Some(Effect::Welcome(_))));
    assert!(matches!(Try::begin(Some(Goal::Disable)).1, Some(Effect::Look(Stage::Disable, _))));
}

#[test]
fn disabling_is_offered_from_the_first_frame_on_where_nothing_is_typed_and_nothing_runs() {
    let (mut it, _) = Try::begin(None);
    assert_eq!(it.wizard.offers(Intent::Disable), Offer::Usual);
    it.hear(News::Welcome(Ok(Box::new(welcome()))));
    it.press(Intent::Next);
    assert_eq!((it.wizard.screen, it.wizard.offers(Intent::Disable)), (Screen::Identity, Offer::Usual));
    it.press(Intent::Move(Move::End));
    it.press(Intent::Next);
    assert_eq!((it.wizard.mode(), it.wizard.offers(Intent::Disable)), (Mode::Text, Offer::Hidden));

    let mut it = Try::at(Stage::Bootstrap, asking(&[Consent::Adopt]));
    it.press(Intent::Next);
    assert_eq!((it.wizard.mode(), it.wizard.offers(Intent::Disable)), (Mode::Ask, Offer::Usual));
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    it.press(Intent::Next);
    assert_eq!(it.wizard.applying(), Some(Stage::Bootstrap));
    assert_eq!(it.wizard.offers(Intent::Disable), Offer::Hidden);
    assert!(it.press(Intent::Disable).is_none());
}

#[test]
fn keys_typed_before_a_screen_has_stood_consent_to_nothing() {
    for (milliseconds, applies) in [(0, false), (299, false), (300, true)] {
        let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
        it.at += Duration::from_millis(milliseconds);
        let effect = it.hear(News::Key(Intent::Next));
        assert_eq!(matches!(effect, Some(Effect::Apply(..))), applies, "{milliseconds} ms");
    }
    // a check that comes late changes what Enter means: the screen is a new one from then on
    let mut it = Try::at(Stage::Disable, plan(Stage::Disable, Verb::Update));
    it.at += Duration::from_secs(2);
    it.hear(News::Event(Event::Check { stage: Stage::Disable, check: Check::fail("s3-link", "403", "") }));
    assert!(it.hear(News::Key(Intent::Anyway)).is_none());
}

#[test]
fn what_enter_leads_to() {
    let failing = |stage| {
        let mut plan = plan(stage, Verb::Create);
        plan.checks.push(Check::fail("kms:CreateKey", "denied", "ask for it"));
        plan
    };
    for (stage, plan, onward) in [
        (Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create), Onward::Apply),
        (Stage::Configuration, plan(Stage::Configuration, Verb::Keep), Onward::Next(Stage::GoLive)),
        (Stage::GoLive, plan(Stage::GoLive, Verb::Keep), Onward::Next(Stage::Verify)),
        (Stage::Access, plan(Stage::Access, Verb::Keep), Onward::Next(Stage::Overview)),
        // the overview lists what the stages after it do; itself it does nothing
        (Stage::Overview, plan(Stage::Overview, Verb::Create), Onward::Next(Stage::Reindex)),
        (Stage::Bootstrap, failing(Stage::Bootstrap), Onward::Again),
        (Stage::Disable, plan(Stage::Disable, Verb::Keep), Onward::Finish),
    ] {
        let it = Try::at(stage, plan);
        assert_eq!(it.wizard.onward_from(stage), onward, "{}", stage.name());
    }
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    it.press(Intent::Next);
    assert_eq!(
        it.wizard.onward_from(Stage::Bootstrap),
        Onward::Nowhere,
        "Enter does nothing while a stage runs"
    );
    for (end, onward) in [
        (End::Failed, Onward::Again),
        (End::Stopped, Onward::Again),
        (End::Unchanged, Onward::Next(Stage::Distribution)),
        (End::Applied, Onward::Next(Stage::Distribution)),
    ] {
        let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
        it.press(Intent::Next);
        it.end(Stage::Bootstrap, end);
        assert_eq!(it.wizard.onward_from(Stage::Bootstrap), onward, "{end:?}");
    }
}

#[test]
fn a_failed_check_is_passed_only_on_purpose() {
    let mut denied = plan(Stage::Bootstrap, Verb::Create);
    denied.checks.push(Check::fail("kms:CreateKey", "denied", "ask for it"));
    let mut it = Try::at(Stage::Bootstrap, denied.clone());
    assert!(matches!(it.press(Intent::Next), Some(Effect::Look(Stage::Bootstrap, _))));
    let mut it = Try::at(Stage::Bootstrap, denied);
    assert!(matches!(it.press(Intent::Anyway), Some(Effect::Apply(..))));

    let mut gate = plan(Stage::GoLive, Verb::Update);
    gate.checks.push(Check::fail("gate", "403", "look again"));
    let mut it = Try::at(Stage::GoLive, gate);
    assert_eq!(it.wizard.offers(Intent::Anyway), Offer::Hidden, "nothing passes the gate");
    assert!(it.press(Intent::Anyway).is_none());
}

#[test]
fn a_stage_that_has_nothing_to_do_is_passed_on_the_way_forward_alone() {
    let it = Try::at(Stage::Secret, plan(Stage::Secret, Verb::Keep));
    assert_eq!(it.wizard.screen, Screen::Stage(Stage::Bootstrap));
    assert_eq!(it.wizard.leg(Stage::Secret).and_then(|leg| leg.end), Some(End::Unchanged));

    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    assert!(matches!(it.press(Intent::Back), Some(Effect::Look(Stage::Secret, _))));
    assert!(it.hear(News::Looked(Stage::Secret, Ok(Box::new(plan(Stage::Secret, Verb::Keep))))).is_none());
    assert_eq!(it.wizard.screen, Screen::Stage(Stage::Secret));
}

#[test]
fn every_consent_is_asked_for_and_no_is_no() {
    let mut it =
        Try::at(Stage::Bootstrap, asking(&[Consent::Adopt, Consent::ConfirmBucket, Consent::Managed]));
    assert!(it.press(Intent::Next).is_none());
    assert!(it.press(Intent::Next).is_none(), "Enter is no yes");
    assert!(it.press(Intent::No).is_none());
    assert_eq!(it.wizard.over, None);
    assert!(!it.wizard.answers.consents.adopt);

    it.press(Intent::Next);
    it.press(Intent::Yes);
    let named = |it: &mut Try, name: &str| {
        it.hear(News::Paste(name.to_owned()));
        it.press(Intent::Next)
    };
    assert!(named(&mut it, "acm").is_none());
    assert!(it.wizard.form.is_some(), "another name is refused");
    assert!(named(&mut it, "e").is_none());
    assert!(matches!(&it.wizard.over, Some(Over::Ask(ask)) if ask.consent == Consent::Managed));
    it.press(Intent::Move(Move::Down));
    let Some(Effect::Look(Stage::Bootstrap, answers)) = it.press(Intent::Next) else {
        panic!("what the answers change is shown before it is done")
    };
    assert!(answers.consents.adopt);
    assert_eq!(answers.consents.managed, Some(Managed::Write));
    assert_eq!(answers.consents.confirm_bucket.as_deref(), Some("acme"));
    it.hear(News::Looked(Stage::Bootstrap, Ok(Box::new(plan(Stage::Bootstrap, Verb::Create)))));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Apply(..))));
}

#[test]
fn an_interrupt_stops_what_runs_and_a_second_one_leaves() {
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    it.press(Intent::Next);
    it.hear(News::Event(Event::Started { stage: Stage::Bootstrap, step: Step::Role, text: String::new() }));
    assert!(matches!(it.hear(News::Key(Intent::Interrupt)), Some(Effect::Stop)));
    let Some(Effect::Leave(outcome)) = it.hear(News::Key(Intent::Interrupt)) else { panic!("it leaves") };
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].contains("role may be half done"), "{outcome:?}");

    let (mut it, _) = Try::begin(None);
    assert_eq!(left(it.hear(News::Key(Intent::Interrupt))), Some(130), "a look is left at once");
}

#[test]
fn leaving_asks_while_something_runs_and_waits_until_it_has_stopped() {
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    it.press(Intent::Next);
    assert!(it.press(Intent::Quit).is_none());
    assert_eq!(it.wizard.over, Some(Over::Quit));
    it.press(Intent::No);
    assert_eq!((it.wizard.over.as_ref(), it.wizard.applying()), (None, Some(Stage::Bootstrap)));
    it.press(Intent::Quit);
    assert!(matches!(it.press(Intent::Yes), Some(Effect::Stop)));
    assert_eq!(left(it.end(Stage::Bootstrap, End::Stopped)), Some(130));
    let (mut it, _) = Try::begin(None);
    assert_eq!(left(it.press(Intent::Quit)), Some(0));
}

#[test]
fn a_reindex_that_runs_is_stopped_in_order_to_be_skipped() {
    let mut it = Try::at(Stage::Reindex, plan(Stage::Reindex, Verb::Update));
    it.press(Intent::Next);
    assert!(matches!(it.press(Intent::Pause), Some(Effect::Pause(true))));
    assert!(matches!(it.press(Intent::Pause), Some(Effect::Pause(false))));
    assert!(matches!(it.press(Intent::Skip), Some(Effect::Stop)));
    let Some(Effect::Look(Stage::Secret, answers)) = it.end(Stage::Reindex, End::Stopped) else {
        panic!("the next stage follows")
    };
    assert!(answers.reindex.skip);
}

#[test]
fn news_of_what_nobody_waits_for_any_more_are_not_heard() {
    let (mut it, _) = Try::begin(None);
    it.press(Intent::Disable);
    it.hear(News::Welcome(Ok(Box::new(welcome()))));
    assert!(it.wizard.welcome.there().is_none());
    it.hear(News::Looked(Stage::Secret, Ok(Box::new(plan(Stage::Secret, Verb::Create)))));
    assert!(it.wizard.leg(Stage::Secret).is_none_or(|leg| leg.plan.is_none()));
    assert_eq!(it.wizard.busy.map(|busy| busy.doing), Some(Doing::Look(Stage::Disable)));
}

#[test]
fn time_passes_only_while_something_moves() {
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    assert!(!it.wizard.moves());
    it.press(Intent::Next);
    assert!(it.wizard.moves());
    it.end(Stage::Bootstrap, End::Applied);
    assert!(!it.wizard.moves());
}

#[test]
fn events_fold_into_lines() {
    let stage = Stage::Bootstrap;
    let step = Step::Key;
    let second = Duration::from_secs;
    let mut leg = Leg::default();
    leg.fold(second(1), &Event::Started { stage, step, text: "begins".to_owned() });
    leg.fold(second(2), &Event::Progress { stage, step, text: "waits".to_owned(), pace: None });
    let line = leg.line(step).expect("it began");
    assert_eq!((&line.state, line.text.as_str(), line.took), (&LineState::Running, "waits", None));
    leg.fold(second(4), &Event::Finished { stage, step, text: "made".to_owned() });
    let line = leg.line(step).expect("it began");
    assert_eq!((&line.state, line.text.as_str(), line.took), (&LineState::Done, "made", Some(second(3))));
    let failure = Failure::new(Kind::Drifted, "key", "moved", "look again");
    leg.fold(second(5), &Event::Failed { stage, step: Step::Role, failure: failure.clone() });
    leg.fold(second(5), &Event::Ended { stage, step: None, end: End::Failed, text: String::new() });
    assert!(leg.drifted());
    assert_eq!(leg.failed(), Some(&failure));
    for verdict in [Check::unknown("clock", "?"), Check::pass("clock", "right")] {
        leg.fold(second(6), &Event::Check { stage, check: verdict });
    }
    assert_eq!(leg.all_checks().len(), 1, "the later result of a name takes the place of the earlier");
}

#[test]
fn keys_are_pasted_by_name_and_never_printed() {
    for text in [
        "export AWS_ACCESS_KEY_ID=AKIA1\nexport AWS_SECRET_ACCESS_KEY=s3cr+t/=\nexport AWS_SESSION_TOKEN=tok",
        "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cr+t/=\naws_session_token = tok",
        "{\"AccessKeyId\": \"AKIA1\",\n \"SecretAccessKey\": \"s3cr+t/=\",\n \"SessionToken\": \"tok\"}",
    ] {
        let mut form = Form::new(Purpose::Keys);
        form.paste(text);
        let keys = form.keys();
        assert_eq!(keys.access_key_id, "AKIA1", "{text}");
        assert_eq!(keys.secret_access_key.expose(), "s3cr+t/=", "{text}");
        assert_eq!(
            keys.session_token.as_ref().map(crate::model::secret::Secret::expose),
            Some("tok"),
            "{text}"
        );
        let printed = format!("{form:?} {keys:?}");
        assert!(!printed.contains("s3cr") && !printed.contains("tok\""), "{printed}");
        assert!(form.complete());
    }
    let mut form = Form::new(Purpose::Keys);
    form.paste("AKIA1");
    assert!(!form.complete());
    assert_eq!((form.focus, form.fields[1].complaint), (1, Some("is still empty")));
}

#[test]
fn disabling_leads_back_to_where_it_was_asked_for() {
    let mut it = Try::at(Stage::Bootstrap, plan(Stage::Bootstrap, Verb::Create));
    assert!(matches!(it.press(Intent::Disable), Some(Effect::Look(Stage::Disable, _))));
    assert!(matches!(it.press(Intent::Back), Some(Effect::Look(Stage::Bootstrap, _))));
    it.press(Intent::Disable);
    it.hear(News::Looked(Stage::Disable, Ok(Box::new(plan(Stage::Disable, Verb::Update)))));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Apply(..))));
    it.end(Stage::Disable, End::Applied);
    assert!(matches!(it.press(Intent::Next), Some(Effect::Welcome(_))), "all is looked at anew");
}

/// A reindex that was begun on its screen, and the stage after it, to which `g` went ahead.
fn gone_ahead() -> Try {
    let mut it = Try::at(Stage::Reindex, plan(Stage::Reindex, Verb::Update));
    assert_eq!(it.wizard.offers(Intent::Ahead), Offer::Hidden, "nothing runs yet");
    it.press(Intent::Next);
    let Some(Effect::LookBeside(Stage::Secret, _)) = it.press(Intent::Ahead) else {
        panic!("the next stage is looked at")
    };
    it.hear(News::Looked(Stage::Secret, Ok(Box::new(plan(Stage::Secret, Verb::Create)))));
    it
}

/// At go-live's screen, the reindex still running beside it.
fn waiting() -> Try {
    let mut it = gone_ahead();
    it.wizard.enter(Stage::GoLive, true);
    it.hear(News::Looked(Stage::GoLive, Ok(Box::new(plan(Stage::GoLive, Verb::Update)))));
    it
}

#[test]
fn a_reindex_runs_on_while_the_later_stages_go_ahead() {
    let mut it = gone_ahead();
    assert_eq!((it.wizard.applying(), it.wizard.running()), (None, Some(Stage::Reindex)));
    assert!(it.wizard.moves());
    assert!(matches!(it.press(Intent::Next), Some(Effect::Apply(plan, _)) if plan.stage == Stage::Secret));
    it.hear(News::Event(Event::Started { stage: Stage::Reindex, step: Step::Objects, text: "goes".into() }));
    assert!(it.wizard.leg(Stage::Reindex).and_then(|leg| leg.line(Step::Objects)).is_some(), "it is heard");
    assert_eq!(it.wizard.applying(), Some(Stage::Secret));
    it.end(Stage::Secret, End::Applied);
    assert_eq!(it.wizard.running(), Some(Stage::Reindex));

    assert!(matches!(it.press(Intent::Back), Some(Effect::BringBack)));
    assert_eq!(it.wizard.applying(), Some(Stage::Reindex));
    assert!(matches!(it.press(Intent::Pause), Some(Effect::Pause(true))));
    assert!(matches!(it.press(Intent::Ahead), Some(Effect::LookBeside(Stage::Secret, _))));
    assert!(it.wizard.beside.is_some_and(|beside| beside.paused), "it stays paused");
    assert!(it.end(Stage::Reindex, End::Applied).is_none());
    assert_eq!(it.wizard.running(), None);
    assert!(it.wizard.notice.as_ref().is_some_and(|notice| notice.contains("done")));
}

#[test]
fn only_going_live_waits_for_the_reindex_or_for_a_knowing_skip() {
    let mut it = waiting();
    assert_eq!(it.wizard.onward_from(Stage::GoLive), Onward::Reindex);
    assert_eq!(it.wizard.offers(Intent::Anyway), Offer::Hidden);
    let Some(Effect::Look(Stage::GoLive, _)) = it.end(Stage::Reindex, End::Applied) else {
        panic!("it looks again by itself")
    };
    it.hear(News::Looked(Stage::GoLive, Ok(Box::new(plan(Stage::GoLive, Verb::Update)))));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Apply(..))));

    for end in [End::Failed, End::Stopped] {
        let mut it = waiting();
        it.end(Stage::Reindex, end);
        it.hear(News::Looked(Stage::GoLive, Ok(Box::new(plan(Stage::GoLive, Verb::Update)))));
        assert_eq!(it.wizard.onward_from(Stage::GoLive), Onward::Reindex, "{end:?}");
        let Some(Effect::Look(Stage::GoLive, answers)) = it.press(Intent::Skip) else {
            panic!("skipped, it is looked at again")
        };
        assert!(answers.reindex.skip);
        it.hear(News::Looked(Stage::GoLive, Ok(Box::new(plan(Stage::GoLive, Verb::Update)))));
        assert_eq!(it.wizard.onward_from(Stage::GoLive), Onward::Apply);
    }
    let mut it = waiting();
    assert!(matches!(it.press(Intent::Skip), Some(Effect::Stop)), "what runs is stopped first");
    let Some(Effect::Look(Stage::GoLive, answers)) = it.end(Stage::Reindex, End::Stopped) else {
        panic!("then go-live is looked at again")
    };
    assert!(answers.reindex.skip);

    let mut it = waiting();
    assert!(matches!(it.press(Intent::Next), Some(Effect::BringBack)), "Enter shows it");
    it.end(Stage::Reindex, End::Stopped);
    assert_eq!(it.wizard.offers(Intent::Anyway), Offer::Hidden, "passing it by is to skip it");
}

#[test]
fn leaving_waits_for_what_runs_beside_too() {
    let mut it = gone_ahead();
    assert!(it.press(Intent::Quit).is_none());
    assert_eq!(it.wizard.over, Some(Over::Quit));
    assert!(matches!(it.press(Intent::Yes), Some(Effect::Stop)));
    assert_eq!(left(it.end(Stage::Reindex, End::Stopped)), Some(130));

    let mut it = gone_ahead();
    it.press(Intent::Next);
    it.press(Intent::Quit);
    it.press(Intent::Yes);
    assert_eq!(left(it.end(Stage::Secret, End::Stopped)), None, "the reindex hasn't stopped yet");
    assert_eq!(left(it.end(Stage::Reindex, End::Stopped)), Some(130));

    let mut it = gone_ahead();
    assert!(matches!(it.hear(News::Key(Intent::Interrupt)), Some(Effect::Stop)));
    let Some(Effect::Leave(outcome)) = it.hear(News::Key(Intent::Interrupt)) else { panic!("it leaves") };
    assert!(outcome.last_words[0].contains("goes on where it was"), "{outcome:?}");

    let mut it = gone_ahead();
    assert!(matches!(it.hear(News::Hangup), Some(Effect::Stop)));
    assert_eq!(left(it.end(Stage::Reindex, End::Stopped)), Some(130));
}

#[test]
fn switching_off_is_possible_while_a_reindex_runs_on() {
    let mut it = gone_ahead();
    assert!(matches!(it.press(Intent::Disable), Some(Effect::Look(Stage::Disable, _))));
    it.hear(News::Looked(Stage::Disable, Ok(Box::new(plan(Stage::Disable, Verb::Update)))));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Apply(..))));
    it.end(Stage::Disable, End::Applied);
    assert_eq!(it.wizard.running(), Some(Stage::Reindex));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Welcome(_))));
    assert!(it.wizard.leg(Stage::Reindex).is_some(), "what runs is still told of");
}

#[test]
fn what_is_wanted_can_be_typed_wherever_the_screen_is_and_no_longer_than_it_is_wanted() {
    let (stage, step) = (Stage::Reindex, Step::Objects);
    let waiting = |wants: Wants| {
        let failure = Failure::new(Kind::Credentials, "profile ops", "the session is over", "type a code");
        News::Event(Event::Waiting { stage, step, text: String::new(), failure, wants })
    };
    let going = || News::Event(Event::Started { stage, step, text: String::new() });
    let mut it = Try::at(stage, plan(stage, Verb::Update));
    it.press(Intent::Next);
    it.hear(going());
    assert_eq!(it.wizard.offers(Intent::Credentials), Offer::Hidden);
    it.hear(waiting(Wants::Renewal));
    assert_eq!(it.wizard.offers(Intent::Credentials), Offer::Hidden, "nothing is to be typed");
    it.hear(waiting(Wants::Code("mfa/jo".to_owned())));
    assert_eq!(it.wizard.offers(Intent::Pause), Offer::Hidden, "it stands already");
    it.press(Intent::Ahead);
    assert_eq!(it.wizard.screen, Screen::Stage(Stage::Secret));
    assert_eq!(it.wizard.offers(Intent::Credentials), Offer::As("type the code"));
    it.press(Intent::Credentials);
    assert_eq!(it.wizard.mode(), Mode::Text);
    it.hear(News::Paste("12 34-5a6".to_owned()));
    let effect = it.press(Intent::Next);
    let Some(Effect::Renew(Credentials::Code { code, .. })) = effect else { panic!("{effect:?}") };
    assert_eq!(code.expose(), "123456");
    assert!(it.wizard.form.is_none() && it.wizard.beside.is_some());
    // Another code is asked for, and the run ends meanwhile: nobody asks any more.
    it.press(Intent::Credentials);
    assert!(it.wizard.form.is_some());
    it.end(stage, End::Stopped);
    assert!(it.wizard.form.is_none());
    assert_eq!(it.wizard.offers(Intent::Credentials), Offer::Hidden);
}

#[test]
fn keys_that_aws_does_not_know_lead_nowhere() {
    let (mut it, _) = Try::begin(None);
    it.hear(News::Welcome(Ok(Box::new(welcome()))));
    it.press(Intent::Next);
    it.press(Intent::Move(Move::End));
    it.press(Intent::Next);
    it.hear(News::Paste("aws_access_key_id=AKIA1\naws_secret_access_key=s".to_owned()));
    assert!(matches!(it.press(Intent::Next), Some(Effect::Identify(Credentials::Keys(_), _))));
    let mut nobody = welcome().identities.remove(0);
    (nobody.arn, nobody.account) = (String::new(), String::new());
    nobody.suffices = Check::fail("identity", "AWS doesn't accept the credentials", "check the access key");
    it.hear(News::Identified(Ok(nobody)));
    assert_eq!((it.wizard.screen, &it.wizard.answers.source), (Screen::Identity, &None));
    let notice = it.wizard.notice.clone().unwrap();
    assert!(notice.contains("doesn't accept") && notice.contains("check the access key"), "{notice}");
}
