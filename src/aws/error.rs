//! `SdkError` turned into a `Failure`, in one place: what was denied or refused, on what, the code, the request id, the next move.
//!
//! Never "service error", never a body: AWS's own first line at most, and none where it could quote a signed request.

use std::{collections::BTreeSet, error::Error};

use aws_sdk_sts::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, client::result::DispatchFailure};

use super::{
    refusal::{AwsRefusal, AwsRefusalClass, classify_aws_refusal},
    unreadable::{describe_foreign_page, is_foreign_page},
};
use crate::model::failure::{Failure, FailureKind};

/// Of an answer that can't be read: nothing is known of what was done, so it is looked at before it is done again.
const UNREADABLE_NEXT: &str = "see whether a proxy changes or cuts AWS's answers (HTTPS_PROXY, NO_PROXY), then try again: what is done already is found";

/// Returns the failure of `action` (`iam:CreateRole`) on `what` (`role packagecloud_cloudfront_auth`), for `map_err`.
pub fn build_aws_action_failure<E>(
    action: &'static str,
    what: impl Into<String>,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let what = what.into();
    move |error| failure_from_sdk_error(action, what, &error)
}

/// Returns the failure of an answer of AWS that lacks a part it always has, whatever a model says. Whether the request
/// was done isn't known then, as after a lost reply.
pub fn build_missing_response_part_failure(
    action: &'static str,
    what: impl Into<String>,
    part: &str,
) -> Failure {
    Failure::new(
        FailureKind::Unreachable,
        what,
        format!("the answer to {action} lacks {part}"),
        UNREADABLE_NEXT,
    )
    .mark_failure_as_unreadable_answer()
}

/// Returns `None` where the thing isn't there.
///
/// # Errors
/// Where it failed in any other way.
pub fn none_if_aws_not_found<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.kind == FailureKind::Missing => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Returns whether AWS answered with this code.
pub fn has_aws_error_code(failure: &Failure, code: &str) -> bool {
    failure.code.as_deref() == Some(code)
}

/// Returns whether AWS held the request back, and did nothing.
pub fn is_throttling_failure(failure: &Failure) -> bool {
    failure
        .code
        .as_deref()
        .is_some_and(|code| classify_aws_refusal("", code, "", 400).class == AwsRefusalClass::Throttled)
}

/// Returns whether what was asked for isn't implemented there: by an S3-compatible store.
pub fn is_not_implemented_failure(failure: &Failure) -> bool {
    matches!(failure.code.as_deref(), Some("NotImplemented" | "MethodNotAllowed" | "501" | "405"))
}

fn failure_from_sdk_error<E>(action: &str, what: String, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let request_id = error
        .request_id()
        .or_else(|| error.raw_response().and_then(|response| response.headers().get("x-amz-cf-id")))
        .map(str::to_owned);
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            let raw = answer.raw();
            let status = raw.status().as_u16();
            if is_foreign_page(raw) || (raw.status().is_success() && meta.code().is_none()) {
                return failure_from_unreadable_answer(action, what, raw)
                    .add_aws_error_code(None, request_id);
            }
            failure_from_error_response(action, what, meta.code(), meta.message(), status)
                .add_aws_error_code(Some(aws_error_code_or_status(meta.code(), status)), request_id)
        }
        SdkError::TimeoutError(_) => Failure::new(
            FailureKind::Unreachable,
            what,
            format!("{action} got no answer in time"),
            "check the network and proxy settings, then try again",
        ),
        SdkError::DispatchFailure(dispatch) => failure_from_dispatch_error(action, what, dispatch, error),
        SdkError::ResponseError(_) => Failure::new(
            FailureKind::Unreachable,
            what,
            format!("the answer to {action} ends in the middle, or is no answer of AWS's"),
            UNREADABLE_NEXT,
        )
        .mark_failure_as_unreadable_answer()
        .add_aws_error_code(None, request_id),
        _ => Failure::new_generic_failure(
            what,
            format!("{action} could not be asked: {}", render_error_chain(error)),
            "check the options that were given, then try again",
        ),
    }
}

