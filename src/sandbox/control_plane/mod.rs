//! AWS's services as far as the set-up uses them: a file a service, each as strict as AWS is (aws-facts section 8).
//!
//! Every request has a caller whose signature was checked, and every action is weighed against his policies before it is done.

pub mod access;
pub mod acm;
pub mod cloudfront;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod query;
pub mod s3;
pub mod s3control;
pub mod signature;
pub mod sts;
pub mod xml;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};

use self::access::{PolicyDecision, Principal, RequestContext};
use super::{Sandbox, SandboxDelays, SandboxState, faults::DriftInjection};

pub const ACCOUNT_ID: &str = "999999999999";
pub const REGION: &str = "us-east-1";

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCaller {
    /// As STS says it: a user, or an assumed role's session.
    pub arn: String,
    pub id: String,
    pub identity: IamIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamIdentity {
    User(String),
    Role(String),
}

impl SignedCaller {
    /// The ARN that policies know him by.
    pub fn principal_arn(&self) -> String {
        match &self.identity {
            IamIdentity::User(_) => self.arn.clone(),
            IamIdentity::Role(name) => iam::role_arn(name),
        }
    }

    pub fn to_principal(&self) -> Principal {
        Principal::for_account_identity(&self.principal_arn(), &[&self.arn, &self.id])
    }

    /// What every request of his carries for conditions.
    pub fn request_context(&self) -> RequestContext {
        let context = RequestContext::default()
            .with_condition_key("aws:PrincipalArn", self.principal_arn())
            .with_condition_key("aws:PrincipalAccount", ACCOUNT_ID)
            .with_condition_key("aws:RequestedRegion", REGION)
            .with_condition_key("aws:SecureTransport", "true")
            .with_condition_key("aws:userid", &self.id);
        match &self.identity {
            IamIdentity::User(name) => context.with_condition_key("aws:username", name),
            IamIdentity::Role(_) => context,
        }
    }

    /// Weighs his identity policies, within what his boundary and the organization allow.
    pub fn decide_access(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &RequestContext,
    ) -> PolicyDecision {
        self.evaluate_policies(state, action, resource, context).decision
    }

    fn evaluate_policies(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &RequestContext,
    ) -> iam::PolicyEvaluation {
        let own = iam::list_identity_policies(state, &self.identity);
        iam::evaluate_with_limits(state, &self.identity, &own, (action, resource), context)
    }

    /// Holds him to his identity policies.
    ///
    /// # Errors
    /// AWS's message, where they don't allow it.
    pub fn authorize(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &RequestContext,
    ) -> Result<(), String> {
        let weighed = self.evaluate_policies(state, action, resource, context);
        let by = weighed.denied_by;
        match weighed.decision {
            PolicyDecision::Allow | PolicyDecision::Delegated => Ok(()),
            PolicyDecision::ExplicitDeny => {
                Err(self.denial_message(action, resource, &format!("with an explicit deny in {by}")))
            }
            PolicyDecision::ImplicitDeny => {
                let kind = by.split_once(' ').map_or(by, |(_, kind)| kind);
                Err(self.denial_message(
                    action,
                    resource,
                    &format!("because no {kind} allows the {action} action"),
                ))
            }
        }
    }

    pub fn denial_message(&self, action: &str, resource: &str, why: &str) -> String {
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", self.arn)
    }
}

/// The tags of a request, as conditions see them.
pub fn add_request_tags<'a>(
    context: RequestContext,
    tags: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> RequestContext {
    tags.into_iter().fold(context, |context, (key, value)| {
        context
            .with_condition_key(&format!("aws:RequestTag/{key}"), value)
            .with_condition_key("aws:TagKeys", key)
    })
}

/// A service's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRefusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl ServiceRefusal {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// In the service's own form.
    pub fn to_response(&self, service: &str) -> Response<Bytes> {
        let (code, message) = (xml::escape_xml(&self.code), xml::escape_xml(&self.message));
        let id = random_uuid();
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        match service {
            "kms" | "acm" => json_response(
                self.status,
                "application/x-amz-json-1.1",
                &json!({"__type": self.code, "message": self.message}),
            ),
            "lambda" => {
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
            "s3" | "edge" | "packagecloud" => xml_response(
                self.status,
                format!(
                    "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
                ),
            ),
            _ => xml_response(
                self.status,
                format!(
                    "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                    xml_namespace(service)
                ),
            ),
        }
    }
}

pub fn xml_namespace(service: &str) -> &'static str {
    match service {
        "iam" => "https://iam.amazonaws.com/doc/2010-05-08/",
        "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
        "cloudfront" => "http://cloudfront.amazonaws.com/doc/2020-05-31/",
        _ => "",
    }
}

