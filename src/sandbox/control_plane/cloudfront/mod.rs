//! CloudFront's control plane: distributions, the identities and controls that open a bucket to them, cache policies.
//!
//! A configuration is kept as the XML that came, so that what the sandbox doesn't know comes back too; every change asks for
//! the ETag of what it replaces; and the edges serve the last deployed configuration until the next one is.

mod associations;
mod config;
mod controls;
mod deployed;
mod distributions;
mod identities;
mod invalidations;
mod policies;
mod quantities;
mod tags;
#[cfg(test)]
mod tests;
mod unplayed;

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT_ID, PropagationClock, SandboxAwsError, SignedCaller, access::PolicyConditionContext,
    add_request_tag_condition_keys, build_http_response, build_unknown_json_operation_error,
    build_xml_response, format_unix_time_iso8601, generate_random_aws_id, generate_random_uuid,
    get_request_signed_caller, has_sandbox_drift_injection, iam, lambda, parse_uri_query_parameters,
    xml::XmlElement,
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

pub use deployed::{
    SandboxCacheBehavior, SandboxDeployedDistribution, SandboxDeployedDistributionMemory,
    SandboxDeployedOrigin, SandboxOriginAccess, find_sandbox_distribution_by_host,
};
pub use invalidations::{SandboxInvalidation, is_cached_path_invalidated};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxCloudFrontState {
    /// Each by id.
    pub distributions: BTreeMap<String, SandboxDistribution>,
    pub identities: BTreeMap<String, SandboxOriginAccessIdentity>,
    pub controls: BTreeMap<String, SandboxControlOrPolicyConfig>,
    /// The account's own; the managed ones are always there.
    pub policies: BTreeMap<String, SandboxControlOrPolicyConfig>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxDistribution {
    pub id: String,
    pub domain: String,
    /// `<DistributionConfig>…`.
    pub config: String,
    pub etag: String,
    pub created: Duration,
    pub modified: Duration,
    /// What the edges serve while `config` is in progress; none for a new one.
    pub deployed_before: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub invalidations: Vec<SandboxInvalidation>,
}

impl SandboxDistribution {
    /// Returns its ARN.
    pub fn format_distribution_arn(&self) -> String {
        format!("arn:aws:cloudfront::{ACCOUNT_ID}:distribution/{}", self.id)
    }

    /// Whether its last change has reached the edges.
    pub fn is_sandbox_distribution_deployed(&self, clock: PropagationClock) -> bool {
        clock.has_delay_passed(self.modified, clock.delays.distribution)
    }

    /// Returns the configuration at the edges.
    pub fn sandbox_deployed_config(&self, clock: PropagationClock) -> Option<&str> {
        if self.is_sandbox_distribution_deployed(clock) {
            Some(&self.config)
        } else {
            self.deployed_before.as_deref()
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxOriginAccessIdentity {
    pub id: String,
    pub canonical: String,
    pub reference: String,
    pub comment: String,
    pub etag: String,
    pub created: Duration,
}

/// An origin access control or a cache policy: its configuration as it came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxControlOrPolicyConfig {
    pub id: String,
    pub name: String,
    pub config: String,
    pub etag: String,
    pub modified: Duration,
}

/// Whether S3 knows an origin access identity by now.
pub fn is_sandbox_origin_identity_propagated(
    state: &SandboxCloudFrontState,
    clock: PropagationClock,
    id: &str,
) -> bool {
    state
        .identities
        .get(id)
        .is_some_and(|identity| clock.has_delay_passed(identity.created, clock.delays.identity))
}

/// Whether an origin access identity with this canonical user id is known to S3 by now.
pub fn is_sandbox_oai_user_propagated(
    state: &SandboxCloudFrontState,
    clock: PropagationClock,
    canonical: &str,
) -> bool {
    let mut all = state.identities.values();
    all.any(|identity| {
        identity.canonical == canonical && clock.has_delay_passed(identity.created, clock.delays.identity)
    })
}

/// Whether a distribution goes by this name besides its own.
pub fn has_sandbox_distribution_alias(state: &SandboxCloudFrontState, host: &str) -> bool {
    state.distributions.values().any(|distribution| {
        config::parse_distribution_aliases(&distribution.config).iter().any(|alias| alias == host)
    })
}

/// Returns the operation's name, by method and path, be it one that the sandbox lacks.
pub fn parse_cloudfront_operation_name(method: &Method, uri: &Uri) -> Cow<'static, str> {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').skip(1).collect();
    let query = uri.query().unwrap_or_default();
    Cow::Borrowed(match (method.as_str(), parts.as_slice()) {
        ("POST", ["distribution"]) if query.starts_with("WithTags") => "CreateDistributionWithTags",
        ("POST", ["distribution"]) => "CreateDistribution",
        ("GET", ["distribution"]) => "ListDistributions",
        ("GET", ["distribution", _]) => "GetDistribution",
        ("GET", ["distribution", _, "config"]) => "GetDistributionConfig",
        ("PUT", ["distribution", _, "config"]) => "UpdateDistribution",
        ("POST", ["distribution", _, "invalidation"]) => "CreateInvalidation",
        ("GET", ["distribution", _, "invalidation"]) => "ListInvalidations",
        ("GET", ["distribution", _, "invalidation", _]) => "GetInvalidation",
        ("GET", ["tagging"]) => "ListTagsForResource",
        ("POST", ["tagging"]) if query.contains("Operation=Tag") => "TagResource",
        ("POST", ["origin-access-identity", "cloudfront"]) => "CreateCloudFrontOriginAccessIdentity",
        ("GET", ["origin-access-identity", "cloudfront"]) => "ListCloudFrontOriginAccessIdentities",
        ("GET", ["origin-access-identity", "cloudfront", _]) => "GetCloudFrontOriginAccessIdentity",
        ("GET", ["origin-access-identity", "cloudfront", _, "config"]) => {
            "GetCloudFrontOriginAccessIdentityConfig"
        }
        ("POST", ["origin-access-control"]) => "CreateOriginAccessControl",
        ("GET", ["origin-access-control"]) => "ListOriginAccessControls",
        ("GET", ["origin-access-control", _]) => "GetOriginAccessControl",
        ("GET", ["origin-access-control", _, "config"]) => "GetOriginAccessControlConfig",
        ("POST", ["cache-policy"]) => "CreateCachePolicy",
        ("GET", ["cache-policy"]) => "ListCachePolicies",
        ("GET", ["cache-policy", _]) => "GetCachePolicy",
        ("GET", ["cache-policy", _, "config"]) => "GetCachePolicyConfig",
        ("PUT", ["cache-policy", _]) => "UpdateCachePolicy",
        _ => return Cow::Owned(unplayed::name_unplayed_cloudfront_operation(method, uri)),
    })
}

/// Answers one request to CloudFront.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_cloudfront_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let result = get_request_signed_caller(&request).and_then(|caller| {
        let ask = SandboxCloudFrontApiCall::new(world, &caller, &request)?;
        if has_sandbox_drift_injection(&request) {
            world.update_sandbox_state_on_disk(|state| distributions::inject_distribution_drift(state, &ask));
        }
        dispatch_cloudfront_call(world, &ask)
    });
    match result {
        Ok(said) => said.cloudfront_reply_into_response(),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::CloudFront),
    }
}