/// S3 answers a HEAD without a body, so without a code: its status says it.
fn aws_error_code_or_status(code: Option<&str>, status: u16) -> String {
    match (code, status) {
        (Some(code), _) if !code.is_empty() => code.to_owned(),
        (_, 403) => "AccessDenied".to_owned(),
        (_, 404) => "NotFound".to_owned(),
        (_, status) => status.to_string(),
    }
}

/// Returns the failure of a refusal that no SDK client read: code, message and status as they came.
pub fn failure_from_plain_refusal(
    action: &str,
    what: &str,
    code: &str,
    message: &str,
    status: u16,
) -> Failure {
    let code = Some(code).filter(|code| !code.is_empty());
    failure_from_error_response(action, what.to_owned(), code, Some(message), status)
        .add_aws_error_code(Some(aws_error_code_or_status(code, status)), None)
}

/// Returns the failure of what isn't AWS's answer, or only a part of it: whether the request was done isn't known, as after
/// a lost reply.
pub fn failure_from_unreadable_answer(action: &str, what: String, answer: &HttpResponse) -> Failure {
    if is_foreign_page(answer) {
        let page = describe_foreign_page(answer);
        return Failure::new(
            FailureKind::Unreachable,
            what,
            format!("{page} came in place of AWS's answer to {action}"),
            "a proxy, a web filter or a sign-in page stands between this host and AWS: check HTTPS_PROXY, NO_PROXY and --endpoint-url, or have AWS's hosts let through, then try again",
        );
    }
    Failure::new(
        FailureKind::Unreachable,
        what,
        format!("the answer to {action} ends in the middle, or is no answer of AWS's"),
        UNREADABLE_NEXT,
    )
    .mark_failure_as_unreadable_answer()
}

fn failure_from_error_response(
    action: &str,
    what: String,
    given: Option<&str>,
    message: Option<&str>,
    status: u16,
) -> Failure {
    let code = aws_error_code_or_status(given, status);
    let message = shorten_to_first_line(message.unwrap_or_default());
    let said = |text: String| if message.is_empty() { text } else { format!("{text}: {message}") };
    let AwsRefusal { class, next } = classify_aws_refusal(action, &code, &message, status);
    let (kind, why) = match class {
        AwsRefusalClass::Denied => (FailureKind::Denied, said(format!("{action} is denied"))),
        // No message: it may quote the signed request.
        AwsRefusalClass::ExpiredCredentials => {
            (FailureKind::Credentials, format!("the credentials have expired ({action})"))
        }
        AwsRefusalClass::BadCredentials => {
            (FailureKind::Credentials, format!("AWS doesn't accept the credentials ({action}: {code})"))
        }
        AwsRefusalClass::ClockSkew => {
            (FailureKind::Credentials, format!("this machine's clock is too far from AWS's ({action})"))
        }
        AwsRefusalClass::Missing => (FailureKind::Missing, "it is not there".to_owned()),
        AwsRefusalClass::Throttled => {
            (FailureKind::Other, said(format!("AWS throttles {action}, even after retries ({code})")))
        }
        AwsRefusalClass::ServiceFault => {
            (FailureKind::Unreachable, said(format!("AWS failed at {action}, even after retries ({code})")))
        }
        AwsRefusalClass::Unsupported => {
            (FailureKind::Other, said(format!("{action} is not implemented there ({code})")))
        }
        _ => (FailureKind::Other, said(format!("AWS refused {action} ({code})"))),
    };
    let failure = Failure::new(kind, what, why, next);
    match class {
        AwsRefusalClass::ClockSkew => failure.mark_failure_as_clock_skew(),
        AwsRefusalClass::ExpiredCredentials => failure.mark_failure_as_wanting_sign_in(),
        _ => failure,
    }
}

