//! What happened, as plain past-tense facts: the only thing that the engine says while it works, and all that a face shows.

use serde::{Deserialize, Serialize};

use super::{
    check::CheckResult,
    goal::{RunStage, StageStep},
    tally::CountsByName,
};
use crate::model::failure::Failure;

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageEnd {
    /// Something was changed, and all of it stands.
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// It stopped before its end, by the operator or by what it was told: nothing is broken.
    Stopped,
    Failed,
}

/// How far something is, and how fast; every number that isn't known is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Objects that were right already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Objects that could not be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Those, by reason.
    #[serde(skip_serializing_if = "CountsByName::is_empty")]
    pub reasons: CountsByName,
    /// Keys that are not of packagecloud's layout and so left alone, by what stands before their first `/`.
    #[serde(skip_serializing_if = "CountsByName::is_empty")]
    pub foreign: CountsByName,
    /// Objects a second, over the last second or so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// Requests in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// How often S3 said SlowDown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_downs: Option<u64>,
    /// Bytes that were never moved through this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// US dollars so far, of requests at S3's list price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Seconds left, estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// What a step waits for that stands still because AWS no longer accepts the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialRenewalNeed {
    /// Fresh ones where they came from: it goes on by itself.
    Renewal,
    /// A code of this device.
    Code(String),
    /// Other keys, typed.
    Keys,
}

/// A fact. Of one stage's events, [`StageEvent::Ended`] is the last one, exactly once, even on a panic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StageEvent {
    /// A step began. Every step that began finishes or fails before the stage ends.
    Started { stage: RunStage, step: StageStep, text: String },
    /// A step goes on; may be dropped by a face that is behind.
    Progress {
        stage: RunStage,
        step: StageStep,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pace: Option<ProgressStats>,
    },
    /// A step stands still until AWS accepts the credentials again; what is done stands.
    Waiting { stage: RunStage, step: StageStep, text: String, failure: Failure, wants: CredentialRenewalNeed },
    /// A step is done, and stands.
    Finished { stage: RunStage, step: StageStep, text: String },
    /// A step failed; `failure` holds the next move.
    Failed { stage: RunStage, step: StageStep, failure: Failure },
    /// A check has its result.
    Check {
        #[serde(skip, default = "default_stage_for_parsed_check")]
        stage: RunStage,
        #[serde(flatten)]
        check: CheckResult,
    },
    /// The stage is over; nothing of it follows.
    Ended { stage: RunStage, step: Option<StageStep>, end: StageEnd, text: String },
}

/// A check says no stage of its own; whoever reads one back knows it.
fn default_stage_for_parsed_check() -> RunStage {
    RunStage::Verify
}

impl StageEvent {
    /// Returns the step that it is of, where it is of one.
    #[must_use]
    pub fn find_stage_step_of_event(&self) -> Option<StageStep> {
        match self {
            Self::Started { step, .. }
            | Self::Progress { step, .. }
            | Self::Waiting { step, .. }
            | Self::Finished { step, .. }
            | Self::Failed { step, .. } => Some(*step),
            Self::Check { .. } | Self::Ended { .. } => None,
        }
    }

    /// Returns the stage that it is of.
    #[must_use]
    pub fn stage_of_event(&self) -> RunStage {
        match self {
            Self::Started { stage, .. }
            | Self::Progress { stage, .. }
            | Self::Waiting { stage, .. }
            | Self::Finished { stage, .. }
            | Self::Failed { stage, .. }
            | Self::Check { stage, .. }
            | Self::Ended { stage, .. } => *stage,
        }
    }
}
