//! The policy documents of contract section 5, pure: trust, role, key, bucket; and what `check --policy` prints.

use serde_json::Value;

use super::{access::Need, failure::Failure, names::Names};

/// How CloudFront reads the bucket, as a bucket policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader<'a> {
    /// The identity: its `E…` id and its canonical user id.
    Identity { id: &'a str, canonical_user: &'a str },
    /// A control, for one distribution of one account.
    Distribution { arn: &'a str, account: &'a str },
}

/// The role's trust: lambda and edgelambda.
#[must_use]
pub fn trust() -> Value {
    todo!()
}
/// Whether `trust` lets both services assume the role.
#[must_use]
pub fn trusts_both(trust: &Value) -> bool {
    todo!()
}
/// `trust` with both services added, everything else as it stands.
#[must_use]
pub fn trust_with_both(trust: &Value) -> Value {
    todo!()
}
/// The role's inline policy.
#[must_use]
pub fn role_policy(names: &Names, key_arn: &str, account: &str) -> Value {
    todo!()
}
/// The key policy of a key of ours.
#[must_use]
pub fn key_policy(names: &Names, role_arn: &str, account: &str) -> Value {
    todo!()
}
/// `standing` with our statements as [`key_policy`] has them, every other as it stands.
#[must_use]
pub fn merged_key_policy(standing: &Value, ours: &Value) -> Value {
    todo!()
}
/// The bucket policy's two statements.
#[must_use]
pub fn bucket_statements(names: &Names, reader: Reader<'_>) -> [Value; 2] {
    todo!()
}
/// `standing` with our two statements; refused where the result is over 20 KB or names a deleted principal.
pub fn merged_bucket_policy(
    standing: Option<&str>,
    names: &Names,
    reader: Reader<'_>,
) -> Result<String, Failure> {
    todo!()
}
/// Whether the bucket policy `standing` grants what [`bucket_statements`] grant, to that reader.
#[must_use]
pub fn grants(standing: Option<&str>, names: &Names, reader: Reader<'_>) -> bool {
    todo!()
}
/// Whether two documents mean the same.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    todo!()
}
/// `AROA…`, `AIDA…` and the like: principals that were deleted, which a policy then shows by their ids.
#[must_use]
pub fn deleted_principals(document: &Value) -> Vec<String> {
    todo!()
}
/// One statement for the bucket's own KMS key: CloudFront may decrypt for the distribution.
#[must_use]
pub fn bucket_key_statement(distribution_arn: &str, account: &str) -> Value {
    todo!()
}
/// The policy that suffices for `needs`, small enough for one managed policy.
#[must_use]
pub fn least_privilege(needs: &[Need]) -> String {
    todo!()
}
