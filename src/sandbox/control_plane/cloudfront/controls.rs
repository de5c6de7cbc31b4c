//! Origin access controls: named, one of a name.
//!
//! A control has no tags and no reference; its name is how it is found again.

use super::{
    SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxControlOrPolicyConfig, SandboxState, XmlElement, generate_random_aws_id, generate_random_etag,
};

const RESOURCE_TYPE: &str = "origin-access-control";

fn render_origin_access_control(control: &SandboxControlOrPolicyConfig) -> XmlElement {
    XmlElement::new("OriginAccessControl")
        .append_child_element(XmlElement::new_text_element("Id", &control.id))
        .append_child_element(parse_sandbox_origin_control_config(control))
}

fn parse_sandbox_origin_control_config(control: &SandboxControlOrPolicyConfig) -> XmlElement {
    XmlElement::parse_xml(&control.config).unwrap_or_default()
}

/// Answers CreateOriginAccessControl.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_create_origin_access_control(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let document = ask.parse_sandbox_request_xml()?;
    let name = document.find_text_at_path("Name").unwrap_or_default().to_owned();
    let one_of = |field: &str, known: &[&str]| {
        document.find_text_at_path(field).is_some_and(|text| known.contains(&text))
    };
    if name.is_empty() || name.len() > 64 {
        return Err(super::build_invalid_argument_error("The parameter Name is not valid."));
    }
    if !one_of("SigningProtocol", &["sigv4"])
        || !one_of("SigningBehavior", &["always", "never", "no-override"])
        || !one_of("OriginAccessControlOriginType", &["s3", "lambda", "mediastore", "mediapackagev2"])
    {
        return Err(super::build_invalid_argument_error("The origin access control is not valid."));
    }
    if state.cloudfront.controls.values().any(|control| control.name == name) {
        return Err(SandboxAwsError::new(
            409,
            "OriginAccessControlAlreadyExists",
            "An origin access control with this name already exists.",
        ));
    }
    let control = SandboxControlOrPolicyConfig {
        id: generate_random_aws_id("E", 13),
        name,
        config: document.to_string(),
        etag: generate_random_etag(),
        modified: ask.clock.now,
    };
    let said = SandboxCloudFrontReply::build_cloudfront_created_reply(
        render_origin_access_control(&control),
        &control.etag,
        &format!("origin-access-control/{}", control.id),
    );
    state.cloudfront.controls.insert(control.id.clone(), control);
    Ok(said)
}

/// Answers GetOriginAccessControl.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_get_origin_access_control(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, &ask.id)?;
    let control = state.cloudfront.controls.get(&ask.id).ok_or_else(|| {
        SandboxAwsError::new(
            404,
            "NoSuchOriginAccessControl",
            "The specified origin access control does not exist.",
        )
    })?;
    let node = if ask.config_alone {
        parse_sandbox_origin_control_config(control)
    } else {
        render_origin_access_control(control)
    };
    Ok(SandboxCloudFrontReply::build_cloudfront_reply_with_etag(node, &control.etag))
}

/// Answers ListOriginAccessControls.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_origin_access_controls(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let items = state
        .cloudfront
        .controls
        .values()
        .map(|control| {
            let mut summary = XmlElement::new("OriginAccessControlSummary")
                .append_child_element(XmlElement::new_text_element("Id", &control.id));
            let config = parse_sandbox_origin_control_config(control);
            // Which a summary always holds.
            if config.find_element_at_path("Description").is_none() {
                summary.children.push(XmlElement::new_text_element("Description", ""));
            }
            summary.children.extend(config.children);
            (control.id.clone(), summary)
        })
        .collect();
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(
        ask.render_cloudfront_list_page("OriginAccessControlList", items),
    ))
}
