//! Cache policies: the account's own, and those that AWS manages.
//!
//! A managed one can't be changed, and its minimum time to live may be more than it seems.

use super::{
    SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxCloudFrontState, SandboxControlOrPolicyConfig, SandboxState, XmlElement, format_unix_time_iso8601,
    generate_random_etag, generate_random_uuid, quantities,
};

const RESOURCE_TYPE: &str = "cache-policy";
/// How many cache policies of its own an account may have (aws-facts section 2).
const CUSTOM_POLICIES_MAX: usize = 20;

/// Id, name, and the three times to live in seconds: minimum, default, maximum (aws-facts section 2).
const MANAGED_POLICIES: [(&str, &str, [u64; 3]); 3] = [
    ("658327ea-f89d-4fab-a63d-7e88639e58f6", "Managed-CachingOptimized", [1, 86_400, 31_536_000]),
    (
        "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        "Managed-CachingOptimizedForUncompressedObjects",
        [1, 86_400, 31_536_000],
    ),
    ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled", [0, 0, 0]),
];

/// Finds a policy by its id, own or managed.
pub fn find_stored_cache_policy(
    state: &SandboxCloudFrontState,
    id: &str,
) -> Option<SandboxControlOrPolicyConfig> {
    state.policies.get(id).cloned().or_else(|| {
        let (id, name, ttl) = MANAGED_POLICIES.iter().find(|(managed, ..)| *managed == id)?;
        Some(SandboxControlOrPolicyConfig {
            id: (*id).into(),
            name: (*name).into(),
            config: render_managed_cache_policy(name, *ttl),
            etag: "E23ZP02F085DFQ".into(),
            ..SandboxControlOrPolicyConfig::default()
        })
    })
}

fn render_managed_cache_policy(name: &str, [min, default, max]: [u64; 3]) -> String {
    let none = |kind: &str, field: &str| {
        XmlElement::new(kind).append_child_element(XmlElement::new_text_element(field, "none"))
    };
    XmlElement::new("CachePolicyConfig")
        .append_child_element(XmlElement::new_text_element("Comment", ""))
        .append_child_element(XmlElement::new_text_element("Name", name))
        .append_child_element(XmlElement::new_text_element("DefaultTTL", default.to_string()))
        .append_child_element(XmlElement::new_text_element("MaxTTL", max.to_string()))
        .append_child_element(XmlElement::new_text_element("MinTTL", min.to_string()))
        .append_child_element(
            XmlElement::new("ParametersInCacheKeyAndForwardedToOrigin")
                .append_child_element(XmlElement::new_text_element("EnableAcceptEncodingGzip", "false"))
                .append_child_element(XmlElement::new_text_element("EnableAcceptEncodingBrotli", "false"))
                .append_child_element(none("HeadersConfig", "HeaderBehavior"))
                .append_child_element(none("CookiesConfig", "CookieBehavior"))
                .append_child_element(none("QueryStringsConfig", "QueryStringBehavior")),
        )
        .to_string()
}

fn parse_cache_policy_config(policy: &SandboxControlOrPolicyConfig) -> XmlElement {
    XmlElement::parse_xml(&policy.config).unwrap_or_default()
}

fn render_cache_policy_xml(policy: &SandboxControlOrPolicyConfig) -> XmlElement {
    XmlElement::new("CachePolicy")
        .append_child_element(XmlElement::new_text_element("Id", &policy.id))
        .append_child_element(XmlElement::new_text_element(
            "LastModifiedTime",
            format_unix_time_iso8601(policy.modified),
        ))
        .append_child_element(parse_cache_policy_config(policy))
}

/// A configuration with what AWS fills in; refused where it can't be.
fn validate_and_complete_cache_policy(mut document: XmlElement) -> Result<XmlElement, SandboxAwsError> {
    quantities::check_xml_list_quantities(&document)?;
    if document.find_text_at_path("Name").is_none() {
        return Err(super::build_invalid_argument_error("The parameter Name is required."));
    }
    document.add_child_if_missing(XmlElement::new_text_element("Comment", ""));
    document.add_child_if_missing(XmlElement::new_text_element("DefaultTTL", "86400"));
    document.add_child_if_missing(XmlElement::new_text_element("MaxTTL", "31536000"));
    let time = |field: &str| document.find_text_at_path(field).and_then(|text| text.parse::<u64>().ok());
    match (time("MinTTL"), time("DefaultTTL"), time("MaxTTL")) {
        (Some(min), Some(default), Some(max)) if min <= default && default <= max => Ok(document),
        _ => Err(super::build_invalid_argument_error(
            "The parameter MinTTL should be less than or equal to DefaultTTL, and DefaultTTL to MaxTTL.",
        )),
    }
}

