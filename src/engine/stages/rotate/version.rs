//! The version that accepts just what it shall: found or published, proven by Invoke, and put on the distribution behind the gate.

use futures::FutureExt as _;

use super::observe::ObservedRotation;
use crate::aws::IntendedDistributionUpdate;
use crate::edge::bundle::{FunctionVersionDescription, parse_function_version_description};
use crate::engine::{
    live_change::{change_distribution_behind_gate, settle_unproven_change},
    resources::{
        accepted_secrets::{list_associated_version_arns, refuse_fewer_secrets},
        authenticator::{build_edge_function_bundle, list_version_fingerprints},
        carried_secrets::{drop_secrets_of_gone_keys, find_secret_count_excess},
        guard::has_version_on_bucket_behaviors,
        version_proof::{FunctionVersionProof, prove_function_version, read_version_to_associate},
    },
    run::StageRun,
    session::Session,
    stages::bootstrap,
};
use crate::model::{
    aws::{
        account::{FunctionVersion, LambdaFunction},
        evidence::{BootstrapStageEvidence, CarriedSecretChoice, DroppedSecret, SecretDropReason},
        lambda_runtime::AUTHENTICATOR_RUNTIME,
        rotation::SecretRotationKind,
    },
    failure::Failure,
    run::{answers::OperatorAnswers, goal::StageStep},
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// What the edge shall accept.
pub(super) struct WantedEdgeSecrets {
    /// The one that comes first.
    pub newest: Secret,
    /// The fingerprints of what the edge accepts now and shall accept no more.
    pub dropped: Vec<String>,
}

impl ObservedRotation {
    /// Returns what a version for these holds beside the newest.
    pub(super) fn choose_secrets_beside(&self, wanted: &str, dropped: &[String]) -> CarriedSecretChoice {
        let (carried, left): (Vec<_>, Vec<_>) = self
            .accepted
            .iter()
            .filter(|one| one.fingerprint != wanted)
            .cloned()
            .partition(|one| !dropped.contains(&one.fingerprint));
        let drop = |one: crate::model::aws::evidence::AcceptedSecret| DroppedSecret {
            fingerprint: one.fingerprint,
            why: SecretDropReason::HeldByNoNode,
        };
        CarriedSecretChoice { carried, dropped: left.into_iter().map(drop).collect(), obstacle: None }
    }

    /// Computes the digest of a version that would be published now; none where the key isn't there.
    fn compute_current_digest(&self) -> Option<String> {
        let key = self.authenticator.key.as_ref()?;
        let construction = self.authenticator.construction;
        Some(build_edge_function_bundle(construction, &key.arn, &self.target.names).compute_bundle_digest())
    }

    /// Brings the edge to accept what it shall: returns the version that it has then, and whether it had it already.
    ///
    /// # Errors
    /// Fails where AWS refuses, a fourth secret would be needed, the version can't be proven, or the gate doesn't pass.
    pub(super) async fn bring_version_to_edge(
        &self,
        session: &Session,
        wanted: &WantedEdgeSecrets,
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<(String, bool), Failure> {
        settle_unproven_change(session, &self.target, &self.distribution, answers, run).boxed().await?;
        let fingerprint = compute_secret_fingerprint(&wanted.newest)?;
        let associated = list_associated_version_arns(std::slice::from_ref(&self.distribution));
        let is_there = self.does_edge_accept(&fingerprint)
            && !self.accepted.iter().any(|one| wanted.dropped.contains(&one.fingerprint));
        if let Some(arn) = associated.first().filter(|_| is_there)
            && has_version_on_bucket_behaviors(&self.distribution, &self.target.names, arn)
        {
            return Ok(((*arn).to_owned(), true));
        }
        let mut choice = self.choose_secrets_beside(&fingerprint, &wanted.dropped);
        let standing = self
            .compute_current_digest()
            .and_then(|digest| find_exact_version(&self.function, &fingerprint, &choice, Some(&digest)));
        let arn = match standing {
            Some(arn) => arn,
            None => self.publish_rotation_version(session, wanted, &mut choice, answers, run).boxed().await?,
        };
        self.associate_rotation_version(session, &arn, (&wanted.newest, &choice.dropped), answers, run)
            .boxed()
            .await?;
        Ok((arn, false))
    }

    /// Publishes a version of the newest secret and all that is carried.
    async fn publish_rotation_version(
        &self,
        session: &Session,
        wanted: &WantedEdgeSecrets,
        choice: &mut CarriedSecretChoice,
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<String, Failure> {
        let fingerprint = compute_secret_fingerprint(&wanted.newest)?;
        if !choice.carried.is_empty() {
            let key = self.authenticator.key.as_ref();
            drop_secrets_of_gone_keys(session, &self.target, key, choice).boxed().await;
        }
        if let Some(obstacle) = &choice.obstacle {
            return Err(obstacle.clone());
        }
        refuse_fourth_secret(choice, answers.rotation)?;
        let seen = BootstrapStageEvidence {
            secret: Some(wanted.newest.clone()),
            version: None,
            beside: choice.clone(),
            ..self.authenticator.clone()
        };
        bootstrap::apply(session, &seen, answers, run).boxed().await?;
        let made = self.target.read_authenticator_function().await?;
        let made = made.and_then(|function| find_exact_version(&function, &fingerprint, choice, None));
        made.ok_or_else(|| {
            Failure::new_plan_drift_failure(
                format!("Lambda function {}", self.target.names.lambda_function_name()),
                "the version that was just published is not listed",
            )
        })
    }

    /// Proves the version, and puts it on the distribution; where links lead there, behind the gate.
    async fn associate_rotation_version(
        &self,
        session: &Session,
        arn: &str,
        (newest, dropped): (&Secret, &[DroppedSecret]),
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<(), Failure> {
        let (target, distribution) = (&self.target, &self.distribution);
        // The new one is in no node's file yet.
        let others = self.secrets.iter().filter(|one| *one != newest);
        let secrets: Vec<Secret> = std::iter::once(newest).chain(others).cloned().collect();
        let say = run.build_step_progress_reporter(StageStep::VersionProof);
        let host = distribution.aliases.first().unwrap_or(&distribution.domain);
        run.run_stage_step(
            StageStep::VersionProof,
            format!("invoking {arn}, before any edge has it"),
            async {
                let version = read_version_to_associate(target, arn).await?;
                let associated = list_associated_version_arns(std::slice::from_ref(distribution));
                let function = &self.function;
                refuse_fewer_secrets(arn, version.described.as_ref(), function, &associated, dropped)?;
                let proof = FunctionVersionProof {
                    secrets,
                    version: &version,
                    construction: self.authenticator.construction,
                    host,
                    packagecloud_link: None,
                    clock: &session.host.clock,
                    is_at_own_endpoint: session.is_edge_unreachable_for_checks(),
                };
                let adopt = answers.consents.adopt;
                let shown = prove_function_version(&target.cloud, &target.names, &proof, adopt, &say).await?;
                Ok(((), shown))
            },
        )
        .await?;
        let say = run.build_step_progress_reporter(StageStep::Authenticator);
        let change = run.run_stage_step(StageStep::Authenticator, format!("associating {arn}"), async {
            let intent = IntendedDistributionUpdate::Version(arn);
            let (id, etag) = (&distribution.id, &distribution.etag);
            let adopt = answers.consents.adopt;
            let made =
                target.cloud.update_distribution(&target.names, id, etag, &intent, adopt, &say).await?;
            Ok((made, format!("{id} carries {arn}")))
        });
        let standing = (Some(distribution), true);
        change_distribution_behind_gate(session, target, standing, answers, run, change).boxed().await?;
        session.invalidate_cached_account_reads().await;
        Ok(())
    }
}

/// Stops where a version would have to accept more than fit.
///
/// # Errors
/// Then, with the way to make room.
pub(super) fn refuse_fourth_secret(
    choice: &CarriedSecretChoice,
    kind: SecretRotationKind,
) -> Result<(), Failure> {
    match find_secret_count_excess(&choice.carried, "the new one") {
        Some((why, next)) if kind == SecretRotationKind::Rotate => Err(Failure::new_generic_failure(
            "the secret",
            why,
            format!(
                "end the old ones: {}; or {next}",
                crate::model::run::proposed_command::render_proposed_command("rotate-secret", &["--finish"])
            ),
        )),
        _ => Ok(()),
    }
}

/// Finds the newest version of `function` that accepts this secret first, what is carried behind it, and nothing else: one that
/// accepts more is no end of any secret. With a `digest` it must be on the code and the runtime of now too.
fn find_exact_version(
    function: &LambdaFunction,
    fingerprint: &str,
    choice: &CarriedSecretChoice,
    digest: Option<&str>,
) -> Option<String> {
    let wanted = list_version_fingerprints(fingerprint.to_owned(), &choice.carried);
    let is_right = |version: &&FunctionVersion| {
        let is_current = |described: &FunctionVersionDescription| {
            digest.is_none_or(|digest| described.digest == digest && version.runtime == AUTHENTICATOR_RUNTIME)
        };
        parse_function_version_description(&version.description)
            .is_some_and(|described| described.fingerprints == wanted && is_current(&described))
    };
    function.versions.iter().rev().find(is_right).map(|version| version.arn.clone())
}
