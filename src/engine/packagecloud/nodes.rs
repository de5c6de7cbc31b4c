//! Several web nodes behind one name: whether their files agree, and what each of the others has to be given.
//!
//! Every node gets the first one's four values; two secrets are never papered over, since links of one would be refused.

use futures::future::join_all;

use crate::host::Config;
use crate::model::{
    aws::evidence::ConfigSeen,
    packagecloud::settings::{Key, Values},
    run::{answers::Answers, check::Check, failure::Failure},
};

use crate::engine::session::Ground;

/// What is compared of a node's file.
pub(crate) struct Node {
    /// As the operator named it.
    pub name: String,
    pub seen: ConfigSeen,
    bucket: Option<String>,
}

impl Node {
    pub(crate) fn of(ground: &Ground, config: &Config) -> Self {
        Self {
            name: ground.host.reach.name().unwrap_or("this host").to_owned(),
            seen: config.seen.clone(),
            bucket: config.file.bucket().map(|(_, bucket)| bucket.to_owned()),
        }
    }
}

/// The other nodes' files, where none of them contradicts the first one's.
///
/// # Errors
/// Where one can't be read, or isn't a node of the same packagecloud.
pub(crate) async fn others(ground: &Ground, first: &Config, answers: &Answers) -> Result<Vec<Node>, Failure> {
    let others = ground.others();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let read = join_all(others.iter().map(|node| node.host.read_config())).await;
    let first = Node::of(ground, first);
    let mut nodes = Vec::new();
    for (ground, config) in others.iter().zip(read) {
        let node = Node::of(ground, &config?);
        if let Some(failed) = Some(compare(&first, &node, answers.consents.new_secret)).filter(Check::failed)
        {
            return Err(Failure::other(
                node.seen.path.clone(),
                format!("{}; nothing was changed", failed.detail),
                failed.next,
            ));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// One check for each of the other nodes.
pub(crate) async fn checks(ground: &Ground, first: Option<&Config>, answers: &Answers) -> Vec<Check> {
    let others = ground.others();
    let read = join_all(others.iter().map(|node| node.host.read_config())).await;
    let first = first.map(|config| Node::of(ground, config));
    others
        .iter()
        .zip(read)
        .map(|(ground, config)| match (&first, config) {
            (_, Err(failure)) => Check::fail(
                format!("node {}", ground.host.reach.name().unwrap_or_default()),
                failure.to_string(),
                failure.next,
            ),
            (Some(first), Ok(config)) => {
                compare(first, &Node::of(ground, &config), answers.consents.new_secret)
            }
            (None, Ok(config)) => Check::pass(config.seen.path.clone(), "it can be read"),
        })
        .collect()
}

/// Whether `other` can be given what `first` holds.
fn compare(first: &Node, other: &Node, new_secret: bool) -> Check {
    let name = format!("node {}", other.name);
    let (a, b) = (&first.seen.values, &other.seen.values);
    if let (Some(one), Some(two)) = (&first.bucket, &other.bucket)
        && one != two
    {
        return Check::fail(
            name,
            format!(
                "its packagecloud.rb names bucket {two}, that of {} bucket {one}: they are no nodes of one packagecloud",
                first.name
            ),
            "name only hosts of one packagecloud with --host",
        );
    }
    if let (Some(one), Some(two)) = (&a.secret, &b.secret)
        && one != two
        && !new_secret
    {
        return Check::fail(
            name,
            format!(
                "it holds another cloudfront_secret than {}: the edge would refuse one node's links",
                first.name
            ),
            format!(
                "take the cloudfront_secret line out of {}: it is given that of {} then; if the edge holds its secret, put that one into {} instead",
                other.seen.path, first.name, first.seen.path
            ),
        );
    }
    let same = Key::ALL.iter().all(|&key| a.ruby(key) == b.ruby(key));
    if same {
        return Check::pass(name, format!("{} says the same as that of {}", other.seen.path, first.name));
    }
    let mut differs: Vec<String> = Key::ALL
        .iter()
        .filter(|&&key| a.ruby(key) != b.ruby(key))
        .map(|&key| {
            format!("{} is {} there and {} on {}", key.name(), shown(b, key), shown(a, key), first.name)
        })
        .collect();
    differs.sort();
    // It is given the first one's, which is what it is named for.
    Check::unknown(name, format!("{}; it is given the values of {}", differs.join(", "), first.name))
}

fn shown(values: &Values, key: Key) -> String {
    values.hidden().ruby(key).unwrap_or_else(|| "not there".to_owned())
}

/// Which of the four values the other node at `seen` must still be given; while it is on, only going live touches it.
pub(crate) fn missing(seen: &ConfigSeen, wanted: &Values, keys: &[Key]) -> Vec<Key> {
    keys.iter()
        .copied()
        .filter(|&key| wanted.ruby(key).is_some() && wanted.ruby(key) != seen.values.ruby(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{run::check::Verdict, secret::Secret};

    fn node(name: &str, secret: Option<&str>, on: Option<bool>, bucket: &str) -> Node {
        let values = Values { enabled: on, secret: secret.map(Secret::new), ..Values::default() };
        let seen = ConfigSeen { path: format!("{name}:p.rb"), values, ..ConfigSeen::default() };
        Node { name: name.into(), seen, bucket: Some(bucket.into()) }
    }

    #[test]
    fn two_secrets_or_two_buckets_are_refused_and_all_else_is_named() {
        let first = node("web1", Some("one"), Some(true), "shop");
        let of = |other: &Node| compare(&first, other, false);
        assert_eq!(of(&node("web2", Some("one"), Some(true), "shop")).result, Verdict::Pass);
        let off = of(&node("web2", Some("one"), Some(false), "shop"));
        assert_eq!(off.result, Verdict::Unknown);
        assert!(off.detail.contains("cloudfront_enabled is false there and true on web1"), "{off:?}");
        let none = of(&node("web2", None, None, "shop"));
        assert!(
            none.detail.contains("cloudfront_secret is not there there") || none.detail.contains("not there")
        );
        assert!(!none.detail.contains("one'"), "the secret is hidden: {none:?}");
        let secret = of(&node("web2", Some("two"), None, "shop"));
        assert!(secret.failed() && secret.detail.contains("another cloudfront_secret"), "{secret:?}");
        assert!(
            !compare(&first, &node("web2", Some("two"), None, "shop"), true).failed(),
            "a new one goes to all"
        );
        let bucket = of(&node("web2", Some("one"), None, "other"));
        assert!(bucket.failed() && bucket.detail.contains("no nodes of one packagecloud"), "{bucket:?}");
    }

    #[test]
    fn a_node_is_given_what_it_lacks() {
        let wanted = node("web1", Some("one"), Some(true), "shop").seen.values;
        let other = node("web2", None, Some(false), "shop").seen;
        assert_eq!(missing(&other, &wanted, &Key::ALL), [Key::Enabled, Key::Secret]);
        assert_eq!(missing(&other, &wanted, &[Key::Secret, Key::DistributionId]), [Key::Secret]);
    }
}
