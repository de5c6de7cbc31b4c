//! The policy documents of contract section 5, pure: the role's trust and policy, the keys'; the rest lies beside.
//!
//! A document that stands is merged into by Sid: every other statement stays as it was, in its place.

mod bucket;
mod deny;
mod least;
mod meaning;

use serde_json::{Value, json};

pub use bucket::{
    Reader, bucket_policy_for_both, bucket_statements, grants, merged_bucket_policy, moving,
    our_canonical_users,
};
pub use deny::{Shut, shut_out};
pub use least::least_privilege;
pub use meaning::{deleted_principals, same, same_among};

use crate::model::{
    aws::names::{COST_TAG, EDGE_REGION, Names},
    run::failure::Failure,
};

/// Who assumes the function's role.
const SERVICES: [&str; 2] = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"];

/// Administration, and Encrypt; without Decrypt, ReEncrypt and CreateGrant, whoever is root of the account.
const ADMINISTER: [&str; 22] = [
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

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The statements of a document, whether it holds one or a list of them.
pub(crate) fn statements(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// A JSON document in a text that AWS gave.
///
/// # Errors
/// Where it isn't JSON.
pub fn parse(text: &str, what: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::other(
            what,
            format!("the policy is not JSON: {error}"),
            "look at it in the AWS console, and mend it",
        )
    })
}

/// `standing` with each statement of `ours` in place of the one of the same Sid, or at the end.
fn merged(standing: &Value, ours: &[Value]) -> Value {
    let mut all = statements(standing);
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

/// The role's trust: lambda and edgelambda.
#[must_use]
pub fn trust() -> Value {
    document(&[trust_statement(&SERVICES)])
}

fn trust_statement(services: &[&str]) -> Value {
    json!({ "Effect": "Allow", "Principal": { "Service": services }, "Action": "sts:AssumeRole" })
}

/// The services that `trust` doesn't let assume the role.
fn untrusted(trust: &Value) -> Vec<&'static str> {
    let all = meaning::statements(trust);
    let trusts = |service: &str| {
        all.iter().any(|one| {
            one["Effect"] == "Allow"
                && one.get("Condition").is_none()
                && meaning::holds(&one["Principal"]["Service"], service)
                && ["sts:assumerole", "sts:*", "*"]
                    .iter()
                    .any(|action| meaning::holds(&one["Action"], action))
        })
    };
    SERVICES.into_iter().filter(|service| !trusts(service)).collect()
}

/// Whether `trust` lets both services assume the role.
#[must_use]
pub fn trusts_both(trust: &Value) -> bool {
    untrusted(trust).is_empty()
}

/// `trust` with both services added, everything else as it stands.
#[must_use]
pub fn trust_with_both(trust: &Value) -> Value {
    let missing = untrusted(trust);
    let mut all = statements(trust);
    if all.is_empty() {
        return self::trust();
    }
    if !missing.is_empty() {
        all.push(trust_statement(&missing));
    }
    let mut document = trust.clone();
    document["Statement"] = Value::Array(all);
    document
}

/// The role's inline policy: that key under the bucket's context, and its own log groups in every region.
#[must_use]
pub fn role_policy(names: &Names, key_arn: &str, account: &str) -> Value {
    let group = format!("arn:aws:logs:*:{account}:log-group:/aws/lambda/{EDGE_REGION}.{}", names.function());
    document(&[
        json!({
            "Sid": "PackagecloudCloudFrontDecrypt",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": { "StringEquals": { (encryption_context()): names.bucket() } },
        }),
        json!({
            "Sid": "PackagecloudCloudFrontLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [group, format!("{group}:*")],
        }),
    ])
}

/// What the trust of the role of S3 Batch Operations says: that service, for jobs of this account in `region`.
#[must_use]
pub fn batch_trust(account: &str, region: &str) -> Value {
    document(&[json!({
        "Sid": "PackagecloudCloudFrontBatch",
        "Effect": "Allow",
        "Principal": { "Service": "batchoperations.s3.amazonaws.com" },
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": { "aws:SourceAccount": account },
            "ArnLike": { "aws:SourceArn": format!("arn:aws:s3:{region}:{account}:job/*") },
        },
    })])
}

/// What that role may: copy this bucket's objects onto themselves with their tags, read the manifests and write the reports.
#[must_use]
pub fn batch_policy(names: &Names) -> Value {
    document(&[json!({
        "Sid": "PackagecloudCloudFrontBatch",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"],
        "Resource": format!("arn:aws:s3:::{}/*", names.bucket()),
    })])
}

/// The key of the encryption context, as a condition key.
pub(crate) fn encryption_context() -> String {
    format!("kms:EncryptionContext:{COST_TAG}")
}

/// The key policy of a key of ours. The role is named in a condition, not as a principal: so a role made again
/// under its name still fits, and a fresh one need not have propagated.
#[must_use]
pub fn key_policy(names: &Names, role_arn: &str, account: &str) -> Value {
    let root = json!({ "AWS": format!("arn:aws:iam::{account}:root") });
    document(&[
        json!({
            "Sid": "PackagecloudCloudFrontAdminister",
            "Effect": "Allow",
            "Principal": root,
            "Action": ADMINISTER,
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
                "StringEquals": { (encryption_context()): names.bucket() },
            },
        }),
    ])
}

/// `standing` with the statements of `ours` in place of those of the same Sids, every other as it stands: for a
/// key's policy and the role's.
#[must_use]
pub fn merged_key_policy(standing: &Value, ours: &Value) -> Value {
    if statements(standing).is_empty() { ours.clone() } else { merged(standing, &statements(ours)) }
}

/// Whether `standing` says all that `ours` says, in any spelling.
#[must_use]
pub fn carries(standing: &Value, ours: &Value) -> bool {
    let standing = meaning::statements(standing);
    meaning::statements(ours).iter().all(|one| standing.contains(one))
}

/// Whether `standing` holds a statement that says what `one` says, under whatever Sid.
#[must_use]
pub fn says(standing: &Value, one: &Value) -> bool {
    let without_sid = |mut statement: Value| {
        if let Some(fields) = statement.as_object_mut() {
            fields.remove("Sid");
        }
        meaning::normal_statement(&statement, &[])
    };
    let wanted = without_sid(one.clone());
    statements(standing).into_iter().any(|statement| without_sid(statement) == wanted)
}

/// One statement for the bucket's own KMS key: CloudFront may decrypt for this distribution.
#[must_use]
pub fn bucket_key_statement(names: &Names, distribution_arn: &str, account: &str) -> Value {
    json!({
        "Sid": names.read_sid(),
        "Effect": "Allow",
        "Principal": { "Service": "cloudfront.amazonaws.com" },
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {
            "StringEquals": { "aws:SourceArn": distribution_arn, "aws:SourceAccount": account },
        },
    })
}

#[cfg(test)]
mod tests;
