//! The access stage: who we are, which bucket it is, what we may do, and what packagecloud is on the host. It changes nothing.

mod account;
mod bucket;

use tokio::join;

use crate::host::{LoadedConfig, version};
use crate::model::{
    aws::{bucket::list_policy_kms_key_arns, evidence::StageEvidence},
    failure::Failure,
    iam::access::{self, RequiredPermission},
    run::{
        answers::{OperatorAnswers, ReindexEngine},
        check::{CheckId, CheckResult},
        goal::{OperatorGoal, RunStage},
        plan::{PlanConfirmationQuestion, RequiredConsent, StagePlan},
        welcome::AwsIdentitySource,
    },
};

use crate::engine::{
    delivery::clocks::{check_host_clock, check_local_clock},
    packagecloud::nodes,
    resources::{origin_access, serving_obstacles},
    session::{AwsTarget, Session},
};

/// Looks at the identity, the bucket, the permissions and the hosts.
///
/// # Errors
/// Fails where no identity or no bucket is found, or AWS does not answer.
pub async fn look(session: &Session, answers: &OperatorAnswers) -> Result<StagePlan, Failure> {
    look_and_plan_needed_access(session, answers, None).await
}

/// Looks at the same with the permissions that `stages` need, where not all of them have something to do.
///
/// # Errors
/// Fails as [`look`] does.
pub async fn look_and_plan_needed_access(
    session: &Session,
    answers: &OperatorAnswers,
    stages: Option<&[RunStage]>,
) -> Result<StagePlan, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let config = session.host.read_packagecloud_config().await;
    // Without a goal all that any goal needs is asked for, as in the policy that is printed.
    let goal = answers.goal.unwrap_or(OperatorGoal::Upgrade);
    let mut needs = collect_required_permissions(goal, &target, answers, stages).await;
    let access = Box::pin(origin_access::choose_origin_access(&target, answers)).await?;
    if access.control {
        needs = access::add_origin_access_control_permissions(needs);
    }
    let (permissions, version) = join!(
        target.cloud.simulate_permissions(&target.caller.arn, &needs, target.bucket.policy.as_deref()),
        session.host.read_packagecloud_version()
    );

    let mut plan = StagePlan::new(StageEvidence::Access);
    plan.checks
        .push(CheckResult::new_passed_check("identity", format!("{} ({})", target.caller.arn, target.found)));
    if let Some(dropped) = session.find_variables_dropped_by_sudo() {
        plan.checks.push(CheckResult::new_unknown_check("sudo", dropped.render_sudo_advice()));
    }
    plan.checks.extend(bucket::check_bucket(&target, answers).await);
    plan.checks.push(access.build_origin_access_check());
    plan.checks.push(check_local_clock(&target));
    plan.checks.push(match &config {
        Ok(config) => CheckResult::new_passed_check("packagecloud.rb", config.seen.path.clone()),
        Err(failure) => {
            CheckResult::new_failed_check("packagecloud.rb", failure.to_string(), failure.next.clone())
        }
    });
    plan.checks.push(version::check_packagecloud_version(version.as_ref()));
    let up = nodes::list_nodes_that_are_up(session).await;
    for node in &up {
        plan.checks.extend(node.host.check_packagecloud_ctl().await);
    }
    plan.checks
        .extend(check_node_clocks_and_versions(session, &up, &target, config.as_ref().ok(), answers).await);
    match permissions {
        Ok(checks) => {
            plan.checks.extend(checks.into_iter().map(|check| advise_other_identity(check, &target)));
        }
        Err(failure) => {
            plan.checks.push(CheckResult::new_unknown_check(
                "permissions",
                format!("cannot be checked: {}", failure.why),
            ));
        }
    }
    plan.confirmations.extend(build_bucket_confirmation_questions(session, &target, answers));
    Ok(plan)
}

/// What must be known of each host beside this machine: its clock, and of the other web nodes their files and versions.
async fn check_node_clocks_and_versions(
    session: &Session,
    up: &[Session],
    target: &AwsTarget,
    first: Option<&LoadedConfig>,
    answers: &OperatorAnswers,
) -> Vec<CheckResult> {
    let mut checks: Vec<CheckResult> =
        up.iter().filter_map(|node| check_host_clock(node, target.caller.clock_ahead)).collect();
    checks.extend(nodes::check_other_node_configs(session, first, answers).await);
    for node in &up[1..] {
        let check = version::check_packagecloud_version(node.host.read_packagecloud_version().await.as_ref());
        checks
            .push(CheckResult { name: format!("{}{}", check.name, node.host.render_host_suffix()), ..check });
    }
    checks
}

