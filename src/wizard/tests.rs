//! The wizard as tables: what it takes, and what comes of it.

mod another;
mod home;
mod plan_consent;

use std::time::Duration;

use super::{
    CredentialInput, ScrollExtent, TimedInput, Wizard, WizardEffect, WizardInput, WizardJobKind,
    WizardStartOptions,
    form::{FormPurpose, InputForm},
    intent::{CursorMove, UserIntent, UserIntentAvailability, WizardInputMode},
    log::{StageProgress, StageStepState},
    navigation::EnterKeyAction,
    screen::{ScreenOverlay, WizardScreen},
};
use crate::model::{
    aws::evidence::StageEvidence,
    failure::{Failure, FailureKind},
    run::{
        answers::ManagedConfigWriteChoice,
        check::CheckResult,
        event::{CredentialRenewalNeed, StageEnd, StageEvent},
        goal::{OperatorGoal, RunStage, StageStep},
        plan::{PlanConfirmationQuestion, RequiredConsent, ResourceChangeKind, StagePlan},
        welcome::{AwsIdentitySource, FoundAwsIdentity, FoundBucket, WelcomeFindings},
    },
};

/// A wizard, and the clock that its inputs are stamped by.
struct WizardHarness {
    wizard: Wizard,
    at: Duration,
}

impl WizardHarness {
    fn start_with_goal(goal: Option<OperatorGoal>) -> (Self, Option<WizardEffect>) {
        let mut it = Self {
            wizard: Wizard::new(WizardStartOptions { goal, ..WizardStartOptions::default() }),
            at: Duration::ZERO,
        };
        let effect = it.send_input(WizardInput::Start);
        (it, effect)
    }

    /// On this stage's screen, the plan just shown.
    fn at_stage(stage: RunStage, plan: StagePlan) -> Self {
        let (mut it, _) = Self::start_with_goal(None);
        it.send_input(WizardInput::Welcome(Ok(Box::new(sample_welcome()))));
        it.wizard.answers.goal = Some(OperatorGoal::Upgrade);
        it.wizard.answers.bucket = Some("acme".to_owned());
        it.wizard.show_and_plan_stage(stage, true);
        it.send_input(WizardInput::Looked(stage, Ok(Box::new(plan))));
        it
    }

    fn send_input(&mut self, input: WizardInput) -> Option<WizardEffect> {
        self.wizard.update_wizard(TimedInput { at: self.at, input })
    }

    /// Presses a key once the screen has settled.
    fn press_key(&mut self, intent: UserIntent) -> Option<WizardEffect> {
        self.at += Duration::from_millis(300);
        self.send_input(WizardInput::Key(intent))
    }

    fn end_stage(&mut self, stage: RunStage, end: StageEnd) -> Option<WizardEffect> {
        self.send_input(WizardInput::Event(StageEvent::Ended { stage, step: None, end, text: String::new() }))
    }
}

fn sample_welcome() -> WelcomeFindings {
    WelcomeFindings {
        identities: vec![FoundAwsIdentity {
            source: AwsIdentitySource::Profile("work".to_owned()),
            found: "profile work".to_owned(),
            arn: "arn:aws:iam::1:user/ops".to_owned(),
            account: "1".to_owned(),
            device: None,
            suffices: CheckResult::new_passed_check("permissions", "all"),
        }],
        buckets: vec![FoundBucket {
            name: "acme".to_owned(),
            region: "eu-central-1".to_owned(),
            found: "in packagecloud.rb".to_owned(),
            sampled: Some((9, 9)),
        }],
        goal: Some((OperatorGoal::Upgrade, "there are objects".to_owned())),
        ..WelcomeFindings::default()
    }
}

/// The evidence of a stage, with nothing in it.
fn empty_evidence(stage: RunStage) -> StageEvidence {
    match stage {
        RunStage::Access => StageEvidence::Access,
        RunStage::Overview => StageEvidence::Overview,
        RunStage::Reindex => StageEvidence::Reindex(Box::default()),
        RunStage::Secret => StageEvidence::Secret(Box::default()),
        RunStage::Bootstrap => StageEvidence::Bootstrap(Box::default()),
        RunStage::Distribution => StageEvidence::Distribution(Box::default()),
        RunStage::Configuration => StageEvidence::Configuration(Box::default()),
        RunStage::GoLive => StageEvidence::GoLive(Box::default()),
        RunStage::Verify => StageEvidence::Verify,
        RunStage::Disable => StageEvidence::Disable,
        RunStage::RollBack => StageEvidence::RollBack(Box::default()),
        RunStage::Rotate => StageEvidence::Rotation(Box::default()),
        RunStage::Invalidate => StageEvidence::Invalidate(Box::default()),
    }
}

fn sample_plan(stage: RunStage, verb: ResourceChangeKind) -> StagePlan {
    let mut plan = StagePlan::new(empty_evidence(stage));
    plan.add_planned_change(StageStep::Role, verb, "role", "because");
    plan
}

fn plan_needing_consents(consents: &[RequiredConsent]) -> StagePlan {
    let mut plan = sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create);
    plan.confirmations = consents
        .iter()
        .map(|consent| PlanConfirmationQuestion { consent: *consent, question: "Shall it?".to_owned() })
        .collect();
    plan
}

fn leave_exit_code(effect: Option<WizardEffect>) -> Option<u8> {
    match effect {
        Some(WizardEffect::Leave(outcome)) => Some(outcome.code),
        _ => None,
    }
}

