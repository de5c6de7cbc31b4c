//! Answers in JSON and in XML, each with its request id.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::generate_random_uuid;

/// Answers in JSON, of the content type `kind`.
pub fn build_json_response(status: u16, kind: &'static str, body: &Value) -> Response<Bytes> {
    build_http_response(status, kind, body.to_string().into())
}

/// Answers in XML; puts the declaration before `body`.
pub fn build_xml_response(status: u16, body: impl Into<String>) -> Response<Bytes> {
    build_http_response(
        status,
        "text/xml",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", body.into()).into(),
    )
}

/// Answers with `body`, of the content type `kind`.
pub fn build_http_response(status: u16, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(&generate_random_uuid()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
