//! What S3 says no with, sorted by what a caller does next.
//!
//! A 200 that carries an error is an error; a HEAD's refusal has no body, so the caller asks once more in a way that has.

use bytes::Bytes;
use http::{StatusCode, response::Parts};

use crate::model::run::proposed_command::render_same_command_again;
use crate::{
    aws::refusal::{AwsRefusal, AwsRefusalClass, classify_aws_refusal},
    model::failure::{Failure, FailureKind},
};

/// Why a request did not do what it was sent for.
#[derive(Debug, Clone)]
pub enum S3RequestError {
    /// Too many requests: slower, and again, without end.
    Throttled,
    /// No reply, or a server's error: again, a bounded number of times.
    Broken(String),
    /// The object isn't there any more.
    Gone,
    /// The object changed since it was looked at.
    ObjectChanged,
    /// This identity may not do it to this object.
    Denied { why: String, next: String },
    /// S3 can't do it to this object as it is, whoever asks: archived, or under a key that it may not use.
    Unfit { code: String, message: String, next: String },
    /// S3 refused for a reason that isn't the object's own.
    Refused { code: String, why: String, next: String },
    /// This S3 can't do it to any object: an S3-compatible store lacks what was asked for.
    Unsupported(String),
    /// A HEAD was refused without saying why.
    Unexplained(StatusCode),
    /// The credentials expired, or are unknown: others, and again.
    Expired,
    /// Nothing can go on.
    Fatal(Failure),
}

/// Finds what stands in `body` between `<tag>` and `</tag>`, its entities resolved.
pub fn find_xml_element_text(body: &str, tag: &str) -> Option<String> {
    let rest = &body[body.find(&format!("<{tag}>"))? + tag.len() + 2..];
    let text = &rest[..rest.find(&format!("</{tag}>"))?];
    Some(quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned))
}

impl S3RequestError {
    /// Makes the error of an object whose `part` no header of a request can hold.
    pub fn build_unwritable_header_error(part: &str, error: &http::header::InvalidHeaderValue) -> Self {
        Self::Unfit {
            code: part.to_owned(),
            message: format!("its {part} can't be sent: {error}"),
            next: "change it in the S3 console, then try again".to_owned(),
        }
    }