#[test]
fn it_starts_by_looking_around_and_disabling_starts_from_the_file_alone() {
    assert!(matches!(WizardHarness::start_with_goal(None).1, Some(WizardEffect::Welcome(_))));
    assert!(matches!(
        WizardHarness::start_with_goal(Some(OperatorGoal::Upgrade)).1,
        Some(WizardEffect::Welcome(_))
    ));
    assert!(matches!(
        WizardHarness::start_with_goal(Some(OperatorGoal::Disable)).1,
        Some(WizardEffect::Look(RunStage::Disable, _))
    ));
}

#[test]
fn disabling_is_offered_from_the_first_frame_on_where_nothing_is_typed_and_nothing_runs() {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    assert_eq!(it.wizard.intent_availability(UserIntent::Disable), UserIntentAvailability::Usual);
    it.send_input(WizardInput::Welcome(Ok(Box::new(sample_welcome()))));
    it.press_key(UserIntent::Next);
    assert_eq!(
        (it.wizard.screen, it.wizard.intent_availability(UserIntent::Disable)),
        (WizardScreen::Stage(RunStage::Access), UserIntentAvailability::Usual)
    );
    it.press_key(UserIntent::Back);
    it.wizard.show_screen(WizardScreen::Identity);
    it.press_key(UserIntent::Move(CursorMove::End));
    it.press_key(UserIntent::Next);
    assert_eq!(
        (it.wizard.current_wizard_input_mode(), it.wizard.intent_availability(UserIntent::Disable)),
        (WizardInputMode::Text, UserIntentAvailability::Hidden)
    );

    let mut it =
        WizardHarness::at_stage(RunStage::Bootstrap, plan_needing_consents(&[RequiredConsent::Adopt]));
    it.press_key(UserIntent::Next);
    assert_eq!(
        (it.wizard.current_wizard_input_mode(), it.wizard.intent_availability(UserIntent::Disable)),
        (WizardInputMode::Ask, UserIntentAvailability::Usual)
    );
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    it.press_key(UserIntent::Next);
    assert_eq!(it.wizard.stage_applied_in_foreground(), Some(RunStage::Bootstrap));
    assert_eq!(it.wizard.intent_availability(UserIntent::Disable), UserIntentAvailability::Hidden);
    assert!(it.press_key(UserIntent::Disable).is_none());
}

#[test]
fn keys_typed_before_a_screen_has_stood_consent_to_nothing() {
    for (milliseconds, applies) in [(0, false), (299, false), (300, true)] {
        let mut it = WizardHarness::at_stage(
            RunStage::Bootstrap,
            sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
        );
        it.at += Duration::from_millis(milliseconds);
        let effect = it.send_input(WizardInput::Key(UserIntent::Next));
        assert_eq!(matches!(effect, Some(WizardEffect::Apply(..))), applies, "{milliseconds} ms");
    }
    // a check that comes late changes what Enter means: the screen is a new one from then on
    let mut it = WizardHarness::at_stage(
        RunStage::Disable,
        sample_plan(RunStage::Disable, ResourceChangeKind::Update),
    );
    it.at += Duration::from_secs(2);
    it.send_input(WizardInput::Event(StageEvent::Check {
        stage: RunStage::Disable,
        check: CheckResult::new_failed_check("s3-link", "403", ""),
    }));
    assert!(it.send_input(WizardInput::Key(UserIntent::Anyway)).is_none());
}

#[test]
fn what_enter_leads_to() {
    let failing = |stage| {
        let mut plan = sample_plan(stage, ResourceChangeKind::Create);
        plan.checks.push(CheckResult::new_failed_check("kms:CreateKey", "denied", "ask for it"));
        plan
    };
    for (stage, plan, onward) in [
        (
            RunStage::Bootstrap,
            sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
            EnterKeyAction::Apply,
        ),
        (
            RunStage::Configuration,
            sample_plan(RunStage::Configuration, ResourceChangeKind::Keep),
            EnterKeyAction::Next(RunStage::GoLive),
        ),
        (
            RunStage::GoLive,
            sample_plan(RunStage::GoLive, ResourceChangeKind::Keep),
            EnterKeyAction::Next(RunStage::Verify),
        ),
        (
            RunStage::Access,
            sample_plan(RunStage::Access, ResourceChangeKind::Keep),
            EnterKeyAction::Next(RunStage::Overview),
        ),
        // the overview lists what the stages after it do; itself it does nothing
        (
            RunStage::Overview,
            sample_plan(RunStage::Overview, ResourceChangeKind::Create),
            EnterKeyAction::Consent(RunStage::Reindex),
        ),
        (RunStage::Bootstrap, failing(RunStage::Bootstrap), EnterKeyAction::Again),
        (RunStage::Disable, sample_plan(RunStage::Disable, ResourceChangeKind::Keep), EnterKeyAction::Finish),
    ] {
        // Led back to, a stage that has nothing to do stays.
        let mut it = WizardHarness::at_stage(RunStage::Bootstrap, failing(RunStage::Bootstrap));
        it.wizard.show_and_plan_stage(stage, false);
        it.send_input(WizardInput::Looked(stage, Ok(Box::new(plan))));
        assert_eq!(it.wizard.find_enter_key_action(stage), onward, "{}", stage.stage_name());
    }
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    it.press_key(UserIntent::Next);
    assert_eq!(
        it.wizard.find_enter_key_action(RunStage::Bootstrap),
        EnterKeyAction::Nowhere,
        "Enter does nothing while a stage runs"
    );
    for (end, onward) in [
        (StageEnd::Failed, EnterKeyAction::Again),
        (StageEnd::Stopped, EnterKeyAction::Again),
        (StageEnd::Unchanged, EnterKeyAction::Next(RunStage::Distribution)),
        (StageEnd::Applied, EnterKeyAction::Next(RunStage::Distribution)),
    ] {
        let mut it = WizardHarness::at_stage(
            RunStage::Bootstrap,
            sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
        );
        it.press_key(UserIntent::Next);
        it.end_stage(RunStage::Bootstrap, end);
        assert_eq!(it.wizard.find_enter_key_action(RunStage::Bootstrap), onward, "{end:?}");
    }
}

