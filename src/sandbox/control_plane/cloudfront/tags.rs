//! Tags of distributions; nothing else here can carry any.
//!
//! Adding keeps those that are there.

use std::collections::BTreeMap;

use super::{ACCOUNT, Ask, Distribution, Node, Outcome, Refusal, Said, store, with_tags};

/// The tags of a `<Tags>` element.
pub fn read(tags: Option<&Node>) -> BTreeMap<String, String> {
    let items = tags.and_then(|tags| tags.child("Items")).map_or(&[][..], |items| &items.children);
    let text = |tag: &Node, name: &str| tag.text_at(name).unwrap_or_default().to_owned();
    items.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// # Errors
/// AWS's refusal of a tag that it doesn't take.
pub fn check(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
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
        Err(Refusal::new(400, "InvalidTagging", "The tagging specified is not valid."))
    }
}

fn id_of<'a>(ask: &'a Ask<'_>) -> &'a str {
    let prefix = format!("arn:aws:cloudfront::{ACCOUNT}:distribution/");
    ask.query.get("Resource").and_then(|arn| arn.strip_prefix(&prefix)).unwrap_or_default()
}

fn none() -> Refusal {
    Refusal::new(404, "NoSuchResource", "The specified resource does not exist.")
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, "distribution", id_of(ask))?;
    let distribution: &Distribution = state.cloudfront.distributions.get(id_of(ask)).ok_or_else(none)?;
    let mut items = Node::new("Items");
    items.children = distribution
        .tags
        .iter()
        .map(|(key, value)| Node::new("Tag").with(Node::leaf("Key", key)).with(Node::leaf("Value", value)))
        .collect();
    Ok(Said::of(Node::new("Tags").with(items)))
}

pub fn add(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let id = id_of(ask).to_owned();
    let tags = read(Some(&ask.document()?));
    let resource = format!("arn:aws:cloudfront::{ACCOUNT}:distribution/{id}");
    ask.may(state, "TagResource", &resource, &with_tags(ask.caller.context(), &tags))?;
    check(&tags)?;
    state.cloudfront.distributions.get_mut(&id).ok_or_else(none)?.tags.extend(tags);
    Ok(Said { status: 204, body: None, etag: None, location: None })
}
