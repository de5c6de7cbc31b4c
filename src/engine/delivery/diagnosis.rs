//! Why a link is refused: each cause of a refusal that can be told apart, with its one next move.
//!
//! The edge's answer and what AWS says of the parts are read together: alone, neither tells the cause.

use crate::aws::web::WebReply;
use crate::edge::bundle::parse_function_version_description;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        account::ResourceOwnership,
        evidence::{BootstrapStageEvidence, DistributionEvidence},
        names::ResourceNames,
    },
    failure::Failure,
    iam::policy,
    run::check::CheckResult,
    secret::Secret,
    url::token::UrlTokenConstruction,
};

/// What AWS says of the parts that a link passes: it tells apart causes that look alike from outside.
#[derive(Debug, Clone, Default)]
pub struct DiagnosisFacts {
    /// The name of this install's function, with its suffix.
    pub function_name: String,
    /// Whether the associated version holds this host's secret.
    pub holds_secret: Option<bool>,
    /// What the associated version accepts.
    pub accepts: Option<UrlTokenConstruction>,
    /// The KMS key's id and state.
    pub key: Option<(String, String)>,
    /// Whether the function's role, and the key's policy, let it decrypt.
    pub may_decrypt: Option<bool>,
    /// Whether the bucket policy lets CloudFront read; `None` where the distribution isn't this install's.
    pub granted: Option<bool>,
    /// Whether the distribution is this install's.
    pub ours: bool,
}

impl DiagnosisFacts {
    /// Reads them from what the account holds, for this host's secret.
    #[must_use]
    pub fn facts_from_observed_install(
        below: &BootstrapStageEvidence,
        seen: &DistributionEvidence,
        secret: Option<&Secret>,
        names: &ResourceNames,
        account: &str,
    ) -> Self {
        let associated = seen.distribution.as_ref().and_then(|distribution| {
            let arn = distribution.behaviors.iter().find_map(|behavior| behavior.viewer_request.as_ref())?;
            let versions = &below.function.as_ref()?.versions;
            parse_function_version_description(
                &versions.iter().find(|version| version.arn == *arn)?.description,
            )
        });
        let ours = seen.distribution.as_ref().is_some_and(|one| one.ownership == ResourceOwnership::Ours);
        Self {
            function_name: names.lambda_function_name(),
            holds_secret: associated
                .as_ref()
                .zip(secret)
                .and_then(|(held, secret)| held.is_signing_secret_deployed(secret).ok()),
            accepts: associated.map(|held| held.construction),
            key: below.key.as_ref().map(|key| (key.id.clone(), key.state.clone())),
            may_decrypt: can_function_role_decrypt(below, names, account).filter(|_| ours),
            // What lets another's distribution read is another's statement: the probes tell whether it does.
            granted: ours.then_some(seen.granted),
            ours,
        }
    }

    /// Returns the log group of the function, the same in every region.
    fn function_log_group_name(&self) -> String {
        format!("/aws/lambda/us-east-1.{}", self.function_name)
    }
}

/// By the policies that a set-up writes; an added Deny doesn't show in them.
fn can_function_role_decrypt(
    below: &BootstrapStageEvidence,
    names: &ResourceNames,
    account: &str,
) -> Option<bool> {
    let key = below.key.as_ref()?;
    let Some(role) = &below.role else { return Some(false) };
    let by_role = role.policy.as_ref().is_some_and(|stands| {
        policy::has_all_policy_statements(
            stands,
            &policy::build_function_role_policy(names, &key.arn, account),
        )
    });
    let by_key = policy::has_all_policy_statements(
        &key.policy,
        &policy::build_kms_key_policy(names, &role.arn, account),
    );
    Some(policy::trusts_lambda_and_edgelambda(&role.trust) && by_role && by_key)
}

/// Says why there is no answer from the packages domain: what fails here fails for clients too.
pub(crate) fn diagnose_unreachable_domain(domain: &str, failure: &Failure) -> (String, String) {
    (
        format!("{domain} can't be reached from here: {}", failure.why),
        format!(
            "allow {domain}, port 443, in firewalls and proxies, and see that its name resolves: clients can't reach it either"
        ),
    )
}

