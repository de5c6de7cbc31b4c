//! Distributions: made once by a reference, replaced whole under an ETag, deployed in time.
//!
//! Each change has a new ETag, and puts the distribution in progress, while the edges go on with what they had.

use std::collections::BTreeMap;

use super::{
    ACCOUNT_ID, SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxDistribution, SandboxState, XmlElement, add_request_tag_condition_keys, associations, config,
    format_unix_time_iso8601, generate_random_aws_id, generate_random_etag, tags,
};

/// What a summary repeats of the configuration.
const SUMMARY_FIELDS: [&str; 15] = [
    "Aliases",
    "Origins",
    "OriginGroups",
    "DefaultCacheBehavior",
    "CacheBehaviors",
    "CustomErrorResponses",
    "Comment",
    "PriceClass",
    "Enabled",
    "ViewerCertificate",
    "Restrictions",
    "WebACLId",
    "HttpVersion",
    "IsIPV6Enabled",
    "Staging",
];

fn parse_sandbox_distribution_config(distribution: &SandboxDistribution) -> XmlElement {
    XmlElement::parse_xml(&distribution.config).unwrap_or_default()
}

/// The fields before the configuration.
fn render_distribution_xml_metadata(
    name: &str,
    distribution: &SandboxDistribution,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> XmlElement {
    let status =
        if distribution.is_sandbox_distribution_deployed(ask.clock) { "Deployed" } else { "InProgress" };
    XmlElement::new(name)
        .append_child_element(XmlElement::new_text_element("Id", &distribution.id))
        .append_child_element(XmlElement::new_text_element("ARN", distribution.format_distribution_arn()))
        .append_child_element(XmlElement::new_text_element("Status", status))
        .append_child_element(XmlElement::new_text_element(
            "LastModifiedTime",
            format_unix_time_iso8601(distribution.modified),
        ))
        .append_child_element(XmlElement::new_text_element("DomainName", &distribution.domain))
}

fn render_distribution_xml(
    distribution: &SandboxDistribution,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> XmlElement {
    let unsigned = |name: &str| {
        XmlElement::new(name)
            .append_child_element(XmlElement::new_text_element("Enabled", "false"))
            .append_child_element(XmlElement::new_text_element("Quantity", "0"))
    };
    render_distribution_xml_metadata("Distribution", distribution, ask)
        .append_child_element(XmlElement::new_text_element("InProgressInvalidationBatches", "0"))
        .append_child_element(unsigned("ActiveTrustedSigners"))
        .append_child_element(unsigned("ActiveTrustedKeyGroups"))
        .append_child_element(parse_sandbox_distribution_config(distribution))
}

/// Answers CreateDistribution.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_create_distribution(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let document = ask.parse_sandbox_request_xml()?;
    let (mut config, tags) = if ask.operation == "CreateDistributionWithTags" {
        let config = document.find_child("DistributionConfig").cloned().unwrap_or_default();
        (config, tags::parse_xml_tags(document.find_child("Tags")))
    } else {
        (document, BTreeMap::new())
    };
    let resource = format!("arn:aws:cloudfront::{ACCOUNT_ID}:distribution/*");
    let context = add_request_tag_condition_keys(ask.caller.build_caller_condition_context(), &tags);
    ask.authorize_cloudfront_call(state, "CreateDistribution", &resource, &context)?;
    if !tags.is_empty() {
        ask.authorize_cloudfront_call(state, "TagResource", &resource, &context)?;
    }
    tags::validate_distribution_tags(&tags)?;
    let reference = config.find_text_at_path("CallerReference").unwrap_or_default().to_owned();
    let same = state.cloudfront.distributions.values().find(|other| {
        parse_sandbox_distribution_config(other).find_text_at_path("CallerReference") == Some(&reference)
    });
    if let Some(there) = same {
        return Err(SandboxAwsError::new(
            409,
            "DistributionAlreadyExists",
            format!(
                "The caller reference that you are using to create a distribution is associated with another distribution. Already exists: {}",
                there.id
            ),
        ));
    }
    config::validate_sandbox_distribution_config(state, ask.clock, &config, "")?;
    associations::validate_sandbox_function_associations(state, ask, &config)?;
    associations::ensure_sandbox_replication_roles(state, ask, &config)?;
    config::fill_distribution_defaults(&mut config);
    let distribution = SandboxDistribution {
        id: generate_random_aws_id("E", 13),
        domain: format!("{}.cloudfront.net", generate_random_aws_id("d", 13).to_lowercase()),
        config: config.to_string(),
        etag: generate_random_etag(),
        created: ask.clock.now,
        modified: ask.clock.now,
        deployed_before: None,
        tags,
        invalidations: Vec::new(),
    };
    let said = SandboxCloudFrontReply::build_cloudfront_created_reply(
        render_distribution_xml(&distribution, ask),
        &distribution.etag,
        &format!("distribution/{}", distribution.id),
    );
    state.cloudfront.distributions.insert(distribution.id.clone(), distribution);
    Ok(said)
}

/// Finds a distribution, after the caller was held to his policies.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn find_authorized_distribution<'a>(
    state: &'a SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
    id: &str,
) -> Result<&'a SandboxDistribution, SandboxAwsError> {
    ask.authorize_call_on_resource(state, "distribution", id)?;
    state.cloudfront.distributions.get(id).ok_or_else(|| {
        SandboxAwsError::new(404, "NoSuchDistribution", "The specified distribution does not exist.")
    })
}

