//! What the operator said: the goal, the choices, the consents. Kept between runs but for the consents; holds no secret.

use serde::{Deserialize, Serialize};

use super::{goal::OperatorGoal, plan::RequiredConsent, welcome::AwsIdentitySource};
use crate::model::{
    aws::{names::ResourceNameSuffix, rotation::SecretRotationKind},
    url::token::UrlTokenConstruction,
};

/// How CloudFront gets at the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OriginAccess {
    /// The identity, unless it can't serve.
    #[default]
    Auto,
    /// An origin access identity.
    Oai,
    /// An origin access control.
    Oac,
}

/// Who copies the packages of a reindex; repository metadata is always copied from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ReindexEngine {
    /// This machine.
    #[default]
    #[value(name = "here", alias = "own")]
    #[serde(rename = "here", alias = "own")]
    Own,
    /// S3 Batch Operations.
    Batch,
}

/// What to do on a host whose packagecloud.rb a configuration client writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ManagedConfigWriteChoice {
    /// Show the snippet, and wait until the file holds the values.
    Wait,
    /// Write at once.
    Write,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorAnswers {
    pub goal: Option<OperatorGoal>,
    /// The ARN of the identity that the last run used.
    pub identity: Option<String>,
    pub account: Option<String>,
    pub profile: Option<String>,
    pub bucket: Option<String>,
    pub region: Option<String>,
    pub suffix: ResourceNameSuffix,
    pub origin_access: OriginAccess,
    pub packages_domain: Option<String>,
    /// The ACM certificate for it, by ARN; else one is found by its names.
    pub certificate: Option<String>,
    pub permissions_boundary: Option<String>,
    pub probe_url: Option<String>,
    pub construction: Option<UrlTokenConstruction>,
    #[serde(skip)]
    pub prepare: bool,
    /// The function version that was named to be associated; else the one that the bootstrap finds right.
    #[serde(skip)]
    pub version_arn: Option<String>,
    pub reindex: ReindexAnswers,
    /// Which of the credentials found are used, where the operator chose.
    #[serde(skip)]
    pub source: Option<AwsIdentitySource>,
    /// What is rolled back to; chosen for this run alone.
    #[serde(skip)]
    pub roll_back: RollBackAnswers,
    /// What is done with the secret; chosen for this run alone.
    #[serde(skip)]
    pub rotation: SecretRotationKind,
    /// What the edges shall forget; named for this run alone.
    #[serde(skip)]
    pub invalidation: InvalidationAnswers,
    /// Given for this run alone.
    #[serde(skip)]
    pub consents: OperatorConsents,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReindexAnswers {
    pub skip: bool,
    #[serde(skip)]
    pub rescan: bool,
    pub no_acl: bool,
    pub all_keys: bool,
    pub package_globs: Vec<String>,
    pub metadata_globs: Vec<String>,
    pub vendor: bool,
    pub engine: ReindexEngine,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollBackAnswers {
    /// The backup's path.
    pub backup: Option<String>,
    /// The file byte for byte, rather than the four values.
    pub whole_file: bool,
    /// An earlier version of the function, to associate again.
    pub edge: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvalidationAnswers {
    /// S3 keys, as they were typed.
    pub keys: Vec<String>,
    /// All packages, rather than these keys.
    pub packages: bool,
}

/// What was consented to, beyond `--yes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorConsents {
    pub adopt: bool,
    pub adopt_bucket_key: bool,
    pub new_secret: bool,
    pub unproven: bool,
    pub managed: Option<ManagedConfigWriteChoice>,
    pub override_expression: bool,
    pub other_bucket: bool,
    pub confirm_bucket: Option<String>,
    pub live_change: bool,
    pub rotation_take_over: bool,
    pub no_other_node: bool,
    pub reindex_effects: bool,
    pub vendor_reindex: bool,
}

impl OperatorConsents {
    /// Returns whether `consent` was given; for a bucket's name, whether it is `bucket`'s.
    #[must_use]
    pub fn has_consent(&self, consent: RequiredConsent, bucket: &str) -> bool {
        match consent {
            RequiredConsent::Adopt => self.adopt,
            RequiredConsent::AdoptBucketKey => self.adopt_bucket_key,
            RequiredConsent::NewSecret => self.new_secret,
            RequiredConsent::Unproven => self.unproven,
            RequiredConsent::Managed => self.managed.is_some(),
            RequiredConsent::OverrideExpression => self.override_expression,
            RequiredConsent::OtherBucket => self.other_bucket,
            RequiredConsent::ConfirmBucket => self.confirm_bucket.as_deref() == Some(bucket),
            RequiredConsent::LiveChange => self.live_change,
            RequiredConsent::RotationTakeOver => self.rotation_take_over,
            RequiredConsent::NoOtherNode => self.no_other_node,
            RequiredConsent::ReindexEffects => self.reindex_effects,
            RequiredConsent::VendorReindex => self.vendor_reindex,
        }
    }

    /// Notes a yes: to which bucket, where the consent is for one, and in which way on a managed host.
    pub fn record_consent(
        &mut self,
        consent: RequiredConsent,
        bucket: Option<&str>,
        managed: ManagedConfigWriteChoice,
    ) {
        match consent {
            RequiredConsent::Adopt => self.adopt = true,
            RequiredConsent::AdoptBucketKey => self.adopt_bucket_key = true,
            RequiredConsent::NewSecret => self.new_secret = true,
            RequiredConsent::Unproven => self.unproven = true,
            RequiredConsent::OverrideExpression => self.override_expression = true,
            RequiredConsent::OtherBucket => self.other_bucket = true,
            RequiredConsent::Managed => self.managed = Some(managed),
            RequiredConsent::ConfirmBucket => self.confirm_bucket = bucket.map(str::to_owned),
            RequiredConsent::LiveChange => self.live_change = true,
            RequiredConsent::RotationTakeOver => self.rotation_take_over = true,
            RequiredConsent::NoOtherNode => self.no_other_node = true,
            RequiredConsent::ReindexEffects => self.reindex_effects = true,
            RequiredConsent::VendorReindex => self.vendor_reindex = true,
        }
    }
}
