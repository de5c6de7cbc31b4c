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
mod policies;
mod tags;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT, Caller, Clock, Refusal, access::Context, access_denied, answered, caller_of, drifts, iam, iso,
    lambda, made_id, namespace, request_id, with_tags, xml::Node, xml_answer,
};
use crate::sandbox::{World, store};

pub use deployed::{Access, Behavior, Deployed, Origin, deployed};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Each by id.
    pub distributions: BTreeMap<String, Distribution>,
    pub identities: BTreeMap<String, OriginAccessIdentity>,
    pub controls: BTreeMap<String, Kept>,
    /// The account's own; the managed ones are always there.
    pub policies: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
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
}

impl Distribution {
    pub fn arn(&self) -> String {
        format!("arn:aws:cloudfront::{ACCOUNT}:distribution/{}", self.id)
    }

    pub fn settled(&self, clock: Clock) -> bool {
        clock.past(self.modified, clock.delays.distribution)
    }

    /// The configuration at the edges.
    pub fn at_the_edge(&self, clock: Clock) -> Option<&str> {
        if self.settled(clock) { Some(&self.config) } else { self.deployed_before.as_deref() }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OriginAccessIdentity {
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
pub struct Kept {
    pub id: String,
    pub name: String,
    pub config: String,
    pub etag: String,
    pub modified: Duration,
}

/// Whether S3 knows an origin access identity by now.
pub fn identity_known(state: &State, clock: Clock, id: &str) -> bool {
    state.identities.get(id).is_some_and(|identity| clock.past(identity.created, clock.delays.identity))
}

/// The same, by its canonical user id.
pub fn canonical_user_known(state: &State, clock: Clock, canonical: &str) -> bool {
    let mut all = state.identities.values();
    all.any(|identity| identity.canonical == canonical && clock.past(identity.created, clock.delays.identity))
}

/// Whether a distribution goes by this name besides its own.
pub fn has_alias(state: &State, host: &str) -> bool {
    state
        .distributions
        .values()
        .any(|distribution| config::aliases(&distribution.config).iter().any(|alias| alias == host))
}

/// The operation's name, of method and path.
pub fn operation(method: &Method, uri: &Uri) -> &'static str {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').skip(1).collect();
    let query = uri.query().unwrap_or_default();
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["distribution"]) if query.starts_with("WithTags") => "CreateDistributionWithTags",
        ("POST", ["distribution"]) => "CreateDistribution",
        ("GET", ["distribution"]) => "ListDistributions",
        ("GET", ["distribution", _]) => "GetDistribution",
        ("GET", ["distribution", _, "config"]) => "GetDistributionConfig",
        ("PUT", ["distribution", _, "config"]) => "UpdateDistribution",
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
        _ => "Unknown",
    }
}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let result = caller_of(&request).and_then(|caller| {
        let ask = Ask::new(world, &caller, &request)?;
        if drifts(&request) {
            world.write(|state| distributions::drift(state, &ask));
        }
        act(world, &ask)
    });
    match result {
        Ok(said) => said.answer(),
        Err(refusal) => refusal.answer("cloudfront"),
    }
}

fn act(world: &World, ask: &Ask<'_>) -> Outcome {
    match ask.operation {
        "CreateDistribution" | "CreateDistributionWithTags" => {
            world.write(|state| distributions::create(state, ask))
        }
        "GetDistribution" | "GetDistributionConfig" => world.read(|state| distributions::get(state, ask)),
        "ListDistributions" => world.read(|state| distributions::list(state, ask)),
        "UpdateDistribution" => world.write(|state| distributions::update(state, ask)),
        "ListTagsForResource" => world.read(|state| tags::list(state, ask)),
        "TagResource" => world.write(|state| tags::add(state, ask)),
        "CreateCloudFrontOriginAccessIdentity" => world.write(|state| identities::create(state, ask)),
        "GetCloudFrontOriginAccessIdentity" | "GetCloudFrontOriginAccessIdentityConfig" => {
            world.read(|state| identities::get(state, ask))
        }
        "ListCloudFrontOriginAccessIdentities" => world.read(|state| identities::list(state, ask)),
        "CreateOriginAccessControl" => world.write(|state| controls::create(state, ask)),
        "GetOriginAccessControl" | "GetOriginAccessControlConfig" => {
            world.read(|state| controls::get(state, ask))
        }
        "ListOriginAccessControls" => world.read(|state| controls::list(state, ask)),
        "CreateCachePolicy" => world.write(|state| policies::create(state, ask)),
        "GetCachePolicy" | "GetCachePolicyConfig" => world.read(|state| policies::get(state, ask)),
        "ListCachePolicies" => world.read(|state| policies::list(state, ask)),
        "UpdateCachePolicy" => world.write(|state| policies::update(state, ask)),
        _ => Err(Refusal::new(404, "UnknownOperationException", "not in the sandbox")),
    }
}

