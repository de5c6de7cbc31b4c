//! The secrets that the edge accepts now: a new version keeps them all, as ciphertexts that nobody here can open
//! (contract section 5).
//!
//! A version's description tells their fingerprints, its `keys.json` holds the ciphertexts, both in one order.

use futures::future::join_all;

use crate::aws::AwsClients;
use crate::edge::bundle::{
    EncryptedSigningKey, FunctionVersionDescription, parse_function_version_description,
    read_zip_signing_keys,
};
use crate::engine::session::Session;
use crate::host::is_host_down;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        account::{FunctionVersion, KmsKey, LambdaFunction},
        cloudfront::CloudFrontDistribution,
        evidence::{AcceptedSecret, DroppedSecret},
        lambda_runtime::AUTHENTICATOR_RUNTIME,
        names::ResourceNames,
    },
    failure::Failure,
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// Lists the versions that distributions carry, whosever they are.
pub(crate) fn list_associated_version_arns(distributions: &[CloudFrontDistribution]) -> Vec<&str> {
    let behaviors = distributions.iter().flat_map(|distribution| &distribution.behaviors);
    behaviors.filter_map(|behavior| behavior.viewer_request.as_deref()).collect()
}

/// The versions of `function` among these that are described as ours, the newest first.
fn select_described_versions<'a>(
    function: &'a LambdaFunction,
    associated: &[&str],
) -> Vec<(&'a FunctionVersion, FunctionVersionDescription)> {
    let versions = function.versions.iter().rev();
    versions
        .filter(|version| associated.contains(&version.arn.as_str()))
        .filter_map(|version| Some((version, parse_function_version_description(&version.description)?)))
        .collect()
}

/// Lists what the `associated` versions accept, each secret once, the newest version's first.
pub(crate) fn list_accepted_secrets(function: &LambdaFunction, associated: &[&str]) -> Vec<AcceptedSecret> {
    let mut accepted: Vec<AcceptedSecret> = Vec::new();
    for (version, described) in select_described_versions(function, associated) {
        let of = described.fingerprints.len();
        for (position, fingerprint) in described.fingerprints.into_iter().enumerate() {
            if accepted.iter().all(|known| known.fingerprint != fingerprint) {
                accepted.push(AcceptedSecret { fingerprint, version_arn: version.arn.clone(), position, of });
            }
        }
    }
    accepted
}

/// Returns whether a version of `function` holds another secret than the one with this fingerprint: only then it matters what
/// the edge accepts.
pub(crate) fn holds_another_secret(function: &LambdaFunction, fingerprint: &str) -> bool {
    function
        .versions
        .iter()
        .filter_map(|version| parse_function_version_description(&version.description))
        .any(|described| described.fingerprints.iter().any(|known| known != fingerprint))
}

/// Finds the version of this digest, on the runtime of now, that accepts all of `wanted`: first one that the edge has, then one that accepts nothing
/// else, the newest first. One that accepts more was gone back from, or is of before a secret was given up: it is never
/// brought to the edge again.
pub(crate) fn find_version_with_secrets<'a>(
    function: &'a LambdaFunction,
    digest: &str,
    wanted: &[String],
    accepted: &[AcceptedSecret],
) -> Option<&'a FunctionVersion> {
    let right: Vec<(&FunctionVersion, usize)> = function
        .versions
        .iter()
        .rev()
        .filter_map(|version| {
            let described = parse_function_version_description(&version.description)?;
            // The digest says which runtime it was published for, and the version which it runs on.
            let is_right = described.digest == digest
                && version.runtime == AUTHENTICATOR_RUNTIME
                && wanted.iter().all(|fingerprint| described.fingerprints.contains(fingerprint));
            is_right.then_some((version, described.fingerprints.len()))
        })
        .collect();
    let on_edge = |version: &FunctionVersion| accepted.iter().any(|one| one.version_arn == version.arn);
    let is_exact = |secrets: &usize| *secrets == wanted.len();
    right
        .iter()
        .find(|(version, secrets)| on_edge(version) && is_exact(secrets))
        .or_else(|| right.iter().find(|(version, _)| on_edge(version)))
        .or_else(|| right.iter().find(|(_, secrets)| is_exact(secrets)))
        .map(|(version, _)| *version)
}