#[test]
fn a_failed_check_is_passed_only_on_purpose() {
    let mut denied = sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create);
    denied.checks.push(CheckResult::new_failed_check("kms:CreateKey", "denied", "ask for it"));
    let mut it = WizardHarness::at_stage(RunStage::Bootstrap, denied.clone());
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Look(RunStage::Bootstrap, _))));
    let mut it = WizardHarness::at_stage(RunStage::Bootstrap, denied);
    assert!(matches!(it.press_key(UserIntent::Anyway), Some(WizardEffect::Apply(..))));

    // what the simulation alone denies may be allowed; a check of the thing itself is no advice
    let denial = || CheckResult::new_failed_check("kms:CreateKey", "denied", "ask for it");
    let policy = || CheckResult::new_failed_check("bucket-policy", "shuts CloudFront out", "except it");
    for (checks, passed) in
        [(vec![denial()], true), (vec![policy()], false), (vec![denial(), policy()], false)]
    {
        let mut plan = sample_plan(RunStage::Access, ResourceChangeKind::Keep);
        plan.checks.clone_from(&checks);
        let mut it = WizardHarness::at_stage(RunStage::Access, plan);
        assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Look(RunStage::Access, _))));
        it.send_input(WizardInput::Looked(RunStage::Access, {
            let mut plan = sample_plan(RunStage::Access, ResourceChangeKind::Keep);
            plan.checks = checks;
            Ok(Box::new(plan))
        }));
        let onward = it.press_key(UserIntent::Anyway);
        assert_eq!(matches!(onward, Some(WizardEffect::Look(RunStage::Overview, _))), passed, "{onward:?}");
    }

    let mut gate = sample_plan(RunStage::GoLive, ResourceChangeKind::Update);
    gate.checks.push(CheckResult::new_failed_check("gate", "403", "look again"));
    let mut it = WizardHarness::at_stage(RunStage::GoLive, gate);
    assert_eq!(
        it.wizard.intent_availability(UserIntent::Anyway),
        UserIntentAvailability::Hidden,
        "nothing passes the gate"
    );
    assert!(it.press_key(UserIntent::Anyway).is_none());
}

#[test]
fn a_stage_that_has_nothing_to_do_is_passed_on_the_way_forward_alone() {
    let it =
        WizardHarness::at_stage(RunStage::Secret, sample_plan(RunStage::Secret, ResourceChangeKind::Keep));
    assert_eq!(it.wizard.screen, WizardScreen::Stage(RunStage::Bootstrap));
    assert_eq!(
        it.wizard.find_stage_progress(RunStage::Secret).and_then(|progress| progress.end),
        Some(StageEnd::Unchanged)
    );

    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    assert!(matches!(it.press_key(UserIntent::Back), Some(WizardEffect::Look(RunStage::Secret, _))));
    assert!(
        it.send_input(WizardInput::Looked(
            RunStage::Secret,
            Ok(Box::new(sample_plan(RunStage::Secret, ResourceChangeKind::Keep)))
        ))
        .is_none()
    );
    assert_eq!(it.wizard.screen, WizardScreen::Stage(RunStage::Secret));
}

#[test]
fn every_consent_is_asked_for_and_no_is_no() {
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        plan_needing_consents(&[
            RequiredConsent::Adopt,
            RequiredConsent::ConfirmBucket,
            RequiredConsent::Managed,
        ]),
    );
    assert!(it.press_key(UserIntent::Next).is_none());
    assert!(it.press_key(UserIntent::Next).is_none(), "Enter is no yes");
    assert!(it.press_key(UserIntent::No).is_none());
    assert_eq!(it.wizard.overlay, None);
    assert!(!it.wizard.answers.consents.adopt);

    it.press_key(UserIntent::Next);
    it.press_key(UserIntent::Yes);
    let named = |it: &mut WizardHarness, name: &str| {
        it.send_input(WizardInput::Paste(name.to_owned()));
        it.press_key(UserIntent::Next)
    };
    assert!(named(&mut it, "acm").is_none());
    assert!(it.wizard.form.is_some(), "another name is refused");
    assert!(named(&mut it, "e").is_none());
    assert!(
        matches!(&it.wizard.overlay, Some(ScreenOverlay::Ask(confirmation)) if confirmation.consent == RequiredConsent::Managed)
    );
    it.press_key(UserIntent::Move(CursorMove::Down));
    let Some(WizardEffect::Look(RunStage::Bootstrap, answers)) = it.press_key(UserIntent::Next) else {
        panic!("what the answers change is shown before it is done")
    };
    assert!(answers.consents.adopt);
    assert_eq!(answers.consents.managed, Some(ManagedConfigWriteChoice::Write));
    assert_eq!(answers.consents.confirm_bucket.as_deref(), Some("acme"));
    it.send_input(WizardInput::Looked(
        RunStage::Bootstrap,
        Ok(Box::new(sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create))),
    ));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
}

