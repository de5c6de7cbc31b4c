//! Tags of distributions; nothing else here can carry any.
//!
//! Adding keeps those that are there.

use std::collections::BTreeMap;

use super::{
    ACCOUNT_ID, SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxDistribution, SandboxState, XmlElement, add_request_tag_condition_keys,
};

/// Reads the tags of a `<Tags>` element.
pub fn parse_xml_tags(tags: Option<&XmlElement>) -> BTreeMap<String, String> {
    let items = tags.and_then(|tags| tags.find_child("Items")).map_or(&[][..], |items| &items.children);
    let text = |tag: &XmlElement, name: &str| tag.find_text_at_path(name).unwrap_or_default().to_owned();
    items.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// Checks tags before they are kept.
///
/// # Errors
/// Refuses a tag that AWS doesn't take.
pub fn validate_distribution_tags(tags: &BTreeMap<String, String>) -> Result<(), SandboxAwsError> {
    let fits = |text: &str, most: usize| {
        text.len() <= most && text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c))
    };
    let good = tags.len() <= 50
        && tags.iter().all(|(key, value)| {
            !key.is_empty() && !key.starts_with("aws:") && fits(key, 128) && fits(value, 256)
        });
    if good {
        Ok(())
    } else {
        Err(SandboxAwsError::new(400, "InvalidTagging", "The tagging specified is not valid."))
    }
}

fn parse_tagged_distribution_id<'a>(ask: &'a SandboxCloudFrontApiCall<'_>) -> &'a str {
    let prefix = format!("arn:aws:cloudfront::{ACCOUNT_ID}:distribution/");
    ask.query.get("Resource").and_then(|arn| arn.strip_prefix(&prefix)).unwrap_or_default()
}

fn build_no_such_resource_error() -> SandboxAwsError {
    SandboxAwsError::new(404, "NoSuchResource", "The specified resource does not exist.")
}

/// Answers ListTagsForResource.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_distribution_tags(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, "distribution", parse_tagged_distribution_id(ask))?;
    let distribution: &SandboxDistribution = state
        .cloudfront
        .distributions
        .get(parse_tagged_distribution_id(ask))
        .ok_or_else(build_no_such_resource_error)?;
    let mut items = XmlElement::new("Items");
    items.children = distribution
        .tags
        .iter()
        .map(|(key, value)| {
            XmlElement::new("Tag")
                .append_child_element(XmlElement::new_text_element("Key", key))
                .append_child_element(XmlElement::new_text_element("Value", value))
        })
        .collect();
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(XmlElement::new("Tags").append_child_element(items)))
}

/// Answers TagResource.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_tag_distribution(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    let id = parse_tagged_distribution_id(ask).to_owned();
    let tags = parse_xml_tags(Some(&ask.parse_sandbox_request_xml()?));
    let resource = format!("arn:aws:cloudfront::{ACCOUNT_ID}:distribution/{id}");
    ask.authorize_cloudfront_call(
        state,
        "TagResource",
        &resource,
        &add_request_tag_condition_keys(ask.caller.build_caller_condition_context(), &tags),
    )?;
    validate_distribution_tags(&tags)?;
    state.cloudfront.distributions.get_mut(&id).ok_or_else(build_no_such_resource_error)?.tags.extend(tags);
    Ok(SandboxCloudFrontReply { status: 204, body: None, etag: None, location: None })
}