/// Stops where a version that shall be associated accepts fewer secrets than the `associated` ones, those aside that are
/// `dropped`.
///
/// # Errors
/// Fails with the version, and the one that accepts more.
pub(crate) fn refuse_fewer_secrets(
    arn: &str,
    described: Option<&FunctionVersionDescription>,
    function: &LambdaFunction,
    associated: &[&str],
    dropped: &[DroppedSecret],
) -> Result<(), Failure> {
    for (version, stands) in select_described_versions(function, associated) {
        let lacks = |fingerprint: &&String| {
            described.is_none_or(|described| {
                !described.fingerprints.contains(fingerprint)
                    && dropped.iter().all(|one| one.fingerprint != **fingerprint)
            })
        };
        let lost = stands.fingerprints.iter().filter(lacks).count();
        if lost > 0 && version.arn != arn {
            let of = match stands.fingerprints.len() {
                1 => "the secret".to_owned(),
                more => format!("{lost} of the {more} secrets"),
            };
            return Err(Failure::new_generic_failure(
                arn,
                format!("it lacks {of} that {} accepts, which the distribution has now", version.arn),
                format!(
                    "this keeps them all: {}; to go back on purpose: {}",
                    render_proposed_command("bootstrap-cloudfront", &[]),
                    render_proposed_command("roll-back", &["--edge", arn])
                ),
            ));
        }
    }
    Ok(())
}

/// Stops where a version lacks a secret that a node's packagecloud.rb holds; `secrets` are those, each with its node.
///
/// # Errors
/// Fails with the version and the node.
pub(crate) fn refuse_version_without_node_secrets(
    arn: &str,
    described: &FunctionVersionDescription,
    secrets: &[(String, Secret)],
    next: &str,
) -> Result<(), Failure> {
    for (node, secret) in secrets {
        if !described.is_signing_secret_deployed(secret)? {
            return Err(Failure::new_generic_failure(
                arn,
                format!(
                    "it doesn't accept the secret in {node}: every link signed with that would be refused"
                ),
                next,
            ));
        }
    }
    Ok(())
}

/// Reads what each node signs with: the secret, and where it stands.
///
/// # Errors
/// Fails where a node's packagecloud.rb can't be read.
pub(crate) async fn read_node_secrets(session: &Session) -> Result<Vec<(String, Secret)>, Failure> {
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
    let mut secrets = Vec::new();
    for (node, config) in nodes.iter().zip(read) {
        if let Some(secret) = config?.seen.values.secret {
            secrets.push((node.host.render_config_location(), secret));
        }
    }
    Ok(secrets)
}

/// Reads what each node that can be reached signs with. For a version before which [`refuse_fewer_secrets`] was asked: what a
/// node that is down signs with, the version accepts as the one before it did.
///
/// # Errors
/// Fails where the packagecloud.rb of a node that is there can't be read.
pub(crate) async fn read_reached_node_secrets(session: &Session) -> Result<Vec<(String, Secret)>, Failure> {
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
    let mut secrets = Vec::new();
    for (node, config) in nodes.iter().zip(read) {
        match config {
            Err(failure) if is_host_down(&failure) => {}
            config => {
                let secret = config?.seen.values.secret;
                secrets.extend(secret.map(|secret| (node.host.render_config_location(), secret)));
            }
        }
    }
    Ok(secrets)
}

/// Reads the secrets that backups of packagecloud.rb hold, the newest first: an earlier one may be among them.
pub(crate) async fn read_backup_secrets(session: &Session) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    for backup in session.host.list_config_backups().await.unwrap_or_default() {
        let content = session.host.read_config_backup(&backup).await;
        let held = content.ok().and_then(|content| content.values.secret);
        secrets
            .extend(held.filter(|held| compute_secret_fingerprint(held).is_ok() && !secrets.contains(held)));
    }
    secrets
}

