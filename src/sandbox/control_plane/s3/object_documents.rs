//! The documents that are put on an object: its tags, and its access control list.
//!
//! s3s would refuse what S3 refuses with words of its own.

use http::{HeaderMap, Method, Uri};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::{
    access, acl, find_stored_bucket,
    object::get_header_text,
    read,
    request_parts::{
        find_request_query_parameter, has_query_parameter, parse_bucket_and_key, read_request_document,
    },
    tags, versions, write,
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
    let asks = |name: &str| has_query_parameter(query, name);
    if !asks("acl") && !asks("tagging") {
        return None;
    }
    let (bucket, key) =
        parse_bucket_and_key(get_header_text(headers, "host").unwrap_or_default(), uri.path());
    (!key.is_empty()).then(|| ObjectDocumentTarget {
        bucket,
        key,
        is_acl: asks("acl"),
        version: find_request_query_parameter(query, "versionId"),
    })
}

/// Whether a request puts such a document.
pub fn is_object_document_request(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    *method == Method::PUT && parse_target(uri, headers).is_some()
}

/// Holds the request to its sender's rights.
///
/// # Errors
/// Refuses who may not.
pub fn check_object_document_access(world: &Sandbox, request: &S3Request<Body>) -> S3Result<()> {
    let Some(target) = parse_target(&request.uri, &request.headers) else { return Ok(()) };
    let caller = access::identify_s3_request_caller(world, request)?;
    let operation = if target.is_acl { "PutObjectAcl" } else { "PutObjectTagging" };
    let action = access::iam_action_for_s3_operation(operation, target.version.is_some());
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
    let caller = access::identify_s3_request_caller(world, &request)?;
    let text = read_request_document(&mut request).await?;
    let settings = find_stored_bucket(world, &target.bucket)?;
    versions::check_version_id(target.version.as_deref())?;
    let named = (target.bucket.as_str(), target.key.as_str(), target.version.as_deref());
    let mut object = read::find_object_for_document(world, &caller, named)?;
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
    if !target.is_acl {
        versions::insert_version_id_header(&mut headers, &object);
    }
    write::replace_sandbox_object_version(world, &target.bucket, object)?;
    Ok(S3Response::with_headers(Body::empty(), headers))
}
