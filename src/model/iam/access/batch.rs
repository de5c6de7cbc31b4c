//! What S3 Batch Operations needs, where that engine copies the packages: its jobs, and the role that they work as.

use super::{RequiredPermission, table::PermissionTable};
use crate::model::{
    aws::names::ResourceNames,
    run::goal::{RunStage, StageStep},
};

/// Returns what is needed beside all that a reindex from here needs.
#[must_use]
pub fn list_batch_permissions(names: &ResourceNames, account: &str) -> Vec<RequiredPermission> {
    let mut table = PermissionTable::default();
    let jobs = (RunStage::Reindex, StageStep::BatchJobs);
    table.add_required_actions(jobs, "*", &["s3:CreateJob", "s3:ListJobs"]);
    let any = format!("arn:aws:s3:*:{account}:job/*");
    table.add_required_actions(jobs, &any, &["s3:DescribeJob", "s3:PutJobTagging"]);
    let role = format!("arn:aws:iam::{account}:role/{}", names.batch_role_name());
    table.add_role_and_policy_permissions(
        (RunStage::Reindex, StageStep::Role),
        (RunStage::Reindex, StageStep::RolePolicy),
        &role,
    );
    let passed = [("iam:PassedToService", "batchoperations.s3.amazonaws.com")];
    table.add_permissions(jobs, &role, &passed, false, &["iam:PassRole"]);
    table.into_permissions()
}
