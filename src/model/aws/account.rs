//! What is there of an install in the account, as `look` found it: the caller, the role, the key, the function, certificates.

use serde_json::Value;

/// Whose a resource is, by its marker tag, Comment, name or Sid (contract section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceOwnership {
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
    pub ownership: ResourceOwnership,
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
    pub ownership: ResourceOwnership,
    pub policy: Value,
    /// Whether our alias points at it; an orphan that carries our tag has none.
    pub alias: bool,
    /// Whether its tags were set a moment ago: a policy may not see them yet.
    pub has_fresh_tags: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaFunction {
    /// Without a version.
    pub arn: String,
    pub ownership: ResourceOwnership,
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
    /// How many executions are reserved for it; 0 lets none run.
    pub reserved_concurrency: Option<i32>,
    /// The tag by which hosts tell each other of a rotation of the secret, as it stands.
    pub rotation: Option<String>,
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
    /// When it was published, as Lambda says it: `2026-11-23T20:00:00.000+0000`.
    pub modified: String,
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
    /// Renders it as a zone file has it.
    #[must_use]
    pub fn render_dns_zone_line(&self) -> String {
        format!("{} {} {}", self.name, self.kind, self.value)
    }
}

impl AcmCertificate {
    /// Returns whether it can be used.
    #[must_use]
    pub fn is_certificate_issued(&self) -> bool {
        self.status == "ISSUED"
    }

    /// Returns whether one of its names is good for `domain`.
    #[must_use]
    pub fn covers_domain(&self, domain: &str) -> bool {
        self.names.iter().any(|name| certificate_name_covers(name, domain))
    }
}

/// Returns whether a certificate's name, perhaps `*.example.com`, is good for `domain`: a wildcard is one label.
#[must_use]
pub fn certificate_name_covers(name: &str, domain: &str) -> bool {
    if name.eq_ignore_ascii_case(domain) {
        return true;
    }
    let wild = name.strip_prefix("*.").zip(domain.split_once('.'));
    wild.is_some_and(|(parent, (label, rest))| !label.is_empty() && parent.eq_ignore_ascii_case(rest))
}

/// The function as our code would have it published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaDeploymentPackage {
    /// The zip's bytes.
    pub zip: Vec<u8>,
    /// The version's description: digest and fingerprints.
    pub description: String,
}
