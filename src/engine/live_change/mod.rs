//! A change of a distribution while packagecloud's links lead to it: kept before, proven after Deployed, put back where the gate fails (contract section 7).

mod gate;
mod unproven;

use std::future::Future;

use crate::engine::{
    resources::switched_off::is_serving_links,
    run::StageRun,
    session::{AwsTarget, Session, retry_on_expiry::retry_on_expired_credentials},
};
use crate::model::{
    aws::cloudfront::CloudFrontDistribution,
    failure::Failure,
    run::{answers::OperatorAnswers, goal::StageStep},
};

use gate::LiveDistributionChange;
use unproven::{UnprovenChange, forget_unproven_change, read_unproven_change};

/// Returns whether a run before this one changed that distribution and didn't prove it.
pub(crate) async fn is_change_left_unproven(session: &Session, distribution: &str) -> bool {
    read_unproven_change(session, distribution).await.is_some()
}

/// Proves the change of a run that was broken off between it and the gate, before anything else is changed; puts it back where
/// the gate fails.
///
/// # Errors
/// Fails where CloudFront refuses or doesn't answer, and with the check of the gate that didn't pass.
pub(crate) async fn settle_unproven_change(
    session: &Session,
    target: &AwsTarget,
    standing: &CloudFrontDistribution,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(), Failure> {
    let (cloud, id) = (&target.cloud, standing.id.as_str());
    let Some(kept) = read_unproven_change(session, id).await else { return Ok(()) };
    let now = cloud.snapshot_distribution(id).await?;
    let before = cloud.parse_distribution_snapshot(id, &kept.before).await?;
    // Nothing was changed yet, or it was put back; or no link leads there, and going live has its own gate.
    if now.is_same_configuration(&before) || !is_serving_links(session, standing, answers).await {
        forget_unproven_change(session).await;
        return Ok(());
    }
    // Killed in the moment of the update nobody kept what came of it: what differs is that change.
    let after = match &kept.after {
        Some(after) => cloud.parse_distribution_snapshot(id, after).await?,
        None => now,
    };
    let deployed = Box::pin(wait_until_distribution_deployed(session, target, standing, run)).await?;
    let change = LiveDistributionChange { snapshots: Some((before, after)), deployed: &deployed };
    Box::pin(change.prove_or_put_back(session, target, answers, run)).await
}

/// Has `change` made, waits until every edge has it, and proves it where links lead to the distribution that `standing` names;
/// with it whether anything of that one would be changed.
///
/// # Errors
/// Fails as `change` does, where CloudFront refuses or doesn't answer, and with the check of the gate that didn't pass.
pub(crate) async fn change_distribution_behind_gate(
    session: &Session,
    target: &AwsTarget,
    (standing, is_due): (Option<&CloudFrontDistribution>, bool),
    answers: &OperatorAnswers,
    run: &StageRun,
    change: impl Future<Output = Result<CloudFrontDistribution, Failure>>,
) -> Result<CloudFrontDistribution, Failure> {
    let serving = match standing {
        // Looked at again: who went live meanwhile has links on it too.
        Some(standing) if is_serving_links(session, standing, answers).await => Some(standing),
        _ => None,
    };
    let before = match serving.filter(|_| is_due) {
        Some(standing) => {
            let before = target.cloud.snapshot_distribution(&standing.id).await?;
            // Kept before the change: whatever breaks this off, the next run proves it or puts it back.
            UnprovenChange::new(&standing.id, &before, None).keep_unproven_change(session).await?;
            Some(before)
        }
        None => None,
    };
    let made = Box::pin(change).await?;
    let must_prove = serving.is_some() && (before.is_some() || made.status != "Deployed");
    let snapshots = match before {
        Some(before) => {
            let after = target.cloud.snapshot_distribution(&made.id).await?;
            UnprovenChange::new(&made.id, &before, Some(&after)).keep_unproven_change(session).await?;
            Some((before, after))
        }
        None => None,
    };
    let made = Box::pin(wait_until_distribution_deployed(session, target, &made, run)).await?;
    if must_prove {
        let change = LiveDistributionChange { snapshots, deployed: &made };
        Box::pin(change.prove_or_put_back(session, target, answers, run)).await?;
    }
    Ok(made)
}

/// Waits until every edge has the distribution as it is; returns it.
///
/// # Errors
/// Fails where CloudFront refuses or doesn't answer, and where the wait is stopped.
pub(crate) async fn wait_until_distribution_deployed(
    session: &Session,
    target: &AwsTarget,
    made: &CloudFrontDistribution,
    run: &StageRun,
) -> Result<CloudFrontDistribution, Failure> {
    let say = run.build_step_progress_reporter(StageStep::Deployed);
    let doing = format!("waiting until every edge has {}", made.id);
    run.run_stage_step(StageStep::Deployed, doing, async {
        let waiting = || {
            run.read_unless_stopped(target.cloud.wait_until_distribution_deployed(&target.names, made, &say))
        };
        let deployed = if made.status == "Deployed" {
            made.clone()
        } else {
            retry_on_expired_credentials(session, &target.cloud, run, StageStep::Deployed, waiting).await?
        };
        let text = format!("distribution {} is deployed", deployed.id);
        Ok((deployed, text))
    })
    .await
}
