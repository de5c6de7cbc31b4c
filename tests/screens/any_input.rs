//! Whatever is typed, pasted and heard, in whatever order, on a screen of any size: nothing panics, and what may not be asked for isn't.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::run::{
        answers::Answers,
        check::Check,
        event::{End, Event, Pace, Wants},
        failure::{Failure, Kind},
        goal::{Goal, Stage, Step},
        plan::{Ask, Consent},
    },
    tui::{draw, theme::Theme},
    wizard::{
        Beginning, Effect, Msg, News, Wizard,
        intent::{Intent, Move},
    },
};
use ratatui::{Terminal, backend::TestBackend};
use tui_input::InputRequest;

use crate::scripted::{self, Script};

const INTENTS: [Intent; 32] = [
    Intent::Back,
    Intent::Again,
    Intent::Skip,
    Intent::Pause,
    Intent::Ahead,
    Intent::Disable,
    Intent::Log,
    Intent::Explain,
    Intent::Copy,
    Intent::Anyway,
    Intent::Why,
    Intent::Vendor,
    Intent::Whole,
    Intent::Probe,
    Intent::Credentials,
    Intent::Yes,
    Intent::No,
    Intent::Help,
    Intent::Quit,
    Intent::Interrupt,
    Intent::NextField,
    Intent::PreviousField,
    Intent::Move(Move::Up),
    Intent::Move(Move::Down),
    Intent::Move(Move::PageUp),
    Intent::Move(Move::PageDown),
    Intent::Move(Move::Home),
    Intent::Move(Move::End),
    Intent::Edit(InputRequest::InsertChar('ü')),
    Intent::Edit(InputRequest::InsertChar('日')),
    Intent::Edit(InputRequest::DeletePrevWord),
    Intent::Edit(InputRequest::GoToPrevChar),
];

const STAGES: [Stage; 11] = [
    Stage::Access,
    Stage::Overview,
    Stage::Reindex,
    Stage::Secret,
    Stage::Bootstrap,
    Stage::Distribution,
    Stage::Configuration,
    Stage::GoLive,
    Stage::Verify,
    Stage::Disable,
    Stage::RollBack,
];

fn text(random: &mut fastrand::Rng) -> String {
    const TEXTS: [&str; 6] = [
        "",
        "short",
        "日本語のとても長い説明がここにあります",
        "arn:aws:iam::123456789012:role/very-long-path/without-a-space/packagecloud_cloudfront_auth",
        "\u{1b}[31mred\u{7} and\ttabs\nand lines",
        "a reason of some length that has to be wrapped on nearly every screen that there is",
    ];
    TEXTS[random.usize(..TEXTS.len())].to_owned()
}

/// News that fit what the wizard waits for, and now and then some that don't.
fn news(random: &mut fastrand::Rng, waits: Option<&Effect>, waiting: bool) -> News {
    let stage = match waits {
        Some(Effect::Look(stage, _) | Effect::LookBeside(stage, _)) => *stage,
        Some(Effect::Apply(plan, _)) => plan.stage,
        _ => STAGES[random.usize(..STAGES.len())],
    };
    let failure = Failure::new(
        [Kind::Drifted, Kind::Denied, Kind::Other][random.usize(..3)],
        text(random),
        text(random),
        text(random),
    );
    // what is waited for comes more often than not, so that the inputs get somewhere
    let likely = match waits {
        Some(Effect::Welcome(_)) => 14,
        Some(Effect::Look(..) | Effect::LookBeside(..)) => 17,
        Some(Effect::Apply(..)) => random.u8(19..24),
        _ => 0,
    };
    let kind = if waiting && random.u8(..3) > 0 { likely } else { random.u8(..24) };
    match kind {
        0..6 => News::Key(Intent::Next),
        6..10 => News::Key(INTENTS[random.usize(..INTENTS.len())]),
        10 => News::Paste(text(random)),
        11 => News::Tick,
        12 => News::Resize,
        13 if random.u8(..20) == 0 => News::Hangup,
        13 | 14 => {
            News::Welcome(if random.u8(..6) == 0 { Err(failure) } else { Ok(Box::new(scripted::welcome())) })
        }
        15 => News::Identified(Err(failure)),
        16 if random.bool() => News::Looked(stage, Err(failure)),
        16..19 => {
            let mut plan = scripted::look(&mut Script::default(), stage, &Answers::default());
            if random.u8(..4) == 0 {
                plan.checks.push(Check::fail(text(random), text(random), text(random)));
            }
            for consent in [Consent::Adopt, Consent::Managed, Consent::ConfirmBucket] {
                if random.u8(..4) == 0 {
                    plan.asks.push(Ask { consent, question: text(random) });
                }
            }
            News::Looked(stage, Ok(Box::new(plan)))
        }
        19 if random.bool() => {
            let wants = [Wants::Renewal, Wants::Code(text(random)), Wants::Keys];
            let wants = wants[random.usize(..3)].clone();
            News::Event(Event::Waiting { stage, step: Step::Role, text: text(random), failure, wants })
        }
        19 => News::Event(Event::Started { stage, step: Step::Role, text: text(random) }),
        20 => {
            let pace = Pace {
                done: Some(random.u64(..)),
                total: Some(random.u64(..)),
                per_second: Some(random.f64() * 1e9),
                seconds_left: Some(random.u64(..)),
                bytes: Some(random.u64(..)),
                cost: Some(random.f64()),
                ..Pace::default()
            };
            News::Event(Event::Progress { stage, step: Step::Objects, text: text(random), pace: Some(pace) })
        }
        21 => News::Event(Event::Failed { stage, step: Step::Role, failure }),
        22 => News::Copied(Err(failure)),
        _ => {
            let end = [End::Applied, End::Unchanged, End::Stopped, End::Failed][random.usize(..4)];
            News::Event(Event::Ended { stage, step: None, end, text: text(random) })
        }
    }
}

