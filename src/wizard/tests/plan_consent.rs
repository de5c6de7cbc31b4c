//! The one consent of the overview: what it covers, and that it covers nothing else (contract section 2, "It never covers").

use super::*;
use crate::model::run::plan::PlannedChange;
use crate::wizard::plan_consent::PLAN_CONSENT_LASTS;

const COVERED_STAGES: [RunStage; 5] = [
    RunStage::Reindex,
    RunStage::Secret,
    RunStage::Bootstrap,
    RunStage::Distribution,
    RunStage::Configuration,
];

/// The plan of all stages, as each stage's own look finds it too.
fn overview_plan() -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::Overview);
    for stage in COVERED_STAGES.into_iter().chain([RunStage::GoLive]) {
        plan.changes.extend(sample_plan(stage, ResourceChangeKind::Create).changes);
    }
    plan
}

/// On the overview, which is consented to: the reindex is looked at next.
fn start_after_consent() -> WizardHarness {
    let mut it = WizardHarness::at_stage(RunStage::Overview, overview_plan());
    let effect = it.press_key(UserIntent::Next);
    assert!(matches!(effect, Some(WizardEffect::Look(RunStage::Reindex, _))), "{effect:?}");
    it
}

fn look_finds(it: &mut WizardHarness, stage: RunStage, plan: StagePlan) -> Option<WizardEffect> {
    it.wizard.show_and_plan_stage(stage, true);
    it.send_input(WizardInput::Looked(stage, Ok(Box::new(plan))))
}

fn applied_stage(effect: Option<&WizardEffect>) -> Option<RunStage> {
    match effect {
        Some(WizardEffect::Apply(plan, _)) => Some(plan.run_stage_of_plan()),
        _ => None,
    }
}

#[test]
fn after_one_consent_stage_after_stage_runs_without_a_key_up_to_going_live() {
    let mut it = start_after_consent();
    let plan = sample_plan(RunStage::Reindex, ResourceChangeKind::Create);
    let effect = it.send_input(WizardInput::Looked(RunStage::Reindex, Ok(Box::new(plan))));
    assert_eq!(applied_stage(effect.as_ref()), Some(RunStage::Reindex));
    let beside = it.send_input(reindex_started());
    assert!(matches!(beside, Some(WizardEffect::LookWhileJobRuns(RunStage::Secret, _))), "{beside:?}");
    let stages = [RunStage::Secret, RunStage::Bootstrap, RunStage::Distribution, RunStage::Configuration];
    for (index, stage) in stages.into_iter().enumerate() {
        let plan = sample_plan(stage, ResourceChangeKind::Create);
        let effect = it.send_input(WizardInput::Looked(stage, Ok(Box::new(plan))));
        assert_eq!(applied_stage(effect.as_ref()), Some(stage));
        let next = stages.get(index + 1).copied().unwrap_or(RunStage::GoLive);
        let looks = it.end_stage(stage, StageEnd::Applied);
        assert!(matches!(looks, Some(WizardEffect::Look(at, _)) if at == next), "{looks:?}");
    }
    let plan = sample_plan(RunStage::GoLive, ResourceChangeKind::Create);
    assert!(it.send_input(WizardInput::Looked(RunStage::GoLive, Ok(Box::new(plan)))).is_none());
    assert_eq!(it.wizard.find_enter_key_action(RunStage::GoLive), EnterKeyAction::Apply, "its own Enter");
    assert_eq!(it.wizard.stage_being_applied(), Some(RunStage::Reindex));
}

