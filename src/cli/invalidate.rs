//! The command `invalidate`: shows what the edges would forget, asks, and waits until they have.

use super::{CommandInvocation, EXIT_DONE, write::show_plans_overview};
use crate::engine;
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{failure::Failure, run::goal::RunStage};

/// Has the edges forget some keys, or all packages.
///
/// # Errors
/// Fails where there is no distribution of ours, a key is none that an edge can hold, or the answer is no.
pub async fn run_invalidate_command(invocation: &CommandInvocation) -> Result<u8, Failure> {
    let (session, answers) = (&invocation.session, &invocation.answers);
    invocation
        .refuse_missing_confirmations(&engine::list_changed_bucket_confirmations(session, answers).await)?;
    let plan = engine::look(session, RunStage::Invalidate, answers).await?;
    show_plans_overview(invocation, std::slice::from_ref(&plan));
    if !invocation.ask_operator_consent("Let every edge forget this?")? {
        return Err(Failure::new_missing_consent_failure(
            RunStage::Invalidate.stage_name(),
            "you said no",
            format!("nothing was forgotten; when you are ready: {}", render_same_command_again(&[])),
        ));
    }
    let (_, failure) = invocation.apply_plan(&plan).await;
    Ok(failure.map_or(EXIT_DONE, |failure| super::report_stage_failure(&failure)))
}