fn dispatch_cloudfront_call(world: &Sandbox, ask: &SandboxCloudFrontApiCall<'_>) -> SandboxCloudFrontResult {
    match ask.operation.as_ref() {
        "CreateDistribution" | "CreateDistributionWithTags" => {
            world.update_sandbox_state_on_disk(|state| distributions::handle_create_distribution(state, ask))
        }
        "GetDistribution" | "GetDistributionConfig" => {
            world.read_sandbox_state_from_disk(|state| distributions::handle_get_distribution(state, ask))
        }
        "ListDistributions" => {
            world.read_sandbox_state_from_disk(|state| distributions::handle_list_distributions(state, ask))
        }
        "UpdateDistribution" => {
            world.update_sandbox_state_on_disk(|state| distributions::handle_update_distribution(state, ask))
        }
        "CreateInvalidation" => {
            world.update_sandbox_state_on_disk(|state| invalidations::handle_create_invalidation(state, ask))
        }
        "ListInvalidations" => {
            world.read_sandbox_state_from_disk(|state| invalidations::handle_list_invalidations(state, ask))
        }
        "GetInvalidation" => {
            world.read_sandbox_state_from_disk(|state| invalidations::handle_get_invalidation(state, ask))
        }
        "ListTagsForResource" => {
            world.read_sandbox_state_from_disk(|state| tags::handle_list_distribution_tags(state, ask))
        }
        "TagResource" => {
            world.update_sandbox_state_on_disk(|state| tags::handle_tag_distribution(state, ask))
        }
        "CreateCloudFrontOriginAccessIdentity" => world.update_sandbox_state_on_disk(|state| {
            identities::handle_create_origin_access_identity(state, ask)
        }),
        "GetCloudFrontOriginAccessIdentity" | "GetCloudFrontOriginAccessIdentityConfig" => world
            .read_sandbox_state_from_disk(|state| identities::handle_get_origin_access_identity(state, ask)),
        "ListCloudFrontOriginAccessIdentities" => world.read_sandbox_state_from_disk(|state| {
            identities::handle_list_origin_access_identities(state, ask)
        }),
        "CreateOriginAccessControl" => world
            .update_sandbox_state_on_disk(|state| controls::handle_create_origin_access_control(state, ask)),
        "GetOriginAccessControl" | "GetOriginAccessControlConfig" => {
            world.read_sandbox_state_from_disk(|state| controls::handle_get_origin_access_control(state, ask))
        }
        "ListOriginAccessControls" => world
            .read_sandbox_state_from_disk(|state| controls::handle_list_origin_access_controls(state, ask)),
        "CreateCachePolicy" => {
            world.update_sandbox_state_on_disk(|state| policies::handle_create_cache_policy(state, ask))
        }
        "GetCachePolicy" | "GetCachePolicyConfig" => {
            world.read_sandbox_state_from_disk(|state| policies::handle_get_cache_policy(state, ask))
        }
        "ListCachePolicies" => {
            world.read_sandbox_state_from_disk(|state| policies::handle_list_cache_policies(state, ask))
        }
        "UpdateCachePolicy" => {
            world.update_sandbox_state_on_disk(|state| policies::handle_update_cache_policy(state, ask))
        }
        operation => Err(SandboxAwsError { status: 404, ..build_unknown_json_operation_error(operation) }),
    }
}

