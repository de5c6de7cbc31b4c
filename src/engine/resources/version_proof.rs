//! The proof of a function version before a distribution carries it: it is invoked in us-east-1, with links that it must let
//! through and links that it must refuse (contract section 5).
//!
//! It shows that bundle, runtime, role and key work there. Other regions are seen only by the probes behind CloudFront.

use serde_json::{Value, json};

use super::accepted_secrets::read_backup_secrets;
use crate::aws::{AwsClients, FunctionInvocation, WaitProgressReporter};
use crate::edge::bundle::{FunctionVersionDescription, parse_function_version_description};
use crate::engine::{
    delivery::probe::{self, LINK_LIFETIME_SECONDS, SignedUrlSpec},
    session::{AwsTarget, Session},
};
use crate::host::HostClock;
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::{
        account::{FunctionVersion, ResourceOwnership},
        names::ResourceNames,
    },
    failure::Failure,
    packagecloud::object::ABSENT_KEY,
    secret::Secret,
    url::{
        redirect::split_host_and_path,
        token::{TokenMacAlgorithm, UrlTokenConstruction, compute_secret_fingerprint},
    },
};

/// How long a right link of a proof holds, in seconds: as packagecloud's own, and longer than one link is asked again while
/// role and key become known, so that a host whose clock is a little slow passes too.
const PROOF_LINK_LIFETIME_SECONDS: i64 = LINK_LIFETIME_SECONDS.cast_signed();
/// How long ago the expired link of a proof expired, in seconds: more than a clock that AWS takes is wrong by.
const EXPIRED_LINK_AGE_SECONDS: i64 = 3600;
/// Where there is no distribution yet: the host of CloudFront's own examples.
pub(crate) const EXAMPLE_EDGE_HOST: &str = "d111111abcdef8.cloudfront.net";
const NOT_ASSOCIATED: &str = "no distribution was given this version";

/// A version that shall be associated, and what is known of it.
pub(crate) struct VersionToAssociate {
    pub arn: String,
    /// Whose its function is.
    pub ownership: ResourceOwnership,
    /// What its description tells, where it is one of ours.
    pub described: Option<FunctionVersionDescription>,
}

/// A version, and what it is tried with.
pub(crate) struct FunctionVersionProof<'a> {
    pub version: &'a VersionToAssociate,
    /// How links are made, where the description doesn't tell.
    pub construction: UrlTokenConstruction,
    /// The packages domain.
    pub host: &'a str,
    /// What the nodes sign with, and what else is at hand.
    pub secrets: Vec<Secret>,
    /// A link as packagecloud makes it, where one was had.
    pub packagecloud_link: Option<&'a str>,
    /// The host's: each link is signed as it is tried, as the ones before it may have been waited for.
    pub clock: &'a HostClock,
    /// Whether AWS is an endpoint of the operator's own: what runs there need not reach any KMS.
    pub is_at_own_endpoint: bool,
}

/// Finds a version that shall be associated: among the versions of this install's function that were read, else by asking.
///
/// # Errors
/// Fails where there is no such version, or AWS does not answer.
pub(crate) async fn find_version_to_associate(
    target: &AwsTarget,
    arn: &str,
) -> Result<VersionToAssociate, Failure> {
    let function = target.read_authenticator_function().await?;
    let versions = function.iter().flat_map(|function| &function.versions);
    match versions.into_iter().find(|version| version.arn == arn).cloned() {
        Some(version) => identify_version_to_associate(target, version).await,
        None => read_version_to_associate(target, arn).await,
    }
}

/// Reads a version that shall be associated, as it is now.
///
/// # Errors
/// Fails where there is no such version, or AWS does not answer.
pub(crate) async fn read_version_to_associate(
    target: &AwsTarget,
    arn: &str,
) -> Result<VersionToAssociate, Failure> {
    let version = target.cloud.read_function_version(arn).await?;
    let version = version.ok_or_else(|| build_missing_lambda_version_failure(arn, &target.names))?;
    identify_version_to_associate(target, version).await
}

/// Whose the version is, and what its description tells.
async fn identify_version_to_associate(
    target: &AwsTarget,
    version: FunctionVersion,
) -> Result<VersionToAssociate, Failure> {
    let function = target.read_authenticator_function().await?;
    let own = function.filter(|function| version.arn.starts_with(&format!("{}:", function.arn)));
    let ownership = match own {
        Some(function) => function.ownership,
        None => target.cloud.read_function_ownership(&version.arn, &target.names).await?,
    };
    let described = parse_function_version_description(&version.description);
    Ok(VersionToAssociate { arn: version.arn, ownership, described })
}

