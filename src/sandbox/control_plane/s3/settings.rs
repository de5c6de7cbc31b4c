//! The buckets' settings: each is kept as the XML that was put, and given back whole; the policy has rules of its own.
//!
//! What was never put answers as a bucket does that was made today.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, route::S3Route};

use crate::sandbox::Sandbox;

use super::{
    SandboxBucket, access, build_s3_error_with_code, find_stored_bucket, parse_bucket_from_host, policy,
};

/// Answers to requests on a subresource of a bucket.
pub struct BucketSettingsRoute(pub Sandbox);

/// Subresource, IAM's noun for it, and the error where it was never put (none: it has a default).
const SUBRESOURCES: [(&str, &str, Option<&str>); 14] = [
    ("policy", "BucketPolicy", Some("NoSuchBucketPolicy")),
    ("policyStatus", "BucketPolicyStatus", Some("NoSuchBucketPolicy")),
    ("location", "BucketLocation", None),
    ("versioning", "BucketVersioning", None),
    ("encryption", "EncryptionConfiguration", None),
    ("ownershipControls", "BucketOwnershipControls", None),
    ("publicAccessBlock", "BucketPublicAccessBlock", None),
    ("notification", "BucketNotification", None),
    ("replication", "ReplicationConfiguration", Some("ReplicationConfigurationNotFoundError")),
    ("lifecycle", "LifecycleConfiguration", Some("NoSuchLifecycleConfiguration")),
    ("object-lock", "BucketObjectLockConfiguration", Some("ObjectLockConfigurationNotFoundError")),
    ("tagging", "BucketTagging", Some("NoSuchTagSet")),
    ("acl", "BucketAcl", None),
    ("requestPayment", "BucketRequestPayment", None),
];

const S3_XML_NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

type SandboxBucketSubresource = &'static (&'static str, &'static str, Option<&'static str>);

fn parse_bucket_subresource(uri: &Uri, headers: &HeaderMap) -> Option<(String, SandboxBucketSubresource)> {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = uri.path().trim_start_matches('/');
    let bucket = match parse_bucket_from_host(host) {
        Some(bucket) if path.is_empty() => bucket.to_owned(),
        Some(_) => return None,
        None => path.trim_end_matches('/').to_owned(),
    };
    if bucket.is_empty() || bucket.contains('/') {
        return None;
    }
    let query = uri.query()?;
    let known = SUBRESOURCES
        .iter()
        .find(|(name, ..)| query.split('&').any(|pair| pair.split('=').next() == Some(*name)))?;
    Some((bucket, known))
}

#[async_trait::async_trait]
impl S3Route for BucketSettingsRoute {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _: &mut http::Extensions) -> bool {
        [Method::GET, Method::PUT, Method::DELETE].contains(method)
            && parse_bucket_subresource(uri, headers).is_some()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let Some((bucket, (_, noun, _))) = parse_bucket_subresource(&request.uri, &request.headers) else {
            return Ok(());
        };
        let known = request.extensions.get::<super::SandboxS3Caller>().cloned();
        let caller =
            access::identify_s3_request_signer(&self.0, known.as_ref(), request.credentials.as_ref())?;
        let verb = match (&request.method, *noun) {
            (&Method::GET, _) => "Get",
            (&Method::DELETE, "BucketPolicy") => "Delete",
            _ => "Put",
        };
        let action = format!("s3:{verb}{noun}");
        access::authorize_caller_on_bucket(&self.0, &caller, &action, &bucket, None, &request.headers)
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let Some((bucket, known)) = parse_bucket_subresource(&request.uri, &request.headers) else {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        };
        let settings = find_stored_bucket(&self.0, &bucket)?;
        if request.method == Method::GET {
            return render_sandbox_bucket_subresource(&settings, known);
        }
        let body = request
            .input
            .store_all_limited(1 << 20)
            .await
            .map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if known.0 == "policy" && request.method == Method::PUT {
            let known = request.extensions.get::<super::SandboxS3Caller>().cloned();
            let caller =
                access::identify_s3_request_signer(&self.0, known.as_ref(), request.credentials.as_ref())?;
            let kept =
                policy::validate_and_normalize_bucket_policy(&self.0, &caller, &bucket, &settings, &text)?;
            self.change_sandbox_bucket(&bucket, |settings| settings.policy = Some(kept));
            return Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
        }
        if request.method == Method::DELETE {
            self.change_sandbox_bucket(&bucket, |settings| {
                if known.0 == "policy" {
                    settings.policy = None;
                }
                settings.settings.remove(known.0);
            });
            return Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
        }
        if text.is_empty() {
            return Err(S3Error::with_message(S3ErrorCode::MissingRequestBodyError, "Request Body is empty"));
        }
        self.change_sandbox_bucket(&bucket, |settings| settings.settings.insert(known.0.to_owned(), text));
        Ok(S3Response::new(Body::empty()))
    }
}

