//! The buckets' settings: each is kept as the XML that was put, and given back whole; the policy has rules of its own.
//!
//! What was never put answers as a bucket does that was made today.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use crate::sandbox::Sandbox;

use super::{
    SandboxBucket, access, acl, find_stored_bucket,
    object::get_header_text,
    policy,
    refusal::build_s3_error_with_details,
    request_parts::{has_query_parameter, parse_bucket_and_key, read_request_document},
    setting_rules, tags,
};

/// The subresources that are read here, with IAM's noun for each.
const SUBRESOURCES: [(&str, &str); 18] = [
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("location", "BucketLocation"),
    ("versioning", "BucketVersioning"),
    ("encryption", "EncryptionConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("publicAccessBlock", "BucketPublicAccessBlock"),
    ("notification", "BucketNotification"),
    ("replication", "ReplicationConfiguration"),
    ("lifecycle", "LifecycleConfiguration"),
    ("object-lock", "BucketObjectLockConfiguration"),
    ("tagging", "BucketTagging"),
    ("acl", "BucketAcl"),
    ("requestPayment", "BucketRequestPayment"),
    ("accelerate", "AccelerateConfiguration"),
    ("cors", "BucketCORS"),
    ("logging", "BucketLogging"),
    ("website", "BucketWebsite"),
];

const S3_XML_NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
const DEFAULT_ENCRYPTION: &str = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>";
const DEFAULT_OWNERSHIP: &str = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>";
const DEFAULT_PUBLIC_ACCESS_BLOCK: &str = "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>";

/// Returns the bucket, the subresource and IAM's noun for it.
fn parse_bucket_subresource(uri: &Uri, headers: &HeaderMap) -> Option<(String, &'static str, &'static str)> {
    let (bucket, key) =
        parse_bucket_and_key(get_header_text(headers, "host").unwrap_or_default(), uri.path());
    if bucket.is_empty() || !key.is_empty() {
        return None;
    }
    let query = uri.query()?;
    let (name, noun) = SUBRESOURCES.iter().find(|(name, _)| has_query_parameter(query, name))?;
    Some((bucket, *name, *noun))
}

/// Whether a request is one on a subresource of a bucket.
pub fn is_bucket_setting_request(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    [Method::GET, Method::PUT, Method::DELETE].contains(method)
        && parse_bucket_subresource(uri, headers).is_some()
}

/// Holds the request to its sender's rights.
///
/// # Errors
/// Refuses who may not.
pub fn check_setting_access(world: &Sandbox, request: &S3Request<Body>) -> S3Result<()> {
    let Some((bucket, _, noun)) = parse_bucket_subresource(&request.uri, &request.headers) else {
        return Ok(());
    };
    let caller = access::identify_s3_request_caller(world, request)?;
    let verb = match (&request.method, noun) {
        (&Method::GET, _) => "Get",
        (&Method::DELETE, "BucketPolicy" | "BucketWebsite") => "Delete",
        _ => "Put",
    };
    let action = format!("s3:{verb}{noun}");
    access::authorize_caller_on_bucket(world, &caller, &action, &bucket, None, &request.headers)
}

/// Reads, puts or deletes a setting.
///
/// # Errors
/// Gives S3's error: no such setting, or a document that isn't one.
pub async fn handle_bucket_setting(
    world: &Sandbox,
    mut request: S3Request<Body>,
) -> S3Result<S3Response<Body>> {
    let Some((bucket, name, _)) = parse_bucket_subresource(&request.uri, &request.headers) else {
        return Err(S3Error::new(S3ErrorCode::NotImplemented));
    };
    let settings = find_stored_bucket(world, &bucket)?;
    if request.method == Method::GET {
        return render_bucket_setting(&settings, name);
    }
    if request.method == Method::DELETE {
        change_sandbox_bucket(world, &bucket, |settings| delete_bucket_setting(settings, name));
        return Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
    }
    let text = read_request_document(&mut request).await?;
    let no_content = || Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
    match name {
        "policy" => {
            let caller = access::identify_s3_request_caller(world, &request)?;
            let kept =
                policy::validate_and_normalize_bucket_policy(world, &caller, &bucket, &settings, &text)?;
            change_sandbox_bucket(world, &bucket, |settings| settings.policy = Some(kept));
            return no_content();
        }
        "tagging" => {
            let tags = tags::parse_tagging_document(&text, true)?;
            change_sandbox_bucket(world, &bucket, |settings| {
                if tags.is_empty() {
                    settings.settings.remove("tagging");
                } else {
                    settings.settings.insert("tagging".to_owned(), text);
                }
            });
            return no_content();
        }
        "acl" => {
            let list = acl::parse_put_acl(&request.headers, &text, &settings)?;
            let owner = super::object::compute_account_canonical_user_id(&settings.owner);
            let document = acl::render_acl_document(&owner, Some(&list));
            change_sandbox_bucket(world, &bucket, |settings| {
                settings.settings.insert("acl".to_owned(), document);
            });
        }
        _ => {
            if text.is_empty() {
                return Err(S3Error::with_message(
                    S3ErrorCode::MissingRequestBodyError,
                    "Request Body is empty",
                ));
            }
            let kept = setting_rules::check_bucket_setting(&settings, name, text)?;
            change_sandbox_bucket(world, &bucket, |settings| {
                settings.settings.insert(name.to_owned(), kept);
            });
        }
    }
    Ok(S3Response::new(Body::empty()))
}

/// Two settings have a default until they are deleted; each is kept as an empty one then.
fn delete_bucket_setting(settings: &mut SandboxBucket, name: &str) {
    match name {
        "policy" => settings.policy = None,
        "ownershipControls" | "publicAccessBlock" => {
            settings.settings.insert(name.to_owned(), String::new());
        }
        _ => {
            settings.settings.remove(name);
        }
    }
}

fn change_sandbox_bucket<T>(world: &Sandbox, bucket: &str, change: impl FnOnce(&mut SandboxBucket) -> T) {
    world.update_sandbox_state_on_disk(|state| {
        if let Some(settings) = state.s3.buckets.get_mut(bucket) {
            change(settings);
        }
    });
}

fn render_bucket_setting(bucket: &SandboxBucket, name: &str) -> S3Result<S3Response<Body>> {
    let (kind, kept) = match name {
        "policy" => ("application/json", bucket.policy.clone()),
        // A setting that was deleted is kept as an empty one.
        _ => (
            "application/xml",
            bucket.settings.get(name).cloned().or_else(|| render_default_setting(bucket, name)),
        ),
    };
    let text = kept.filter(|text| !text.is_empty()).ok_or_else(|| build_missing_setting_error(name))?;
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    Ok(S3Response::with_headers(Body::from(Bytes::from(text)), headers))
}

/// Writes what a bucket answers whose setting was never put; none where there is no default.
fn render_default_setting(bucket: &SandboxBucket, name: &str) -> Option<String> {
    let (root, inner) = match name {
        "location" if bucket.region == "us-east-1" => ("LocationConstraint", String::new()),
        "location" => ("LocationConstraint", bucket.region.clone()),
        "policyStatus" => {
            let public = access::is_public_sandbox_bucket_policy(bucket.policy.as_deref()?);
            ("PolicyStatus", format!("<IsPublic>{public}</IsPublic>"))
        }
        "versioning" => ("VersioningConfiguration", String::new()),
        "notification" => ("NotificationConfiguration", String::new()),
        "accelerate" => ("AccelerateConfiguration", String::new()),
        "logging" => ("BucketLoggingStatus", String::new()),
        "encryption" => ("ServerSideEncryptionConfiguration", DEFAULT_ENCRYPTION.to_owned()),
        "ownershipControls" => ("OwnershipControls", DEFAULT_OWNERSHIP.to_owned()),
        "publicAccessBlock" => ("PublicAccessBlockConfiguration", DEFAULT_PUBLIC_ACCESS_BLOCK.to_owned()),
        "requestPayment" => ("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>".to_owned()),
        "acl" => {
            let owner = super::object::compute_account_canonical_user_id(&bucket.owner);
            return Some(acl::render_acl_document(&owner, None));
        }
        _ => return None,
    };
    Some(match inner.as_str() {
        "" => format!("<{root} {S3_XML_NAMESPACE}/>"),
        _ => format!("<{root} {S3_XML_NAMESPACE}>{inner}</{root}>"),
    })
}

fn build_missing_setting_error(name: &str) -> S3Error {
    let (code, message) = match name {
        "policy" | "policyStatus" => ("NoSuchBucketPolicy", "The bucket policy does not exist"),
        "replication" => {
            ("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
        }
        "lifecycle" => ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        "tagging" => ("NoSuchTagSet", "The TagSet does not exist"),
        "cors" => ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        "website" => {
            ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
        }
        "ownershipControls" => {
            ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
        }
        "publicAccessBlock" => {
            ("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
        }
        _ => (
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
    };
    build_s3_error_with_details(code, StatusCode::NOT_FOUND, message, &[])
}
