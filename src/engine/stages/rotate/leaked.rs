//! `--leaked`: others know the secret. While CloudFront is off, the edge and every node get a new one alone; what was on before
//! is switched on again, behind its gate (contract section 12).

use futures::FutureExt as _;

use super::{
    SecretRotation, decide::WantedSecret, edges::EdgeReadings, kept_secret::remove_kept_rotation_secret,
    node::NodeRotation, observe::ObservedRotation, plan::begin_rotation_plan, version::WantedEdgeSecrets,
};
use crate::engine::{
    delivery::link_signers::LinkSigner, session::Session, stages::go_live::build_unproven_confirmation,
};
use crate::host::is_host_down;
use crate::model::{
    aws::rotation::RotationMark,
    failure::Failure,
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::{PlanFact, ResourceChangeKind, StagePlan},
        proposed_command::render_proposed_command,
    },
    url::token::compute_secret_fingerprint,
};

/// Says of a node that it was on before, and shall be again. Lost, `enable` switches it on. It holds the fingerprint of the new
/// secret once that is drawn, by which a run that was broken off goes on: the function's tag may still name the secret that others
/// know.
const SWITCH_ON_NOTE: &str = "on-after-rotation";
/// The note's text before the new secret is drawn.
const NO_SECRET_YET: &str = "no secret yet";

fn has_switch_on_note(node: &Session) -> bool {
    node.host.read_host_state_file(SWITCH_ON_NOTE).is_some()
}

/// Finds a replacement of a leaked secret that was broken off between the edge and a node's file: whoever has the edge accept what
/// that file holds lets the leaked secret in again.
pub(crate) async fn find_interrupted_replacement(session: &Session) -> Option<Failure> {
    for node in session.list_all_node_sessions() {
        let Some(begun) = node.host.read_host_state_file(SWITCH_ON_NOTE).filter(|note| note != NO_SECRET_YET)
        else {
            continue;
        };
        let Ok(config) = node.host.read_packagecloud_config().await else { continue };
        let held = config.seen.values.secret.as_ref().and_then(|one| compute_secret_fingerprint(one).ok());
        if held.is_some_and(|held| held != begun) {
            return Some(Failure::new_generic_failure(
                node.host.render_config_location(),
                "replacing a secret that others know was interrupted: this file still holds that secret, and the edge would accept it again",
                format!("finish it: {}", render_proposed_command("rotate-secret", &["--leaked"])),
            ));
        }
    }
    None
}

/// Notes which nodes are on, before they are switched off; returns those that can't be reached, by where their files lie.
///
/// # Errors
/// Fails where a file can't be read.
pub(crate) async fn note_nodes_to_switch_on(session: &Session) -> Result<Vec<String>, Failure> {
    let mut away = Vec::new();
    for node in session.list_all_node_sessions() {
        match node.host.read_packagecloud_config().await {
            Err(failure) if is_host_down(&failure) => away.push(node.host.render_config_location()),
            config => {
                if config?.seen.may_cloudfront_be_on() {
                    node.host.write_state_file_about_host(SWITCH_ON_NOTE, NO_SECRET_YET);
                }
            }
        }
    }
    Ok(away)
}

/// Lists the places of the nodes that were on before and hold the new secret; `forget` removes what was noted of them.
pub(crate) async fn list_nodes_to_switch_on(session: &Session, forget: bool) -> Vec<usize> {
    let mut places = Vec::new();
    for (place, node) in session.list_all_node_sessions().iter().enumerate() {
        if !has_switch_on_note(node) {
            continue;
        }
        if node.host.read_packagecloud_config().await.is_ok() {
            places.push(place);
            if forget {
                node.host.remove_host_note(SWITCH_ON_NOTE);
            }
        }
    }
    places
}

impl ObservedRotation {
    /// Returns the secret of a run that was broken off: of none else, as what is known to others may be any that a node holds.
    pub(super) fn choose_secret_after_leak(&self) -> WantedSecret {
        let notes =
            self.nodes.iter().filter_map(|node| node.session.host.read_host_state_file(SWITCH_ON_NOTE));
        let begun = notes.into_iter().find(|note| self.find_secret_at_hand(note).is_some());
        let is_on = self.nodes.iter().any(|node| node.evidence.is_on);
        match begun.filter(|begun| !is_on && !self.has_only_secret(begun)) {
            Some(begun) => WantedSecret::Begun(begun),
            None => WantedSecret::Fresh,
        }
    }

    /// Whether the edge and every node have this secret alone: that replacement was made, and another leak wants another one.
    fn has_only_secret(&self, fingerprint: &str) -> bool {
        self.accepted.iter().all(|one| one.fingerprint == fingerprint)
            && self.nodes.iter().all(|node| node.evidence.fingerprint.as_deref() == Some(fingerprint))
    }

