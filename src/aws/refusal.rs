//! What AWS's refusals mean and what helps, in one table: by error code, and where a code has several reasons, by AWS's own words.
//!
//! A code that stands in no row, by name or by its form, is [`AwsRefusalClass::Unknown`]: nobody takes that for harmless.

use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};

/// What a refusal is about, where that decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsRefusalClass {
    /// A policy, whosever, doesn't let the caller.
    Denied,
    /// No permission helps: AWS's own word is needed, or the account's settings stand against it.
    Barred,
    ExpiredCredentials,
    BadCredentials,
    ClockSkew,
    /// The thing named isn't there.
    Missing,
    /// Asked too often: nothing was done.
    Throttled,
    /// AWS itself failed.
    ServiceFault,
    /// It was changed by somebody else since it was read, or is being changed now.
    ChangedMeanwhile,
    /// It stands already.
    AlreadyThere,
    Quota,
    /// A KMS key can't be used: disabled, to be deleted, gone.
    UnusableKey,
    /// Archived: it must be restored first.
    Archived,
    /// Encrypted with a key that only the customer has.
    CustomerKey,
    /// The bucket isn't in the region that was asked.
    WrongRegion,
    /// The endpoint lacks this operation.
    Unsupported,
    /// Bytes were changed on their way.
    DamagedOnTheWay,
    /// AWS doesn't take the request as it is made.
    InvalidRequest,
    /// In no row.
    Unknown,
}

/// A refusal, understood: what it is about, and the next move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRefusal {
    pub class: AwsRefusalClass,
    pub next: String,
}

/// A row of the table.
struct AwsRefusalRow {
    /// Error codes, `*` standing for any characters.
    codes: &'static [&'static str],
    /// What AWS's message holds, in lower case; empty: any message.
    words: &'static str,
    class: AwsRefusalClass,
    /// With `{action}` for what was denied, by AWS's message where it names it.
    next: &'static str,
}

const fn row(
    codes: &'static [&'static str],
    words: &'static str,
    class: AwsRefusalClass,
    next: &'static str,
) -> AwsRefusalRow {
    AwsRefusalRow { codes, words, class, next }
}

/// Codes by which a permission is refused.
const DENIED_CODES: &[&str] = &[
    "AccessDenied*",
    "Forbidden",
    "UnauthorizedOperation",
    "UnauthorizedAccess*",
    "AuthorizationError*",
    "NotAuthorized*",
    "AllAccessDisabled",
    "InvalidLambdaFunctionAssociation",
];
/// Of a denial: what `check --policy` prints helps only where this identity's own policies are what lacks.
const ATTACH_POLICY: &str =
    "allow {action}: attach the policy that `{policy}` prints, as a managed policy, then try again";
/// Of a request that AWS's newer rules, or its older ones, don't take.
const USE_NEWER_RELEASE: &str = "look at the reason; where it is none of yours, use a newer release of this tool, or report it with the request id: what is done already is kept";
const RETRY_LATER: &str = "look at health.aws.amazon.com, then try again: what is done already is kept";
const RAISE_QUOTA: &str = "raise the quota that AWS names in Service Quotas (CloudFront's, IAM's and Lambda@Edge's in us-east-1), or remove what is no longer used, then try again: what is done already is kept";
const RESTORE_KEY: &str = "enable the KMS key, or cancel its deletion, in the KMS console in the region that its ARN names, then try again; what lies under a key that is gone can't be read by anybody any more";

