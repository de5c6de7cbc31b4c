//! What S3 says no with, sorted by what a caller does next.
//!
//! A 200 that carries an error is an error; a HEAD's refusal has no body, so the caller asks once more in a way that has.

use bytes::Bytes;
use http::{StatusCode, response::Parts};

use crate::model::run::failure::{Failure, Kind};

/// Why a request did not do what it was sent for.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Too many requests: slower, and again, without end.
    Throttled,
    /// No reply, or a server's error: again, a bounded number of times.
    Broken(String),
    /// The object isn't there any more.
    Gone,
    /// The object changed since it was looked at.
    Overtaken,
    /// This identity may not do it to this object.
    Denied(String),
    /// S3 will not do it to this object, whoever asks.
    Unfit { code: String, message: String },
    /// A HEAD was refused without saying why.
    Unsaid(StatusCode),
    /// The credentials expired, or are unknown: others, and again.
    Expired,
    /// Nothing can go on.
    Fatal(Failure),
}

/// What stands in `body` between `<tag>` and `</tag>`, its entities resolved.
pub fn element(body: &str, tag: &str) -> Option<String> {
    let rest = &body[body.find(&format!("<{tag}>"))? + tag.len() + 2..];
    let text = &rest[..rest.find(&format!("</{tag}>"))?];
    Some(quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned))
}

impl Refusal {
    /// Reads a reply that isn't a success, or a success that carries an error.
    pub fn read(bucket: &str, parts: &Parts, body: &Bytes) -> Self {
        let text = String::from_utf8_lossy(body);
        let said = |tag: &str| element(&text, tag).unwrap_or_default();
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (code, message) = (said("Code"), said("Message"));
        let failed = |kind: Kind, what: String, why: &str, next: String| {
            let id = header("x-amz-request-id").or_else(|| element(&text, "RequestId"));
            Self::Fatal(Failure::new(kind, what, why, next).with_code(Some(code.clone()), id))
        };
        let or = |text: &str| if message.is_empty() { text.to_owned() } else { lowered(&message) };
        match (parts.status.as_u16(), code.as_str()) {
            (_, "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests")
            | (429 | 503, _) => Self::Throttled,
            (_, "ExpiredToken" | "ExpiredTokenException" | "InvalidAccessKeyId" | "InvalidToken" | "TokenRefreshRequired") => {
                Self::Expired
            }
            (_, "RequestTimeTooSkewed" | "RequestExpired") => failed(
                Kind::Other,
                "this machine's clock".to_owned(),
                "S3 refuses requests that are more than 15 minutes off",
                "set the clock (timedatectl set-ntp true), then run the same command: it goes on where it was".to_owned(),
            ),
            (_, "SignatureDoesNotMatch") => failed(
                Kind::Credentials,
                "the secret access key".to_owned(),
                "S3 says that requests are signed with another one",
                "correct the secret access key, then run the same command: it goes on where it was".to_owned(),
            ),
            (_, "NoSuchBucket") => failed(
                Kind::Missing,
                format!("bucket {bucket}"),
                "it is not there (any more)",
                "name the bucket with --bucket, or restore it and run the same command: it goes on where it was".to_owned(),
            ),
            (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect") | (301 | 307, _) => {
                let region = header("x-amz-bucket-region").or_else(|| element(&text, "Region"));
                failed(
                    Kind::Other,
                    format!("bucket {bucket}"),
                    &region.as_ref().map_or("it is in another region".to_owned(), |at| format!("it is in {at}")),
                    format!("give --region {}", region.as_deref().unwrap_or("of the bucket")),
                )
            }
            (_, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload") => Self::Gone,
            (412, _) | (409, "ConditionalRequestConflict" | "OperationAborted") => Self::Overtaken,
            (_, "InternalError" | "RequestTimeout" | "OperationTimedOut") | (500..=599, _) => {
                Self::Broken(format!("{} {code} {}", parts.status.as_u16(), or("S3's own error")))
            }
            (_, "AccessDenied" | "AllAccessDisabled" | "AccountProblem") => Self::Denied(or("access denied")),
            (_, "") => Self::Unsaid(parts.status),
            (200, _) => Self::Broken(format!("200 with {code}: {}", or("an error in the reply"))),
            _ => Self::Unfit { message: or(&code), code },
        }
    }
}

/// S3's sentence as a lower-case fragment without a full stop.
fn lowered(message: &str) -> String {
    let mut letters = message.trim().trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refusal {
        let (parts, ()) = http::Response::builder().status(status).body(()).unwrap().into_parts();
        Refusal::read("b", &parts, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn error(code: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>A &lt;thing&gt;.</Message></Error>"
        )
    }

    #[test]
    fn each_refusal_is_sorted_by_what_comes_next() {
        assert!(matches!(read(503, &error("SlowDown")), Refusal::Throttled));
        assert!(matches!(read(503, ""), Refusal::Throttled), "a HEAD's");
        assert!(matches!(read(200, &error("SlowDown")), Refusal::Throttled), "inside a 200");
        assert!(matches!(read(200, &error("InternalError")), Refusal::Broken(_)), "inside a 200");
        assert!(matches!(read(500, ""), Refusal::Broken(_)));
        assert!(matches!(read(404, ""), Refusal::Unsaid(_)), "a HEAD's: the object's, or the bucket's");
        assert!(matches!(read(404, &error("NoSuchKey")), Refusal::Gone));
        assert!(matches!(read(412, &error("PreconditionFailed")), Refusal::Overtaken));
        assert!(matches!(read(409, &error("ConditionalRequestConflict")), Refusal::Overtaken));
        assert!(matches!(read(400, &error("ExpiredToken")), Refusal::Expired));
        assert!(matches!(read(403, &error("AccessDenied")), Refusal::Denied(why) if why == "a <thing>"));
        assert!(matches!(read(403, ""), Refusal::Unsaid(_)));
        assert!(matches!(read(400, &error("InvalidRequest")), Refusal::Unfit { .. }));
        for code in ["NoSuchBucket", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "PermanentRedirect"] {
            let Refusal::Fatal(failure) = read(403, &error(code)) else { panic!("{code}") };
            assert!(!failure.next.is_empty() && failure.code.as_deref() == Some(code));
        }
    }
}
