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

use self::access::{Context, Decision, Principal};
use super::{
    faults::Drift,
    store::{Delays, State, World},
};

pub const ACCOUNT: &str = "999999999999";
pub const REGION: &str = "us-east-1";

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As STS says it: a user, or an assumed role's session.
    pub arn: String,
    pub id: String,
    pub identity: Identity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    User(String),
    Role(String),
}

impl Caller {
    /// The ARN that policies know him by.
    pub fn principal_arn(&self) -> String {
        match &self.identity {
            Identity::User(_) => self.arn.clone(),
            Identity::Role(name) => iam::role_arn(name),
        }
    }

    pub fn principal(&self) -> Principal {
        Principal::of_account(&self.principal_arn(), &[&self.arn, &self.id])
    }

    /// What every request of his carries for conditions.
    pub fn context(&self) -> Context {
        let context = Context::default()
            .with("aws:PrincipalArn", self.principal_arn())
            .with("aws:PrincipalAccount", ACCOUNT)
            .with("aws:RequestedRegion", REGION)
            .with("aws:SecureTransport", "true")
            .with("aws:userid", &self.id);
        match &self.identity {
            Identity::User(name) => context.with("aws:username", name),
            Identity::Role(_) => context,
        }
    }

    /// Weighs his identity policies, within what his boundary and the organization allow.
    pub fn decision(&self, state: &State, action: &str, resource: &str, context: &Context) -> Decision {
        self.weighed(state, action, resource, context).decision
    }

    fn weighed(&self, state: &State, action: &str, resource: &str, context: &Context) -> iam::Weighed {
        let own = iam::policies_of(state, &self.identity);
        iam::weigh(state, &self.identity, &own, (action, resource), context)
    }

    /// Holds him to his identity policies.
    ///
    /// # Errors
    /// AWS's message, where they don't allow it.
    pub fn may(&self, state: &State, action: &str, resource: &str, context: &Context) -> Result<(), String> {
        let weighed = self.weighed(state, action, resource, context);
        let by = weighed.denied_by;
        match weighed.decision {
            Decision::Allow | Decision::Delegated => Ok(()),
            Decision::ExplicitDeny => {
                Err(self.denied(action, resource, &format!("with an explicit deny in {by}")))
            }
            Decision::ImplicitDeny => {
                let kind = by.split_once(' ').map_or(by, |(_, kind)| kind);
                Err(self.denied(action, resource, &format!("because no {kind} allows the {action} action")))
            }
        }
    }

    pub fn denied(&self, action: &str, resource: &str, why: &str) -> String {
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", self.arn)
    }
}

/// The tags of a request, as conditions see them.
pub fn with_tags<'a>(context: Context, tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Context {
    tags.into_iter().fold(context, |context, (key, value)| {
        context.with(&format!("aws:RequestTag/{key}"), value).with("aws:TagKeys", key)
    })
}

/// A service's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// In the service's own form.
    pub fn answer(&self, service: &str) -> Response<Bytes> {
        let (code, message) = (xml::escape(&self.code), xml::escape(&self.message));
        let id = request_id();
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        match service {
            "kms" | "acm" => json_answer(
                self.status,
                "application/x-amz-json-1.1",
                &json!({"__type": self.code, "message": self.message}),
            ),
            "lambda" => {
                let mut response = json_answer(
                    self.status,
                    "application/json",
                    &json!({"Type": "User", "Message": self.message}),
                );
                if let Ok(code) = HeaderValue::from_str(&self.code) {
                    response.headers_mut().insert("x-amzn-errortype", code);
                }
                response
            }
            "s3" | "edge" | "packagecloud" => xml_answer(
                self.status,
                format!(
                    "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>"
                ),
            ),
            _ => xml_answer(
                self.status,
                format!(
                    "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                    namespace(service)
                ),
            ),
        }
    }
}

pub fn namespace(service: &str) -> &'static str {
    match service {
        "iam" => "https://iam.amazonaws.com/doc/2010-05-08/",
        "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
        "cloudfront" => "http://cloudfront.amazonaws.com/doc/2020-05-31/",
        _ => "",
    }
}

/// How each service says that a caller may not.
pub fn access_denied(service: &str, message: impl Into<String>) -> Refusal {
    match service {
        "kms" | "acm" => Refusal::new(400, "AccessDeniedException", message),
        "lambda" => Refusal::new(403, "AccessDeniedException", message),
        _ => Refusal::new(403, "AccessDenied", message),
    }
}

/// How each service says that it is asked too often.
pub fn throttled(service: &str) -> Refusal {
    match service {
        "kms" => Refusal::new(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        "acm" => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
        "lambda" => Refusal::new(429, "TooManyRequestsException", "Rate exceeded"),
        "s3" => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
        _ => Refusal::new(400, "Throttling", "Rate exceeded"),
    }
}

pub fn json_answer(status: u16, kind: &'static str, body: &Value) -> Response<Bytes> {
    answered(status, kind, body.to_string().into())
}

pub fn xml_answer(status: u16, body: impl Into<String>) -> Response<Bytes> {
    answered(
        status,
        "text/xml",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", body.into()).into(),
    )
}

pub fn answered(status: u16, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// A UUID.
pub fn request_id() -> String {
    let hex: String = (0..32).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An id such as CloudFront and IAM make: a prefix, then capital letters and digits.
pub fn made_id(prefix: &str, length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let tail: String = (0..length).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect();
    format!("{prefix}{tail}")
}

/// `2026-11-23T20:00:00.000Z`.
pub fn iso(at: Duration) -> String {
    moment(at)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .unwrap_or_default()
}

pub fn moment(at: Duration) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + at
}

/// The moment, and how long things take: what a state needs to say what it is now.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub now: Duration,
    pub delays: Delays,
}

impl Clock {
    pub fn of(world: &World) -> Self {
        Self { now: world.now(), delays: world.delays() }
    }

    /// Whether `delay` has passed since.
    pub fn past(self, since: Duration, delay: Duration) -> bool {
        self.now >= since + delay
    }
}

/// Whom the wire found to have signed it.
///
/// # Errors
/// A refusal, where the wire was gone round.
pub fn caller_of(request: &Request<Bytes>) -> Result<Caller, Refusal> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| {
        Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })
}

/// Whether somebody else's edit is to come first.
pub fn drifts(request: &Request<Bytes>) -> bool {
    request.extensions().get::<Drift>().is_some()
}

/// Whether a `Principal` of a resource policy exists for the service that keeps it: after its propagation, not before.
///
/// `kind` is `AWS`, `CanonicalUser`, `Service` or `Federated`, as [`access::principals`] gives them.
pub fn principal_known(state: &State, clock: Clock, kind: &str, name: &str) -> bool {
    match kind {
        "Service" => name.ends_with(".amazonaws.com"),
        "CanonicalUser" => {
            cloudfront::canonical_user_known(&state.cloudfront, clock, name) || name == s3_canonical_owner()
        }
        "AWS" if name == "*" || name == ACCOUNT => true,
        "AWS" => match name.strip_prefix("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity ") {
            Some(id) => cloudfront::identity_known(&state.cloudfront, clock, id),
            None => iam::principal_known(&state.iam, clock, name),
        },
        _ => false,
    }
}

/// The canonical user id of the account that owns the buckets.
pub fn s3_canonical_owner() -> String {
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be".to_owned()
}
