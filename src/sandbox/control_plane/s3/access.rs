//! Who asks, and whether the bucket's owner and its policy let them.
//!
//! What a bucket policy denies stays denied; another account, CloudFront and the public need its word, the owner's
//! own users their identity's or its.

use s3s::{
    Body, S3Error, S3ErrorCode, S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
};
use serde_json::Value;

use crate::sandbox::{
    Sandbox,
    control_plane::{
        self,
        access::{
            PolicyConditionContext, PolicyDecision, SandboxCallerPrincipalNames, evaluate_policy_document,
            iterate_policy_statements,
        },
        kms::{S3_OWN_KEY_NAME, find_s3_own_key_arn, find_sandbox_key_arn},
    },
};

use super::{
    SandboxBucket, SandboxObject, SandboxObjectEncryption, find_stored_bucket,
    object::get_header_text,
    refusal::{build_bad_request_error, build_bare_denial_error},
    request_parts::has_query_parameter,
};

/// Returns the ARN under which a bucket policy names an origin access identity.
pub fn format_origin_access_identity_arn(id: &str) -> String {
    format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {id}")
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxS3Caller {
    principal: SandboxCallerPrincipalNames,
    /// Somebody of the account.
    signer: Option<control_plane::SignedCaller>,
    /// The distribution on whose behalf the service asks.
    source: Option<String>,
}

impl SandboxS3Caller {
    /// Makes the caller who signs nothing.
    pub fn new_anonymous_caller() -> Self {
        Self { principal: SandboxCallerPrincipalNames::default(), signer: None, source: None }
    }

    /// Makes CloudFront, as an origin access identity.
    pub fn caller_from_origin_access_identity(id: &str, canonical: &str) -> Self {
        Self {
            principal: SandboxCallerPrincipalNames::new_origin_access_identity_principal(id, canonical),
            ..Self::new_anonymous_caller()
        }
    }

    /// Makes CloudFront by an origin access control: the service on behalf of a distribution.
    pub fn caller_from_cloudfront_distribution(arn: &str) -> Self {
        Self {
            principal: SandboxCallerPrincipalNames::new_aws_service_principal("cloudfront.amazonaws.com"),
            source: Some(arn.to_owned()),
            ..Self::new_anonymous_caller()
        }
    }

    /// Makes somebody of the account, by a signature.
    pub fn caller_from_request_signer(signer: control_plane::SignedCaller) -> Self {
        Self {
            principal: signer.caller_to_policy_principal(),
            signer: Some(signer),
            ..Self::new_anonymous_caller()
        }
    }

    /// Whether he signed nothing.
    pub fn is_anonymous_caller(&self) -> bool {
        self.principal == SandboxCallerPrincipalNames::default()
    }

    /// Whether it belongs to the account that owns the bucket.
    fn is_sandbox_caller_bucket_owner(&self, bucket: &SandboxBucket) -> bool {
        self.principal.account.as_deref() == Some(&bucket.owner)
    }

    /// What its request carries for conditions. CloudFront's carries no `aws:SourceAccount`, which isn't established; by an
    /// identity it is no service's, and has the identity's ARN (aws-facts section 10).
    fn build_caller_condition_context(&self) -> PolicyConditionContext {
        if let Some(signer) = &self.signer {
            return signer.build_caller_condition_context();
        }
        let context =
            PolicyConditionContext::default().add_condition_key_value("aws:SecureTransport", "true");
        match (&self.source, self.principal.aws.first()) {
            (Some(distribution), _) => context
                .add_condition_key_value("aws:SourceArn", distribution)
                .add_condition_key_value("aws:PrincipalIsAWSService", "true")
                .add_condition_key_value("aws:PrincipalServiceName", "cloudfront.amazonaws.com"),
            (None, Some(identity)) => context
                .add_condition_key_value("aws:PrincipalArn", identity)
                .add_condition_key_value("aws:PrincipalIsAWSService", "false"),
            (None, None) => context,
        }
    }
}

/// Whether `caller` may do `action` (`s3:GetObject`) on the bucket, or on the key in it.
pub fn is_s3_action_authorized(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    action: &str,
    bucket: &str,
    key: Option<&str>,
) -> bool {
    let Some(found) = world.read_sandbox_state_from_disk(|state| state.s3.buckets.get(bucket).cloned())
    else {
        return true;
    };
    if found.is_sandbox_bucket_requester_pays() && !caller.is_sandbox_caller_bucket_owner(&found) {
        return false;
    }
    let resource =
        key.map_or_else(|| format!("arn:aws:s3:::{bucket}"), |key| format!("arn:aws:s3:::{bucket}/{key}"));
    let context = caller.build_caller_condition_context();
    let policy = found.policy.as_deref().and_then(|policy| serde_json::from_str::<Value>(policy).ok());
    let decision = policy.map_or(PolicyDecision::ImplicitDeny, |policy| {
        evaluate_policy_document(&policy, Some(&caller.principal), action, &resource, &context)
    });
    let identity = || {
        let says = |signer: &control_plane::SignedCaller| {
            world.read_sandbox_state_from_disk(|state| {
                signer.decide_identity_access(state, action, &resource, &context)
            })
        };
        caller.signer.as_ref().map_or(PolicyDecision::ImplicitDeny, says)
    };
    match decision {
        PolicyDecision::ExplicitDeny => false,
        // While the policy is public, whoever it is public for: the account and AWS's services alone get in.
        PolicyDecision::Allow if caller.signer.is_none() => {
            caller.source.is_some()
                || !found.policy.as_deref().is_some_and(is_public_sandbox_bucket_policy)
                || !found.is_public_access_setting_on(world, "RestrictPublicBuckets")
        }
        PolicyDecision::Allow if caller.is_sandbox_caller_bucket_owner(&found) => {
            identity() != PolicyDecision::ExplicitDeny
        }
        PolicyDecision::Allow | PolicyDecision::Delegated => identity() == PolicyDecision::Allow,
        PolicyDecision::ImplicitDeny if caller.signer.is_none() => {
            action == "s3:GetObject"
                && key.is_some_and(|key| is_object_granted_to_everybody(world, &found, bucket, key))
        }
        PolicyDecision::ImplicitDeny => {
            caller.is_sandbox_caller_bucket_owner(&found) && identity() == PolicyDecision::Allow
        }
    }
}

/// Whether an object's own list lets everybody read it, where such lists count.
fn is_object_granted_to_everybody(
    world: &Sandbox,
    settings: &SandboxBucket,
    bucket: &str,
    key: &str,
) -> bool {
    const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
    if !settings.are_object_acls_enabled() || settings.is_public_access_setting_on(world, "IgnorePublicAcls")
    {
        return false;
    }
    let read = world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(bucket, |objects| {
        objects.get(key).and_then(|versions| versions.last()).is_some_and(|object| {
            object.grants.iter().any(|grant| {
                grant.grantee == EVERYBODY && ["READ", "FULL_CONTROL"].contains(&grant.permission.as_str())
            })
        })
    });
    read.unwrap_or(false)
}

/// Whether a statement lets everybody in without a condition.
pub fn is_public_sandbox_bucket_policy(text: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return false };
    iterate_policy_statements(&document).any(|statement| {
        let everybody = statement["Principal"] == "*"
            || matches!(&statement["Principal"]["AWS"], Value::String(all) if all == "*")
            || statement["Principal"]["AWS"].as_array().is_some_and(|all| all.iter().any(|one| one == "*"));
        everybody && statement["Effect"] == "Allow" && statement["Condition"].is_null()
    })
}

