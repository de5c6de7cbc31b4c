//! What each stage is for, and what Enter does on it, in words for somebody who is tired.

use super::home::HomeAction;
use crate::model::{
    redact::REDACTED,
    run::{
        goal::{OperatorGoal, RunStage},
        usual_wait::USUAL_DEPLOYMENT_TIME,
    },
};

/// Says what the stage does, and what customers notice of it.
#[must_use]
pub fn describe_stage_purpose(stage: RunStage) -> &'static str {
    match stage {
        RunStage::Access => {
            "Checks whether this identity may do all that the set-up needs, and whether bucket and host are right. Nothing is written."
        }
        RunStage::Overview => "Everything that would be created or changed. Nothing has been written yet.",
        RunStage::Reindex => {
            "Sets Cache-Control on the objects that are already in S3. It runs beside the next stages, and nothing waits for it. Customers notice nothing."
        }
        RunStage::Secret => {
            "The secret that signs download links. It is written to packagecloud.rb now and used after go-live."
        }
        RunStage::Bootstrap => {
            "What checks every download link at CloudFront's edge: a role, a key, a function. Customers notice nothing."
        }
        RunStage::Distribution => {
            "The CloudFront distribution in front of the bucket. S3 is opened to it only after it checks every link. Customers notice nothing."
        }
        RunStage::Configuration => {
            "The four values for packagecloud.rb. They are written, but CloudFront stays as it is until go-live."
        }
        RunStage::GoLive => {
            "Switches CloudFront on: packagecloud is reconfigured and restarted, which customers notice. If its links are refused, it is undone automatically."
        }
        RunStage::Verify => {
            "Asks CloudFront, S3 and packagecloud whether all of it works. Nothing is changed."
        }
        RunStage::Disable => "Switches CloudFront off: packagecloud sends its clients straight to S3 again.",
        RunStage::RollBack => {
            "Puts packagecloud.rb back to an earlier state, then reconfigures and restarts packagecloud."
        }
        RunStage::Rotate => {
            "Gives every node a new secret. The edge accepts both until it is finished, so no link is refused; each node is restarted, which customers notice for some seconds."
        }
        RunStage::Invalidate => {
            "Deletes the cached copies from CloudFront's edges, so that the next download comes from S3. Links keep working."
        }
    }
}

/// Says what the end of a rotation does, and what customers notice of it.
pub const FINISH_ROTATION_PURPOSE: &str = "The edge stops accepting the old secret. Links that are signed with it are refused from then on; the last ones have expired by then. No node is restarted.";

/// Says in a few words what a stage will do, for its line on the board before it begins.
#[must_use]
pub fn describe_pending_stage(stage: RunStage) -> String {
    if stage == RunStage::Distribution {
        return format!("CloudFront in front of the bucket, usually {USUAL_DEPLOYMENT_TIME}");
    }
    let said = match stage {
        RunStage::Access | RunStage::Overview => "only looks",
        RunStage::Reindex => "sets Cache-Control, beside the other stages",
        RunStage::Secret => "a secret in packagecloud.rb, used after go-live",
        RunStage::Bootstrap => "role, KMS key, Lambda function",
        RunStage::Distribution => "CloudFront in front of the bucket",
        RunStage::Configuration => "the values in packagecloud.rb, not live",
        RunStage::GoLive => "waits for your Enter",
        RunStage::Verify => "tests all of it",
        RunStage::Disable => "CloudFront off",
        RunStage::RollBack => "an earlier packagecloud.rb",
        RunStage::Rotate => "a new secret",
        RunStage::Invalidate => "cached copies are deleted from the edges",
    };
    said.to_owned()
}

/// Names what Enter does where the plan changes something.
#[must_use]
pub fn stage_enter_key_label(stage: RunStage) -> &'static str {
    match stage {
        RunStage::Access | RunStage::Overview => "continue",
        RunStage::Reindex => "reindex",
        RunStage::Secret => "write the secret",
        RunStage::Bootstrap | RunStage::Distribution => "create these",
        RunStage::Configuration => "write this",
        RunStage::GoLive => "go live",
        RunStage::Verify => "verify",
        RunStage::Disable => "switch CloudFront off",
        RunStage::RollBack => "restore this",
        RunStage::Rotate => "rotate the secret",
        RunStage::Invalidate => "delete the copies",
    }
}

/// Names a goal.
#[must_use]
pub fn goal_title(goal: OperatorGoal) -> &'static str {
    match goal {
        OperatorGoal::Install => "Install",
        OperatorGoal::Upgrade => "Upgrade",
        OperatorGoal::Disable => "Disable",
        OperatorGoal::RollBack => "Roll back",
        OperatorGoal::Rotate => "Rotate the secret",
    }
}

/// Names and describes what Home offers.
#[must_use]
pub fn describe_home_action(action: HomeAction) -> (&'static str, &'static str) {
    match action {
        HomeAction::LookAgain => ("Look again", "asks AWS again"),
        HomeAction::GoOn(_) => ("Continue", "the last run, where it stopped"),
        HomeAction::SetUp(OperatorGoal::Install) => {
            ("Install", "sets CloudFront up for a bucket that needs no reindex")
        }
        HomeAction::SetUp(_) => ("Upgrade", "sets CloudFront up, and reindexes the packages in the bucket"),
        HomeAction::SwitchOn => ("Switch on", "switches CloudFront on again, as it is set up"),
        HomeAction::Check => ("Check", "tests links, cache, S3 and packagecloud's redirects"),
        HomeAction::Status => ("Status", "what needs attention, what ends when, what it costs"),
        HomeAction::Rotate => ("Rotate secret", "gives every node a new secret; no link is refused"),
        HomeAction::FinishRotation => ("End rotation", "the edge stops accepting the old secret"),
        HomeAction::RollBack => ("Roll back", "restores packagecloud.rb from a backup"),
        HomeAction::Disable => ("Disable", "switches CloudFront off; packages come from S3"),
    }
}

/// Whether a text hides the secret, which its copy holds in clear.
#[must_use]
pub fn is_secret_hidden_in(text: &str) -> bool {
    text.contains(REDACTED)
}

/// Where help comes from when this program has none.
pub const SUPPORT_EMAIL: &str = "support@packagecloud.io";