    /// Returns whether any node is on, or packagecloud still sends anybody to CloudFront.
    fn is_cloudfront_on_anywhere(&self) -> bool {
        let to_edge = self
            .signers
            .as_ref()
            .is_some_and(|all| all.count_answers() > all.count_links_by(LinkSigner::NotToEdge));
        to_edge || self.nodes.iter().any(|node| node.evidence.is_on)
    }
}

/// Plans a new secret alone, for the edge and for every node.
pub(super) fn plan_leaked(
    session: &Session,
    observed: &ObservedRotation,
    wanted: &WantedSecret,
    answers: &OperatorAnswers,
) -> StagePlan {
    let mut plan = begin_rotation_plan(observed, wanted, answers);
    if observed.is_cloudfront_on_anywhere() {
        plan.add_planned_change(
            StageStep::Switch,
            ResourceChangeKind::Update,
            "CloudFront",
            "switched off first, on every node: packagecloud sends clients to S3 meanwhile",
        );
    }
    plan.add_planned_change(
        StageStep::FunctionVersion,
        ResourceChangeKind::Create,
        observed.target.names.lambda_function_name(),
        "a version that accepts only a new secret",
    );
    plan.add_planned_change(
        StageStep::Authenticator,
        ResourceChangeKind::Update,
        format!("distribution {}", observed.distribution.id),
        "it gets that version: from then on every link by another secret is refused",
    );
    for node in &observed.nodes {
        let path = &node.evidence.path;
        if node.evidence.is_down {
            plan.notes.push(format!(
                "{path} can't be reached: it keeps the secret that others know. If it is on, its links are refused as soon as the edge has the new secret: switch it off on that node."
            ));
        } else {
            let why = "cloudfront_secret, and nothing else; then it is switched on again if it was on";
            plan.add_planned_change(StageStep::Secret, ResourceChangeKind::Update, path, why);
        }
    }
    // Asked before anything is switched off: without it CloudFront would stay off.
    if observed.nodes.iter().any(|node| node.evidence.is_on || has_switch_on_note(&node.session)) {
        plan.confirmations.extend(build_unproven_confirmation(session, answers));
    }
    plan.facts.push(PlanFact {
        topic: "What customers notice",
        text: "Two restarts of packagecloud, some seconds each. Links to CloudFront that were made in the minutes before are refused when every edge has the new version. S3 refuses none.".into(),
    });
    plan
}

impl SecretRotation<'_> {
    /// Brings the edge and every node to a new secret alone, while CloudFront is off.
    ///
    /// # Errors
    /// Fails where it isn't off everywhere, where a node isn't reached or written, and where AWS refuses or doesn't answer.
    pub(super) async fn replace_leaked_secret(
        &self,
        wanted: &WantedSecret,
    ) -> Result<(StageEnd, String), Failure> {
        let observed = self.observed;
        if observed.is_cloudfront_on_anywhere() {
            return Err(Failure::new_generic_failure(
                "CloudFront",
                "it is on, or packagecloud still sends clients to it: links would be refused",
                format!("switch it off first: {}", render_proposed_command("disable", &[])),
            ));
        }
        if *wanted == WantedSecret::Fresh {
            remove_kept_rotation_secret(self.session).await;
        }
        let new = self.find_or_draw_secret(wanted).await?;
        let fingerprint = compute_secret_fingerprint(&new)?;
        let mark = self.take_lock(&fingerprint).await?;
        for node in &observed.nodes {
            if has_switch_on_note(&node.session) {
                node.session.host.write_state_file_about_host(SWITCH_ON_NOTE, &fingerprint);
            }
        }
        let others = observed.accepted.iter().map(|one| one.fingerprint.clone());
        let dropped = others.filter(|one| *one != fingerprint).collect();
        let edge = WantedEdgeSecrets { newest: new.clone(), dropped };
        let (arn, _) =
            observed.bring_version_to_edge(self.session, &edge, self.answers, self.run).boxed().await?;
        let secrets = vec![new.clone()];
        let readings = EdgeReadings { session: self.session, observed, version_arn: &arn, secrets };
        readings.wait_until_edges_accept(self.run).await?;
        let rotation =
            NodeRotation { session: self.session, observed, new: &new, answers: self.answers, run: self.run };
        let mut away = Vec::new();
        for node in &observed.nodes {
            let outcome = if node.evidence.is_down {
                super::NodeRotationOutcome::NotReached
            } else {
                rotation.rotate_secret_on_node(&node.session).boxed().await?
            };
            if outcome == super::NodeRotationOutcome::NotReached {
                away.push(node.evidence.path.clone());
            }
        }
        remove_kept_rotation_secret(self.session).await;
        let at = self.read_unix_seconds();
        self.lock.write_mark(&RotationMark { at, since: None, finish_at: None, ..mark }).await?;
        let away = if away.is_empty() {
            String::new()
        } else {
            format!(
                "; these nodes were not reached, and must not be switched on with their old secret: {}",
                away.join(", ")
            )
        };
        Ok((StageEnd::Applied, format!("the edge and every reached node have only the new secret{away}")))
    }
}