/// Returns the failure of a function version that isn't there.
fn build_missing_lambda_version_failure(arn: &str, names: &ResourceNames) -> Failure {
    Failure::new_generic_failure(
        arn,
        "there is no such function version",
        format!(
            "list them with: {}; this prints the one that fits: {}",
            render_list_versions_command(names),
            render_proposed_command("bootstrap-cloudfront", &[])
        ),
    )
}

/// Renders the command that lists the versions of this install's function.
pub(crate) fn render_list_versions_command(names: &ResourceNames) -> String {
    format!(
        "aws lambda list-versions-by-function --function-name {} --region us-east-1",
        names.lambda_function_name()
    )
}

/// Returns the secrets at hand: what the nodes hold, and, where the version accepts others too, what backups hold.
pub(crate) async fn collect_secrets_at_hand(
    session: &Session,
    version: &VersionToAssociate,
    node_secrets: &[(String, Secret)],
) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = node_secrets.iter().map(|(_, secret)| secret.clone()).collect();
    let known: Vec<String> = secrets.iter().filter_map(|one| compute_secret_fingerprint(one).ok()).collect();
    let others = version.described.iter().flat_map(|described| &described.fingerprints);
    if others.into_iter().any(|fingerprint| !known.contains(fingerprint)) {
        secrets.extend(read_backup_secrets(session).await);
    }
    secrets
}

/// What a link must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProofExpectation {
    Accepted,
    /// With one of ours, for this reason.
    Refused(&'static str),
}

/// A link, and what it must come to.
struct ProofLink<'a> {
    what: &'static str,
    host: &'a str,
    source: ProofLinkSource<'a>,
    expected: ProofExpectation,
}

