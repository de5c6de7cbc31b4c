//! Key policies: ours by Sid beside what stands, and, on a yes of its own, CloudFront in that of a key that objects lie under.
//!
//! KMS has no condition for it, so a policy is read just before it is put, and until it is seen to hold.

use aws_config::Region;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata};
use serde_json::Value;

use super::format_kms_key_label;
use crate::aws::{AwsClients, WaitProgressReporter, error, lazy_recording_client, retry};
use crate::model::{
    aws::{
        account::KmsKey,
        bucket::{ObjectEncryptionKey, ObjectKeyAccess},
        names::ResourceNames,
    },
    failure::{Failure, FailureKind},
    iam::policy,
};

/// `GetKeyPolicy` may give the old one for a while, even after it gave the new one.
const KEY_POLICY_EFFECTIVE_WAIT: retry::PollLimits =
    retry::PollLimits::new("the key policy to take effect", 600, 2);
/// How often in a row it must give the new one.
const STABLE_READS_IN_A_ROW: usize = 5;
/// Neither a fresh key nor a fresh principal is known to all of KMS at once.
pub(super) const PRINCIPALS_KNOWN_WAIT: retry::PollLimits =
    retry::PollLimits::new("KMS to know the key and its policy's principals", 120, 2);

fn format_objects_key_label(key: &str) -> String {
    format!("the objects' KMS key {key}")
}

/// Returns whether KMS doesn't know a principal of the policy: not yet, or not any more.
pub(super) fn is_unknown_principal_failure(failure: &Failure) -> bool {
    error::has_aws_error_code(failure, "MalformedPolicyDocumentException")
        && failure.why.contains("invalid principals")
}

/// The same code means a delay and a permanent mistake: a principal that was deleted doesn't come back, so a policy
/// that names one isn't sent.
fn check_key_policy_deleted_principals(what: &str, document: &Value) -> Result<(), Failure> {
    match policy::find_deleted_principals(document).first() {
        Some(gone) => Err(Failure::new_generic_failure(
            format!("the policy of {what}"),
            format!("it names {gone}, a principal that was deleted: KMS refuses to store it again"),
            "remove that principal from the key's policy in the KMS console, then try again",
        )),
        None => Ok(()),
    }
}

impl AwsClients {
    /// Reads the key's policy.
    ///
    /// # Errors
    /// Where KMS refuses, or the policy isn't JSON.
    pub(super) async fn read_kms_key_policy(&self, what: &str, id: &str) -> Result<Value, Failure> {
        let asked = self.kms.get_key_policy().key_id(id).policy_name("default").send().await;
        let found = asked.map_err(error::build_aws_action_failure("kms:GetKeyPolicy", what))?;
        policy::parse_policy_json(found.policy().unwrap_or("{}"), what)
    }