    /// Reads a reply to `action` that isn't a success, or a success that carries an error.
    pub fn from_s3_reply(bucket: &str, action: &str, parts: &Parts, body: &Bytes) -> Self {
        let text = String::from_utf8_lossy(body);
        let said = |tag: &str| find_xml_element_text(&text, tag).unwrap_or_default();
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (code, message) = (said("Code"), said("Message"));
        let failed = |kind: FailureKind, what: String, why: &str, next: String| {
            let id = header("x-amz-request-id").or_else(|| find_xml_element_text(&text, "RequestId"));
            Self::Fatal(Failure::new(kind, what, why, next).add_aws_error_code(Some(code.clone()), id))
        };
        let or = |text: &str| if message.is_empty() { text.to_owned() } else { lowercase_sentence(&message) };
        match (parts.status.as_u16(), code.as_str()) {
            (
                _,
                "SlowDown"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests",
            )
            | (429 | 503, _) => Self::Throttled,
            (
                _,
                "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidAccessKeyId"
                | "InvalidToken"
                | "TokenRefreshRequired",
            ) => Self::Expired,
            (_, "RequestTimeTooSkewed" | "RequestExpired" | "SignatureDoesNotMatch" | "NoSuchBucket") => {
                let (kind, what, why, first) = describe_stopping_code(bucket, &code);
                let again = render_same_command_again(&[]);
                failed(kind, what, why, format!("{first}, then run: {again} — it continues where it stopped"))
            }
            (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect")
            | (301 | 307, _) => {
                let region = header("x-amz-bucket-region").or_else(|| find_xml_element_text(&text, "Region"));
                failed(
                    FailureKind::Other,
                    format!("bucket {bucket}"),
                    &region
                        .as_ref()
                        .map_or("it is in another region".to_owned(), |at| format!("it is in {at}")),
                    format!("give --region {}", region.as_deref().unwrap_or("of the bucket")),
                )
            }
            (_, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload") => Self::Gone,
            (501, _) | (405, "" | "MethodNotAllowed") | (_, "NotImplemented") => {
                Self::Unsupported(format!("{} {}", parts.status.as_u16(), or("not implemented there")))
            }
            (412, _) | (409, "ConditionalRequestConflict" | "OperationAborted") => Self::ObjectChanged,
            (_, "InternalError" | "RequestTimeout" | "OperationTimedOut") | (500..=599, _) => {
                Self::Broken(format!("{} {code} {}", parts.status.as_u16(), or("S3's own error")))
            }
            (_, "") => Self::Unexplained(parts.status),
            (200, _) => Self::Broken(format!("200 with {code}: {}", or("an error in the reply"))),
            (status, _) => {
                let AwsRefusal { class, next } = classify_aws_refusal(action, &code, &message, status);
                if class == AwsRefusalClass::BadCredentials {
                    return failed(FailureKind::Credentials, "the credentials".to_owned(), &or(&code), next);
                }
                Self::from_refusal_class(class, code, lowercase_sentence(&message), next)
            }
        }
    }

    /// Sorts a refusal by what it is about: the object as it is, this identity, or something that nobody foresaw.
    fn from_refusal_class(class: AwsRefusalClass, code: String, said: String, next: String) -> Self {
        let reason = if said.is_empty() { code.clone() } else { said.clone() };
        let unfit = match class {
            AwsRefusalClass::Denied | AwsRefusalClass::Barred => {
                let why = if said.is_empty() { "access denied".to_owned() } else { said };
                return Self::Denied { why, next };
            }
            AwsRefusalClass::UnusableKey => format!("under a KMS key that can't be used ({reason})"),
            AwsRefusalClass::Archived => format!("archived ({reason})"),
            AwsRefusalClass::CustomerKey => "encrypted with a customer-provided key (SSE-C)".to_owned(),
            _ => {
                let why = if said.is_empty() { reason } else { format!("{code}: {said}") };
                return Self::Refused { code, why, next };
            }
        };
        Self::Unfit { code, message: unfit, next }
    }
}

/// S3's sentence as a lower-case fragment without a full stop.
fn lowercase_sentence(message: &str) -> String {
    let mut letters = message.trim().trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// What a code that stops all of a run is about, why, and what comes before the same command again.
fn describe_stopping_code(bucket: &str, code: &str) -> (FailureKind, String, &'static str, &'static str) {
    match code {
        "SignatureDoesNotMatch" => (
            FailureKind::Credentials,
            "the secret access key".to_owned(),
            "S3 says that requests are signed with another one",
            "correct the secret access key",
        ),
        "NoSuchBucket" => (
            FailureKind::Missing,
            format!("bucket {bucket}"),
            "it is not there (any more)",
            "name the bucket with --bucket, or restore it",
        ),
        _ => (
            FailureKind::Other,
            "this machine's clock".to_owned(),
            "S3 refuses requests that are more than 15 minutes off",
            "set the clock (timedatectl set-ntp true)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_from_reply(status: u16, body: &str) -> S3RequestError {
        let (parts, ()) = http::Response::builder().status(status).body(()).unwrap().into_parts();
        S3RequestError::from_s3_reply("b", "s3:PutObject", &parts, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn render_error_xml(code: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>A &lt;thing&gt;.</Message></Error>"
        )
    }

    #[test]
    fn each_refusal_is_sorted_by_what_comes_next() {
        assert!(matches!(error_from_reply(503, &render_error_xml("SlowDown")), S3RequestError::Throttled));
        assert!(matches!(error_from_reply(503, ""), S3RequestError::Throttled), "a HEAD's");
        assert!(
            matches!(error_from_reply(200, &render_error_xml("SlowDown")), S3RequestError::Throttled),
            "inside a 200"
        );
        assert!(
            matches!(error_from_reply(200, &render_error_xml("InternalError")), S3RequestError::Broken(_)),
            "inside a 200"
        );
        assert!(matches!(error_from_reply(500, ""), S3RequestError::Broken(_)));
        assert!(
            matches!(error_from_reply(404, ""), S3RequestError::Unexplained(_)),
            "a HEAD's: the object's, or the bucket's"
        );
        assert!(matches!(error_from_reply(404, &render_error_xml("NoSuchKey")), S3RequestError::Gone));
        assert!(matches!(
            error_from_reply(412, &render_error_xml("PreconditionFailed")),
            S3RequestError::ObjectChanged
        ));
        assert!(matches!(
            error_from_reply(409, &render_error_xml("ConditionalRequestConflict")),
            S3RequestError::ObjectChanged
        ));
        assert!(matches!(error_from_reply(400, &render_error_xml("ExpiredToken")), S3RequestError::Expired));
        assert!(
            matches!(error_from_reply(403, &render_error_xml("AccessDenied")), S3RequestError::Denied { why, next } if why == "a <thing>" && next.contains("s3:PutObject"))
        );
        assert!(matches!(error_from_reply(403, ""), S3RequestError::Unexplained(_)));
        for (status, body) in [
            (501, String::new()),
            (501, render_error_xml("NotImplemented")),
            (405, String::new()),
            (405, render_error_xml("MethodNotAllowed")),
        ] {
            let refusal = error_from_reply(status, &body);
            assert!(matches!(refusal, S3RequestError::Unsupported(_)), "{status} {body}: {refusal:?}");
        }
        for code in ["KMS.DisabledException", "KMS.NotFoundException", "InvalidObjectState"] {
            let said = error_from_reply(400, &render_error_xml(code));
            assert!(
                matches!(&said, S3RequestError::Unfit { next, .. } if next.contains("then try again")),
                "{said:?}"
            );
        }
        for code in ["InvalidRequest", "InvalidArgument", "MalformedXML", "SomethingNew"] {
            let said = error_from_reply(400, &render_error_xml(code));
            assert!(
                matches!(&said, S3RequestError::Refused { why, .. } if why.starts_with(code)),
                "{said:?}"
            );
        }
        for code in ["NoSuchBucket", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "PermanentRedirect"] {
            let S3RequestError::Fatal(failure) = error_from_reply(403, &render_error_xml(code)) else {
                panic!("{code}")
            };
            assert!(!failure.next.is_empty() && failure.code.as_deref() == Some(code));
        }
    }
}