/// Whether CloudFront gets at what is encrypted under `key`: an identity never, the service where the key's policy
/// lets it, which that of AWS's own key doesn't, and nobody can change. The account's own users aren't asked here.
pub fn can_sandbox_cloudfront_decrypt(world: &Sandbox, caller: &SandboxS3Caller, key: Option<&str>) -> bool {
    if caller.source.is_none() {
        return caller.principal.canonical.is_empty();
    }
    key.is_some_and(|key| {
        world.read_sandbox_state_from_disk(|state| {
            control_plane::kms::is_allowed_by_sandbox_key_policy(
                &state.kms,
                key,
                &caller.principal,
                "kms:Decrypt",
                &caller.build_caller_condition_context(),
            )
        })
    })
}

/// Puts a key's ARN in the place of its id or alias, as S3 answers it, and that of AWS's own where none is named (recorded); a
/// key that isn't here stays as it was named.
pub fn resolve_object_encryption_key(world: &Sandbox, encryption: &mut SandboxObjectEncryption) {
    let SandboxObjectEncryption::Kms { key, .. } = encryption else { return };
    let arn = match key.as_deref().filter(|name| !name.ends_with(S3_OWN_KEY_NAME)) {
        None => Some(find_s3_own_key_arn(world)),
        Some(name) => world.read_sandbox_state_from_disk(|state| find_sandbox_key_arn(&state.kms, name)),
    };
    *key = arn.or_else(|| key.take());
}

