//! What IAM's simulation says of a principal: a named check for each action, with the step that would end without it.
//!
//! It is advice: what can't be simulated is unknown, never denied.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, ResourceSpecificResult,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::{AwsClients, error};
use crate::model::{
    aws::names::EDGE_REGION,
    failure::{Failure, FailureKind},
    iam::access::RequiredPermission,
    run::check::CheckResult,
};

/// How many simulations are asked at once: IAM throttles them early.
const SIMULATION_CONCURRENCY_MAX: usize = 5;

impl AwsClients {
    /// Returns one check for each need, named by its action, in the order given; a single one, `permissions`, where
    /// none of them can be asked. `principal` is the caller's ARN.
    ///
    /// # Errors
    /// Where AWS doesn't answer; a refusal to simulate is a check.
    pub async fn simulate_permissions(
        &self,
        principal: &str,
        needs: &[RequiredPermission],
    ) -> Result<Vec<CheckResult>, Failure> {
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        let source = match self.find_simulation_principal_arn(principal).await? {
            Ok(source) => source,
            Err(why) => return Ok(vec![build_permissions_unknown_check(&why)]),
        };
        let asked: Vec<_> = group_permissions_into_batches(needs)
            .into_iter()
            .map(|batch| self.simulate_permission_batch(&source, batch))
            .collect();
        let answered: Vec<Result<Vec<(usize, CheckResult)>, SimulationUnanswered>> =
            stream::iter(asked).buffered(SIMULATION_CONCURRENCY_MAX).try_collect().await?;
        let mut checks = Vec::new();
        for batch in answered {
            match batch {
                Ok(batch) | Err(SimulationUnanswered::Batch(batch)) => checks.extend(batch),
                // Who may not ask of one batch may ask of none.
                Err(SimulationUnanswered::Denied(why)) => {
                    return Ok(vec![build_permissions_unknown_check(&why)]);
                }
            }
        }
        checks.sort_by_key(|(place, _)| *place);
        Ok(checks.into_iter().map(|(_, check)| check).collect())
    }

    /// The ARN to simulate, or why there is none: only users and roles of IAM can be.
    async fn find_simulation_principal_arn(
        &self,
        principal: &str,
    ) -> Result<Result<String, String>, Failure> {
        let mut parts = principal.splitn(6, ':').skip(2);
        let (service, rest) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
        match (service, rest.split('/').collect::<Vec<_>>().as_slice()) {
            ("iam", ["user" | "role", ..]) => Ok(Ok(principal.to_owned())),
            // The session's ARN lacks the role's path, so the role is asked for its own ARN.
            ("sts", ["assumed-role", role, ..]) => {
                let asked = self.iam.get_role().role_name(*role).send().await;
                match asked.map_err(error::build_aws_action_failure("iam:GetRole", format!("role {role}"))) {
                    Ok(answer) => Ok(answer
                        .role
                        .map(|role| role.arn)
                        .ok_or_else(|| format!("role {role} has no ARN: cannot be checked"))),
                    Err(failure) => explain_unknown_simulation(failure).map(Err),
                }
            }
            ("iam", ["root"]) => Ok(Err(
                "the account's root cannot be checked: it may do all but what the organization denies, and a user or role with what `check --policy` prints is safer".into(),
            )),
            _ => Ok(Err(format!("{principal} cannot be checked: IAM simulates users and roles alone"))),
        }
    }