#[test]
fn an_interrupt_stops_what_runs_and_a_second_one_leaves() {
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    it.press_key(UserIntent::Next);
    it.send_input(WizardInput::Event(StageEvent::Started {
        stage: RunStage::Bootstrap,
        step: StageStep::Role,
        text: String::new(),
    }));
    assert!(matches!(it.send_input(WizardInput::Key(UserIntent::Interrupt)), Some(WizardEffect::Stop)));
    let Some(WizardEffect::Leave(outcome)) = it.send_input(WizardInput::Key(UserIntent::Interrupt)) else {
        panic!("it leaves")
    };
    assert_eq!(outcome.code, 130);
    assert!(outcome.last_words[0].contains("role may be half done"), "{outcome:?}");

    let (mut it, _) = WizardHarness::start_with_goal(None);
    assert_eq!(
        leave_exit_code(it.send_input(WizardInput::Key(UserIntent::Interrupt))),
        Some(130),
        "a look is left at once"
    );
}

#[test]
fn leaving_asks_while_something_runs_and_waits_until_it_has_stopped() {
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    it.press_key(UserIntent::Next);
    assert!(it.press_key(UserIntent::Quit).is_none());
    assert_eq!(it.wizard.overlay, Some(ScreenOverlay::Quit));
    it.press_key(UserIntent::No);
    assert_eq!(
        (it.wizard.overlay.as_ref(), it.wizard.stage_applied_in_foreground()),
        (None, Some(RunStage::Bootstrap))
    );
    it.press_key(UserIntent::Quit);
    assert!(matches!(it.press_key(UserIntent::Yes), Some(WizardEffect::Stop)));
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Bootstrap, StageEnd::Stopped)), Some(130));
    let (mut it, _) = WizardHarness::start_with_goal(None);
    assert_eq!(leave_exit_code(it.press_key(UserIntent::Quit)), Some(0));
}

#[test]
fn a_reindex_that_runs_is_stopped_in_order_to_be_skipped() {
    let mut it = WizardHarness::at_stage(
        RunStage::Reindex,
        sample_plan(RunStage::Reindex, ResourceChangeKind::Update),
    );
    it.press_key(UserIntent::Next);
    assert!(matches!(it.press_key(UserIntent::Pause), Some(WizardEffect::Pause(true))));
    assert!(matches!(it.press_key(UserIntent::Pause), Some(WizardEffect::Pause(false))));
    assert!(matches!(it.press_key(UserIntent::Skip), Some(WizardEffect::Stop)));
    let Some(WizardEffect::Look(RunStage::Secret, answers)) =
        it.end_stage(RunStage::Reindex, StageEnd::Stopped)
    else {
        panic!("the next stage follows")
    };
    assert!(answers.reindex.skip);
}

#[test]
fn news_of_what_nobody_waits_for_any_more_are_not_heard() {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    it.press_key(UserIntent::Disable);
    it.send_input(WizardInput::Welcome(Ok(Box::new(sample_welcome()))));
    assert!(it.wizard.welcome.value_if_loaded().is_none());
    it.send_input(WizardInput::Looked(
        RunStage::Secret,
        Ok(Box::new(sample_plan(RunStage::Secret, ResourceChangeKind::Create))),
    ));
    assert!(it.wizard.find_stage_progress(RunStage::Secret).is_none_or(|progress| progress.plan.is_none()));
    assert_eq!(it.wizard.busy.map(|busy| busy.kind), Some(WizardJobKind::Look(RunStage::Disable)));
}

#[test]
fn time_passes_only_while_something_moves() {
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    assert!(!it.wizard.has_running_job());
    it.press_key(UserIntent::Next);
    assert!(it.wizard.has_running_job());
    it.end_stage(RunStage::Bootstrap, StageEnd::Applied);
    assert!(!it.wizard.has_running_job());
}

#[test]
fn events_fold_into_lines() {
    let stage = RunStage::Bootstrap;
    let step = StageStep::Key;
    let second = Duration::from_secs;
    let mut progress = StageProgress::default();
    progress.apply_stage_event(second(1), &StageEvent::Started { stage, step, text: "begins".to_owned() });
    progress.apply_stage_event(
        second(2),
        &StageEvent::Progress { stage, step, text: "waits".to_owned(), pace: None },
    );
    let line = progress.find_started_step(step).expect("it began");
    assert_eq!((&line.state, line.text.as_str(), line.took), (&StageStepState::Running, "waits", None));
    progress.apply_stage_event(second(4), &StageEvent::Finished { stage, step, text: "made".to_owned() });
    let line = progress.find_started_step(step).expect("it began");
    assert_eq!(
        (&line.state, line.text.as_str(), line.took),
        (&StageStepState::Done, "made", Some(second(3)))
    );
    let failure = Failure::new(FailureKind::Drifted, "key", "moved", "look again");
    progress.apply_stage_event(
        second(5),
        &StageEvent::Failed { stage, step: StageStep::Role, failure: failure.clone() },
    );
    progress.apply_stage_event(
        second(5),
        &StageEvent::Ended { stage, step: None, end: StageEnd::Failed, text: String::new() },
    );
    assert!(progress.has_drift_failure());
    assert_eq!(progress.latest_stage_failure(), Some(&failure));
    for verdict in
        [CheckResult::new_unknown_check("clock", "?"), CheckResult::new_passed_check("clock", "right")]
    {
        progress.apply_stage_event(second(6), &StageEvent::Check { stage, check: verdict });
    }
    assert_eq!(
        progress.latest_checks().len(),
        1,
        "the later result of a name takes the place of the earlier"
    );
}