#[test]
fn what_the_consent_never_covers_stops_before_it() {
    let failing = |mut plan: StagePlan| {
        plan.checks.push(CheckResult::new_failed_check("kms:CreateKey", "denied", "ask for it"));
        plan
    };
    let with_change = |stage, step, target: &str| {
        let mut plan = sample_plan(stage, ResourceChangeKind::Create);
        plan.add_planned_change(step, ResourceChangeKind::Run, target, "because");
        plan
    };
    let stage = RunStage::Bootstrap;
    let mut other_target = sample_plan(stage, ResourceChangeKind::Create);
    other_target.changes[0].target = "the role of another account".to_owned();
    let mut cases = vec![
        ("a failed check", failing(sample_plan(stage, ResourceChangeKind::Create))),
        ("another verb", sample_plan(stage, ResourceChangeKind::Update)),
        ("another target", other_target),
        ("another change", with_change(stage, StageStep::Key, "a key")),
    ];
    for step in [StageStep::Reconfigure, StageStep::Restart, StageStep::Switch] {
        cases.push(("a step that customers notice", with_change(stage, step, "packagecloud-ctl")));
    }
    for consent in [
        RequiredConsent::Adopt,
        RequiredConsent::AdoptBucketKey,
        RequiredConsent::NewSecret,
        RequiredConsent::Managed,
        RequiredConsent::OverrideExpression,
        RequiredConsent::OtherBucket,
        RequiredConsent::ConfirmBucket,
        RequiredConsent::LiveChange,
        RequiredConsent::ReindexEffects,
        RequiredConsent::VendorReindex,
        RequiredConsent::NoOtherNode,
        RequiredConsent::RotationTakeOver,
    ] {
        let mut plan = sample_plan(stage, ResourceChangeKind::Create);
        plan.confirmations.push(PlanConfirmationQuestion { consent, question: "Shall it?".to_owned() });
        cases.push((consent.consent_cli_flag(), plan));
    }
    for (what, plan) in cases {
        let mut it = start_after_consent();
        let effect = look_finds(&mut it, stage, plan);
        assert!(effect.is_none(), "{what}: {effect:?}");
        let notice = it.wizard.notice.clone().unwrap_or_default();
        assert!(notice.starts_with("Stopped before Bootstrap: "), "{what}: {notice}");
    }
    // A noticed step is not covered even where the overview had shown it.
    let mut shown = overview_plan();
    let restart = with_change(stage, StageStep::Restart, "packagecloud-ctl restart");
    shown.changes.extend(restart.changes.clone());
    let mut it = WizardHarness::at_stage(RunStage::Overview, shown);
    it.press_key(UserIntent::Next);
    assert!(look_finds(&mut it, stage, restart).is_none());
}

#[test]
fn the_consent_lasts_an_hour_and_ends_where_something_else_is_found() {
    for (passed, covered) in [(Duration::from_secs(3599), true), (PLAN_CONSENT_LASTS, false)] {
        let mut it = start_after_consent();
        it.at += passed;
        let plan = sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create);
        let effect = look_finds(&mut it, RunStage::Bootstrap, plan);
        assert_eq!(applied_stage(effect.as_ref()).is_some(), covered, "{passed:?}");
        assert_eq!(it.wizard.has_plan_consent(), covered);
    }
    let mut it = start_after_consent();
    look_finds(&mut it, RunStage::Bootstrap, sample_plan(RunStage::Bootstrap, ResourceChangeKind::Update));
    assert!(!it.wizard.has_plan_consent(), "what was not shown ends it");
    let plan = sample_plan(RunStage::Distribution, ResourceChangeKind::Create);
    assert!(look_finds(&mut it, RunStage::Distribution, plan).is_none(), "for all stages after it");
}

#[test]
fn a_failure_a_stop_and_the_way_out_stop_the_run() {
    let stage = RunStage::Bootstrap;
    let running = || {
        let mut it = start_after_consent();
        let effect = look_finds(&mut it, stage, sample_plan(stage, ResourceChangeKind::Create));
        assert_eq!(applied_stage(effect.as_ref()), Some(stage));
        it
    };
    for end in [StageEnd::Failed, StageEnd::Stopped] {
        assert!(running().end_stage(stage, end).is_none(), "{end:?}");
    }
    let mut it = running();
    it.send_input(WizardInput::Key(UserIntent::Interrupt));
    assert!(it.end_stage(stage, StageEnd::Applied).is_none(), "it was asked to stop");
    let mut it = running();
    it.press_key(UserIntent::Quit);
    assert!(
        it.end_stage(stage, StageEnd::Applied).is_none(),
        "whoever is about to leave is not taken further"
    );
    // While the reindex beside is being stopped, or it is asked whether to leave, nothing begins.
    for ends in [UserIntent::Interrupt, UserIntent::Quit] {
        let mut it = start_after_consent();
        let plan = sample_plan(RunStage::Reindex, ResourceChangeKind::Create);
        it.send_input(WizardInput::Looked(RunStage::Reindex, Ok(Box::new(plan))));
        it.send_input(reindex_started());
        it.press_key(ends);
        let plan = sample_plan(RunStage::Secret, ResourceChangeKind::Create);
        let effect = it.send_input(WizardInput::Looked(RunStage::Secret, Ok(Box::new(plan))));
        assert!(effect.is_none(), "{ends:?}: {effect:?}");
    }
    // A look that fails is shown; Enter looks again, and what is covered runs then.
    let mut it = start_after_consent();
    it.wizard.show_and_plan_stage(stage, true);
    let failure = Failure::new(FailureKind::Denied, "role", "denied", "ask for it");
    assert!(it.send_input(WizardInput::Looked(stage, Err(failure))).is_none());
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Look(at, _)) if at == stage));
    let plan = sample_plan(stage, ResourceChangeKind::Create);
    let effect = it.send_input(WizardInput::Looked(stage, Ok(Box::new(plan))));
    assert_eq!(applied_stage(effect.as_ref()), Some(stage));
}

