//! The buckets' settings: each is kept as the XML that was put, and given back whole; the policy has rules of its own.
//!
//! What was never put answers as a bucket does that was made today.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use crate::sandbox::Sandbox;

use super::{
    SandboxBucket, access, acl, build_s3_error_with_code, find_stored_bucket,
    object::get_header_text,
    policy,
    request_parts::{has_query_parameter, parse_bucket_and_key, read_request_document},
    setting_rules, tags,
};

/// Subresource, IAM's noun for it, and the error where it was never put (none: it has a default).
const SUBRESOURCES: [(&str, &str, Option<&str>); 18] = [
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
    ("accelerate", "AccelerateConfiguration", None),
    ("cors", "BucketCORS", Some("NoSuchCORSConfiguration")),
    ("logging", "BucketLogging", None),
    ("website", "BucketWebsite", Some("NoSuchWebsiteConfiguration")),
];

const S3_XML_NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

type SandboxBucketSubresource = &'static (&'static str, &'static str, Option<&'static str>);

fn parse_bucket_subresource(uri: &Uri, headers: &HeaderMap) -> Option<(String, SandboxBucketSubresource)> {
    let (bucket, key) =
        parse_bucket_and_key(get_header_text(headers, "host").unwrap_or_default(), uri.path());
    if bucket.is_empty() || !key.is_empty() {
        return None;
    }
    let query = uri.query()?;
    let known = SUBRESOURCES.iter().find(|(name, ..)| has_query_parameter(query, name))?;
    Some((bucket, known))
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
    let Some((bucket, (_, noun, _))) = parse_bucket_subresource(&request.uri, &request.headers) else {
        return Ok(());
    };
    let caller = access::identify_s3_request_caller(world, request)?;
    let verb = match (&request.method, *noun) {
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
    let Some((bucket, known)) = parse_bucket_subresource(&request.uri, &request.headers) else {
        return Err(S3Error::new(S3ErrorCode::NotImplemented));
    };
    let settings = find_stored_bucket(world, &bucket)?;
    if request.method == Method::GET {
        return render_sandbox_bucket_subresource(&settings, known);
    }
    if request.method == Method::DELETE {
        change_sandbox_bucket(world, &bucket, |settings| delete_bucket_setting(settings, known.0));
        return Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
    }
    let text = read_request_document(&mut request).await?;
    let no_content = || Ok(S3Response::with_status(Body::empty(), StatusCode::NO_CONTENT));
    match known.0 {
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
        name => {
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

/// Two settings are there until they are deleted, and then are not.
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
            "cors" => "The CORS configuration does not exist",
            "website" => "The specified bucket does not have a website configuration",
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
        ("ownershipControls", Some(xml)) if xml.is_empty() => {
            return Err(build_s3_error_with_code(
                "OwnershipControlsNotFoundError",
                StatusCode::NOT_FOUND,
                "The bucket ownership controls were not found",
            ));
        }
        ("publicAccessBlock", Some(xml)) if xml.is_empty() => {
            return Err(build_s3_error_with_code(
                "NoSuchPublicAccessBlockConfiguration",
                StatusCode::NOT_FOUND,
                "The public access block configuration was not found",
            ));
        }
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
        ("acl", None) => {
            acl::render_acl_document(&super::object::compute_account_canonical_user_id(&bucket.owner), None)
        }
        ("accelerate", None) => format!("<AccelerateConfiguration {S3_XML_NAMESPACE}/>"),
        ("logging", None) => format!("<BucketLoggingStatus {S3_XML_NAMESPACE}/>"),
        (_, None) => return Err(none()),
    };
    Ok(build_response_with_content_type("application/xml", text))
}

fn build_response_with_content_type(kind: &'static str, text: String) -> S3Response<Body> {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    S3Response::with_headers(Body::from(Bytes::from(text)), headers)
}
