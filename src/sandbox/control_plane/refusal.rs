//! How each service refuses: an error in its own protocol, with its own codes.

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::{Value, json};

use super::{build_json_response, build_xml_response, generate_random_uuid, xml};
use crate::sandbox::service::{SandboxService, SandboxServiceProtocol};

/// A service's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxAwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl SandboxAwsError {
    /// Makes a refusal of an HTTP status, an error code and a message.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// KMS's InvalidCiphertextException has no message.
    fn build_json_error_body(&self) -> Value {
        if self.message.is_empty() {
            json!({"__type": self.code})
        } else {
            json!({"__type": self.code, "message": self.message})
        }
    }

    /// The member is `Message` with some codes, `message` with others; a broken constraint has no `Type` (recorded answers of
    /// Lambda).
    fn build_rest_json_error_body(&self) -> Value {
        match self.code.as_str() {
            "ResourceNotFoundException" | "ServiceException" => {
                json!({"Type": "User", "Message": self.message})
            }
            "ValidationException" | "RequestEntityTooLargeException" => json!({"message": self.message}),
            // Of another account's functions nothing is said.
            "AccessDeniedException" if self.message.is_empty() => json!({"Message": null}),
            "AccessDeniedException" => json!({"Message": self.message}),
            _ => json!({"Type": "User", "message": self.message}),
        }
    }

    /// Writes it in the service's own form.
    pub fn render_aws_error_response(&self, service: SandboxService) -> Response<Bytes> {
        let (code, message) = (xml::escape_xml(&self.code), xml::escape_xml(&self.message));
        let id = generate_random_uuid();
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        match service.service_protocol() {
            SandboxServiceProtocol::Json11 => {
                build_json_response(self.status, "application/x-amz-json-1.1", &self.build_json_error_body())
            }
            SandboxServiceProtocol::Json10 => {
                build_json_response(self.status, "application/x-amz-json-1.0", &self.build_json_error_body())
            }
            SandboxServiceProtocol::RestJson => {
                let mut body = self.build_rest_json_error_body();
                if self.code == "TooManyRequestsException" {
                    body["Reason"] = json!("CallerRateLimitExceeded");
                }
                let mut response = build_json_response(self.status, "application/json", &body);
                if let Ok(code) = HeaderValue::from_str(&self.code) {
                    response.headers_mut().insert("x-amzn-errortype", code);
                }
                response
            }
            SandboxServiceProtocol::S3Xml => build_xml_response(
                self.status,
                format!(
                    "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
                ),
            ),
            SandboxServiceProtocol::Query | SandboxServiceProtocol::RestXml => build_xml_response(
                self.status,
                format!(
                    "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                    service.service_xml_namespace()
                ),
            ),
        }
    }
}

/// Refuses a caller who may not, as the service says it.
pub fn build_access_denied_error(service: SandboxService, message: impl Into<String>) -> SandboxAwsError {
    match service.service_protocol() {
        SandboxServiceProtocol::Json10 | SandboxServiceProtocol::Json11 => {
            SandboxAwsError::new(400, "AccessDeniedException", message)
        }
        SandboxServiceProtocol::RestJson => SandboxAwsError::new(403, "AccessDeniedException", message),
        SandboxServiceProtocol::Query | SandboxServiceProtocol::RestXml | SandboxServiceProtocol::S3Xml => {
            SandboxAwsError::new(403, "AccessDenied", message)
        }
    }
}

/// Spells the name of a member as AWS's messages do: `keyId`, of `KeyId`.
pub fn spell_member_name(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

/// Says which constraint the value of a member breaks.
pub fn describe_broken_constraint(value: impl Display, member: &str, constraint: impl Display) -> String {
    format!("Value '{value}' at '{member}' failed to satisfy constraint: {constraint}")
}

/// Says that the value of a member is longer than it may be.
pub fn describe_excess_length(value: &str, member: &str, most: usize) -> String {
    describe_broken_constraint(
        value,
        member,
        format_args!("Member must have length less than or equal to {most}"),
    )
}

/// Says that the value of a member isn't of its pattern.
pub fn describe_broken_pattern(value: &str, member: &str, pattern: &str) -> String {
    describe_broken_constraint(
        value,
        member,
        format_args!("Member must satisfy regular expression pattern: {pattern}"),
    )
}

/// Refuses a request for all the constraints that it breaks, with the code that the service has for it.
pub fn build_broken_constraints_error(code: &str, broken: &[String]) -> SandboxAwsError {
    let plural = if broken.len() == 1 { "error" } else { "errors" };
    let message = format!("{} validation {plural} detected: {}", broken.len(), broken.join("; "));
    SandboxAwsError::new(400, code, message)
}

/// Refuses a request that lacks `field`, with the code that the service has for it.
pub fn build_missing_field_error(code: &str, field: &str) -> SandboxAwsError {
    let member = spell_member_name(field);
    let broken = format!("Value null at '{member}' failed to satisfy constraint: Member must not be null");
    build_broken_constraints_error(code, &[broken])
}

/// Refuses an operation that the sandbox lacks, where the protocol is JSON or the path names it.
pub fn build_unknown_json_operation_error(operation: &str) -> SandboxAwsError {
    SandboxAwsError::new(
        400,
        "UnknownOperationException",
        format!("{operation} is not in the sandbox: `sandbox serve --help` lists what it plays"),
    )
}

/// Refuses who asks too often, as the service says it.
pub fn build_throttling_error(service: SandboxService) -> SandboxAwsError {
    match service {
        SandboxService::Kms => SandboxAwsError::new(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        SandboxService::Acm | SandboxService::Logs => {
            SandboxAwsError::new(400, "ThrottlingException", "Rate exceeded")
        }
        SandboxService::Lambda => SandboxAwsError::new(429, "TooManyRequestsException", "Rate exceeded"),
        SandboxService::S3 => SandboxAwsError::new(503, "SlowDown", "Please reduce your request rate."),
        SandboxService::Sts
        | SandboxService::Iam
        | SandboxService::CloudFront
        | SandboxService::S3Control
        | SandboxService::CloudWatch
        | SandboxService::PricingPlans
        | SandboxService::Packagecloud
        | SandboxService::Edge => SandboxAwsError::new(400, "Throttling", "Rate exceeded"),
    }
}
