//! Signature Version 4 as AWS checks it, for every service but S3, whose own layer does.
//!
//! A wrong key, a wrong signature and a wrong clock are told apart, each in the service's own words.

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

use super::{SandboxAwsError, SignedCaller, iam};
use crate::sandbox::{
    Sandbox,
    service::{SandboxService, SandboxServiceProtocol},
};

/// What Signature Version 4 leaves unencoded in a query; all else is escaped.
const QUERY_ENCODE_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH_ENCODE_SET: &AsciiSet = &QUERY_ENCODE_SET.remove(b'/');
/// How far a client's clock may be from the service's (aws-facts section 7).
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(5);

/// What the Authorization header says.
#[derive(Debug, PartialEq, Eq)]
pub struct SigV4AuthorizationHeader<'a> {
    pub access_key: &'a str,
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> SigV4AuthorizationHeader<'a> {
    /// Reads the header; none where the request has none of this kind.
    pub fn parse_authorization_header(request: &'a Request<Bytes>) -> Option<Self> {
        let text = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256")?;
        let field =
            |name: &str| text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/');
        Some(Self {
            access_key: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }
}

/// Finds out who signed a request.
///
/// # Errors
/// Gives the service's refusal of an unsigned, unknown, wrongly signed or ill-timed request.
pub fn verify_sigv4_request(
    world: &Sandbox,
    service: SandboxService,
    request: &Request<Bytes>,
) -> Result<SignedCaller, SandboxAwsError> {
    let Some(authorization) = SigV4AuthorizationHeader::parse_authorization_header(request) else {
        return Err(build_missing_token_error(service));
    };
    let now = world.sandbox_unix_time_now();
    let Some(key) = world.read_sandbox_state_from_disk(|state| {
        iam::find_sandbox_access_key(&state.iam, authorization.access_key)
    }) else {
        return Err(build_invalid_token_error(service));
    };
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(build_expired_token_error(service));
    }
    let token = request.headers().get("x-amz-security-token").and_then(|token| token.to_str().ok());
    if key.token.as_deref() != token {
        return Err(build_invalid_token_error(service));
    }
    let date = request.headers().get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
    check_request_clock(service, date, now)?;
    let scope =
        format!("{}/{}/{}/aws4_request", authorization.date, authorization.region, authorization.service);
    let canonical = build_sandbox_canonical_request(request, authorization.signed_headers);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for part in [authorization.date, authorization.region, authorization.service, "aws4_request", &to_sign] {
        signing = compute_hmac_sha256(&signing, part.as_bytes());
    }
    if hex::encode(signing) != authorization.signature {
        return Err(build_signature_mismatch_error(
            service,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(world.read_sandbox_state_from_disk(|state| iam::identify_sandbox_access_key_owner(&state.iam, &key)))
}

fn check_request_clock(service: SandboxService, date: &str, now: Duration) -> Result<(), SandboxAwsError> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let Ok(signed) = PrimitiveDateTime::parse(date, &form) else {
        return Err(build_signature_mismatch_error(service, "Date must be in ISO-8601 'basic format'."));
    };
    let signed = signed.assume_utc();
    let here = OffsetDateTime::UNIX_EPOCH + now;
    if (here - signed).unsigned_abs() <= CLOCK_SKEW_MAX {
        return Ok(());
    }
    let spelt = |at: OffsetDateTime| at.format(&form).unwrap_or_default();
    let message = if signed < here {
        format!(
            "Signature expired: {date} is now earlier than {} ({} - 5 min.)",
            spelt(here - CLOCK_SKEW_MAX),
            spelt(here)
        )
    } else {
        format!(
            "Signature not yet current: {date} is still later than {} ({} + 5 min.)",
            spelt(here + CLOCK_SKEW_MAX),
            spelt(here)
        )
    };
    Err(build_signature_mismatch_error(service, &message))
}

fn build_sandbox_canonical_request(request: &Request<Bytes>, signed: &str) -> String {
    let path = utf8_percent_encode(request.uri().path(), PATH_ENCODE_SET).to_string();
    let mut pairs: Vec<(String, String)> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (normalize_percent_encoding(key), normalize_percent_encoding(value))
        })
        .collect();
    pairs.sort();
    let query: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut headers = String::new();
    for name in signed.split(';') {
        let values: Vec<String> = request
            .headers()
            .get_all(name)
            .iter()
            .map(|value| {
                String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        headers.extend([name, ":", &values.join(","), "\n"]);
    }
    let payload = request
        .headers()
        .get("x-amz-content-sha256")
        .and_then(|hash| hash.to_str().ok())
        .map_or_else(|| hex::encode(Sha256::digest(request.body())), ToOwned::to_owned);
    format!("{}\n{path}\n{}\n{headers}\n{signed}\n{payload}", request.method(), query.join("&"))
}

fn normalize_percent_encoding(text: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&plain, QUERY_ENCODE_SET).to_string()
}

fn compute_hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn build_missing_token_error(service: SandboxService) -> SandboxAwsError {
    let message = match service.service_protocol() {
        SandboxServiceProtocol::Json10
        | SandboxServiceProtocol::Json11
        | SandboxServiceProtocol::RestJson => "Missing Authentication Token",
        SandboxServiceProtocol::Query | SandboxServiceProtocol::RestXml | SandboxServiceProtocol::S3Xml => {
            "Request is missing Authentication Token"
        }
    };
    build_signature_error_for_protocol(
        service,
        ["MissingAuthenticationTokenException", "MissingAuthenticationToken"],
        message,
    )
}

fn build_invalid_token_error(service: SandboxService) -> SandboxAwsError {
    let message = "The security token included in the request is invalid.";
    build_signature_error_for_protocol(
        service,
        ["UnrecognizedClientException", "InvalidClientTokenId"],
        message,
    )
}

fn build_expired_token_error(service: SandboxService) -> SandboxAwsError {
    let message = "The security token included in the request is expired";
    build_signature_error_for_protocol(service, ["ExpiredTokenException", "ExpiredToken"], message)
}

fn build_signature_mismatch_error(service: SandboxService, message: &str) -> SandboxAwsError {
    build_signature_error_for_protocol(
        service,
        ["InvalidSignatureException", "SignatureDoesNotMatch"],
        message,
    )
}

/// Refuses with the code that the JSON protocols have for it, or with that of the others.
fn build_signature_error_for_protocol(
    service: SandboxService,
    [json_code, xml_code]: [&str; 2],
    message: &str,
) -> SandboxAwsError {
    match service.service_protocol() {
        SandboxServiceProtocol::Json10 | SandboxServiceProtocol::Json11 => {
            SandboxAwsError::new(400, json_code, message)
        }
        SandboxServiceProtocol::RestJson => SandboxAwsError::new(403, json_code, message),
        SandboxServiceProtocol::Query | SandboxServiceProtocol::RestXml | SandboxServiceProtocol::S3Xml => {
            SandboxAwsError::new(403, xml_code, message)
        }
    }
}
