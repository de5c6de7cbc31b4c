//! What a rotation starts from, looked at anew each time: what the edge accepts, what each node holds, what packagecloud signs
//! with, and what the function's tag says.

use std::time::Duration;

use futures::{FutureExt as _, future::join_all};

use super::{
    decide::{RotationFacts, WantedSecret},
    kept_secret::read_kept_rotation_secret,
};
use crate::engine::{
    delivery::{
        link_signers::{LinkSigner, SampledLinkSigners},
        samples::{SampleObjectKeys, find_sample_object_keys},
    },
    resources::{
        accepted_secrets::{list_accepted_secrets, list_associated_version_arns, read_backup_secrets},
        install::observe_aws_install,
    },
    session::{AwsTarget, Session},
};
use crate::host::is_host_down;
use crate::model::{
    aws::{
        account::{LambdaFunction, ResourceOwnership},
        cloudfront::CloudFrontDistribution,
        evidence::{AcceptedSecret, BootstrapStageEvidence, ObservedPackagecloudConfig},
        rotation::{RotationMark, RotationNodeEvidence, SecretRotationEvidence},
    },
    failure::Failure,
    run::{answers::OperatorAnswers, proposed_command::render_proposed_command},
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// How often packagecloud is asked for each node that was named: of several any one may answer.
pub(super) const SAMPLES_PER_NODE: usize = 10;

/// One node, and its file where it can be reached.
pub(super) struct RotationNode {
    pub session: Session,
    pub config: Option<ObservedPackagecloudConfig>,
    pub evidence: RotationNodeEvidence,
}

/// All that a rotation starts from.
pub(super) struct ObservedRotation {
    pub target: AwsTarget,
    pub authenticator: BootstrapStageEvidence,
    pub distribution: CloudFrontDistribution,
    pub function: LambdaFunction,
    pub accepted: Vec<AcceptedSecret>,
    pub nodes: Vec<RotationNode>,
    pub mark: Option<RotationMark>,
    /// The new secret, where it was made and no node holds it yet.
    pub kept: Option<Secret>,
    /// The secrets at hand, each once: the nodes', the one that is kept, and what else the edge accepts and a backup holds.
    pub secrets: Vec<Secret>,
    /// Who signed packagecloud's links; `None` where they can't be asked for.
    pub signers: Option<SampledLinkSigners>,
    pub samples: SampleObjectKeys,
    /// Why nothing else comes before what signs with a secret that the edge refuses, if anything does.
    pub refused: Option<Failure>,
}

/// Reads all of it.
///
/// # Errors
/// Fails where nothing of ours stands, AWS or packagecloud doesn't answer, or no node can be reached.
pub(super) async fn observe_rotation(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<ObservedRotation, Failure> {
    let nodes = read_rotation_nodes(session).await?;
    let install = observe_aws_install(session, answers).boxed().await?;
    let target = install.target;
    let missing = |what: &str| {
        Failure::new_generic_failure(
            what,
            "this install has none, so there is no secret to rotate",
            format!("create it with: {}", render_proposed_command("enable", &[])),
        )
    };
    let ours = |function: &LambdaFunction| function.ownership == ResourceOwnership::Ours;
    let function =
        install.authenticator.function.clone().filter(ours).ok_or_else(|| missing("the function"))?;
    let distribution = install.distribution.distribution.ok_or_else(|| missing("the distribution"))?;
    let associated = list_associated_version_arns(std::slice::from_ref(&distribution));
    let accepted = list_accepted_secrets(&function, &associated);
    if accepted.is_empty() {
        return Err(Failure::new_generic_failure(
            format!("distribution {}", distribution.id),
            "it has no version that this program made, so it is not known which secrets the edge accepts",
            format!("give it one with: {}", render_proposed_command("enable", &[])),
        ));
    }
    let mark = function.rotation.as_deref().and_then(RotationMark::parse_rotation_mark);
    let kept = read_kept_rotation_secret(session).await;
    let secrets = list_secrets_at_hand(&nodes, kept.as_ref(), &accepted).await;
    let samples = find_sample_object_keys(&target).await?;
    let count = SAMPLES_PER_NODE * nodes.len();
    let asked = (samples.first_sample_package(), count);
    let by = (&secrets[..], install.authenticator.construction);
    let signers =
        SampledLinkSigners::sample_link_signers(session, answers, asked, by, Duration::ZERO).await?;
    let mut observed = ObservedRotation {
        target,
        authenticator: install.authenticator,
        distribution,
        function,
        accepted,
        nodes,
        mark,
        kept,
        secrets,
        signers,
        samples,
        refused: None,
    };
    observed.refused = observed.find_refused_signer(session).await;
    Ok(observed)
}

/// Reads every node's file.
async fn read_rotation_nodes(session: &Session) -> Result<Vec<RotationNode>, Failure> {
    let sessions = session.list_all_node_sessions();
    let read = join_all(sessions.iter().map(|node| node.host.read_packagecloud_config())).await;
    let mut nodes = Vec::new();
    let mut down = None;
    for (session, config) in sessions.into_iter().zip(read) {
        let path = session.host.render_config_location();
        let config = match config {
            Err(failure) if is_host_down(&failure) => {
                down = down.or(Some(failure));
                None
            }
            config => Some(config?.seen),
        };
        let secret = config.as_ref().and_then(|config| config.values.secret.as_ref());
        let evidence = RotationNodeEvidence {
            path,
            fingerprint: secret.map(compute_secret_fingerprint).transpose()?,
            is_on: config.as_ref().is_some_and(ObservedPackagecloudConfig::may_cloudfront_be_on),
            is_managed: config.as_ref().is_some_and(|config| config.managed.is_some()),
            is_down: config.is_none(),
        };
        nodes.push(RotationNode { session, config, evidence });
    }
    match down {
        Some(failure) if nodes.iter().all(|node| node.evidence.is_down) => Err(failure),
        _ => Ok(nodes),
    }
}

async fn list_secrets_at_hand(
    nodes: &[RotationNode],
    kept: Option<&Secret>,
    accepted: &[AcceptedSecret],
) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    let held = nodes.iter().filter_map(|node| node.config.as_ref()?.values.secret.as_ref());
    for secret in held.chain(kept) {
        if !secrets.contains(secret) {
            secrets.push(secret.clone());
        }
    }
    let is_at_hand = |secrets: &[Secret], one: &AcceptedSecret| {
        secrets.iter().any(|secret| compute_secret_fingerprint(secret).is_ok_and(|it| it == one.fingerprint))
    };
    for node in nodes.iter().filter(|node| !node.evidence.is_down) {
        if accepted.iter().all(|one| is_at_hand(&secrets, one)) {
            break;
        }
        for secret in read_backup_secrets(&node.session).await {
            let is_accepted = compute_secret_fingerprint(&secret)
                .is_ok_and(|of| accepted.iter().any(|one| one.fingerprint == of));
            if is_accepted && !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
    }
    secrets
}

impl ObservedRotation {
    /// Returns the session whose first node is one that can be reached: what asks a node in passing asks that one.
    pub(super) fn session_with_reached_node_first(&self, session: &Session) -> Session {
        let reached = self.nodes.iter().position(|node| !node.evidence.is_down).unwrap_or_default();
        session.clone_session_with_node_first(reached)
    }

    /// Runs `decide` on the fingerprints of what was seen.
    pub(super) fn decide_by_facts<T>(&self, decide: impl FnOnce(RotationFacts<'_>) -> T) -> T {
        let accepted: Vec<String> = self.accepted.iter().map(|one| one.fingerprint.clone()).collect();
        let nodes: Vec<RotationNodeEvidence> = self.nodes.iter().map(|node| node.evidence.clone()).collect();
        let kept = self.kept.as_ref().and_then(|secret| compute_secret_fingerprint(secret).ok());
        decide(RotationFacts {
            accepted: &accepted,
            nodes: &nodes,
            marked: self.mark.as_ref().map(|mark| mark.fingerprint.as_str()),
            kept: kept.as_deref(),
            are_links_seen: self.signers.is_some(),
        })
    }

    /// Returns the fingerprints of what packagecloud's links were signed with; `None` where they couldn't be asked for, or one is
    /// signed with what isn't at hand.
    pub(super) fn list_signing_fingerprints(&self) -> Option<Vec<String>> {
        let signers = self.signers.as_ref()?;
        if signers.count_links_by(LinkSigner::Stranger) > 0 {
            return None;
        }
        let places = signers.list_known_signers();
        Some(
            places
                .iter()
                .filter_map(|place| compute_secret_fingerprint(&self.secrets[*place]).ok())
                .collect(),
        )
    }

    /// Finds a secret at hand by its fingerprint.
    pub(super) fn find_secret_at_hand(&self, fingerprint: &str) -> Option<&Secret> {
        self.secrets
            .iter()
            .find(|secret| compute_secret_fingerprint(secret).is_ok_and(|one| one == fingerprint))
    }

    /// Returns whether the edge accepts the secret with this fingerprint.
    pub(super) fn does_edge_accept(&self, fingerprint: &str) -> bool {
        self.accepted.iter().any(|one| one.fingerprint == fingerprint)
    }

    /// Returns whether packagecloud still signs with another secret although every node's file holds this one: a node was
    /// given it and doesn't follow its file yet.
    pub(super) fn does_packagecloud_lag_behind(&self, wanted: &str) -> bool {
        let holds = |node: &RotationNode| {
            node.evidence.is_down
                || !node.evidence.is_on
                || node.evidence.fingerprint.as_deref() == Some(wanted)
        };
        let other = |signing: Vec<String>| signing.iter().any(|one| one != wanted);
        let has_stranger =
            self.signers.as_ref().is_some_and(|all| all.count_links_by(LinkSigner::Stranger) > 0);
        self.nodes.iter().all(holds) && (has_stranger || self.list_signing_fingerprints().is_some_and(other))
    }

    /// Returns the failure where files say on and no link leads to CloudFront: reconfigured now, it would go live without its gate.
    pub(super) fn find_unfinished_switch(&self) -> Option<Failure> {
        let signers = self.signers.as_ref()?;
        let on = self.nodes.iter().find(|node| node.evidence.is_on)?;
        (signers.count_answers() == signers.count_links_by(LinkSigner::NotToEdge)).then(|| {
            Failure::new_generic_failure(
                on.evidence.path.clone(),
                "it says on, and no redirect goes to CloudFront: switching on or off was begun and not finished",
                format!(
                    "finish that first: {}; or switch off: {}",
                    render_proposed_command("enable", &[]),
                    render_proposed_command("disable", &[])
                ),
            )
        })
    }

    /// Returns what the plan is made from.
    pub(super) fn build_rotation_evidence(
        &self,
        answers: &OperatorAnswers,
        wanted: &WantedSecret,
    ) -> SecretRotationEvidence {
        SecretRotationEvidence {
            kind: answers.rotation,
            accepted: self.accepted.iter().map(|one| one.fingerprint.clone()).collect(),
            wanted: match wanted {
                WantedSecret::Fresh => None,
                WantedSecret::Begun(fingerprint)
                | WantedSecret::Unfinished(fingerprint)
                | WantedSecret::OutOfReach(fingerprint) => Some(fingerprint.clone()),
            },
            nodes: self.nodes.iter().map(|node| node.evidence.clone()).collect(),
        }
    }
}
