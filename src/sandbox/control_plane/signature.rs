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

use super::{Caller, Refusal, iam};
use crate::sandbox::World;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
const SKEW: Duration = Duration::from_mins(5);

/// What the Authorization header says.
#[derive(Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    pub access_key: &'a str,
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub fn read(request: &'a Request<Bytes>) -> Option<Self> {
        let text = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256")?;
        let field =
            |name: &str| text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/');
        Some(Self {
            access_key: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            signed: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }
}

/// Who signed it.
///
/// # Errors
/// The service's refusal of an unsigned, unknown, wrongly signed or ill-timed request.
pub fn verify(world: &World, service: &str, request: &Request<Bytes>) -> Result<Caller, Refusal> {
    let Some(authorization) = Authorization::read(request) else { return Err(missing(service)) };
    let now = world.now();
    let Some(key) = world.read(|state| iam::key(&state.iam, authorization.access_key)) else {
        return Err(unknown(service));
    };
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(expired(service));
    }
    let token = request.headers().get("x-amz-security-token").and_then(|token| token.to_str().ok());
    if key.token.as_deref() != token {
        return Err(unknown(service));
    }
    let date = request.headers().get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
    check_clock(service, date, now)?;
    let scope =
        format!("{}/{}/{}/aws4_request", authorization.date, authorization.region, authorization.service);
    let canonical = canonical(request, authorization.signed);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for part in [authorization.date, authorization.region, authorization.service, "aws4_request", &to_sign] {
        signing = mac(&signing, part.as_bytes());
    }
    if hex::encode(signing) != authorization.signature {
        return Err(mismatch(
            service,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(world.read(|state| iam::caller(&state.iam, &key)))
}

fn check_clock(service: &str, date: &str, now: Duration) -> Result<(), Refusal> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let Ok(signed) = PrimitiveDateTime::parse(date, &form) else {
        return Err(mismatch(service, "Date must be in ISO-8601 'basic format'."));
    };
    let signed = signed.assume_utc();
    let here = OffsetDateTime::UNIX_EPOCH + now;
    if (here - signed).unsigned_abs() <= SKEW {
        return Ok(());
    }
    let spelt = |at: OffsetDateTime| at.format(&form).unwrap_or_default();
    let message = if signed < here {
        format!(
            "Signature expired: {date} is now earlier than {} ({} - 5 min.)",
            spelt(here - SKEW),
            spelt(here)
        )
    } else {
        format!(
            "Signature not yet current: {date} is still later than {} ({} + 5 min.)",
            spelt(here + SKEW),
            spelt(here)
        )
    };
    Err(mismatch(service, &message))
}

fn canonical(request: &Request<Bytes>, signed: &str) -> String {
    let path = utf8_percent_encode(request.uri().path(), PATH).to_string();
    let mut pairs: Vec<(String, String)> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recoded(key), recoded(value))
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

fn recoded(text: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&plain, UNRESERVED).to_string()
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn missing(service: &str) -> Refusal {
    match service {
        "kms" | "acm" => {
            Refusal::new(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        }
        "lambda" => Refusal::new(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        _ => Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    }
}

fn unknown(service: &str) -> Refusal {
    let message = "The security token included in the request is invalid.";
    match service {
        "kms" | "acm" => Refusal::new(400, "UnrecognizedClientException", message),
        "lambda" => Refusal::new(403, "UnrecognizedClientException", message),
        _ => Refusal::new(403, "InvalidClientTokenId", message),
    }
}

fn expired(service: &str) -> Refusal {
    let message = "The security token included in the request is expired";
    match service {
        "kms" | "acm" => Refusal::new(400, "ExpiredTokenException", message),
        "lambda" => Refusal::new(403, "ExpiredTokenException", message),
        _ => Refusal::new(403, "ExpiredToken", message),
    }
}

fn mismatch(service: &str, message: &str) -> Refusal {
    match service {
        "kms" | "acm" => Refusal::new(400, "InvalidSignatureException", message),
        "lambda" => Refusal::new(403, "InvalidSignatureException", message),
        _ => Refusal::new(403, "SignatureDoesNotMatch", message),
    }
}