    /// Writes our statements into the key's policy, where every other stays as it was; returns the policy as it then
    /// is.
    ///
    /// # Errors
    /// Where KMS refuses it.
    pub async fn ensure_kms_key_policy(
        &self,
        names: &ResourceNames,
        key: &KmsKey,
        role_arn: &str,
        account: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<Value, Failure> {
        let ours = policy::build_kms_key_policy(names, role_arn, account);
        let what = format_kms_key_label(names);
        self.ensure_kms_policy_statements(&what, &key.id, Some(key), &ours, say).await
    }

    /// Lets CloudFront decrypt for this distribution by a key that objects lie under, in its region. Only on a
    /// separate yes.
    ///
    /// # Errors
    /// Where KMS refuses it.
    pub async fn ensure_bucket_kms_key_policy(
        &self,
        names: &ResourceNames,
        key_arn: &str,
        distribution_arn: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        let statement = policy::build_bucket_kms_key_statement(names, distribution_arn);
        let ours = serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] });
        let what = format_objects_key_label(key_arn);
        self.clone_with_kms_region(key_arn)
            .ensure_kms_policy_statements(&what, key_arn, None, &ours, say)
            .await
            .map(|_| ())
    }

    /// Reads a key that objects lie under, by ARN, id or alias in the bucket's region: whether it is AWS's own
    /// (`aws/s3`), and whether it lets CloudFront decrypt for the distribution. What may not be read is not known, nor is a
    /// key where KMS of the bucket's region is out of reach, which serves nothing else here.
    ///
    /// # Errors
    /// Where KMS refuses in another way.
    pub async fn read_bucket_kms_key(
        &self,
        names: &ResourceNames,
        key: &str,
        distribution_arn: Option<&str>,
    ) -> Result<ObjectEncryptionKey, Failure> {
        let there = self.clone_with_kms_region(key);
        let what = format_objects_key_label(key);
        let encryption_key = |access| ObjectEncryptionKey { key: key.to_owned(), access };
        let is_s3_own = key.ends_with("aws/s3");
        let found = match self.describe_bucket_kms_key(key).await {
            Ok(found) => found,
            // S3's own key isn't there before an object lies under it.
            Err(failure) if failure.kind == FailureKind::Missing => {
                let gone = if is_s3_own { ObjectKeyAccess::AwsManaged } else { ObjectKeyAccess::Gone };
                return Ok(encryption_key(gone));
            }
            Err(failure) if failure.kind == FailureKind::Denied => None,
            Err(failure) if failure.kind == FailureKind::Unreachable => {
                let unread = if is_s3_own { ObjectKeyAccess::AwsManaged } else { ObjectKeyAccess::Unknown };
                return Ok(encryption_key(unread));
            }
            Err(failure) => return Err(failure),
        };
        let managed_by_aws =
            found.as_ref().is_some_and(|found| found.key_manager() == Some(&KeyManagerType::Aws));
        let arn = found.and_then(|found| found.arn).unwrap_or_else(|| key.to_owned());
        if managed_by_aws {
            return Ok(ObjectEncryptionKey { key: arn, access: ObjectKeyAccess::AwsManaged });
        }
        let access = match there.read_kms_key_policy(&what, &arn).await {
            Ok(standing) => {
                let is_granted = distribution_arn.is_some_and(|distribution| {
                    let ours = policy::build_bucket_kms_key_statement(names, distribution);
                    policy::has_equivalent_statement(&standing, &ours)
                });
                if is_granted { ObjectKeyAccess::Granted } else { ObjectKeyAccess::Withheld }
            }
            Err(failure) => match failure.kind {
                FailureKind::Denied | FailureKind::Unreachable => ObjectKeyAccess::Unknown,
                FailureKind::Missing => ObjectKeyAccess::Gone,
                _ => return Err(failure),
            },
        };
        Ok(ObjectEncryptionKey { key: arn, access })
    }

    /// Reads the ARN of a key that objects lie under, by its alias in the bucket's region; none where there is none, where it
    /// may not be read, or where KMS of that region is out of reach.
    ///
    /// # Errors
    /// Where KMS refuses in another way.
    pub async fn find_bucket_kms_key_arn(&self, alias: &str) -> Result<Option<String>, Failure> {
        match self.describe_bucket_kms_key(alias).await {
            Ok(found) => Ok(found.and_then(|found| found.arn)),
            Err(failure)
                if matches!(
                    failure.kind,
                    FailureKind::Denied | FailureKind::Missing | FailureKind::Unreachable
                ) =>
            {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn describe_bucket_kms_key(&self, key: &str) -> Result<Option<KeyMetadata>, Failure> {
        let asked = self.clone_with_kms_region(key).kms.describe_key().key_id(key).send().await;
        let found = asked
            .map_err(error::build_aws_action_failure("kms:DescribeKey", format_objects_key_label(key)))?;
        Ok(found.key_metadata)
    }

    /// The same with KMS in the region of the key's ARN, else of the bucket.
    pub(super) fn clone_with_kms_region(&self, key: &str) -> Self {
        let named = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        let region = named.map(|name| Region::new(name.to_owned())).or_else(|| self.config.region().cloned());
        let config = self.config.to_builder().region(region).build();
        Self { kms: lazy_recording_client!(aws_sdk_kms, &config, self.succeeded), ..self.clone() }
    }

    async fn ensure_kms_policy_statements(
        &self,
        what: &str,
        id: &str,
        seen: Option<&KmsKey>,
        ours: &Value,
        say: WaitProgressReporter<'_>,
    ) -> Result<Value, Failure> {
        if let Some(seen) = seen.filter(|seen| policy::has_all_policy_statements(&seen.policy, ours)) {
            return Ok(seen.policy.clone());
        }
        let read = || self.read_kms_key_policy(what, id);
        let now = self.retry_until_key_tags_count(seen, "kms:GetKeyPolicy", say, read).await?;
        if policy::has_all_policy_statements(&now, ours) {
            return Ok(now);
        }
        if seen.is_some_and(|seen| !policy::is_same_policy(&seen.policy, &now)) {
            return Err(Failure::new_plan_drift_failure(
                format!("the policy of {what}"),
                "it was changed since it was shown",
            ));
        }
        let new = policy::merge_policy_by_sid(&now, ours);
        check_key_policy_deleted_principals(what, &new)?;
        let new = new.to_string();
        let put = || async {
            let asked = self.kms.put_key_policy().key_id(id).policy_name("default").policy(&new).send().await;
            asked.map_err(error::build_aws_action_failure("kms:PutKeyPolicy", what))
        };
        let late =
            |failure: &Failure| failure.kind == FailureKind::Missing || is_unknown_principal_failure(failure);
        let known = || retry::retry_while_transient(PRINCIPALS_KNOWN_WAIT, say, late, &put);
        self.retry_until_key_tags_count(seen, "kms:PutKeyPolicy", say, known).await?;
        retry::poll_until_stable(KEY_POLICY_EFFECTIVE_WAIT, STABLE_READS_IN_A_ROW, say, || async {
            let now = self.read_kms_key_policy(what, id).await?;
            Ok(policy::has_all_policy_statements(&now, ours).then_some(now))
        })
        .await
    }
}