const PASTED_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const PASTED_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn credentials_in_whatever_block_go_each_to_its_field() {
    for block in [
        "aws_access_key_id = <id>\raws_secret_access_key = <secret>\r",
        "[default]\r\naws_access_key_id=<id>\r\naws_secret_access_key=<secret>\r\n",
        "$Env:AWS_ACCESS_KEY_ID=\"<id>\"\r$Env:AWS_SECRET_ACCESS_KEY=\"<secret>\"",
        "set AWS_ACCESS_KEY_ID=<id>\rset AWS_SECRET_ACCESS_KEY=<secret>",
        "set -x AWS_ACCESS_KEY_ID <id>; set -x AWS_SECRET_ACCESS_KEY <secret>",
        "aws configure set aws_access_key_id <id>\raws configure set aws_secret_access_key <secret>",
        "{\"Credentials\":{\"AccessKeyId\":\"<id>\",\"SecretAccessKey\":\"<secret>\",\"Expiration\":\"2026-01-01T00:00:00Z\"}}",
        "Access key ID,Secret access key\r<id>,<secret>",
        "Access key ID\t<id>\rSecret access key\t<secret>",
        "<id>\r<secret>",
        "<id> <secret>",
    ] {
        let text = block.replace("<id>", PASTED_ID).replace("<secret>", PASTED_SECRET);
        for focus in 0..3 {
            let mut form = InputForm::new(FormPurpose::Keys);
            form.focus = focus;
            form.paste_into_form(&text);
            let keys = form.typed_credentials();
            assert_eq!(keys.access_key_id, PASTED_ID, "{text}");
            assert_eq!(keys.secret_access_key.expose_secret(), PASTED_SECRET, "{text}");
            assert_eq!(keys.session_token, None, "{text}");
        }
    }
}

#[test]
fn a_secret_never_lands_in_a_field_that_shows_it() {
    let texts = [
        PASTED_SECRET.to_owned(),
        format!("secret\r{PASTED_SECRET}"),
        format!("aws_secret_access_key={PASTED_SECRET}"),
        "AWS_SESSION_TOKEN=tok".to_owned(),
    ];
    for purpose in [FormPurpose::Keys, FormPurpose::Profile, FormPurpose::Bucket, FormPurpose::Probe] {
        for text in &texts {
            let mut form = InputForm::new(purpose);
            form.paste_into_form(text);
            let shown: Vec<&str> = form
                .fields
                .iter()
                .filter(|field| !field.is_field_masked())
                .map(|field| field.input.value())
                .collect();
            assert!(shown.iter().all(|shown| shown.is_empty()), "{purpose:?} {text}: {shown:?}");
            assert!(purpose == FormPurpose::Keys || form.fields[0].complaint.is_some(), "{purpose:?} {text}");
        }
    }
    // An id and a secret, a line each: only the id is shown.
    let mut form = InputForm::new(FormPurpose::Keys);
    form.paste_into_form("minio\rm1n10-s3cret");
    let pasted: Vec<(bool, &str)> =
        form.fields.iter().take(2).map(|field| (field.is_field_masked(), field.input.value())).collect();
    assert_eq!(pasted, [(false, "minio"), (true, "m1n10-s3cret")]);
    // A terminal without bracketed pastes hands them on as keys.
    let mut form = InputForm::new(FormPurpose::Keys);
    for letter in PASTED_SECRET.chars() {
        form.edit_focused_field(tui_input::InputRequest::InsertChar(letter));
    }
    assert!(form.fields[0].is_field_masked());
}

#[test]
fn keys_are_pasted_by_name_and_never_printed() {
    for text in [
        "export AWS_ACCESS_KEY_ID=AKIA1\nexport AWS_SECRET_ACCESS_KEY=s3cr+t/=\nexport AWS_SESSION_TOKEN=tok",
        "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cr+t/=\naws_session_token = tok",
        "{\"AccessKeyId\": \"AKIA1\",\n \"SecretAccessKey\": \"s3cr+t/=\",\n \"SessionToken\": \"tok\"}",
    ] {
        let mut form = InputForm::new(FormPurpose::Keys);
        form.paste_into_form(text);
        let keys = form.typed_credentials();
        assert_eq!(keys.access_key_id, "AKIA1", "{text}");
        assert_eq!(keys.secret_access_key.expose_secret(), "s3cr+t/=", "{text}");
        assert_eq!(
            keys.session_token.as_ref().map(crate::model::secret::Secret::expose_secret),
            Some("tok"),
            "{text}"
        );
        let printed = format!("{form:?} {keys:?}");
        assert!(!printed.contains("s3cr") && !printed.contains("tok\""), "{printed}");
        assert!(form.validate_form_fields());
    }
    let mut form = InputForm::new(FormPurpose::Keys);
    form.paste_into_form("AKIA1");
    assert!(!form.validate_form_fields());
    assert_eq!((form.focus, form.fields[1].complaint), (1, Some("is still empty")));
}

