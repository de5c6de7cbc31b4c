//! The evidence of each stage's plan: what `look` found, in our words. A plan is made from this alone, and carries it.

use super::{
    account::{IamRole, KmsKey, LambdaFunction},
    bucket::{ObjectEncryptionKey, ObservedBucket},
    cloudfront::{
        CloudFrontDistribution, CloudFrontOriginAccessIdentity, CustomPackagesDomain, FlatRatePlanFinding,
        InstallCachePolicies, OriginAccessControl,
    },
    rotation::SecretRotationEvidence,
};
use crate::model::{
    failure::Failure,
    packagecloud::{
        path_cache::PathCachingChoice,
        settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    },
};

/// packagecloud.rb, as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedPackagecloudConfig {
    pub path: String,
    /// SHA-256 of its bytes, hex: the file is written only while it is this.
    pub hash: String,
    pub values: CloudFrontSettingValues,
    /// Values that are expressions: the key, the line's number from 1, and the line's text, secrets hidden.
    pub expressions: Vec<(CloudFrontSettingKey, usize, String)>,
    /// Values that something else in the file may change: the same.
    pub unsettled: Vec<(CloudFrontSettingKey, usize, String)>,
    /// Whether the file may have CloudFront on, as far as reading tells: asked by [`Self::may_cloudfront_be_on`].
    pub may_be_on: bool,
    /// The tool that manages the file, `chef`, `puppet` or `ansible`, and how that was seen.
    pub managed: Option<(String, String)>,
    /// Whether the secret among the values isn't in the file yet: its tool shall write it there.
    pub awaits_secret: bool,
}

impl ObservedPackagecloudConfig {
    /// Returns whether CloudFront is on by the file, or may be: what reading can't tell is never taken for off.
    #[must_use]
    pub fn may_cloudfront_be_on(&self) -> bool {
        self.values.enabled == Some(true) || self.may_be_on
    }

    /// Says that CloudFront is on by the file, or may be, and by which line; `None` where it is surely off.
    #[must_use]
    pub fn describe_cloudfront_unless_off(&self) -> Option<String> {
        let line = self.find_unsettling_line(CloudFrontSettingKey::Enabled);
        if !self.may_cloudfront_be_on() {
            None
        } else if self.values.enabled == Some(true) && line.is_none() {
            Some("CloudFront is on".to_owned())
        } else {
            let line = line.map_or_else(String::new, |(number, text)| {
                format!(" (packagecloud.rb, line {number}: {text})")
            });
            Some(format!("CloudFront may be on{line}"))
        }
    }

    /// Finds what keeps a value from being settled by a plain line: the line's number from 1, and its text.
    #[must_use]
    pub fn find_unsettling_line(&self, key: CloudFrontSettingKey) -> Option<(usize, &str)> {
        let lines = self.expressions.iter().chain(&self.unsettled);
        lines.filter(|(one, ..)| *one == key).map(|(_, line, text)| (*line, text.as_str())).next()
    }

    /// Returns whether the file must be written for a value to be as in `wanted`, which has it.
    #[must_use]
    pub fn must_write_setting(&self, wanted: &CloudFrontSettingValues, key: CloudFrontSettingKey) -> bool {
        wanted.render_setting_as_ruby(key).is_some_and(|value| {
            Some(value) != self.values.render_setting_as_ruby(key) || self.find_unsettling_line(key).is_some()
        })
    }
}

/// The evidence of one stage's plan: it says of which stage the plan is.
#[derive(Debug, Clone)]
pub enum StageEvidence {
    Access,
    /// The plans of the other stages hold theirs.
    Overview,
    Reindex(Box<ReindexEvidence>),
    Secret(Box<CloudFrontSecretEvidence>),
    Bootstrap(Box<BootstrapStageEvidence>),
    Distribution(Box<DistributionEvidence>),
    Configuration(Box<PackagecloudConfigEvidence>),
    GoLive(Box<PackagecloudConfigEvidence>),
    Verify,
    /// Switching off looks again as it is applied: a run beside it may have switched on since.
    Disable,
    RollBack(Box<RollBackEvidence>),
    Rotation(Box<SecretRotationEvidence>),
    Invalidate(Box<InvalidationEvidence>),
}

/// What the edges of which distribution shall forget.
#[derive(Debug, Clone, Default)]
pub struct InvalidationEvidence {
    /// `E…`.
    pub distribution: String,
    pub paths: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct ReindexEvidence {
    /// Where a run that was interrupted goes on: how many objects it had done.
    pub resumes: Option<u64>,
    /// Whether there is anything to go through.
    pub due: bool,
    /// How many objects there are, where the listing came to its end.
    pub total: Option<u64>,
    /// The keys between which it was listed side by side.
    pub cuts: Option<Vec<String>>,
    /// The role of S3 Batch Operations, where that engine was chosen and the role stands.
    pub batch_role: Option<IamRole>,
}

#[derive(Debug, Clone, Default)]
pub struct CloudFrontSecretEvidence {
    pub config: ObservedPackagecloudConfig,
    /// Whether our function exists for this bucket: then a file without a secret gets none made.
    pub function: bool,
    /// Another web node's secret, and that node's name: with one there, none is made.
    pub elsewhere: Option<(String, crate::model::secret::Secret)>,
    /// The newest backup of the file that holds the secret which the edge has.
    pub backup: Option<String>,
    /// What becomes of the secrets that the edge accepts once there is a new one; `None` where none was asked for, or that
    /// can't be told.
    pub beside_new: Option<CarriedSecretChoice>,
}

#[derive(Debug, Clone, Default)]
pub struct BootstrapStageEvidence {
    pub role: Option<IamRole>,
    pub key: Option<KmsKey>,
    pub function: Option<LambdaFunction>,
    pub identity: Option<CloudFrontOriginAccessIdentity>,
    pub control: Option<OriginAccessControl>,
    /// Whether the origin access is a control rather than an identity.
    pub by_control: bool,
    /// Why it is a control, or why the identity that was asked for can't serve: a lower-case fragment.
    pub why_control: String,
    /// packagecloud.rb's, once it holds one.
    pub secret: Option<crate::model::secret::Secret>,
    /// The version that is right as it stands, if there is one: its ARN.
    pub version: Option<String>,
    /// What the edge accepts beside that secret.
    pub beside: CarriedSecretChoice,
    /// What the edge shall accept.
    pub construction: crate::model::url::token::UrlTokenConstruction,
}

/// A secret that the edge accepts, known by its fingerprint alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedSecret {
    pub fingerprint: String,
    /// The version that holds it.
    pub version_arn: String,
    /// Its place among that version's secrets, and how many those are.
    pub position: usize,
    pub of: usize,
}