type Outcome = Result<Said, Refusal>;

/// An answer: a document with its ETag, or nothing.
struct Said {
    status: u16,
    body: Option<Node>,
    etag: Option<String>,
    location: Option<String>,
}

impl Said {
    fn of(body: Node) -> Self {
        Self { status: 200, body: Some(body), etag: None, location: None }
    }

    fn tagged(body: Node, etag: &str) -> Self {
        Self { etag: Some(etag.to_owned()), ..Self::of(body) }
    }

    fn made(body: Node, etag: &str, place: &str) -> Self {
        let location = format!("https://cloudfront.amazonaws.com/2020-05-31/{place}");
        Self { status: 201, location: Some(location), ..Self::tagged(body, etag) }
    }

    fn answer(self) -> Response<Bytes> {
        let mut response = match self.body {
            None => answered(self.status, "text/xml", Bytes::new()),
            Some(mut body) => {
                body.attributes = format!("xmlns=\"{}\"", namespace("cloudfront"));
                xml_answer(self.status, body.to_string())
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
struct Ask<'a> {
    clock: Clock,
    caller: &'a Caller,
    operation: &'static str,
    /// The id in the path.
    id: String,
    /// `…/config`: the configuration alone is asked for.
    config_alone: bool,
    body: &'a str,
    if_match: Option<&'a str>,
    query: BTreeMap<String, String>,
}

impl<'a> Ask<'a> {
    fn new(world: &World, caller: &'a Caller, request: &'a Request<Bytes>) -> Result<Self, Refusal> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let config_alone = parts.last() == Some(&"config");
        if config_alone {
            parts.pop();
        }
        let pairs =
            request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        Ok(Self {
            clock: Clock::of(world),
            caller,
            operation: operation(request.method(), request.uri()),
            id: decoded(parts.last().unwrap_or(&"")),
            config_alone,
            body: std::str::from_utf8(request.body()).map_err(|_| malformed("the request is not UTF-8"))?,
            if_match: request.headers().get("if-match").and_then(|etag| etag.to_str().ok()),
            query: pairs.map(|(key, value)| (decoded(key), decoded(value))).collect(),
        })
    }

    fn may(
        &self,
        state: &store::State,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), Refusal> {
        self.caller
            .may(state, &format!("cloudfront:{action}"), resource, context)
            .map_err(|message| access_denied("cloudfront", message))
    }

    /// Holds him to his policies for this operation on a thing of this kind.
    fn may_on(&self, state: &store::State, kind: &str, id: &str) -> Result<(), Refusal> {
        let resource = format!("arn:aws:cloudfront::{ACCOUNT}:{kind}/{id}");
        self.may(state, self.operation, &resource, &self.caller.context())
    }

    /// The document sent.
    fn document(&self) -> Result<Node, Refusal> {
        let mut root = Node::parse(self.body).map_err(malformed)?;
        root.attributes.clear();
        Ok(root)
    }

    /// Whether the change is meant for what is there now.
    fn check_if_match(&self, etag: &str) -> Result<(), Refusal> {
        match self.if_match {
            None | Some("") => Err(Refusal::new(
                400,
                "InvalidIfMatchVersion",
                "The If-Match version is missing or not valid for the resource.",
            )),
            Some(given) if given == etag => Ok(()),
            Some(_) => Err(Refusal::new(
                412,
                "PreconditionFailed",
                "The request failed because it didn't meet the preconditions in one or more request-header fields.",
            )),
        }
    }

    /// A page of at most MaxItems, as CloudFront's lists are: the list's own fields and its items.
    fn page(&self, name: &str, items: Vec<(String, Node)>) -> Node {
        let most: usize = self.query.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
        let marker = self.query.get("Marker").cloned().unwrap_or_default();
        let rest: Vec<_> = items.into_iter().filter(|(id, _)| marker.is_empty() || *id > marker).collect();
        let more = rest.len() > most;
        let shown: Vec<_> = rest.into_iter().take(most).collect();
        let mut list = Node::new(name).with(Node::leaf("Marker", marker));
        if more && let Some((last, _)) = shown.last() {
            list.children.push(Node::leaf("NextMarker", last.clone()));
        }
        list.children.push(Node::leaf("MaxItems", most.to_string()));
        list.children.push(Node::leaf("IsTruncated", more.to_string()));
        list.children.push(Node::leaf("Quantity", shown.len().to_string()));
        let mut listed = Node::new("Items");
        listed.children = shown.into_iter().map(|(_, node)| node).collect();
        list.with(listed)
    }
}

fn etag() -> String {
    made_id("E", 13)
}

fn malformed(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        400,
        "MalformedXML",
        format!(
            "The XML you provided was not well-formed or did not validate against our published schema: {why}"
        ),
    )
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidArgument", message)
}