/// Where a link is had from.
enum ProofLinkSource<'a> {
    /// It was given, as path and query.
    Given(&'a str),
    /// It is signed as it is tried, to last so many seconds.
    Signed(&'a Secret, i64),
}

/// How a link of the proof was answered.
#[derive(Debug, PartialEq, Eq)]
enum ProofAnswer {
    AsExpected,
    /// It could check none.
    Unavailable,
    /// In words.
    Wrong(String),
}

/// Invokes a version with each link; returns what was shown, or why nothing could be.
///
/// # Errors
/// Fails where it doesn't run, can't decrypt, or judges a link wrongly; and where it is a function without our marker that
/// nobody consented to adopt.
pub(crate) async fn prove_function_version(
    cloud: &AwsClients,
    names: &ResourceNames,
    proof: &FunctionVersionProof<'_>,
    adopt: bool,
    say: WaitProgressReporter<'_>,
) -> Result<String, Failure> {
    refuse_foreign_function(proof.version, adopt)?;
    let known = proof.select_accepted_secrets()?;
    let links = proof.list_proof_links(&known);
    let (right, wrong): (Vec<_>, Vec<_>) =
        links.iter().partition(|link| link.expected == ProofExpectation::Accepted);
    if right.is_empty() {
        return Ok(
            "unknown: none of the secrets that it accepts is at hand, so no link could be tried".into()
        );
    }
    // The first one is a cold start, and waits for what isn't known everywhere yet.
    for link in right {
        if let Some(unknown) = prove_one_link(cloud, names, proof, link, say).await? {
            return Ok(unknown);
        }
    }
    let asked = wrong.into_iter().map(|link| prove_one_link(cloud, names, proof, link, say));
    let unknown = futures::future::try_join_all(asked).await?.into_iter().flatten().next();
    Ok(unknown.unwrap_or_else(|| proof.describe_what_was_proven(known.len())))
}

/// Invokes with one link; what keeps it from being known, where something does.
async fn prove_one_link(
    cloud: &AwsClients,
    names: &ResourceNames,
    proof: &FunctionVersionProof<'_>,
    link: &ProofLink<'_>,
    say: WaitProgressReporter<'_>,
) -> Result<Option<String>, Failure> {
    let arn = proof.version.arn.as_str();
    let event = build_viewer_event(link.host, &proof.render_link_path(link)?);
    let invoked = if proof.is_at_own_endpoint {
        cloud.invoke_function_version_without_waiting(names, arn, &event).await?
    } else {
        cloud.invoke_function_version(names, arn, &event, say).await?
    };
    let failed =
        |why: String, next: String| Err(Failure::new_generic_failure(proof.version.arn.as_str(), why, next));
    let (payload, log) = match invoked {
        FunctionInvocation::NotRun(why) => {
            return Ok(Some(format!("unknown: {why}; the gate tells later whether links pass")));
        }
        FunctionInvocation::Failed { kind, message } => {
            return failed(
                format!("it doesn't run: {kind}: {message}"),
                format!(
                    "this publishes one that does: {}; {NOT_ASSOCIATED}",
                    render_proposed_command("bootstrap-cloudfront", &[])
                ),
            );
        }
        FunctionInvocation::Answered { payload, log } => (payload, log),
    };
    match judge_proof_answer(link.expected, proof.version.described.is_some(), &payload) {
        ProofAnswer::AsExpected => Ok(None),
        ProofAnswer::Unavailable if proof.is_at_own_endpoint => Ok(Some(
            "unknown: it can check no link there; at an endpoint of your own a function need not reach KMS"
                .to_owned(),
        )),
        ProofAnswer::Unavailable => {
            // Only ours is known to log neither token nor secret.
            let said = log.last().filter(|_| proof.version.described.is_some());
            let said = said.map(|line| format!(": {line}")).unwrap_or_default();
            failed(
                format!("it can't decrypt every secret that it accepts, so links would be refused{said}"),
                format!(
                    "see that the key is enabled and that nothing denies kms:Decrypt to role {} (a boundary, an organization's policy), then run: {}; {NOT_ASSOCIATED}",
                    names.function_role_name(),
                    render_proposed_command("bootstrap-cloudfront", &[])
                ),
            )
        }
        ProofAnswer::Wrong(answered) => failed(
            format!("{} {answered}", link.what),
            format!("{}; {NOT_ASSOCIATED}", advise_for_wrong_answer(&payload)),
        ),
    }
}

/// The next move where a link was judged wrongly.
fn advise_for_wrong_answer(payload: &Value) -> String {
    if read_refusal_reason(payload) == Some("expired") {
        "set this host's clock (chronyc makestep, or timedatectl set-ntp true), then try again".to_owned()
    } else {
        format!(
            "this publishes a version for the secret in packagecloud.rb (with --construction, where packagecloud makes its links another way): {}",
            render_proposed_command("bootstrap-cloudfront", &[])
        )
    }
}

fn refuse_foreign_function(version: &VersionToAssociate, adopt: bool) -> Result<(), Failure> {
    let arn = version.arn.as_str();
    match &version.ownership {
        ResourceOwnership::Ours => Ok(()),
        ResourceOwnership::Unmarked if adopt => Ok(()),
        ResourceOwnership::Unmarked => Err(Failure::new_missing_consent_failure(
            arn,
            "its function has no marker of ours, so it is neither invoked nor associated",
            format!(
                "adopt it: {} — or set up beside it with --name-suffix",
                render_same_command_again(&["--adopt"])
            ),
        )),
        ResourceOwnership::Other(bucket) => Err(Failure::new_generic_failure(
            arn,
            format!("its function belongs to the install of bucket {bucket}"),
            "choose a --name-suffix for this install",
        )),
    }
}

impl FunctionVersionProof<'_> {
    /// The secrets at hand that the version accepts by its description, each once; all of them, where it tells none.
    fn select_accepted_secrets(&self) -> Result<Vec<&Secret>, Failure> {
        let mut seen = Vec::new();
        let mut known = Vec::new();
        for secret in &self.secrets {
            let fingerprint = compute_secret_fingerprint(secret)?;
            let described = self.version.described.as_ref();
            let is_accepted = described.is_none_or(|one| one.fingerprints.contains(&fingerprint));
            if is_accepted && !seen.contains(&fingerprint) {
                seen.push(fingerprint);
                known.push(secret);
            }
        }
        Ok(known)
    }

    /// By every secret a right link, then a forged and an expired one; instead of them, packagecloud's own.
    fn list_proof_links<'a>(&'a self, known: &[&'a Secret]) -> Vec<ProofLink<'a>> {
        let accepted = ProofExpectation::Accepted;
        let forged = ProofExpectation::Refused("bad-signature");
        if let Some((host, path)) = self.packagecloud_link.and_then(split_host_and_path) {
            let own =
                |what, expected| ProofLink { what, host, source: ProofLinkSource::Given(path), expected };
            return vec![own("a link that packagecloud just made", accepted), own("a forged link", forged)];
        }
        let signed = |what, secret, lifetime, expected| ProofLink {
            what,
            host: self.host,
            source: ProofLinkSource::Signed(secret, lifetime),
            expected,
        };
        let right = |secret| signed("a right link", secret, PROOF_LINK_LIFETIME_SECONDS, accepted);
        let mut links: Vec<ProofLink<'_>> = known.iter().copied().map(right).collect();
        if let Some(first) = known.first() {
            let expired = ProofExpectation::Refused("expired");
            links.push(signed("a forged link", first, PROOF_LINK_LIFETIME_SECONDS, forged));
            links.push(signed("an expired link", first, -EXPIRED_LINK_AGE_SECONDS, expired));
        }
        links
    }

    /// The path and query of a link, signed now where it isn't a given one.
    fn render_link_path(&self, link: &ProofLink<'_>) -> Result<String, Failure> {
        let path = match link.source {
            ProofLinkSource::Given(path) => path.to_owned(),
            ProofLinkSource::Signed(secret, lifetime) => {
                let described = self.version.described.as_ref();
                let construction = described.map_or(self.construction, |described| described.construction);
                let mac = TokenMacAlgorithm::Sha1;
                let spec = SignedUrlSpec { domain: link.host, key: ABSENT_KEY, construction, mac, lifetime };
                probe::sign_probe_url(secret, &spec, self.clock.read_host_clock().as_secs())?
            }
        };
        let is_forged = link.expected == ProofExpectation::Refused("bad-signature");
        Ok(if is_forged { forge_last_digit(&path) } else { path })
    }

    fn describe_what_was_proven(&self, known: usize) -> String {
        if self.packagecloud_link.is_some() {
            return "in us-east-1 it lets a link of packagecloud's through and refuses a forged one; other regions are not seen by this".into();
        }
        let described = self.version.described.as_ref();
        let held = described.map_or(known, |described| described.fingerprints.len());
        let by = match (held, held.saturating_sub(known)) {
            (1, _) => "a link by its secret".to_owned(),
            (_, 0) => format!("a link by each of its {held} secrets"),
            (_, unknown) => format!(
                "a link by {known} of its {held} secrets (it decrypts the other {unknown}, which no file here holds)"
            ),
        };
        format!(
            "in us-east-1 it lets {by} through and refuses a forged and an expired one; other regions are not seen by this"
        )
    }
}

/// The same link with another last digit: of the same shape, and signed by nobody.
fn forge_last_digit(path_and_query: &str) -> String {
    let mut forged = path_and_query.to_owned();
    let last = forged.pop();
    forged.push(if last == Some('0') { '1' } else { '0' });
    forged
}

/// CloudFront's event of a viewer request.
fn build_viewer_event(host: &str, path_and_query: &str) -> Value {
    let (uri, querystring) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": host,
            "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request",
            "requestId": "packagecloud-cloudfront",
        },
        "request": {
            "clientIp": "203.0.113.178",
            "headers": {
                "host": [{ "key": "Host", "value": host }],
                "user-agent": [{ "key": "User-Agent", "value": "packagecloud-cloudfront" }],
            },
            "method": "GET",
            "querystring": querystring,
            "uri": uri,
        },
    } }] })
}

