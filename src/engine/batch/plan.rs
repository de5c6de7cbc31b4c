//! What S3 Batch Operations means for a reindex's plan: the role, the jobs, and what is done from here after them.

use super::{BatchStatePaths, price, record::BatchRecord, render_batch_job_count};
use crate::engine::{
    reindex,
    resources::adoption::{ResourceAdoptionList, require_resource_ours_or_unmarked},
    session::{AwsTarget, Session},
};
use crate::model::{
    aws::{account::IamRole, evidence::ReindexEvidence},
    failure::Failure,
    iam::policy,
    run::{
        answers::OperatorAnswers,
        goal::StageStep,
        plan::{ResourceChangeKind, StagePlan},
    },
};

/// Adds to the plan of the objects what this engine makes and runs beside it.
///
/// # Errors
/// Fails where the role is another install's, or AWS does not answer.
pub async fn add_batch_changes_to_plan(
    session: &Session,
    answers: &OperatorAnswers,
    plan: &mut StagePlan,
    seen: &mut ReindexEvidence,
) -> Result<(), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let names = &target.names;
    let role = target.cloud.read_batch_role(names).await?;
    let name = names.batch_role_name();
    let trusted = policy::build_batch_trust_policy();
    let mut adopted = ResourceAdoptionList::default();
    match &role {
        None => plan.add_planned_change(
            StageStep::Role,
            ResourceChangeKind::Create,
            &name,
            "S3 Batch Operations copies packages as this role",
        ),
        Some(role) => {
            let unmarked = require_resource_ours_or_unmarked(&role.ownership, "role", &name, names)?;
            let right = unmarked.is_none() && policy::has_all_policy_statements(&role.trust, &trusted);
            adopted.add_unmarked_resource(unmarked, "its trust and its tags");
            let (verb, why) = if right {
                (ResourceChangeKind::Keep, "it is there, and trusted by S3 Batch Operations")
            } else {
                (ResourceChangeKind::Update, "S3 Batch Operations copies packages as this role")
            };
            plan.add_planned_change(StageStep::Role, verb, &name, why)
        }
    }
    .calls
    .extend(["iam:GetRole".into(), "iam:CreateRole".into(), "iam:UpdateAssumeRolePolicy".into()]);
    plan_batch_role_policy(plan, &target, role.as_ref());
    let rules = reindex::render_reindex_cursor_scope(names.bucket_name(), &answers.reindex);
    let why = match BatchRecord::load_batch_record(
        &BatchStatePaths::build_batch_state_paths(session).record,
        &rules,
    ) {
        Some(record) if !record.over => {
            format!("goes on with the {} of the last run", render_batch_job_count(record.parts.len()))
        }
        _ => format!("a job for each set of headers and user metadata, {} at most", price::JOBS_MAX),
    };
    plan.add_planned_change(StageStep::BatchJobs, ResourceChangeKind::Run, "S3 Batch Operations", why)
        .calls
        .extend([
            "s3:PutObject".into(),
            "s3:CreateJob".into(),
            "s3:DescribeJob".into(),
            "s3:ListJobs".into(),
        ]);
    let why = "every object is looked at again; what the jobs left is copied from here";
    plan.add_planned_change(StageStep::Remainder, ResourceChangeKind::Update, names.bucket_name(), why)
        .calls
        .extend(["s3:HeadObject".into(), "s3:CopyObject".into()]);
    plan.confirmations.extend(adopted.build_adoption_confirmation(answers, names));
    seen.batch_role = role;
    Ok(())
}

/// Adds what the role may do: as it is to be, else as it stands.
fn plan_batch_role_policy(plan: &mut StagePlan, target: &AwsTarget, role: Option<&IamRole>) {
    let name = target.names.batch_role_name();
    let key = target.bucket.default_kms_key_arn(&target.account);
    let wanted = policy::build_batch_role_policy(&target.names, key.as_deref());
    let right = role
        .and_then(|role| role.policy.as_ref())
        .is_some_and(|stands| policy::has_all_policy_statements(stands, &wanted));
    plan.add_planned_change(
        StageStep::RolePolicy,
        if right { ResourceChangeKind::Keep } else { ResourceChangeKind::Attach },
        &name,
        match &key {
            Some(key) => format!(
                "may copy this bucket's objects with tags and ACLs, and use its key {key}; nothing else"
            ),
            None => "may copy this bucket's objects with tags and ACLs; nothing else".to_owned(),
        },
    )
    .calls
    .push("iam:PutRolePolicy".into());
}
