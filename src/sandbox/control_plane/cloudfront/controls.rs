//! Origin access controls: named, one of a name.
//!
//! A control has no tags and no reference; its name is how it is found again.

use super::{Ask, Kept, Node, Outcome, Refusal, Said, etag, made_id, store};

const KIND: &str = "origin-access-control";

fn shown(control: &Kept) -> Node {
    Node::new("OriginAccessControl").with(Node::leaf("Id", &control.id)).with(config(control))
}

fn config(control: &Kept) -> Node {
    Node::parse(&control.config).unwrap_or_default()
}

pub fn create(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let document = ask.document()?;
    let name = document.text_at("Name").unwrap_or_default().to_owned();
    let one_of =
        |field: &str, known: &[&str]| document.text_at(field).is_some_and(|text| known.contains(&text));
    if name.is_empty() || name.len() > 64 {
        return Err(super::invalid("The parameter Name is not valid."));
    }
    if !one_of("SigningProtocol", &["sigv4"])
        || !one_of("SigningBehavior", &["always", "never", "no-override"])
        || !one_of("OriginAccessControlOriginType", &["s3", "lambda", "mediastore", "mediapackagev2"])
    {
        return Err(super::invalid("The origin access control is not valid."));
    }
    if state.cloudfront.controls.values().any(|control| control.name == name) {
        return Err(Refusal::new(
            409,
            "OriginAccessControlAlreadyExists",
            "An origin access control with this name already exists.",
        ));
    }
    let control = Kept {
        id: made_id("E", 13),
        name,
        config: document.to_string(),
        etag: etag(),
        modified: ask.clock.now,
    };
    let said = Said::made(shown(&control), &control.etag, &format!("origin-access-control/{}", control.id));
    state.cloudfront.controls.insert(control.id.clone(), control);
    Ok(said)
}

pub fn get(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, &ask.id)?;
    let control = state.cloudfront.controls.get(&ask.id).ok_or_else(|| {
        Refusal::new(404, "NoSuchOriginAccessControl", "The specified origin access control does not exist.")
    })?;
    let node = if ask.config_alone { config(control) } else { shown(control) };
    Ok(Said::tagged(node, &control.etag))
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let items = state
        .cloudfront
        .controls
        .values()
        .map(|control| {
            let mut summary = Node::new("OriginAccessControlSummary").with(Node::leaf("Id", &control.id));
            summary.children.extend(config(control).children);
            (control.id.clone(), summary)
        })
        .collect();
    Ok(Said::of(ask.page("OriginAccessControlList", items)))
}
