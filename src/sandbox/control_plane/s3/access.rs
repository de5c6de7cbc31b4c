//! Who asks, and whether the bucket's owner and its policy let them.
//!
//! What a bucket policy denies stays denied; another account, CloudFront and the public need its word, the owner's
//! own users their identity's or its.

use s3s::{
    S3Error, S3ErrorCode, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
};
use serde_json::Value;

use crate::sandbox::{
    World,
    control_plane::{
        self,
        access::{Context, Decision, Principal, allows},
    },
};

use super::{Bucket, bucket_named};

/// The ARN under which a bucket policy names an origin access identity.
pub fn identity_arn(id: &str) -> String {
    format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {id}")
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: Principal,
    /// Somebody of the account.
    signer: Option<control_plane::Caller>,
    /// Of the distribution on whose behalf the service asks.
    source: Option<(String, String)>,
}

impl Caller {
    pub fn anonymous() -> Self {
        Self { principal: Principal::default(), signer: None, source: None }
    }

    /// CloudFront, as an origin access identity.
    pub fn identity(id: &str, canonical: &str) -> Self {
        Self { principal: Principal::origin_access_identity(id, canonical), ..Self::anonymous() }
    }

    /// CloudFront by an origin access control: the service on behalf of a distribution.
    pub fn distribution(arn: &str, account: &str) -> Self {
        Self {
            principal: Principal::service("cloudfront.amazonaws.com"),
            source: Some((arn.to_owned(), account.to_owned())),
            ..Self::anonymous()
        }
    }

    /// Somebody of the account, by a signature.
    pub fn of_account(signer: control_plane::Caller) -> Self {
        Self { principal: signer.principal(), signer: Some(signer), ..Self::anonymous() }
    }

    pub fn is_anonymous(&self) -> bool {
        self.principal == Principal::default()
    }

    /// Whether it belongs to the account that owns the bucket.
    fn owns(&self, bucket: &Bucket) -> bool {
        self.principal.account.as_deref() == Some(&bucket.owner)
    }

    fn context(&self) -> Context {
        let mut context = self.signer.as_ref().map_or_else(
            || Context::default().with("aws:SecureTransport", "true"),
            control_plane::Caller::context,
        );
        if let Some((arn, account)) = &self.source {
            context = context.with("aws:SourceArn", arn).with("aws:SourceAccount", account);
        }
        context
    }
}

/// Whether `caller` may do `action` (`s3:GetObject`) on the bucket, or on the key in it.
pub fn may(world: &World, caller: &Caller, action: &str, bucket: &str, key: Option<&str>) -> bool {
    let Some(found) = world.read(|state| state.s3.buckets.get(bucket).cloned()) else { return true };
    let resource =
        key.map_or_else(|| format!("arn:aws:s3:::{bucket}"), |key| format!("arn:aws:s3:::{bucket}/{key}"));
    let context = caller.context();
    let policy = found.policy.as_deref().and_then(|policy| serde_json::from_str::<Value>(policy).ok());
    let decision = policy.map_or(Decision::ImplicitDeny, |policy| {
        allows(&policy, Some(&caller.principal), action, &resource, &context)
    });
    let identity = || {
        let says = |signer: &control_plane::Caller| {
            world.read(|state| signer.decision(state, action, &resource, &context))
        };
        caller.signer.as_ref().map_or(Decision::ImplicitDeny, says)
    };
    match decision {
        Decision::ExplicitDeny => false,
        Decision::Allow if caller.is_anonymous() => !found.restricts_public(),
        Decision::Allow if caller.signer.is_none() => true,
        Decision::Allow if caller.owns(&found) => identity() != Decision::ExplicitDeny,
        Decision::Allow | Decision::Delegated => identity() == Decision::Allow,
        Decision::ImplicitDeny => caller.owns(&found) && identity() == Decision::Allow,
    }
}

/// Whether CloudFront gets at what is encrypted under `key`: an identity never, the service where the key's policy
/// lets it, which that of AWS's own key doesn't, and nobody can change. The account's own users aren't asked here.
pub fn may_decrypt(world: &World, caller: &Caller, key: Option<&str>) -> bool {
    if caller.source.is_none() {
        return caller.principal.canonical.is_empty();
    }
    let own = |key: &&str| !key.ends_with("aws/s3");
    key.filter(own).is_some_and(|key| {
        world.read(|state| {
            control_plane::kms::lets(&state.kms, key, &caller.principal, "kms:Decrypt", &caller.context())
        })
    })
}

/// AWS's refusal of `action`.
pub fn denied(caller: &Caller, action: &str, bucket: &str, key: Option<&str>) -> S3Error {
    let message = caller.signer.as_ref().map_or_else(
        || "Access Denied".to_owned(),
        |signer| {
            let resource = key.map_or_else(|| bucket.to_owned(), |key| format!("{bucket}/{key}"));
            let why = format!("because no identity-based policy allows the {action} action");
            signer.denied(action, &format!("\"arn:aws:s3:::{resource}\""), &why)
        },
    );
    S3Error::with_message(S3ErrorCode::AccessDenied, message)
}

/// The IAM action of an operation as s3s names it.
pub fn action(operation: &str, versioned: bool) -> String {
    let name = match operation {
        "ListBuckets" => "ListAllMyBuckets",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "HeadObject" | "GetObject" if versioned => "GetObjectVersion",
        "HeadObject" | "GetObject" => "GetObject",
        "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        other => other,
    };
    format!("s3:{name}")
}

/// A bucket that `caller` may do `action` on, where the request says whose it expects it to be.
pub fn admit(
    world: &World,
    caller: &Caller,
    action: &str,
    bucket: &str,
    key: Option<&str>,
    headers: &http::HeaderMap,
) -> S3Result<()> {
    let owner = bucket_named(world, bucket)?.owner;
    let expected = headers.get("x-amz-expected-bucket-owner");
    if expected.is_some_and(|expected| expected.as_bytes() != owner.as_bytes()) {
        return Err(S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied"));
    }
    if may(world, caller, action, bucket, key) { Ok(()) } else { Err(denied(caller, action, bucket, key)) }
}

/// Who signed, as the signature check found.
pub fn caller(
    world: &World,
    known: Option<&Caller>,
    credentials: Option<&s3s::auth::Credentials>,
) -> S3Result<Caller> {
    match (known, credentials) {
        (Some(caller), _) => Ok(caller.clone()),
        (None, Some(credentials)) => super::principal(world, &credentials.access_key),
        (None, None) => Ok(Caller::anonymous()),
    }
}

/// What s3s asks before every operation.
pub struct Gate(pub World);

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        let known = asked.extensions_mut().get::<Caller>().cloned();
        let caller = caller(&self.0, known.as_ref(), asked.credentials())?;
        let path = asked.s3_path();
        if let Some(bucket) = path.get_bucket_name() {
            let versioned = asked.uri().query().is_some_and(|query| query.contains("versionId="));
            let action = action(asked.s3_op().name(), versioned);
            admit(&self.0, &caller, &action, bucket, path.get_object_key(), asked.headers())?;
        } else if caller.is_anonymous() {
            return Err(S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied"));
        }
        asked.extensions_mut().insert(caller);
        Ok(())
    }
}

/// Where s3s gets the secret keys that it checks signatures with.
pub struct Keys(pub World);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        super::secret_key(&self.0, access_key).map(SecretKey::from)
    }
}
