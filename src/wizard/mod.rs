//! The wizard: a pure value that takes inputs and asks for effects; it knows no key, no terminal, no engine and no clock of its own.
//!
//! `update(TimedInput) -> Option<Effect>` is the only way in which it changes. What it takes is [`WizardInput`], what it may ask for
//! is [`WizardEffect`]; `intent_table` says which intents are possible now and what each does, and `update_wizard` refuses every other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

mod availability;
mod back;
mod choose;
mod confirmation;
pub mod copy;
mod credential_paste;
mod explained;
mod facts;
pub mod form;
pub mod home;
mod input;
pub mod intent;
mod intent_table;
mod link;
pub mod log;
mod msg;
mod navigation;
pub mod page_find;
mod plan_consent;
pub mod plan_page;
pub mod request_path;
pub mod screen;
mod status;
mod update;
mod watch;
pub mod watch_state;

#[cfg(test)]
mod tests;

use form::InputForm;
use log::{CredentialWait, EventLog, StageProgress};
pub use msg::{
    ClipboardText, CredentialInput, ScrollExtent, TimedInput, WizardEffect, WizardInput, WizardOutcome,
};
use page_find::PageFind;
use plan_consent::PlanConsent;
use plan_page::PlanPageLine;
use screen::{ScreenOverlay, WizardScreen};
use watch_state::WatchedRunState;

use crate::model::{
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        goal::{OperatorGoal, RunStage},
        link_explanation::LinkExplanation,
        welcome::{FoundAwsIdentity, WelcomeFindings},
    },
    status::InstallStatus,
};

/// How long a screen stands before a key on it may consent to anything (contract section 2).
pub const INPUT_ACCEPTED_AFTER: Duration = Duration::from_millis(300);

/// Scrolled to the end, wherever that is.
pub const END_OF_PAGE: usize = usize::MAX;

/// What is known before anything is looked up.
#[derive(Debug, Clone, Default)]
pub struct WizardStartOptions {
    pub answers: OperatorAnswers,
    /// Given by `--goal`.
    pub goal: Option<OperatorGoal>,
    pub sandbox: bool,
    /// packagecloud.rb's path.
    pub config_path: String,
    /// The log file's path; empty where there is none.
    pub log_path: String,
    /// When the wizard begins, since 1970-01-01 00:00:00 UTC: what times are shown by.
    pub begins_at: Duration,
}

/// Something that is looked up.
#[derive(Debug)]
pub enum Loadable<T> {
    Loading,
    Loaded(Box<T>),
    Failed(Failure),
}

impl<T> Loadable<T> {
    /// Returns what was found, once it is.
    #[must_use]
    pub fn value_if_loaded(&self) -> Option<&T> {
        match self {
            Self::Loaded(found) => Some(found),
            Self::Loading | Self::Failed(_) => None,
        }
    }
}

/// The job that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningWizardJob {
    pub kind: WizardJobKind,
    pub since: Duration,
    /// It was asked to stop after the request in flight.
    pub stopping: bool,
    pub paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WizardJobKind {
    Welcome,
    Identify,
    /// A code is being tried.
    Code,
    Look(RunStage),
    Watch,
    Status,
    /// A customer's link is explained.
    Link,
    Apply(RunStage),
}

#[derive(Debug)]
pub struct Wizard {
    pub init: WizardStartOptions,
    pub answers: OperatorAnswers,
    /// When the last input came.
    pub now: Duration,
    /// Since when the screen is as it is.
    pub shown_at: Duration,
    pub screen: WizardScreen,
    pub overlay: Option<ScreenOverlay>,
    pub form: Option<InputForm>,
    pub welcome: Loadable<WelcomeFindings>,
    /// What was found without AWS, until all of it is.
    pub local_findings: Option<Box<WelcomeFindings>>,
    pub status: Loadable<InstallStatus>,
    /// The link that was pasted, and what was found of it.
    pub pasted_link: Option<String>,
    pub link: Loadable<LinkExplanation>,
    pub busy: Option<RunningWizardJob>,
    /// The reindex, where it runs on while the screen is at a later stage.
    pub background: Option<RunningWizardJob>,
    pub log: EventLog,
    /// The other run, while it is watched.
    pub watching: Option<WatchedRunState>,
    /// One line that says what just came of a key.
    pub notice: Option<String>,
    /// Which service of AWS's doesn't answer, while something waits for it.
    pub silent_aws_call: Option<String>,
    /// Which line of a list is chosen.
    pub choice: usize,
    /// How many lines of the body's text are above its first row; `None` until the operator scrolls.
    pub scroll: Option<usize>,
    pub extent: ScrollExtent,
    /// What is looked for on the page that is open.
    pub page_find: Option<PageFind>,
    progress: BTreeMap<RunStage, StageProgress>,
    /// Where `b` leads from disable, roll-back and `x`.
    return_screen: Option<WizardScreen>,
    /// With this exit code, once what runs has stopped.
    pending_exit_code: Option<u8>,
    /// The identity that is asked about, before it is used.
    identity_to_confirm: Option<FoundAwsIdentity>,
    /// Who goes on in its place.
    taken_over_by: Option<String>,
    /// Whether stages that have nothing to do are passed by themselves.
    auto_advance: bool,
    /// What Enter on the overview consented to.
    plan_consent: Option<PlanConsent>,
    /// What is set up already is only switched on.
    switches_on: bool,
    /// Each stage waits for its own Enter.
    stepwise: bool,
    /// Which line of the plan is opened.
    pub opened_line: Option<PlanPageLine>,
    /// Each check that passed is shown, rather than their count.
    pub shows_passed_checks: bool,
    /// Stages that were gone past although a check failed or they broke off.
    passed_despite_failure: BTreeSet<RunStage>,
    /// The reindex was begun on its screen, and goes beside the next stages as soon as it runs.
    starts_reindex_beside: bool,
    /// The reindex was stopped in order to skip it.
    skipping: bool,
    /// The plan goes on in spite of failed checks.
    ignore_failed_checks: bool,
    /// How often something was copied on this screen: each time the next of what can be.
    copy_count: usize,
}

