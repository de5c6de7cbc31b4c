//! Several web nodes behind one name: whether their files agree, and what each of the others has to be given.
//!
//! Every node gets the first one's four values; two secrets are never papered over, since links of one would be refused.

use futures::{FutureExt as _, future::join_all};

use crate::host::{LoadedConfig, is_host_down};
use crate::model::{
    aws::evidence::ObservedPackagecloudConfig,
    failure::Failure,
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{answers::OperatorAnswers, check::CheckResult, proposed_command::render_proposed_command},
    url::token::compute_secret_fingerprint,
};

use crate::engine::{resources::authenticator::read_edge_secret_fingerprints, session::Session};

/// What is compared of a node's file.
pub(crate) struct NodeConfig {
    /// As the operator named it.
    pub name: String,
    pub seen: ObservedPackagecloudConfig,
    bucket: Option<String>,
}

impl NodeConfig {
    /// Takes what is compared from a node's file.
    pub(crate) fn build_node_config(session: &Session, config: &LoadedConfig) -> Self {
        Self {
            name: session.host.transport.remote_host_name().unwrap_or("this host").to_owned(),
            seen: config.seen.clone(),
            bucket: config.file.find_configured_bucket().map(|(_, bucket)| bucket.to_owned()),
        }
    }
}

/// Reads the other nodes' files, where none of them contradicts the first one's; one that is down is left out, and stays as it is.
///
/// # Errors
/// Where one can't be read, is down while a new secret is asked for, or isn't a node of the same packagecloud.
pub(crate) async fn read_other_node_configs(
    session: &Session,
    first: &LoadedConfig,
    answers: &OperatorAnswers,
) -> Result<Vec<NodeConfig>, Failure> {
    let others = session.list_other_node_sessions();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let read = join_all(others.iter().map(|node| node.host.read_packagecloud_config())).await;
    let accepted = read_accepted_secrets_where_nodes_differ(session, answers, Some(first), &read).await;
    let first = NodeConfig::build_node_config(session, first);
    let mut nodes = Vec::new();
    for (session, config) in others.iter().zip(read) {
        let config = match config {
            // A new secret goes to all: whoever keeps the old one would sign what the edge refuses.
            Err(failure) if is_host_down(&failure) && !answers.consents.new_secret => continue,
            config => config?,
        };
        let node = NodeConfig::build_node_config(session, &config);
        let new_secret = answers.consents.new_secret;
        if let Some(failed) = Some(check_node_configs_agree(&first, &node, new_secret, &accepted))
            .filter(CheckResult::has_failed)
        {
            return Err(Failure::new_generic_failure(
                node.seen.path.clone(),
                format!("{}; nothing was changed", failed.detail),
                failed.next,
            ));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Says what becomes of a node that is down.
fn describe_node_that_is_down(failure: &Failure) -> String {
    format!(
        "{}; it stays as it is, and its links keep going where they go now; once it is back: {}",
        failure.why,
        render_proposed_command("enable", &[])
    )
}

/// Names each of the other nodes that is down, and what becomes of it.
pub(crate) async fn describe_nodes_that_are_down(session: &Session) -> Vec<String> {
    let others = session.list_other_node_sessions();
    let read = join_all(others.iter().map(|node| node.host.read_packagecloud_config())).await;
    let down = others.iter().zip(read).filter_map(|(node, config)| {
        let failure = config.err().filter(is_host_down)?;
        let name = node.host.transport.remote_host_name().unwrap_or_default();
        Some(format!("Node {name}: {}.", describe_node_that_is_down(&failure)))
    });
    down.collect()
}

/// Lists all nodes but those of the others that are down: what can't be asked for there is said once, of the node.
pub(crate) async fn list_nodes_that_are_up(session: &Session) -> Vec<Session> {
    let others = session.list_other_node_sessions();
    let read = join_all(others.iter().map(|node| node.host.read_packagecloud_config())).await;
    let up = others.into_iter().zip(read).filter(|(_, config)| !config.as_ref().is_err_and(is_host_down));
    session.list_all_node_sessions().into_iter().take(1).chain(up.map(|(node, _)| node)).collect()
}

/// Finds the other node whose file was read as `seen`.
pub(crate) fn find_other_node_of_config(
    session: &Session,
    seen: &ObservedPackagecloudConfig,
) -> Option<Session> {
    session
        .list_other_node_sessions()
        .into_iter()
        .find(|node| node.host.render_config_location() == seen.path)
}

/// Makes one check for each of the other nodes.
pub(crate) async fn check_other_node_configs(
    session: &Session,
    first: Option<&LoadedConfig>,
    answers: &OperatorAnswers,
) -> Vec<CheckResult> {
    let others = session.list_other_node_sessions();
    let read = join_all(others.iter().map(|node| node.host.read_packagecloud_config())).await;
    let accepted = read_accepted_secrets_where_nodes_differ(session, answers, first, &read).await;
    let first = first.map(|config| NodeConfig::build_node_config(session, config));
    others
        .iter()
        .zip(read)
        .map(|(session, config)| match (&first, config) {
            (_, Err(failure)) if is_host_down(&failure) => CheckResult::new_unknown_check(
                format!("node {}", session.host.transport.remote_host_name().unwrap_or_default()),
                describe_node_that_is_down(&failure),
            ),
            (_, Err(failure)) => CheckResult::new_failed_check(
                format!("node {}", session.host.transport.remote_host_name().unwrap_or_default()),
                failure.to_string(),
                failure.next,
            ),
            (Some(first), Ok(config)) => check_node_configs_agree(
                first,
                &NodeConfig::build_node_config(session, &config),
                answers.consents.new_secret,
                &accepted,
            ),
            (None, Ok(config)) => CheckResult::new_passed_check(config.seen.path.clone(), "it can be read"),
        })
        .collect()
}

/// The fingerprints of what the edge accepts, asked for only where the files hold more than one secret: nodes with different
/// ones that it accepts both are a rotation in progress (contract section 12). Nothing where it can't be asked.
async fn read_accepted_secrets_where_nodes_differ(
    session: &Session,
    answers: &OperatorAnswers,
    first: Option<&LoadedConfig>,
    others: &[Result<LoadedConfig, Failure>],
) -> Vec<String> {
    let configs = first.into_iter().chain(others.iter().filter_map(|config| config.as_ref().ok()));
    let mut secrets = configs.filter_map(|config| config.seen.values.secret.as_ref());
    let Some(one) = secrets.next() else { return Vec::new() };
    if secrets.all(|other| other == one) {
        return Vec::new();
    }
    read_edge_secret_fingerprints(session, answers).boxed().await.unwrap_or_default()
}

/// Returns whether the edge accepts what both hold, whichever of two secrets that is.
fn are_both_secrets_accepted(first: &NodeConfig, other: &NodeConfig, accepted: &[String]) -> bool {
    [first, other].iter().all(|node| {
        let secret = node.seen.values.secret.as_ref();
        let fingerprint = secret.and_then(|secret| compute_secret_fingerprint(secret).ok());
        fingerprint.is_some_and(|fingerprint| accepted.contains(&fingerprint))
    })
}

/// Whether `other` can be given what `first` holds; `accepted` is what the edge accepts, where they hold different secrets.
pub(crate) fn check_node_configs_agree(
    first: &NodeConfig,
    other: &NodeConfig,
    new_secret: bool,
    accepted: &[String],
) -> CheckResult {
    let name = format!("node {}", other.name);
    let is_rotating = are_both_secrets_accepted(first, other, accepted);
    let (a, b) = (&first.seen.values, &other.seen.values);
    if let (Some(one), Some(two)) = (&first.bucket, &other.bucket)
        && one != two
    {
        return CheckResult::new_failed_check(
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
        && !is_rotating
    {
        return CheckResult::new_failed_check(
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
    let mut differs: Vec<String> = CloudFrontSettingKey::ALL
        .iter()
        .filter(|&&key| key != CloudFrontSettingKey::Secret || !is_rotating)
        .filter_map(|&key| describe_setting_difference(first, other, key))
        .collect();
    if differs.is_empty() {
        return CheckResult::new_passed_check(
            name,
            format!(
                "{} says the same as that of {}{}",
                other.seen.path,
                first.name,
                if is_rotating {
                    ", but for its secret, which the edge accepts too: a rotation is in progress"
                } else {
                    ""
                }
            ),
        );
    }
    differs.sort();
    // It is given the first one's, which is what it is named for.
    CheckResult::new_unknown_check(
        name,
        format!("{}; it is given the values of {}", differs.join(", "), first.name),
    )
}

/// Says how a value there differs from the first node's; none where both are known to be the same.
fn describe_setting_difference(
    first: &NodeConfig,
    other: &NodeConfig,
    key: CloudFrontSettingKey,
) -> Option<String> {
    let is_known = |node: &NodeConfig| node.seen.find_unsettling_line(key).is_none();
    let value = |node: &NodeConfig| node.seen.values.render_setting_as_ruby(key);
    if is_known(first) && is_known(other) && value(first) == value(other) {
        return None;
    }
    let (there, here) = (render_node_setting(other, key), render_node_setting(first, key));
    Some(format!("{} is {there} there and {here} on {}", key.setting_name(), first.name))
}

fn render_node_setting(node: &NodeConfig, key: CloudFrontSettingKey) -> String {
    if let Some((line, _)) = node.seen.find_unsettling_line(key) {
        return format!("not certain (line {line})");
    }
    let values = node.seen.values.redact_cloudfront_secret();
    values.render_setting_as_ruby(key).unwrap_or_else(|| "not there".to_owned())
}

/// Returns which of the four values the other node at `seen` must still be given; while it is on, only going live touches it.
/// A secret of its own, which the edge accepts, stays: it is given another by a rotation, or by a new secret for all.
pub(crate) fn list_missing_setting_keys(
    seen: &ObservedPackagecloudConfig,
    wanted: &CloudFrontSettingValues,
    keys: &[CloudFrontSettingKey],
    new_secret: bool,
) -> Vec<CloudFrontSettingKey> {
    let is_own = |key| {
        key == CloudFrontSettingKey::Secret
            && !new_secret
            && seen.values.secret.is_some()
            && seen.find_unsettling_line(key).is_none()
    };
    keys.iter().copied().filter(|&key| !is_own(key) && seen.must_write_setting(wanted, key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{run::check::CheckVerdict, secret::Secret};

    fn sample_node(name: &str, secret: Option<&str>, on: Option<bool>, bucket: &str) -> NodeConfig {
        let values = CloudFrontSettingValues {
            enabled: on,
            secret: secret.map(Secret::new),
            ..CloudFrontSettingValues::default()
        };
        let seen = ObservedPackagecloudConfig {
            path: format!("{name}:p.rb"),
            values,
            ..ObservedPackagecloudConfig::default()
        };
        NodeConfig { name: name.into(), seen, bucket: Some(bucket.into()) }
    }

    #[test]
    fn two_secrets_or_two_buckets_are_refused_and_all_else_is_named() {
        let first = sample_node("web1", Some("one"), Some(true), "shop");
        let of = |other: &NodeConfig| check_node_configs_agree(&first, other, false, &[]);
        assert_eq!(of(&sample_node("web2", Some("one"), Some(true), "shop")).result, CheckVerdict::Pass);
        let off = of(&sample_node("web2", Some("one"), Some(false), "shop"));
        assert_eq!(off.result, CheckVerdict::Unknown);
        assert!(off.detail.contains("cloudfront_enabled is false there and true on web1"), "{off:?}");
        let unsure = |name: &str| {
            let node = sample_node(name, Some("one"), None, "shop");
            let expressions = vec![(CloudFrontSettingKey::Enabled, 3, "x = ENV['ON']".to_owned())];
            NodeConfig { seen: ObservedPackagecloudConfig { expressions, ..node.seen }, ..node }
        };
        let both = check_node_configs_agree(&unsure("web1"), &unsure("web2"), false, &[]);
        assert_eq!(
            both.result,
            CheckVerdict::Unknown,
            "two values that nobody knows aren't the same: {both:?}"
        );
        assert!(
            both.detail.contains(
                "cloudfront_enabled is not certain (line 3) there and not certain (line 3) on web1"
            ),
            "{both:?}"
        );
        let one = of(&unsure("web2"));
        assert!(one.detail.contains("is not certain (line 3) there and true on web1"), "{one:?}");
        let none = of(&sample_node("web2", None, None, "shop"));
        assert!(
            none.detail.contains("cloudfront_secret is not there there") || none.detail.contains("not there")
        );
        assert!(!none.detail.contains("one'"), "the secret is hidden: {none:?}");
        let secret = of(&sample_node("web2", Some("two"), None, "shop"));
        assert!(secret.has_failed() && secret.detail.contains("another cloudfront_secret"), "{secret:?}");
        assert!(
            !check_node_configs_agree(&first, &sample_node("web2", Some("two"), None, "shop"), true, &[])
                .has_failed(),
            "a new one goes to all"
        );
        let bucket = of(&sample_node("web2", Some("one"), None, "other"));
        assert!(bucket.has_failed() && bucket.detail.contains("no nodes of one packagecloud"), "{bucket:?}");
    }

    #[test]
    fn a_node_is_given_what_it_lacks() {
        let wanted = sample_node("web1", Some("one"), Some(true), "shop").seen.values;
        let other = sample_node("web2", None, Some(false), "shop").seen;
        assert_eq!(
            list_missing_setting_keys(&other, &wanted, &CloudFrontSettingKey::ALL, false),
            [CloudFrontSettingKey::Enabled, CloudFrontSettingKey::Secret]
        );
        assert_eq!(
            list_missing_setting_keys(
                &other,
                &wanted,
                &[CloudFrontSettingKey::Secret, CloudFrontSettingKey::DistributionId],
                false
            ),
            [CloudFrontSettingKey::Secret]
        );
        let own = sample_node("web2", Some("two"), Some(true), "shop").seen;
        let keys = [CloudFrontSettingKey::Secret];
        assert_eq!(list_missing_setting_keys(&own, &wanted, &keys, false), [], "a rotation is in progress");
        assert_eq!(list_missing_setting_keys(&own, &wanted, &keys, true), keys, "a new one goes to all");
    }
}
