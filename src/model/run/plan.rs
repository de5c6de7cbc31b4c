//! A plan: every change that a stage would make, with the reason, and the evidence that it was made from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    check::CheckResult,
    goal::{RunStage, StageStep},
};
use crate::model::aws::evidence::StageEvidence;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceChangeKind {
    /// It is there and right.
    Keep,
    Create,
    Update,
    /// Something that stands is tied to something else: a policy to a role, a function to a distribution.
    Attach,
    /// A command runs, a proof is made.
    Run,
}

impl ResourceChangeKind {
    /// Returns the word that a line of a plan and `--output json` have.
    #[must_use]
    pub fn change_kind_name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Create => "create",
            Self::Update => "update",
            Self::Attach => "attach",
            Self::Run => "run",
        }
    }

    /// Returns the word for it once it is done: at most eight columns.
    #[must_use]
    pub fn change_kind_done_name(self) -> &'static str {
        match self {
            Self::Keep => "kept",
            Self::Create => "created",
            Self::Update => "updated",
            Self::Attach => "attached",
            Self::Run => "done",
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// The stage that makes it: an overview holds changes of all stages.
    pub stage: RunStage,
    pub step: StageStep,
    pub verb: ResourceChangeKind,
    /// What it is about: a name, an ARN, a path.
    pub target: String,
    /// Why this verb: a lower-case fragment.
    pub why: String,
    /// The calls behind the line and the manual step that it replaces, shown on `e`.
    #[serde(skip)]
    pub calls: Vec<String>,
    /// What is written, where that can be read: a document or a diff, secrets hidden.
    #[serde(skip)]
    pub document: Option<String>,
}

impl PlannedChange {
    /// Adds what is written.
    pub fn set_change_document(&mut self, text: String) {
        self.document = Some(text).filter(|text| !text.is_empty());
    }
}

/// A question that only the operator can answer before a plan may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanConfirmationQuestion {
    pub consent: RequiredConsent,
    /// The question, a whole sentence; the answer yes is the consent.
    pub question: String,
}

/// What is asked apart (contract section 2): each has its own flag, which `--yes` never implies, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequiredConsent {
    Adopt,
    AdoptBucketKey,
    NewSecret,
    Unproven,
    Managed,
    OverrideExpression,
    OtherBucket,
    ConfirmBucket,
    /// A change of a distribution that serves links now: a question of its own, which `--yes` answers.
    LiveChange,
    /// A rotation that another host began more than an hour ago is taken over: `--yes` answers it, too.
    RotationTakeOver,
    /// No node signs with the secret of before but those that were named, nor ever will.
    NoOtherNode,
    /// The reindex has effects beside it, or costs more than [`REINDEX_COST_ASKED_USD`]: `--yes` answers it, too.
    ReindexEffects,
    /// packagecloud's own reindex is run too: `--yes` answers it, too.
    VendorReindex,
}

/// A reindex that costs more US dollars than this is a question of its own (contract section 2).
pub const REINDEX_COST_ASKED_USD: f64 = 10.0;

impl RequiredConsent {
    /// Returns whether `--yes` answers it: it is asked about where somebody can be asked, beside the plan that it is part of.
    #[must_use]
    pub fn is_answered_by_yes(self) -> bool {
        matches!(self, Self::LiveChange | Self::RotationTakeOver | Self::ReindexEffects | Self::VendorReindex)
    }

    /// Returns the flag that gives it on the command line.
    #[must_use]
    pub fn consent_cli_flag(self) -> &'static str {
        match self {
            Self::Adopt => "--adopt",
            Self::AdoptBucketKey => "--adopt-bucket-key",
            Self::NewSecret => "--new-secret",
            Self::Unproven => "--unproven",
            Self::Managed => "--managed wait|write",
            Self::OverrideExpression => "--override-expression",
            Self::OtherBucket => "--other-bucket",
            Self::ConfirmBucket => "--confirm-bucket NAME",
            Self::LiveChange | Self::RotationTakeOver | Self::ReindexEffects | Self::VendorReindex => "--yes",
            Self::NoOtherNode => "--no-other-node",
        }
    }
}

/// What `look` says of one stage, and what `apply` does: exactly this.
#[derive(Debug, Clone)]
pub struct StagePlan {
    pub changes: Vec<PlannedChange>,
    /// What was checked on the way: permissions, the bucket, the gate.
    pub checks: Vec<CheckResult>,
    /// Whole sentences for the operator, above the changes.
    pub notes: Vec<String>,
    /// What an operator decides by, each with what it is about; below the notes.
    pub facts: Vec<PlanFact>,
    /// Lines to read as they stand: a diff, the final block, the notice to clients. Secrets are hidden in them.
    pub documents: Vec<PlanAttachment>,
    /// What must be answered with yes before it may be applied.
    pub confirmations: Vec<PlanConfirmationQuestion>,
    /// What it was made from; `apply` compares it with what is there just before it writes.
    pub observed: StageEvidence,
}

