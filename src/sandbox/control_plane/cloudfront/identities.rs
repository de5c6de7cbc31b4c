//! Origin access identities: by id, ARN and canonical user id.
//!
//! The same reference with the same comment gives the identity that is there; with another comment it is refused.

use super::{
    SandboxAwsError, SandboxCloudFrontApiCall, SandboxCloudFrontReply, SandboxCloudFrontResult,
    SandboxOriginAccessIdentity, SandboxState, XmlElement, random_etag, random_id,
};

const RESOURCE_TYPE: &str = "origin-access-identity";

fn render_origin_identity_config(identity: &SandboxOriginAccessIdentity) -> XmlElement {
    XmlElement::new("CloudFrontOriginAccessIdentityConfig")
        .with_child(XmlElement::leaf_element("CallerReference", &identity.reference))
        .with_child(XmlElement::leaf_element("Comment", &identity.comment))
}

fn render_origin_identity(identity: &SandboxOriginAccessIdentity) -> XmlElement {
    XmlElement::new("CloudFrontOriginAccessIdentity")
        .with_child(XmlElement::leaf_element("Id", &identity.id))
        .with_child(XmlElement::leaf_element("S3CanonicalUserId", &identity.canonical))
        .with_child(render_origin_identity_config(identity))
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
    let document = ask.parse_request_document()?;
    let reference = document.text_at_path("CallerReference").unwrap_or_default().to_owned();
    let comment = document.find_element_at_path("Comment").map(|node| node.text.clone()).unwrap_or_default();
    if comment.chars().count() > 128 {
        return Err(super::invalid_argument_error("The parameter Comment is too long."));
    }
    if let Some(there) = state.cloudfront.identities.values().find(|identity| identity.reference == reference)
    {
        return if there.comment == comment {
            Ok(SandboxCloudFrontReply::with_location(
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
        id: random_id("E", 13),
        canonical,
        reference,
        comment,
        etag: random_etag(),
        created: ask.clock.now,
    };
    let said = SandboxCloudFrontReply::with_location(
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
    Ok(SandboxCloudFrontReply::with_etag(node, &identity.etag))
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
                .with_child(XmlElement::leaf_element("Id", &identity.id))
                .with_child(XmlElement::leaf_element("S3CanonicalUserId", &identity.canonical))
                .with_child(XmlElement::leaf_element("Comment", &identity.comment));
            (identity.id.clone(), summary)
        })
        .collect();
    Ok(SandboxCloudFrontReply::from_xml_element(
        ask.render_cloudfront_list_page("CloudFrontOriginAccessIdentityList", items),
    ))
}
