//! A distribution's configuration: what is refused, and what AWS fills in where it was left out.
//!
//! What the sandbox doesn't know stays as it came.

use super::{Clock, Node, Refusal, State, invalid, policies, store};
use crate::sandbox::control_plane::acm;

/// # Errors
/// Where a list's Quantity isn't the number of its items, anywhere below.
pub fn check_quantities(node: &Node) -> Result<(), Refusal> {
    if let Some(quantity) = node.text_at("Quantity") {
        let items = node.child("Items").map_or(0, |items| items.children.len());
        if quantity != items.to_string() {
            return Err(Refusal::new(
                400,
                "InconsistentQuantities",
                "The value of Quantity and the size of Items don't match.",
            ));
        }
    }
    node.children.iter().try_for_each(check_quantities)
}

/// The default behavior and every other one.
pub fn behaviors(config: &Node) -> Vec<&Node> {
    config.child("DefaultCacheBehavior").into_iter().chain(config.items("CacheBehaviors")).collect()
}

/// The other names of a configuration kept as text.
pub fn aliases(config: &str) -> Vec<String> {
    // Looked up for each request to an unknown host: spare the parsing where there can be none.
    if !config.contains("<CNAME>") {
        return Vec::new();
    }
    let config = Node::parse(config).unwrap_or_default();
    config.items("Aliases").iter().map(|alias| alias.text.clone()).collect()
}

/// # Errors
/// AWS's refusal of a configuration, but for its functions.
pub fn check(world: &store::State, clock: Clock, config: &Node, own_id: &str) -> Result<(), Refusal> {
    let state = &world.cloudfront;
    check_quantities(config)?;
    for field in ["CallerReference", "Origins", "DefaultCacheBehavior", "Enabled"] {
        if config.child(field).is_none() {
            return Err(super::malformed(format!("{field} is missing")));
        }
    }
    if config.text_at("CallerReference").is_none() {
        return Err(invalid("The parameter CallerReference is required."));
    }
    if config.text_at("Comment").is_some_and(|comment| comment.chars().count() > 128) {
        return Err(invalid("The parameter Comment is too long."));
    }
    check_aliases(world, clock, config, own_id)?;
    if config.items("Origins").is_empty() {
        return Err(invalid("Your request must contain at least one origin."));
    }
    config.items("Origins").iter().try_for_each(|origin| check_origin(state, origin))?;
    behaviors(config).into_iter().try_for_each(|behavior| check_behavior(state, config, behavior))
}

fn check_aliases(world: &store::State, clock: Clock, config: &Node, own_id: &str) -> Result<(), Refusal> {
    let own: Vec<&str> = config.items("Aliases").iter().map(|alias| alias.text.as_str()).collect();
    let certificate = config
        .text_at("ViewerCertificate/ACMCertificateArn")
        .or(config.text_at("ViewerCertificate/IAMCertificateId"));
    if !own.is_empty() && certificate.is_none() {
        return Err(Refusal::new(
            400,
            "InvalidViewerCertificate",
            "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted certificate that validates your authorization to use the domain name.",
        ));
    }
    if let Some(arn) = config.text_at("ViewerCertificate/ACMCertificateArn")
        && let Some(why) = acm::unfit(&world.acm, clock, arn, &own)
    {
        return Err(Refusal::new(400, "InvalidViewerCertificate", why));
    }
    let others = world.cloudfront.distributions.values().filter(|other| other.id != own_id);
    if others.flat_map(|other| aliases(&other.config)).any(|alias| own.contains(&alias.as_str())) {
        return Err(Refusal::new(
            409,
            "CNAMEAlreadyExists",
            "One or more of the CNAMEs you provided are already associated with a different resource.",
        ));
    }
    Ok(())
}

