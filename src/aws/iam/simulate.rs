//! What IAM's simulation says of a principal: a named check for each action, with the step that would end without it.
//!
//! It is advice: what it can't weigh, and what this run has just done all the same, is unknown, never denied.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, ResourceSpecificResult,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use crate::aws::{AwsClients, error, succeeded_actions::SucceededActions};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::names::EDGE_REGION,
    failure::{Failure, FailureKind},
    iam::{access::RequiredPermission, policy},
    run::check::CheckResult,
};

/// How many simulations are asked at once: IAM throttles them early.
const SIMULATION_CONCURRENCY_MAX: usize = 5;

impl AwsClients {
    /// Returns one check for each need, named by its action, in the order given; a single one, `permissions`, where
    /// none of them can be asked. `principal` is the caller's ARN; `bucket_policy` the document, which the simulation
    /// doesn't see.
    ///
    /// # Errors
    /// Where AWS doesn't answer; a refusal to simulate is a check.
    pub async fn simulate_permissions(
        &self,
        principal: &str,
        needs: &[RequiredPermission],
        bucket_policy: Option<&str>,
    ) -> Result<Vec<CheckResult>, Failure> {
        if needs.is_empty() {
            return Ok(Vec::new());
        }
        let source = match self.find_simulation_principal_arn(principal).await? {
            Ok(source) => source,
            Err(why) => return Ok(vec![build_permissions_unknown_check(&why)]),
        };
        let known = KnownAccess {
            succeeded: &self.succeeded,
            bucket_policy: bucket_policy.and_then(|text| serde_json::from_str(text).ok()),
            principals: [principal, source.as_str()],
        };
        let asked: Vec<_> = group_permissions_into_batches(needs, self.bucket_region())
            .into_iter()
            .map(|batch| self.simulate_permission_batch(&source, batch, &known))
            .collect();
        let answered: Vec<Result<Vec<(usize, CheckResult)>, SimulationUnanswered>> =
            stream::iter(asked).buffered(SIMULATION_CONCURRENCY_MAX).try_collect().await?;
        let mut checks: Vec<_> = needs
            .iter()
            .enumerate()
            .filter(|(_, need)| has_unsimulated_wildcard(need))
            .map(|(place, need)| (place, build_unsimulated_wildcard_check(need)))
            .collect();
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

    /// Returns the region that S3's requests go to.
    fn bucket_region(&self) -> &str {
        self.config.region().map_or(EDGE_REGION, AsRef::as_ref)
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
            ("iam", ["root"]) => Ok(Err(format!(
                "the account's root cannot be checked: it may do all but what the organization denies; a user or role with the policy that this prints is safer: {}",
                render_proposed_command("check", &["--policy"])
            ))),
            _ => Ok(Err(format!("{principal} cannot be checked: IAM simulates users and roles alone"))),
        }
    }

    /// Returns whether the caller's policies weigh a tag of `resource` for `action`; `None` where that can't be asked.
    pub(in crate::aws) async fn does_action_hang_on_resource_tag(
        &self,
        action: &str,
        resource: &str,
    ) -> Option<bool> {
        let caller = self.read_caller_identity().await.ok()?;
        let source = self.find_simulation_principal_arn(&caller.arn).await.ok()?.ok()?;
        let asked = self.iam.simulate_principal_policy().policy_source_arn(source);
        let answer = asked.action_names(action).resource_arns(resource).send().await.ok()?;
        let mut missing = answer.evaluation_results().iter().flat_map(|one| {
            let inner = one.resource_specific_results().iter();
            one.missing_context_values()
                .iter()
                .chain(inner.flat_map(ResourceSpecificResult::missing_context_values))
        });
        Some(missing.any(|key| key.to_lowercase().starts_with("aws:resourcetag/")))
    }

