//! AWS's own refusals, word for word, that `--sandbox-fault …:refuse:NAME` plays: code, status, message.
//!
//! Words are those that operators quote of live accounts and that AWS's recordings hold (aws-facts sections 1, 4, 5, 10).

/// One refusal, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxRefusal {
    pub name: &'static str,
    status: u16,
    code: &'static str,
    /// With `{user}` and `{action}`.
    message: &'static str,
}

const fn refusal(
    name: &'static str,
    status: u16,
    code: &'static str,
    message: &'static str,
) -> SandboxRefusal {
    SandboxRefusal { name, status, code, message }
}

/// The code of a denial, for which each service has its own spelling and status.
const DENIED: &str = "AccessDenied";

/// Every refusal that can be played.
pub const SANDBOX_REFUSALS: &[SandboxRefusal] = &[
    refusal(
        "unverified-account",
        403,
        DENIED,
        "Your account must be verified before you can add new CloudFront resources. To verify your account, please contact AWS Support (https://console.aws.amazon.com/support/home#/) and include this error message.",
    ),
    refusal(
        "block-public-policy",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} on resource: \"arn:aws:s3:::bucket\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
    ),
    refusal(
        "block-public-acls",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} on resource: \"arn:aws:s3:::bucket/key\" because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
    ),
    refusal(
        "permissions-boundary",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} because no permissions boundary allows the {action} action",
    ),
    refusal(
        "session-policy",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} because no session policy allows the {action} action",
    ),
    refusal(
        "vpc-endpoint",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} because no VPC endpoint policy allows the {action} action",
    ),
    refusal(
        "service-control-policy",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} with an explicit deny in a service control policy",
    ),
    refusal(
        "resource-control-policy",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} with an explicit deny in a resource control policy",
    ),
    refusal(
        "resource-policy",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} with an explicit deny in a resource-based policy",
    ),
    refusal(
        "explicit-deny",
        403,
        DENIED,
        "User: {user} is not authorized to perform: {action} with an explicit deny in an identity-based policy",
    ),
    refusal(
        "no-kms-right",
        403,
        DENIED,
        "User: {user} is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:999999999999:key/objects because no identity-based policy allows the kms:GenerateDataKey action",
    ),
    refusal(
        "key-lockout",
        400,
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    ),
    refusal(
        "quota-distributions",
        400,
        "TooManyDistributions",
        "Processing your request will cause the maximum number of distributions allowed to be exceeded.",
    ),
    refusal(
        "quota-cache-policies",
        400,
        "TooManyCachePolicies",
        "You have reached the maximum number of cache policies for this AWS account.",
    ),
    refusal(
        "quota-cache-behaviors",
        400,
        "TooManyCacheBehaviors",
        "You cannot create more cache behaviors for the distribution.",
    ),
    refusal("quota-roles", 409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"),
    refusal("quota-code", 400, "CodeStorageExceededException", "Code storage limit exceeded."),
    refusal(
        "pricing-plan",
        400,
        "InvalidArgument",
        "You can't remove or replace the web ACL for your distribution. Distributions with a pricing plan subscription must have a web ACL resource.",
    ),
    refusal(
        "kms-disabled",
        400,
        "KMS.DisabledException",
        "arn:aws:kms:us-east-1:999999999999:key/objects is disabled.",
    ),
    refusal(
        "kms-pending-deletion",
        400,
        "KMS.KMSInvalidStateException",
        "arn:aws:kms:us-east-1:999999999999:key/objects is pending deletion.",
    ),
    refusal(
        "kms-missing",
        400,
        "KMS.NotFoundException",
        "Key 'arn:aws:kms:us-east-1:999999999999:key/objects' does not exist",
    ),
    refusal(
        "wrong-region",
        400,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
    ),
    refusal("unforeseen", 400, "SomethingNobodyForesaw", "A reason that is in no table."),
];

impl SandboxRefusal {
    /// Finds the refusal of that name.
    #[must_use]
    pub fn find_refusal_by_name(name: &str) -> Option<Self> {
        SANDBOX_REFUSALS.iter().find(|one| one.name == name).copied()
    }

    /// Returns whether it is a denial: each service gives that in its own spelling.
    #[must_use]
    pub fn is_denial(self) -> bool {
        self.code == DENIED
    }

    /// Returns its HTTP status and its code.
    #[must_use]
    pub fn status_and_code(self) -> (u16, &'static str) {
        (self.status, self.code)
    }

    /// Renders its message: `action` is refused to `user`.
    #[must_use]
    pub fn render_refusal_message(self, action: &str, user: &str) -> String {
        self.message.replace("{user}", user).replace("{action}", action)
    }
}