impl Wizard {
    /// Makes a wizard on its first screen, with nothing looked up yet.
    #[must_use]
    pub fn new(init: WizardStartOptions) -> Self {
        Self {
            answers: init.answers.clone(),
            init,
            now: Duration::ZERO,
            shown_at: Duration::ZERO,
            screen: WizardScreen::Home,
            overlay: None,
            form: None,
            welcome: Loadable::Loading,
            local_findings: None,
            status: Loadable::Loading,
            pasted_link: None,
            link: Loadable::Loading,
            busy: None,
            background: None,
            log: EventLog::default(),
            watching: None,
            notice: None,
            silent_aws_call: None,
            choice: 0,
            scroll: None,
            extent: ScrollExtent::default(),
            page_find: None,
            progress: BTreeMap::new(),
            return_screen: None,
            pending_exit_code: None,
            identity_to_confirm: None,
            taken_over_by: None,
            auto_advance: true,
            plan_consent: None,
            switches_on: false,
            stepwise: false,
            opened_line: None,
            shows_passed_checks: false,
            passed_despite_failure: BTreeSet::new(),
            starts_reindex_beside: false,
            skipping: false,
            ignore_failed_checks: false,
            copy_count: 0,
        }
    }

    /// Returns what came of a stage so far, where it was entered.
    #[must_use]
    pub fn find_stage_progress(&self, stage: RunStage) -> Option<&StageProgress> {
        self.progress.get(&stage)
    }

    /// Returns the progress of a stage, which begins here.
    pub(crate) fn stage_progress_mut(&mut self, stage: RunStage) -> &mut StageProgress {
        self.progress.entry(stage).or_default()
    }

    /// Whether the stage was gone past although a check failed in it or it broke off.
    #[must_use]
    pub fn was_stage_passed_despite_failure(&self, stage: RunStage) -> bool {
        self.passed_despite_failure.contains(&stage)
    }

    /// Whether something changes by itself: only then does time pass for the wizard.
    #[must_use]
    pub fn has_running_job(&self) -> bool {
        self.busy.is_some() || self.background.is_some()
    }

    /// Returns the stage that is being applied on the screen.
    #[must_use]
    pub fn stage_applied_in_foreground(&self) -> Option<RunStage> {
        match self.busy {
            Some(RunningWizardJob { kind: WizardJobKind::Apply(stage), .. }) => Some(stage),
            _ => None,
        }
    }

    /// Whether CloudFront is being switched off right now.
    #[must_use]
    pub fn is_switching_off(&self) -> bool {
        self.stage_applied_in_foreground() == Some(RunStage::Disable)
    }

    /// Returns the stage that is being applied, on the screen or in the background.
    #[must_use]
    pub fn stage_being_applied(&self) -> Option<RunStage> {
        self.stage_applied_in_foreground().or(self.background.map(|_| RunStage::Reindex))
    }

    /// Returns what the stage that runs, on the screen or in the background, stands still for.
    #[must_use]
    pub fn running_stage_credential_wait(&self) -> Option<&CredentialWait> {
        let mut running = [self.stage_applied_in_foreground(), self.background.map(|_| RunStage::Reindex)]
            .into_iter()
            .flatten();
        running.find_map(|stage| self.find_stage_progress(stage)?.credential_wait.as_ref())
    }

    /// Whether the reindex of this goal runs on, or broke off, and was not skipped.
    #[must_use]
    pub fn is_reindex_left_open(&self) -> bool {
        self.chosen_goal() == Some(OperatorGoal::Upgrade)
            && self.return_screen.is_none()
            && !self.answers.reindex.skip
            && self.find_stage_progress(RunStage::Reindex).is_some_and(|progress| !progress.is_stage_done())
    }

    /// Whether keys on this screen may consent already.
    #[must_use]
    pub fn has_consent_delay_passed(&self) -> bool {
        self.now.saturating_sub(self.shown_at) >= INPUT_ACCEPTED_AFTER
    }

    /// Returns how many lines the list of this screen has; none is no list.
    #[must_use]
    pub fn count_screen_list_lines(&self) -> usize {
        let welcome = self.welcome.value_if_loaded();
        match self.overlay {
            Some(ScreenOverlay::Ask(_)) => return 2,
            // A page that covers the list scrolls.
            Some(_) => return 0,
            None => {}
        }
        match self.screen {
            WizardScreen::Home => self.list_home_actions().len(),
            WizardScreen::Identity => welcome.map_or(0, |welcome| welcome.identities.len()) + 2,
            WizardScreen::Bucket => welcome.map_or(0, |welcome| welcome.buckets.len()) + 1,
            WizardScreen::Backups => welcome.map_or(0, |welcome| welcome.backups.len()),
            WizardScreen::Stage(RunStage::Overview) => self.list_plan_page_lines().len(),
            WizardScreen::Watch | WizardScreen::Status | WizardScreen::Link | WizardScreen::Stage(_) => 0,
        }
    }
}
