//! Answers that aren't AWS's, or only a part of one: they are asked for again as after a lost reply, and never read as a refusal.
//!
//! A proxy, a web filter or a sign-in page answers in HTML, which AWS never does but for an object that is HTML itself;
//! whatever status it gives, nothing is known of what was asked. A 2xx that can't be parsed, or has no end, was cut: the
//! SDK takes half of an XML document for a whole one.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
                InterceptorContext,
            },
            dyn_dispatch_hint,
        },
        orchestrator::HttpResponse,
        retries::classifiers::{ClassifyRetry, RetryAction},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::config_bag::ConfigBag;
use serde::de::IgnoredAny;

/// Headers that only AWS's own answers have.
const AWS_ANSWER_HEADERS: [&str; 3] = ["x-amz-request-id", "x-amzn-requestid", "x-amz-id-2"];
/// By which the SDK asks again: what stands in between failed.
const BAD_GATEWAY: u16 = 502;
/// Keeps the page's own status.
const PAGE_STATUS_HEADER: &str = "x-packagecloud-cloudfront-page-status";
/// Characters of a page's title that are told.
const TITLE_CHARS_MAX: usize = 80;

/// Adds to a service's configuration that it takes nobody else's answers for AWS's.
macro_rules! distrust_answers {
    ($config:expr) => {
        $config
            // The SDK's own quota of retries is the whole process's: what fails in one account would take retries from another.
            .retry_partition($crate::aws::retry::new_client_retry_partition())
            .interceptor($crate::aws::unreadable::AnswerGuardInterceptor)
            .interceptor($crate::aws::awaited::AwaitedCallInterceptor)
            .interceptor($crate::aws::change_log::ChangeLogInterceptor)
            .retry_classifier($crate::aws::unreadable::UnreadableAnswerClassifier)
    };
}
pub(super) use distrust_answers;

/// Returns whether an answer is a page that something between this host and AWS made.
#[must_use]
pub fn is_foreign_page(answer: &HttpResponse) -> bool {
    let header = |name: &str| answer.headers().get(name);
    is_foreign_page_by_headers(answer.status().is_success(), header)
}

/// Returns the same by a status and a way to find a header.
#[must_use]
pub fn is_foreign_page_by_headers<'a>(is_success: bool, header: impl Fn(&str) -> Option<&'a str>) -> bool {
    let kind = header("content-type").unwrap_or_default().to_ascii_lowercase();
    let is_html = kind.starts_with("text/html") || kind.starts_with("application/xhtml");
    // An object may be a page itself; and what says nothing says it in any type.
    let is_object = is_success && header("etag").is_some();
    let is_empty = header("content-length") == Some("0");
    is_html && !is_object && !is_empty && AWS_ANSWER_HEADERS.iter().all(|name| header(name).is_none())
}

/// Describes such a page: `a page titled "Access blocked" (HTML, status 403)`.
#[must_use]
pub fn describe_foreign_page(answer: &HttpResponse) -> String {
    let own = answer.headers().get(PAGE_STATUS_HEADER).map(str::to_owned);
    let status = own.unwrap_or_else(|| answer.status().as_u16().to_string());
    match answer.body().bytes().and_then(find_page_title) {
        Some(title) => format!("a page titled \"{title}\" (HTML, status {status})"),
        None => format!("a page (HTML, status {status})"),
    }
}

/// What stands between `<title>` and `</title>`, in one line.
fn find_page_title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let words: Vec<&str> = text[start..end].split_whitespace().collect();
    let title: String =
        words.join(" ").chars().filter(|one| !one.is_control()).take(TITLE_CHARS_MAX).collect();
    (!title.is_empty()).then_some(title)
}

/// Whether an answer's body has no end: of XML the root's end tag, of JSON its last brace. An object isn't looked at: it
/// may hold anything, and only a part of it may have been asked for.
fn is_cut_answer(answer: &HttpResponse) -> bool {
    let is_object = answer.headers().get("last-modified").is_some();
    !is_object && answer.body().bytes().is_some_and(is_cut_document)
}