type SandboxCloudFrontResult = Result<SandboxCloudFrontReply, SandboxAwsError>;

/// An answer: a document with its ETag, or nothing.
struct SandboxCloudFrontReply {
    status: u16,
    body: Option<XmlElement>,
    etag: Option<String>,
    location: Option<String>,
}

impl SandboxCloudFrontReply {
    fn cloudfront_reply_from_xml(body: XmlElement) -> Self {
        Self { status: 200, body: Some(body), etag: None, location: None }
    }

    fn build_cloudfront_reply_with_etag(body: XmlElement, etag: &str) -> Self {
        Self { etag: Some(etag.to_owned()), ..Self::cloudfront_reply_from_xml(body) }
    }

    fn build_cloudfront_created_reply(body: XmlElement, etag: &str, place: &str) -> Self {
        let location = format!("https://cloudfront.amazonaws.com/2020-05-31/{place}");
        Self { status: 201, location: Some(location), ..Self::build_cloudfront_reply_with_etag(body, etag) }
    }

    fn cloudfront_reply_into_response(self) -> Response<Bytes> {
        let mut response = match self.body {
            None => build_http_response(self.status, "text/xml", Bytes::new()),
            Some(mut body) => {
                body.attributes = format!("xmlns=\"{}\"", SandboxService::CloudFront.service_xml_namespace());
                build_xml_response(self.status, body.to_string())
            }
        };
        for (name, value) in [("etag", self.etag), ("location", self.location)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// One request: who, when, what, on which thing.
struct SandboxCloudFrontApiCall<'a> {
    clock: PropagationClock,
    caller: &'a SignedCaller,
    operation: Cow<'static, str>,
    path: String,
    /// The id in the path.
    id: String,
    /// `…/config`: the configuration alone is asked for.
    config_alone: bool,
    body: &'a str,
    if_match: Option<&'a str>,
    query: BTreeMap<String, String>,
}

impl<'a> SandboxCloudFrontApiCall<'a> {
    fn new(
        world: &Sandbox,
        caller: &'a SignedCaller,
        request: &'a Request<Bytes>,
    ) -> Result<Self, SandboxAwsError> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let config_alone = parts.last() == Some(&"config");
        if config_alone {
            parts.pop();
        }
        Ok(Self {
            clock: PropagationClock::propagation_clock_from_sandbox(world),
            caller,
            operation: parse_cloudfront_operation_name(request.method(), request.uri()),
            path: request.uri().path().to_owned(),
            id: decoded(parts.last().unwrap_or(&"")),
            config_alone,
            body: std::str::from_utf8(request.body())
                .map_err(|_| build_malformed_xml_error("the request is not UTF-8"))?,
            if_match: request.headers().get("if-match").and_then(|etag| etag.to_str().ok()),
            query: parse_uri_query_parameters(request.uri()),
        })
    }

    fn authorize_cloudfront_call(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        self.caller.authorize_caller(
            state,
            SandboxService::CloudFront,
            &format!("cloudfront:{action}"),
            resource,
            context,
        )
    }

    /// Holds him to his policies for this operation on a thing of this kind.
    fn authorize_call_on_resource(
        &self,
        state: &SandboxState,
        kind: &str,
        id: &str,
    ) -> Result<(), SandboxAwsError> {
        let resource = format!("arn:aws:cloudfront::{ACCOUNT_ID}:{kind}/{id}");
        self.authorize_cloudfront_call(
            state,
            &self.operation,
            &resource,
            &self.caller.build_caller_condition_context(),
        )
    }

    /// The document sent.
    fn parse_sandbox_request_xml(&self) -> Result<XmlElement, SandboxAwsError> {
        let mut root = XmlElement::parse_xml(self.body).map_err(build_malformed_xml_error)?;
        root.attributes.clear();
        Ok(root)
    }

    /// Whether the change is meant for what is there now.
    fn check_if_match(&self, etag: &str) -> Result<(), SandboxAwsError> {
        match self.if_match {
            None | Some("") => Err(SandboxAwsError::new(
                400,
                "InvalidIfMatchVersion",
                "The If-Match version is missing or not valid for the resource.",
            )),
            Some(given) if given == etag => Ok(()),
            Some(_) => Err(SandboxAwsError::new(
                412,
                "PreconditionFailed",
                "The request failed because it didn't meet the preconditions in one or more request-header fields.",
            )),
        }
    }

    /// A page of at most MaxItems behind Marker, as CloudFront's lists are: the list's own fields and its items.
    fn render_cloudfront_list_page(&self, name: &str, items: Vec<(String, XmlElement)>) -> XmlElement {
        let most: usize = self.query.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
        let marker = self.query.get("Marker").cloned().unwrap_or_default();
        let from = match items.iter().position(|(id, _)| *id == marker) {
            Some(at) => at + 1,
            None if marker.is_empty() => 0,
            None => items.len(),
        };
        let more = items.len() - from > most;
        let shown: Vec<_> = items.into_iter().skip(from).take(most).collect();
        let mut list =
            XmlElement::new(name).append_child_element(XmlElement::new_text_element("Marker", marker));
        if more && let Some((last, _)) = shown.last() {
            list.children.push(XmlElement::new_text_element("NextMarker", last.clone()));
        }
        list.children.push(XmlElement::new_text_element("MaxItems", most.to_string()));
        list.children.push(XmlElement::new_text_element("IsTruncated", more.to_string()));
        list.children.push(XmlElement::new_text_element("Quantity", shown.len().to_string()));
        let mut listed = XmlElement::new("Items");
        listed.children = shown.into_iter().map(|(_, node)| node).collect();
        list.append_child_element(listed)
    }
}

fn generate_random_etag() -> String {
    generate_random_aws_id("E", 13)
}

fn build_malformed_xml_error(why: impl std::fmt::Display) -> SandboxAwsError {
    SandboxAwsError::new(
        400,
        "MalformedXML",
        format!(
            "The XML you provided was not well-formed or did not validate against our published schema: {why}"
        ),
    )
}

fn build_invalid_argument_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "InvalidArgument", message)
}
