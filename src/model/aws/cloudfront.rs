//! What is there of an install in CloudFront, as `look` found it: distributions, origin access, the cache policies.

use super::account::{AcmCertificate, ResourceOwnership};
use crate::model::packagecloud::path_cache::CachePolicyRole;

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
    pub ownership: ResourceOwnership,
    /// Whether its TTLs and key are those of contract section 5.
    pub is_correct: bool,
}

/// The two cache policies of an install, as far as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallCachePolicies {
    pub pass_through: Option<CachePolicy>,
    pub packages: Option<CachePolicy>,
}

impl InstallCachePolicies {
    /// Returns the id of the policy with this role, where it stands.
    #[must_use]
    pub fn find_policy_id(&self, role: CachePolicyRole) -> Option<&str> {
        let policy = match role {
            CachePolicyRole::PassThrough => &self.pass_through,
            CachePolicyRole::Packages => &self.packages,
        };
        policy.as_ref().map(|policy| policy.id.as_str())
    }
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
    /// When it was made, or its configuration changed last, in Unix seconds; none where the answer doesn't tell.
    pub modified: Option<u64>,
    pub etag: String,
    pub comment: String,
    pub enabled: bool,
    pub ownership: ResourceOwnership,
    pub aliases: Vec<String>,
    /// The ARN of the ACM certificate that its aliases are served with.
    pub certificate: Option<String>,
    pub origins: Vec<DistributionOrigin>,
    /// The default behavior first.
    pub behaviors: Vec<DistributionBehavior>,
    /// The errors that are answered with a page of their own, by status.
    pub error_pages: Vec<i32>,
    pub continuous_deployment: bool,
    pub web_acl: Option<String>,
    /// What contract section 5 wants and it hasn't: `viewer protocol policy is redirect-to-https`, one fragment each; empty is right.
    pub differs: Vec<String>,
}

/// A flat-rate pricing plan that a distribution is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatRatePlan {
    /// `FREE`, `PRO`, `BUSINESS`, `PREMIUM`.
    pub tier: String,
    /// `ACTIVE`, `PENDING_APPROVAL`, …
    pub status: String,
}

/// What is known of the plan of a distribution with a web ACL: one on a plan always has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlatRatePlanFinding {
    Subscribed(FlatRatePlan),
    PayAsYouGo,
    /// It couldn't be asked; why.
    Unknown(String),
}

impl FlatRatePlanFinding {
    /// Returns whether the distribution is on a plan.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        matches!(self, Self::Subscribed(_))
    }

    /// Describes what it means for this set-up, and what helps; `distribution` is what it is called: `distribution E…`.
    #[must_use]
    pub fn describe_flat_rate_plan(&self, distribution: &str) -> String {
        const ACL_RULES: &str = "rules against clients without a browser's headers refuse package managers";
        // Third parties report it; AWS documents no list (aws-facts section 10).
        const REFUSES: &str = "such plans are reported to refuse Lambda@Edge functions and origin access identities (by --origin-access oac a control is used), and only Business and Premium allow cache policies of one's own. Where CloudFront refuses, cancel the plan in the CloudFront console (a paid one ends with its month), or set up a distribution beside it with --name-suffix";
        match self {
            Self::Subscribed(plan) => format!(
                "{distribution} is on CloudFront's flat-rate plan {} ({}): {REFUSES}; its web ACL's {ACL_RULES}",
                plan.tier, plan.status
            ),
            Self::PayAsYouGo => {
                format!("{distribution} has a web ACL, and is on no flat-rate plan: {ACL_RULES}")
            }
            Self::Unknown(why) => format!(
                "{distribution} has a web ACL, as one on a flat-rate plan has, which can't be asked ({why}): {REFUSES}; {ACL_RULES}"
            ),
        }
    }
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
    /// Returns whether it is reached under this name: its own, or an alias.
    #[must_use]
    pub fn has_domain_name_or_alias(&self, name: &str) -> bool {
        self.domain == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// A domain of one's own for packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomPackagesDomain {
    pub name: String,
    /// The best that covers it, or the one that was named.
    pub certificate: AcmCertificate,
}
