//! Which actions a call proves that went through: those that AWS weighs for it whatever the call says.

/// The calls that prove other actions than that of their own name (service authorization reference).
const ACTIONS_BY_CALL: &[(&str, &[&str])] = &[
    (
        "cloudfront:CreateDistributionWithTags",
        &[
            "cloudfront:CreateDistribution",
            "cloudfront:TagResource",
            "lambda:EnableReplication*",
            "lambda:GetFunction",
        ],
    ),
    ("iam:CreateRole", &["iam:CreateRole", "iam:TagRole"]),
    ("kms:CreateKey", &["kms:CreateKey", "kms:PutKeyPolicy", "kms:TagResource"]),
    ("lambda:CreateFunction", &["iam:PassRole", "lambda:CreateFunction", "lambda:TagResource"]),
    ("lambda:Invoke", &["lambda:InvokeFunction"]),
    ("s3:CopyObject", &["s3:GetObject", "s3:PutObject"]),
    ("s3:CreateJob", &["iam:PassRole", "s3:CreateJob", "s3:PutJobTagging"]),
    ("s3:CreateMultipartUpload", &["s3:PutObject"]),
    ("s3:GetBucketEncryption", &["s3:GetEncryptionConfiguration"]),
    ("s3:GetBucketNotificationConfiguration", &["s3:GetBucketNotification"]),
    ("s3:GetBucketReplication", &["s3:GetReplicationConfiguration"]),
    ("s3:HeadBucket", &["s3:ListBucket"]),
    ("s3:HeadObject", &["s3:GetObject"]),
    ("s3:ListBuckets", &["s3:ListAllMyBuckets"]),
    ("s3:ListObjectsV2", &["s3:ListBucket"]),
    ("s3:UploadPartCopy", &["s3:GetObject", "s3:PutObject"]),
];

/// Returns the actions that `call` (`kms:CreateKey`) proves.
#[must_use]
pub fn list_actions_proven_by_call(call: &str) -> Vec<&str> {
    match ACTIONS_BY_CALL.iter().find(|(known, _)| *known == call) {
        Some((_, actions)) => actions.to_vec(),
        None => vec![call],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_proves_what_is_weighed_for_it() {
        for (call, actions) in [
            ("s3:HeadBucket", &["s3:ListBucket"][..]),
            ("kms:CreateKey", &["kms:CreateKey", "kms:PutKeyPolicy", "kms:TagResource"]),
            ("iam:GetRole", &["iam:GetRole"]),
        ] {
            assert_eq!(list_actions_proven_by_call(call), actions, "{call}");
        }
    }
}
