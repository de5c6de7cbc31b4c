//! Whatever is typed, pasted and heard, in whatever order, on a screen of any size: nothing panics, and what may not be asked for isn't.

use std::time::Duration;

use packagecloud_cloudfront::{
    model::{
        display_text::is_display_control,
        failure::{Failure, FailureKind},
        run::{
            answers::OperatorAnswers,
            check::CheckResult,
            event::{CredentialRenewalNeed, ProgressStats, StageEnd, StageEvent},
            goal::{OperatorGoal, RunStage, StageStep},
            plan::{PlanConfirmationQuestion, RequiredConsent},
            welcome::WelcomeFindings,
        },
    },
    tui::{draw, theme::Theme},
    wizard::{
        TimedInput, Wizard, WizardEffect, WizardInput, WizardStartOptions,
        intent::{CursorMove, UserIntent},
    },
};
use ratatui::{Terminal, backend::TestBackend};
use tui_input::InputRequest;

use crate::scripted::{self, EngineScript};

const ALL_INTENTS: [UserIntent; 44] = [
    UserIntent::Open,
    UserIntent::Stepwise,
    UserIntent::Next,
    UserIntent::TakeOver,
    UserIntent::Back,
    UserIntent::Again,
    UserIntent::Skip,
    UserIntent::Pause,
    UserIntent::Ahead,
    UserIntent::Disable,
    UserIntent::Log,
    UserIntent::Explain,
    UserIntent::Copy,
    UserIntent::Anyway,
    UserIntent::Diagnose403,
    UserIntent::ToggleVendorReindex,
    UserIntent::ToggleWholeFile,
    UserIntent::Probe,
    UserIntent::Credentials,
    UserIntent::Yes,
    UserIntent::No,
    UserIntent::Help,
    UserIntent::Quit,
    UserIntent::Interrupt,
    UserIntent::Suspend,
    UserIntent::Redraw,
    UserIntent::NextField,
    UserIntent::PreviousField,
    UserIntent::Move(CursorMove::Up),
    UserIntent::Move(CursorMove::Down),
    UserIntent::Move(CursorMove::PageUp),
    UserIntent::Move(CursorMove::PageDown),
    UserIntent::Move(CursorMove::Home),
    UserIntent::Move(CursorMove::End),
    UserIntent::Move(CursorMove::ScrollUp),
    UserIntent::Move(CursorMove::ScrollDown),
    UserIntent::Choose(3),
    UserIntent::Find,
    UserIntent::FindNext,
    UserIntent::FindPrevious,
    UserIntent::Edit(InputRequest::InsertChar('ü')),
    UserIntent::Edit(InputRequest::InsertChar('日')),
    UserIntent::Edit(InputRequest::DeletePrevWord),
    UserIntent::Edit(InputRequest::GoToPrevChar),
];

const ALL_STAGES: [RunStage; 13] = [
    RunStage::Access,
    RunStage::Overview,
    RunStage::Reindex,
    RunStage::Secret,
    RunStage::Bootstrap,
    RunStage::Distribution,
    RunStage::Configuration,
    RunStage::GoLive,
    RunStage::Verify,
    RunStage::Disable,
    RunStage::RollBack,
    RunStage::Rotate,
    RunStage::Invalidate,
];

fn random_text(random: &mut fastrand::Rng) -> String {
    const SAMPLE_TEXTS: [&str; 6] = [
        "",
        "short",
        "日本語のとても長い説明がここにあります",
        "arn:aws:iam::123456789012:role/very-long-path/without-a-space/packagecloud_cloudfront_auth",
        "\u{1b}[31mred\u{7} and\ttabs\nand lines gpj.\u{202e}exe\u{200f}\u{9b}2J",
        "a reason of some length that has to be wrapped on nearly every screen that there is",
    ];
    SAMPLE_TEXTS[random.usize(..SAMPLE_TEXTS.len())].to_owned()
}

