//! What the readers of an S3 request share: how its bucket and key, its parameters, its document and its trailing headers are read.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Result};

use super::parse_bucket_from_host;

/// The most that a document about a bucket or an object may be, in bytes.
const DOCUMENT_MAX_BYTES: usize = 1 << 20;

/// Returns bucket and key of a request by its host and path; the key is empty where the request names a bucket alone.
pub fn parse_bucket_and_key(host: &str, path: &str) -> (String, String) {
    let path = percent_decode_str(path.strip_prefix('/').unwrap_or(path)).decode_utf8_lossy();
    if let Some(bucket) = parse_bucket_from_host(host) {
        return (bucket.to_owned(), path.into_owned());
    }
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    (bucket.to_owned(), key.to_owned())
}

/// Returns a parameter of a query, decoded.
pub fn find_request_query_parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

/// Whether a query has a parameter, with a value or without.
pub fn has_query_parameter(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}

/// Takes the headers that came behind the body.
pub fn take_trailing_headers<T>(request: &S3Request<T>) -> HeaderMap {
    request.trailing_headers.as_ref().and_then(s3s::TrailingHeaders::take).unwrap_or_default()
}

/// Reads the document that a request carries.
///
/// # Errors
/// Refuses one that breaks off or is too long.
pub async fn read_request_document(request: &mut S3Request<Body>) -> S3Result<String> {
    let document = request
        .input
        .store_all_limited(DOCUMENT_MAX_BYTES)
        .await
        .map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
    Ok(String::from_utf8_lossy(&document).into_owned())
}