    async fn simulate_permission_batch(
        &self,
        source: &str,
        batch: PermissionBatch<'_>,
    ) -> Result<Result<Vec<(usize, CheckResult)>, SimulationUnanswered>, Failure> {
        let first = batch[0].1;
        let distinct = |all: Vec<String>| all.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let actions: Vec<String> = distinct(batch.iter().map(|(_, need)| need.action.to_owned()).collect());
        let resources: Vec<String> =
            distinct(batch.iter().map(|(_, need)| need.simulation_resource_arn()).collect());
        let mut results: Vec<EvaluationResult> = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let asked = self
                .iam
                .simulate_principal_policy()
                .policy_source_arn(source)
                .set_action_names(Some(actions.clone()))
                .set_resource_arns(Some(resources.clone()))
                .set_context_entries(Some(build_simulation_context(first)))
                .set_marker(marker.take())
                .send()
                .await
                .map_err(error::build_aws_action_failure("iam:SimulatePrincipalPolicy", source));
            match asked {
                Ok(page) => {
                    results.extend_from_slice(page.evaluation_results());
                    marker = page.marker().filter(|_| page.is_truncated()).map(str::to_owned);
                }
                Err(failure) => {
                    let denied = failure.kind == FailureKind::Denied;
                    let why = explain_unknown_simulation(failure)?;
                    let unknown = |(place, need): (usize, &RequiredPermission)| {
                        (place, CheckResult::new_unknown_check(need.action, &why))
                    };
                    return Ok(Err(if denied {
                        SimulationUnanswered::Denied(why)
                    } else {
                        SimulationUnanswered::Batch(batch.into_iter().map(unknown).collect())
                    }));
                }
            }
            if marker.is_none() {
                break;
            }
        }
        let mut checks = Vec::new();
        let mut again: BTreeMap<String, PermissionBatch<'_>> = BTreeMap::new();
        for (place, need) in batch {
            if resources.len() == 1 || has_simulation_for_resource(need, &results) {
                checks.push((place, check_from_simulation(need, &results)));
            } else {
                again.entry(need.simulation_resource_arn()).or_default().push((place, need));
            }
        }
        // An answer that doesn't tell the resources apart says nothing of one: each is asked of by itself.
        for batch in again.into_values() {
            match Box::pin(self.simulate_permission_batch(source, batch)).await? {
                Ok(more) | Err(SimulationUnanswered::Batch(more)) => checks.extend(more),
                denied @ Err(SimulationUnanswered::Denied(_)) => return Ok(denied),
            }
        }
        Ok(Ok(checks))
    }
}

/// Whether the results name the need's own resource, in either form.
fn has_simulation_for_resource(need: &RequiredPermission, results: &[EvaluationResult]) -> bool {
    let sample = need.simulation_resource_arn();
    let inside = |one: &EvaluationResult| {
        one.resource_specific_results().iter().any(|inner| inner.eval_resource_name() == sample)
    };
    results
        .iter()
        .filter(|one| one.eval_action_name().eq_ignore_ascii_case(need.action))
        .any(|one| one.eval_resource_name() == Some(sample.as_str()) || inside(one))
}

/// Why a batch wasn't answered.
enum SimulationUnanswered {
    /// The caller may not simulate.
    Denied(String),
    /// This batch alone: its checks, unknown.
    Batch(Vec<(usize, CheckResult)>),
}

/// The one check where nothing can be asked: it stops nobody.
fn build_permissions_unknown_check(why: &str) -> CheckResult {
    CheckResult::new_unknown_check(
        "permissions",
        format!(
            "{why}; going on is safe: what is denied ends its step with the action's name, and the next run goes on from there"
        ),
    )
}

/// A failure that makes the simulation unknown, as the reason; what makes everything else fail too goes on.
fn explain_unknown_simulation(failure: Failure) -> Result<String, Failure> {
    match failure.kind {
        FailureKind::Credentials | FailureKind::Unreachable | FailureKind::Interrupted
            if !failure.facts.is_unreadable_answer =>
        {
            Err(failure)
        }
        _ => Ok(format!("cannot be checked: {}", failure.why)),
    }
}

/// Needs with their places, all of one service under one context: every action is asked of every resource in one
/// request, and each need reads its own.
type PermissionBatch<'a> = Vec<(usize, &'a RequiredPermission)>;

fn group_permissions_into_batches(needs: &[RequiredPermission]) -> Vec<PermissionBatch<'_>> {
    let mut all: Vec<PermissionBatch<'_>> = Vec::new();
    for one in needs.iter().enumerate() {
        // An action with a `*` may be refused as a name; it shall not take others along.
        let alone = one.1.action.ends_with('*');
        let fits = |batch: &&mut PermissionBatch<'_>| {
            let first = batch[0].1;
            aws_service_of_permission(first) == aws_service_of_permission(one.1)
                && first.context == one.1.context
                && first.action.ends_with('*') == alone
        };
        match all.iter_mut().find(fits) {
            Some(batch) => batch.push(one),
            None => all.push(vec![one]),
        }
    }
    all
}

fn aws_service_of_permission(need: &RequiredPermission) -> &str {
    need.action.split(':').next().unwrap_or_default()
}

