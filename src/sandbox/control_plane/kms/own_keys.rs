//! The key of AWS's own under which S3 encrypts where no other is named, `aws/s3`.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ACCOUNT_ID, REGION, SandboxKmsAlias, SandboxKmsKey, SandboxKmsState, find_sandbox_key_arn, json,
};
use crate::sandbox::Sandbox;

/// Its alias is `alias/` and this.
pub const S3_OWN_KEY_NAME: &str = "aws/s3";
/// As AWS describes it (recorded).
const S3_OWN_KEY_DESCRIPTION: &str = "Default key that protects my S3 objects when no other key is defined";

/// The policy that AWS gives it: through S3 it serves whoever may use S3, and nobody can change it (KMS developer guide,
/// "View the policy of an AWS managed key").
fn build_s3_own_key_policy() -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "auto-s3-2",
        "Statement": [
            {
                "Sid": "Allow access through S3 for all principals in the account that are authorized to use S3",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": ACCOUNT_ID,
                    "kms:ViaService": format!("s3.{REGION}.amazonaws.com"),
                }},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT_ID}:root")},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                "Resource": "*",
            },
        ],
    })
    .to_string()
}

/// Finds the ARN of the key under which S3 encrypts where none is named, or `aws/s3` is: AWS makes it when S3 first needs it.
pub fn find_s3_own_key_arn(world: &Sandbox) -> String {
    let alias = format!("alias/{S3_OWN_KEY_NAME}");
    let known = world.read_sandbox_state_from_disk(|state| find_sandbox_key_arn(&state.kms, &alias));
    known.unwrap_or_else(|| {
        let now = world.sandbox_unix_time_now();
        world.update_sandbox_state_on_disk(|state| ensure_s3_own_key(&mut state.kms, now))
    })
}

/// Returns the ARN of `aws/s3`, which AWS makes when S3 first needs it.
fn ensure_s3_own_key(state: &mut SandboxKmsState, now: Duration) -> String {
    let name = format!("alias/{S3_OWN_KEY_NAME}");
    if let Some(alias) = state.aliases.get(&name) {
        return super::format_sandbox_kms_key_arn(&alias.key);
    }
    let mut material = [0; 32];
    fastrand::fill(&mut material);
    let key = SandboxKmsKey {
        id: crate::sandbox::control_plane::generate_random_uuid(),
        material: hex::encode(material),
        description: S3_OWN_KEY_DESCRIPTION.into(),
        policy: build_s3_own_key_policy(),
        tags: BTreeMap::new(),
        tagged: now,
        state: "Enabled".into(),
        created: now,
        managed_by_aws: true,
    };
    let arn = key.build_sandbox_kms_key_arn();
    let alias = SandboxKmsAlias { key: key.id.clone(), created: now };
    state.aliases.insert(name, alias);
    state.keys.insert(key.id.clone(), key);
    arn
}
