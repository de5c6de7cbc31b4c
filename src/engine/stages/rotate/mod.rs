//! A new secret without one refused link (contract section 12): the edge accepts it beside the one before, node after node gets
//! it, and only then, by `--finish`, the one before ends. Each step is looked at again, so that the next run continues wherever
//! this one was broken off.

mod decide;
mod edges;
mod finish;
mod kept_secret;
mod leaked;
mod lock;
mod node;
mod observe;
mod plan;
mod proof;
mod refused;
mod version;

pub(crate) use leaked::{find_interrupted_replacement, list_nodes_to_switch_on, note_nodes_to_switch_on};

use std::time::Duration;

use futures::FutureExt as _;

use self::{
    decide::WantedSecret,
    edges::EdgeReadings,
    kept_secret::{draw_and_keep_rotation_secret, remove_kept_rotation_secret},
    lock::RotationLock,
    node::{NodeRotation, NodeRotationOutcome, is_node_due},
    observe::{ObservedRotation, observe_rotation},
    proof::render_rotation_result,
    version::WantedEdgeSecrets,
};
use crate::engine::{run::StageRun, session::Session};
use crate::model::{
    aws::rotation::{RotationMark, SecretRotationEvidence, SecretRotationKind},
    failure::{Failure, FailureKind},
    run::{
        answers::OperatorAnswers,
        event::StageEnd,
        goal::StageStep,
        plan::StagePlan,
        proposed_command::{render_proposed_command, render_same_command_again},
    },
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// How long packagecloud's links hold where none was seen, in seconds, and how much longer the one before stays accepted.
const LINK_LIFETIME_SECONDS: u64 = 300;
const LINK_MARGIN_SECONDS: u64 = 60;
/// While packagecloud restarts it is asked again for this long.
const RESTART_PATIENCE: Duration = Duration::from_mins(1);

/// Looks at what stands, and says what would be done.
///
/// # Errors
/// Fails where nothing of ours stands, a node's links are refused already, or another host rotates.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let observed = observe_rotation(session, answers).boxed().await?;
    lock::refuse_rotation_of_other_host(session, observed.mark.as_ref())?;
    let wanted = choose_rotation_secret(&observed, answers)?;
    let mut plan = match answers.rotation {
        SecretRotationKind::Rotate => plan::plan_rotation(session, &observed, &wanted, answers)?,
        SecretRotationKind::Finish => finish::plan_finish(session, &observed, &wanted, answers)?,
        SecretRotationKind::Leaked => leaked::plan_leaked(session, &observed, &wanted, answers),
    };
    if !plan.is_plan_without_changes() && !answers.consents.rotation_take_over {
        plan.confirmations.extend(lock::build_take_over_question(session, observed.mark.as_ref()));
    }
    Ok(plan)
}

/// Chooses the secret that every node shall hold; a node whose links are refused comes first.
fn choose_rotation_secret(
    observed: &ObservedRotation,
    answers: &OperatorAnswers,
) -> Result<WantedSecret, Failure> {
    if answers.rotation == SecretRotationKind::Leaked {
        return Ok(observed.choose_secret_after_leak());
    }
    if let Some(failure) = &observed.refused {
        return Err(failure.clone());
    }
    if answers.rotation == SecretRotationKind::Rotate
        && let Some(failure) = observed.find_unfinished_switch()
    {
        return Err(failure);
    }
    let wanted = observed.decide_by_facts(|facts| facts.choose_wanted_secret());
    match &wanted {
        WantedSecret::OutOfReach(_) => {
            let down = observed.nodes.iter().find(|node| node.evidence.is_down);
            let path = down.map(|node| node.evidence.path.clone()).unwrap_or_default();
            Err(Failure::new_generic_failure(
                path,
                "it can't be reached, and it may be the only one with the new secret that the edge accepts already",
                format!(
                    "start it again, then: {}; the edge accepts both secrets until then",
                    render_same_command_again(&[])
                ),
            ))
        }
        _ => Ok(wanted),
    }
}

