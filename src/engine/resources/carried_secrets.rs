//! Which of the secrets that the edge accepts a new version keeps (contract sections 5 and 12): all of them, but those that a
//! node held once and no node holds while CloudFront is off on each, and those whose KMS key is gone.

use futures::{FutureExt as _, future::join_all};

use super::{
    accepted_secrets::{build_other_key_failure, read_backup_secrets, read_carried_signing_keys},
    switched_off::is_cloudfront_off_on_every_node,
};
use crate::edge::bundle::{EncryptedSigningKey, SECRETS_MAX};
use crate::engine::session::{AwsTarget, Session};
use crate::model::{
    aws::{
        account::KmsKey,
        evidence::{AcceptedSecret, CarriedSecretChoice, DroppedSecret, SecretDropReason},
    },
    failure::Failure,
    packagecloud::settings::CloudFrontSettingKey,
    run::{answers::OperatorAnswers, proposed_command::render_proposed_command},
    url::token::compute_secret_fingerprint,
};

/// In these states a key opens nothing, and will not be there for long.
const DELETED_KEY_STATES: [&str; 2] = ["PendingDeletion", "PendingReplicaDeletion"];

/// Whose packagecloud.rb tells what is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretHolders {
    /// Every node's, or the first one's alone while a new secret is on its way to all of them.
    Nodes,
    /// Nobody's: all of them are given a secret that isn't made yet.
    Nobody,
}

/// Chooses among the secrets that the edge accepts beside the current one.
pub(crate) async fn choose_carried_secrets(
    session: &Session,
    answers: &OperatorAnswers,
    holders: SecretHolders,
    accepted: Vec<AcceptedSecret>,
) -> CarriedSecretChoice {
    let all = |carried| CarriedSecretChoice { carried, ..CarriedSecretChoice::default() };
    if accepted.is_empty() {
        return all(accepted);
    }
    let Some(held) = read_held_fingerprints(session, answers, holders).boxed().await else {
        return all(accepted);
    };
    let is_held = |one: &AcceptedSecret| held.contains(&one.fingerprint);
    if accepted.iter().all(is_held) || !is_cloudfront_off_on_every_node(session, answers).boxed().await {
        return all(accepted);
    }
    let is_replaced = answers.consents.new_secret || holders == SecretHolders::Nobody;
    let once_held = if is_replaced { Vec::new() } else { read_once_held_fingerprints(session).boxed().await };
    let is_given_up =
        |one: &AcceptedSecret| !is_held(one) && (is_replaced || once_held.contains(&one.fingerprint));
    let (mut given_up, mut carried): (Vec<_>, Vec<_>) = accepted.into_iter().partition(is_given_up);
    // Who else holds one isn't known; where they are too many, the one that the edge has had longest is given up.
    while carried.len() >= SECRETS_MAX
        && let Some(at) = carried.iter().rposition(|one| !is_held(one))
    {
        given_up.push(carried.remove(at));
    }
    let drop = |one: AcceptedSecret| DroppedSecret {
        fingerprint: one.fingerprint,
        why: SecretDropReason::HeldByNoNode,
    };
    CarriedSecretChoice { carried, dropped: given_up.into_iter().map(drop).collect(), obstacle: None }
}

/// The fingerprints of what backups tell that a node held before. What none did is the secret of a node that nobody named, for
/// all that is known: its links may be a moment old.
async fn read_once_held_fingerprints(session: &Session) -> Vec<String> {
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(read_backup_secrets)).await;
    read.iter().flatten().filter_map(|secret| compute_secret_fingerprint(secret).ok()).collect()
}

/// The fingerprints of what the nodes hold; `None` where one of them can't be read, or doesn't tell.
async fn read_held_fingerprints(
    session: &Session,
    answers: &OperatorAnswers,
    holders: SecretHolders,
) -> Option<Vec<String>> {
    let mut nodes = session.list_all_node_sessions();
    match holders {
        SecretHolders::Nobody => nodes.clear(),
        SecretHolders::Nodes if answers.consents.new_secret => nodes.truncate(1),
        SecretHolders::Nodes => {}
    }
    let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
    let mut held = Vec::new();
    for config in read {
        let seen = config.ok()?.seen;
        if seen.find_unsettling_line(CloudFrontSettingKey::Secret).is_some() {
            return None;
        }
        if let Some(secret) = &seen.values.secret {
            held.push(compute_secret_fingerprint(secret).ok()?);
        }
    }
    Some(held)
}