/// One thing that an operator decides by: how long it takes, what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFact {
    /// What it is about: `How long`.
    pub topic: &'static str,
    /// What is said of it, a sentence.
    pub text: String,
}

impl fmt::Display for PlanFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.topic, self.text)
    }
}

/// A titled piece of text that a screen shows as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanAttachment {
    pub title: String,
    pub lines: Vec<String>,
    /// Whether `c` copies it.
    pub copy: bool,
}

/// Lists what plans ask, each consent once, with the stage that asks first.
#[must_use]
pub fn list_distinct_questions(plans: &[StagePlan]) -> Vec<(RunStage, &PlanConfirmationQuestion)> {
    let mut all: Vec<(RunStage, &PlanConfirmationQuestion)> = Vec::new();
    for plan in plans {
        for asked in &plan.confirmations {
            if !all.iter().any(|(_, known)| known.consent == asked.consent) {
                all.push((plan.run_stage_of_plan(), asked));
            }
        }
    }
    all
}

/// Finds the first change of `now` that is not among those that were shown: it is of another step, does something else, or,
/// before anything of what was shown was made, is about something else. What is made gives names to what comes after it.
#[must_use]
pub fn find_change_not_shown<'a>(
    shown: &[PlannedChange],
    now: &'a [PlannedChange],
    is_begun: bool,
) -> Option<&'a PlannedChange> {
    let is_shown = |change: &&PlannedChange| {
        shown.iter().any(|known| {
            (known.stage, known.step, known.verb) == (change.stage, change.step, change.verb)
                && (is_begun || known.target == change.target)
        })
    };
    now.iter().filter(|change| change.verb != ResourceChangeKind::Keep).find(|change| !is_shown(change))
}

/// Returns the title of the lines that show how a file is changed.
#[must_use]
pub fn render_file_diff_title(path: &str) -> String {
    format!("Changes to {path}")
}

impl StagePlan {
    /// Returns a plan without a change of the stage that `observed` is of.
    #[must_use]
    pub fn new(observed: StageEvidence) -> Self {
        Self {
            changes: Vec::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            facts: Vec::new(),
            documents: Vec::new(),
            confirmations: Vec::new(),
            observed,
        }
    }

    /// Returns the stage that this plan is of: its evidence says it, so that neither can be taken for another's.
    #[must_use]
    pub fn run_stage_of_plan(&self) -> RunStage {
        match &self.observed {
            StageEvidence::Access => RunStage::Access,
            StageEvidence::Overview => RunStage::Overview,
            StageEvidence::Reindex(_) => RunStage::Reindex,
            StageEvidence::Secret(_) => RunStage::Secret,
            StageEvidence::Bootstrap(_) => RunStage::Bootstrap,
            StageEvidence::Distribution(_) => RunStage::Distribution,
            StageEvidence::Configuration(_) => RunStage::Configuration,
            StageEvidence::GoLive(_) => RunStage::GoLive,
            StageEvidence::Verify => RunStage::Verify,
            StageEvidence::Disable => RunStage::Disable,
            StageEvidence::RollBack(_) => RunStage::RollBack,
            StageEvidence::Rotation(_) => RunStage::Rotate,
            StageEvidence::Invalidate(_) => RunStage::Invalidate,
        }
    }

    /// Adds a change of this plan's stage, and returns it for the calls behind it.
    pub fn add_planned_change(
        &mut self,
        step: StageStep,
        verb: ResourceChangeKind,
        target: impl Into<String>,
        why: impl Into<String>,
    ) -> &mut PlannedChange {
        let stage = self.run_stage_of_plan();
        self.changes.push(PlannedChange {
            stage,
            step,
            verb,
            target: target.into(),
            why: why.into(),
            calls: Vec::new(),
            document: None,
        });
        let last = self.changes.len() - 1;
        &mut self.changes[last]
    }

    /// Finds what a change of this plan writes: its own document, else the diff of the file that it is about.
    #[must_use]
    pub fn find_change_document(&self, change: &PlannedChange) -> Option<String> {
        let title = render_file_diff_title(&change.target);
        let diff = || {
            let diff = self.documents.iter().find(|document| document.title == title);
            diff.filter(|_| change.verb == ResourceChangeKind::Update).map(|diff| diff.lines.join("\n"))
        };
        change.document.clone().or_else(diff)
    }

    /// Returns whether applying it would change nothing.
    #[must_use]
    pub fn is_plan_without_changes(&self) -> bool {
        self.changes.iter().all(|change| change.verb == ResourceChangeKind::Keep)
    }
}