/// Does what the plan says; looks anew before it begins, and as it goes.
///
/// # Errors
/// Fails where what was shown moved, AWS refuses, a version can't be proven, or a node's links are refused.
pub async fn apply(
    session: &Session,
    seen: &SecretRotationEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    session.invalidate_cached_account_reads().await;
    let observed = observe_rotation(session, answers).boxed().await?;
    let wanted = choose_rotation_secret(&observed, answers)?;
    if observed.build_rotation_evidence(answers, &wanted) != *seen {
        return Err(Failure::new_plan_drift_failure(
            "the secrets",
            "a node or the edge was changed after the plan was shown",
        ));
    }
    let session = &observed.session_with_reached_node_first(session);
    let lock = RotationLock { session, target: &observed.target, function: &observed.function };
    let work = SecretRotation { session, observed: &observed, lock: &lock, answers, run };
    let done = match answers.rotation {
        SecretRotationKind::Rotate => work.rotate_secret(&wanted).boxed().await,
        SecretRotationKind::Finish => work.finish_rotation().boxed().await,
        SecretRotationKind::Leaked => work.replace_leaked_secret(&wanted).boxed().await,
    };
    lock.release_rotation_lock().await;
    done
}

/// One rotation at work.
struct SecretRotation<'a> {
    session: &'a Session,
    observed: &'a ObservedRotation,
    lock: &'a RotationLock<'a>,
    answers: &'a OperatorAnswers,
    run: &'a StageRun,
}

