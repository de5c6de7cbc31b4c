//! Verify: named checks with a reason, then one verdict with one next move (contract section 9). It changes nothing.

mod redirect_check;
mod secrets_check;

use std::collections::BTreeMap;

use futures::FutureExt as _;

use self::redirect_check::{EDGE_OUT_OF_REACH_TEXT, PackagecloudRedirectCheck};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{evidence::StageEvidence, names},
    failure::{Failure, FailureKind},
    packagecloud::settings::{CloudFrontSettingKey, CloudFrontSettingValues},
    run::{
        answers::OperatorAnswers,
        check::{CheckId, CheckResult, CheckVerdict},
        event::StageEnd,
        goal::StageStep,
        plan::{PlanAttachment, ResourceChangeKind, StagePlan},
    },
};

use crate::engine::{
    delivery::{
        clocks,
        diagnosis::{self, DiagnosisFacts},
        gate::{self, EdgeProber},
        samples::{self, SampleObjectKeys},
    },
    hand_over,
    packagecloud::{nodes, switch},
    resources::{
        authenticator::save_deployed_token_construction,
        install::{ObservedAwsInstall, observe_aws_install_and_open_distributions},
    },
    run::StageRun,
    session::Session,
};
use crate::host::{LoadedConfig, environment::clock};

/// Says what it will ask, and what is good to have once it is done: the final block, the way off, how cost is followed.
pub async fn look(session: &Session) -> StagePlan {
    let mut plan = StagePlan::new(StageEvidence::Verify);
    plan.add_planned_change(
        StageStep::Checks,
        ResourceChangeKind::Run,
        "the road of a package",
        "every part is asked; nothing is changed",
    );
    // A file that can't be read is one of the checks, and no reason not to make the others.
    let Ok(config) = session.host.read_packagecloud_config().await else { return plan };
    let values = &config.seen.values;
    if let Some(on) = config.seen.describe_cloudfront_unless_off() {
        let is_settled = config.seen.find_unsettling_line(CloudFrontSettingKey::Enabled).is_none();
        let since = switch::read_cloudfront_on_since(session)
            .filter(|_| is_settled)
            .map(|since| format!(" since {}", clock::render_utc_time(since)))
            .unwrap_or_default();
        plan.notes.push(format!(
            "{on}{since}. To switch it off: {} (D in the wizard).",
            render_proposed_command("disable", &[])
        ));
    }
    if values.distribution_id.is_some() {
        plan.notes.push(format!(
            "To follow the cost: activate the tag {} in AWS Billing, under cost allocation tags.",
            names::COST_TAG
        ));
        plan.documents.push(PlanAttachment {
            title: format!("The final block, as it stands in {}", config.seen.path),
            lines: values.redact_cloudfront_secret().render_setting_assignments(),
            copy: true,
        });
    }
    plan
}

/// The checks so far, each said as an event as soon as it is known.
struct VerifyCheckList<'a> {
    run: &'a StageRun,
    checks: Vec<CheckResult>,
}

impl VerifyCheckList<'_> {
    fn add_verify_checks(&mut self, checks: impl IntoIterator<Item = CheckResult>) {
        for check in checks {
            self.run.emit_check_result(check.clone());
            self.checks.push(check);
        }
    }
}

