//! What the edges serve: a distribution's last deployed configuration, read for the delivery side.
//!
//! A change isn't here before it is Deployed; a new distribution is nowhere until then.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use super::{PropagationClock, SandboxCloudFrontState, SandboxInvalidation, XmlElement, policies};
use crate::sandbox::Sandbox;

/// A distribution as the edges know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxDeployedDistribution {
    pub id: String,
    pub arn: String,
    pub domain: String,
    pub aliases: Vec<String>,
    pub enabled: bool,
    pub default_root_object: String,
    pub origins: Vec<SandboxDeployedOrigin>,
    /// In the order in which they are tried; the default one, without a pattern, is last.
    pub behaviors: Vec<SandboxCacheBehavior>,
    /// For how many seconds an error from the origin is cached, by its status; 10 where none is said.
    pub error_ttl: BTreeMap<u16, u64>,
    pub invalidations: Vec<SandboxInvalidation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxDeployedOrigin {
    pub id: String,
    /// `bucket.s3.region.amazonaws.com`.
    pub domain: String,
    /// Put before each path.
    pub path: String,
    pub access: SandboxOriginAccess,
}

/// In whose name the origin is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxOriginAccess {
    Anonymous,
    /// An origin access identity: its id and its canonical user id.
    Identity {
        id: String,
        canonical: String,
    },
    /// An origin access control: `cloudfront.amazonaws.com`, for this distribution.
    Control {
        id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxCacheBehavior {
    pub path_pattern: Option<String>,
    pub target_origin_id: String,
    /// `https-only`, `redirect-to-https`, `allow-all`.
    pub viewer_protocol_policy: String,
    pub allowed_methods: Vec<String>,
    /// Seconds.
    pub min_ttl: u64,
    pub default_ttl: u64,
    pub max_ttl: u64,
    /// Whether the query string is part of the cache key, and goes to the origin.
    pub query_strings: bool,
    /// The function version that sees each viewer's request.
    pub viewer_request: Option<String>,
    /// Any other event's function, as event and version; the edge of the sandbox runs viewer-request alone.
    pub other_functions: Vec<(String, String)>,
}

/// The distributions as they were read last, by the host that was asked; of another state, or another moment, nothing is kept.
#[derive(Default)]
pub struct SandboxDeployedDistributionMemory {
    /// The state's generation, and which distributions were deployed.
    read_at: (u64, Vec<bool>),
    by_host: BTreeMap<String, Option<Arc<SandboxDeployedDistribution>>>,
}

/// Finds the distribution that answers for a host: its own domain, or an alias.
pub fn find_sandbox_distribution_by_host(
    world: &Sandbox,
    host: &str,
) -> Option<Arc<SandboxDeployedDistribution>> {
    let clock = PropagationClock::propagation_clock_from_sandbox(world);
    let host = host.split(':').next().unwrap_or_default().to_lowercase();
    let memory = &world.sandbox_in_memory_state().deployed_distributions;
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    world.read_sandbox_state_from_disk(|state| {
        let distributions = state.cloudfront.distributions.values();
        let deployed = distributions.map(|one| one.is_sandbox_distribution_deployed(clock)).collect();
        let now = (state.generation, deployed);
        if memory.read_at != now {
            *memory = SandboxDeployedDistributionMemory { read_at: now, by_host: BTreeMap::new() };
        }
        let read = || read_deployed_distribution(&state.cloudfront, clock, &host).map(Arc::new);
        memory.by_host.entry(host.clone()).or_insert_with(read).clone()
    })
}

fn read_deployed_distribution(
    state: &SandboxCloudFrontState,
    clock: PropagationClock,
    host: &str,
) -> Option<SandboxDeployedDistribution> {
    state.distributions.values().find_map(|distribution| {
        let config = distribution.sandbox_deployed_config(clock)?;
        if distribution.domain != host
            && !super::config::parse_distribution_aliases(config).iter().any(|alias| alias == host)
        {
            return None;
        }
        let config = XmlElement::parse_xml_and_keep(config).ok()?;
        let text = |path: &str| config.find_text_at_path(path).unwrap_or_default().to_owned();
        let mut behaviors: Vec<SandboxCacheBehavior> = config
            .list_items_at_path("CacheBehaviors")
            .iter()
            .map(|node| parse_sandbox_cache_behavior(state, node))
            .collect();
        behaviors.push(parse_sandbox_cache_behavior(state, config.find_child("DefaultCacheBehavior")?));
        let origins = config.list_items_at_path("Origins");
        let aliases = config.list_items_at_path("Aliases");
        let errors = config.list_items_at_path("CustomErrorResponses");
        Some(SandboxDeployedDistribution {
            id: distribution.id.clone(),
            arn: distribution.format_distribution_arn(),
            domain: distribution.domain.clone(),
            aliases: aliases.iter().map(|alias| alias.text.clone()).collect(),
            enabled: config.is_xml_element_true("Enabled"),
            default_root_object: text("DefaultRootObject"),
            origins: origins.iter().map(|node| parse_sandbox_distribution_origin(state, node)).collect(),
            behaviors,
            error_ttl: errors.iter().filter_map(parse_error_caching_ttl).collect(),
            invalidations: distribution.invalidations.clone(),
        })
    })
}

fn parse_error_caching_ttl(response: &XmlElement) -> Option<(u16, u64)> {
    let seconds =
        response.find_text_at_path("ErrorCachingMinTTL").and_then(|text| text.parse().ok()).unwrap_or(10);
    Some((response.find_text_at_path("ErrorCode")?.parse().ok()?, seconds))
}

fn parse_sandbox_distribution_origin(
    state: &SandboxCloudFrontState,
    node: &XmlElement,
) -> SandboxDeployedOrigin {
    let text = |path: &str| node.find_text_at_path(path).unwrap_or_default().to_owned();
    let identity = node
        .find_text_at_path("S3OriginConfig/OriginAccessIdentity")
        .and_then(|path| state.identities.get(path.rsplit('/').next().unwrap_or_default()));
    let access = match (identity, node.find_text_at_path("OriginAccessControlId")) {
        (Some(identity), _) => {
            SandboxOriginAccess::Identity { id: identity.id.clone(), canonical: identity.canonical.clone() }
        }
        (None, Some(id)) if is_sandbox_origin_control_signing(state, id) => {
            SandboxOriginAccess::Control { id: id.to_owned() }
        }
        _ => SandboxOriginAccess::Anonymous,
    };
    SandboxDeployedOrigin { id: text("Id"), domain: text("DomainName"), path: text("OriginPath"), access }
}

fn is_sandbox_origin_control_signing(state: &SandboxCloudFrontState, control: &str) -> bool {
    let config =
        state.controls.get(control).and_then(|control| XmlElement::parse_xml_and_keep(&control.config).ok());
    config.is_some_and(|config| config.find_text_at_path("SigningBehavior") != Some("never"))
}

fn parse_sandbox_cache_behavior(state: &SandboxCloudFrontState, node: &XmlElement) -> SandboxCacheBehavior {
    let text = |path: &str| node.find_text_at_path(path).unwrap_or_default().to_owned();
    let policy =
        node.find_text_at_path("CachePolicyId").and_then(|id| policies::find_stored_cache_policy(state, id));
    let policy = policy.and_then(|policy| XmlElement::parse_xml_and_keep(&policy.config).ok());
    // Without a policy the behavior's own legacy fields count.
    let of = policy.as_deref().unwrap_or(node);
    let seconds = |field: &str, otherwise: u64| {
        of.find_text_at_path(field).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let query_strings = match &policy {
        Some(policy) => {
            let behavior = policy.find_text_at_path(
                "ParametersInCacheKeyAndForwardedToOrigin/QueryStringsConfig/QueryStringBehavior",
            );
            behavior.is_some_and(|behavior| behavior != "none")
        }
        None => node.is_xml_element_true("ForwardedValues/QueryString"),
    };
    let functions: Vec<(String, String)> = node
        .list_items_at_path("LambdaFunctionAssociations")
        .iter()
        .filter_map(|one| {
            Some((
                one.find_text_at_path("EventType")?.to_owned(),
                one.find_text_at_path("LambdaFunctionARN")?.to_owned(),
            ))
        })
        .collect();
    let (viewer_request, other_functions): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|(event, _)| event == "viewer-request");
    SandboxCacheBehavior {
        path_pattern: node.find_text_at_path("PathPattern").map(ToOwned::to_owned),
        target_origin_id: text("TargetOriginId"),
        viewer_protocol_policy: text("ViewerProtocolPolicy"),
        allowed_methods: node
            .list_items_at_path("AllowedMethods")
            .iter()
            .map(|method| method.text.clone())
            .collect(),
        min_ttl: seconds("MinTTL", 0),
        default_ttl: seconds("DefaultTTL", 86_400),
        max_ttl: seconds("MaxTTL", 31_536_000),
        query_strings,
        viewer_request: viewer_request.into_iter().next().map(|(_, arn)| arn),
        other_functions,
    }
}
