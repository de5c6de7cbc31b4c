//! The gate after a change of a distribution that serves links, and the way back (contract section 7).

use std::collections::BTreeMap;

use futures::FutureExt as _;

use super::unproven::forget_unproven_change;
use crate::aws::DistributionSnapshot;
use crate::engine::{
    delivery::{gate::EdgeProber, samples},
    resources::install::observe_aws_install,
    run::StageRun,
    session::{AwsTarget, Session},
};
use crate::model::run::proposed_command::{render_proposed_command, render_same_command_again};
use crate::model::{
    aws::cloudfront::CloudFrontDistribution,
    failure::{Failure, FailureKind},
    run::{answers::OperatorAnswers, check::CheckResult, goal::StageStep},
};

/// A change of a distribution that serves links.
pub(super) struct LiveDistributionChange<'a> {
    /// How it was before, and right after; none where nothing was changed, and it was only waited for.
    pub snapshots: Option<(DistributionSnapshot, DistributionSnapshot)>,
    pub deployed: &'a CloudFrontDistribution,
}

impl LiveDistributionChange<'_> {
    /// Proves by signed links that the edges serve as they should; puts back what was changed where they don't.
    ///
    /// # Errors
    /// Fails with the check that didn't pass, and how putting back went.
    pub(super) async fn prove_or_put_back(
        &self,
        session: &Session,
        target: &AwsTarget,
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<(), Failure> {
        let proven = run
            .run_stage_step(StageStep::Gate, "signed URLs at the edge", async {
                self.probe_changed_edges(session, target, answers, run).await.map(|text| ((), text))
            })
            .await;
        match (proven, &self.snapshots) {
            (Err(failure), Some(snapshots)) if failure.kind != FailureKind::Interrupted => {
                Err(self.put_back(session, target, snapshots, failure, run).boxed().await)
            }
            (Ok(()), _) => {
                forget_unproven_change(session).await;
                Ok(())
            }
            (proven, _) => proven,
        }
    }

    async fn probe_changed_edges(
        &self,
        session: &Session,
        target: &AwsTarget,
        answers: &OperatorAnswers,
        run: &StageRun,
    ) -> Result<String, Failure> {
        if session.is_edge_unreachable_for_checks() {
            return Ok("not asked: with --endpoint-url and no --edge-url the edge is out of reach".to_owned());
        }
        let values = session.host.read_packagecloud_config().await?.seen.values;
        let Some(secret) = &values.secret else {
            return Ok("not asked: packagecloud.rb holds no secret to sign with".to_owned());
        };
        // What the version accepts that the edges have now, and not what the one before it did.
        session.invalidate_cached_account_reads().await;
        let install = observe_aws_install(session, answers).boxed().await?;
        let mut gate = EdgeProber {
            session,
            target,
            domain: values.packages_domain.as_deref().unwrap_or(&self.deployed.domain),
            secret,
            construction: install.authenticator.construction,
            samples: samples::find_sample_object_keys(target).await?,
            known: install.build_edge_diagnosis_facts(Some(secret)),
            objects: BTreeMap::new(),
        };
        let say = run.build_step_progress_reporter(StageStep::Gate);
        let asked = run.read_unless_stopped(async {
            let mut checks = gate.check_edge_before_switch(&say).await;
            checks.push(gate.check_repo_metadata_uncached().await);
            Ok(checks)
        });
        let checks = asked.boxed().await?;
        checks.iter().for_each(|check| run.emit_check_result(check.clone()));
        match checks.into_iter().find(CheckResult::has_failed) {
            Some(failed) => Err(Failure::new_generic_failure(
                format!("the gate, {}", failed.name),
                failed.detail,
                failed.next,
            )),
            None => Ok("a package and repository metadata are served as before, unsigned links are refused"
                .to_owned()),
        }
    }

    /// Puts back what was changed, and waits until every edge has it: the failure, with how that went.
    async fn put_back(
        &self,
        session: &Session,
        target: &AwsTarget,
        (before, after): &(DistributionSnapshot, DistributionSnapshot),
        failure: Failure,
        run: &StageRun,
    ) -> Failure {
        let (cloud, names) = (&target.cloud, &target.names);
        let say = run.build_step_progress_reporter(StageStep::TakeBack);
        let doing = format!("putting distribution {} back as it was", self.deployed.id);
        let back = run.run_stage_step(StageStep::TakeBack, doing, async {
            let restored = cloud.restore_distribution(names, before, after, &say).await?;
            cloud.wait_until_distribution_deployed(names, &restored, &say).await?;
            Ok(((), format!("distribution {} is as it was, on every edge", self.deployed.id)))
        });
        match back.await {
            Ok(()) => {
                forget_unproven_change(session).await;
                Failure {
                    why: format!(
                        "{}; the distribution was put back, and every edge has it as it was before",
                        failure.why
                    ),
                    next: format!(
                        "{}; once that is corrected, run: {}",
                        failure.next,
                        render_same_command_again(&[])
                    ),
                    ..failure
                }
            }
            Err(second) => Failure {
                why: format!("{}; and putting the distribution back failed: {second}", failure.why),
                next: format!(
                    "switch off where links are refused (D in the wizard): {}; {}",
                    render_proposed_command("disable", &[]),
                    second.next
                ),
                ..failure
            },
        }
    }
}
