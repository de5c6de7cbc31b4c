//! The completion of an upload that names no parts, by no document at all: S3 first looks for the upload (recorded); s3s would refuse the lack of a document.

use http::{HeaderMap, Method, Uri, header};
use s3s::{Body, S3Request, S3Response, S3Result};

use super::{
    access, multipart,
    object::get_header_text,
    request_parts::{find_request_query_parameter, parse_bucket_and_key},
};
use crate::sandbox::Sandbox;

fn parse_target(uri: &Uri, headers: &HeaderMap) -> (String, String) {
    parse_bucket_and_key(get_header_text(headers, "host").unwrap_or_default(), uri.path())
}

/// Whether a request completes an upload and has no body.
pub fn is_empty_completion(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let names_upload =
        uri.query().is_some_and(|query| find_request_query_parameter(query, "uploadId").is_some());
    let length = get_header_text(headers, "content-length");
    *method == Method::POST
        && names_upload
        && !parse_target(uri, headers).1.is_empty()
        && length.is_none_or(|length| length == "0")
        && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// Holds the request to its sender's rights.
///
/// # Errors
/// Refuses who may not.
pub fn check_empty_completion_access(world: &Sandbox, request: &S3Request<Body>) -> S3Result<()> {
    let (bucket, key) = parse_target(&request.uri, &request.headers);
    let caller = access::identify_s3_request_caller(world, request)?;
    access::authorize_caller_on_bucket(world, &caller, "s3:PutObject", &bucket, Some(&key), &request.headers)
}

/// Refuses it.
///
/// # Errors
/// Always: there is no such upload, or no part is named.
pub fn refuse_empty_completion(world: &Sandbox, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
    let id =
        find_request_query_parameter(request.uri.query().unwrap_or_default(), "uploadId").unwrap_or_default();
    let (bucket, key) = parse_target(&request.uri, &request.headers);
    multipart::find_multipart_upload(world, &bucket, &key, &id)?;
    Err(multipart::build_no_parts_error())
}
