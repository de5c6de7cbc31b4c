//! Origin access identities: by id, ARN and canonical user id.
//!
//! The same reference with the same comment gives the identity that is there; with another comment it is refused.

use super::{Ask, Node, OriginAccessIdentity, Outcome, Refusal, Said, etag, made_id, store};

const KIND: &str = "origin-access-identity";

fn config(identity: &OriginAccessIdentity) -> Node {
    Node::new("CloudFrontOriginAccessIdentityConfig")
        .with(Node::leaf("CallerReference", &identity.reference))
        .with(Node::leaf("Comment", &identity.comment))
}

fn shown(identity: &OriginAccessIdentity) -> Node {
    Node::new("CloudFrontOriginAccessIdentity")
        .with(Node::leaf("Id", &identity.id))
        .with(Node::leaf("S3CanonicalUserId", &identity.canonical))
        .with(config(identity))
}

pub fn create(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let document = ask.document()?;
    let reference = document.text_at("CallerReference").unwrap_or_default().to_owned();
    let comment = document.at("Comment").map(|node| node.text.clone()).unwrap_or_default();
    if comment.chars().count() > 128 {
        return Err(super::invalid("The parameter Comment is too long."));
    }
    if let Some(there) = state.cloudfront.identities.values().find(|identity| identity.reference == reference)
    {
        return if there.comment == comment {
            Ok(Said::made(
                shown(there),
                &there.etag,
                &format!("origin-access-identity/cloudfront/{}", there.id),
            ))
        } else {
            Err(Refusal::new(
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
        return Err(Refusal::new(
            400,
            "TooManyCloudFrontOriginAccessIdentities",
            "Processing your request would cause you to exceed the maximum number of origin access identities allowed.",
        ));
    }
    let canonical: String =
        (0..96).map(|_| char::from_digit(fastrand::u32(..16), 16).unwrap_or('0')).collect();
    let identity = OriginAccessIdentity {
        id: made_id("E", 13),
        canonical,
        reference,
        comment,
        etag: etag(),
        created: ask.clock.now,
    };
    let said = Said::made(
        shown(&identity),
        &identity.etag,
        &format!("origin-access-identity/cloudfront/{}", identity.id),
    );
    state.cloudfront.identities.insert(identity.id.clone(), identity);
    Ok(said)
}

pub fn get(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, &ask.id)?;
    let identity = state.cloudfront.identities.get(&ask.id).ok_or_else(|| {
        Refusal::new(
            404,
            "NoSuchCloudFrontOriginAccessIdentity",
            "The specified origin access identity does not exist.",
        )
    })?;
    let node = if ask.config_alone { config(identity) } else { shown(identity) };
    Ok(Said::tagged(node, &identity.etag))
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let known = state
        .cloudfront
        .identities
        .values()
        .filter(|one| ask.clock.past(one.created, ask.clock.delays.listing));
    let items = known
        .map(|identity| {
            let summary = Node::new("CloudFrontOriginAccessIdentitySummary")
                .with(Node::leaf("Id", &identity.id))
                .with(Node::leaf("S3CanonicalUserId", &identity.canonical))
                .with(Node::leaf("Comment", &identity.comment));
            (identity.id.clone(), summary)
        })
        .collect();
    Ok(Said::of(ask.page("CloudFrontOriginAccessIdentityList", items)))
}