#[test]
fn nothing_panics_and_nothing_is_applied_that_was_not_shown() {
    let mut applied = 0;
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let goal =
            [None, Some(Goal::Upgrade), Some(Goal::Install), Some(Goal::Disable), Some(Goal::RollBack)]
                [random.usize(..5)];
        let mut wizard = Wizard::new(Beginning { goal, ..Beginning::default() });
        let theme = Theme::new(random.bool());
        let mut at = Duration::ZERO;
        let mut waits = wizard.update(Msg { at, news: News::Start });
        for _ in 0..60 {
            at += Duration::from_millis(random.u64(..800));
            let news = news(&mut random, waits.as_ref(), wizard.busy.is_some());
            let reached = wizard.settled();
            let consents = matches!(news, News::Key(_));
            let stood = wizard.stood;
            let effect = wizard.update(Msg { at, news });
            if let Some(Effect::Apply(plan, answers)) = &effect {
                applied += 1;
                let settled = at.saturating_sub(stood) >= Duration::from_millis(300) || reached;
                // verifying reads only: it begins by itself
                assert!(plan.stage == Stage::Verify || consents && settled, "seed {seed}");
                for ask in &plan.asks {
                    let bucket = answers.bucket.as_deref().unwrap_or_default();
                    assert!(answers.consents.given(ask.consent, bucket), "seed {seed}: {:?}", ask.consent);
                }
            }
            if matches!(effect, Some(Effect::Leave(_))) {
                break;
            }
            waits = effect.or(waits);
            // most news come while nothing is drawn between them
            if random.u8(..4) > 0 {
                continue;
            }
            let (width, height) = (random.u16(1..=200), random.u16(1..=60));
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let mut extent = wizard.extent;
            terminal.draw(|frame| extent = draw::draw(frame, &wizard, &theme)).unwrap();
            wizard.update(Msg { at, news: News::Drawn(extent) });
        }
    }
    assert!(applied > 20, "the inputs reach what they are to test: {applied}");
}

#[test]
fn every_size_from_one_column_is_drawn_with_the_longest_of_screens() {
    let theme = Theme::new(true);
    let mut wizard = Wizard::new(Beginning { sandbox: true, ..Beginning::default() });
    wizard.update(Msg { at: Duration::ZERO, news: News::Start });
    wizard.update(Msg { at: Duration::ZERO, news: News::Welcome(Ok(Box::new(scripted::welcome()))) });
    wizard.update(Msg { at: Duration::from_secs(1), news: News::Key(Intent::Next) });
    wizard.update(Msg { at: Duration::from_secs(2), news: News::Key(Intent::Move(Move::End)) });
    wizard.update(Msg { at: Duration::from_secs(3), news: News::Key(Intent::Next) });
    assert!(wizard.form.is_some(), "the form is the screen with a cursor and something pinned");
    for width in (1..=66).chain([87, 88, 89, 119, 120, 121, 200]) {
        for height in [1, 2, 9, 10, 18, 36, 60] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| _ = draw::draw(frame, &wizard, &theme)).unwrap();
        }
    }
}
