//! How each service refuses: an error in its own protocol, with its own codes.

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde_json::json;

use super::{json_response, random_uuid, xml, xml_response};
use crate::sandbox::service::{Service, ServiceProtocol};

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

    /// Writes it in the service's own form.
    pub fn to_error_response(&self, service: Service) -> Response<Bytes> {
        let (code, message) = (xml::escape_xml(&self.code), xml::escape_xml(&self.message));
        let id = random_uuid();
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        match service.protocol() {
            ServiceProtocol::Json11 => json_response(
                self.status,
                "application/x-amz-json-1.1",
                &json!({"__type": self.code, "message": self.message}),
            ),
            ServiceProtocol::RestJson => {
                let mut response = json_response(
                    self.status,
                    "application/json",
                    &json!({"Type": "User", "Message": self.message}),
                );
                if let Ok(code) = HeaderValue::from_str(&self.code) {
                    response.headers_mut().insert("x-amzn-errortype", code);
                }
                response
            }
            ServiceProtocol::S3Xml => xml_response(
                self.status,
                format!(
                    "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
                ),
            ),
            ServiceProtocol::Query | ServiceProtocol::RestXml => xml_response(
                self.status,
                format!(
                    "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                    service.xml_namespace()
                ),
            ),
        }
    }
}

/// Refuses a caller who may not, as the service says it.
pub fn access_denied(service: Service, message: impl Into<String>) -> SandboxAwsError {
    match service.protocol() {
        ServiceProtocol::Json11 => SandboxAwsError::new(400, "AccessDeniedException", message),
        ServiceProtocol::RestJson => SandboxAwsError::new(403, "AccessDeniedException", message),
        ServiceProtocol::Query | ServiceProtocol::RestXml | ServiceProtocol::S3Xml => {
            SandboxAwsError::new(403, "AccessDenied", message)
        }
    }
}

/// Refuses who asks too often, as the service says it.
pub fn throttling_error(service: Service) -> SandboxAwsError {
    match service {
        Service::Kms => SandboxAwsError::new(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        Service::Acm => SandboxAwsError::new(400, "ThrottlingException", "Rate exceeded"),
        Service::Lambda => SandboxAwsError::new(429, "TooManyRequestsException", "Rate exceeded"),
        Service::S3 => SandboxAwsError::new(503, "SlowDown", "Please reduce your request rate."),
        Service::Sts
        | Service::Iam
        | Service::CloudFront
        | Service::S3Control
        | Service::Packagecloud
        | Service::Edge => SandboxAwsError::new(400, "Throttling", "Rate exceeded"),
    }
}