fn check_origin(state: &State, origin: &Node) -> Result<(), Refusal> {
    if origin.child("S3OriginConfig").is_none() && origin.child("CustomOriginConfig").is_none() {
        return Err(Refusal::new(
            400,
            "InvalidOrigin",
            "The specified origin server does not exist or is not valid: it needs S3OriginConfig or CustomOriginConfig.",
        ));
    }
    let identity = origin.text_at("S3OriginConfig/OriginAccessIdentity");
    let control = origin.text_at("OriginAccessControlId");
    if identity.is_some() && control.is_some() {
        return Err(Refusal::new(
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
            return Err(Refusal::new(
                400,
                "InvalidOriginAccessIdentity",
                "The specified origin access identity does not exist or is not valid.",
            ));
        }
    }
    if control.is_some_and(|id| !state.controls.contains_key(id)) {
        return Err(Refusal::new(
            400,
            "InvalidOriginAccessControl",
            "The specified origin access control does not exist or is not valid.",
        ));
    }
    Ok(())
}

fn check_behavior(state: &State, config: &Node, behavior: &Node) -> Result<(), Refusal> {
    let target = behavior.text_at("TargetOriginId");
    if !config.items("Origins").iter().any(|origin| origin.text_at("Id") == target) {
        return Err(Refusal::new(
            404,
            "NoSuchOrigin",
            "One or more of your origins or origin groups do not exist.",
        ));
    }
    let viewer = behavior.text_at("ViewerProtocolPolicy").unwrap_or_default();
    if !["allow-all", "https-only", "redirect-to-https"].contains(&viewer) {
        return Err(invalid("The parameter ViewerProtocolPolicy is not valid."));
    }
    match (behavior.text_at("CachePolicyId"), behavior.child("ForwardedValues")) {
        (Some(_), Some(_)) => Err(invalid(
            "The parameter ForwardedValues cannot be used when a cache policy is associated to the cache behavior.",
        )),
        (None, None) => Err(invalid("The parameter ForwardedValues is required.")),
        (Some(id), None) if policies::find(state, id).is_none() => Err(policies::none()),
        _ => Ok(()),
    }
}

/// Fills in what AWS fills in.
pub fn complete(config: &mut Node) {
    let none = |name: &str| Node::new(name).with(Node::leaf("Quantity", "0"));
    for name in ["Aliases", "OriginGroups", "CacheBehaviors", "CustomErrorResponses"] {
        config.fill(none(name));
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
        config.fill(Node::leaf(name, text));
    }
    let log = ["Bucket", "Prefix"].map(|name| Node::leaf(name, ""));
    let mut logging =
        Node::new("Logging").with(Node::leaf("Enabled", "false")).with(Node::leaf("IncludeCookies", "false"));
    logging.children.extend(log);
    config.fill(logging);
    let open = Node::new("GeoRestriction")
        .with(Node::leaf("RestrictionType", "none"))
        .with(Node::leaf("Quantity", "0"));
    config.fill(Node::new("Restrictions").with(open));
    config.fill(Node::new("ViewerCertificate").with(Node::leaf("CloudFrontDefaultCertificate", "true")));
    if let Some(certificate) = config.child_mut("ViewerCertificate")
        && certificate.flag_at("CloudFrontDefaultCertificate")
    {
        // With the default certificate the floor is TLSv1, whatever is asked for.
        certificate.set(Node::leaf("SSLSupportMethod", "vip"));
        certificate.set(Node::leaf("MinimumProtocolVersion", "TLSv1"));
        certificate.set(Node::leaf("CertificateSource", "cloudfront"));
    }
    for origin in items_mut(config, "Origins") {
        complete_origin(origin);
    }
    if let Some(behavior) = config.child_mut("DefaultCacheBehavior") {
        complete_behavior(behavior);
    }
    for behavior in items_mut(config, "CacheBehaviors") {
        complete_behavior(behavior);
    }
}

fn items_mut<'a>(config: &'a mut Node, name: &str) -> impl Iterator<Item = &'a mut Node> {
    config
        .child_mut(name)
        .and_then(|list| list.child_mut("Items"))
        .into_iter()
        .flat_map(|items| &mut items.children)
}

fn complete_origin(origin: &mut Node) {
    origin.fill(Node::leaf("OriginPath", ""));
    origin.fill(Node::new("CustomHeaders").with(Node::leaf("Quantity", "0")));
    origin.fill(Node::leaf("ConnectionAttempts", "3"));
    origin.fill(Node::leaf("ConnectionTimeout", "10"));
    origin.fill(Node::new("OriginShield").with(Node::leaf("Enabled", "false")));
    origin.fill(Node::leaf("OriginAccessControlId", ""));
}

fn complete_behavior(behavior: &mut Node) {
    let unsigned =
        |name: &str| Node::new(name).with(Node::leaf("Enabled", "false")).with(Node::leaf("Quantity", "0"));
    behavior.fill(unsigned("TrustedSigners"));
    behavior.fill(unsigned("TrustedKeyGroups"));
    let read_only = |name: &str| {
        let items = Node::new("Items").with(Node::leaf("Method", "HEAD")).with(Node::leaf("Method", "GET"));
        Node::new(name).with(Node::leaf("Quantity", "2")).with(items)
    };
    behavior.fill(read_only("AllowedMethods"));
    if let Some(allowed) = behavior.child_mut("AllowedMethods") {
        allowed.fill(read_only("CachedMethods"));
        // AWS gives methods back in its own order.
        let order = |node: &Node| {
            ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"]
                .iter()
                .position(|name| *name == node.text)
        };
        if let Some(items) = allowed.child_mut("Items") {
            items.children.sort_by_key(order);
        }
    }
    behavior.fill(Node::leaf("SmoothStreaming", "false"));
    behavior.fill(Node::leaf("Compress", "false"));
    behavior.fill(Node::new("LambdaFunctionAssociations").with(Node::leaf("Quantity", "0")));
    behavior.fill(Node::new("FunctionAssociations").with(Node::leaf("Quantity", "0")));
    behavior.fill(Node::leaf("FieldLevelEncryptionId", ""));
}