/// Makes every check, says each as it is known, and ends with the verdict.
///
/// # Errors
/// Fails where the account or packagecloud.rb can't be read at all.
pub async fn run_all_verify_checks(
    session: &Session,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<Vec<CheckResult>, Failure> {
    let mut all = VerifyCheckList { run, checks: Vec::new() };
    let (install, open) = observe_aws_install_and_open_distributions(session, answers).boxed().await?;
    // Packages that anybody can read are the worst that is found: said first, and no reason not to look on.
    all.add_verify_checks(open.into_iter().map(|open| {
        let why = format!("{}: {}", open.what, open.why);
        CheckResult::new_failed_check("other-distribution", why, open.next)
    }));
    save_deployed_token_construction(session, &install.target).await;
    let config = session.host.read_packagecloud_config().await?;
    let values = &config.seen.values;
    let known = install.build_edge_diagnosis_facts(values.secret.as_ref());
    // What AWS itself says comes first: it names the cause of what fails after it.
    add_aws_and_host_checks(session, answers, &install, (&config, &known), &mut all).await;
    let samples = samples::find_sample_object_keys(&install.target).await?;
    all.add_verify_checks(
        samples
            .unlinkable
            .render_unlinkable_keys()
            .map(|why| CheckResult::new_unknown_check("object-keys", format!("of what was listed, {why}"))),
    );
    let samples =
        Box::pin(add_edge_delivery_checks(session, &install, values, (samples, &known), &mut all)).await?;
    let redirects =
        redirect_check::sample_verified_redirects(session, answers, samples.first_sample_package()).await;
    let seen = redirects.as_ref().ok().and_then(Option::as_ref);
    let of_secrets = secrets_check::check_accepted_secrets(session, &install, &samples, seen).boxed().await;
    all.add_verify_checks(of_secrets);
    let edge_works = all
        .checks
        .iter()
        .any(|check| check.has_check_id(CheckId::SignedUrl) && check.result == CheckVerdict::Pass);
    let asked = PackagecloudRedirectCheck {
        session,
        answers,
        config: &config.seen,
        domain: values.packages_domain.as_deref(),
        secret: values.secret.as_ref(),
        accepted: install.authenticator.construction,
        known: &known,
        edge_works,
    };
    all.add_verify_checks([asked.check_packagecloud_redirects(redirects).await]);
    let verdict = summarize_checks_as_verdict(&all.checks);
    all.add_verify_checks([verdict]);
    Ok(all.checks)
}

/// Adds what AWS and the hosts say of the parts: the distribution, the clocks, the nodes, and what a link needs.
async fn add_aws_and_host_checks(
    session: &Session,
    answers: &OperatorAnswers,
    install: &ObservedAwsInstall,
    (config, known): (&LoadedConfig, &DiagnosisFacts),
    all: &mut VerifyCheckList<'_>,
) {
    let target = &install.target;
    let distribution = install.distribution.distribution.as_ref();
    all.add_verify_checks([gate::check_distribution_ready(
        distribution,
        &target.names.lambda_function_name(),
    )]);
    all.add_verify_checks([clocks::check_local_clock(target)]);
    let ahead = target.caller.clock_ahead;
    all.add_verify_checks(
        session.list_all_node_sessions().iter().filter_map(|node| clocks::check_host_clock(node, ahead)),
    );
    // Nodes that were set up must say the same: what differs is named, before packagecloud's answers show it.
    let mut nodes = nodes::check_other_node_configs(session, Some(config), answers).await;
    for check in nodes.iter_mut().filter(|check| check.result == CheckVerdict::Unknown) {
        check.result = CheckVerdict::Fail;
        check.next = format!("give it the same values: {}", render_proposed_command("enable", &[]));
    }
    all.add_verify_checks(nodes);
    if distribution.is_some() {
        all.add_verify_checks(diagnosis::check_edge_function_and_key(known));
    }
}

/// Adds what the edge and the bucket answer to links of our own; returns the samples, settled on the package that was
/// served.
async fn add_edge_delivery_checks(
    session: &Session,
    install: &ObservedAwsInstall,
    values: &CloudFrontSettingValues,
    (samples, known): (SampleObjectKeys, &DiagnosisFacts),
    all: &mut VerifyCheckList<'_>,
) -> Result<SampleObjectKeys, Failure> {
    match (&install.distribution.distribution, &values.secret) {
        _ if session.is_edge_unreachable_for_checks() => {
            let names = [
                CheckId::SignedUrl.name(),
                "package-cached",
                "metadata-fresh",
                "cached-copies",
                CheckId::NoToken.name(),
            ];
            all.add_verify_checks(
                names.map(|name| CheckResult::new_unknown_check(name, EDGE_OUT_OF_REACH_TEXT)),
            );
        }
        (Some(distribution), Some(secret)) => {
            let standing =
                values.packages_domain.as_deref().filter(|name| distribution.has_domain_name_or_alias(name));
            let mut gate = EdgeProber {
                session,
                target: &install.target,
                domain: standing.unwrap_or(&distribution.domain),
                secret,
                construction: install.authenticator.construction,
                samples,
                known: known.clone(),
                objects: BTreeMap::new(),
            };
            let say = all.run.build_step_progress_reporter(StageStep::Checks);
            let asked = all.run.read_unless_stopped(async { Ok(gate.check_edge_before_switch(&say).await) });
            let mut opens = asked.await?;
            opens.retain(|check| !check.has_check_id(CheckId::NoToken));
            all.add_verify_checks(opens);
            all.add_verify_checks(gate.check_edge_caching().await);
            all.add_verify_checks([gate.check_cached_copies().await]);
            all.add_verify_checks(gate.run_negative_edge_probes().await);
            all.add_verify_checks([gate.check_bucket_not_public().await]);
            return Ok(gate.samples);
        }
        (_, None) => {
            let why = "packagecloud.rb holds no secret";
            let next = format!("create one with: {}", render_proposed_command("enable", &[]));
            all.add_verify_checks([CheckResult::new_failed_check(CheckId::SignedUrl, why, next)]);
        }
        (None, _) => {}
    }
    Ok(samples)
}

/// Runs all checks, and fails with the verdict where one failed.
///
/// # Errors
/// Where a check failed, or what all of them need can't be read.
pub async fn apply(
    session: &Session,
    answers: &OperatorAnswers,
    run: &StageRun,
) -> Result<(StageEnd, String), Failure> {
    let checks = match run_all_verify_checks(session, answers, run).await {
        Ok(checks) => checks,
        Err(failure) => {
            // Nothing could be checked: why, and the next move, is the verdict.
            if failure.kind != FailureKind::Interrupted {
                let (why, next) = (failure.to_string(), failure.next.clone());
                run.emit_check_result(CheckResult::new_failed_check(CheckId::Verdict, why, next));
            }
            return Err(failure);
        }
    };
    let Some(verdict) = checks.last() else { return Ok((StageEnd::Applied, String::new())) };
    if verdict.has_failed() {
        let failed = checks.iter().filter(|check| check.has_failed()).count();
        return Err(Failure::new_generic_failure(
            format!("{failed} of {} checks", checks.len() - 1),
            verdict.detail.clone(),
            verdict.next.clone(),
        ));
    }
    // What is handed over; a disk that refuses it is no failure of what was verified.
    let report = match hand_over::write_report_file(session, answers).boxed().await {
        Ok(path) => format!("; hand-over: {}", path.display()),
        Err(failure) => format!("; the report can't be written: {failure}"),
    };
    Ok((StageEnd::Applied, format!("{}{report}", verdict.detail)))
}

/// One verdict, with the first failure's next move.
fn summarize_checks_as_verdict(checks: &[CheckResult]) -> CheckResult {
    let failed: Vec<&CheckResult> = checks.iter().filter(|check| check.has_failed()).collect();
    let unknown = checks.iter().filter(|check| check.result == CheckVerdict::Unknown).count();
    match failed.first() {
        None if unknown == 0 => CheckResult::new_passed_check(
            CheckId::Verdict,
            "packages come through CloudFront, and only with a token",
        ),
        None => CheckResult::new_passed_check(
            CheckId::Verdict,
            format!("nothing is wrong in what could be asked; {unknown} could not be asked"),
        ),
        Some(first) => CheckResult::new_failed_check(
            CheckId::Verdict,
            format!("{}: {}", first.name, first.detail),
            first.next.clone(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_first_failure_and_its_next_move() {
        let checks = [
            CheckResult::new_passed_check("a", "fine"),
            CheckResult::new_unknown_check("b", "not asked"),
            CheckResult::new_failed_check("c", "broken", "mend it"),
            CheckResult::new_failed_check("d", "too", "that too"),
        ];
        let verdict = super::summarize_checks_as_verdict(&checks);
        assert_eq!((verdict.result, verdict.next.as_str()), (CheckVerdict::Fail, "mend it"));
        assert_eq!(super::summarize_checks_as_verdict(&checks[..2]).result, CheckVerdict::Pass);
        assert!(super::summarize_checks_as_verdict(&checks[..2]).detail.contains("1 could not be asked"));
    }
}
