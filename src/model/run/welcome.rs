//! What was found before anything was asked: the first screen's facts, and what the operator may choose from.
//!
//! Nothing here is certain: each fact says how it was found, and what could not be found out is a [`Failure`] beside the rest.

use std::fmt;

use super::{
    check::{CheckResult, CheckVerdict},
    goal::{OperatorGoal, RunStage},
    other_run::ConcurrentRun,
};
use crate::model::aws::lambda_runtime::describe_runtime_support;
use crate::model::failure::Failure;
use crate::model::secret::Secret;

#[derive(Debug, Clone, Default)]
pub struct WelcomeFindings {
    /// packagecloud.rb: where it is, and what stands in the way of reading or writing it.
    pub config: FoundPackagecloudConfig,
    /// `packagecloud:enterprise 3.0.5 (Debian package)`; empty where none was found.
    pub packagecloud: String,
    /// AWS identities, the one that is proposed first.
    pub identities: Vec<FoundAwsIdentity>,
    /// What sudo left out on the way to root, and the command that keeps it.
    pub sudo: Option<String>,
    /// Buckets, the one that is proposed first.
    pub buckets: Vec<FoundBucket>,
    pub cloudfront: FoundCloudFront,
    /// Where packagecloud's own redirects go now.
    pub redirects: FoundRedirects,
    /// The goal proposed, and why: a lower-case fragment.
    pub goal: Option<(OperatorGoal, String)>,
    /// Where the last run was left.
    pub left: Option<LastRunPosition>,
    /// The account and the bucket of the last run, whether it went to its end or not.
    pub last: Option<(String, String)>,
    /// Somebody else's run on this host.
    pub other_run: Option<ConcurrentRun>,
    /// Backups of packagecloud.rb, the newest first.
    pub backups: Vec<FoundBackup>,
    /// What could not be found out.
    pub failures: Vec<Failure>,
    /// AWS did not answer in time: what it would have said isn't known.
    pub is_aws_silent: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPackagecloudConfig {
    pub path: String,
    /// Why it can't be read, parsed or written.
    pub failure: Option<Failure>,
    /// The tool that manages the file: `chef`, `puppet`, `ansible`.
    pub managed: Option<String>,
}

/// Where credentials come from (contract section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsIdentitySource {
    Profile(String),
    /// Typed into the wizard, or kept in the keyring from an earlier time.
    Typed,
    Environment,
    /// packagecloud.rb's `aws_access_key` and `aws_secret_key`.
    Config,
    /// The rest of AWS's chain: the default profile, SSO, the instance's role.
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAwsIdentity {
    pub source: AwsIdentitySource,
    /// How it was found: `profile work`, `AWS_ACCESS_KEY_ID in the environment`.
    pub found: String,
    /// Empty where AWS did not say.
    pub arn: String,
    pub account: String,
    /// The device whose code its role wants, where none was given yet.
    pub device: Option<String>,
    /// Whether it suffices, as `check` says: `may do all 31 actions`, `lacks kms:CreateKey and 4 more`.
    pub suffices: CheckResult,
}

impl FoundAwsIdentity {
    /// Returns whether AWS knows it.
    #[must_use]
    pub fn is_usable_identity(&self) -> bool {
        self.suffices.result != CheckVerdict::Fail
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBucket {
    pub name: String,
    /// Empty where it isn't known yet.
    pub region: String,
    /// Why this one: `packagecloud_rails['aws_s3_bucket'] in packagecloud.rb`.
    pub found: String,
    /// How many keys of a first page look like packagecloud's, of how many; absent where it could not be listed.
    pub sampled: Option<(u64, u64)>,
}

/// Who set CloudFront up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CloudFrontSetUpBy {
    #[default]
    Nobody,
    /// This program, by its marker.
    Us,
    /// packagecloud-ctl, or somebody by hand: there, without our marker.
    Others,
    /// AWS could not be asked.
    Unknown,
}

/// What packagecloud.rb makes of CloudFront.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FoundSwitchState {
    /// It could not be read.
    #[default]
    Unread,
    Off,
    /// An expression, or what else may change it, decides: unknown is not off.
    MaybeOn,
    On,
}

impl FoundSwitchState {
    /// Says that CloudFront is on, or may be; `None` where it is off, or nothing was read.
    #[must_use]
    pub const fn describe_switch_unless_off(self) -> Option<&'static str> {
        match self {
            Self::On => Some("CloudFront is on"),
            Self::MaybeOn => Some("CloudFront may be on"),
            Self::Off | Self::Unread => None,
        }
    }
}

/// Where packagecloud's own redirects go, asked once for each node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FoundRedirects {
    /// No address of a download is known, or nothing was asked yet.
    #[default]
    NotAsked,
    S3,
    CloudFront,
    /// Some go to CloudFront, some to S3: what was seen, in words.
    Mixed(String),
    /// Why it can't be told: packagecloud doesn't answer, or answers something else.
    Unknown(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundCloudFront {
    pub switch: FoundSwitchState,
    pub by: CloudFrontSetUpBy,
    /// `E…`; empty where there is none.
    pub distribution: String,
    /// `d….cloudfront.net`; empty where there is none.
    pub domain: String,
    /// What the function that is associated runs on; absent where none is known.
    pub runtime: Option<LambdaRuntimeSupport>,
    /// Since when it is on, where going live was this program's: `2026-11-23 20:45:00 UTC`.
    pub on_since: Option<String>,
    /// The edge accepts a secret beside the current one: a rotation can be finished.
    pub accepts_earlier_secret: bool,
}

/// A Lambda runtime, and how long AWS looks after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaRuntimeSupport {
    /// `nodejs20.x`.
    pub name: String,
    /// `support for it ended on 2026-04-30`; empty where it isn't known.
    pub support: String,
}

impl LambdaRuntimeSupport {
    /// Returns the support of runtime `name` as of `today` (`2026-11-23`).
    #[must_use]
    pub fn new(name: &str, today: &str) -> Self {
        Self { name: name.to_owned(), support: describe_runtime_support(name, today) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRunPosition {
    pub goal: OperatorGoal,
    pub stage: RunStage,
    /// `14 minutes ago`.
    pub ago: String,
    /// The account and the bucket that it worked on, where it came to know them.
    pub on: Option<(String, String)>,
}

/// `14 minutes ago, in distribution, account 999999999999, bucket packages`.
impl fmt::Display for LastRunPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, in {}", self.ago, self.stage.stage_name())?;
        match &self.on {
            Some((account, bucket)) => write!(f, ", account {account}, bucket {bucket}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBackup {
    pub path: String,
    /// `2026-11-23 20:41 UTC`.
    pub when: String,
    /// What restoring its values would change now, one fragment each; empty is nothing.
    pub changes: Vec<String>,
}

/// Credentials that were typed: for this run, and for the keyring where that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorTypedCredentials {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
    pub remember: bool,
}
