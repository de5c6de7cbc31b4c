//! Origin access identities: by id, ARN and canonical user id.
//!
//! The same reference with the same comment gives the identity that is there; with another comment it is refused.

use super::{
    SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxOriginAccessIdentity, SandboxState, XmlElement, generate_random_aws_id, generate_random_etag,
};

const RESOURCE_TYPE: &str = "origin-access-identity";

fn render_origin_identity_config(identity: &SandboxOriginAccessIdentity) -> XmlElement {
    XmlElement::new("CloudFrontOriginAccessIdentityConfig")
        .append_child_element(XmlElement::new_text_element("CallerReference", &identity.reference))
        .append_child_element(XmlElement::new_text_element("Comment", &identity.comment))
}

fn render_origin_identity(identity: &SandboxOriginAccessIdentity) -> XmlElement {
    XmlElement::new("CloudFrontOriginAccessIdentity")
        .append_child_element(XmlElement::new_text_element("Id", &identity.id))
        .append_child_element(XmlElement::new_text_element("S3CanonicalUserId", &identity.canonical))
        .append_child_element(render_origin_identity_config(identity))
}

/// Answers CreateCloudFrontOriginAccessIdentity.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_create_origin_access_identity(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let document = ask.parse_sandbox_request_xml()?;
    let reference = document.find_text_at_path("CallerReference").unwrap_or_default().to_owned();
    let comment = document.find_element_at_path("Comment").map(|node| node.text.clone()).unwrap_or_default();
    if comment.chars().count() > 128 {
        return Err(super::build_invalid_argument_error("The parameter Comment is too long."));
    }
    if let Some(there) = state.cloudfront.identities.values().find(|identity| identity.reference == reference)
    {
        return if there.comment == comment {
            Ok(SandboxCloudFrontReply::build_cloudfront_created_reply(
                render_origin_identity(there),
                &there.etag,
                &format!("origin-access-identity/cloudfront/{}", there.id),
            ))
        } else {
            Err(SandboxAwsError::new(
                409,
                "CloudFrontOriginAccessIdentityAlreadyExists",
                format!(
                    "The caller reference {reference} is already used by an origin access identity with another configuration: {}",
                    there.id
                ),
            ))
        };
    }
    if state.cloudfront.identities.len() >= 100 {
        return Err(SandboxAwsError::new(
            400,
            "TooManyCloudFrontOriginAccessIdentities",
            "Processing your request would cause you to exceed the maximum number of origin access identities allowed.",
        ));
    }
    let canonical: String =
        (0..96).map(|_| char::from_digit(fastrand::u32(..16), 16).unwrap_or('0')).collect();
    let identity = SandboxOriginAccessIdentity {
        id: generate_random_aws_id("E", 13),
        canonical,
        reference,
        comment,
        etag: generate_random_etag(),
        created: ask.clock.now,
    };
    let said = SandboxCloudFrontReply::build_cloudfront_created_reply(
        render_origin_identity(&identity),
        &identity.etag,
        &format!("origin-access-identity/cloudfront/{}", identity.id),
    );
    state.cloudfront.identities.insert(identity.id.clone(), identity);
    Ok(said)
}

/// Answers GetCloudFrontOriginAccessIdentity.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_get_origin_access_identity(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, &ask.id)?;
    let identity = state.cloudfront.identities.get(&ask.id).ok_or_else(|| {
        SandboxAwsError::new(
            404,
            "NoSuchCloudFrontOriginAccessIdentity",
            "The specified origin access identity does not exist.",
        )
    })?;
    let node = if ask.config_alone {
        render_origin_identity_config(identity)
    } else {
        render_origin_identity(identity)
    };
    Ok(SandboxCloudFrontReply::build_cloudfront_reply_with_etag(node, &identity.etag))
}

/// Answers ListCloudFrontOriginAccessIdentities.
///
/// # Errors
/// Refuses as CloudFront does.
pub fn handle_list_origin_access_identities(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
) -> SandboxCloudFrontResult {
    ask.authorize_call_on_resource(state, RESOURCE_TYPE, "*")?;
    let known = state
        .cloudfront
        .identities
        .values()
        .filter(|one| ask.clock.has_delay_passed(one.created, ask.clock.delays.listing));
    let items = known
        .map(|identity| {
            let summary = XmlElement::new("CloudFrontOriginAccessIdentitySummary")
                .append_child_element(XmlElement::new_text_element("Id", &identity.id))
                .append_child_element(XmlElement::new_text_element("S3CanonicalUserId", &identity.canonical))
                .append_child_element(XmlElement::new_text_element("Comment", &identity.comment));
            (identity.id.clone(), summary)
        })
        .collect();
    Ok(SandboxCloudFrontReply::cloudfront_reply_from_xml(
        ask.render_cloudfront_list_page("CloudFrontOriginAccessIdentityList", items),
    ))
}