#[test]
fn disabling_leads_back_to_where_it_was_asked_for() {
    let mut it = WizardHarness::at_stage(
        RunStage::Bootstrap,
        sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create),
    );
    assert!(matches!(it.press_key(UserIntent::Disable), Some(WizardEffect::Look(RunStage::Disable, _))));
    assert!(matches!(it.press_key(UserIntent::Back), Some(WizardEffect::Look(RunStage::Bootstrap, _))));
    it.press_key(UserIntent::Disable);
    it.send_input(WizardInput::Looked(
        RunStage::Disable,
        Ok(Box::new(sample_plan(RunStage::Disable, ResourceChangeKind::Update))),
    ));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
    it.end_stage(RunStage::Disable, StageEnd::Applied);
    assert!(
        matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Welcome(_))),
        "all is looked at anew"
    );
}

fn reindex_started() -> WizardInput {
    WizardInput::Event(StageEvent::Started {
        stage: RunStage::Reindex,
        step: StageStep::Objects,
        text: "goes".into(),
    })
}

/// A reindex that was begun on its screen, and the stage after it, which came on by itself.
fn start_background_reindex() -> WizardHarness {
    let mut it = WizardHarness::at_stage(
        RunStage::Reindex,
        sample_plan(RunStage::Reindex, ResourceChangeKind::Update),
    );
    assert_eq!(
        it.wizard.intent_availability(UserIntent::Ahead),
        UserIntentAvailability::Hidden,
        "nothing runs yet"
    );
    it.press_key(UserIntent::Next);
    let Some(WizardEffect::LookWhileJobRuns(RunStage::Secret, _)) = it.send_input(reindex_started()) else {
        panic!("the next stage is looked at")
    };
    it.send_input(WizardInput::Looked(
        RunStage::Secret,
        Ok(Box::new(sample_plan(RunStage::Secret, ResourceChangeKind::Create))),
    ));
    it
}

/// At go-live's screen, the reindex still running beside it.
fn go_live_beside_reindex() -> WizardHarness {
    let mut it = start_background_reindex();
    it.wizard.show_and_plan_stage(RunStage::GoLive, true);
    it.send_input(WizardInput::Looked(
        RunStage::GoLive,
        Ok(Box::new(sample_plan(RunStage::GoLive, ResourceChangeKind::Update))),
    ));
    it
}

#[test]
fn a_reindex_runs_on_while_the_later_stages_go_ahead() {
    let mut it = start_background_reindex();
    assert_eq!(
        (it.wizard.stage_applied_in_foreground(), it.wizard.stage_being_applied()),
        (None, Some(RunStage::Reindex))
    );
    assert!(it.wizard.has_running_job());
    assert!(
        matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(plan, _)) if plan.run_stage_of_plan() == RunStage::Secret)
    );
    it.send_input(reindex_started());
    assert!(
        it.wizard
            .find_stage_progress(RunStage::Reindex)
            .and_then(|progress| progress.find_started_step(StageStep::Objects))
            .is_some(),
        "it is heard"
    );
    assert_eq!(it.wizard.stage_applied_in_foreground(), Some(RunStage::Secret));
    it.end_stage(RunStage::Secret, StageEnd::Applied);
    assert_eq!(it.wizard.stage_being_applied(), Some(RunStage::Reindex));

    assert!(matches!(it.press_key(UserIntent::Back), Some(WizardEffect::BringToForeground)));
    assert_eq!(it.wizard.stage_applied_in_foreground(), Some(RunStage::Reindex));
    assert!(it.send_input(reindex_started()).is_none(), "what was led back to stays");
    assert!(matches!(it.press_key(UserIntent::Pause), Some(WizardEffect::Pause(true))));
    assert!(matches!(
        it.press_key(UserIntent::Ahead),
        Some(WizardEffect::LookWhileJobRuns(RunStage::Secret, _))
    ));
    assert!(it.wizard.background.is_some_and(|job| job.paused), "it stays paused");
    assert!(it.end_stage(RunStage::Reindex, StageEnd::Applied).is_none());
    assert_eq!(it.wizard.stage_being_applied(), None);
    assert!(it.wizard.notice.as_ref().is_some_and(|notice| notice.contains("done")));
}

#[test]
fn a_reindex_goes_beside_by_itself_but_past_no_open_page_and_no_failure() {
    let stage = RunStage::Reindex;
    let mut it = WizardHarness::at_stage(stage, sample_plan(stage, ResourceChangeKind::Update));
    it.press_key(UserIntent::Next);
    it.press_key(UserIntent::Help);
    assert!(it.send_input(reindex_started()).is_none(), "a page is read");
    assert_eq!(it.wizard.screen, WizardScreen::Stage(stage));
    it.press_key(UserIntent::Back);
    assert!(matches!(
        it.send_input(reindex_started()),
        Some(WizardEffect::LookWhileJobRuns(RunStage::Secret, _))
    ));

    let mut it = WizardHarness::at_stage(stage, sample_plan(stage, ResourceChangeKind::Update));
    it.press_key(UserIntent::Next);
    assert!(it.end_stage(stage, StageEnd::Failed).is_none());
    assert_eq!(it.wizard.screen, WizardScreen::Stage(stage), "what failed at once is shown");
    assert!(it.send_input(reindex_started()).is_none());
}