/// The values that the real request carries, so that conditions on them aren't missing.
fn build_simulation_context(need: &RequiredPermission) -> Vec<ContextEntry> {
    let entry = |key: &str, kind: ContextKeyTypeEnum, values: Vec<String>| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(kind)
            .set_context_key_values(Some(values))
            .build()
    };
    let mut all = vec![
        entry("aws:SecureTransport", ContextKeyTypeEnum::Boolean, vec!["true".into()]),
        entry("aws:RequestedRegion", ContextKeyTypeEnum::String, vec![EDGE_REGION.into()]),
    ];
    let tagged: Vec<String> = need
        .context
        .iter()
        .filter_map(|(key, _)| key.strip_prefix("aws:RequestTag/"))
        .map(str::to_owned)
        .collect();
    if !tagged.is_empty() {
        all.push(entry("aws:TagKeys", ContextKeyTypeEnum::StringList, tagged));
    }
    all.extend(
        need.context.iter().map(|(key, value)| entry(key, ContextKeyTypeEnum::String, vec![value.clone()])),
    );
    all
}

/// Both shapes: one result for each action, with the resources inside; or, as it was, one for each pair.
fn check_from_simulation(need: &RequiredPermission, results: &[EvaluationResult]) -> CheckResult {
    let sample = need.simulation_resource_arn();
    let of_action = || results.iter().filter(|one| one.eval_action_name().eq_ignore_ascii_case(need.action));
    let inner: Vec<&ResourceSpecificResult> = of_action()
        .flat_map(EvaluationResult::resource_specific_results)
        .filter(|one| one.eval_resource_name() == sample)
        .collect();
    // In the older form each resource has a result of its own. Where neither names it, the whole speaks for it.
    let named: Vec<&EvaluationResult> =
        of_action().filter(|one| one.eval_resource_name() == Some(sample.as_str())).collect();
    let of_it: Vec<&EvaluationResult> = match (inner.is_empty(), named.is_empty()) {
        (false, _) => Vec::new(),
        (true, false) => named,
        (true, true) => of_action().collect(),
    };
    let decisions: Vec<&PolicyEvaluationDecisionType> = (of_it.iter().map(|one| one.eval_decision()))
        .chain(inner.iter().map(|one| one.eval_resource_decision()))
        .collect();
    let mut missing: Vec<&str> = (of_it.iter().flat_map(|one| one.missing_context_values()))
        .chain(inner.iter().flat_map(|one| one.missing_context_values()))
        .map(String::as_str)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    let allowed = decisions.iter().all(|one| **one == PolicyEvaluationDecisionType::Allowed);
    if decisions.is_empty() {
        return CheckResult::new_unknown_check(need.action, "IAM's simulation said nothing of it");
    }
    if !missing.is_empty() {
        return CheckResult::new_unknown_check(
            need.action,
            format!("depends on {}, which only the real request has", missing.join(", ")),
        );
    }
    if allowed {
        return CheckResult::new_passed_check(need.action, format!("allowed on {}", need.resource));
    }
    if need.optional {
        return CheckResult::new_unknown_check(
            need.action,
            format!(
                "not allowed on {}; only some installations need it ({})",
                need.resource,
                need.describe_stage_and_step()
            ),
        );
    }
    let explicit = decisions.contains(&&PolicyEvaluationDecisionType::ExplicitDeny);
    let organization = of_action()
        .filter_map(|one| one.organizations_decision_detail())
        .any(|one| !one.allowed_by_organizations());
    let boundary = of_it
        .iter()
        .filter_map(|one| one.permissions_boundary_decision_detail())
        .chain(inner.iter().filter_map(|one| one.permissions_boundary_decision_detail()))
        .any(|one| !one.allowed_by_permissions_boundary());
    let (why, next) = explain_simulated_refusal(organization, boundary, explicit);
    CheckResult::new_failed_check(
        need.action,
        format!("{why}, on {}; needed for {}", need.resource, need.describe_stage_and_step()),
        next,
    )
}

/// Tells what refuses, the outermost first, and what to do about it.
fn explain_simulated_refusal(
    organization: bool,
    boundary: bool,
    explicit: bool,
) -> (&'static str, &'static str) {
    match (organization, boundary, explicit) {
        (true, ..) => {
            ("the organization doesn't allow it", "ask who keeps the organization's service control policies")
        }
        (_, true, _) => {
            ("the permissions boundary doesn't allow it", "widen the boundary, or use another identity")
        }
        (.., true) => ("a policy denies it explicitly", "have that denial lifted, or use another identity"),
        _ => ("no policy allows it", "attach the policy that `check --policy` prints"),
    }
}

#[cfg(test)]
mod tests;
