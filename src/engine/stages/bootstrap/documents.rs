//! What the bootstrap writes that can be read: the role's trust and policy, the key's policy, and the function's files.

use crate::edge::bundle::describe_function_files;
use crate::model::{
    aws::{
        evidence::BootstrapStageEvidence,
        names::{EDGE_REGION, ResourceNames},
    },
    iam::policy,
    run::{
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
        plan_document::render_json_difference,
    },
};

/// Adds each document to the change that writes it. What AWS names only once it is made stands in angle brackets.
pub(super) fn add_bootstrap_documents(
    plan: &mut StagePlan,
    seen: &BootstrapStageEvidence,
    names: &ResourceNames,
    account: &str,
) {
    let role_name = names.function_role_name();
    let role_arn = seen
        .role
        .as_ref()
        .map_or_else(|| format!("arn:aws:iam::{account}:role/{role_name}"), |role| role.arn.clone());
    let key_arn = seen.key.as_ref().map_or_else(
        || format!("arn:aws:kms:{EDGE_REGION}:{account}:key/<id of the new key>"),
        |key| key.arn.clone(),
    );
    for change in plan.changes.iter_mut().filter(|change| change.verb != ResourceChangeKind::Keep) {
        let text = match change.step {
            StageStep::Role => {
                let standing = seen.role.as_ref().map(|role| &role.trust);
                let trust = standing
                    .map_or_else(policy::build_function_trust_policy, policy::add_missing_trusted_services);
                render_json_difference(standing, &trust)
            }
            StageStep::RolePolicy => {
                let standing = seen.role.as_ref().and_then(|role| role.policy.as_ref());
                let policy = policy::build_function_role_policy(names, &key_arn, account);
                render_json_difference(standing, &policy)
            }
            StageStep::KeyPolicy => {
                let ours = policy::build_kms_key_policy(names, &role_arn, account);
                let standing = seen.key.as_ref().map(|key| &key.policy);
                let policy = standing
                    .map_or_else(|| ours.clone(), |standing| policy::merge_policy_by_sid(standing, &ours));
                render_json_difference(standing, &policy)
            }
            StageStep::Function => describe_function_files().join("\n"),
            _ => continue,
        };
        change.set_change_document(text);
    }
}