/// Drops what is encrypted under a key that is gone; what is under another key that stands, or can't be read, is an
/// obstacle. `key` is the one that the function's role may decrypt with, where it stands.
pub(crate) async fn drop_secrets_of_gone_keys(
    session: &Session,
    target: &AwsTarget,
    key: Option<&KmsKey>,
    choice: &mut CarriedSecretChoice,
) {
    let sealed = match read_carried_signing_keys(session, &target.cloud, &choice.carried).boxed().await {
        Ok(sealed) => sealed,
        Err(failure) => {
            choice.obstacle = Some(failure);
            return;
        }
    };
    let mut states: Vec<(&str, Result<Option<String>, Failure>)> = Vec::new();
    for EncryptedSigningKey { arn, .. } in &sealed {
        if key.is_none_or(|key| key.arn != *arn) && states.iter().all(|(known, _)| known != arn) {
            states.push((arn, target.cloud.read_kms_key_state(arn).await));
        }
    }
    let mut carried = Vec::new();
    for (secret, EncryptedSigningKey { arn, .. }) in
        std::mem::take(&mut choice.carried).into_iter().zip(&sealed)
    {
        let state = states.iter().find(|(known, _)| known == arn).map(|(_, state)| state);
        let stands = match state {
            None => None,
            Some(Ok(Some(state))) if !DELETED_KEY_STATES.contains(&state.as_str()) => Some(state.clone()),
            Some(Err(failure)) => Some(failure.why.clone()),
            Some(Ok(_)) => {
                let why = SecretDropReason::KeyGone { key_arn: arn.clone() };
                choice.dropped.push(DroppedSecret { fingerprint: secret.fingerprint, why });
                continue;
            }
        };
        if let Some(stands) = stands {
            let failure =
                build_other_key_failure(&secret.version_arn, arn, Some(&stands), key, &target.names);
            choice.obstacle.get_or_insert(failure);
        }
        carried.push(secret);
    }
    choice.carried = carried;
}

/// Returns which of `dropped` may be left out by now: what a node may sign with again may not.
pub(crate) async fn confirm_dropped_secrets(
    session: &Session,
    answers: &OperatorAnswers,
    dropped: &[DroppedSecret],
) -> Vec<DroppedSecret> {
    let is_unheld = |one: &DroppedSecret| one.why == SecretDropReason::HeldByNoNode;
    let still_off = dropped.iter().any(is_unheld) && is_cloudfront_off_on_every_node(session, answers).await;
    dropped.iter().filter(|one| still_off || !is_unheld(one)).cloned().collect()
}

/// Returns why no version can hold the current secret and all that is `carried`, where they are too many.
pub(crate) fn find_secret_count_excess(
    carried: &[AcceptedSecret],
    current: &str,
) -> Option<(String, String)> {
    let count = carried.len() + 1;
    (count > SECRETS_MAX).then(|| {
        (
            format!(
                "the edge would have to accept {count} secrets: {current} and the {} that it accepts now and a link may be signed with; {SECRETS_MAX} fit, and nothing was changed",
                carried.len()
            ),
            format!(
                "switch CloudFront off on every node, with a --probe-url by which its redirects are seen to go to S3: {} — then a new version leaves out what no packagecloud.rb holds",
                render_proposed_command("disable", &[])
            ),
        )
    })
}

/// Says what becomes of the secrets that a new version leaves out, as the end of a sentence; nothing where there are none.
pub(crate) fn describe_dropped_secrets(dropped: &[DroppedSecret]) -> String {
    let unheld = dropped.iter().filter(|one| one.why == SecretDropReason::HeldByNoNode).count();
    let mut text = match unheld {
        0 => String::new(),
        1 => "; one that the edge accepts now is left out, as no packagecloud.rb holds it and CloudFront is off: links signed with it are refused from then on, those of the last minutes too".to_owned(),
        more => format!("; {more} that the edge accepts now are left out, as no packagecloud.rb holds them and CloudFront is off: links signed with them are refused from then on, those of the last minutes too"),
    };
    let mut keys: Vec<&str> = Vec::new();
    for one in dropped {
        if let SecretDropReason::KeyGone { key_arn } = &one.why
            && !keys.contains(&key_arn.as_str())
        {
            keys.push(key_arn);
        }
    }
    for key in keys {
        text.push_str(&format!(
            "; what KMS key {key} encrypted is left out, as that key is deleted: the edge can't open it"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_with_the_reason() {
        let dropped = |why| DroppedSecret { fingerprint: String::new(), why };
        let unheld = || dropped(SecretDropReason::HeldByNoNode);
        let gone = || dropped(SecretDropReason::KeyGone { key_arn: "arn:k".into() });
        assert_eq!(describe_dropped_secrets(&[]), "");
        for (dropped, parts) in [
            (
                vec![unheld()],
                &["; one that the edge accepts now is left out", "signed with it are refused"][..],
            ),
            (vec![unheld(), unheld()], &["; 2 that the edge accepts now are left out"]),
            (vec![gone(), gone()], &["; what KMS key arn:k encrypted is left out"]),
            (vec![unheld(), gone()], &["; one that", "; what KMS key arn:k"]),
        ] {
            let said = describe_dropped_secrets(&dropped);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
            assert!(said.matches("; what KMS key").count() <= 1, "{said}");
        }
    }

    #[test]
    fn a_fourth_secret_is_one_too_many() {
        let carried = |count| {
            let one =
                AcceptedSecret { fingerprint: String::new(), version_arn: String::new(), position: 0, of: 1 };
            vec![one; count]
        };
        assert_eq!(find_secret_count_excess(&carried(2), "the new one"), None);
        let (why, next) = find_secret_count_excess(&carried(3), "the new one").unwrap();
        assert!(why.contains("accept 4 secrets: the new one and the 3"), "{why}");
        assert!(next.contains("disable"), "{next}");
    }
}
