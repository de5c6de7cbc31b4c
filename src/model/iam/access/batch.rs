//! What S3 Batch Operations needs, where that engine copies the packages: its jobs, and the role that they work as.

use super::{Need, table::Table};
use crate::model::{
    aws::names::Names,
    run::goal::{Stage, Step},
};

/// What is needed beside all that a reindex from here needs.
#[must_use]
pub fn batch_needs(names: &Names, account: &str) -> Vec<Need> {
    let mut table = Table::default();
    let jobs = (Stage::Reindex, Step::BatchJobs);
    table.on(jobs, "*", &["s3:CreateJob", "s3:ListJobs"]);
    let any = format!("arn:aws:s3:*:{account}:job/*");
    table.on(jobs, &any, &["s3:DescribeJob", "s3:PutJobTagging"]);
    let role = format!("arn:aws:iam::{account}:role/{}", names.batch_role());
    table.role((Stage::Reindex, Step::Role), (Stage::Reindex, Step::RolePolicy), &role);
    let passed = [("iam:PassedToService", "batchoperations.s3.amazonaws.com")];
    table.add(jobs, &role, &passed, false, &["iam:PassRole"]);
    table.done()
}