/// How each service says that a caller may not.
pub fn access_denied(service: &str, message: impl Into<String>) -> ServiceRefusal {
    match service {
        "kms" | "acm" => ServiceRefusal::new(400, "AccessDeniedException", message),
        "lambda" => ServiceRefusal::new(403, "AccessDeniedException", message),
        _ => ServiceRefusal::new(403, "AccessDenied", message),
    }
}

/// How each service says that it is asked too often.
pub fn throttling_refusal(service: &str) -> ServiceRefusal {
    match service {
        "kms" => ServiceRefusal::new(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        "acm" => ServiceRefusal::new(400, "ThrottlingException", "Rate exceeded"),
        "lambda" => ServiceRefusal::new(429, "TooManyRequestsException", "Rate exceeded"),
        "s3" => ServiceRefusal::new(503, "SlowDown", "Please reduce your request rate."),
        _ => ServiceRefusal::new(400, "Throttling", "Rate exceeded"),
    }
}

pub fn json_response(status: u16, kind: &'static str, body: &Value) -> Response<Bytes> {
    build_response(status, kind, body.to_string().into())
}

pub fn xml_response(status: u16, body: impl Into<String>) -> Response<Bytes> {
    build_response(
        status,
        "text/xml",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", body.into()).into(),
    )
}

pub fn build_response(status: u16, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(&random_uuid()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// A UUID.
pub fn random_uuid() -> String {
    let hex: String = (0..32).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An id such as CloudFront and IAM make: a prefix, then capital letters and digits.
pub fn random_id(prefix: &str, length: usize) -> String {
    const ID_CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let tail: String =
        (0..length).map(|_| char::from(ID_CHARACTERS[fastrand::usize(..ID_CHARACTERS.len())])).collect();
    format!("{prefix}{tail}")
}

/// `2026-11-23T20:00:00.000Z`.
pub fn format_iso8601(at: Duration) -> String {
    to_datetime(at)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .unwrap_or_default()
}

pub fn to_datetime(at: Duration) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + at
}

/// The moment, and how long things take: what a state needs to say what it is now.
#[derive(Debug, Clone, Copy)]
pub struct PropagationClock {
    pub now: Duration,
    pub delays: SandboxDelays,
}

impl PropagationClock {
    pub fn from_sandbox(world: &Sandbox) -> Self {
        Self { now: world.now(), delays: world.delays() }
    }

    /// Whether `delay` has passed since.
    pub fn has_passed(self, since: Duration, delay: Duration) -> bool {
        self.now >= since + delay
    }
}

/// Whom the wire found to have signed it.
///
/// # Errors
/// A refusal, where the wire was gone round.
pub fn signed_caller(request: &Request<Bytes>) -> Result<SignedCaller, ServiceRefusal> {
    request.extensions().get::<SignedCaller>().cloned().ok_or_else(|| {
        ServiceRefusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })
}

/// Whether somebody else's edit is to come first.
pub fn is_drift_requested(request: &Request<Bytes>) -> bool {
    request.extensions().get::<DriftInjection>().is_some()
}

/// Whether a `Principal` of a resource policy exists for the service that keeps it: after its propagation, not before.
///
/// `kind` is `AWS`, `CanonicalUser`, `Service` or `Federated`, as [`access::principals`] gives them.
pub fn is_known_principal(state: &SandboxState, clock: PropagationClock, kind: &str, name: &str) -> bool {
    match kind {
        "Service" => name.ends_with(".amazonaws.com"),
        "CanonicalUser" => {
            cloudfront::is_known_canonical_user(&state.cloudfront, clock, name)
                || name == s3_owner_canonical_id()
        }
        "AWS" if name == "*" || name == ACCOUNT_ID => true,
        "AWS" => match name.strip_prefix("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity ") {
            Some(id) => cloudfront::is_known_identity(&state.cloudfront, clock, id),
            None => iam::is_known_principal_arn(&state.iam, clock, name),
        },
        _ => false,
    }
}

/// The canonical user id of the account that owns the buckets.
pub fn s3_owner_canonical_id() -> String {
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be".to_owned()
}