/// Reads the ciphertexts of `carried`, each from the version that holds it.
///
/// # Errors
/// Fails where a version's code can't be had, or doesn't match its description.
pub(crate) async fn read_carried_signing_keys(
    session: &Session,
    cloud: &AwsClients,
    carried: &[AcceptedSecret],
) -> Result<Vec<EncryptedSigningKey>, Failure> {
    let mut read: Vec<(&str, Vec<EncryptedSigningKey>)> = Vec::new();
    let mut keys = Vec::new();
    for secret in carried {
        let arn = secret.version_arn.as_str();
        if read.iter().all(|(known, _)| *known != arn) {
            read.push((arn, read_version_signing_keys(session, cloud, arn).await?));
        }
        let held = read.iter().find(|(known, _)| *known == arn).map_or(&[][..], |(_, keys)| keys);
        keys.push(pick_carried_signing_key(secret, held)?);
    }
    Ok(keys)
}

/// The entry that a fingerprint stands for, by its place.
fn pick_carried_signing_key(
    secret: &AcceptedSecret,
    held: &[EncryptedSigningKey],
) -> Result<EncryptedSigningKey, Failure> {
    let arn = &secret.version_arn;
    if held.len() != secret.of {
        return Err(Failure::new_generic_failure(
            arn,
            format!(
                "its keys.json holds {} secrets and its description {}: which is which isn't known",
                held.len(),
                secret.of
            ),
            "nothing was published: the edge goes on as it is; report this with the log",
        ));
    }
    Ok(held[secret.position].clone())
}

/// Stops where one of what is `carried`, whose ciphertexts are `sealed`, is under another key than `key`, which is all that
/// the function's role may decrypt with.
///
/// # Errors
/// Fails with the version that holds it.
pub(crate) fn refuse_secrets_of_other_keys(
    carried: &[AcceptedSecret],
    sealed: &[EncryptedSigningKey],
    key: &KmsKey,
    names: &ResourceNames,
) -> Result<(), Failure> {
    match carried.iter().zip(sealed).find(|(_, sealed)| sealed.arn != key.arn) {
        Some((secret, sealed)) => {
            Err(build_other_key_failure(&secret.version_arn, &sealed.arn, None, Some(key), names))
        }
        None => Ok(()),
    }
}

/// Returns the failure of a version that accepts a secret under the key `other`, of which it is known that it `stands`;
/// `key` is the one that the alias has now, if it has one.
pub(crate) fn build_other_key_failure(
    version_arn: &str,
    other: &str,
    stands: Option<&str>,
    key: Option<&KmsKey>,
    names: &ResourceNames,
) -> Failure {
    let alias = names.kms_alias_name();
    let stands = stands.map(|stands| format!(" ({stands})")).unwrap_or_default();
    let (now, verb) = match key.filter(|key| key.alias) {
        Some(key) => (format!("points at {}", key.arn), "update-alias"),
        None => ("isn't there".to_owned(), "create-alias"),
    };
    Failure::new_generic_failure(
        version_arn,
        format!(
            "it accepts a secret that KMS key {other}{stands} encrypted; the function's role may decrypt with the key of {alias} alone, and that alias {now}"
        ),
        format!(
            "nothing was published; point the alias at that key: aws kms {verb} --region us-east-1 --alias-name {alias} --target-key-id {other} — then try again"
        ),
    )
}

