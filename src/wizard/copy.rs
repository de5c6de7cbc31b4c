//! What each stage is for, and what Enter does on it, in words for somebody who is tired.

use crate::model::run::goal::{Goal, Stage};

/// Says what the stage does, and what customers notice of it.
#[must_use]
pub fn describe_stage_purpose(stage: Stage) -> &'static str {
    match stage {
        Stage::Access => {
            "May this identity do all that the set-up needs, and is this the right bucket and host? Only looked at; nothing is written."
        }
        Stage::Overview => {
            "Everything that would be made or changed, before any of it is. Nothing has been written yet."
        }
        Stage::Reindex => {
            "Sets Cache-Control on the objects that are in S3 already, so that packages are cached and repository metadata never is. Customers notice nothing."
        }
        Stage::Secret => {
            "The secret that signs download links. It is written to packagecloud.rb now and used from go-live on."
        }
        Stage::Bootstrap => {
            "What checks every download link at CloudFront's edge: a role, a key, a function. Customers notice nothing."
        }
        Stage::Distribution => {
            "The CloudFront distribution in front of the bucket. S3 is opened to it only after it checks every link. Customers notice nothing."
        }
        Stage::Configuration => {
            "The four values for packagecloud.rb. They are written, but CloudFront stays as it is until go-live."
        }
        Stage::GoLive => {
            "Switches CloudFront on: packagecloud is reconfigured and restarted, which customers notice. If its links are refused, it is taken back by itself."
        }
        Stage::Verify => "Asks CloudFront, S3 and packagecloud whether all of it works. Nothing is changed.",
        Stage::Disable => {
            "Switches CloudFront off: packagecloud sends its clients straight to S3 again. Nothing in AWS is touched; links already given out still work."
        }
        Stage::RollBack => {
            "Puts packagecloud.rb back to an earlier state, then reconfigures and restarts packagecloud."
        }
    }
}

/// Names what Enter does where the plan changes something.
#[must_use]
pub fn enter_key_label(stage: Stage) -> &'static str {
    match stage {
        Stage::Access | Stage::Overview => "go on",
        Stage::Reindex => "reindex",
        Stage::Secret => "write the secret",
        Stage::Bootstrap | Stage::Distribution => "make these",
        Stage::Configuration => "write this",
        Stage::GoLive => "go live",
        Stage::Verify => "verify",
        Stage::Disable => "switch CloudFront off",
        Stage::RollBack => "restore this",
    }
}

/// Names and describes a goal as the first screen offers it.
#[must_use]
pub fn describe_goal(goal: Goal) -> (&'static str, &'static str) {
    match goal {
        Goal::Install => ("Install", "CloudFront on, for a new installation"),
        Goal::Upgrade => ("Upgrade", "CloudFront on, and what is in S3 reindexed"),
        Goal::Disable => ("Disable", "CloudFront off, downloads straight from S3"),
        Goal::RollBack => ("Roll back", "packagecloud.rb as a backup has it"),
    }
}

/// Where help comes from when this program has none.
pub const SUPPORT_EMAIL: &str = "support@packagecloud.io";