fn validate_sandbox_cache_policy_name(
    state: &SandboxCloudFrontState,
    name: &str,
    but: &str,
) -> Result<(), SandboxAwsError> {
    let taken = state.policies.values().any(|policy| policy.name == name && policy.id != but)
        || MANAGED_POLICIES.iter().any(|(_, managed, _)| *managed == name);
    if taken {
        Err(SandboxAwsError::new(
            409,
            "CachePolicyAlreadyExists",
            "A cache policy with this name already exists. You must provide a unique name. To modify an existing cache policy, use UpdateCachePolicy.",
        ))
    } else {
        Ok(())
    }
}

/// Answers CreateCachePolicy.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_create_cache_policy(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let document = validate_and_complete_cache_policy(ask.parse_sandbox_request_xml()?)?;
    let name = document.find_text_at_path("Name").unwrap_or_default().to_owned();
    validate_sandbox_cache_policy_name(&state.cloudfront, &name, "")?;
    if state.cloudfront.policies.len() >= CUSTOM_POLICIES_MAX {
        return Err(SandboxAwsError::new(
            400,
            "TooManyCachePolicies",
            "You have reached the maximum number of cache policies for this AWS account.",
        ));
    }
    let policy = SandboxControlOrPolicyConfig {
        id: generate_random_uuid(),
        name,
        config: document.to_string(),
        etag: generate_random_etag(),
        modified: ask.clock.now,
    };
    let said = SandboxCloudFrontReply::build_cloudfront_created_reply(
        render_cache_policy_xml(&policy),
        &policy.etag,
        &format!("cache-policy/{}", policy.id),
    );
    state.cloudfront.policies.insert(policy.id.clone(), policy);
    Ok(said)
}

/// Answers GetCachePolicy.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_get_cache_policy(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, &ask.id)?;
    let policy =
        find_stored_cache_policy(&state.cloudfront, &ask.id).ok_or_else(build_unknown_cache_policy_error)?;
    let node =
        if ask.config_alone { parse_cache_policy_config(&policy) } else { render_cache_policy_xml(&policy) };
    Ok(SandboxCloudFrontReply::build_cloudfront_reply_with_etag(node, &policy.etag))
}

/// Refuses an id that no policy has.
pub fn build_unknown_cache_policy_error() -> SandboxAwsError {
    SandboxAwsError::new(404, "NoSuchCachePolicy", "The specified cache policy does not exist.")
}

/// Answers ListCachePolicies.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_cache_policies(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let kind = ask.query.get("Type").map(String::as_str);
    if kind.is_some_and(|kind| !["managed", "custom"].contains(&kind)) {
        return Err(super::build_invalid_argument_error("The parameter Type is invalid."));
    }
    let managed = MANAGED_POLICIES
        .iter()
        .filter_map(|(id, ..)| find_stored_cache_policy(&state.cloudfront, id))
        .map(|policy| ("managed", policy));
    let own = state.cloudfront.policies.values().cloned().map(|policy| ("custom", policy));
    let mut items: Vec<_> = managed
        .chain(own)
        .filter(|(of, _)| kind.is_none_or(|kind| kind == *of))
        .map(|(of, policy)| {
            (
                policy.id.clone(),
                XmlElement::new("CachePolicySummary")
                    .append_child_element(XmlElement::new_text_element("Type", of))
                    .append_child_element(render_cache_policy_xml(&policy)),
            )
        })
        .collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    let mut list = ask.render_cloudfront_list_page("CachePolicyList", items);
    list.children.retain(|child| child.name != "Marker" && child.name != "IsTruncated");
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(list))
}

/// Answers UpdateCachePolicy.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_update_cache_policy(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, &ask.id)?;
    let old =
        find_stored_cache_policy(&state.cloudfront, &ask.id).ok_or_else(build_unknown_cache_policy_error)?;
    if !state.cloudfront.policies.contains_key(&ask.id) {
        return Err(SandboxAwsError::new(400, "IllegalUpdate", "You cannot update a managed cache policy."));
    }
    ask.check_if_match(&old.etag)?;
    let document = validate_and_complete_cache_policy(ask.parse_sandbox_request_xml()?)?;
    let name = document.find_text_at_path("Name").unwrap_or_default().to_owned();
    validate_sandbox_cache_policy_name(&state.cloudfront, &name, &ask.id)?;
    let policy = SandboxControlOrPolicyConfig {
        name,
        config: document.to_string(),
        etag: generate_random_etag(),
        modified: ask.clock.now,
        ..old
    };
    let said = SandboxCloudFrontReply::build_cloudfront_reply_with_etag(
        render_cache_policy_xml(&policy),
        &policy.etag,
    );
    state.cloudfront.policies.insert(policy.id.clone(), policy);
    Ok(said)
}