async fn read_version_signing_keys(
    session: &Session,
    cloud: &AwsClients,
    arn: &str,
) -> Result<Vec<EncryptedSigningKey>, Failure> {
    let unreadable = |why: String| {
        Failure::new_generic_failure(
            format!("the code of {arn}"),
            format!("{why}, so the secrets that it accepts can't be kept"),
            "nothing was published: the edge goes on as it is; try again",
        )
    };
    let location = cloud.read_function_code_location(arn).await?;
    let reply = session
        .web
        .send_http_get(&location, &[])
        .await
        .map_err(|failure| unreadable(format!("it can't be fetched: {}", failure.why)))?;
    if reply.status != 200 {
        return Err(unreadable(format!("fetching it was answered {}", reply.status)));
    }
    read_zip_signing_keys(&reply.body).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        aws::{account::ResourceOwnership, evidence::SecretDropReason},
        url::token::UrlTokenConstruction,
    };

    fn version(number: u64, digest: char, fingerprints: &[char]) -> FunctionVersion {
        let described = FunctionVersionDescription {
            construction: UrlTokenConstruction::default(),
            digest: digest.to_string().repeat(64),
            fingerprints: fingerprints.iter().map(|one| fingerprint(*one)).collect(),
        };
        FunctionVersion {
            arn: format!("arn:{number}"),
            number,
            description: described.to_string(),
            runtime: AUTHENTICATOR_RUNTIME.to_owned(),
            state: String::new(),
            code_sha256: String::new(),
            modified: String::new(),
        }
    }

    fn fingerprint(of: char) -> String {
        of.to_string().repeat(32)
    }

    fn function(versions: Vec<FunctionVersion>) -> LambdaFunction {
        LambdaFunction {
            arn: "arn".into(),
            ownership: ResourceOwnership::Ours,
            runtime: String::new(),
            handler: String::new(),
            role_arn: String::new(),
            memory: 0,
            timeout: 0,
            code_sha256: String::new(),
            description: String::new(),
            revision_id: String::new(),
            forbidden: Vec::new(),
            reserved_concurrency: None,
            rotation: None,
            versions,
        }
    }

    #[test]
    fn what_is_accepted_is_what_distributions_carry_and_nothing_else() {
        let function = function(vec![
            version(1, 'a', &['1']),
            version(2, 'a', &['2', '1']),
            version(3, 'a', &['3', '2', '1']),
            FunctionVersion { description: "by hand".into(), ..version(4, 'a', &[]) },
        ]);
        for (carried, expected) in [
            (vec![], vec![]),
            (vec!["arn:1"], vec![('1', "arn:1", 0)]),
            (vec!["arn:2", "arn:2"], vec![('2', "arn:2", 0), ('1', "arn:2", 1)]),
            // While a behavior is behind the others both count.
            (vec!["arn:1", "arn:3"], vec![('3', "arn:3", 0), ('2', "arn:3", 1), ('1', "arn:3", 2)]),
            (vec!["arn:4", "arn:of another function"], vec![]),
        ] {
            let found = list_accepted_secrets(&function, &carried);
            let found: Vec<(String, &str, usize)> = found
                .iter()
                .map(|one| (one.fingerprint.clone(), one.version_arn.as_str(), one.position))
                .collect();
            let expected: Vec<(String, &str, usize)> =
                expected.into_iter().map(|(of, arn, place)| (fingerprint(of), arn, place)).collect();
            assert_eq!(found, expected, "{carried:?}");
        }
        assert!(holds_another_secret(&function, &fingerprint('1')));
    }

    #[test]
    fn the_right_version_accepts_all_that_is_wanted() {
        let function = function(vec![
            version(1, 'a', &['1']),
            version(2, 'a', &['1', '2']),
            version(3, 'b', &['2', '1']),
            version(4, 'a', &['2', '1', '3']),
            version(5, 'a', &['1', '2']),
        ]);
        let on_edge = |arn: &str| list_accepted_secrets(&function, &[arn]);
        for (wanted, accepted, expected) in [
            (vec!['1'], vec![], Some("arn:1")),
            // Whatever their order: nothing is published for that.
            (vec!['2', '1'], on_edge("arn:2"), Some("arn:2")),
            (vec!['2', '1'], vec![], Some("arn:5")),
            // One that accepts more comes to the edge no more, and stays where it is there.
            (vec!['3'], vec![], None),
            (vec!['1'], on_edge("arn:4"), Some("arn:4")),
            (vec!['2', '1'], [on_edge("arn:4"), on_edge("arn:2")].concat(), Some("arn:2")),
            // A new digest: what was gone back from for one secret isn't taken for the other.
            (vec!['3'], on_edge("arn:3"), None),
            (vec!['4', '1'], on_edge("arn:1"), None),
        ] {
            let wanted: Vec<String> = wanted.into_iter().map(fingerprint).collect();
            let found = find_version_with_secrets(&function, &"a".repeat(64), &wanted, &accepted);
            assert_eq!(found.map(|version| version.arn.as_str()), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_version_that_accepts_fewer_is_never_associated() {
        let function = function(vec![version(1, 'a', &['1']), version(2, 'a', &['2', '1'])]);
        let described =
            |number: usize| parse_function_version_description(&function.versions[number - 1].description);
        let dropped =
            |of| vec![DroppedSecret { fingerprint: fingerprint(of), why: SecretDropReason::HeldByNoNode }];
        for (carried, arn, next, dropped, is_refused) in [
            ("arn:1", "arn:2", described(2), vec![], false),
            ("arn:2", "arn:1", described(1), vec![], true),
            ("arn:2", "arn:1", described(1), dropped('2'), false),
            ("arn:2", "arn:1", described(1), dropped('1'), true),
            ("arn:2", "arn:2", described(2), vec![], false),
            ("arn:2", "arn:vendor", None, vec![], true),
            // What it accepts isn't known.
            ("arn:2", "arn:vendor", None, [dropped('2'), dropped('1')].concat(), true),
            ("arn:vendor", "arn:1", described(1), vec![], false),
        ] {
            let refused = refuse_fewer_secrets(arn, next.as_ref(), &function, &[carried], &dropped);
            assert_eq!(refused.is_err(), is_refused, "{carried} to {arn}: {refused:?}");
        }
    }

    #[test]
    fn a_ciphertext_is_found_by_its_place() {
        let key = |ciphertext: &str, arn: &str| EncryptedSigningKey {
            arn: arn.into(),
            ciphertext: ciphertext.into(),
            context: std::collections::BTreeMap::new(),
        };
        let held = [key("first", "k"), key("second", "k"), key("third", "other")];
        let secret = |position, of| AcceptedSecret {
            fingerprint: fingerprint('1'),
            version_arn: "arn:1".into(),
            position,
            of,
        };
        assert_eq!(pick_carried_signing_key(&secret(1, 3), &held).unwrap().ciphertext, "second");
        let failure = pick_carried_signing_key(&secret(0, 2), &held).unwrap_err();
        assert!(failure.why.contains("holds 3 secrets and its description 2"), "{failure:?}");
        let stands = KmsKey {
            id: "k".into(),
            arn: "k".into(),
            state: "Enabled".into(),
            ownership: ResourceOwnership::Ours,
            policy: serde_json::Value::Null,
            alias: true,
            has_fresh_tags: false,
        };
        let carried = [secret(0, 3), secret(1, 3), secret(2, 3)];
        let names = ResourceNames::new("bucket", &"staging".parse().unwrap());
        assert_eq!(refuse_secrets_of_other_keys(&carried[..2], &held[..2], &stands, &names), Ok(()));
        let failure = refuse_secrets_of_other_keys(&carried, &held, &stands, &names).unwrap_err();
        assert!(failure.why.contains("KMS key other encrypted"), "{failure:?}");
        let command = "aws kms update-alias --region us-east-1 --alias-name alias/packagecloud_cloudfront_staging --target-key-id other";
        assert!(failure.next.contains(command), "{failure:?}");
        let failure = build_other_key_failure("arn:1", "other", Some("Disabled"), None, &names);
        assert!(
            failure.why.contains("KMS key other (Disabled)") && failure.next.contains("create-alias"),
            "{failure:?}"
        );
    }
}
