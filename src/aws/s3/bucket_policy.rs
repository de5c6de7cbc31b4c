//! The bucket policy: read, and written over exactly what was shown.
//!
//! S3 has no condition for it, so it is read just before and again after, and compared by meaning.

use serde_json::Value;

use crate::aws::{AwsClients, WaitProgressReporter, error, retry};
use crate::model::{failure::Failure, iam::policy};

/// A fresh identity isn't known to S3 at once.
const PRINCIPAL_KNOWN_WAIT: retry::PollLimits =
    retry::PollLimits::new("S3 to know the policy's principal and the bucket", 180, 4);
const BUCKET_POLICY_EFFECTIVE_WAIT: retry::PollLimits =
    retry::PollLimits::new("the bucket policy to take effect", 60, 2);

fn format_bucket_policy_label(bucket: &str) -> String {
    format!("the policy of bucket {bucket}")
}

impl AwsClients {
    /// Reads the bucket policy as it stands; `None` where there is none.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn read_bucket_policy(&self, bucket: &str, account: &str) -> Result<Option<String>, Failure> {
        let asked = self.s3.get_bucket_policy().bucket(bucket).expected_bucket_owner(account).send().await;
        let found = error::none_if_aws_not_found(asked.map_err(error::build_aws_action_failure(
            "s3:GetBucketPolicy",
            format_bucket_policy_label(bucket),
        )))?;
        Ok(found.and_then(|found| found.policy))
    }

    /// Whether a HEAD finds the bucket; where it can't be asked it is taken to be there.
    async fn may_bucket_exist(&self, bucket: &str) -> bool {
        let asked = self.s3.head_bucket().bucket(bucket).send().await;
        !matches!(
            error::none_if_aws_not_found(asked.map_err(error::build_aws_action_failure(
                "s3:ListBucket",
                format_bucket_policy_label(bucket)
            ))),
            Ok(None)
        )
    }

    /// Puts `new` where `expected_old` stands, and reads it again.
    ///
    /// # Errors
    /// Where something else stands (`Drifted`), or S3 refuses it.
    pub async fn write_bucket_policy(
        &self,
        bucket: &str,
        expected_old: Option<&str>,
        new: &str,
        account: &str,
        say: WaitProgressReporter<'_>,
    ) -> Result<(), Failure> {
        let (now, identities) =
            tokio::try_join!(self.read_bucket_policy(bucket, account), self.list_origin_access_identities())?;
        let pairs: Vec<(&str, &str)> =
            identities.iter().map(|one| (one.id.as_str(), one.canonical_user_id.as_str())).collect();
        let parsed = |text: Option<&str>| {
            text.map_or(Ok(Value::Null), |text| {
                policy::parse_policy_json(text, &format_bucket_policy_label(bucket))
            })
        };
        let (now, wanted) = (parsed(now.as_deref())?, parsed(Some(new))?);
        if policy::is_same_policy_with_identities(&now, &wanted, &pairs) {
            return Ok(());
        }
        if !policy::is_same_policy_with_identities(&now, &parsed(expected_old)?, &pairs) {
            return Err(Failure::new_plan_drift_failure(
                format_bucket_policy_label(bucket),
                "it was changed since it was shown",
            ));
        }
        let known = |canonical: &str| pairs.iter().any(|(_, one)| *one == canonical);
        if let Some(stranger) = policy::find_our_canonical_users(&wanted).into_iter().find(|one| !known(one))
        {
            return Err(Failure::new_generic_failure(
                format_bucket_policy_label(bucket),
                format!("the canonical user {stranger} is no origin access identity of this account"),
                "look again: the identity may have been deleted",
            ));
        }
        // Our identity is there, so that S3 doesn't know it is a delay; if it lasts, another principal is gone.
        let late = |failure: &Failure| {
            error::has_aws_error_code(failure, "NoSuchBucket")
                || error::has_aws_error_code(failure, "MalformedPolicy")
                    && failure.why.contains("Invalid principal in policy")
        };
        let put = || self.put_bucket_policy(bucket, new, account);
        retry::retry_while_transient(PRINCIPAL_KNOWN_WAIT, say, late, put).await?;
        retry::poll_until(BUCKET_POLICY_EFFECTIVE_WAIT, say, || async {
            let now = self.read_bucket_policy(bucket, account).await?;
            Ok(policy::is_same_policy_with_identities(&parsed(now.as_deref())?, &wanted, &pairs)
                .then_some(()))
        })
        .await
    }

    async fn put_bucket_policy(&self, bucket: &str, new: &str, account: &str) -> Result<(), Failure> {
        let asked = self
            .s3
            .put_bucket_policy()
            .bucket(bucket)
            .policy(new)
            .expected_bucket_owner(account)
            .send()
            .await;
        match asked.map_err(error::build_aws_action_failure(
            "s3:PutBucketPolicy",
            format_bucket_policy_label(bucket),
        )) {
            // The policy was read a moment ago: a bucket that S3 still lists is only not known everywhere.
            Err(failure)
                if error::has_aws_error_code(&failure, "NoSuchBucket")
                    && !self.may_bucket_exist(bucket).await =>
            {
                // Told apart from the one that passes.
                Err(Failure { code: None, ..failure })
            }
            Err(failure) => Err(failure),
            Ok(_) => Ok(()),
        }
    }
}
