//! The services of the sandbox: their names, and the protocol that each one speaks.

use std::fmt;

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxService {
    Sts,
    Iam,
    Kms,
    Acm,
    Lambda,
    CloudFront,
    S3,
    /// The account's side of S3, which signs as S3 does.
    S3Control,
    /// Metrics of what the edges served.
    CloudWatch,
    /// What the function's instances logged.
    Logs,
    /// Which distributions are on a flat-rate plan.
    PricingPlans,
    /// packagecloud's front.
    Packagecloud,
    /// The edge locations of CloudFront.
    Edge,
}

/// How requests, answers and refusals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxServiceProtocol {
    /// A form in, XML out; a refusal is an `ErrorResponse`.
    Query,
    /// JSON 1.1 in and out; the header names the operation, the body names the error.
    Json11,
    /// The same as JSON 1.0.
    Json10,
    /// Method and path name the operation, the body is JSON; a header names the error.
    RestJson,
    /// Method and path name the operation, the body is XML; a refusal is an `ErrorResponse`.
    RestXml,
    /// As S3 speaks: a refusal is an `Error` that nothing encloses.
    S3Xml,
}

impl SandboxService {
    /// Every service, in the order in which a wrong name is answered with them.
    pub const ALL: [Self; 13] = [
        Self::Sts,
        Self::Iam,
        Self::Kms,
        Self::Acm,
        Self::Lambda,
        Self::CloudFront,
        Self::S3,
        Self::S3Control,
        Self::CloudWatch,
        Self::Logs,
        Self::PricingPlans,
        Self::Packagecloud,
        Self::Edge,
    ];

    /// Returns its name: in signatures, in the ledger and in `--sandbox-fault`.
    #[must_use]
    pub fn sandbox_service_name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Kms => "kms",
            Self::Acm => "acm",
            Self::Lambda => "lambda",
            Self::CloudFront => "cloudfront",
            Self::S3 => "s3",
            Self::S3Control => "s3control",
            Self::CloudWatch => "monitoring",
            Self::Logs => "logs",
            Self::PricingPlans => "pricingplanmanager",
            Self::Packagecloud => "packagecloud",
            Self::Edge => "edge",
        }
    }

    /// Finds the service with that name.
    #[must_use]
    pub fn from_service_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.sandbox_service_name() == name)
    }

    /// Returns how it speaks; what is no AWS API refuses as S3 does.
    #[must_use]
    pub fn service_protocol(self) -> SandboxServiceProtocol {
        match self {
            Self::Sts | Self::Iam => SandboxServiceProtocol::Query,
            Self::Kms | Self::Acm | Self::Logs => SandboxServiceProtocol::Json11,
            Self::CloudWatch => SandboxServiceProtocol::Json10,
            Self::Lambda | Self::PricingPlans => SandboxServiceProtocol::RestJson,
            Self::CloudFront | Self::S3Control => SandboxServiceProtocol::RestXml,
            Self::S3 | Self::Packagecloud | Self::Edge => SandboxServiceProtocol::S3Xml,
        }
    }

    /// Returns the namespace of its XML; empty where it has none.
    #[must_use]
    pub fn service_xml_namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::CloudFront => "http://cloudfront.amazonaws.com/doc/2020-05-31/",
            Self::Kms
            | Self::Acm
            | Self::Lambda
            | Self::S3
            | Self::S3Control
            | Self::CloudWatch
            | Self::Logs
            | Self::PricingPlans
            | Self::Packagecloud
            | Self::Edge => "",
        }
    }

    /// Whether it finds out by itself who asks; for the others the router checks the signature.
    #[must_use]
    pub fn is_signature_verified_by_service(self) -> bool {
        match self {
            Self::S3 | Self::S3Control | Self::Packagecloud | Self::Edge => true,
            Self::Sts
            | Self::Iam
            | Self::Kms
            | Self::Acm
            | Self::Lambda
            | Self::CloudFront
            | Self::CloudWatch
            | Self::Logs
            | Self::PricingPlans => false,
        }
    }
}

impl fmt::Display for SandboxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sandbox_service_name())
    }
}