fn failure_from_dispatch_error(
    action: &str,
    what: String,
    dispatch: &DispatchFailure,
    error: &dyn Error,
) -> Failure {
    let said = render_error_chain(error);
    let lower = said.to_lowercase();
    if dispatch.is_timeout() {
        return Failure::new(
            FailureKind::Unreachable,
            what,
            format!("{action} got no answer in time"),
            "check the network and proxy settings, then try again",
        );
    }
    let signs_in = ["sso", "login token", "/login/cache/", "session has expired"];
    if signs_in.iter().any(|words| lower.contains(words)) {
        return Failure::new(
            FailureKind::Credentials,
            what,
            format!("not signed in to AWS, or no longer: {said}"),
            "type `aws sso login --profile NAME` (or `aws login`) in another terminal, then try again",
        )
        .mark_failure_as_wanting_sign_in();
    }
    if lower.contains("credential") || lower.contains("identity") || lower.contains("assume role") {
        return Failure::new(
            FailureKind::Credentials,
            what,
            format!("no usable AWS credentials: {said}"),
            "choose another identity: --profile NAME, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    let next = if lower.contains("certificate") {
        "what answers isn't trusted: where a proxy shows a certificate of its own, set AWS_CA_BUNDLE to the file with its authority (or install ca-certificates), then try again"
    } else {
        "check the network, DNS, proxy and --endpoint-url, then try again"
    };
    let why = format!("{action} could not be sent: {said}");
    let failure = Failure::new(FailureKind::Unreachable, what, why, next);
    if lower.contains("dns error") || lower.contains("failed to lookup address") {
        failure.mark_failure_as_unknown_host()
    } else {
        failure
    }
}

/// The messages of an error and its sources, each once.
fn render_error_chain(error: &dyn Error) -> String {
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = shorten_to_first_line(&error.to_string());
        if !text.is_empty() && seen.insert(text.clone()) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { shorten_to_first_line(&error.to_string()) } else { parts.join(": ") }
}

/// The first line, at most 500 characters of it, without a full stop.
fn shorten_to_first_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim_end_matches('.');
    line.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_kind_and_next_move() {
        for (code, status, message, kind, next) in [
            (
                "AccessDenied",
                403,
                "User: x is not authorized to perform: iam:CreateRole",
                FailureKind::Denied,
                "check --policy",
            ),
            (
                "AccessDenied",
                403,
                "with an explicit deny in a service control policy",
                FailureKind::Denied,
                "administrator of AWS Organizations",
            ),
            ("ExpiredToken", 403, "", FailureKind::Credentials, "aws sso login"),
            ("RequestTimeTooSkewed", 403, "", FailureKind::Credentials, "set the clock"),
            ("InvalidClientTokenId", 403, "", FailureKind::Credentials, "access key"),
            ("NoSuchEntity", 404, "", FailureKind::Missing, "look again"),
            ("Throttling", 400, "Rate exceeded", FailureKind::Other, "wait a minute"),
            ("InternalError", 500, "", FailureKind::Unreachable, "try again"),
            ("TooManyCachePolicies", 400, "", FailureKind::Other, "quota"),
            ("NotImplemented", 501, "", FailureKind::Other, "check the endpoint"),
            ("MethodNotAllowed", 405, "", FailureKind::Other, "check the endpoint"),
        ] {
            let failure = failure_from_error_response(
                "iam:CreateRole",
                "role r".into(),
                Some(code),
                Some(message),
                status,
            );
            assert_eq!(failure.kind, kind, "{code}");
            assert!(failure.next.contains(next), "{code}: {}", failure.next);
            assert_eq!(failure.facts.wants_sign_in, code == "ExpiredToken", "{code}");
            assert!(!failure.to_string().contains("service error"), "{code}");
        }
        assert_eq!(
            failure_from_error_response("s3:HeadBucket", "b".into(), None, None, 404).kind,
            FailureKind::Missing
        );
        assert_eq!(
            failure_from_error_response("s3:HeadBucket", "b".into(), None, None, 403).kind,
            FailureKind::Denied
        );
    }

    #[test]
    fn a_message_never_quotes_the_signed_request() {
        let long = "The request signature we calculated does not match.\n\nThe Canonical String was x-amz-security-token:secret";
        let failure = failure_from_error_response(
            "iam:GetRole",
            "role r".into(),
            Some("SignatureDoesNotMatch"),
            Some(long),
            403,
        );
        assert!(!failure.why.contains("secret") && !failure.why.contains("Canonical"));
    }
}