/// Checks that who asks for an object under a customer's key has that key.
///
/// # Errors
/// Refuses another key, or none, as S3 does.
pub fn validate_sandbox_object_customer_key(
    headers: &http::HeaderMap,
    key_header: &str,
    object: &SandboxObject,
) -> S3Result<()> {
    let SandboxObjectEncryption::Customer { key_md5 } = &object.encryption else { return Ok(()) };
    match get_header_text(headers, key_header) {
        Some(sent) if sent == key_md5 => Ok(()),
        Some(_) => Err(build_bare_denial_error()),
        None => Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        )),
    }
}

/// Checks that the KMS key of `encryption` can be used: S3 gives KMS's refusal as its own, with `KMS.` before its code
/// (recorded).
///
/// # Errors
/// Refuses a key that is disabled or to be deleted.
pub fn check_sandbox_object_key_usable(
    world: &Sandbox,
    encryption: &SandboxObjectEncryption,
) -> S3Result<()> {
    let SandboxObjectEncryption::Kms { key: Some(key), .. } = encryption else { return Ok(()) };
    let unusable = world.read_sandbox_state_from_disk(|state| {
        control_plane::kms::find_unusable_sandbox_key_error(&state.kms, key)
    });
    unusable.map_or(Ok(()), |refusal| Err(build_kms_refusal_error(refusal)))
}

/// Checks that something may be encrypted under the KMS key of `encryption`.
///
/// # Errors
/// Refuses a key that isn't there, is disabled or to be deleted.
pub fn check_sandbox_encryption_key(world: &Sandbox, encryption: &SandboxObjectEncryption) -> S3Result<()> {
    check_sandbox_object_key_usable(world, encryption)?;
    let SandboxObjectEncryption::Kms { key: Some(key), .. } = encryption else { return Ok(()) };
    let missing = world.read_sandbox_state_from_disk(|state| {
        control_plane::kms::find_missing_sandbox_key_error(&state.kms, key)
    });
    missing.map_or(Ok(()), |refusal| Err(build_kms_refusal_error(refusal)))
}

fn build_kms_refusal_error(refusal: control_plane::SandboxAwsError) -> S3Error {
    build_bad_request_error(&format!("KMS.{}", refusal.code), refusal.message, &[])
}

/// Holds somebody of the account to the key that an object lies or will lie under: S3 asks KMS in his name, kms:Decrypt
/// for a reading and kms:GenerateDataKey for a writing (aws-facts section 10).
///
/// # Errors
/// Refuses who may not, as S3 does: with the key's ARN.
pub fn authorize_caller_on_object_key(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    action: &str,
    encryption: &SandboxObjectEncryption,
) -> S3Result<()> {
    let (Some(signer), SandboxObjectEncryption::Kms { key: Some(key), .. }) = (&caller.signer, encryption)
    else {
        return Ok(());
    };
    let allowed = world.read_sandbox_state_from_disk(|state| {
        control_plane::kms::authorize_s3_on_sandbox_key(state, signer, key, action)
    });
    allowed.map_err(|arn| {
        let why = format!("because no identity-based policy allows the {action} action");
        let message = signer.format_access_denial_message(action, &arn, &why);
        S3Error::with_message(S3ErrorCode::AccessDenied, message)
    })
}

/// Refuses `action`, in the words that S3 has for this caller.
pub fn build_s3_access_denied_error(
    caller: &SandboxS3Caller,
    action: &str,
    bucket: &str,
    key: Option<&str>,
) -> S3Error {
    let why = format!("because no identity-based policy allows the {action} action");
    build_s3_denial_with_reason(caller, action, bucket, key, &why)
}

/// Refuses `action` for S3 Block Public Access: `what` (`public ACLs`) is prevented by `setting`. The words are AWS's own
/// (S3 user guide, "Troubleshoot access denied errors").
pub fn build_public_access_blocked_error(
    caller: &SandboxS3Caller,
    action: &str,
    (bucket, key): (&str, Option<&str>),
    (what, setting): (&str, &str),
) -> S3Error {
    let why = format!("because {what} are prevented by the {setting} setting in S3 Block Public Access.");
    build_s3_denial_with_reason(caller, action, bucket, key, &why)
}

fn build_s3_denial_with_reason(
    caller: &SandboxS3Caller,
    action: &str,
    bucket: &str,
    key: Option<&str>,
    why: &str,
) -> S3Error {
    let Some(signer) = &caller.signer else { return build_bare_denial_error() };
    let resource = key.map_or_else(|| bucket.to_owned(), |key| format!("{bucket}/{key}"));
    let message = signer.format_access_denial_message(action, &format!("\"arn:aws:s3:::{resource}\""), why);
    S3Error::with_message(S3ErrorCode::AccessDenied, message)
}