fn read_refusal_reason(payload: &Value) -> Option<&str> {
    payload["headers"]["x-packagecloud-cloudfront"][0]["value"].as_str()
}

/// A request that goes on has no status. One of ours says its reason too, and takes the token off.
fn judge_proof_answer(expected: ProofExpectation, is_ours: bool, payload: &Value) -> ProofAnswer {
    let status = payload["status"].as_str();
    if status == Some("503") {
        return ProofAnswer::Unavailable;
    }
    let passes = status.is_none() && payload["uri"].is_string();
    match expected {
        ProofExpectation::Accepted if passes && is_ours && payload["querystring"] != "" => {
            ProofAnswer::Wrong("goes on with its token, which would then be part of the cache's key".into())
        }
        ProofExpectation::Accepted if passes => ProofAnswer::AsExpected,
        ProofExpectation::Refused(_) if passes => {
            ProofAnswer::Wrong("is let through: packages would be open to anybody".into())
        }
        ProofExpectation::Refused(reason)
            if status == Some("403") && (!is_ours || read_refusal_reason(payload) == Some(reason)) =>
        {
            ProofAnswer::AsExpected
        }
        ProofExpectation::Accepted | ProofExpectation::Refused(_) => {
            let why = read_refusal_reason(payload).map(|reason| format!(" ({reason})")).unwrap_or_default();
            ProofAnswer::Wrong(format!(
                "is answered {}{why}",
                status.unwrap_or("by no response and no request")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: &str, reason: &str) -> Value {
        json!({"status": status, "headers": {"x-packagecloud-cloudfront": [{"value": reason}]}})
    }

    #[test]
    fn an_answer_is_judged_by_what_the_link_was() {
        use ProofExpectation::{Accepted, Refused};
        let goes_on = json!({"uri": "/a", "querystring": ""});
        let with_token = json!({"uri": "/a", "querystring": "t=1"});
        let wrong = |part: &str| Some(part.to_owned());
        for (expected, is_ours, payload, why) in [
            (Accepted, true, goes_on.clone(), None),
            (Accepted, true, with_token.clone(), wrong("with its token")),
            // How somebody else's function passes a request on is its own affair.
            (Accepted, false, with_token, None),
            (Accepted, true, refusal("403", "bad-signature"), wrong("403 (bad-signature)")),
            (Accepted, false, json!({"status": "302"}), wrong("302")),
            (Accepted, true, json!(null), wrong("no response")),
            (Refused("expired"), true, refusal("403", "expired"), None),
            (Refused("expired"), true, refusal("403", "bad-signature"), wrong("bad-signature")),
            (Refused("expired"), false, json!({"status": "403"}), None),
            (Refused("expired"), true, goes_on, wrong("let through")),
        ] {
            match (judge_proof_answer(expected, is_ours, &payload), why) {
                (ProofAnswer::AsExpected, None) => {}
                (ProofAnswer::Wrong(said), Some(why)) => assert!(said.contains(&why), "{said}"),
                (judged, why) => panic!("{expected:?} {payload}: {judged:?}, not {why:?}"),
            }
        }
        for expected in [Accepted, Refused("expired")] {
            let unavailable = judge_proof_answer(expected, true, &refusal("503", "unavailable"));
            assert_eq!(unavailable, ProofAnswer::Unavailable);
        }
    }

    #[test]
    fn every_accepted_secret_has_a_right_link_and_there_are_two_wrong_ones() {
        let secrets: Vec<Secret> =
            [1, 1, 2, 3].map(|byte| Secret::generate_cloudfront_secret(&[byte; 16])).to_vec();
        let fingerprint = |secret: &Secret| compute_secret_fingerprint(secret).unwrap();
        let described = FunctionVersionDescription {
            construction: UrlTokenConstruction::default(),
            digest: String::new(),
            fingerprints: vec![fingerprint(&secrets[0]), fingerprint(&secrets[2]), "0".repeat(32)],
        };
        let version = VersionToAssociate {
            arn: "arn".into(),
            ownership: ResourceOwnership::Ours,
            described: Some(described),
        };
        let clock = HostClock::new(|| std::time::Duration::from_secs(1_700_000_000));
        let proof = FunctionVersionProof {
            version: &version,
            construction: UrlTokenConstruction::default(),
            host: EXAMPLE_EDGE_HOST,
            secrets,
            packagecloud_link: None,
            clock: &clock,
            is_at_own_endpoint: false,
        };
        let known = proof.select_accepted_secrets().unwrap();
        let links = proof.list_proof_links(&known);
        let expected: Vec<ProofExpectation> = links.iter().map(|link| link.expected).collect();
        let refused = ["bad-signature", "expired"].map(ProofExpectation::Refused);
        assert_eq!(expected, [&[ProofExpectation::Accepted; 2][..], &refused[..]].concat());
        let paths: Vec<String> = links.iter().map(|link| proof.render_link_path(link).unwrap()).collect();
        let expires: Vec<&str> = paths.iter().map(|path| &path.split_once("?t=").unwrap().1[..10]).collect();
        // A right one lasts as long as it is asked again and more; an expired one is so by any clock.
        assert_eq!(expires, ["1700000300", "1700000300", "1700000300", "1699996400"]);
        assert_ne!(paths[2], paths[0]);
        assert!(proof.describe_what_was_proven(2).contains("2 of its 3 secrets"));
    }

    #[test]
    fn a_function_without_our_marker_is_not_invoked_without_adopt() {
        let version = |ownership| VersionToAssociate { arn: "arn".into(), ownership, described: None };
        let unmarked = version(ResourceOwnership::Unmarked);
        let failure = refuse_foreign_function(&unmarked, false).unwrap_err();
        assert!(failure.next.contains("--adopt"), "{failure:?}");
        assert!(refuse_foreign_function(&unmarked, true).is_ok());
        assert!(refuse_foreign_function(&version(ResourceOwnership::Other("shop".into())), true).is_err());
    }

    #[test]
    fn the_versions_are_listed_of_the_function_with_its_suffix() {
        let names = ResourceNames::new("bucket", &"staging".parse().unwrap());
        let failure = build_missing_lambda_version_failure("arn", &names);
        assert!(
            failure.next.contains(&format!("--function-name {} ", names.lambda_function_name())),
            "{failure:?}"
        );
    }
}
