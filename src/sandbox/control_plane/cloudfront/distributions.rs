//! Distributions: made once by a reference, replaced whole under an ETag, deployed in time.
//!
//! Each change has a new ETag, and puts the distribution in progress, while the edges go on with what they had.

use std::collections::BTreeMap;

use super::{
    ACCOUNT, Ask, Distribution, Node, Outcome, Refusal, Said, associations, config, etag, iso, made_id,
    store, tags, with_tags,
};

/// What a summary repeats of the configuration.
const SUMMARIZED: [&str; 15] = [
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

fn kept(distribution: &Distribution) -> Node {
    Node::parse(&distribution.config).unwrap_or_default()
}

/// The fields before the configuration.
fn headed(name: &str, distribution: &Distribution, ask: &Ask<'_>) -> Node {
    let status = if distribution.settled(ask.clock) { "Deployed" } else { "InProgress" };
    Node::new(name)
        .with(Node::leaf("Id", &distribution.id))
        .with(Node::leaf("ARN", distribution.arn()))
        .with(Node::leaf("Status", status))
        .with(Node::leaf("LastModifiedTime", iso(distribution.modified)))
        .with(Node::leaf("DomainName", &distribution.domain))
}

fn shown(distribution: &Distribution, ask: &Ask<'_>) -> Node {
    let unsigned =
        |name: &str| Node::new(name).with(Node::leaf("Enabled", "false")).with(Node::leaf("Quantity", "0"));
    headed("Distribution", distribution, ask)
        .with(Node::leaf("InProgressInvalidationBatches", "0"))
        .with(unsigned("ActiveTrustedSigners"))
        .with(unsigned("ActiveTrustedKeyGroups"))
        .with(kept(distribution))
}

pub fn create(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let document = ask.document()?;
    let (mut config, tags) = if ask.operation == "CreateDistributionWithTags" {
        let config = document.child("DistributionConfig").cloned().unwrap_or_default();
        (config, tags::read(document.child("Tags")))
    } else {
        (document, BTreeMap::new())
    };
    let resource = format!("arn:aws:cloudfront::{ACCOUNT}:distribution/*");
    let context = with_tags(ask.caller.context(), &tags);
    ask.may(state, "CreateDistribution", &resource, &context)?;
    if !tags.is_empty() {
        ask.may(state, "TagResource", &resource, &context)?;
    }
    tags::check(&tags)?;
    let reference = config.text_at("CallerReference").unwrap_or_default().to_owned();
    let same = state
        .cloudfront
        .distributions
        .values()
        .find(|other| kept(other).text_at("CallerReference") == Some(&reference));
    if let Some(there) = same {
        return Err(Refusal::new(
            409,
            "DistributionAlreadyExists",
            format!(
                "The caller reference that you are using to create a distribution is associated with another distribution. Already exists: {}",
                there.id
            ),
        ));
    }
    config::check(state, ask.clock, &config, "")?;
    associations::check(state, ask, &config)?;
    associations::link(state, ask, &config)?;
    config::complete(&mut config);
    let distribution = Distribution {
        id: made_id("E", 13),
        domain: format!("{}.cloudfront.net", made_id("d", 13).to_lowercase()),
        config: config.to_string(),
        etag: etag(),
        created: ask.clock.now,
        modified: ask.clock.now,
        deployed_before: None,
        tags,
    };
    let said = Said::made(
        shown(&distribution, ask),
        &distribution.etag,
        &format!("distribution/{}", distribution.id),
    );
    state.cloudfront.distributions.insert(distribution.id.clone(), distribution);
    Ok(said)
}

fn named<'a>(state: &'a store::State, ask: &Ask<'_>) -> Result<&'a Distribution, Refusal> {
    ask.may_on(state, "distribution", &ask.id)?;
    state
        .cloudfront
        .distributions
        .get(&ask.id)
        .ok_or_else(|| Refusal::new(404, "NoSuchDistribution", "The specified distribution does not exist."))
}

pub fn get(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let distribution = named(state, ask)?;
    let node = if ask.config_alone { kept(distribution) } else { shown(distribution, ask) };
    Ok(Said::tagged(node, &distribution.etag))
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may_on(state, "distribution", "*")?;
    let clock = ask.clock;
    let known =
        state.cloudfront.distributions.values().filter(|one| clock.past(one.created, clock.delays.listing));
    let items = known
        .map(|distribution| {
            let mut summary = headed("DistributionSummary", distribution, ask);
            let fields = kept(distribution)
                .children
                .into_iter()
                .filter(|field| SUMMARIZED.contains(&field.name.as_str()));
            summary.children.extend(fields);
            (distribution.id.clone(), summary)
        })
        .collect();
    Ok(Said::of(ask.page("DistributionList", items)))
}

pub fn update(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let old = named(state, ask)?.clone();
    ask.check_if_match(&old.etag)?;
    let mut config = ask.document()?;
    if config.text_at("CallerReference") != kept(&old).text_at("CallerReference") {
        return Err(Refusal::new(
            400,
            "IllegalUpdate",
            "The update contains modifications that are not allowed.",
        ));
    }
    config::check(state, ask.clock, &config, &old.id)?;
    associations::check(state, ask, &config)?;
    associations::link(state, ask, &config)?;
    config::complete(&mut config);
    let distribution = Distribution {
        config: config.to_string(),
        etag: etag(),
        modified: ask.clock.now,
        deployed_before: old.at_the_edge(ask.clock).map(ToOwned::to_owned),
        ..old
    };
    let said = Said::tagged(shown(&distribution, ask), &distribution.etag);
    state.cloudfront.distributions.insert(distribution.id.clone(), distribution);
    Ok(said)
}

/// Somebody else chooses another price class: for the distribution named, or for all.
pub fn drift(state: &mut store::State, ask: &Ask<'_>) {
    let one = state.cloudfront.distributions.contains_key(&ask.id).then(|| ask.id.clone());
    for distribution in state.cloudfront.distributions.values_mut() {
        if one.as_ref().is_some_and(|id| *id != distribution.id) {
            continue;
        }
        let mut config = kept(distribution);
        let other = if config.text_at("PriceClass") == Some("PriceClass_100") {
            "PriceClass_200"
        } else {
            "PriceClass_100"
        };
        config.set(Node::leaf("PriceClass", other));
        distribution.deployed_before = distribution.at_the_edge(ask.clock).map(ToOwned::to_owned);
        distribution.config = config.to_string();
        distribution.etag = etag();
        distribution.modified = ask.clock.now;
    }
}
