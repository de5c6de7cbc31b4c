//! A bucket as it is set up: policy, versioning, encryption, who owns its objects.
//!
//! A part that can't be read is empty and named in `unread`.

use aws_sdk_s3::types::ObjectOwnership;

use super::format_bucket_label;
use crate::aws::{AwsClients, error};
use crate::model::{
    aws::bucket::{ObservedBucket, PublicAccessBlock},
    failure::{Failure, FailureKind},
    iam::policy,
};

impl AwsClients {
    /// Reads the bucket in this account and region, as it is set up.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn read_bucket_settings(
        &self,
        name: &str,
        region: &str,
        account: &str,
    ) -> Result<ObservedBucket, Failure> {
        let what = || format_bucket_label(name);
        let (policy, versioning, encryption, ownership) = tokio::try_join!(
            async {
                tolerate_unreadable_bucket_setting("policy", self.read_bucket_policy(name, account).await)
            },
            async {
                let asked =
                    self.s3.get_bucket_versioning().bucket(name).expected_bucket_owner(account).send();
                tolerate_unreadable_bucket_setting(
                    "versioning",
                    asked.await.map_err(error::build_aws_action_failure("s3:GetBucketVersioning", what())),
                )
            },
            async {
                let asked =
                    self.s3.get_bucket_encryption().bucket(name).expected_bucket_owner(account).send();
                let asked = asked
                    .await
                    .map_err(error::build_aws_action_failure("s3:GetEncryptionConfiguration", what()));
                tolerate_unreadable_bucket_setting("encryption", error::none_if_aws_not_found(asked))
            },
            async {
                let asked = self.read_object_ownership(name, account).await;
                tolerate_unreadable_bucket_setting("object ownership", asked)
            },
        )?;
        let unread = [
            policy.as_ref().err(),
            versioning.as_ref().err(),
            encryption.as_ref().err(),
            ownership.as_ref().err(),
        ];
        let mut unread: Vec<String> = unread.into_iter().flatten().cloned().collect();
        let versioning = versioning.ok().and_then(|found| found.status);
        let rules = encryption.ok().flatten().and_then(|found| found.server_side_encryption_configuration);
        let default = rules.and_then(|rules| {
            rules.rules().first().and_then(|rule| rule.apply_server_side_encryption_by_default().cloned())
        });
        let policy = policy.ok().flatten();
        let has_acls = ownership.as_ref().is_ok_and(|owner| *owner != ObjectOwnership::BucketOwnerEnforced);
        let public = policy::find_public_policy_statement(policy.as_deref()).is_some();
        let public_access = if has_acls || public {
            self.read_public_access_block(name, account, &mut unread).await?
        } else {
            PublicAccessBlock::default()
        };
        Ok(ObservedBucket {
            name: name.to_owned(),
            region: region.to_owned(),
            policy,
            public_access,
            versioning: versioning.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            encryption: default.as_ref().map(|one| one.sse_algorithm.as_str().to_owned()).unwrap_or_default(),
            kms_key: default.and_then(|one| one.kms_master_key_id),
            object_ownership: ownership.map(|owner| owner.as_str().to_owned()).unwrap_or_default(),
            unread,
        })
    }

    /// Reads who owns the objects of the bucket.
    async fn read_object_ownership(&self, name: &str, account: &str) -> Result<ObjectOwnership, Failure> {
        let asked =
            self.s3.get_bucket_ownership_controls().bucket(name).expected_bucket_owner(account).send();
        let asked = asked.await.map_err(error::build_aws_action_failure(
            "s3:GetBucketOwnershipControls",
            format_bucket_label(name),
        ));
        let found = error::none_if_aws_not_found(asked)?;
        // A bucket without ownership controls is of the time before them: whoever writes an object owns it.
        let rules = found.and_then(|found| found.ownership_controls).map(|controls| controls.rules);
        Ok(rules
            .and_then(|rules| rules.first().map(|rule| rule.object_ownership.clone()))
            .unwrap_or(ObjectOwnership::ObjectWriter))
    }
}

/// Returns a part of the bucket, or why it can't be read, such as of a store that answers it in another form than S3.
///
/// # Errors
/// Where what failed makes everything else fail too.
pub(super) fn tolerate_unreadable_bucket_setting<T>(
    part: &str,
    asked: Result<T, Failure>,
) -> Result<Result<T, String>, Failure> {
    match asked {
        Ok(found) => Ok(Ok(found)),
        Err(failure)
            if !failure.facts.is_unreadable_answer
                && matches!(
                    failure.kind,
                    FailureKind::Credentials | FailureKind::Interrupted | FailureKind::Unreachable
                ) =>
        {
            Err(failure)
        }
        Err(failure) => Ok(Err(describe_unread_bucket_setting(part, &failure))),
    }
}

/// Returns the same of a part that another host tells than all others: that it is out of reach says nothing of those.
///
/// # Errors
/// Where what failed makes everything else fail too.
pub(super) fn tolerate_unreachable_bucket_setting<T>(
    part: &str,
    asked: Result<T, Failure>,
) -> Result<Result<T, String>, Failure> {
    match asked {
        Err(failure) if failure.kind == FailureKind::Unreachable => {
            Ok(Err(describe_unread_bucket_setting(part, &failure)))
        }
        asked => tolerate_unreadable_bucket_setting(part, asked),
    }
}

fn describe_unread_bucket_setting(part: &str, failure: &Failure) -> String {
    format!("{part}: {}", failure.why)
}
