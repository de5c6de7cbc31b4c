//! The distribution stage: cache policy, distribution, authenticator, Deployed, and only then the bucket policy (contract section 5).
//!
//! At no instant may a distribution read the bucket without the authenticator on every behavior, as deployed at the edge.

mod domain;
mod grant;
mod guard;
mod make;
pub mod observe;
mod plan;

pub(crate) use make::apply;
pub(crate) use observe::{is_ours, observe_distribution};

use futures::FutureExt as _;

use crate::model::{
    failure::Failure,
    run::{answers::Answers, plan::Plan},
};

use super::bootstrap;
use crate::engine::{resources::bucket_key, session::Session};

/// What is there of the distribution, the cache policy and the grant.
pub async fn look(session: &Session, answers: &Answers) -> Result<Plan, Failure> {
    let target = session.resolve_target(answers).await?;
    let below = bootstrap::observe_bootstrap(session, &target, answers).boxed().await?;
    let mut seen = observe_distribution(&target, answers, &below).boxed().await?;
    seen.packages_domain =
        domain::observe_packages_domain(&target, answers, seen.distribution.as_ref()).boxed().await?;
    seen.keys = bucket_key::observe_bucket_keys(&target, &seen).boxed().await?;
    plan::plan_distribution(seen, &target, answers)
}