    async fn simulate_permission_batch(
        &self,
        source: &str,
        batch: PermissionBatch<'_>,
        known: &KnownAccess<'_>,
    ) -> Result<Result<Vec<(usize, CheckResult)>, SimulationUnanswered>, Failure> {
        let first = batch[0].1;
        let bucket_region = self.bucket_region();
        let distinct = |all: Vec<String>| all.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let actions: Vec<String> = distinct(batch.iter().map(|(_, need)| need.action.to_owned()).collect());
        let resources: Vec<String> =
            distinct(batch.iter().map(|(_, need)| need.simulation_resource_arn(bucket_region)).collect());
        let mut results: Vec<EvaluationResult> = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let asked = self
                .iam
                .simulate_principal_policy()
                .policy_source_arn(source)
                .set_action_names(Some(actions.clone()))
                .set_resource_arns(Some(resources.clone()))
                .set_context_entries(Some(build_simulation_context(first, bucket_region)))
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
            let sample = need.simulation_resource_arn(bucket_region);
            if resources.len() == 1 || has_simulation_for_resource(need, &sample, &results) {
                checks.push((place, check_from_simulation(need, &sample, &results, known)));
            } else {
                again.entry(sample).or_default().push((place, need));
            }
        }
        // An answer that doesn't tell the resources apart says nothing of one: each is asked of by itself.
        for batch in again.into_values() {
            match Box::pin(self.simulate_permission_batch(source, batch, known)).await? {
                Ok(more) | Err(SimulationUnanswered::Batch(more)) => checks.extend(more),
                denied @ Err(SimulationUnanswered::Denied(_)) => return Ok(denied),
            }
        }
        Ok(Ok(checks))
    }
}

/// What counts more than the simulation, which sees no resource's policy.
struct KnownAccess<'a> {
    succeeded: &'a SucceededActions,
    bucket_policy: Option<Value>,
    /// The caller, by the names that a bucket policy may give him.
    principals: [&'a str; 2],
}

impl KnownAccess<'_> {
    /// Says what contradicts a denial; `sample` is the ARN that was asked of, and no statement outweighs one that
    /// `explicit`ly denies.
    fn find_contradiction(&self, need: &RequiredPermission, sample: &str, explicit: bool) -> Option<String> {
        if self.succeeded.has_action_succeeded(need.action) {
            // Which resource that was on isn't kept.
            return Some("yet AWS has just let this run do it, on this resource or another".to_owned());
        }
        let document =
            self.bucket_policy.as_ref().filter(|_| !explicit && need.service_of_action() == "s3")?;
        let statement =
            policy::find_statement_allowing_principal(document, &self.principals, need.action, sample)?;
        let allows = if statement.is_conditional { "may allow it, under a condition," } else { "allows it" };
        Some(format!(
            "yet the bucket policy, which it doesn't see, {allows} by statement {}",
            statement.label
        ))
    }
}

/// IAM simulates no action whose name has an asterisk, which belongs to some names.
fn has_unsimulated_wildcard(need: &RequiredPermission) -> bool {
    need.action.ends_with('*')
}

fn build_unsimulated_wildcard_check(need: &RequiredPermission) -> CheckResult {
    CheckResult::new_unknown_check(
        need.action,
        format!(
            "IAM can't simulate actions with an asterisk in their name; this stops nothing (on {}; needed for {})",
            need.resource,
            need.describe_stage_and_step()
        ),
    )
}

/// Whether the results name the need's own resource, by the ARN that was asked of, in either form.
fn has_simulation_for_resource(
    need: &RequiredPermission,
    sample: &str,
    results: &[EvaluationResult],
) -> bool {
    let inside = |one: &EvaluationResult| {
        one.resource_specific_results().iter().any(|inner| inner.eval_resource_name() == sample)
    };
    results
        .iter()
        .filter(|one| one.eval_action_name().eq_ignore_ascii_case(need.action))
        .any(|one| one.eval_resource_name() == Some(sample) || inside(one))
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
            "{why}; continuing is safe: what is denied ends its step with the action's name, and the next run goes on from there"
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

/// Needs with their places, all of one service in one region under one context: every action is asked of every resource
/// in one request, and each need reads its own.
type PermissionBatch<'a> = Vec<(usize, &'a RequiredPermission)>;

fn group_permissions_into_batches<'a>(
    needs: &'a [RequiredPermission],
    bucket_region: &str,
) -> Vec<PermissionBatch<'a>> {
    let mut all: Vec<PermissionBatch<'_>> = Vec::new();
    for one in needs.iter().enumerate().filter(|(_, need)| !has_unsimulated_wildcard(need)) {
        let fits = |batch: &&mut PermissionBatch<'_>| {
            let first = batch[0].1;
            first.service_of_action() == one.1.service_of_action()
                && first.region_of_request(bucket_region) == one.1.region_of_request(bucket_region)
                && first.context == one.1.context
        };
        match all.iter_mut().find(fits) {
            Some(batch) => batch.push(one),
            None => all.push(vec![one]),
        }
    }
    all
}