/// Says why the edge did not serve a link of ours, and the next move: for each cause that can be told apart.
pub(crate) fn diagnose_edge_refusal(reply: &WebReply, known: &DiagnosisFacts) -> (String, String) {
    let text = |why: &str, next: &str| (why.to_owned(), next.to_owned());
    match (reply.status, reply.find_header("x-packagecloud-cloudfront")) {
        (403, Some("bad-signature")) => match (known.holds_secret, known.accepts) {
            (Some(false), _) => text(WRONG_SECRET_REASON, &advise_to_copy_secret()),
            (Some(true), Some(accepts)) => (
                format!("the edge holds this host's secret, accepts {accepts}, and refuses the signature"),
                "an older version may still answer at some edges: look again in some minutes; then give the URL to inspect".to_owned(),
            ),
            _ => text(
                "the edge refuses its signature: this host's secret is not the edge's, or tokens are made another way",
                &advise_to_copy_secret(),
            ),
        },
        (403, Some("expired")) => text("the edge says that it has expired: this machine's clock is slow", SET_CLOCK_ADVICE),
        (403, Some(reason)) => (
            format!("the edge refuses it: {reason}"),
            format!("to see why, give the URL to: {}", render_proposed_command("inspect", &[])),
        ),
        (403, None) => match known.granted {
            Some(false) => text(NO_GRANT_REASON, &advise_to_restore_grant()),
            Some(true) => text(
                "S3 refuses CloudFront, though the bucket policy lets it read: another statement or the organization's resource control policy denies it, the object is encrypted with a key that CloudFront may not use, or the bucket is Requester Pays",
                &format!(
                    "run: {} — it looks at each of these but the organization's policies. A control serves SSE-KMS, and reads as a service, which such policies usually let through: {}",
                    render_proposed_command("check", &[]),
                    render_proposed_command("enable", &["--origin-access", "oac"])
                ),
            ),
            None => text("S3 refuses CloudFront", &advise_to_restore_grant()),
        },
        (503, _) => match &known.key {
            Some((id, state)) if state != "Enabled" => diagnose_disabled_kms_key(id, state),
            None => text("the function can't decrypt the secret: its KMS key is not there", &format!("run: {} — it makes another, and a new function version", render_proposed_command("enable", &[]))),
            _ if known.may_decrypt == Some(false) => text(NO_DECRYPT_REASON, &advise_to_restore_decrypt()),
            _ => (
                "the function could not decrypt the secret, or could not run".to_owned(),
                format!(
                    "run: {} — it shows what differs in the role, the key's policy and the function; then look at the log group {} in the region nearest to you",
                    render_proposed_command("plan", &[]),
                    known.function_log_group_name()
                ),
            ),
        },
        (502, _) => (
            "the function's answer was refused by CloudFront".to_owned(),
            format!("look at its log group {} in the region nearest to you", known.function_log_group_name()),
        ),
        (status, _) => {
            (format!("it answered {status}"), "look at the distribution in CloudFront's console".to_owned())
        }
    }
}

/// Whether a refusal may be for the object alone, and whether it may pass by itself, by what is known of the parts.
pub(crate) fn judge_edge_refusal(reply: &WebReply, known: &DiagnosisFacts) -> (bool, bool) {
    let decrypts =
        known.may_decrypt != Some(false) && known.key.as_ref().is_none_or(|(_, state)| state == "Enabled");
    match (reply.status, reply.find_header("x-packagecloud-cloudfront")) {
        (502..=504, _) => (false, decrypts),
        (_, Some(_)) => (false, false),
        (403, None) => (true, known.granted != Some(false)),
        (500..=599, None) => (true, true),
        _ => (true, false),
    }
}

/// Returns whether it is S3's own answer, through the edge, that there is no such object.
pub(crate) fn is_not_found_answer_of_s3(reply: &WebReply) -> bool {
    let said_by_s3 =
        reply.find_header("server").is_some_and(|server| server.eq_ignore_ascii_case("AmazonS3"))
            || reply.body.windows(NO_SUCH_KEY.len()).any(|part| part == NO_SUCH_KEY);
    reply.status == 404 && reply.find_header("x-packagecloud-cloudfront").is_none() && said_by_s3
}

const NO_SUCH_KEY: &[u8] = b"NoSuchKey";

/// What a slow clock wants.
pub(crate) const SET_CLOCK_ADVICE: &str = "set the clock (chronyc makestep, or timedatectl set-ntp true)";
const WRONG_SECRET_REASON: &str = "this host's cloudfront_secret is not the one that the edge holds";
const NO_GRANT_REASON: &str =
    "S3 refuses CloudFront: the statement in the bucket policy that lets it read is gone";
const NO_DECRYPT_REASON: &str =
    "the function can't decrypt the secret: its role, or the KMS key's policy, no longer lets it";

pub(crate) fn advise_to_copy_secret() -> String {
    format!(
        "copy cloudfront_secret from a node whose links work (there, this prints it: {}), then reconfigure and restart here; if this one is right on every node, publish it: {}",
        render_proposed_command("configuration", &["--show-secret"]),
        render_proposed_command("enable", &[])
    )
}

fn advise_to_restore_grant() -> String {
    format!("run: {} — it puts the statement back, and nothing else", render_proposed_command("enable", &[]))
}

fn advise_to_restore_decrypt() -> String {
    format!(
        "run: {} — it puts the role's and the key's policy back, and nothing else",
        render_proposed_command("enable", &[])
    )
}

fn diagnose_disabled_kms_key(id: &str, state: &str) -> (String, String) {
    let next = if state == "PendingDeletion" {
        format!(
            "aws kms cancel-key-deletion --region us-east-1 --key-id {id}, then aws kms enable-key --region us-east-1 --key-id {id}"
        )
    } else {
        format!("aws kms enable-key --region us-east-1 --key-id {id}")
    };
    (format!("the function can't decrypt the secret: KMS key {id} is {state}"), next)
}

