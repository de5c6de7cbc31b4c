//! What must be shown of a version before the distribution gets it: it loses no secret that links are signed with, and it runs.

use crate::engine::{
    resources::{
        accepted_secrets::{
            list_associated_version_arns, read_reached_node_secrets, refuse_fewer_secrets,
            refuse_version_without_node_secrets,
        },
        carried_secrets::confirm_dropped_secrets,
        guard::has_version_on_bucket_behaviors,
        version_proof::{
            EXAMPLE_EDGE_HOST, FunctionVersionProof, collect_secrets_at_hand, find_version_to_associate,
            prove_function_version,
        },
    },
    run::StageRun,
    session::{AwsTarget, Session},
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        evidence::{DistributionEvidence, DroppedSecret},
        names::ResourceNames,
    },
    failure::Failure,
    run::{answers::OperatorAnswers, goal::StageStep},
    secret::Secret,
    url::token::compute_secret_fingerprint,
};

/// Returns whether the distribution has the version already, on every behavior of the bucket.
pub(super) fn is_version_associated(seen: &DistributionEvidence, names: &ResourceNames) -> bool {
    seen.distribution
        .as_ref()
        .zip(seen.version_arn.as_ref())
        .is_some_and(|(distribution, arn)| has_version_on_bucket_behaviors(distribution, names, arn))
}

/// Proves the version that shall be associated, where it isn't yet.
///
/// # Errors
/// Fails where it accepts fewer secrets than what it replaces, doesn't run, can't decrypt, or judges a link wrongly.
pub(super) async fn prove_version_before_association(
    session: &Session,
    target: &AwsTarget,
    seen: &DistributionEvidence,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(), Failure> {
    let names = &target.names;
    let Some(arn) = seen.version_arn.as_deref().filter(|_| !is_version_associated(seen, names)) else {
        return Ok(());
    };
    let say = run.build_step_progress_reporter(StageStep::VersionProof);
    run.run_stage_step(StageStep::VersionProof, format!("invoking {arn}, before any edge has it"), async {
        let version = find_version_to_associate(target, arn).await?;
        let function = target.read_authenticator_function().await?;
        let dropped = Box::pin(confirm_dropped_secrets(session, answers, &seen.dropped)).await;
        if let Some((function, distribution)) = function.as_ref().zip(seen.distribution.as_ref()) {
            let associated = list_associated_version_arns(std::slice::from_ref(distribution));
            refuse_fewer_secrets(arn, version.described.as_ref(), function, &associated, &dropped)?;
        }
        let node_secrets = read_signing_node_secrets(session, &dropped).await?;
        if let Some(described) = &version.described {
            let next = format!(
                "this publishes a version that accepts it, which is then to be associated: {}",
                render_proposed_command("bootstrap-cloudfront", &[])
            );
            refuse_version_without_node_secrets(arn, described, &node_secrets, &next)?;
        }
        let own = seen.packages_domain.as_ref().map(|domain| domain.name.as_str());
        let host = own.or(seen.distribution.as_ref().map(|distribution| distribution.domain.as_str()));
        let proof = FunctionVersionProof {
            secrets: collect_secrets_at_hand(session, &version, &node_secrets).await,
            version: &version,
            construction: answers.construction.unwrap_or_default(),
            host: host.unwrap_or(EXAMPLE_EDGE_HOST),
            packagecloud_link: None,
            clock: &session.host.clock,
            is_at_own_endpoint: session.is_edge_unreachable_for_checks(),
        };
        let adopt = answers.consents.adopt;
        let shown = prove_function_version(&target.cloud, names, &proof, adopt, &say).await?;
        Ok(((), shown))
    })
    .await
}

/// What the nodes sign with: one that is off and is given another secret before it goes on signs with neither.
async fn read_signing_node_secrets(
    session: &Session,
    dropped: &[DroppedSecret],
) -> Result<Vec<(String, Secret)>, Failure> {
    let mut secrets = read_reached_node_secrets(session).await?;
    secrets.retain(|(_, secret)| {
        let fingerprint = compute_secret_fingerprint(secret).unwrap_or_default();
        dropped.iter().all(|one| one.fingerprint != fingerprint)
    });
    Ok(secrets)
}
