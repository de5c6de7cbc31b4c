//! The headers that S3 takes as any text and s3s refuses: an Expires that is no date, a range or a condition that means nothing, metadata beyond ASCII.
//!
//! After the signature was checked such a request goes to s3s once more, without the header; the operation gets it back.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, header};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto};

use super::{
    access,
    object::{SYSTEM_ATTRIBUTES, get_header_text},
    request_parts::take_trailing_headers,
    serve_s3_request_with_s3s,
};
use crate::sandbox::Sandbox;

/// What was taken off a request before s3s parsed it.
#[derive(Debug, Clone, Default)]
struct WithheldHeaders(HeaderMap);

/// Returns a request's headers, with those that were kept from s3s.
pub fn collect_request_headers<T>(request: &S3Request<T>) -> HeaderMap {
    let mut headers = request.headers.clone();
    if let Some(WithheldHeaders(withheld)) = request.extensions.get::<WithheldHeaders>() {
        headers.extend(withheld.clone());
    }
    headers
}

fn is_plain_text(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok())
}

/// Lists the headers of a request that s3s would refuse and S3 doesn't.
pub fn list_withheld_headers(method: &Method, headers: &HeaderMap) -> Vec<HeaderName> {
    let mut found = Vec::new();
    for name in headers.keys() {
        let odd = match name.as_str() {
            "expires" => get_header_text(headers, name.as_str())
                .is_none_or(|text| dto::Timestamp::parse(dto::TimestampFormat::HttpDate, text).is_err()),
            "range" => {
                [Method::GET, Method::HEAD].contains(method)
                    && get_header_text(headers, name.as_str()).is_none_or(|text| !is_range_meant(text))
            }
            "if-match" | "if-none-match" => {
                *method != Method::GET
                    && get_header_text(headers, name.as_str())
                        .is_some_and(|text| !is_entity_tag_or_star(text))
            }
            // What RFC 2047 encodes need not be UTF-8.
            kept if kept.starts_with("x-amz-meta-") => {
                get_header_text(headers, name.as_str()).is_none_or(|text| text.starts_with("=?"))
            }
            kept if SYSTEM_ATTRIBUTES.contains(&kept) => !is_plain_text(headers, name),
            _ => false,
        };
        if odd {
            found.push(name.clone());
        }
    }
    found
}

/// Whether a range asks for one stretch of bytes; S3 passes over what does not, and gives the whole object (recorded).
fn is_range_meant(text: &str) -> bool {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return false;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first <= last,
        (Ok(_), Err(_)) => last.is_empty(),
        (Err(_), Ok(_)) => first.is_empty(),
        (Err(_), Err(_)) => false,
    }
}

fn is_entity_tag_or_star(text: &str) -> bool {
    text == "*" || text.trim_matches('"').bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Answers such a request, whose signature was checked.
///
/// # Errors
/// Refuses a signer who isn't known and a body that breaks off.
pub async fn serve_withheld_request(
    world: &Sandbox,
    mut request: S3Request<Body>,
) -> S3Result<S3Response<Body>> {
    let caller = access::identify_s3_request_caller(world, &request)?;
    let content = request
        .input
        .store_all_limited(usize::MAX)
        .await
        .map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
    let mut headers = request.headers.clone();
    let mut withheld = HeaderMap::new();
    for name in list_withheld_headers(&request.method, &headers) {
        for value in headers.get_all(&name) {
            withheld.append(&name, value.clone());
        }
        headers.remove(&name);
    }
    // A range that means nothing is no range.
    withheld.remove(header::RANGE);
    for signed in ["authorization", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"] {
        headers.remove(signed);
    }
    headers.extend(take_trailing_headers(&request));
    headers.insert(header::CONTENT_LENGTH, content.len().into());
    let mut again = Request::new(Bytes::from(content.to_vec()));
    *again.method_mut() = request.method.clone();
    *again.uri_mut() = request.uri.clone();
    *again.headers_mut() = headers;
    again.extensions_mut().insert(caller);
    again.extensions_mut().insert(WithheldHeaders(withheld));
    let (parts, body) = Box::pin(serve_s3_request_with_s3s(world, again)).await.into_parts();
    let mut response = S3Response::with_headers(Body::from(body), parts.headers);
    response.status = Some(parts.status);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3_takes_as_any_text_is_kept_from_s3s() {
        for (method, name, value, withheld) in [
            (Method::PUT, "expires", "5d", true),
            (Method::PUT, "expires", "Wed, 21 Oct 2015 07:28:00 GMT", false),
            (Method::GET, "range", "bytes=0-8", false),
            (Method::GET, "range", "bytes=-2", false),
            (Method::GET, "range", "bytes=1-", false),
            (Method::GET, "range", "bytes=1-0", true),
            (Method::GET, "range", "bytes=0--1", true),
            (Method::GET, "range", "bytes=0-1,3-4", true),
            (Method::GET, "range", "0-1", true),
            (Method::PUT, "if-match", "\"d41d8cd98f00b204e9800998ecf8427e-2\"", false),
            (Method::PUT, "x-amz-meta-word", "=?UTF-8?B?/v7+/v7+/g==?=", true),
            (Method::PUT, "x-amz-meta-word", "plain", false),
            (Method::PUT, "if-match", "*", false),
            (Method::PUT, "if-match", "bad-char_/", true),
        ] {
            let headers: HeaderMap = [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            assert_eq!(!list_withheld_headers(&method, &headers).is_empty(), withheld, "{name}: {value}");
        }
    }
}
