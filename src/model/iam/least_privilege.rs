//! The IAM policy that suffices: what `check --policy` prints, made from the table of needs alone.
//!
//! It fits one managed policy, 6,144 characters.

use serde_json::{Map, Value, json};

use super::{access::RequiredPermission, policy::build_policy_document};
use crate::model::run::goal::RunStage;

/// What one managed policy may hold, in characters.
const MANAGED_POLICY_MAX_CHARS: usize = 6144;
/// The statement that `invalidate` alone needs; whoever doesn't want that command leaves it out.
const INVALIDATION_SID: &str = "PackagecloudCloudFrontInvalidate";
/// What shows more and changes nothing: metrics, flat-rate plans, and the edge function's logs, which are a resource of their own: no
/// two statements may share a Sid. Whoever doesn't want that leaves it out.
const OPTIONAL_SID: &str = "PackagecloudCloudFrontOptional";
const OPTIONAL_LOGS_SID: &str = "PackagecloudCloudFrontOptionalLogs";
const OPTIONAL_SERVICES: [(&str, &str); 3] =
    [("cloudwatch", OPTIONAL_SID), ("pricingplanmanager", OPTIONAL_SID), ("logs", OPTIONAL_LOGS_SID)];

/// What a plan reads only to say more of a reindex: without it the plan says that it could not be read.
const PLAN_READS: [&str; 2] = ["s3:GetBucketNotification", "s3:GetReplicationConfiguration"];

/// A resource, the conditions on it, and the actions that share both.
type ActionsOnSameResource<'a> = (&'a str, &'a [(String, String)], Vec<&'a str>);

/// Returns the policy that suffices for `needs`: indented where that still fits. What is optional is left out where only the rest fits.
#[must_use]
pub fn render_least_privilege_policy(needs: &[RequiredPermission]) -> String {
    let document = build_named_statements(needs, &[INVALIDATION_SID, OPTIONAL_SID, OPTIONAL_LOGS_SID]);
    let wide = format!("{document:#}");
    if wide.len() <= MANAGED_POLICY_MAX_CHARS {
        return wide;
    }
    let narrow = document.to_string();
    if narrow.len() <= MANAGED_POLICY_MAX_CHARS {
        return narrow;
    }
    let least: Vec<_> = needs.iter().filter(|need| !PLAN_READS.contains(&need.action)).cloned().collect();
    build_named_statements(&least, &[INVALIDATION_SID]).to_string()
}

/// Returns whether a printed policy holds what is optional.
#[must_use]
pub fn has_optional_statement(policy: &str) -> bool {
    policy.contains(OPTIONAL_SID)
}

/// The policy with these of the statements that stand apart.
fn build_named_statements(needs: &[RequiredPermission], sids: &[&str]) -> Value {
    let (apart, joined): (Vec<_>, Vec<_>) = needs.iter().partition(|need| find_own_sid(need).is_some());
    let mut statements = build_allow_statements(&joined);
    for sid in sids {
        let named: Vec<_> = apart.iter().copied().filter(|need| find_own_sid(need) == Some(*sid)).collect();
        statements.extend(build_allow_statements(&named).into_iter().map(|mut statement| {
            statement["Sid"] = json!(sid);
            statement
        }));
    }
    build_policy_document(&statements)
}

/// The name of the statement that a need stands in apart from all that a goal needs.
fn find_own_sid(need: &RequiredPermission) -> Option<&'static str> {
    if need.stage == RunStage::Invalidate {
        return Some(INVALIDATION_SID);
    }
    let service = need.service_of_action();
    OPTIONAL_SERVICES.iter().find(|(known, _)| *known == service).map(|(_, sid)| *sid)
}

/// One statement for each set of resources and conditions that share their actions.
fn build_allow_statements(needs: &[&RequiredPermission]) -> Vec<Value> {
    let mut groups: Vec<ActionsOnSameResource<'_>> = Vec::new();
    for need in needs {
        let fits =
            |group: &&mut ActionsOnSameResource<'_>| group.0 == need.resource && group.1 == need.context;
        match groups.iter_mut().find(fits) {
            Some(group) => group.2.push(need.action),
            None => groups.push((&need.resource, &need.context, vec![need.action])),
        }
    }
    join_resources_of_same_actions(groups)
        .into_iter()
        .map(|(resources, context, actions)| {
            let resource = if let [one] = resources.as_slice() { json!(one) } else { json!(resources) };
            let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
            if !context.is_empty() {
                let keys: Map<String, Value> =
                    context.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
                statement["Condition"] = json!({ "StringEquals": keys });
            }
            statement
        })
        .collect()
}

