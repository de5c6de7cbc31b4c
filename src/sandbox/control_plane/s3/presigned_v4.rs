//! What S3 judges of a link presigned with SigV4 besides its signature: whether its parameters are there and read, whether it has expired, whether headers came that it doesn't sign.
//!
//! Codes, messages and details are those of recorded answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use s3s::{S3Error, S3Result};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    refusal::{build_bad_request_error, build_s3_error_with_details},
    request_parts::find_request_query_parameter,
};

const REQUIRED_PARAMETERS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
];

/// Reads `20260102T030405Z` as Unix seconds.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    const AMZ_DATE_FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(text, AMZ_DATE_FORMAT).ok().map(|at| at.assume_utc().unix_timestamp())
}

/// Judges a link by its parameters, the headers that came with it, and the clock in Unix seconds.
///
/// # Errors
/// Refuses what is missing or malformed, has expired, or isn't signed.
pub fn check_presigned_v4(query: &str, headers: &HeaderMap, now: i64) -> S3Result<()> {
    let get = |name: &str| find_request_query_parameter(query, name).unwrap_or_default();
    let malformed = |message: &'static str| {
        Err(build_bad_request_error("AuthorizationQueryParametersError", message, &[]))
    };
    if REQUIRED_PARAMETERS.iter().any(|name| get(name).is_empty()) {
        return malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        );
    }
    if get("X-Amz-Credential").split('/').count() != 5 {
        return malformed(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        );
    }
    let Ok(lasts) = get("X-Amz-Expires").parse::<i64>() else {
        return malformed("X-Amz-Expires should be a number");
    };
    let until = parse_amz_date(&get("X-Amz-Date")).map(|signed| signed.saturating_add(lasts));
    if until.is_none_or(|until| now > until) {
        return Err(build_expired_link_error(until, now, Some(&get("X-Amz-Expires"))));
    }
    check_unsigned_headers(&get("X-Amz-SignedHeaders"), headers)
}

/// Refuses a link that has expired, by the times in Unix seconds; one of SigV4 with how long it lasted.
pub fn build_expired_link_error(until: Option<i64>, now: i64, lasted: Option<&str>) -> S3Error {
    let show = |at: i64| {
        OffsetDateTime::from_unix_timestamp(at)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_default()
    };
    let (until, now) = (until.map(show).unwrap_or_default(), show(now));
    let mut details: Vec<(&str, &str)> = lasted.map(|lasted| ("X-Amz-Expires", lasted)).into_iter().collect();
    details.extend([("Expires", until.as_str()), ("ServerTime", now.as_str())]);
    build_s3_error_with_details("AccessDenied", StatusCode::FORBIDDEN, "Request has expired", &details)
}

/// Every header of AWS's own must be signed, but the one that says how the body is.
fn check_unsigned_headers(signed: &str, headers: &HeaderMap) -> S3Result<()> {
    let signed: Vec<&str> = signed.split(';').collect();
    let mut unsigned: Vec<&str> = headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| {
            name.starts_with("x-amz-") && *name != "x-amz-content-sha256" && !signed.contains(name)
        })
        .collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    unsigned.sort_unstable();
    unsigned.dedup();
    Err(build_s3_error_with_details(
        "AccessDenied",
        StatusCode::FORBIDDEN,
        "There were headers present in the request which were not signed",
        &[("HeadersNotSigned", &unsigned.join(", "))],
    ))
}

/// Makes headers of what a link says of the object in its query, as AWS's other SDKs sign it.
pub fn copy_query_metadata_to_headers(request: &mut Request<Bytes>) {
    let query = request.uri().query().unwrap_or_default().to_owned();
    for name in query.split('&').filter_map(|pair| pair.split('=').next()) {
        let header = name.to_ascii_lowercase();
        if !header.starts_with("x-amz-meta-") {
            continue;
        }
        let value = find_request_query_parameter(&query, name).unwrap_or_default();
        if let (Ok(header), Ok(value)) = (HeaderName::try_from(header), HeaderValue::try_from(value)) {
            request.headers_mut().insert(header, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20260102%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
    const SIGNED_AT: i64 = 1_767_323_045;

    #[test]
    fn a_link_is_judged_by_its_parameters_and_its_headers() {
        for (query, header, seconds, expected) in [
            (GOOD.to_owned(), "x-amz-content-sha256", 60, None),
            (GOOD.to_owned(), "content-type", 0, None),
            (GOOD.to_owned(), "x-amz-date", 0, Some("AccessDenied")),
            (GOOD.replace("=host", "=host%3Bx-amz-date"), "x-amz-date", 0, None),
            (GOOD.to_owned(), "content-type", 61, Some("AccessDenied")),
            (
                GOOD.replace("&X-Amz-Expires=60", ""),
                "content-type",
                0,
                Some("AuthorizationQueryParametersError"),
            ),
            (GOOD.replace("%2F", "%252F"), "content-type", 0, Some("AuthorizationQueryParametersError")),
            (
                GOOD.replace("Expires=60", "Expires=x"),
                "content-type",
                0,
                Some("AuthorizationQueryParametersError"),
            ),
        ] {
            let headers =
                [(HeaderName::try_from(header).unwrap(), "v".parse().unwrap())].into_iter().collect();
            let judged = check_presigned_v4(&query, &headers, SIGNED_AT + seconds);
            let code = judged.err().map(|error| error.code().as_str().to_owned());
            assert_eq!(code.as_deref(), expected, "{query} {header} {seconds}");
        }
    }
}