/// The first row that fits is the one. Words are those that AWS uses (aws-facts sections 1, 4, 5 and 10).
const AWS_REFUSALS: &[AwsRefusalRow] = &[
    row(
        DENIED_CODES,
        "must be verified before you can add new cloudfront resources",
        AwsRefusalClass::Barred,
        "open a case with AWS Support (https://console.aws.amazon.com/support/home: Account and billing, CloudFront; no paid support plan is needed) and quote AWS's sentence; AWS answers in hours to days, and no permission helps. Nothing is lost: once the account is verified, run: {again} — it continues where it stopped",
    ),
    row(
        DENIED_CODES,
        "blockpublicpolicy",
        AwsRefusalClass::Barred,
        "S3 stores no bucket policy in which any statement is public, and one that stood there before is (Principal \"*\" without a condition that narrows it): narrow or remove it in the S3 console, or have BlockPublicPolicy lifted on the bucket or the account, then try again. What this program adds is not public",
    ),
    row(
        DENIED_CODES,
        "blockpublicacls",
        AwsRefusalClass::Barred,
        "its access control list is public, which BlockPublicAcls lets nobody write again: give --no-acl, which drops the lists (CloudFront needs none), or have BlockPublicAcls lifted, then try again",
    ),
    row(
        DENIED_CODES,
        "service control policy",
        AwsRefusalClass::Denied,
        "a service control policy of the organization denies {action}, and nothing in this account can allow it: ask the administrator of AWS Organizations to allow it for this identity, or use an account without that policy, then try again",
    ),
    row(
        DENIED_CODES,
        "resource control policy",
        AwsRefusalClass::Denied,
        "a resource control policy of the organization denies {action} on this account's resources, and nothing in this account can allow it: ask the administrator of AWS Organizations to allow it, then try again",
    ),
    row(
        DENIED_CODES,
        "permissions boundary",
        AwsRefusalClass::Denied,
        "the permissions boundary of this identity denies {action}, and no other policy helps: allow {action} in the boundary too, or use an identity without one, then try again",
    ),
    row(
        DENIED_CODES,
        "session policy",
        AwsRefusalClass::Denied,
        "the session policy of these credentials denies {action}, and no policy of the role helps: use credentials without a session policy, or with one that holds what `{policy}` prints, then try again",
    ),
    row(
        DENIED_CODES,
        "vpc endpoint policy",
        AwsRefusalClass::Denied,
        "the policy of the VPC endpoint that this host uses denies {action}, and no policy of the identity helps: allow {action} there, or run this from a host that reaches AWS without that endpoint, then try again",
    ),
    row(
        DENIED_CODES,
        "resource-based policy",
        AwsRefusalClass::Denied,
        "the resource's own policy (of the bucket or the key) denies {action}: change it there, with an identity that may, then try again",
    ),
    row(
        DENIED_CODES,
        "explicit deny",
        AwsRefusalClass::Denied,
        "a policy denies {action} explicitly, and no other policy can change that: remove that statement, or use another identity, then try again",
    ),
    row(
        DENIED_CODES,
        "enablereplication",
        AwsRefusalClass::Denied,
        "attach the policy that `{policy}` prints, as a managed policy: it allows lambda:EnableReplication* on the version, then try again",
    ),
    row(
        &["InvalidLambdaFunctionAssociation"],
        "",
        AwsRefusalClass::InvalidRequest,
        "repair the function with `{bootstrap}`, then try again",
    ),
    row(DENIED_CODES, "", AwsRefusalClass::Denied, ATTACH_POLICY),
    row(
        &["*"],
        "will not allow you to update the key policy in the future",
        AwsRefusalClass::Barred,
        "KMS takes a key policy only from who may change it again later: allow this identity kms:PutKeyPolicy on the keys of this account in us-east-1, without a condition on tags, as `{policy}` prints it, then try again",
    ),
    row(
        &["*"],
        "pricing plan",
        AwsRefusalClass::Barred,
        "the distribution is on a flat-rate pricing plan, which allows less than pay-as-you-go does: cancel the plan in the CloudFront console (a paid one ends with its month), or set up a distribution beside it with --name-suffix, then try again",
    ),
    row(
        &["ExpiredToken*", "TokenRefreshRequired"],
        "",
        AwsRefusalClass::ExpiredCredentials,
        "renew them (with a profile of AWS IAM Identity Center: `aws sso login --profile NAME`), then try again",
    ),
    row(
        &["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"],
        "",
        AwsRefusalClass::ClockSkew,
        "set the clock (`timedatectl`, `chronyc makestep`), then try again",
    ),
    row(
        &["NotSignedUp", "OptInRequired", "AccountProblem", "SubscriptionRequiredException", "InvalidPayer"],
        "",
        AwsRefusalClass::BadCredentials,
        "finish the account's registration, and its payment, in the AWS console (or switch the region on under Account), or choose another identity, then try again",
    ),
    row(
        &[
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignature*",
            "IncompleteSignature*",
            "MissingAuthenticationToken*",
            "InvalidToken",
            "InvalidSecurity",
            "AuthFailure",
        ],
        "",
        AwsRefusalClass::BadCredentials,
        "check the access key and its secret, or choose another identity",
    ),
    row(
        &[
            "NoSuchEntity",
            "NotFoundException",
            "ResourceNotFoundException",
            "NoSuchDistribution",
            "NoSuchCloudFrontOriginAccessIdentity",
            "NoSuchOriginAccessControl",
            "NoSuchCachePolicy",
            "NoSuchResource",
            "NoSuchBucket",
            "NoSuchBucketPolicy",
            "NoSuchPublicAccessBlockConfiguration",
            "NoSuchKey",
            "NoSuchVersion",
            "NoSuchUpload",
            "NoSuchTagSet*",
            "NoSuchConfiguration",
            "NoSuchObjectLockConfiguration",
            "NoSuchJob",
            "NoSuchJobException",
            "NotFound",
            "ServerSideEncryptionConfigurationNotFoundError",
            "ObjectLockConfigurationNotFoundError",
            "OwnershipControlsNotFoundError",
            "ReplicationConfigurationNotFoundError",
        ],
        "",
        AwsRefusalClass::Missing,
        "look again; it may have been deleted",
    ),
    row(
        &[
            "Throttl*",
            "RequestThrottled*",
            "TooManyRequests*",
            "RequestLimitExceeded",
            "SlowDown",
            "PriorRequestNotComplete",
        ],
        "",
        AwsRefusalClass::Throttled,
        "wait a minute, then try again: what is done already is kept",
    ),
    row(
        &[
            "Internal*",
            "ServiceException",
            "ServiceUnavailable*",
            "ServiceFailure*",
            "KMSInternalException",
            "DependencyTimeoutException",
            "KeyUnavailableException",
            "RequestTimeout*",
            "OperationTimedOut",
        ],
        "",
        AwsRefusalClass::ServiceFault,
        RETRY_LATER,
    ),
    row(
        &["CNAMEAlreadyExists"],
        "",
        AwsRefusalClass::AlreadyThere,
        "another distribution holds this packages domain: take it off there first",
    ),
    row(
        &["*AlreadyExist*", "BucketAlreadyOwnedByYou"],
        "",
        AwsRefusalClass::AlreadyThere,
        "it already exists, created by somebody else or by another run: look again",
    ),
    row(
        &[
            "PreconditionFailed*",
            "InvalidIfMatchVersion",
            "ConditionalRequestConflict",
            "ConcurrentModification*",
            "OperationAborted",
        ],
        "",
        AwsRefusalClass::ChangedMeanwhile,
        "it was changed meanwhile: look again",
    ),
    row(
        &[
            "ResourceConflictException",
            "ResourceInUse*",
            "ResourceNotReadyException",
            "ConflictException",
            "EntityTemporarilyUnmodifiable",
            "DeleteConflict",
        ],
        "",
        AwsRefusalClass::ChangedMeanwhile,
        "AWS, or somebody else, is changing it: wait a minute, then look again",
    ),
    row(
        &["TooMany*", "*LimitExceeded*", "*QuotaExceeded*", "CodeStorageExceededException"],
        "",
        AwsRefusalClass::Quota,
        RAISE_QUOTA,
    ),
    row(
        &[
            "KMS.*",
            "KMSInvalidStateException",
            "DisabledException",
            "InvalidKeyUsageException",
            "KMSDisabledException",
            "KMSNotFoundException",
        ],
        "",
        AwsRefusalClass::UnusableKey,
        RESTORE_KEY,
    ),
    row(
        &["InvalidCiphertextException", "IncorrectKeyException"],
        "",
        AwsRefusalClass::UnusableKey,
        "it was encrypted with another key, or for another bucket: encrypt it again with `{bootstrap}`",
    ),
    row(
        &["InvalidObjectState", "ObjectNotInActiveTierError", "RestoreAlreadyInProgress"],
        "",
        AwsRefusalClass::Archived,
        "restore it to an active storage class in the S3 console, then try again",
    ),
    row(
        &["InvalidRequest", "InvalidArgument"],
        "server side encryption",
        AwsRefusalClass::CustomerKey,
        "copy it without the customer's key (SSE-C), by who has that key, then try again",
    ),
    row(
        &["InvalidViewerCertificate"],
        "",
        AwsRefusalClass::InvalidRequest,
        "check the certificate: it must be issued, in us-east-1, for the packages domain",
    ),
    row(
        &["MalformedPolicy*", "InvalidPolicyDocument"],
        "",
        AwsRefusalClass::InvalidRequest,
        "look at the policy's principals: one may have been deleted",
    ),
    row(
        &[
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "AuthorizationQueryParametersError",
            "IllegalLocationConstraintException",
            "InvalidLocationConstraint",
        ],
        "",
        AwsRefusalClass::WrongRegion,
        "give the bucket's region with --region, as the S3 console shows it",
    ),
    row(
        &["RegionDisabledException"],
        "",
        AwsRefusalClass::WrongRegion,
        "name a region that is enabled in this account with --region, or enable this one under Account in the AWS console",
    ),
    row(
        &[
            "NotImplemented",
            "MethodNotAllowed",
            "UnsupportedOperation*",
            "UnknownOperation*",
            "InvalidAction",
        ],
        "",
        AwsRefusalClass::Unsupported,
        "check the endpoint: an S3-compatible store may lack it, AWS has it",
    ),
    row(
        &[
            "BadDigest",
            "InvalidDigest",
            "XAmzContentSHA256Mismatch",
            "IncompleteBody",
            "RequestEntityTooLargeException",
        ],
        "",
        AwsRefusalClass::DamagedOnTheWay,
        "see whether a proxy in between changes what is sent, then try again",
    ),
    row(
        &[
            "Invalid*",
            "Malformed*",
            "Illegal*",
            "Missing*",
            "Inconsistent*",
            "Unexpected*",
            "Validation*",
            "TagException",
            "EntityTooLarge",
            "EntityTooSmall",
            "KeyTooLongError",
            "MetadataTooLarge",
            "NoSuchOrigin",
            "BatchTooLarge",
            "SerializationException",
        ],
        "",
        AwsRefusalClass::InvalidRequest,
        USE_NEWER_RELEASE,
    ),
];

