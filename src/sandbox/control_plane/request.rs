//! Requests read: the operation and the body of a JSON protocol, the parameters of a URI.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::SandboxAwsError;

/// Returns the operation that `x-amz-target` names behind `prefix`: `CreateKey`, of `TrentService.CreateKey`.
pub fn parse_target_header_operation<'r>(request: &'r Request<Bytes>, prefix: &str) -> &'r str {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    target.and_then(|target| target.strip_prefix(prefix)).unwrap_or("Unknown")
}

/// Names a request whose operation isn't known: `GET /2015-03-31/functions`.
pub fn describe_unknown_operation(method: &Method, uri: &Uri) -> String {
    format!("{method} {}", uri.path())
}

/// Reads the body of a request in the protocol JSON 1.1.
///
/// # Errors
/// Refuses what is no JSON.
pub fn parse_json_request_body(request: &Request<Bytes>) -> Result<Value, SandboxAwsError> {
    serde_json::from_slice(request.body())
        .map_err(|_| SandboxAwsError::new(400, "SerializationException", "the request is no JSON"))
}

/// Reads the parameters of a query, each decoded; the last of a name counts.
pub fn parse_uri_query_parameters(uri: &Uri) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    uri.query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}
