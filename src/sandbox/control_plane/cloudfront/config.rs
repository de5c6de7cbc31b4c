//! A distribution's configuration: what is refused, and what AWS fills in where it was left out.
//!
//! What the sandbox doesn't know stays as it came.

use std::collections::BTreeSet;

use super::{
    PropagationClock, SandboxAwsError, SandboxCloudFrontState, SandboxState, XmlElement,
    build_invalid_argument_error, policies, quantities,
};
use crate::{model::packagecloud::path_cache::BEHAVIORS_MAX, sandbox::control_plane::acm};

/// Lists the default behavior and every other one.
pub fn list_config_behaviors(config: &XmlElement) -> Vec<&XmlElement> {
    config
        .find_child("DefaultCacheBehavior")
        .into_iter()
        .chain(config.list_items_at_path("CacheBehaviors"))
        .collect()
}

/// Reads the other names of a configuration kept as text.
pub fn parse_distribution_aliases(config: &str) -> Vec<String> {
    // Looked up for each request to an unknown host: spare the parsing where there can be none.
    if !config.contains("<CNAME>") {
        return Vec::new();
    }
    let config = XmlElement::parse_xml_and_keep(config).unwrap_or_default();
    config.list_items_at_path("Aliases").iter().map(|alias| alias.text.clone()).collect()
}

/// Checks a configuration, but for its functions.
///
/// # Errors
/// Refuses what CloudFront refuses, in its words.
pub fn validate_sandbox_distribution_config(
    world: &SandboxState,
    clock: PropagationClock,
    config: &XmlElement,
    own_id: &str,
) -> Result<(), SandboxAwsError> {
    let state = &world.cloudfront;
    quantities::check_xml_list_quantities(config)?;
    for field in ["CallerReference", "Origins", "DefaultCacheBehavior", "Enabled"] {
        if config.find_child(field).is_none() {
            return Err(super::build_malformed_xml_error(format!("{field} is missing")));
        }
    }
    if config.find_text_at_path("CallerReference").is_none() {
        return Err(build_invalid_argument_error("The parameter CallerReference is required."));
    }
    if config.find_text_at_path("Comment").is_some_and(|comment| comment.chars().count() > 128) {
        return Err(build_invalid_argument_error("The parameter Comment is too long."));
    }
    validate_sandbox_distribution_aliases(world, clock, config, own_id)?;
    if config.list_items_at_path("Origins").is_empty() {
        return Err(build_invalid_argument_error("Your request must contain at least one origin."));
    }
    config
        .list_items_at_path("Origins")
        .iter()
        .try_for_each(|origin| validate_sandbox_distribution_origin(state, origin))?;
    validate_sandbox_path_patterns(config)?;
    list_config_behaviors(config)
        .into_iter()
        .try_for_each(|behavior| validate_sandbox_cache_behavior(state, config, behavior))
}

/// The characters of a path pattern beside letters and digits; `%` is none (aws-facts section 10).
const PATH_PATTERN_MARKS: &str = "_-.*$/~\"'@:+&?";
const PATH_PATTERN_CHARS_MAX: usize = 255;

fn validate_sandbox_path_patterns(config: &XmlElement) -> Result<(), SandboxAwsError> {
    let beside = config.list_items_at_path("CacheBehaviors");
    if beside.len() >= BEHAVIORS_MAX {
        return Err(SandboxAwsError::new(
            400,
            "TooManyCacheBehaviors",
            "You cannot create more cache behaviors for the distribution.",
        ));
    }
    let mut seen = BTreeSet::new();
    for behavior in beside {
        let pattern = behavior.find_text_at_path("PathPattern").unwrap_or_default();
        let is_legal = |char: char| char.is_ascii_alphanumeric() || PATH_PATTERN_MARKS.contains(char);
        if pattern.is_empty() || pattern.len() > PATH_PATTERN_CHARS_MAX || !pattern.chars().all(is_legal) {
            return Err(build_invalid_argument_error("The parameter PathPattern is invalid."));
        }
        if !seen.insert(pattern) {
            return Err(build_invalid_argument_error(
                "The parameter CacheBehavior contains duplicate path patterns.",
            ));
        }
    }
    Ok(())
}

