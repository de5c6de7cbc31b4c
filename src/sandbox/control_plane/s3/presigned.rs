//! What s3s can't judge before it sees a request: its age by the world's clock, and links presigned with SigV2 as packagecloud makes them.
//!
//! A literal plus in a path is a space, as it is at S3.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, Uri, uri::PathAndQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Error, S3ErrorCode, S3Result};
use sha1::Sha1;

use crate::sandbox::Sandbox;

use super::{
    parse_bucket_from_host,
    presigned_v4::{self, parse_amz_date},
    refusal::build_other_signature_error,
    request_parts::find_request_query_parameter,
    signed_text,
};

/// Prepares a request for s3s: judges its age by the sandbox's clock, and takes off what s3s need not see.
///
/// # Errors
/// Refuses one that is too old or has expired, and a SigV2 link with a wrong signature or an unknown key.
pub fn prepare_request_for_s3s(world: &Sandbox, mut request: Request<Bytes>) -> S3Result<Request<Bytes>> {
    let now = i64::try_from(world.sandbox_unix_time_now().as_secs()).unwrap_or(i64::MAX);
    let query = request.uri().query().unwrap_or_default().to_owned();
    if let Some(signature) = find_request_query_parameter(&query, "Signature")
        && let Some(access_key) = find_request_query_parameter(&query, "AWSAccessKeyId")
    {
        let expires = find_request_query_parameter(&query, "Expires").unwrap_or_default();
        verify_presigned_sigv2(world, &request, &access_key, &expires, &signature, now)?;
        let rest: Vec<&str> = query
            .split('&')
            .filter(|pair| {
                !["Signature", "AWSAccessKeyId", "Expires"].contains(&pair.split('=').next().unwrap_or(""))
            })
            .collect();
        let caller = super::find_s3_caller_by_key(world, &access_key)?;
        replace_sandbox_request_query(&mut request, &rest.join("&"))?;
        request.extensions_mut().insert(caller);
        return Ok(request);
    }
    let header = request.headers().get("x-amz-date").and_then(|value| value.to_str().ok()).map(str::to_owned);
    if signed_text::is_presigned_v4(&query) {
        presigned_v4::check_presigned_v4(&query, request.headers(), now)?;
        presigned_v4::copy_query_metadata_to_headers(&mut request);
    } else if request.headers().contains_key("authorization")
        && let Some(date) = header
        && parse_amz_date(&date).is_none_or(|at| (now - at).abs() > 900)
    {
        return Err(S3Error::with_message(
            S3ErrorCode::RequestTimeTooSkewed,
            "The difference between the request time and the current time is too large.",
        ));
    }
    replace_sandbox_request_query(&mut request, &query)?;
    Ok(request)
}

fn replace_sandbox_request_query(request: &mut Request<Bytes>, query: &str) -> S3Result<()> {
    let path = request.uri().path().replace('+', "%20");
    let text = if query.is_empty() { path } else { format!("{path}?{query}") };
    let mut parts = request.uri().clone().into_parts();
    let refuse = |_| S3Error::with_message(S3ErrorCode::InvalidURI, "Couldn't parse the specified URI.");
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(refuse)?);
    *request.uri_mut() = Uri::from_parts(parts)
        .map_err(|_| S3Error::with_message(S3ErrorCode::InvalidURI, "Couldn't parse the specified URI."))?;
    Ok(())
}

fn verify_presigned_sigv2(
    world: &Sandbox,
    request: &Request<Bytes>,
    access_key: &str,
    expires: &str,
    signature: &str,
    now: i64,
) -> S3Result<()> {
    let secret = super::find_secret_for_access_key(world, access_key)?;
    let until = expires.parse::<i64>().ok();
    if until.is_none_or(|until| until < now) {
        return Err(presigned_v4::build_expired_link_error(until, now, None));
    }
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = request.uri().path();
    let resource =
        parse_bucket_from_host(host).map_or_else(|| path.to_owned(), |bucket| format!("/{bucket}{path}"));
    // A HEAD may come by a link that was signed for GET at no S3: the method counts.
    let message = format!("{}\n\n\n{expires}\n{resource}", request.method());
    if compute_sigv2_signature(&secret, &message) == signature {
        Ok(())
    } else {
        Err(build_other_signature_error())
    }
}

fn compute_sigv2_signature(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Makes the link that packagecloud gives while CloudFront is off: path and query, presigned with SigV2 for `method /bucket/key`.
pub fn presign_sigv2_link(
    keys: (&str, &str),
    method: &Method,
    bucket: &str,
    key: &str,
    expires: u64,
) -> String {
    let ((access_key, secret), key) = (keys, encode_object_key_path(key));
    let signature = compute_sigv2_signature(secret, &format!("{method}\n\n\n{expires}\n/{bucket}/{key}"));
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("/{key}?AWSAccessKeyId={access_key}&Expires={expires}&Signature={signature}")
}

/// Writes a key as a path: everything but `A-Z a-z 0-9 - . _ ~ /` percent-encoded.
pub fn encode_object_key_path(key: &str) -> String {
    const ENCODED_CHARACTERS: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(key, ENCODED_CHARACTERS).to_string()
}