#[test]
fn without_the_consent_and_going_back_nothing_runs_by_itself() {
    let plan = || sample_plan(RunStage::Bootstrap, ResourceChangeKind::Create);
    let mut it = WizardHarness::at_stage(RunStage::Overview, overview_plan());
    assert!(matches!(it.press_key(UserIntent::Stepwise), Some(WizardEffect::Look(RunStage::Reindex, _))));
    assert!(look_finds(&mut it, RunStage::Bootstrap, plan()).is_none());
    assert!(matches!(it.press_key(UserIntent::Next), Some(WizardEffect::Apply(..))));
    assert!(it.end_stage(RunStage::Bootstrap, StageEnd::Applied).is_none(), "each waits for its Enter");

    let mut it = start_after_consent();
    it.wizard.show_and_plan_stage(RunStage::Bootstrap, false);
    assert!(it.send_input(WizardInput::Looked(RunStage::Bootstrap, Ok(Box::new(plan())))).is_none());

    // Back on Home what was begun is over.
    let mut it = start_after_consent();
    it.wizard.show_screen(WizardScreen::Home);
    assert!(!it.wizard.has_plan_consent());
}

#[test]
fn once_something_is_made_what_comes_after_it_has_a_name() {
    let named = |stage| {
        let mut plan = sample_plan(stage, ResourceChangeKind::Create);
        plan.changes[0].target = "E2EXAMPLE".to_owned();
        plan
    };
    let mut it = start_after_consent();
    assert!(look_finds(&mut it, RunStage::Distribution, named(RunStage::Distribution)).is_none());
    let mut it = start_after_consent();
    look_finds(&mut it, RunStage::Secret, sample_plan(RunStage::Secret, ResourceChangeKind::Create));
    it.end_stage(RunStage::Secret, StageEnd::Applied);
    let effect = look_finds(&mut it, RunStage::Distribution, named(RunStage::Distribution));
    assert_eq!(applied_stage(effect.as_ref()), Some(RunStage::Distribution));
}

#[test]
fn where_all_is_made_the_plan_leads_on_to_going_live_by_itself() {
    let plan_with = |changes: &[PlannedChange]| {
        let mut plan = StagePlan::new(StageEvidence::Overview);
        plan.changes.extend(sample_plan(RunStage::Bootstrap, ResourceChangeKind::Keep).changes);
        plan.changes.extend(changes.to_vec());
        plan
    };
    let live = sample_plan(RunStage::GoLive, ResourceChangeKind::Update).changes;
    for (changes, next) in [(&live[..], RunStage::GoLive), (&[][..], RunStage::Verify)] {
        let it = WizardHarness::at_stage(RunStage::Overview, plan_with(changes));
        assert_eq!(it.wizard.screen, WizardScreen::Stage(next));
    }
    let mut asks = plan_with(&live);
    asks.confirmations.push(PlanConfirmationQuestion {
        consent: RequiredConsent::OverrideExpression,
        question: "Shall it?".to_owned(),
    });
    let mut it = WizardHarness::at_stage(RunStage::Overview, asks);
    assert_eq!(it.wizard.screen, WizardScreen::Stage(RunStage::Overview));
    assert!(it.press_key(UserIntent::Next).is_none(), "Enter goes to the question, and answers none");
    assert!(matches!(it.wizard.overlay, Some(ScreenOverlay::Ask(_))));
    assert!(!it.wizard.answers.consents.override_expression && !it.wizard.has_plan_consent());
}