fn validate_sandbox_distribution_aliases(
    world: &SandboxState,
    clock: PropagationClock,
    config: &XmlElement,
    own_id: &str,
) -> Result<(), SandboxAwsError> {
    let own: Vec<&str> =
        config.list_items_at_path("Aliases").iter().map(|alias| alias.text.as_str()).collect();
    let certificate = config
        .find_text_at_path("ViewerCertificate/ACMCertificateArn")
        .or(config.find_text_at_path("ViewerCertificate/IAMCertificateId"));
    if !own.is_empty() && certificate.is_none() {
        return Err(SandboxAwsError::new(
            400,
            "InvalidViewerCertificate",
            "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted certificate that validates your authorization to use the domain name.",
        ));
    }
    if let Some(arn) = config.find_text_at_path("ViewerCertificate/ACMCertificateArn")
        && let Some(why) = acm::explain_sandbox_certificate_rejection(&world.acm, clock, arn, &own)
    {
        return Err(SandboxAwsError::new(400, "InvalidViewerCertificate", why));
    }
    let others = world.cloudfront.distributions.values().filter(|other| other.id != own_id);
    if others
        .flat_map(|other| parse_distribution_aliases(&other.config))
        .any(|alias| own.contains(&alias.as_str()))
    {
        return Err(SandboxAwsError::new(
            409,
            "CNAMEAlreadyExists",
            "One or more of the CNAMEs you provided are already associated with a different resource.",
        ));
    }
    Ok(())
}

fn validate_sandbox_distribution_origin(
    state: &SandboxCloudFrontState,
    origin: &XmlElement,
) -> Result<(), SandboxAwsError> {
    if origin.find_child("S3OriginConfig").is_none() && origin.find_child("CustomOriginConfig").is_none() {
        return Err(SandboxAwsError::new(
            400,
            "InvalidOrigin",
            "The specified origin server does not exist or is not valid: it needs S3OriginConfig or CustomOriginConfig.",
        ));
    }
    let identity = origin.find_text_at_path("S3OriginConfig/OriginAccessIdentity");
    let control = origin.find_text_at_path("OriginAccessControlId");
    if identity.is_some() && control.is_some() {
        return Err(SandboxAwsError::new(
            400,
            "IllegalOriginAccessConfiguration",
            "You cannot use both an origin access control and an origin access identity for the same origin.",
        ));
    }
    if let Some(identity) = identity {
        let known = identity
            .strip_prefix("origin-access-identity/cloudfront/")
            .is_some_and(|id| state.identities.contains_key(id));
        if !known {
            return Err(SandboxAwsError::new(
                400,
                "InvalidOriginAccessIdentity",
                "The specified origin access identity does not exist or is not valid.",
            ));
        }
    }
    if control.is_some_and(|id| !state.controls.contains_key(id)) {
        return Err(SandboxAwsError::new(
            400,
            "InvalidOriginAccessControl",
            "The specified origin access control does not exist or is not valid.",
        ));
    }
    Ok(())
}

fn validate_sandbox_cache_behavior(
    state: &SandboxCloudFrontState,
    config: &XmlElement,
    behavior: &XmlElement,
) -> Result<(), SandboxAwsError> {
    let target = behavior.find_text_at_path("TargetOriginId");
    if !config.list_items_at_path("Origins").iter().any(|origin| origin.find_text_at_path("Id") == target) {
        return Err(SandboxAwsError::new(
            404,
            "NoSuchOrigin",
            "One or more of your origins or origin groups do not exist.",
        ));
    }
    let viewer = behavior.find_text_at_path("ViewerProtocolPolicy").unwrap_or_default();
    if !["allow-all", "https-only", "redirect-to-https"].contains(&viewer) {
        return Err(build_invalid_argument_error("The parameter ViewerProtocolPolicy is not valid."));
    }
    match (behavior.find_text_at_path("CachePolicyId"), behavior.find_child("ForwardedValues")) {
        (Some(_), Some(_)) => Err(build_invalid_argument_error(
            "The parameter ForwardedValues cannot be used when a cache policy is associated to the cache behavior.",
        )),
        (None, None) => Err(build_invalid_argument_error("The parameter ForwardedValues is required.")),
        (Some(id), None) if policies::find_stored_cache_policy(state, id).is_none() => {
            Err(policies::build_unknown_cache_policy_error())
        }
        _ => Ok(()),
    }
}

