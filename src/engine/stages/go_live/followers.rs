//! The other web nodes, once the first is live: each goes live alone, and is taken back alone where it fails.

use crate::model::{
    aws::evidence::{ObservedPackagecloudConfig, PackagecloudConfigEvidence},
    failure::{Failure, FailureKind},
    packagecloud::settings::CloudFrontSettingKey,
    run::answers::OperatorAnswers,
};

use super::{
    GoLiveFacts, is_node_connection_lost, proof, revert::revert_go_live_on_node, switch_node_to_cloudfront,
};
use crate::engine::{
    packagecloud::{nodes, services, switch},
    run::StageRun,
    session::Session,
};

/// A node, its file, and what has to be written there.
pub(super) type FollowerNode<'a> = (Session, &'a ObservedPackagecloudConfig, Vec<CloudFrontSettingKey>);

/// Finds the other nodes that have to be given something, or to be seen to follow their file: with their file, and what.
pub(super) fn find_other_nodes_to_switch<'a>(
    session: &Session,
    seen: &'a PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
) -> Vec<FollowerNode<'a>> {
    seen.others
        .iter()
        .filter_map(|other| {
            let node = nodes::find_other_node_of_config(session, other)?;
            let keys = nodes::list_missing_setting_keys(
                other,
                &seen.desired,
                &CloudFrontSettingKey::ALL,
                answers.consents.new_secret,
            );
            (!keys.is_empty() || node.is_cloudfront_switch_unfinished()).then_some((node, other, keys))
        })
        .collect()
}

/// Goes live on the other nodes, one after the other: each is taken back alone where it fails, and the ones before it stay on.
///
/// # Errors
/// Fails with the first node that could not be proven; it alone is off.
pub(super) async fn go_live_on_other_nodes(
    session: &Session,
    found: &GoLiveFacts,
    seen: &PackagecloudConfigEvidence,
    answers: &OperatorAnswers,
    follow: Vec<FollowerNode<'_>>,
    run: &StageRun,
) -> Result<String, Failure> {
    let mut on = Vec::new();
    for (node, other, keys) in follow {
        switch_node_to_cloudfront(&node, other, seen, &keys, answers, run).await?;
        let live = async {
            session.ensure_cloudfront_not_disabled().await?;
            switch::reconfigure_packagecloud(&node, run).await?;
            let restarting = tokio::time::Instant::now();
            switch::restart_packagecloud(&node, run).await?;
            proof::prove_edge_accepts_all_redirects(session, found, seen, answers, run).await?;
            switch::save_cloudfront_switch_completion(&node).await?;
            Ok::<_, Failure>(services::check_services_after_restart(&node, answers, restarting).await)
        };
        let name = node.host.transport.remote_host_name().unwrap_or_default().to_owned();
        match live.await {
            Ok(services) => on.push(if services.is_empty() { name } else { format!("{name} ({services})") }),
            Err(failure)
                if failure.kind == FailureKind::Interrupted || is_node_connection_lost(&node, &failure) =>
            {
                return Err(failure);
            }
            Err(failure) => {
                let failure = session.ensure_cloudfront_not_disabled().await.err().unwrap_or(failure);
                let failure =
                    revert_go_live_on_node(&node, &other.values, answers, run, failure, false).await;
                return Err(Failure {
                    why: format!("{}; {name} alone is off, the nodes before it stay on", failure.why),
                    ..failure
                });
            }
        }
    }
    Ok(format!("on too: {}", on.join(", ")))
}
