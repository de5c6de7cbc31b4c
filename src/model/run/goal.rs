//! What an operator wants, the stages that lead there, and the steps inside each (contract section 1).

use serde::{Deserialize, Serialize};

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorGoal {
    /// CloudFront on, on an installation that writes Cache-Control itself from its first object on.
    Install,
    /// CloudFront on, with the reindex of what is there already.
    Upgrade,
    /// CloudFront off, from packagecloud.rb alone.
    Disable,
    /// packagecloud.rb as a backup has it, or an earlier function version.
    RollBack,
    /// A new secret on every node, without one refused link.
    Rotate,
}

/// A stage is a screen; a [`StageStep`] is a line on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStage {
    Access,
    Overview,
    Reindex,
    Secret,
    Bootstrap,
    Distribution,
    Configuration,
    GoLive,
    Verify,
    Disable,
    RollBack,
    /// A new secret, and the end of the one before.
    Rotate,
    /// Belongs to no goal: the command alone.
    Invalidate,
}

/// A line on a stage's screen: one thing that is kept, made, changed or proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageStep {
    // access
    Identity,
    Bucket,
    Permissions,
    Host,
    // reindex
    Objects,
    BatchJobs,
    Remainder,
    VendorReindex,
    // secret
    Secret,
    // bootstrap
    Role,
    RolePolicy,
    Key,
    KeyAlias,
    KeyPolicy,
    SelfTest,
    Function,
    FunctionVersion,
    OriginAccess,
    // distribution
    CachePolicy,
    VersionProof,
    Distribution,
    Authenticator,
    Deployed,
    Certificate,
    ObjectsKey,
    BucketPolicy,
    // configuration, go-live, disable, roll-back: the host
    Configuration,
    Gate,
    Switch,
    Reconfigure,
    Restart,
    Proof,
    TakeBack,
    // verify
    Checks,
    // rotate
    RotationLock,
    EdgeReadings,
    LinkExpiry,
    // invalidate
    Invalidation,
}

impl OperatorGoal {
    /// Returns the stages, in order.
    #[must_use]
    pub fn stages_of_goal(self) -> &'static [RunStage] {
        use RunStage::{
            Access, Bootstrap, Configuration, Disable, Distribution, GoLive, Overview, Reindex, RollBack,
            Rotate, Secret, Verify,
        };
        match self {
            Self::Install => {
                &[Access, Overview, Secret, Bootstrap, Distribution, Configuration, GoLive, Verify]
            }
            Self::Upgrade => {
                &[Access, Overview, Reindex, Secret, Bootstrap, Distribution, Configuration, GoLive, Verify]
            }
            Self::Disable => &[Disable],
            Self::RollBack => &[RollBack],
            Self::Rotate => &[Rotate],
        }
    }

    /// Returns the name as the command line spells it.
    #[must_use]
    pub fn goal_cli_name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Disable => "disable",
            Self::RollBack => "roll-back",
            Self::Rotate => "rotate",
        }
    }
}

impl RunStage {
    /// Returns the name as events and `--output json` spell it.
    #[must_use]
    pub fn stage_name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Overview => "overview",
            Self::Reindex => "reindex",
            Self::Secret => "secret",
            Self::Bootstrap => "bootstrap",
            Self::Distribution => "distribution",
            Self::Configuration => "configuration",
            Self::GoLive => "go-live",
            Self::Verify => "verify",
            Self::Disable => "disable",
            Self::RollBack => "roll-back",
            Self::Rotate => "rotate",
            Self::Invalidate => "invalidate",
        }
    }

    /// Returns the title as a screen's heading and the list of steps on the left spell it.
    #[must_use]
    pub fn stage_title(self) -> &'static str {
        match self {
            Self::Access => "Access",
            Self::Overview => "Overview",
            Self::Reindex => "Reindex",
            Self::Secret => "Secret",
            Self::Bootstrap => "Bootstrap",
            Self::Distribution => "Distribution",
            Self::Configuration => "Configuration",
            Self::GoLive => "Go live",
            Self::Verify => "Verify",
            Self::Disable => "Disable",
            Self::RollBack => "Roll back",
            Self::Rotate => "Rotate",
            Self::Invalidate => "Invalidate",
        }
    }
}

impl StageStep {
    /// Returns the title as a line on the screen begins: at most 22 columns.
    #[must_use]
    pub fn step_title(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Bucket => "bucket",
            Self::Permissions => "permissions",
            Self::Host => "packagecloud host",
            Self::Objects => "objects",
            Self::BatchJobs => "batch jobs",
            Self::Remainder => "what remains",
            Self::VendorReindex => "packagecloud's reindex",
            Self::Secret => "secret",
            Self::Role => "role",
            Self::RolePolicy => "role policy",
            Self::Key => "KMS key",
            Self::KeyAlias => "KMS alias",
            Self::KeyPolicy => "KMS key policy",
            Self::SelfTest => "self-test",
            Self::Function => "Lambda function",
            Self::FunctionVersion => "function version",
            Self::OriginAccess => "origin access",
            Self::CachePolicy => "cache policy",
            Self::VersionProof => "version proof",
            Self::Distribution => "distribution",
            Self::Authenticator => "authenticator",
            Self::Deployed => "deployed",
            Self::Certificate => "certificate",
            Self::ObjectsKey => "objects' KMS key",
            Self::BucketPolicy => "bucket policy",
            Self::Configuration => "packagecloud.rb",
            Self::Gate => "gate",
            Self::Switch => "switch",
            Self::Reconfigure => "reconfigure",
            Self::Restart => "restart",
            Self::Proof => "proof",
            Self::TakeBack => "undo",
            Self::Checks => "checks",
            Self::RotationLock => "rotation's lock",
            Self::EdgeReadings => "every edge",
            Self::LinkExpiry => "old links",
            Self::Invalidation => "invalidation",
        }
    }
}