/// News that fit what the wizard waits for, and now and then some that don't.
fn random_input(random: &mut fastrand::Rng, waits: Option<&WizardEffect>, waiting: bool) -> WizardInput {
    let stage = match waits {
        Some(WizardEffect::Look(stage, _) | WizardEffect::LookWhileJobRuns(stage, _)) => *stage,
        Some(WizardEffect::Apply(plan, _)) => plan.run_stage_of_plan(),
        _ => ALL_STAGES[random.usize(..ALL_STAGES.len())],
    };
    let failure = Failure::new(
        [FailureKind::Drifted, FailureKind::Denied, FailureKind::Other][random.usize(..3)],
        random_text(random),
        random_text(random),
        random_text(random),
    );
    // what is waited for comes more often than not, so that the inputs get somewhere
    let likely = match waits {
        Some(WizardEffect::Welcome(_)) => 14,
        Some(WizardEffect::Look(..) | WizardEffect::LookWhileJobRuns(..)) => 17,
        Some(WizardEffect::Apply(..)) => random.u8(19..24),
        _ => 0,
    };
    let kind = if waiting && random.u8(..3) > 0 { likely } else { random.u8(..24) };
    match kind {
        0..6 => WizardInput::Key(UserIntent::Next),
        6..10 => WizardInput::Key(ALL_INTENTS[random.usize(..ALL_INTENTS.len())]),
        10 => WizardInput::Paste(random_text(random)),
        11 => WizardInput::Tick,
        12 => {
            if random.bool() {
                WizardInput::Resize
            } else {
                WizardInput::Resumed
            }
        }
        13 if random.u8(..20) == 0 => WizardInput::Hangup,
        13 | 14 => WizardInput::Welcome(if random.u8(..6) == 0 {
            Err(failure)
        } else {
            Ok(Box::new(scripted::scripted_welcome()))
        }),
        15 => WizardInput::Identified(Err(failure)),
        16 if random.bool() => WizardInput::Looked(stage, Err(failure)),
        16..19 => {
            let mut plan =
                scripted::scripted_plan(&mut EngineScript::default(), stage, &OperatorAnswers::default());
            if random.u8(..4) == 0 {
                plan.checks.push(CheckResult::new_failed_check(
                    random_text(random),
                    random_text(random),
                    random_text(random),
                ));
            }
            for consent in [RequiredConsent::Adopt, RequiredConsent::Managed, RequiredConsent::ConfirmBucket]
            {
                if random.u8(..4) == 0 {
                    plan.confirmations
                        .push(PlanConfirmationQuestion { consent, question: random_text(random) });
                }
            }
            WizardInput::Looked(stage, Ok(Box::new(plan)))
        }
        19 if random.bool() => {
            let wants = [
                CredentialRenewalNeed::Renewal,
                CredentialRenewalNeed::Code(random_text(random)),
                CredentialRenewalNeed::Keys,
            ];
            let wants = wants[random.usize(..3)].clone();
            WizardInput::Event(StageEvent::Waiting {
                stage,
                step: StageStep::Role,
                text: random_text(random),
                failure,
                wants,
            })
        }
        19 => WizardInput::Event(StageEvent::Started {
            stage,
            step: StageStep::Role,
            text: random_text(random),
        }),
        20 => {
            let pace = ProgressStats {
                done: Some(random.u64(..)),
                total: Some(random.u64(..)),
                per_second: Some(random.f64() * 1e9),
                seconds_left: Some(random.u64(..)),
                bytes: Some(random.u64(..)),
                cost: Some(random.f64()),
                ..ProgressStats::default()
            };
            WizardInput::Event(StageEvent::Progress {
                stage,
                step: StageStep::Objects,
                text: random_text(random),
                pace: Some(pace),
            })
        }
        21 => WizardInput::Event(StageEvent::Failed { stage, step: StageStep::Role, failure }),
        22 => WizardInput::Copied(Err(failure)),
        _ => {
            let end = [StageEnd::Applied, StageEnd::Unchanged, StageEnd::Stopped, StageEnd::Failed]
                [random.usize(..4)];
            WizardInput::Event(StageEvent::Ended { stage, step: None, end, text: random_text(random) })
        }
    }
}

