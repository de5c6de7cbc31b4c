//! The documents that are put on an object: its tags, and its access control list.
//!
//! s3s would refuse what S3 refuses with words of its own.

use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::{
    SandboxObject, SandboxS3Caller, access, acl, deletion, find_stored_bucket,
    insert_sandbox_response_header, parse_bucket_from_host, query_parameters::find_request_query_parameter,
    read, tags, write,
};
use crate::sandbox::Sandbox;

/// Where such a document goes.
struct ObjectDocumentTarget {
    bucket: String,
    key: String,
    is_acl: bool,
    version: Option<String>,
}

fn parse_target(uri: &Uri, headers: &HeaderMap) -> Option<ObjectDocumentTarget> {
    let query = uri.query()?;
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    if !asks("acl") && !asks("tagging") {
        return None;
    }
    let (bucket, key) = split_object_path(uri, headers)?;
    (!key.is_empty()).then(|| ObjectDocumentTarget {
        bucket,
        key,
        is_acl: asks("acl"),
        version: find_request_query_parameter(query, "versionId"),
    })
}

/// Reads bucket and key of a request, by its host and path.
pub fn split_object_path(uri: &Uri, headers: &HeaderMap) -> Option<(String, String)> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = percent_decode_str(uri.path().strip_prefix('/').unwrap_or_default()).decode_utf8_lossy();
    match parse_bucket_from_host(host) {
        Some(bucket) => Some((bucket.to_owned(), path.into_owned())),
        None => path.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned())),
    }
}

/// Whether a request puts such a document.
pub fn is_object_document_request(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    *method == Method::PUT && parse_target(uri, headers).is_some()
}

fn identify_caller(world: &Sandbox, request: &S3Request<Body>) -> S3Result<SandboxS3Caller> {
    let known = request.extensions.get::<SandboxS3Caller>().cloned();
    access::identify_s3_request_signer(world, known.as_ref(), request.credentials.as_ref())
}

/// Holds the request to its sender's rights.
///
/// # Errors
/// Refuses who may not.
pub fn check_object_document_access(world: &Sandbox, request: &S3Request<Body>) -> S3Result<()> {
    let Some(target) = parse_target(&request.uri, &request.headers) else { return Ok(()) };
    let caller = identify_caller(world, request)?;
    let noun = if target.is_acl { "Acl" } else { "Tagging" };
    let version = if target.version.is_some() { "Version" } else { "" };
    let action = format!("s3:PutObject{version}{noun}");
    let key = Some(target.key.as_str());
    access::authorize_caller_on_bucket(world, &caller, &action, &target.bucket, key, &request.headers)
}

/// Puts the document.
///
/// # Errors
/// Gives S3's error: no such object, a marker, a document that isn't one, a public grant that is blocked.
pub async fn handle_object_document(
    world: &Sandbox,
    mut request: S3Request<Body>,
) -> S3Result<S3Response<Body>> {
    let Some(target) = parse_target(&request.uri, &request.headers) else {
        return Err(S3Error::new(S3ErrorCode::NotImplemented));
    };
    let caller = identify_caller(world, &request)?;
    let body = request
        .input
        .store_all_limited(1 << 20)
        .await
        .map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let settings = find_stored_bucket(world, &target.bucket)?;
    deletion::check_version_id(target.version.as_deref())?;
    let mut object = find_target_object(world, &caller, &target)?;
    if target.is_acl {
        let list = acl::parse_put_acl(&request.headers, &text, &settings)?;
        let granted = (target.key.as_str(), list.grants.as_slice());
        write::refuse_blocked_public_grants(world, &caller, "s3:PutObjectAcl", &target.bucket, granted)?;
        object.grants = list.grants;
        object.without_owner_grant = list.without_owner_grant;
    } else {
        object.tags = tags::parse_tagging_document(&text, false)?;
    }
    let mut headers = HeaderMap::new();
    if !target.is_acl && object.version != "null" {
        insert_sandbox_response_header(&mut headers, "x-amz-version-id", &object.version);
    }
    write::replace_sandbox_object_version(world, &target.bucket, object)?;
    Ok(S3Response::with_headers(Body::empty(), headers))
}

fn find_target_object(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    target: &ObjectDocumentTarget,
) -> S3Result<SandboxObject> {
    read::find_object_for_document(world, caller, (&target.bucket, &target.key, target.version.as_deref()))
}
