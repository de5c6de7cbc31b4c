//! What S3 Batch Operations means for a reindex's plan: the role, the jobs, and what is done from here after them.

use super::{BatchStatePaths, price, record::BatchRecord, render_batch_job_count};
use crate::engine::{
    reindex,
    resources::adoption::{ResourceAdoptionList, require_resource_ours_or_unmarked},
    session::{AwsTarget, Session},
};
use crate::model::{
    aws::{account::IamRole, bucket::is_any_kms_key_arn, evidence::ReindexEvidence},
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
    let key = find_batch_role_key(&target).await?;
    plan_batch_role_policy(plan, &target, role.as_ref(), key.as_deref());
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

/// Finds the KMS key that the role may use, the bucket's default: by its own ARN where an alias names it. Any key of the
/// account's where that can't be asked.
///
/// # Errors
/// Fails where KMS refuses in another way than for want of a permission.
pub(super) async fn find_batch_role_key(target: &AwsTarget) -> Result<Option<String>, Failure> {
    let bucket = &target.bucket;
    match (bucket.default_kms_key_arn(&target.account), &bucket.kms_key) {
        (Some(any), Some(alias)) if is_any_kms_key_arn(&any) => {
            Ok(Some(target.cloud.find_bucket_kms_key_arn(alias).await?.unwrap_or(any)))
        }
        (named, _) => Ok(named),
    }
}

/// Adds what the role may do: as it is to be, else as it stands.
fn plan_batch_role_policy(
    plan: &mut StagePlan,
    target: &AwsTarget,
    role: Option<&IamRole>,
    key: Option<&str>,
) {
    let name = target.names.batch_role_name();
    let wanted = policy::build_batch_role_policy(&target.names, key);
    let right = role
        .and_then(|role| role.policy.as_ref())
        .is_some_and(|stands| policy::has_all_policy_statements(stands, &wanted));
    plan.add_planned_change(
        StageStep::RolePolicy,
        if right { ResourceChangeKind::Keep } else { ResourceChangeKind::Attach },
        &name,
        match key {
            Some(key) => format!(
                "may copy this bucket's objects with tags and ACLs, and use its key {key}; nothing else"
            ),
            None => "may copy this bucket's objects with tags and ACLs; nothing else".to_owned(),
        },
    )
    .calls
    .push("iam:PutRolePolicy".into());
}
