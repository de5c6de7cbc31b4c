//! The bootstrap stage: IAM role and policy, KMS key and policy, Lambda function and version, origin access (contract section 5).
//!
//! Nothing made here lets anybody read the bucket; whatever order it is broken off in, the next run finds what stands.

mod documents;
mod function;
mod make;
mod plan;
mod runtime;

pub(crate) use make::apply;
pub(crate) use plan::plan_bootstrap_stage;

use futures::FutureExt as _;

use crate::model::{
    failure::Failure,
    run::{answers::OperatorAnswers, plan::StagePlan},
};

use crate::engine::{resources::authenticator::observe_authenticator_resources, session::Session};

/// Looks at what is there of the authenticator and of CloudFront's access to the bucket.
///
/// # Errors
/// Fails where a part is another install's or can't be used, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let seen = observe_authenticator_resources(session, &target, answers).boxed().await?;
    let mut plan = plan::plan_bootstrap_stage(&seen, &target, answers)?;
    documents::add_bootstrap_documents(&mut plan, &seen, &target.names, &target.account);
    runtime::add_runtime_fact(&mut plan, session, &seen);
    Ok(plan)
}
