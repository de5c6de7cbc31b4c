//! The distribution stage: cache policies, distribution, authenticator, Deployed, and only then the bucket policy (contract section 5).
//!
//! At no instant may a distribution read the bucket without the authenticator on every behavior, as deployed at the edge.

mod documents;
mod domain;
mod grant;
mod make;
mod plan;
mod proof;

pub(crate) use make::apply;
pub(crate) use plan::plan_distribution_stage;

use futures::FutureExt as _;

use crate::model::{
    failure::Failure,
    run::{answers::OperatorAnswers, plan::StagePlan},
};

use crate::engine::{
    live_change::is_change_left_unproven,
    resources::{
        bucket_key, edge_limits,
        install::{ObservedAwsInstall, observe_aws_install},
        switched_off::is_serving_links,
    },
    session::Session,
};

/// Looks at what is there of the distribution, the cache policies and the grant.
///
/// # Errors
/// Fails where the distribution can't be used as it is, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let ObservedAwsInstall { target, distribution: mut seen, .. } =
        observe_aws_install(session, answers).boxed().await?;
    seen.packages_domain =
        domain::check_packages_domain_usable(&target, answers, seen.distribution.as_ref()).boxed().await?;
    seen.keys = bucket_key::observe_bucket_kms_keys(&target, &seen).boxed().await?;
    if let Some(distribution) = &seen.distribution {
        seen.flat_rate_plan = edge_limits::find_flat_rate_plan(&target, distribution).boxed().await;
        seen.serves_links = is_serving_links(session, distribution, answers).boxed().await;
        let is_left = is_change_left_unproven(session, &distribution.id).boxed().await;
        seen.has_unproven_change = seen.serves_links && is_left;
    }
    let mut plan = plan::plan_distribution_stage(&seen, &target, answers)?;
    documents::add_distribution_documents(&mut plan, &seen, &target);
    Ok(plan)
}