/// Fills in what AWS fills in.
pub fn fill_distribution_defaults(config: &mut XmlElement) {
    let none = |name: &str| {
        XmlElement::new(name).append_child_element(XmlElement::new_text_element("Quantity", "0"))
    };
    for name in ["Aliases", "OriginGroups", "CacheBehaviors", "CustomErrorResponses"] {
        config.add_child_if_missing(none(name));
    }
    for (name, text) in [
        ("DefaultRootObject", ""),
        ("Comment", ""),
        ("PriceClass", "PriceClass_All"),
        ("WebACLId", ""),
        ("HttpVersion", "http2"),
        ("IsIPV6Enabled", "false"),
        ("ContinuousDeploymentPolicyId", ""),
        ("Staging", "false"),
    ] {
        config.add_child_if_missing(XmlElement::new_text_element(name, text));
    }
    let log = ["Bucket", "Prefix"].map(|name| XmlElement::new_text_element(name, ""));
    let mut logging = XmlElement::new("Logging")
        .append_child_element(XmlElement::new_text_element("Enabled", "false"))
        .append_child_element(XmlElement::new_text_element("IncludeCookies", "false"));
    logging.children.extend(log);
    config.add_child_if_missing(logging);
    let open = XmlElement::new("GeoRestriction")
        .append_child_element(XmlElement::new_text_element("RestrictionType", "none"))
        .append_child_element(XmlElement::new_text_element("Quantity", "0"));
    config.add_child_if_missing(XmlElement::new("Restrictions").append_child_element(open));
    config.add_child_if_missing(
        XmlElement::new("ViewerCertificate")
            .append_child_element(XmlElement::new_text_element("CloudFrontDefaultCertificate", "true")),
    );
    if let Some(certificate) = config.find_child_mut("ViewerCertificate")
        && certificate.is_xml_element_true("CloudFrontDefaultCertificate")
    {
        // With the default certificate the floor is TLSv1, whatever is asked for.
        certificate.set_child(XmlElement::new_text_element("SSLSupportMethod", "vip"));
        certificate.set_child(XmlElement::new_text_element("MinimumProtocolVersion", "TLSv1"));
        certificate.set_child(XmlElement::new_text_element("CertificateSource", "cloudfront"));
    }
    for origin in get_xml_list_items_mut(config, "Origins") {
        fill_distribution_origin_defaults(origin);
    }
    if let Some(behavior) = config.find_child_mut("DefaultCacheBehavior") {
        fill_cache_behavior_defaults(behavior);
    }
    for behavior in get_xml_list_items_mut(config, "CacheBehaviors") {
        fill_cache_behavior_defaults(behavior);
    }
}

fn get_xml_list_items_mut<'a>(
    config: &'a mut XmlElement,
    name: &str,
) -> impl Iterator<Item = &'a mut XmlElement> {
    config
        .find_child_mut(name)
        .and_then(|list| list.find_child_mut("Items"))
        .into_iter()
        .flat_map(|items| &mut items.children)
}

fn fill_distribution_origin_defaults(origin: &mut XmlElement) {
    origin.add_child_if_missing(XmlElement::new_text_element("OriginPath", ""));
    origin.add_child_if_missing(
        XmlElement::new("CustomHeaders").append_child_element(XmlElement::new_text_element("Quantity", "0")),
    );
    origin.add_child_if_missing(XmlElement::new_text_element("ConnectionAttempts", "3"));
    origin.add_child_if_missing(XmlElement::new_text_element("ConnectionTimeout", "10"));
    origin.add_child_if_missing(
        XmlElement::new("OriginShield")
            .append_child_element(XmlElement::new_text_element("Enabled", "false")),
    );
    origin.add_child_if_missing(XmlElement::new_text_element("OriginAccessControlId", ""));
}

fn fill_cache_behavior_defaults(behavior: &mut XmlElement) {
    let unsigned = |name: &str| {
        XmlElement::new(name)
            .append_child_element(XmlElement::new_text_element("Enabled", "false"))
            .append_child_element(XmlElement::new_text_element("Quantity", "0"))
    };
    behavior.add_child_if_missing(unsigned("TrustedSigners"));
    behavior.add_child_if_missing(unsigned("TrustedKeyGroups"));
    let read_only = |name: &str| {
        let items = XmlElement::new("Items")
            .append_child_element(XmlElement::new_text_element("Method", "HEAD"))
            .append_child_element(XmlElement::new_text_element("Method", "GET"));
        XmlElement::new(name)
            .append_child_element(XmlElement::new_text_element("Quantity", "2"))
            .append_child_element(items)
    };
    behavior.add_child_if_missing(read_only("AllowedMethods"));
    if let Some(allowed) = behavior.find_child_mut("AllowedMethods") {
        allowed.add_child_if_missing(read_only("CachedMethods"));
        // AWS gives methods back in its own order.
        let order = |node: &XmlElement| {
            ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"]
                .iter()
                .position(|name| *name == node.text)
        };
        if let Some(items) = allowed.find_child_mut("Items") {
            items.children.sort_by_key(order);
        }
    }
    behavior.add_child_if_missing(XmlElement::new_text_element("SmoothStreaming", "false"));
    behavior.add_child_if_missing(XmlElement::new_text_element("Compress", "false"));
    behavior.add_child_if_missing(
        XmlElement::new("LambdaFunctionAssociations")
            .append_child_element(XmlElement::new_text_element("Quantity", "0")),
    );
    behavior.add_child_if_missing(
        XmlElement::new("FunctionAssociations")
            .append_child_element(XmlElement::new_text_element("Quantity", "0")),
    );
    behavior.add_child_if_missing(XmlElement::new_text_element("FieldLevelEncryptionId", ""));
}
