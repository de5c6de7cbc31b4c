//! What is said of the function's runtime, where the next version runs on another: it rolls on with everything else that differs.

use crate::host::environment::clock;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        evidence::BootstrapStageEvidence,
        lambda_runtime::{AUTHENTICATOR_RUNTIME, render_runtime_with_support},
    },
    run::plan::{PlanFact, StagePlan},
};

use crate::engine::session::Session;

/// Adds what rolls on, until when AWS looks after either, and the way back; nothing where no version is to be published, or
/// the runtime stays.
pub fn add_runtime_fact(plan: &mut StagePlan, session: &Session, seen: &BootstrapStageEvidence) {
    let Some(function) = seen.function.as_ref().filter(|_| seen.version.is_none()) else { return };
    let newest = function.versions.last();
    let stands = newest.map_or(&function.runtime, |version| &version.runtime);
    if stands == AUTHENTICATOR_RUNTIME {
        return;
    }
    let today = clock::render_utc_time(session.host.clock.read_host_clock());
    let today = today.get(..10).unwrap_or_default();
    let back = newest.map_or_else(String::new, |version| {
        format!(
            " The version of now stays; to go back to it: {}",
            render_proposed_command("roll-back", &["--edge", &version.arn])
        )
    });
    plan.facts.push(PlanFact {
        topic: "The function's runtime",
        text: format!(
            "{} now. The new version runs on {}; it is invoked with right and forged links before the distribution gets it, and every secret that the edge accepts stays accepted.{back}",
            render_runtime_with_support(stands, today),
            render_runtime_with_support(AUTHENTICATOR_RUNTIME, today)
        ),
    });
}