#[test]
fn going_live_waits_for_no_reindex() {
    let mut it = go_live_beside_reindex();
    assert!(it.wizard.is_reindex_left_open());
    assert_eq!(it.wizard.find_enter_key_action(RunStage::GoLive), EnterKeyAction::Apply);
    assert_eq!(it.wizard.intent_availability(UserIntent::Skip), UserIntentAvailability::Hidden);
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
    it.end_stage(RunStage::GoLive, StageEnd::Applied);
    assert_eq!(it.wizard.stage_being_applied(), Some(RunStage::Reindex), "it runs on");
    // Leaving would stop it: that is asked about, also where the goal is reached.
    it.press_key(UserIntent::Next);
    let plan = Box::new(sample_plan(RunStage::Verify, ResourceChangeKind::Run));
    it.send_input(WizardInput::Looked(RunStage::Verify, Ok(plan)));
    it.end_stage(RunStage::Verify, StageEnd::Applied);
    assert!(it.press_key(UserIntent::Next).is_none());
    assert_eq!(it.wizard.overlay, Some(ScreenOverlay::Quit));
    it.press_key(UserIntent::No);
    it.end_stage(RunStage::Reindex, StageEnd::Applied);
    assert_eq!(leave_exit_code(it.press_key(UserIntent::Next)), Some(0));

    for (end, said) in [(StageEnd::Failed, "failed"), (StageEnd::Stopped, "stopped")] {
        let mut it = go_live_beside_reindex();
        assert!(it.end_stage(RunStage::Reindex, end).is_none());
        assert_eq!(it.wizard.find_enter_key_action(RunStage::GoLive), EnterKeyAction::Apply, "{end:?}");
        assert!(it.wizard.notice.as_ref().is_some_and(|notice| notice.contains(said)), "{end:?}");
        it.press_key(UserIntent::Next);
        it.end_stage(RunStage::GoLive, StageEnd::Applied);
        it.press_key(UserIntent::Next);
        let plan = Box::new(sample_plan(RunStage::Verify, ResourceChangeKind::Run));
        it.send_input(WizardInput::Looked(RunStage::Verify, Ok(plan)));
        it.end_stage(RunStage::Verify, StageEnd::Applied);
        let Some(WizardEffect::Leave(outcome)) = it.press_key(UserIntent::Next) else { panic!("it leaves") };
        assert_eq!(outcome.code, if end == StageEnd::Failed { 1 } else { 130 });
        assert!(outcome.last_words[0].contains("reindex-everything"), "{outcome:?}");
    }
}

#[test]
fn leaving_waits_for_what_runs_beside_too() {
    let mut it = start_background_reindex();
    assert!(it.press_key(UserIntent::Quit).is_none());
    assert_eq!(it.wizard.overlay, Some(ScreenOverlay::Quit));
    assert!(matches!(it.press_key(UserIntent::Yes), Some(WizardEffect::Stop)));
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Reindex, StageEnd::Stopped)), Some(130));

    let mut it = start_background_reindex();
    it.press_key(UserIntent::Next);
    it.press_key(UserIntent::Quit);
    it.press_key(UserIntent::Yes);
    assert_eq!(
        leave_exit_code(it.end_stage(RunStage::Secret, StageEnd::Stopped)),
        None,
        "the reindex hasn't stopped yet"
    );
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Reindex, StageEnd::Stopped)), Some(130));

    let mut it = start_background_reindex();
    assert!(matches!(it.send_input(WizardInput::Key(UserIntent::Interrupt)), Some(WizardEffect::Stop)));
    let Some(WizardEffect::Leave(outcome)) = it.send_input(WizardInput::Key(UserIntent::Interrupt)) else {
        panic!("it leaves")
    };
    assert!(outcome.last_words[0].contains("To continue where it stopped: "), "{outcome:?}");

    let mut it = start_background_reindex();
    assert!(matches!(it.send_input(WizardInput::Hangup), Some(WizardEffect::Stop)));
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Reindex, StageEnd::Stopped)), Some(130));
}

#[test]
fn scrolling_begins_where_the_text_is_shown_and_a_screen_begins_unscrolled() {
    let stage = RunStage::Distribution;
    let mut it = WizardHarness::at_stage(stage, sample_plan(stage, ResourceChangeKind::Update));
    assert_eq!(it.wizard.scroll, None, "what runs may be kept in view");
    let shown = ScrollExtent { lines: 30, rows: 10, top: 12 };
    for (to, scroll) in [
        (CursorMove::Up, 11),
        (CursorMove::Down, 13),
        (CursorMove::PageUp, 3),
        (CursorMove::PageDown, 20),
        (CursorMove::Home, 0),
        (CursorMove::End, 20),
    ] {
        it.send_input(WizardInput::Drawn(shown));
        it.press_key(UserIntent::Move(to));
        assert_eq!(it.wizard.scroll, Some(scroll), "{to:?}");
    }
}