/// Returns whether a document in XML or JSON has no end.
#[must_use]
pub fn is_cut_document(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    match body.first() {
        Some(b'{') => serde_json::from_slice::<IgnoredAny>(body).is_err(),
        Some(b'<') => !has_xml_root_end(&String::from_utf8_lossy(body)),
        _ => false,
    }
}

/// Whether an XML document ends with the end of its root.
fn has_xml_root_end(document: &str) -> bool {
    let mut rest = document;
    while let Some(after) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let Some(end) = after.find('>') else { return false };
        rest = after[end + 1..].trim_start();
    }
    let Some(root) = rest.strip_prefix('<') else { return false };
    let name = root.split([' ', '\n', '\r', '\t', '>', '/']).next().unwrap_or_default();
    let end = rest.trim_end_matches('>').trim_end();
    rest.ends_with('>') && (end.ends_with(&format!("</{name}")) || (end.ends_with('/') && !end.contains('>')))
}

/// Gives a foreign page a status by which it is neither an answer nor a refusal, and refuses half an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerGuardInterceptor;

#[dyn_dispatch_hint]
impl Intercept for AnswerGuardInterceptor {
    fn name(&self) -> &'static str {
        "AnswerGuard"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_cut_answer(context.response()) { Err("the answer ends in the middle".into()) } else { Ok(()) }
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        if is_foreign_page(answer) {
            let status = answer.status().as_u16().to_string();
            answer.headers_mut().insert(PAGE_STATUS_HEADER, status);
            *answer.status_mut() = StatusCode::try_from(BAD_GATEWAY)?;
        }
        Ok(())
    }
}

/// Has it asked for again where an answer has no end, or a success can't be read.
#[derive(Debug, Clone, Copy)]
pub struct UnreadableAnswerClassifier;

impl ClassifyRetry for UnreadableAnswerClassifier {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match (context.response(), context.output_or_error()) {
            (Some(answer), Some(Err(error)))
                if is_cut_answer(answer) || (answer.status().is_success() && error.is_operation_error()) =>
            {
                RetryAction::transient_error()
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "UnreadableAnswer"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_from_aws_and_from_an_object() {
        let html = ("content-type", "text/html; charset=utf-8");
        for (is_success, headers, expected) in [
            (true, vec![html], true),
            (false, vec![html], true),
            (false, vec![("content-type", "application/xml")], false),
            (false, vec![html, ("x-amz-request-id", "R")], false),
            (true, vec![html, ("x-amzn-requestid", "R")], false),
            // An object of PyPI's simple index.
            (true, vec![html, ("etag", "\"e\"")], false),
            (false, vec![html, ("etag", "\"e\"")], true),
            (true, vec![html, ("content-length", "0")], false),
            (false, vec![html, ("content-length", "512")], true),
            (true, vec![], false),
        ] {
            let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            assert_eq!(is_foreign_page_by_headers(is_success, header), expected, "{headers:?}");
        }
    }

    #[test]
    fn half_a_document_is_none() {
        for (body, cut) in [
            ("<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>1</B></A>\n", false),
            ("<A>1</A >", false),
            ("<A/>", false),
            ("<A x=\"1\" />", false),
            ("<!-- made --><A></A>", false),
            ("{\"a\": [1]}", false),
            ("plain", false),
            ("", false),
            ("<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>1</B>", true),
            ("<A><A2/>", true),
            ("<A><B>1</B></", true),
            ("<A><B>1</B></A", true),
            ("<?xml version", true),
            ("<A", true),
            ("{\"a\": [1", true),
            ("{\"a\": {\"b\": 1}", true),
        ] {
            assert_eq!(is_cut_document(body.as_bytes()), cut, "{body}");
        }
    }

    #[test]
    fn a_title_is_one_harmless_line() {
        for (body, title) in [
            ("<html><TITLE lang=\"en\">\n Access\u{1b}[31m   blocked </TITLE>", Some("Access[31m blocked")),
            ("<html><title></title>", None),
            ("<html><title>half", None),
            ("nothing", None),
        ] {
            assert_eq!(find_page_title(body.as_bytes()).as_deref(), title, "{body}");
        }
    }
}
