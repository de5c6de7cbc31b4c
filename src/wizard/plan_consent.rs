//! The one consent of the overview: the stages that it covers run one after the other without a stop (contract section 2).
//!
//! It covers what was shown, and of that only what customers can't notice. Whatever asks, fails or was not shown stops the run.

use std::time::Duration;

use super::{RunningWizardJob, Wizard, WizardEffect, log::StageProgress, screen::WizardScreen};
use crate::model::run::{
    event::StageEnd,
    goal::{OperatorGoal, RunStage, StageStep},
    plan::{PlannedChange, RequiredConsent, ResourceChangeKind, StagePlan, find_change_not_shown},
};

/// How long the consent holds.
pub const PLAN_CONSENT_LASTS: Duration = Duration::from_hours(1);

/// What Enter on the overview consented to.
#[derive(Debug)]
pub struct PlanConsent {
    given_at: Duration,
    /// The changes that the overview showed.
    shown: Vec<PlannedChange>,
    /// Something of it was made since: what comes after it has names now.
    is_begun: bool,
}

impl PlanConsent {
    /// Says why it does not cover this plan; `None` where it does.
    fn explain_plan_not_covered(&self, plan: &StagePlan, now: Duration) -> Option<String> {
        if now.saturating_sub(self.given_at) >= PLAN_CONSENT_LASTS {
            return Some("your Enter on the plan was more than an hour ago".to_owned());
        }
        let changes = plan.changes.iter().filter(|change| change.verb != ResourceChangeKind::Keep);
        if let Some(noticed) = changes.clone().find(|change| is_step_noticed_by_customers(change.step)) {
            return Some(format!("customers may notice this step: {}", noticed.step.step_title()));
        }
        find_change_not_shown(&self.shown, &plan.changes, self.is_begun).map(|change| {
            format!(
                "the plan did not show this change: {} {} {}",
                change.verb.change_kind_name(),
                change.step.step_title(),
                change.target
            )
        })
    }
}

/// Whether the overview's consent may cover the stage at all.
fn can_consent_cover_stage(stage: RunStage) -> bool {
    matches!(
        stage,
        RunStage::Reindex
            | RunStage::Secret
            | RunStage::Bootstrap
            | RunStage::Distribution
            | RunStage::Configuration
    )
}

/// Whether the step is one of those that switch, reconfigure or restart: whichever stage plans it, it is asked about apart.
fn is_step_noticed_by_customers(step: StageStep) -> bool {
    matches!(step, StageStep::Switch | StageStep::Reconfigure | StageStep::Restart | StageStep::TakeBack)
}

impl Wizard {
    /// Whether the goal is one that the overview is the plan of.
    #[must_use]
    pub fn is_setup_goal(&self) -> bool {
        matches!(self.chosen_goal(), Some(OperatorGoal::Install | OperatorGoal::Upgrade))
            && self.return_screen.is_none()
    }

    /// Whether the stages run without a stop, by the consent that was given on the overview.
    #[must_use]
    pub fn has_plan_consent(&self) -> bool {
        self.plan_consent.is_some()
    }

    /// Whether each stage waits for its own Enter.
    #[must_use]
    pub fn is_stepwise(&self) -> bool {
        self.stepwise
    }

    /// Takes Enter on the overview as the consent to all that it showed, and begins.
    pub(super) fn give_plan_consent(&mut self, next: RunStage) -> WizardEffect {
        let shown = self
            .find_stage_progress(RunStage::Overview)
            .and_then(|progress| progress.plan.as_ref())
            .map_or_else(Vec::new, |plan| plan.changes.clone());
        self.stepwise = false;
        self.plan_consent = Some(PlanConsent { given_at: self.now, shown, is_begun: false });
        self.show_and_plan_stage(next, true)
    }

    /// `o`: goes one stage at a time, each with its own Enter.
    pub(super) fn run_stages_stepwise(&mut self) -> Option<WizardEffect> {
        let next = self.find_stage_after(RunStage::Overview)?;
        self.plan_consent = None;
        self.stepwise = true;
        Some(self.show_and_plan_stage(next, true))
    }

    /// Whether the overview is shown, and nothing stands in the way of its stages.
    pub(super) fn can_run_stages_stepwise(&self) -> bool {
        self.screen == WizardScreen::Stage(RunStage::Overview)
            && self.busy.is_none()
            && self.is_setup_goal()
            && self.find_stage_progress(RunStage::Overview).is_some_and(|progress| {
                progress.plan.is_some() && (self.ignore_failed_checks || !progress.has_failed_check())
            })
    }

    /// Lists the questions of the overview that come before its consent; the one of going live is asked there.
    pub(super) fn missing_confirmations_before_consent(
        &self,
    ) -> Vec<&crate::model::run::plan::PlanConfirmationQuestion> {
        self.missing_confirmations(RunStage::Overview)
            .into_iter()
            .filter(|question| question.consent != RequiredConsent::Unproven)
            .collect()
    }

