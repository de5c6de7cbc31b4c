//! The checks of several secrets that the edge accepts: since when, which nodes hold which, and a link by each that a node holds
//! (contract section 12).

use std::time::Duration;

use crate::engine::{
    delivery::probe::{LINK_LIFETIME_SECONDS, SignedUrlSpec, fetch_path_from_edge, sign_probe_url},
    delivery::{
        link_signers::{LinkSigner, SampledLinkSigners},
        redirects::SampledRedirects,
        samples::SampleObjectKeys,
    },
    resources::{
        accepted_secrets::{list_accepted_secrets, list_associated_version_arns},
        install::ObservedAwsInstall,
    },
    session::Session,
};
use crate::host::environment::clock::render_utc_time;
use crate::model::{
    aws::rotation::RotationMark,
    packagecloud::object::ABSENT_KEY,
    run::{check::CheckResult, proposed_command::render_proposed_command},
    secret::Secret,
    url::token::{TokenMacAlgorithm, compute_secret_fingerprint},
};

/// A secret, and the nodes that hold it.
struct HeldSecret {
    secret: Secret,
    fingerprint: String,
    nodes: Vec<String>,
}

/// Makes the checks, where the edge accepts more than one secret: nothing else is to be said. `redirects` are what packagecloud itself
/// answered, where it did.
pub(super) async fn check_accepted_secrets(
    session: &Session,
    install: &ObservedAwsInstall,
    samples: &SampleObjectKeys,
    redirects: Option<&SampledRedirects>,
) -> Vec<CheckResult> {
    let (Some(function), Some(distribution)) =
        (&install.authenticator.function, &install.distribution.distribution)
    else {
        return Vec::new();
    };
    let associated = list_associated_version_arns(std::slice::from_ref(distribution));
    let accepted = list_accepted_secrets(function, &associated);
    if accepted.len() < 2 {
        return Vec::new();
    }
    let held = list_held_secrets(session).await;
    let mark = function.rotation.as_deref().and_then(RotationMark::parse_rotation_mark);
    let since = mark.filter(|mark| accepted.iter().any(|one| one.fingerprint == mark.fingerprint));
    let since = since
        .and_then(|mark| mark.since)
        .map_or_else(String::new, |since| format!(" since {}", render_utc_time(Duration::from_secs(since))));
    let links = redirects.map(|redirects| {
        let secrets: Vec<Secret> = held.iter().map(|one| one.secret.clone()).collect();
        let now = session.host.clock.read_host_clock().as_secs();
        let by = (&secrets[..], install.authenticator.construction);
        SampledLinkSigners::from_sampled_redirects(redirects, by, now)
    });
    let links = links.map(|by| (by.count_links_by(LinkSigner::Stranger), by.count_answers()));
    let mut checks = vec![CheckResult::new_passed_check(
        "accepted-secrets",
        format!(
            "{} secrets accepted{since}: {}",
            render_count(accepted.len()),
            describe_held_secrets(&held, links)
        ),
    )];
    if session.is_edge_unreachable_for_checks() {
        return checks;
    }
    // The first node's is what every other check signs with.
    for one in held.iter().skip(1) {
        let name = format!("signed-url of {}", one.nodes.join(", "));
        if !accepted.iter().any(|known| known.fingerprint == one.fingerprint) {
            checks.push(CheckResult::new_failed_check(
                name,
                "the edge doesn't accept the secret in its packagecloud.rb",
                format!("have it accept that too: {}", render_proposed_command("enable", &[])),
            ));
            continue;
        }
        let spec = SignedUrlSpec {
            domain: &distribution.domain,
            key: samples.first_sample_package().unwrap_or(ABSENT_KEY),
            construction: install.authenticator.construction,
            mac: TokenMacAlgorithm::Sha1,
            lifetime: LINK_LIFETIME_SECONDS.cast_signed(),
        };
        checks.push(check_link_by_secret(session, name, &one.secret, &spec).await);
    }
    checks
}

async fn check_link_by_secret(
    session: &Session,
    name: String,
    secret: &Secret,
    spec: &SignedUrlSpec<'_>,
) -> CheckResult {
    let now = session.host.clock.read_host_clock().as_secs();
    let answered = match sign_probe_url(secret, spec, now) {
        Ok(path) => fetch_path_from_edge(session, spec.domain, &path).await,
        Err(failure) => Err(failure),
    };
    match answered {
        Err(failure) => CheckResult::new_unknown_check(name, failure.to_string()),
        Ok(reply) => match reply.find_header("x-packagecloud-cloudfront") {
            None if reply.status < 500 => {
                CheckResult::new_passed_check(name, "a link by its own secret is accepted, too")
            }
            reason => CheckResult::new_failed_check(
                name,
                format!(
                    "a link by its own secret is answered {} ({})",
                    reply.status,
                    reason.unwrap_or("no reason")
                ),
                format!("have the edge accept it: {}", render_proposed_command("enable", &[])),
            ),
        },
    }
}

/// The secrets that nodes hold, the first node's first; a node that can't be read is said elsewhere.
async fn list_held_secrets(session: &Session) -> Vec<HeldSecret> {
    let mut held: Vec<HeldSecret> = Vec::new();
    for node in session.list_all_node_sessions() {
        let Ok(config) = node.host.read_packagecloud_config().await else { continue };
        let Some(secret) = config.seen.values.secret else { continue };
        let Ok(fingerprint) = compute_secret_fingerprint(&secret) else { continue };
        let name = node.host.transport.remote_host_name().unwrap_or("this host").to_owned();
        match held.iter_mut().find(|one| one.fingerprint == fingerprint) {
            Some(one) => one.nodes.push(name),
            None => held.push(HeldSecret { secret, fingerprint, nodes: vec![name] }),
        }
    }
    held
}

fn render_count(count: usize) -> String {
    match count {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    }
}

/// Says which nodes hold which secret; `links` are how many of packagecloud's links are signed with a secret that none of them holds,
/// and of how many.
fn describe_held_secrets(held: &[HeldSecret], links: Option<(usize, usize)>) -> String {
    if let Some((others, of)) = links.filter(|(others, _)| *others > 0) {
        let holders = match held {
            [] => "no node that can be read holds one",
            [_] => "every node that can be read holds the same one",
            _ => "the nodes that can be read hold different ones",
        };
        return format!(
            "{holders}, and {others} of {of} links are signed with another secret: a node was not named, or does not follow its file; name every node with --host, and continue the rotation: {}",
            render_proposed_command("rotate-secret", &[])
        );
    }
    match held {
        [] => "no node that can be read holds one".to_owned(),
        [_] => format!(
            "every node that can be read holds the same one; the others end by: {}",
            render_proposed_command("rotate-secret", &["--finish"])
        ),
        [first, others @ ..] => {
            let others: Vec<String> = others.iter().map(|one| one.nodes.join(", ")).collect();
            format!(
                "{} holds another than {}: a rotation is in progress; it goes on by: {}",
                others.join(", and "),
                first.nodes.join(", "),
                render_proposed_command("rotate-secret", &[])
            )
        }
    }
}