/// What becomes in the next version of the secrets that the edge accepts beside the current one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedSecretChoice {
    /// A new version keeps them.
    pub carried: Vec<AcceptedSecret>,
    /// A new version doesn't have them.
    pub dropped: Vec<DroppedSecret>,
    /// Why what is carried can't be kept, where it can't: then no version can be made.
    pub obstacle: Option<Failure>,
}

/// A secret that a new version leaves out, and why it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedSecret {
    pub fingerprint: String,
    pub why: SecretDropReason,
}

/// Why no link by a secret needs to be accepted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretDropReason {
    /// No node's packagecloud.rb holds it any more, and CloudFront is off on each.
    HeldByNoNode,
    /// The KMS key that encrypted it is deleted, or about to be: the edge can't open it.
    KeyGone { key_arn: String },
}

#[derive(Debug, Clone, Default)]
pub struct DistributionEvidence {
    /// The version to associate; `None` while there is none yet.
    pub version_arn: Option<String>,
    /// The secrets of the associated version that it need not accept.
    pub dropped: Vec<DroppedSecret>,
    /// Ours, or one that may be adopted.
    pub distribution: Option<CloudFrontDistribution>,
    pub cache_policies: InstallCachePolicies,
    /// Which packages are cached by their path, or why none are.
    pub path_caching: PathCachingChoice,
    /// Whether packagecloud's links lead to this distribution now, by any node's file: then each change of it is asked about.
    pub serves_links: bool,
    /// Whether a run was broken off between a change of this distribution while it served links, and the gate after it.
    pub has_unproven_change: bool,
    pub identity: Option<CloudFrontOriginAccessIdentity>,
    pub control: Option<OriginAccessControl>,
    pub by_control: bool,
    /// Why it is a control: a lower-case fragment.
    pub why_control: String,
    pub bucket: ObservedBucket,
    /// Whether the bucket policy grants what it must, to whom it must.
    pub granted: bool,
    /// Whether it also lets a next reader in: a change of origin access was broken off.
    pub has_next_reader: bool,
    /// The domain of one's own, where one is wanted.
    pub packages_domain: Option<CustomPackagesDomain>,
    /// What objects are encrypted under, where an origin access control reads them.
    pub keys: Vec<ObjectEncryptionKey>,
    /// What is known of the distribution's flat-rate plan, where it has a web ACL.
    pub flat_rate_plan: Option<FlatRatePlanFinding>,
}

/// What the configuration and the go-live stage saw.
#[derive(Debug, Clone, Default)]
pub struct PackagecloudConfigEvidence {
    pub config: ObservedPackagecloudConfig,
    /// The values that it shall hold.
    pub desired: CloudFrontSettingValues,
    /// What each of ours was when the stage was planned, for taking it back.
    pub before: CloudFrontSettingValues,
    /// The other web nodes' files, in the order in which their hosts were named.
    pub others: Vec<ObservedPackagecloudConfig>,
}

/// What the roll-back stage saw.
#[derive(Debug, Clone, Default)]
pub struct RollBackEvidence {
    pub config: ObservedPackagecloudConfig,
    /// The values that the backup holds.
    pub desired: CloudFrontSettingValues,
    /// Whether the backup has CloudFront on, or may have.
    pub may_be_on: bool,
    /// The path of the backup to restore.
    pub backup: String,
    /// Whether it is restored byte for byte.
    pub whole_file: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_off() {
        let line = || (CloudFrontSettingKey::Enabled, 7, "x = ENV['X']".to_owned());
        let of = |enabled, may_be_on, expressions: &[_], unsettled: &[_]| ObservedPackagecloudConfig {
            values: CloudFrontSettingValues { enabled, ..CloudFrontSettingValues::default() },
            expressions: expressions.to_vec(),
            unsettled: unsettled.to_vec(),
            may_be_on,
            ..ObservedPackagecloudConfig::default()
        };
        let open = "CloudFront may be on (packagecloud.rb, line 7: x = ENV['X'])";
        for (seen, words) in [
            (of(None, false, &[], &[]), None),
            (of(Some(false), false, &[], &[]), None),
            (of(Some(true), true, &[], &[]), Some("CloudFront is on")),
            (of(None, true, &[line()], &[]), Some(open)),
            (of(Some(false), true, &[], &[line()]), Some(open)),
            (of(Some(true), true, &[], &[line()]), Some(open)),
            (of(None, true, &[], &[]), Some("CloudFront may be on")),
            // Whatever leaves it open, no end of the file has it on.
            (of(Some(false), false, &[], &[line()]), None),
        ] {
            assert_eq!(seen.describe_cloudfront_unless_off().as_deref(), words, "{seen:?}");
            assert_eq!(seen.may_cloudfront_be_on(), words.is_some(), "{seen:?}");
        }
    }
}
