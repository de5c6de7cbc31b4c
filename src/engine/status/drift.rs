//! What has drifted: whatever the plan of the set-up would make or change, but for what another finding says already.

use super::{account::SeenAccount, nodes::SeenNodes};
use crate::engine::{
    packagecloud::config_write::compute_desired_setting_values,
    stages::{bootstrap::plan_bootstrap_stage, distribution::plan_distribution_stage},
};
use crate::model::{
    aws::{evidence::BootstrapStageEvidence, lambda_runtime::AUTHENTICATOR_RUNTIME},
    failure::Failure,
    packagecloud::settings::CloudFrontSettingKey,
    run::{
        answers::OperatorAnswers,
        check::CheckResult,
        goal::StageStep,
        plan::{PlannedChange, ResourceChangeKind, StagePlan},
        proposed_command::render_proposed_command,
    },
    status::{CloudFrontSwitchStatus, FindingSeverity, InstallStatus},
};

/// Which steps of the plan mend what a finding of this name says.
fn list_steps_of_finding(name: &str) -> &'static [StageStep] {
    use StageStep::{
        Authenticator, BucketPolicy, Distribution, Function, FunctionVersion, Key, KeyPolicy, Role,
        RolePolicy,
    };
    match name {
        "distribution" => &[Authenticator, Distribution],
        "kms-key" => &[Key, KeyPolicy, Role, RolePolicy],
        "edge-secret" | "runtime" => &[Function, FunctionVersion, Authenticator],
        "bucket-grant" => &[BucketPolicy],
        _ => &[],
    }
}

/// What follows from a change and is no drift of its own.
fn list_steps_after(step: StageStep) -> &'static [StageStep] {
    match step {
        StageStep::Key => &[
            StageStep::KeyAlias,
            StageStep::KeyPolicy,
            StageStep::RolePolicy,
            StageStep::Function,
            StageStep::FunctionVersion,
            StageStep::Authenticator,
        ],
        StageStep::Role => &[StageStep::RolePolicy, StageStep::KeyPolicy],
        StageStep::Function => &[StageStep::FunctionVersion, StageStep::Authenticator],
        StageStep::OriginAccess => &[StageStep::BucketPolicy, StageStep::Distribution],
        StageStep::CachePolicy => &[StageStep::Distribution],
        _ => &[],
    }
}

/// Adds a finding for each part that the plan would make or change. What this program didn't make can't have drifted.
pub(super) fn add_drift(
    status: &mut InstallStatus,
    account: &SeenAccount,
    nodes: &SeenNodes,
    answers: &OperatorAnswers,
) {
    let (Ok(below), Ok(delivery)) = (&account.authenticator, &account.delivery) else { return };
    if !account.is_distribution_ours() {
        return;
    }
    add_file_drift(status, account, nodes, answers);
    let mut covered: Vec<StageStep> = status
        .list_findings()
        .iter()
        .flat_map(|(_, check)| list_steps_of_finding(&check.name))
        .copied()
        .collect();
    add_uncomparable_function(status, below, &mut covered);
    let is_key_off = below.key.as_ref().is_some_and(|key| key.state != "Enabled");
    let mut changes = Vec::new();
    match plan_bootstrap_stage(below, &account.target, answers) {
        Ok(plan) => changes.extend(list_drifting_changes(plan)),
        // The key's own finding says it.
        Err(_) if is_key_off => {}
        Err(failure) => add_unplannable(status, &failure),
    }
    match plan_distribution_stage(&delivery.evidence, &account.target, answers) {
        Ok(plan) => changes.extend(list_drifting_changes(plan)),
        Err(failure) => add_unplannable(status, &failure),
    }
    for change in changes {
        if covered.contains(&change.step) {
            continue;
        }
        covered.push(change.step);
        covered.extend(list_steps_after(change.step));
        let name = render_drift_check_name(change.step);
        let detail = format!("{} {}: {}", change.step.step_title(), change.target, change.why);
        let next = if below.function.as_ref().is_some_and(|one| one.runtime != AUTHENTICATOR_RUNTIME) {
            format!(
                "this corrects it, and updates the function to {AUTHENTICATOR_RUNTIME}: {}",
                render_proposed_command("enable", &[])
            )
        } else {
            format!("this corrects it: {}", render_proposed_command("enable", &[]))
        };
        status.add_separate_part(CheckResult::new_failed_check(name, detail, next), FindingSeverity::Drifted);
    }
}

/// Says that the function can't be compared where no secret is at hand that it should hold: nothing shows that it has drifted.
fn add_uncomparable_function(
    status: &mut InstallStatus,
    below: &BootstrapStageEvidence,
    covered: &mut Vec<StageStep>,
) {
    // A runtime that is another shows without a secret.
    let is_comparable = below.secret.is_some()
        || below.function.as_ref().is_none_or(|function| function.runtime != AUTHENTICATOR_RUNTIME);
    if is_comparable {
        return;
    }
    if !covered.contains(&StageStep::Function) {
        let why = "packagecloud.rb shows no secret to compare the function with";
        let name = render_drift_check_name(StageStep::Function);
        status.add_separate_part(CheckResult::new_unknown_check(name, why), FindingSeverity::Drifted);
        covered.push(StageStep::Function);
    }
    covered.extend(list_steps_after(StageStep::Function));
}

fn render_drift_check_name(step: StageStep) -> String {
    step.step_title().replace([' ', '\''], "-")
}

/// What would be written, and not what is only run.
fn list_drifting_changes(plan: StagePlan) -> impl Iterator<Item = PlannedChange> {
    plan.changes
        .into_iter()
        .filter(|change| !matches!(change.verb, ResourceChangeKind::Keep | ResourceChangeKind::Run))
}

fn add_unplannable(status: &mut InstallStatus, failure: &Failure) {
    let check = CheckResult::new_failed_check(
        "plan",
        format!("{}: {}", failure.what, failure.why),
        failure.next.clone(),
    );
    status.add_separate_part(check, FindingSeverity::Drifted);
}

/// While CloudFront is on, packagecloud.rb must name the distribution that stands.
fn add_file_drift(
    status: &mut InstallStatus,
    account: &SeenAccount,
    nodes: &SeenNodes,
    answers: &OperatorAnswers,
) {
    let Some(config) = nodes.first_config() else { return };
    if status.switch == CloudFrontSwitchStatus::Off {
        return;
    }
    let wanted = compute_desired_setting_values(&config.seen, account.distribution(), answers);
    for key in [CloudFrontSettingKey::DistributionId, CloudFrontSettingKey::PackagesDomain] {
        // What isn't certain is what enabling asks about.
        if config.seen.find_unsettling_line(key).is_none() && config.seen.must_write_setting(&wanted, key) {
            let detail = format!(
                "{} in {} is {}, and the distribution of this install has {}",
                key.setting_name(),
                config.seen.path,
                config.seen.values.render_setting_as_ruby(key).unwrap_or_else(|| "not there".to_owned()),
                wanted.render_setting_as_ruby(key).unwrap_or_default()
            );
            let next = format!("this corrects it, and proves it: {}", render_proposed_command("enable", &[]));
            let check = CheckResult::new_failed_check("packagecloud.rb", detail, next);
            status.add_separate_part(check, FindingSeverity::Drifted);
            return;
        }
    }
}