    /// Applies the plan that was just looked at where the consent covers it; says why it stops where it doesn't.
    pub(super) fn apply_plan_if_covered(&mut self, stage: RunStage) -> Option<WizardEffect> {
        let is_held = !self.auto_advance || self.return_screen.is_some() || self.is_run_being_ended();
        if is_held || !can_consent_cover_stage(stage) {
            return None;
        }
        let consent = self.plan_consent.as_ref()?;
        let progress = self.find_stage_progress(stage)?;
        let plan = progress.plan.as_ref()?;
        if progress.has_failed_check() {
            self.stop_unattended_run(stage, "a check failed");
            return None;
        }
        if !self.missing_confirmations(stage).is_empty() {
            self.stop_unattended_run(stage, "it asks a question that needs your yes");
            return None;
        }
        if let Some(why) = consent.explain_plan_not_covered(plan, self.now) {
            self.plan_consent = None;
            self.stop_unattended_run(stage, &why);
            return None;
        }
        self.ask_consent_or_apply_plan(stage)
    }

    /// Whether the operator, or whoever takes over, is ending what runs, or is asked about it: nothing begins meanwhile.
    pub(super) fn is_run_being_ended(&self) -> bool {
        self.pending_exit_code.is_some()
            || self.background.is_some_and(|job| job.stopping)
            || self.overlay.as_ref().is_some_and(super::screen::ScreenOverlay::is_yes_no_question)
    }

    fn stop_unattended_run(&mut self, stage: RunStage, why: &str) {
        self.notice =
            Some(format!("Stopped before {}: {why}. Enter continues from here.", stage.stage_title()));
    }

    /// Goes on to the next stage after one that came to its end, where the operator's consent or nothing at all is between
    /// them; `job` is what ran.
    pub(super) fn advance_after_stage_end(
        &mut self,
        stage: RunStage,
        end: StageEnd,
        job: Option<RunningWizardJob>,
    ) -> Option<WizardEffect> {
        if let Some(consent) = &mut self.plan_consent {
            consent.is_begun |= end == StageEnd::Applied;
        }
        let is_stopping = job.is_none_or(|job| job.stopping);
        let goes_on = match stage {
            // Verifying changes nothing.
            RunStage::GoLive => self.is_setup_goal() && !self.stepwise,
            _ => self.plan_consent.is_some() && can_consent_cover_stage(stage),
        };
        let is_done = matches!(end, StageEnd::Applied | StageEnd::Unchanged)
            && !self.find_stage_progress(stage).is_some_and(StageProgress::has_failed_check);
        if is_stopping || !goes_on || !is_done || !self.auto_advance || self.form.is_some() {
            return None;
        }
        let next = self.find_stage_after(stage)?;
        Some(self.show_next_stage_under_page(next))
    }

    /// Shows the next stage; a page that is read stays open over it.
    pub(super) fn show_next_stage_under_page(&mut self, next: RunStage) -> WizardEffect {
        let page = self.overlay.take().filter(|page| !page.is_yes_no_question());
        let scroll = self.scroll.filter(|_| page.is_some());
        let effect = self.show_and_plan_stage(next, true);
        self.overlay = page;
        self.scroll = scroll;
        effect
    }

    /// Whether a stage that has nothing to do is passed by itself on the way forward.
    pub(super) fn is_idle_stage_passed(&self, stage: RunStage) -> bool {
        match stage {
            RunStage::Reindex | RunStage::Secret | RunStage::Bootstrap | RunStage::Distribution => true,
            // Where each stage waits for its Enter, these are read.
            RunStage::Configuration | RunStage::GoLive => !self.stepwise,
            _ => false,
        }
    }

    /// Goes past access where nothing fails or asks, and past the overview where nothing that it shows is left to consent to
    /// but going live: both only look.
    pub(super) fn pass_stage_that_only_looks(&mut self, stage: RunStage) -> Option<WizardEffect> {
        if !self.auto_advance || !self.is_setup_goal() || self.is_run_being_ended() {
            return None;
        }
        let progress = self.find_stage_progress(stage)?;
        if progress.plan.is_none() || progress.has_failed_check() {
            return None;
        }
        match stage {
            RunStage::Access if self.missing_confirmations(stage).is_empty() => {
                Some(self.show_next_stage_under_page(RunStage::Overview))
            }
            RunStage::Overview => {
                let next = self.find_stage_after_idle_overview()?;
                let passed = self.stages_of_chosen_goal().iter().copied();
                for idle in passed.filter(|idle| can_consent_cover_stage(*idle) || *idle == RunStage::GoLive)
                {
                    if idle != next {
                        self.stage_progress_mut(idle).end = Some(StageEnd::Unchanged);
                    }
                }
                Some(self.show_next_stage_under_page(next))
            }
            _ => None,
        }
    }

    /// Returns the stage that follows the overview, where nothing that it shows is left to consent to but going live.
    fn find_stage_after_idle_overview(&self) -> Option<RunStage> {
        let plan = self.find_stage_progress(RunStage::Overview)?.plan.as_ref()?;
        let is_due = |change: &&PlannedChange| change.verb != ResourceChangeKind::Keep;
        let mut due = plan.changes.iter().filter(is_due);
        if self.stepwise
            || !self.missing_confirmations_before_consent().is_empty()
            || !due.clone().all(|change| change.stage == RunStage::GoLive)
        {
            return None;
        }
        Some(if due.next().is_some() { RunStage::GoLive } else { RunStage::Verify })
    }
}
