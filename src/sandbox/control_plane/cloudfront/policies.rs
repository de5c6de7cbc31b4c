//! Cache policies: the account's own, and those that AWS manages.
//!
//! A managed one can't be changed, and its minimum time to live may be more than it seems.

use super::{Ask, Kept, Node, Outcome, Refusal, Said, State, etag, iso, request_id, store};

const KIND: &str = "cache-policy";
const OWN_MOST: usize = 20;

/// Id, name, and the three times to live: minimum, default, maximum.
const MANAGED: [(&str, &str, [u64; 3]); 3] = [
    ("658327ea-f89d-4fab-a63d-7e88639e58f6", "Managed-CachingOptimized", [1, 86_400, 31_536_000]),
    (
        "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        "Managed-CachingOptimizedForUncompressedObjects",
        [1, 86_400, 31_536_000],
    ),
    ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled", [0, 0, 0]),
];

/// A policy by its id, own or managed.
pub fn find(state: &State, id: &str) -> Option<Kept> {
    state.policies.get(id).cloned().or_else(|| {
        let (id, name, ttl) = MANAGED.iter().find(|(managed, ..)| *managed == id)?;
        Some(Kept {
            id: (*id).into(),
            name: (*name).into(),
            config: managed_config(name, *ttl),
            etag: "E23ZP02F085DFQ".into(),
            ..Kept::default()
        })
    })
}

fn managed_config(name: &str, [min, default, max]: [u64; 3]) -> String {
    let none = |kind: &str, field: &str| Node::new(kind).with(Node::leaf(field, "none"));
    Node::new("CachePolicyConfig")
        .with(Node::leaf("Comment", ""))
        .with(Node::leaf("Name", name))
        .with(Node::leaf("DefaultTTL", default.to_string()))
        .with(Node::leaf("MaxTTL", max.to_string()))
        .with(Node::leaf("MinTTL", min.to_string()))
        .with(
            Node::new("ParametersInCacheKeyAndForwardedToOrigin")
                .with(Node::leaf("EnableAcceptEncodingGzip", "false"))
                .with(Node::leaf("EnableAcceptEncodingBrotli", "false"))
                .with(none("HeadersConfig", "HeaderBehavior"))
                .with(none("CookiesConfig", "CookieBehavior"))
                .with(none("QueryStringsConfig", "QueryStringBehavior")),
        )
        .to_string()
}

fn config(policy: &Kept) -> Node {
    Node::parse(&policy.config).unwrap_or_default()
}

fn shown(policy: &Kept) -> Node {
    Node::new("CachePolicy")
        .with(Node::leaf("Id", &policy.id))
        .with(Node::leaf("LastModifiedTime", iso(policy.modified)))
        .with(config(policy))
}

/// A configuration with what AWS fills in; refused where it can't be.
fn checked(mut document: Node) -> Result<Node, Refusal> {
    super::config::check_quantities(&document)?;
    if document.text_at("Name").is_none() {
        return Err(super::invalid("The parameter Name is required."));
    }
    document.fill(Node::leaf("Comment", ""));
    document.fill(Node::leaf("DefaultTTL", "86400"));
    document.fill(Node::leaf("MaxTTL", "31536000"));
    let time = |field: &str| document.text_at(field).and_then(|text| text.parse::<u64>().ok());
    match (time("MinTTL"), time("DefaultTTL"), time("MaxTTL")) {
        (Some(min), Some(default), Some(max)) if min <= default && default <= max => Ok(document),
        _ => Err(super::invalid(
            "The parameter MinTTL should be less than or equal to DefaultTTL, and DefaultTTL to MaxTTL.",
        )),
    }
}

fn name_taken(state: &State, name: &str, but: &str) -> Result<(), Refusal> {
    let taken = state.policies.values().any(|policy| policy.name == name && policy.id != but)
        || MANAGED.iter().any(|(_, managed, _)| *managed == name);
    if taken {
        Err(Refusal::new(
            409,
            "CachePolicyAlreadyExists",
            "A cache policy with this name already exists. You must provide a unique name. To modify an existing cache policy, use UpdateCachePolicy.",
        ))
    } else {
        Ok(())
    }
}

pub fn create(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let document = checked(ask.document()?)?;
    let name = document.text_at("Name").unwrap_or_default().to_owned();
    name_taken(&state.cloudfront, &name, "")?;
    if state.cloudfront.policies.len() >= OWN_MOST {
        return Err(Refusal::new(
            400,
            "TooManyCachePolicies",
            "You have reached the maximum number of cache policies for this AWS account.",
        ));
    }
    let policy =
        Kept { id: request_id(), name, config: document.to_string(), etag: etag(), modified: ask.clock.now };
    let said = Said::made(shown(&policy), &policy.etag, &format!("cache-policy/{}", policy.id));
    state.cloudfront.policies.insert(policy.id.clone(), policy);
    Ok(said)
}

pub fn get(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, &ask.id)?;
    let policy = find(&state.cloudfront, &ask.id).ok_or_else(none)?;
    let node = if ask.config_alone { config(&policy) } else { shown(&policy) };
    Ok(Said::tagged(node, &policy.etag))
}

pub fn none() -> Refusal {
    Refusal::new(404, "NoSuchCachePolicy", "The specified cache policy does not exist.")
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, "*")?;
    let kind = ask.query.get("Type").map(String::as_str);
    let managed =
        MANAGED.iter().filter_map(|(id, ..)| find(&state.cloudfront, id)).map(|policy| ("managed", policy));
    let own = state.cloudfront.policies.values().cloned().map(|policy| ("custom", policy));
    let mut items: Vec<_> = managed
        .chain(own)
        .filter(|(of, _)| kind.is_none_or(|kind| kind == *of))
        .map(|(of, policy)| {
            (
                policy.id.clone(),
                Node::new("CachePolicySummary").with(Node::leaf("Type", of)).with(shown(&policy)),
            )
        })
        .collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    let mut list = ask.page("CachePolicyList", items);
    list.children.retain(|child| child.name != "Marker" && child.name != "IsTruncated");
    Ok(Said::of(list))
}

pub fn update(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, KIND, &ask.id)?;
    let old = find(&state.cloudfront, &ask.id).ok_or_else(none)?;
    if !state.cloudfront.policies.contains_key(&ask.id) {
        return Err(Refusal::new(400, "IllegalUpdate", "You cannot update a managed cache policy."));
    }
    ask.check_if_match(&old.etag)?;
    let document = checked(ask.document()?)?;
    let name = document.text_at("Name").unwrap_or_default().to_owned();
    name_taken(&state.cloudfront, &name, &ask.id)?;
    let policy = Kept { name, config: document.to_string(), etag: etag(), modified: ask.clock.now, ..old };
    let said = Said::tagged(shown(&policy), &policy.etag);
    state.cloudfront.policies.insert(policy.id.clone(), policy);
    Ok(said)
}
