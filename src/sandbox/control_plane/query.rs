//! The query protocol of IAM and STS: a form in, XML out.
//!
//! An operation that the sandbox lacks is refused as AWS refuses an unknown action, by name.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use percent_encoding::percent_decode_str;

use super::{SandboxAwsError, build_missing_field_error, build_xml_response, generate_random_uuid, xml};
use crate::sandbox::service::SandboxService;

/// The fields of a form.
#[derive(Debug, Default)]
pub struct AwsQueryForm(BTreeMap<String, String>);

impl AwsQueryForm {
    /// Reads the form in the body of a request.
    pub fn parse_query_form_from_request(request: &Request<Bytes>) -> Self {
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        Self(
            body.split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (decode_urlencoded_form_text(key), decode_urlencoded_form_text(value)))
                .collect(),
        )
    }

    /// Returns the operation that is asked for.
    pub fn aws_query_action(&self) -> &str {
        self.find_form_field("Action").unwrap_or("Unknown")
    }

    /// Returns a field.
    pub fn find_form_field(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns a field that must be there.
    ///
    /// # Errors
    /// Refuses, as AWS does, where it is missing.
    pub fn require_form_field(&self, key: &str) -> Result<&str, SandboxAwsError> {
        self.find_form_field(key).ok_or_else(|| build_missing_field_error("ValidationError", key))
    }

    /// Lists `Key.member.1`, `Key.member.2`, …
    pub fn list_aws_query_members(&self, key: &str) -> Vec<&str> {
        (1..).map_while(|at| self.find_form_field(&format!("{key}.member.{at}"))).collect()
    }

    /// Lists `Key.member.1.First` with `Key.member.1.Second`, …: the pairs that tags are.
    pub fn list_query_form_tag_pairs(&self, key: &str, first: &str, second: &str) -> Vec<(String, String)> {
        (1..)
            .map_while(|at| {
                let name = self.find_form_field(&format!("{key}.member.{at}.{first}"))?;
                Some((
                    name.to_owned(),
                    self.find_form_field(&format!("{key}.member.{at}.{second}"))
                        .unwrap_or_default()
                        .to_owned(),
                ))
            })
            .collect()
    }
}

fn decode_urlencoded_form_text(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Answers `<ActionResponse><ActionResult>…</ActionResult>…`; without a result element where `result` is none.
pub fn build_query_protocol_response(
    service: SandboxService,
    action: &str,
    result: Option<&str>,
) -> Response<Bytes> {
    let result = result.map_or_else(String::new, |inner| format!("<{action}Result>{inner}</{action}Result>"));
    build_xml_response(
        200,
        format!(
            "<{action}Response xmlns=\"{}\">{result}<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
            service.service_xml_namespace(),
            generate_random_uuid()
        ),
    )
}

/// Refuses an operation that the sandbox lacks.
pub fn build_unknown_action_error(action: &str) -> SandboxAwsError {
    SandboxAwsError::new(
        400,
        "InvalidAction",
        format!(
            "Could not find operation {action} in the sandbox: `sandbox serve --help` lists what it plays"
        ),
    )
}

/// Writes `<name>text</name>`, escaped.
pub fn render_xml_element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", xml::escape_xml(text))
}