impl BucketSettingsRoute {
    fn change_sandbox_bucket<T>(&self, bucket: &str, change: impl FnOnce(&mut SandboxBucket) -> T) {
        self.0.update_sandbox_state_on_disk(|state| {
            if let Some(settings) = state.s3.buckets.get_mut(bucket) {
                change(settings);
            }
        });
    }
}

fn render_sandbox_bucket_subresource(
    bucket: &SandboxBucket,
    (name, _, missing): SandboxBucketSubresource,
) -> S3Result<S3Response<Body>> {
    let none = || {
        let code = missing.unwrap_or("InvalidRequest");
        let message = match *name {
            "policy" | "policyStatus" => "The bucket policy does not exist",
            "replication" => "The replication configuration was not found",
            "lifecycle" => "The lifecycle configuration does not exist",
            "tagging" => "The TagSet does not exist",
            _ => "Object Lock configuration does not exist for this bucket",
        };
        build_s3_error_with_code(code, StatusCode::NOT_FOUND, message)
    };
    if *name == "policy" {
        return bucket
            .policy
            .clone()
            .map(|policy| build_response_with_content_type("application/json", policy))
            .ok_or_else(none);
    }
    let text = match (*name, bucket.settings.get(*name)) {
        (_, Some(xml)) => xml.clone(),
        ("location", None) if bucket.region == "us-east-1" => {
            format!("<LocationConstraint {S3_XML_NAMESPACE}/>")
        }
        ("location", None) => {
            format!("<LocationConstraint {S3_XML_NAMESPACE}>{}</LocationConstraint>", bucket.region)
        }
        ("policyStatus", None) => {
            let public =
                bucket.policy.as_deref().map(access::is_public_sandbox_bucket_policy).ok_or_else(none)?;
            format!("<PolicyStatus {S3_XML_NAMESPACE}><IsPublic>{public}</IsPublic></PolicyStatus>")
        }
        ("versioning", None) => format!("<VersioningConfiguration {S3_XML_NAMESPACE}/>"),
        ("notification", None) => format!("<NotificationConfiguration {S3_XML_NAMESPACE}/>"),
        ("encryption", None) => format!(
            "<ServerSideEncryptionConfiguration {S3_XML_NAMESPACE}><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
        ),
        ("ownershipControls", None) => format!(
            "<OwnershipControls {S3_XML_NAMESPACE}><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
        ),
        ("publicAccessBlock", None) => format!(
            "<PublicAccessBlockConfiguration {S3_XML_NAMESPACE}><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        ),
        ("requestPayment", None) => format!(
            "<RequestPaymentConfiguration {S3_XML_NAMESPACE}><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"
        ),
        ("acl", None) => format!(
            "<AccessControlPolicy {S3_XML_NAMESPACE}><Owner><ID>{}</ID></Owner><AccessControlList></AccessControlList></AccessControlPolicy>",
            super::protocol::compute_account_canonical_user_id(&bucket.owner)
        ),
        (_, None) => return Err(none()),
    };
    Ok(build_response_with_content_type("application/xml", text))
}

fn build_response_with_content_type(kind: &'static str, text: String) -> S3Response<Body> {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    S3Response::with_headers(Body::from(Bytes::from(text)), headers)
}