#[test]
fn a_terminal_that_goes_does_not_stop_what_switches_off() {
    let start = || {
        let mut it = start_background_reindex();
        it.press_key(UserIntent::Disable);
        let plan = Box::new(sample_plan(RunStage::Disable, ResourceChangeKind::Update));
        it.send_input(WizardInput::Looked(RunStage::Disable, Ok(plan)));
        assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
        assert!(it.wizard.is_switching_off());
        it
    };
    let mut it = start();
    assert!(it.send_input(WizardInput::Hangup).is_none(), "it goes on");
    let stop = it.end_stage(RunStage::Disable, StageEnd::Applied);
    assert!(matches!(stop, Some(WizardEffect::Stop)), "then the reindex stops");
    assert_eq!(leave_exit_code(it.end_stage(RunStage::Reindex, StageEnd::Stopped)), Some(130));

    let mut it = start();
    it.send_input(WizardInput::Hangup);
    assert!(matches!(it.send_input(WizardInput::Hangup), Some(WizardEffect::Stop)), "asked twice it stops");
}

#[test]
fn switching_off_is_possible_while_a_reindex_runs_on() {
    let mut it = start_background_reindex();
    assert!(matches!(it.press_key(UserIntent::Disable), Some(WizardEffect::Look(RunStage::Disable, _))));
    it.send_input(WizardInput::Looked(
        RunStage::Disable,
        Ok(Box::new(sample_plan(RunStage::Disable, ResourceChangeKind::Update))),
    ));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
    it.end_stage(RunStage::Disable, StageEnd::Applied);
    assert_eq!(it.wizard.stage_being_applied(), Some(RunStage::Reindex));
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Welcome(_))));
    assert!(it.wizard.find_stage_progress(RunStage::Reindex).is_some(), "what runs is still told of");
}

#[test]
fn what_is_wanted_can_be_typed_wherever_the_screen_is_and_no_longer_than_it_is_wanted() {
    let (stage, step) = (RunStage::Reindex, StageStep::Objects);
    let waiting = |wants: CredentialRenewalNeed| {
        let failure =
            Failure::new(FailureKind::Credentials, "profile ops", "the session is over", "type a code");
        WizardInput::Event(StageEvent::Waiting { stage, step, text: String::new(), failure, wants })
    };
    let going = || WizardInput::Event(StageEvent::Started { stage, step, text: String::new() });
    let mut it = WizardHarness::at_stage(stage, sample_plan(stage, ResourceChangeKind::Update));
    it.press_key(UserIntent::Next);
    it.send_input(going());
    assert!(matches!(it.press_key(UserIntent::Back), Some(WizardEffect::BringToForeground)));
    assert_eq!(it.wizard.intent_availability(UserIntent::Credentials), UserIntentAvailability::Hidden);
    it.send_input(waiting(CredentialRenewalNeed::Renewal));
    assert_eq!(
        it.wizard.intent_availability(UserIntent::Credentials),
        UserIntentAvailability::Hidden,
        "nothing is to be typed"
    );
    it.send_input(waiting(CredentialRenewalNeed::Code("mfa/jo".to_owned())));
    assert_eq!(
        it.wizard.intent_availability(UserIntent::Pause),
        UserIntentAvailability::Hidden,
        "it stands already"
    );
    it.press_key(UserIntent::Ahead);
    assert_eq!(it.wizard.screen, WizardScreen::Stage(RunStage::Secret));
    assert_eq!(
        it.wizard.intent_availability(UserIntent::Credentials),
        UserIntentAvailability::As("type the code")
    );
    it.press_key(UserIntent::Credentials);
    assert_eq!(it.wizard.current_wizard_input_mode(), WizardInputMode::Text);
    it.send_input(WizardInput::Paste("12 34-5a6".to_owned()));
    let effect = it.press_key(UserIntent::Next);
    let Some(WizardEffect::Renew(CredentialInput::Code { code, .. })) = effect else { panic!("{effect:?}") };
    assert_eq!(code.expose_secret(), "123456");
    assert!(it.wizard.form.is_none() && it.wizard.background.is_some());
    // Another code is asked for, and the run ends meanwhile: nobody asks any more.
    it.press_key(UserIntent::Credentials);
    assert!(it.wizard.form.is_some());
    it.end_stage(stage, StageEnd::Stopped);
    assert!(it.wizard.form.is_none());
    assert_eq!(it.wizard.intent_availability(UserIntent::Credentials), UserIntentAvailability::Hidden);
}

#[test]
fn keys_that_aws_does_not_know_lead_nowhere() {
    let (mut it, _) = WizardHarness::start_with_goal(None);
    it.send_input(WizardInput::Welcome(Ok(Box::new(sample_welcome()))));
    it.wizard.show_screen(WizardScreen::Identity);
    it.press_key(UserIntent::Move(CursorMove::End));
    it.press_key(UserIntent::Next);
    it.send_input(WizardInput::Paste("aws_access_key_id=AKIA1\naws_secret_access_key=s".to_owned()));
    assert!(matches!(
        it.press_key(UserIntent::Next),
        Some(WizardEffect::Identify(CredentialInput::Keys(_), _))
    ));
    let mut nobody = sample_welcome().identities.remove(0);
    (nobody.arn, nobody.account) = (String::new(), String::new());
    nobody.suffices = CheckResult::new_failed_check(
        "identity",
        "AWS doesn't accept the credentials",
        "check the access key",
    );
    it.send_input(WizardInput::Identified(Ok(nobody)));
    assert_eq!((it.wizard.screen, &it.wizard.answers.source), (WizardScreen::Identity, &None));
    let notice = it.wizard.notice.clone().unwrap();
    assert!(notice.contains("doesn't accept") && notice.contains("check the access key"), "{notice}");
}
