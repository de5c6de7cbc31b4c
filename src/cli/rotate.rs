//! The command `rotate-secret`: shows what it would do, asks, and rotates; `--leaked` switches off before it and on again after.

use super::{
    CommandInvocation, EXIT_DONE,
    write::{apply_plan_replanning_on_drift, show_plans_overview},
};
use crate::engine;
use crate::model::{
    aws::rotation::SecretRotationKind,
    failure::{Failure, FailureKind},
    run::{
        goal::RunStage,
        proposed_command::{render_proposed_command, render_same_command_again},
    },
};

/// Rotates the secret, ends the one before, or replaces one that others know.
///
/// # Errors
/// Fails where nothing of ours stands, a consent is missing, or the answer is no.
pub async fn run_rotate_secret_command(invocation: &mut CommandInvocation) -> Result<u8, Failure> {
    let changed = engine::list_changed_bucket_confirmations(&invocation.session, &invocation.answers).await;
    invocation.refuse_missing_confirmations(&changed)?;
    let mut plan = engine::look(&invocation.session, RunStage::Rotate, &invocation.answers).await?;
    invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
    if !plan.is_plan_without_changes() {
        show_plans_overview(invocation, std::slice::from_ref(&plan));
        let question = match invocation.answers.rotation {
            SecretRotationKind::Rotate => "Rotate the secret?",
            SecretRotationKind::Finish => "End the old secret?",
            SecretRotationKind::Leaked => {
                "Links to CloudFront of the last minutes will be refused. Replace the secret at once?"
            }
        };
        if !invocation.ask_operator_consent(question)?
            || !invocation.ask_live_change_consents(std::slice::from_mut(&mut plan))?
        {
            return Err(Failure::new_missing_consent_failure(
                "rotate-secret",
                "you said no",
                format!("nothing was changed; when you are ready: {}", render_same_command_again(&[])),
            ));
        }
    }
    if invocation.answers.rotation == SecretRotationKind::Leaked {
        return replace_leaked_secret(invocation).await;
    }
    let (_, failure) = apply_plan_replanning_on_drift(invocation, plan).await?;
    Ok(failure.map_or(EXIT_DONE, |failure| super::report_stage_failure(&failure)))
}

/// Off, a new secret alone, and on again what was on.
async fn replace_leaked_secret(invocation: &mut CommandInvocation) -> Result<u8, Failure> {
    let away = engine::note_nodes_to_switch_on(&invocation.session).await?;
    for stage in [RunStage::Disable, RunStage::Rotate] {
        let plan = engine::look(&invocation.session, stage, &invocation.answers).await?;
        invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
        let (_, failure) = apply_plan_replanning_on_drift(invocation, plan).await?;
        // A node that can't be reached can't be switched off: what its links meet was said.
        let is_of_node_away = |failure: &Failure| {
            stage == RunStage::Disable && !away.is_empty() && failure.kind != FailureKind::Interrupted
        };
        if let Some(failure) = failure.filter(|failure| !is_of_node_away(failure)) {
            return Ok(super::report_stage_failure(&failure));
        }
    }
    let on_before = engine::list_nodes_to_switch_on(&invocation.session, false).await;
    if let Some(session) = invocation.session.clone_session_with_nodes(&on_before) {
        let whole = std::mem::replace(&mut invocation.session, session);
        let live = switch_on_again(invocation).await;
        invocation.session = whole;
        if let Some(failure) = live? {
            return Ok(super::report_stage_failure(&failure));
        }
        engine::list_nodes_to_switch_on(&invocation.session, true).await;
    }
    if away.is_empty() {
        return Ok(EXIT_DONE);
    }
    Err(Failure::new(
        FailureKind::Unreachable,
        away.join(", "),
        "it can't be reached: it has the secret that others know, and the edge refuses its links",
        format!(
            "switch CloudFront off on that node; when it can be reached again, give it the new secret: {}",
            render_proposed_command("rotate-secret", &["--leaked"])
        ),
    ))
}

/// Goes live on the nodes that were on before.
async fn switch_on_again(invocation: &mut CommandInvocation) -> Result<Option<Failure>, Failure> {
    let plan = engine::look(&invocation.session, RunStage::GoLive, &invocation.answers).await?;
    invocation.refuse_unconfirmed_plans(std::slice::from_ref(&plan))?;
    Ok(apply_plan_replanning_on_drift(invocation, plan).await?.1)
}