/// Checks whether the parts stand that a link needs at the edge, by what AWS says: a function that runs already still
/// holds what it decrypted, the next one wouldn't.
pub(crate) fn check_edge_function_and_key(known: &DiagnosisFacts) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    checks.push(match &known.key {
        Some((_, state)) if state == "Enabled" && known.may_decrypt == Some(false) => {
            CheckResult::new_failed_check("kms-key", NO_DECRYPT_REASON, advise_to_restore_decrypt())
        }
        Some((_, state)) if state == "Enabled" => CheckResult::new_passed_check("kms-key", "it is enabled"),
        Some((id, state)) => {
            let (why, next) = diagnose_disabled_kms_key(id, state);
            CheckResult::new_failed_check("kms-key", why, next)
        }
        None if !known.ours => CheckResult::new_unknown_check(
            "kms-key",
            "the distribution is another's, and so is its function's key",
        ),
        None => CheckResult::new_failed_check(
            "kms-key",
            "there is none",
            format!("create it with: {}", render_proposed_command("enable", &[])),
        ),
    });
    checks.push(match known.holds_secret {
        Some(true) => CheckResult::new_passed_check("edge-secret", "the edge holds this host's secret"),
        Some(false) => {
            CheckResult::new_failed_check("edge-secret", WRONG_SECRET_REASON, advise_to_copy_secret())
        }
        None => CheckResult::new_unknown_check(
            "edge-secret",
            "the associated version doesn't tell which secret it holds",
        ),
    });
    checks.push(match known.granted {
        Some(true) => CheckResult::new_passed_check("bucket-grant", "the bucket policy lets CloudFront read"),
        Some(false) => {
            CheckResult::new_failed_check("bucket-grant", NO_GRANT_REASON, advise_to_restore_grant())
        }
        None => CheckResult::new_unknown_check("bucket-grant", "there is no distribution of this install"),
    });
    checks
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::aws::account::KmsKey;

    #[test]
    fn the_logs_are_those_of_the_install_with_its_suffix() {
        let names = ResourceNames::new("bucket", &"staging".parse().unwrap());
        let key = KmsKey {
            has_fresh_tags: false,
            id: "key".into(),
            arn: "arn:aws:kms:us-east-1:1:key/key".into(),
            state: "Enabled".into(),
            ownership: ResourceOwnership::Ours,
            policy: serde_json::Value::Null,
            alias: true,
        };
        let below = BootstrapStageEvidence { key: Some(key), ..BootstrapStageEvidence::default() };
        let known = DiagnosisFacts::facts_from_observed_install(
            &below,
            &DistributionEvidence::default(),
            None,
            &names,
            "1",
        );
        for status in [502, 503] {
            let reply = WebReply { status, headers: Vec::new(), body: bytes::Bytes::new() };
            let (_, next) = diagnose_edge_refusal(&reply, &known);
            let group = format!("/aws/lambda/us-east-1.{} in", names.lambda_function_name());
            assert!(next.contains(&group), "{status}: {next}");
        }
    }

    fn edge_reply(status: u16, reason: Option<&str>) -> WebReply {
        let headers = reason.map(|reason| ("x-packagecloud-cloudfront".to_owned(), reason.to_owned()));
        WebReply { status, headers: headers.into_iter().collect(), body: Bytes::new() }
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let fine =
            DiagnosisFacts { granted: Some(true), may_decrypt: Some(true), ..DiagnosisFacts::default() };
        let ungranted = DiagnosisFacts { granted: Some(false), ..fine.clone() };
        let disabled = DiagnosisFacts { key: Some(("k".into(), "Disabled".into())), ..fine.clone() };
        let shut = DiagnosisFacts { may_decrypt: Some(false), ..fine.clone() };
        for (status, reason, known, of_object, may_pass) in [
            (403, None, &fine, true, true),
            (403, None, &ungranted, true, false),
            (403, None, &DiagnosisFacts::default(), true, true),
            (403, Some("bad-signature"), &fine, false, false),
            (403, Some("expired"), &fine, false, false),
            (503, None, &fine, false, true),
            (503, Some("no-key"), &fine, false, true),
            (502, None, &fine, false, true),
            (504, None, &fine, false, true),
            (503, None, &disabled, false, false),
            (503, None, &shut, false, false),
            (500, None, &fine, true, true),
            (404, None, &fine, true, false),
            (400, None, &fine, true, false),
        ] {
            assert_eq!(
                judge_edge_refusal(&edge_reply(status, reason), known),
                (of_object, may_pass),
                "{status} {reason:?}"
            );
        }
    }

    #[test]
    fn only_s3s_own_404_is_an_absent_key() {
        let s3 = |body: &'static str| WebReply {
            body: Bytes::from_static(body.as_bytes()),
            ..edge_reply(404, None)
        };
        assert!(is_not_found_answer_of_s3(&s3("<Error><Code>NoSuchKey</Code></Error>")));
        assert!(!is_not_found_answer_of_s3(&s3("<html>nothing here</html>")));
        let mut headed = s3("");
        headed.headers.push(("server".into(), "AmazonS3".into()));
        assert!(is_not_found_answer_of_s3(&headed));
        headed.headers.push(("x-packagecloud-cloudfront".into(), "bad-path".into()));
        assert!(!is_not_found_answer_of_s3(&headed));
    }
}
