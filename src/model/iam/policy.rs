//! The policy documents of contract section 5, pure: the role's trust and policy, the keys'; the rest lies beside.
//!
//! A document that stands is merged into by Sid: every other statement stays as it was, in its place.

mod allow;
mod bucket;
mod deny;
mod deny_condition;
mod meaning;
mod public;

use serde_json::{Value, json};

pub use allow::{AllowingStatement, find_statement_allowing_principal};
pub use bucket::{
    CloudFrontBucketReader, add_new_bucket_reader_statements, build_bucket_policy_statements,
    find_our_canonical_users, grants_cloudfront_read_access, has_pending_origin_access_statements,
    merge_bucket_policy,
};
pub use deny::{BucketDenyFinding, find_statements_denying_cloudfront};
pub use deny_condition::CloudFrontPrincipal;
pub use meaning::{find_deleted_principals, is_same_policy, is_same_policy_with_identities};
pub use public::find_public_policy_statement;

use crate::model::{
    aws::{
        bucket::is_any_kms_key_arn,
        names::{COST_TAG, EDGE_REGION, ResourceNames},
    },
    failure::Failure,
};

/// Who assumes the function's role.
const TRUSTED_SERVICES: [&str; 2] = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"];

/// Administration, and Encrypt; without Decrypt, ReEncrypt and CreateGrant, whoever is root of the account.
const KEY_ADMIN_ACTIONS: [&str; 22] = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
];

/// Puts `statements` into a policy document of IAM's one version.
pub(super) fn build_policy_document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Returns the statements of a document, whether it holds one or a list of them.
pub(crate) fn extract_policy_statements(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Parses a JSON document in a text that AWS gave.
///
/// # Errors
/// Where it isn't JSON.
pub fn parse_policy_json(text: &str, what: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new_generic_failure(
            what,
            format!("the policy is not JSON: {error}"),
            "look at it in the AWS console, and correct it",
        )
    })
}

/// `standing` with each statement of `ours` in place of the one of the same Sid, or at the end.
fn merge_policy_statements(standing: &Value, ours: &[Value]) -> Value {
    let mut all = extract_policy_statements(standing);
    for statement in ours {
        match all.iter_mut().find(|one| one.get("Sid") == statement.get("Sid")) {
            Some(place) => *place = statement.clone(),
            None => all.push(statement.clone()),
        }
    }
    let mut document = standing.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.insert("Statement".to_owned(), Value::Array(all));
    }
    document
}

/// Returns the role's trust: lambda and edgelambda.
#[must_use]
pub fn build_function_trust_policy() -> Value {
    build_policy_document(&[build_trust_statement(&TRUSTED_SERVICES)])
}

fn build_trust_statement(services: &[&str]) -> Value {
    json!({ "Effect": "Allow", "Principal": { "Service": services }, "Action": "sts:AssumeRole" })
}

/// The services that `trust` doesn't let assume the role.
fn find_services_missing_from_trust(trust: &Value) -> Vec<&'static str> {
    let all = meaning::normalize_policy_statements(trust);
    let trusts = |service: &str| {
        all.iter().any(|one| {
            one["Effect"] == "Allow"
                && one.get("Condition").is_none()
                && meaning::has_policy_field_value(&one["Principal"]["Service"], service)
                && ["sts:assumerole", "sts:*", "*"]
                    .iter()
                    .any(|action| meaning::has_policy_field_value(&one["Action"], action))
        })
    };
    TRUSTED_SERVICES.into_iter().filter(|service| !trusts(service)).collect()
}

/// Returns whether `trust` lets both services assume the role.
#[must_use]
pub fn trusts_lambda_and_edgelambda(trust: &Value) -> bool {
    find_services_missing_from_trust(trust).is_empty()
}

/// Returns `trust` with both services added, everything else as it stands.
#[must_use]
pub fn add_missing_trusted_services(trust: &Value) -> Value {
    let missing = find_services_missing_from_trust(trust);
    let mut all = extract_policy_statements(trust);
    if all.is_empty() {
        return self::build_function_trust_policy();
    }
    if !missing.is_empty() {
        all.push(build_trust_statement(&missing));
    }
    let mut document = trust.clone();
    document["Statement"] = Value::Array(all);
    document
}

/// Returns the role's inline policy: that key under the bucket's context, and its own log groups in every region.
#[must_use]
pub fn build_function_role_policy(names: &ResourceNames, key_arn: &str, account: &str) -> Value {
    let group = format!(
        "arn:aws:logs:*:{account}:log-group:/aws/lambda/{EDGE_REGION}.{}",
        names.lambda_function_name()
    );
    build_policy_document(&[
        json!({
            "Sid": "PackagecloudCloudFrontDecrypt",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": { "StringEquals": { (encryption_context_condition_key()): names.bucket_name() } },
        }),
        json!({
            "Sid": "PackagecloudCloudFrontLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [group, format!("{group}:*")],
        }),
    ])
}