/// Answers GetDistribution.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_get_distribution(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let distribution = find_authorized_distribution(state, ask, &ask.id)?;
    let node = if ask.config_alone {
        parse_sandbox_distribution_config(distribution)
    } else {
        render_distribution_xml(distribution, ask)
    };
    Ok(SandboxCloudFrontReply::build_cloudfront_reply_with_etag(node, &distribution.etag))
}

/// Answers ListDistributions.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_distributions(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, "distribution", "*")?;
    let clock = ask.clock;
    let known = state
        .cloudfront
        .distributions
        .values()
        .filter(|one| clock.has_delay_passed(one.created, clock.delays.listing));
    let items = known
        .map(|distribution| {
            let mut summary = render_distribution_xml_metadata("DistributionSummary", distribution, ask);
            let fields = parse_sandbox_distribution_config(distribution)
                .children
                .into_iter()
                .filter(|field| SUMMARY_FIELDS.contains(&field.name.as_str()));
            summary.children.extend(fields);
            (distribution.id.clone(), summary)
        })
        .collect();
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(
        ask.render_cloudfront_list_page("DistributionList", items),
    ))
}

/// Answers UpdateDistribution.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_update_distribution(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let old = find_authorized_distribution(state, ask, &ask.id)?.clone();
    ask.check_if_match(&old.etag)?;
    let mut config = ask.parse_sandbox_request_xml()?;
    if config.find_text_at_path("CallerReference")
        != parse_sandbox_distribution_config(&old).find_text_at_path("CallerReference")
    {
        return Err(SandboxAwsError::new(
            400,
            "IllegalUpdate",
            "The update contains modifications that are not allowed.",
        ));
    }
    config::validate_sandbox_distribution_config(state, ask.clock, &config, &old.id)?;
    associations::validate_sandbox_function_associations(state, ask, &config)?;
    associations::ensure_sandbox_replication_roles(state, ask, &config)?;
    config::fill_distribution_defaults(&mut config);
    let distribution = SandboxDistribution {
        config: config.to_string(),
        etag: generate_random_etag(),
        modified: ask.clock.now,
        deployed_before: old.sandbox_deployed_config(ask.clock).map(ToOwned::to_owned),
        ..old
    };
    let said = SandboxCloudFrontReply::build_cloudfront_reply_with_etag(
        render_distribution_xml(&distribution, ask),
        &distribution.etag,
    );
    state.cloudfront.distributions.insert(distribution.id.clone(), distribution);
    Ok(said)
}

/// Lets somebody else choose another price class: for the distribution named, or for all.
pub fn inject_distribution_drift(state: &mut SandboxState, ask: &SandboxCloudFrontApiCall<'_>) {
    let one = state.cloudfront.distributions.contains_key(&ask.id).then(|| ask.id.clone());
    for distribution in state.cloudfront.distributions.values_mut() {
        if one.as_ref().is_some_and(|id| *id != distribution.id) {
            continue;
        }
        let mut config = parse_sandbox_distribution_config(distribution);
        let other = if config.find_text_at_path("PriceClass") == Some("PriceClass_100") {
            "PriceClass_200"
        } else {
            "PriceClass_100"
        };
        config.set_child(XmlElement::new_text_element("PriceClass", other));
        distribution.deployed_before = distribution.sandbox_deployed_config(ask.clock).map(ToOwned::to_owned);
        distribution.config = config.to_string();
        distribution.etag = generate_random_etag();
        distribution.modified = ask.clock.now;
    }
}