/// The values that the real request carries, so that conditions on them aren't missing.
fn build_simulation_context(need: &RequiredPermission, bucket_region: &str) -> Vec<ContextEntry> {
    let entry = |key: &str, kind: ContextKeyTypeEnum, values: Vec<String>| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(kind)
            .set_context_key_values(Some(values))
            .build()
    };
    let mut all = vec![
        entry("aws:SecureTransport", ContextKeyTypeEnum::Boolean, vec!["true".into()]),
        entry(
            "aws:RequestedRegion",
            ContextKeyTypeEnum::String,
            vec![need.region_of_request(bucket_region).to_owned()],
        ),
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

/// Both shapes: one result for each action, with the resources inside; or, as it was, one for each pair. `sample` is the
/// ARN that was asked of.
fn check_from_simulation(
    need: &RequiredPermission,
    sample: &str,
    results: &[EvaluationResult],
    known: &KnownAccess<'_>,
) -> CheckResult {
    let of_action = || results.iter().filter(|one| one.eval_action_name().eq_ignore_ascii_case(need.action));
    let inner: Vec<&ResourceSpecificResult> = of_action()
        .flat_map(EvaluationResult::resource_specific_results)
        .filter(|one| one.eval_resource_name() == sample)
        .collect();
    // In the older form each resource has a result of its own. Where neither names it, the whole speaks for it.
    let named: Vec<&EvaluationResult> =
        of_action().filter(|one| one.eval_resource_name() == Some(sample)).collect();
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
    let denial = SimulatedDenial {
        organization: of_action()
            .filter_map(|one| one.organizations_decision_detail())
            .any(|one| !one.allowed_by_organizations()),
        boundary: of_it
            .iter()
            .filter_map(|one| one.permissions_boundary_decision_detail())
            .chain(inner.iter().filter_map(|one| one.permissions_boundary_decision_detail()))
            .any(|one| !one.allowed_by_permissions_boundary()),
        explicit: decisions.contains(&&PolicyEvaluationDecisionType::ExplicitDeny),
    };
    check_from_simulated_denial(need, sample, denial, known)
}

/// Which policies deny, by the simulation.
#[derive(Clone, Copy)]
struct SimulatedDenial {
    organization: bool,
    boundary: bool,
    /// By a statement's own word.
    explicit: bool,
}

fn check_from_simulated_denial(
    need: &RequiredPermission,
    sample: &str,
    denial: SimulatedDenial,
    known: &KnownAccess<'_>,
) -> CheckResult {
    let place = need.describe_stage_and_step();
    // Conditions in an organization's policies are weighed against a context that lacks what the request has, and no
    // missing value is named then (aws-facts section 10).
    if denial.organization {
        return CheckResult::new_unknown_check(
            need.action,
            format!(
                "IAM's simulation says that the organization doesn't allow it, on {}, which it can't weigh for sure; needed for {place}",
                need.resource
            ),
        );
    }
    let (why, next) = explain_simulated_refusal(denial);
    if let Some(contradiction) = known.find_contradiction(need, sample, denial.explicit) {
        return CheckResult::new_unknown_check(
            need.action,
            format!("IAM's simulation says that {why}, on {}; {contradiction}", need.resource),
        );
    }
    CheckResult::new_failed_check(
        need.action,
        format!("{why}, on {}; needed for {place}", need.resource),
        next,
    )
}

/// Tells what refuses, the outermost first, and what to do about it.
fn explain_simulated_refusal(denial: SimulatedDenial) -> (&'static str, String) {
    let (why, next) = match (denial.boundary, denial.explicit) {
        (true, _) => {
            ("the permissions boundary doesn't allow it", "widen the boundary, or use another identity")
        }
        (_, true) => ("a policy denies it explicitly", "have that denial lifted, or use another identity"),
        _ => {
            let policy = render_proposed_command("check", &["--policy"]);
            let next = format!("attach the policy that this prints, as a managed policy: {policy}");
            return ("no policy allows it", next);
        }
    };
    (why, next.to_owned())
}

#[cfg(test)]
mod tests;