impl SecretRotation<'_> {
    fn read_unix_seconds(&self) -> u64 {
        self.session.host.clock.read_host_clock().as_secs()
    }

    /// Takes the lock as a step that is seen.
    async fn take_lock(&self, fingerprint: &str) -> Result<RotationMark, Failure> {
        let doing = "the function's tag, by which other hosts know of it";
        self.run
            .run_stage_step(StageStep::RotationLock, doing, async {
                let take_over = self.answers.consents.rotation_take_over;
                let mark = self.lock.hold_rotation_lock(fingerprint, take_over).await?;
                Ok((mark, "no other host rotates this secret".to_owned()))
            })
            .await
    }

    /// Returns the secret that every node shall hold: the one that was begun with, or one that is made and kept now.
    async fn find_or_draw_secret(&self, wanted: &WantedSecret) -> Result<Secret, Failure> {
        match wanted {
            WantedSecret::Fresh | WantedSecret::OutOfReach(_) => {
                draw_and_keep_rotation_secret(self.session).await
            }
            WantedSecret::Begun(fingerprint) | WantedSecret::Unfinished(fingerprint) => {
                let held = self.observed.find_secret_at_hand(fingerprint).cloned();
                held.ok_or_else(|| Failure::new_plan_drift_failure("the secret", "no node has it any more"))
            }
        }
    }

    /// Steps 1 to 4: the edge accepts it, every edge surely does, node after node signs with it.
    async fn rotate_secret(&self, wanted: &WantedSecret) -> Result<(StageEnd, String), Failure> {
        let new = self.find_or_draw_secret(wanted).await?;
        let fingerprint = compute_secret_fingerprint(&new)?;
        let mark = self.take_lock(&fingerprint).await?;
        // What the edge accepts beside a secret that is on its way ends by `--finish` alone: only a publish leaves anything out.
        let dropped = if self.observed.does_edge_accept(&fingerprint) {
            Vec::new()
        } else {
            let signing = self.observed.list_signing_fingerprints();
            self.observed
                .decide_by_facts(|facts| facts.list_secrets_to_drop(Some(&fingerprint), signing.as_deref()))
        };
        if !dropped.is_empty() {
            // Nobody signs with it now; a link of the minutes before may be on its way.
            let longest = self.observed.signers.as_ref().map_or(0, |signers| signers.lifetime_max_seconds);
            let from = self.read_unix_seconds() + longest.max(LINK_LIFETIME_SECONDS) + LINK_MARGIN_SECONDS;
            self.wait_until_links_expired(from).await?;
        }
        let edge = WantedEdgeSecrets { newest: new.clone(), dropped };
        let brought =
            self.observed.bring_version_to_edge(self.session, &edge, self.answers, self.run).boxed().await?;
        let since = mark.since.filter(|_| brought.1).unwrap_or_else(|| self.read_unix_seconds());
        self.lock.write_mark(&RotationMark { since: Some(since), finish_at: None, ..mark.clone() }).await?;
        // The ones that were dropped pass no more, and are not tried.
        let mut secrets = vec![new.clone()];
        secrets.extend(
            self.observed
                .secrets
                .iter()
                .filter(|one| **one != new && self.is_still_accepted(one, &edge))
                .cloned(),
        );
        let readings =
            EdgeReadings { session: self.session, observed: self.observed, version_arn: &brought.0, secrets };
        let lags = self.observed.does_packagecloud_lag_behind(&fingerprint);
        let is_any_due = self.observed.nodes.iter().any(|node| is_node_due(node, Some(&fingerprint), lags));
        if is_any_due {
            readings.wait_until_edges_accept(self.run).await?;
        }
        self.rotate_nodes(&new, lags).boxed().await
    }

    fn is_still_accepted(&self, secret: &Secret, edge: &WantedEdgeSecrets) -> bool {
        compute_secret_fingerprint(secret)
            .is_ok_and(|one| self.observed.does_edge_accept(&one) && !edge.dropped.contains(&one))
    }

    /// Node after node, then all of them together.
    async fn rotate_nodes(&self, new: &Secret, lags: bool) -> Result<(StageEnd, String), Failure> {
        let fingerprint = compute_secret_fingerprint(new)?;
        let (observed, session) = (self.observed, self.session);
        let rotation = NodeRotation { session, observed, new, answers: self.answers, run: self.run };
        let (mut away, mut left) = (Vec::new(), false);
        for node in &observed.nodes {
            if node.evidence.is_down {
                away.push(node.evidence.path.clone());
                continue;
            }
            if !is_node_due(node, Some(&fingerprint), lags) {
                continue;
            }
            self.take_lock(&fingerprint).await?;
            match rotation.rotate_secret_on_node(&node.session).boxed().await? {
                NodeRotationOutcome::Signs(_) => {}
                NodeRotationOutcome::HoldsOnly(why) => {
                    session.write_log_line(&format!("{}: {why}", node.evidence.path));
                }
                NodeRotationOutcome::NotReached => away.push(node.evidence.path.clone()),
                NodeRotationOutcome::LeftToOperator => left = true,
            }
        }
        if !away.is_empty() {
            return Err(build_nodes_away_failure(&away));
        }
        if left {
            let text = crate::engine::packagecloud::switch::render_switch_left_to_operator(session);
            return Ok((StageEnd::Stopped, text));
        }
        let proof = self.prove_all_links_by_new_secret(new).await?;
        remove_kept_rotation_secret(session).await;
        let finish_at = self.read_unix_seconds() + proof.lifetime_max_seconds + LINK_MARGIN_SECONDS;
        let mark = self.take_lock(&fingerprint).await?;
        let mark = RotationMark { finish_at: Some(finish_at), ..mark };
        self.lock.write_mark(&mark).await?;
        Ok((StageEnd::Applied, render_rotation_result(&mark, &proof.switched_off)))
    }
}

fn build_nodes_away_failure(away: &[String]) -> Failure {
    Failure::new(
        FailureKind::Unreachable,
        away.join(", "),
        "it can't be reached: it keeps the old secret, which the edge still accepts; every other node signs with the new one",
        format!("run this again when it is back: {}", render_proposed_command("rotate-secret", &[])),
    )
}
