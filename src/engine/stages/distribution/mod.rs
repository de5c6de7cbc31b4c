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
pub(crate) use observe::{is_ours, see};

use futures::FutureExt as _;

use crate::model::run::{answers::Answers, failure::Failure, plan::Plan};

use super::bootstrap;
use crate::engine::{resources::bucket_key, session::Ground};

/// What is there of the distribution, the cache policy and the grant.
pub async fn look(ground: &Ground, answers: &Answers) -> Result<Plan, Failure> {
    let scene = ground.scene(answers).await?;
    let below = bootstrap::see(ground, &scene, answers).boxed().await?;
    let mut seen = see(&scene, answers, &below).boxed().await?;
    seen.packages_domain = domain::see(&scene, answers, seen.distribution.as_ref()).boxed().await?;
    seen.keys = bucket_key::see(&scene, &seen).boxed().await?;
    plan::plan(seen, &scene, answers)
}
