//! The gate before the switch: signed URLs must pass at the edge before anything is switched on.

use std::collections::BTreeMap;

use super::GoLiveFacts;
use crate::engine::{
    delivery::{
        gate::{EdgeProber, check_distribution_ready},
        samples::{self, SampleObjectKeys},
    },
    resources::packages_domain,
    run::StageRun,
    session::Session,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{aws::evidence::PackagecloudConfigEvidence, failure::Failure, run::goal::StageStep};

/// Waits until the packages domain serves, and lets nothing go on unless signed URLs are served and unsigned ones
/// refused: returns the samples, settled on the package that was served.
///
/// # Errors
/// Fails with the first check that does not pass.
pub(super) async fn require_edge_probes_pass(
    session: &Session,
    found: &GoLiveFacts,
    seen: &PackagecloudConfigEvidence,
    run: &StageRun,
) -> Result<SampleObjectKeys, Failure> {
    run.run_stage_step(StageStep::Gate, "signed URLs at the edge", async {
        if session.is_edge_unreachable_for_checks() {
            return Ok((
                samples::find_sample_object_keys(&found.target).await.unwrap_or_default(),
                "not asked: with --endpoint-url and no --edge-url the edge is out of reach".into(),
            ));
        }
        let missing = |what: &str| {
            Failure::new_generic_failure(
                what,
                "there is none yet",
                format!("run the stages before this one: {}", render_proposed_command("enable", &[])),
            )
        };
        let secret = seen.desired.secret.as_ref().ok_or_else(|| missing("cloudfront_secret"))?;
        let distribution = found.distribution.as_ref().ok_or_else(|| missing("the distribution"))?;
        let domain = seen.desired.packages_domain.as_deref().unwrap_or(&distribution.domain);
        Box::pin(packages_domain::wait_until_packages_domain_serves(session, domain, distribution, run))
            .await?;
        let deployed =
            check_distribution_ready(Some(distribution), &found.target.names.lambda_function_name());
        run.emit_check_result(deployed.clone());
        let mut gate = EdgeProber {
            session,
            target: &found.target,
            domain,
            secret,
            construction: found.construction,
            samples: samples::find_sample_object_keys(&found.target).await?,
            known: found.known.clone(),
            objects: BTreeMap::new(),
        };
        let mut checks = vec![deployed];
        let say = run.build_step_progress_reporter(StageStep::Gate);
        let asked = run.read_unless_stopped(async { Ok(gate.check_edge_before_switch(&say).await) });
        for check in Box::pin(asked).await? {
            run.emit_check_result(check.clone());
            checks.push(check);
        }
        if let Some(failed) = checks.into_iter().find(crate::model::run::check::CheckResult::has_failed) {
            return Err(Failure::new_generic_failure(
                format!("the gate, {}", failed.name),
                format!("{}; nothing was switched on", failed.detail),
                failed.next,
            ));
        }
        Ok((gate.samples, "signed URLs are served, unsigned ones are refused".into()))
    })
    .await
}