/// Resources on which the same actions are allowed under the same conditions, as one statement says them.
type SharedStatement<'a> = (Vec<&'a str>, &'a [(String, String)], Vec<&'a str>);

fn join_resources_of_same_actions(groups: Vec<ActionsOnSameResource<'_>>) -> Vec<SharedStatement<'_>> {
    let mut joined: Vec<SharedStatement<'_>> = Vec::new();
    for (resource, context, mut actions) in groups {
        actions.sort_unstable();
        actions.dedup();
        match joined.iter_mut().find(|one| one.1 == context && one.2 == actions) {
            Some(one) => one.0.push(resource),
            None => joined.push((vec![resource], context, actions)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        aws::{bucket::list_policy_kms_key_arns, names::ResourceNames},
        iam::access::{
            bucket_kms_key_permission, edge_logs_permission, edge_metrics_permission,
            flat_rate_plan_permission, list_batch_permissions, list_invalidation_permissions,
            list_object_kms_permissions, list_required_permissions,
        },
        run::goal::OperatorGoal,
    };

    #[test]
    fn the_policy_that_suffices_fits_and_names_every_need_once() {
        let names = ResourceNames::new(&"b".repeat(63), &"0123456789abcdef".parse().unwrap());
        let (region, account) = ("ap-southeast-2", "123456789012");
        let keys: Vec<String> =
            (0..2).map(|number| format!("arn:aws:kms:{region}:{account}:key/mrk-{number:032}")).collect();
        for goal in [OperatorGoal::Install, OperatorGoal::Upgrade, OperatorGoal::RollBack] {
            let mut needs = list_required_permissions(goal, &names, account);
            // With all that may come beside it.
            needs.extend(list_object_kms_permissions(goal, keys.first(), &keys, region, account));
            if goal == OperatorGoal::Upgrade {
                needs.extend(list_batch_permissions(&names, account));
                let named = list_policy_kms_key_arns(&keys, region, account);
                needs.extend(named.iter().map(|key| bucket_kms_key_permission(Some(key.as_str()), account)));
            }
            needs.extend(list_invalidation_permissions(account));
            needs.extend([
                flat_rate_plan_permission(),
                edge_metrics_permission(),
                edge_logs_permission(&names, account),
            ]);
            let text = render_least_privilege_policy(&needs);
            assert!(text.len() <= 6144, "{goal:?}: {}", text.len());
            let document: Value = serde_json::from_str(&text).unwrap();
            let invalidates = |one: &&Value| one["Action"].to_string().contains("Invalidation");
            let apart: Vec<_> =
                document["Statement"].as_array().unwrap().iter().filter(invalidates).collect();
            assert_eq!(apart.len(), 1, "{apart:?}");
            assert_eq!(apart[0]["Sid"], INVALIDATION_SID);
            assert_eq!(apart[0]["Action"].as_array().unwrap().len(), 2, "{apart:?}");
            let statements = document["Statement"].as_array().unwrap().iter();
            let mut sids: Vec<&str> = statements.filter_map(|one| one["Sid"].as_str()).collect();
            let all = sids.len();
            sids.sort_unstable();
            sids.dedup();
            assert_eq!(sids.len(), all, "no two statements share a Sid: {text}");
            // With the longest names and all that may come beside it, an upgrade's has no room for what is optional.
            assert_eq!(has_optional_statement(&text), goal != OperatorGoal::Upgrade, "{goal:?}");
            let is_left_out = |need: &RequiredPermission| {
                goal == OperatorGoal::Upgrade
                    && (PLAN_READS.contains(&need.action)
                        || find_own_sid(need).is_some_and(|sid| sid.starts_with(OPTIONAL_SID)))
            };
            needs.retain(|need| !is_left_out(need));
            for need in &needs {
                let covers = |one: &Value| {
                    let listed = || one["Resource"].as_array().into_iter().flatten();
                    (one["Resource"] == need.resource.as_str()
                        || listed().any(|resource| resource == need.resource.as_str()))
                        && one["Action"].as_array().unwrap().iter().any(|action| action == need.action)
                };
                assert!(document["Statement"].as_array().unwrap().iter().any(covers), "{}", need.action);
            }
        }
    }
}