/// Collects what the goal needs in `stages`, else in all, by the engine that was chosen and what was said yes to.
pub(crate) async fn collect_required_permissions(
    goal: OperatorGoal,
    target: &AwsTarget,
    answers: &OperatorAnswers,
    stages: Option<&[RunStage]>,
) -> Vec<RequiredPermission> {
    let is_due = |stage: RunStage| stages.is_none_or(|stages| stages.contains(&stage));
    let mut needs = access::list_required_permissions(goal, &target.names, &target.account);
    if goal == OperatorGoal::Upgrade && answers.reindex.engine == ReindexEngine::Batch {
        needs.extend(access::list_batch_permissions(&target.names, &target.account));
    }
    // What objects lie under is looked at where a stage that reads or opens them has something to do.
    let opens_objects = [RunStage::Reindex, RunStage::Distribution, RunStage::GoLive].into_iter().any(is_due);
    if opens_objects && matches!(goal, OperatorGoal::Install | OperatorGoal::Upgrade) {
        needs.extend(collect_object_kms_key_permissions(goal, target, answers).await);
    }
    needs.retain(|need| is_due(need.stage));
    needs
}

/// Collects what is needed of the KMS keys that objects lie under: to copy and read them, and, where that was said yes
/// to, to change their policies.
async fn collect_object_kms_key_permissions(
    goal: OperatorGoal,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Vec<RequiredPermission> {
    let (bucket, account) = (&target.bucket, &target.account);
    // Where none can be looked at, the bucket's default tells alone.
    let heads = target.read_sampled_object_heads().await.unwrap_or_default();
    let sampled = origin_access::collect_object_kms_keys(bucket, &heads);
    let default = bucket.kms_key.as_ref().filter(|_| bucket.encryption.starts_with("aws:kms"));
    let mut needs = access::list_object_kms_permissions(goal, default, &sampled, &bucket.region, account);
    if answers.consents.adopt_bucket_key {
        let keys = list_policy_kms_key_arns(&sampled, &bucket.region, account);
        needs.extend(keys.iter().map(|key| access::bucket_kms_key_permission(Some(key.as_str()), account)));
        if keys.is_empty() {
            needs.push(access::bucket_kms_key_permission(None, account));
        }
    }
    needs
}

/// Makes all that `check` says: beside what the stage looks at, a sample of objects and what the account could refuse later.
///
/// # Errors
/// Fails as [`look`] does.
pub async fn run_aws_access_checks(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Vec<CheckResult>, Failure> {
    let mut checks = look(session, answers).await?.checks;
    let target = session.get_or_discover_aws_target(answers).await?;
    let (objects, obstacles, account) = join!(
        bucket::check_sampled_objects_readable(&target, answers),
        serving_obstacles::check_serving_obstacles(&target, answers),
        account::check_aws_account_limits(&target)
    );
    let at = checks.iter().position(|check| check.has_check_id(CheckId::Clock)).unwrap_or(checks.len());
    checks.splice(at..at, [objects].into_iter().chain(obstacles).chain(account));
    Ok(checks)
}

/// packagecloud.rb's own key is never asked to be given more rights: another identity is the next move.
fn advise_other_identity(check: CheckResult, target: &AwsTarget) -> CheckResult {
    if check.has_failed() && target.source == AwsIdentitySource::Config {
        let next = "use another identity for setting up, with --profile or AWS_ACCESS_KEY_ID; packagecloud's own key needs no more rights";
        return CheckResult { next: next.to_owned(), ..check };
    }
    check
}

/// Asks what must be known of the identity and the bucket.
pub fn build_bucket_confirmation_questions(
    session: &Session,
    target: &AwsTarget,
    answers: &OperatorAnswers,
) -> Vec<PlanConfirmationQuestion> {
    let mut asks = Vec::new();
    let name = target.names.bucket_name();
    let (known, of) = target.sampled;
    if of > 0 && known == 0 && !answers.consents.has_consent(RequiredConsent::ConfirmBucket, name) {
        asks.push(PlanConfirmationQuestion {
            consent: RequiredConsent::ConfirmBucket,
            question: format!(
                "No key of bucket {name} looks like packagecloud's. Type its name if it is the right one."
            ),
        });
    }
    asks.extend(session.build_bucket_or_account_question(target, answers));
    asks
}