/// Understands a refusal of `action`: by its code and message, else by its HTTP status.
#[must_use]
pub fn classify_aws_refusal(action: &str, code: &str, message: &str, status: u16) -> AwsRefusal {
    let lower = message.to_lowercase();
    let fits = |row: &&AwsRefusalRow| {
        lower.contains(row.words) && row.codes.iter().any(|pattern| matches_error_code(pattern, code))
    };
    let Some(row) = AWS_REFUSALS.iter().find(fits) else {
        let (class, next) = classify_http_status(status);
        return AwsRefusal { class, next: render_refusal_advice(next, action) };
    };
    if row.class == AwsRefusalClass::WrongRegion
        && let Some(region) = find_expected_region(message)
    {
        return AwsRefusal { class: row.class, next: format!("give --region {region}") };
    }
    let denied = find_denied_action(message).unwrap_or(action);
    AwsRefusal { class: row.class, next: render_refusal_advice(row.next, denied) }
}

/// What a status alone says, where the code is in no row.
fn classify_http_status(status: u16) -> (AwsRefusalClass, &'static str) {
    match status {
        401 | 403 => (AwsRefusalClass::Denied, ATTACH_POLICY),
        404 => (AwsRefusalClass::Missing, "look again; it may have been deleted"),
        405 | 501 => (
            AwsRefusalClass::Unsupported,
            "check the endpoint: an S3-compatible store may lack it, AWS has it",
        ),
        409 | 412 => (AwsRefusalClass::ChangedMeanwhile, "it was changed meanwhile: look again"),
        429 => (AwsRefusalClass::Throttled, "wait a minute, then try again: what is done already is kept"),
        500.. => (AwsRefusalClass::ServiceFault, RETRY_LATER),
        _ => (AwsRefusalClass::Unknown, USE_NEWER_RELEASE),
    }
}

/// Whether a code has the form of `pattern`, in which `*` stands for any characters at either end.
fn matches_error_code(pattern: &str, code: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(rest), None) => code.ends_with(rest),
        (Some(rest), Some(_)) => code.contains(rest.trim_end_matches('*')),
        (None, Some(start)) => code.starts_with(start),
        (None, None) => code == pattern,
    }
}

/// The action that AWS's message says is denied: another than the one asked for where one service asks another.
fn find_denied_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("is not authorized to perform: ")?;
    let action = rest.split([' ', ',']).next()?;
    action.contains(':').then_some(action)
}

/// The region that AWS expected: `… the region 'eu-west-1' is wrong; expecting 'eu-central-1'`.
fn find_expected_region(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region).filter(|region| !region.is_empty())
}

/// Renders a row's next move, its commands whole.
fn render_refusal_advice(next: &str, action: &str) -> String {
    next.replace("{action}", action)
        .replace("{again}", &render_same_command_again(&[]))
        .replace("{policy}", &render_proposed_command("check", &["--policy"]))
        .replace("{bootstrap}", &render_proposed_command("bootstrap-cloudfront", &[]))
}

#[cfg(test)]
mod tests;
