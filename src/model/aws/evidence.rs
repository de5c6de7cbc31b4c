//! What is there: the resources as `look` found them, in our words. A plan is made from these alone, and carries them as its evidence.

use serde_json::Value;

use crate::model::{
    packagecloud::settings::{SettingKey, SettingValues},
    run::check::Check,
};

/// Whose a resource is, by its marker tag, Comment, name or Sid (contract section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Our marker, with our bucket.
    Ours,
    /// Our marker, with another bucket: another install.
    Other(String),
    /// Our name without our marker: the vendor's, or somebody's.
    Unmarked,
}

/// Who the credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    pub arn: String,
    pub account: String,
    /// Seconds by which this machine's clock is ahead of AWS's (negative: behind); `None` where AWS's is not known.
    pub clock_ahead: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IamRole {
    pub name: String,
    pub arn: String,
    /// `AROA…`: changes when a role is deleted and made again under the same name.
    pub id: String,
    pub ownership: Ownership,
    pub trust: Value,
    /// The inline policy of our name.
    pub policy: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KmsKey {
    pub id: String,
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, …
    pub state: String,
    pub ownership: Ownership,
    pub policy: Value,
    /// Whether our alias points at it; an orphan that carries our tag has none.
    pub alias: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaFunction {
    /// Without a version.
    pub arn: String,
    pub ownership: Ownership,
    pub runtime: String,
    pub handler: String,
    pub role_arn: String,
    /// MiB.
    pub memory: i32,
    /// Seconds.
    pub timeout: i32,
    /// Base64 of the SHA-256 of the zip, as Lambda says it.
    pub code_sha256: String,
    pub description: String,
    pub revision_id: String,
    /// Why Lambda@Edge would refuse it whatever its code: environment variables, layers, a VPC, arm64, …
    pub forbidden: Vec<String>,
    /// Published versions, oldest first; never `$LATEST`.
    pub versions: Vec<FunctionVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionVersion {
    /// With its number.
    pub arn: String,
    pub number: u64,
    pub description: String,
    pub runtime: String,
    /// `Active`, `Pending`, …
    pub state: String,
    pub code_sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFrontOriginAccessIdentity {
    /// `E…`.
    pub id: String,
    pub canonical_user_id: String,
    pub comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginAccessControl {
    /// `E…`.
    pub id: String,
    pub name: String,
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePolicy {
    pub id: String,
    /// With our name and Comment.
    pub ownership: Ownership,
    /// Whether its TTLs and key are those of contract section 5.
    pub is_correct: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFrontDistribution {
    /// `E…`.
    pub id: String,
    pub arn: String,
    /// `d….cloudfront.net`.
    pub domain: String,
    /// `InProgress` or `Deployed`.
    pub status: String,
    pub etag: String,
    pub comment: String,
    pub enabled: bool,
    pub ownership: Ownership,
    pub aliases: Vec<String>,
    /// The ARN of the ACM certificate that its aliases are served with.
    pub certificate: Option<String>,
    pub origins: Vec<DistributionOrigin>,
    /// The default behavior first.
    pub behaviors: Vec<DistributionBehavior>,
    pub continuous_deployment: bool,
    pub web_acl: Option<String>,
    /// What contract section 5 wants and it hasn't: `viewer protocol policy is redirect-to-https`, one fragment each; empty is right.
    pub differs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionOrigin {
    pub id: String,
    pub domain: String,
    /// The identity's id, `E…`, without its prefix.
    pub identity: Option<String>,
    /// The control's id.
    pub control: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionBehavior {
    /// `None` is the default behavior.
    pub path: Option<String>,
    pub origin: String,
    pub cache_policy: Option<String>,
    /// The ARN with its version of the Lambda function on viewer-request.
    pub viewer_request: Option<String>,
    /// The ARN of a CloudFront Function on viewer-request, which takes the slot too.
    pub viewer_request_function: Option<String>,
}

impl CloudFrontDistribution {
    /// Whether it is reached under this name: its own, or an alias.
    #[must_use]
    pub fn has_domain_name(&self, name: &str) -> bool {
        self.domain == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// A certificate of ACM in us-east-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmCertificate {
    pub arn: String,
    /// The names that it covers, wildcards as they stand in it.
    pub names: Vec<String>,
    /// `ISSUED`, `PENDING_VALIDATION`, …
    pub status: String,
    /// The DNS records by which ACM validates it, where it isn't issued yet.
    pub records: Vec<DnsRecord>,
}

/// A DNS record to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    pub name: String,
    /// `CNAME`.
    pub kind: String,
    pub value: String,
}

impl DnsRecord {
    /// As a zone file has it.
    #[must_use]
    pub fn to_zone_line(&self) -> String {
        format!("{} {} {}", self.name, self.kind, self.value)
    }
}

impl AcmCertificate {
    #[must_use]
    pub fn is_issued(&self) -> bool {
        self.status == "ISSUED"
    }

    #[must_use]
    pub fn covers_domain(&self, domain: &str) -> bool {
        self.names.iter().any(|name| certificate_name_covers(name, domain))
    }
}

/// Whether a certificate's name, perhaps `*.example.com`, is good for `domain`: a wildcard is one label.
#[must_use]
pub fn certificate_name_covers(name: &str, domain: &str) -> bool {
    if name.eq_ignore_ascii_case(domain) {
        return true;
    }
    let wild = name.strip_prefix("*.").zip(domain.split_once('.'));
    wild.is_some_and(|(parent, (label, rest))| !label.is_empty() && parent.eq_ignore_ascii_case(rest))
}

/// A domain of one's own for packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagesDomain {
    pub name: String,
    /// The best that covers it, or the one that was named.
    pub certificate: AcmCertificate,
}

/// A KMS key that objects of the bucket are encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEncryptionKey {
    /// As S3 names it: an ARN, an id or an alias; the bucket's default where S3 names none.
    pub key: String,
    /// Whether it is AWS's own, whose policy nobody changes.
    pub managed_by_aws: bool,
    /// Whether CloudFront may decrypt with it for the distribution; `None` where its policy can't be read.
    pub granted: Option<bool>,
}

/// The bucket, as far as the set-up needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedBucket {
    pub name: String,
    pub region: String,
    /// The policy document as read; `None` where there is none.
    pub policy: Option<String>,
    /// `Enabled`, `Suspended`, or empty.
    pub versioning: String,
    /// `AES256`, `aws:kms`, `aws:kms:dsse`, or empty where it could not be read.
    pub encryption: String,
    /// The bucket's default KMS key, where it has one.
    pub kms_key: Option<String>,
    /// `BucketOwnerEnforced`, … ; empty where it could not be read.
    pub object_ownership: String,
    /// What could not be read, each with its reason: `policy: s3:GetBucketPolicy is denied`.
    pub unread: Vec<String>,
}

/// One line of a bucket's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    /// With its quotes, as S3 says it.
    pub etag: String,
}

/// An object's attributes, as a HEAD says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    pub size: u64,
    pub etag: String,
    pub cache_control: Option<String>,
    /// `AES256`, `aws:kms`, …; empty where S3 says none.
    pub encryption: String,
    pub kms_key: Option<String>,
    /// Whether it must be restored before anybody can read it.
    pub archived: bool,
}

/// packagecloud.rb, as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedConfig {
    pub path: String,
    /// SHA-256 of its bytes, hex: the file is written only while it is this.
    pub hash: String,
    pub values: SettingValues,
    /// Values that are expressions: the key, the line's number from 1, and the line's text, secrets hidden.
    pub expressions: Vec<(SettingKey, usize, String)>,
    /// The tool that manages the file, `chef`, `puppet` or `ansible`, and how that was seen.
    pub managed: Option<(String, String)>,
    /// Whether the secret among the values isn't in the file yet: its tool shall write it there.
    pub awaits_secret: bool,
}

/// The function as our code would have it published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentPackage {
    /// The zip's bytes.
    pub zip: Vec<u8>,
    /// The version's description: digest and fingerprints.
    pub description: String,
}

/// The evidence of one stage's plan.
#[derive(Debug, Clone)]
pub enum Observed {
    /// The stage looks at nothing that it would write.
    Nothing,
    Access(Box<AccessEvidence>),
    Reindex(Box<ReindexEvidence>),
    Secret(Box<SecretEvidence>),
    Bootstrap(Box<BootstrapEvidence>),
    Distribution(Box<DistributionEvidence>),
    Configuration(Box<ConfigurationEvidence>),
}

#[derive(Debug, Clone)]
pub struct AccessEvidence {
    pub identity: String,
    pub account: String,
    /// How the credentials were found: `profile work`, `AWS_ACCESS_KEY_ID in the environment`.
    pub found: String,
    pub bucket: ObservedBucket,
    /// Why this bucket: `packagecloud_rails['aws_s3_bucket'] in packagecloud.rb`.
    pub evidence: String,
    pub config: Option<ObservedConfig>,
    pub checks: Vec<Check>,
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

#[derive(Debug, Clone)]
pub struct SecretEvidence {
    pub config: ObservedConfig,
    /// Whether our function exists for this bucket: then a file without a secret gets none made.
    pub function: bool,
    /// Another web node's secret, and that node's name: with one there, none is made.
    pub elsewhere: Option<(String, crate::model::secret::Secret)>,
    /// The newest backup of the file that holds the secret which the edge has.
    pub backup: Option<String>,
}

#[derive(Debug, Clone)]
pub struct BootstrapEvidence {
    pub role: Option<IamRole>,
    pub key: Option<KmsKey>,
    pub function: Option<LambdaFunction>,
    pub identity: Option<CloudFrontOriginAccessIdentity>,
    pub control: Option<OriginAccessControl>,
    /// Whether the origin access is a control rather than an identity.
    pub by_control: bool,
    /// Why it is a control: a lower-case fragment.
    pub why_control: String,
    /// packagecloud.rb's, once it holds one.
    pub secret: Option<crate::model::secret::Secret>,
    /// The version that is right as it stands, if there is one: its ARN.
    pub version: Option<String>,
    /// What the edge shall accept.
    pub construction: crate::model::url::token::TokenConstruction,
}

#[derive(Debug, Clone)]
pub struct DistributionEvidence {
    /// The version to associate; `None` while there is none yet.
    pub version_arn: Option<String>,
    /// Ours, or one that may be adopted.
    pub distribution: Option<CloudFrontDistribution>,
    pub cache_policy: Option<CachePolicy>,
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
    pub packages_domain: Option<PackagesDomain>,
    /// What objects are encrypted under, where an origin access control reads them.
    pub keys: Vec<ObjectEncryptionKey>,
}

/// What the configuration, go-live, disable and roll-back stages saw.
#[derive(Debug, Clone)]
pub struct ConfigurationEvidence {
    pub config: ObservedConfig,
    /// The values that it shall hold.
    pub desired: SettingValues,
    /// What each of ours was when the stage was planned, for taking it back.
    pub before: SettingValues,
    /// A backup to restore, and whether byte for byte.
    pub backup: Option<(String, bool)>,
    /// The other web nodes' files, in the order in which their hosts were named.
    pub others: Vec<ObservedConfig>,
}