/// Returns what the trust of the role of S3 Batch Operations says: that service, as S3's guide to the role has it.
///
/// It has no condition: the guide shows none, and whether S3 fills `aws:SourceAccount` there isn't established. A role is
/// passed to a job within its own account alone.
#[must_use]
pub fn build_batch_trust_policy() -> Value {
    build_policy_document(&[json!({
        "Sid": "PackagecloudCloudFrontBatch",
        "Effect": "Allow",
        "Principal": { "Service": "batchoperations.s3.amazonaws.com" },
        "Action": "sts:AssumeRole",
    })])
}

/// Returns what that role may, by S3's guide to the role of a copy: copy this bucket's objects onto themselves with their
/// tags and ACLs, read the manifests and write the reports; and use `key_arn`, the bucket's default, with which S3 seals
/// whatever is written without a word on encryption. Where that stands for any key, as of an alias that can't be asked about,
/// it may use them through S3 alone.
#[must_use]
pub fn build_batch_role_policy(names: &ResourceNames, key_arn: Option<&str>) -> Value {
    let bucket = format!("arn:aws:s3:::{}", names.bucket_name());
    let mut statements = vec![
        json!({
            "Sid": "PackagecloudCloudFrontBatch",
            "Effect": "Allow",
            "Action": [
                "s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetObjectVersion",
                "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging",
            ],
            "Resource": format!("{bucket}/*"),
        }),
        json!({
            "Sid": "PackagecloudCloudFrontBatchList",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket,
        }),
    ];
    if let Some(key) = key_arn {
        let mut statement = json!({
            "Sid": "PackagecloudCloudFrontBatchKey",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": key,
        });
        if is_any_kms_key_arn(key) {
            let region = key.split(':').nth(3).unwrap_or_default();
            let through_s3 = format!("s3.{region}.amazonaws.com");
            statement["Condition"] = json!({ "StringEquals": { "kms:ViaService": through_s3 } });
        }
        statements.push(statement);
    }
    build_policy_document(&statements)
}

/// Returns the key of the encryption context, as a condition key.
pub(crate) fn encryption_context_condition_key() -> String {
    format!("kms:EncryptionContext:{COST_TAG}")
}

/// Returns the key policy of a key of ours. The role is named in a condition, not as a principal: so a role made again
/// under its name still fits, and a fresh one need not have propagated.
#[must_use]
pub fn build_kms_key_policy(names: &ResourceNames, role_arn: &str, account: &str) -> Value {
    let root = json!({ "AWS": format!("arn:aws:iam::{account}:root") });
    build_policy_document(&[
        json!({
            "Sid": "PackagecloudCloudFrontAdminister",
            "Effect": "Allow",
            "Principal": root,
            "Action": KEY_ADMIN_ACTIONS,
            "Resource": "*",
        }),
        json!({
            "Sid": "PackagecloudCloudFrontDecrypt",
            "Effect": "Allow",
            "Principal": root,
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {
                "ArnEquals": { "aws:PrincipalArn": role_arn },
                "StringEquals": { (encryption_context_condition_key()): names.bucket_name() },
            },
        }),
    ])
}

/// Returns `standing` with the statements of `ours` in place of those of the same Sids, every other as it stands: for a
/// key's policy and the role's.
#[must_use]
pub fn merge_policy_by_sid(standing: &Value, ours: &Value) -> Value {
    if extract_policy_statements(standing).is_empty() {
        ours.clone()
    } else {
        merge_policy_statements(standing, &extract_policy_statements(ours))
    }
}

/// Returns whether `standing` says all that `ours` says, in any spelling.
#[must_use]
pub fn has_all_policy_statements(standing: &Value, ours: &Value) -> bool {
    let standing = meaning::normalize_policy_statements(standing);
    meaning::normalize_policy_statements(ours).iter().all(|one| standing.contains(one))
}

/// Returns whether `standing` holds a statement that says what `one` says, under whatever Sid.
#[must_use]
pub fn has_equivalent_statement(standing: &Value, one: &Value) -> bool {
    let without_sid = |mut statement: Value| {
        if let Some(fields) = statement.as_object_mut() {
            fields.remove("Sid");
        }
        meaning::normalize_policy_statement(&statement, &[])
    };
    let wanted = without_sid(one.clone());
    extract_policy_statements(standing).into_iter().any(|statement| without_sid(statement) == wanted)
}

/// Returns one statement for the bucket's own KMS key: CloudFront may decrypt for this distribution.
#[must_use]
pub fn build_bucket_kms_key_statement(names: &ResourceNames, distribution_arn: &str) -> Value {
    json!({
        "Sid": names.object_read_statement_sid(),
        "Effect": "Allow",
        "Principal": { "Service": "cloudfront.amazonaws.com" },
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": { "StringEquals": { "aws:SourceArn": distribution_arn } },
    })
}

#[cfg(test)]
mod tests;