#[test]
fn nothing_panics_and_nothing_is_applied_that_was_not_shown() {
    let mut applied = 0;
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let goal = [
            None,
            Some(OperatorGoal::Upgrade),
            Some(OperatorGoal::Install),
            Some(OperatorGoal::Disable),
            Some(OperatorGoal::RollBack),
        ][random.usize(..5)];
        let mut wizard = Wizard::new(WizardStartOptions { goal, ..WizardStartOptions::default() });
        let theme = Theme::new(random.bool());
        let mut at = Duration::ZERO;
        let mut waits = wizard.update_wizard(TimedInput { at, input: WizardInput::Start });
        for _ in 0..60 {
            at += Duration::from_millis(random.u64(..800));
            let news = random_input(&mut random, waits.as_ref(), wizard.busy.is_some());
            let reached = wizard.has_consent_delay_passed();
            let consents = matches!(news, WizardInput::Key(_));
            // By the one consent of the overview stages run after each other: what it covers, the wizard's own tests hold.
            let is_covered = wizard.has_plan_consent();
            let stood = wizard.shown_at;
            let effect = wizard.update_wizard(TimedInput { at, input: news });
            if let Some(WizardEffect::Apply(plan, answers)) = &effect {
                applied += 1;
                let settled = at.saturating_sub(stood) >= Duration::from_millis(300) || reached;
                // verifying reads only: it begins by itself
                let stage = plan.run_stage_of_plan();
                assert!(
                    stage == RunStage::Verify
                        || consents && settled
                        || is_covered && stage < RunStage::GoLive,
                    "seed {seed}: {stage:?}"
                );
                for ask in &plan.confirmations {
                    let bucket = answers.bucket.as_deref().unwrap_or_default();
                    assert!(
                        answers.consents.has_consent(ask.consent, bucket),
                        "seed {seed}: {:?}",
                        ask.consent
                    );
                }
            }
            if matches!(effect, Some(WizardEffect::Leave(_))) {
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
            terminal.draw(|frame| extent = draw::draw_wizard(frame, &wizard, &theme)).unwrap();
            let mut letters =
                terminal.backend().buffer().content.iter().flat_map(|cell| cell.symbol().chars());
            assert!(!letters.any(is_display_control), "seed {seed}");
            wizard.update_wizard(TimedInput { at, input: WizardInput::Drawn(extent) });
        }
    }
    assert!(applied > 20, "the inputs reach what they are to test: {applied}");
}

#[test]
fn every_size_from_one_column_is_drawn_with_the_longest_of_screens() {
    let theme = Theme::new(true);
    let mut wizard = Wizard::new(WizardStartOptions { sandbox: true, ..WizardStartOptions::default() });
    wizard.update_wizard(TimedInput { at: Duration::ZERO, input: WizardInput::Start });
    wizard.update_wizard(TimedInput {
        at: Duration::ZERO,
        input: WizardInput::Welcome(Ok(Box::new(WelcomeFindings {
            identities: Vec::new(),
            ..scripted::scripted_welcome()
        }))),
    });
    wizard
        .update_wizard(TimedInput { at: Duration::from_secs(1), input: WizardInput::Key(UserIntent::Next) });
    wizard.update_wizard(TimedInput {
        at: Duration::from_secs(2),
        input: WizardInput::Key(UserIntent::Move(CursorMove::End)),
    });
    wizard
        .update_wizard(TimedInput { at: Duration::from_secs(3), input: WizardInput::Key(UserIntent::Next) });
    assert!(wizard.form.is_some(), "the form is the screen with a cursor and something pinned");
    for width in (1..=66).chain([87, 88, 89, 119, 120, 121, 200]) {
        for height in [1, 2, 9, 10, 18, 36, 60] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| _ = draw::draw_wizard(frame, &wizard, &theme)).unwrap();
        }
    }
}