/// The actions that are another where the request names a version.
const VERSIONED_ACTIONS: [&str; 8] = [
    "GetObject",
    "DeleteObject",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
    "GetObjectAttributes",
];

/// Returns the IAM action of an operation as s3s names it; `versioned` where the request names a version.
pub fn iam_action_for_s3_operation(operation: &str, versioned: bool) -> String {
    let name = match operation {
        "ListBuckets" => "ListAllMyBuckets",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "HeadObject" => "GetObject",
        "DeleteObjects" => "DeleteObject",
        "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        other => other,
    };
    if versioned && VERSIONED_ACTIONS.contains(&name) {
        return format!("s3:{}", name.replacen("Object", "ObjectVersion", 1));
    }
    format!("s3:{name}")
}

/// Checks that `caller` may do `action` on a bucket, and that it is whose the request expects it to be.
///
/// # Errors
/// Refuses a missing bucket, another owner than expected, and a caller who may not.
pub fn authorize_caller_on_bucket(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    action: &str,
    bucket: &str,
    key: Option<&str>,
    headers: &http::HeaderMap,
) -> S3Result<()> {
    check_expected_bucket_owner(world, bucket, headers)?;
    if is_s3_action_authorized(world, caller, action, bucket, key) {
        Ok(())
    } else {
        Err(build_s3_access_denied_error(caller, action, bucket, key))
    }
}

fn check_expected_bucket_owner(world: &Sandbox, bucket: &str, headers: &http::HeaderMap) -> S3Result<()> {
    let owner = find_stored_bucket(world, bucket)?.owner;
    let expected = headers.get("x-amz-expected-bucket-owner");
    if let Some(text) = expected.map(|expected| String::from_utf8_lossy(expected.as_bytes()))
        && !(text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidBucketOwnerAWSAccountID,
            format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{text}]"),
        ));
    }
    if expected.is_some_and(|expected| expected.as_bytes() != owner.as_bytes()) {
        return Err(build_bare_denial_error());
    }
    Ok(())
}

/// Returns who sent a request that s3s has checked the signature of.
///
/// # Errors
/// Refuses a key that isn't known.
pub fn identify_s3_request_caller(world: &Sandbox, request: &S3Request<Body>) -> S3Result<SandboxS3Caller> {
    identify_s3_request_signer(world, request.extensions.get(), request.credentials.as_ref())
}

fn identify_s3_request_signer(
    world: &Sandbox,
    known: Option<&SandboxS3Caller>,
    credentials: Option<&s3s::auth::Credentials>,
) -> S3Result<SandboxS3Caller> {
    match (known, credentials) {
        (Some(caller), _) => Ok(caller.clone()),
        (None, Some(credentials)) => super::find_s3_caller_by_key(world, &credentials.access_key),
        (None, None) => Ok(SandboxS3Caller::new_anonymous_caller()),
    }
}

/// What s3s asks before every operation.
pub struct SandboxS3Authorizer(pub Sandbox);

#[async_trait::async_trait]
impl S3Access for SandboxS3Authorizer {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        let known = asked.extensions_mut().get::<SandboxS3Caller>().cloned();
        let caller = identify_s3_request_signer(&self.0, known.as_ref(), asked.credentials())?;
        let path = asked.s3_path();
        let operation = asked.s3_op().name();
        if let Some(bucket) = path.get_bucket_name() {
            // Each key of the list is judged by itself.
            if operation == "DeleteObjects" {
                check_expected_bucket_owner(&self.0, bucket, asked.headers())?;
            } else {
                let versioned =
                    asked.uri().query().is_some_and(|query| has_query_parameter(query, "versionId"));
                let action = iam_action_for_s3_operation(operation, versioned);
                let key = path.get_object_key();
                authorize_caller_on_bucket(&self.0, &caller, &action, bucket, key, asked.headers())?;
            }
        } else if caller.is_anonymous_caller() {
            return Err(build_bare_denial_error());
        }
        asked.extensions_mut().insert(caller);
        Ok(())
    }
}

/// Where s3s gets the secret keys that it checks signatures with.
pub struct SandboxS3SecretKeyLookup(pub Sandbox);

#[async_trait::async_trait]
impl S3Auth for SandboxS3SecretKeyLookup {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        super::find_secret_for_access_key(&self.0, access_key).map(SecretKey::from)
    }
}
