//! The bucket policy: read, and written over exactly what was shown.
//!
//! S3 has no condition for it, so it is read just before and again after, and compared by meaning.

use serde_json::Value;

use crate::aws::{Cloud, Say, error, retry};
use crate::model::{iam::policy, run::failure::Failure};

/// A fresh identity isn't known to S3 at once.
const PRINCIPAL_THERE: retry::Wait =
    retry::Wait::new("S3 to know the policy's principal and the bucket", 180, 4);
const POLICY_THERE: retry::Wait = retry::Wait::new("the bucket policy to take effect", 60, 2);

fn what(bucket: &str) -> String {
    format!("the policy of bucket {bucket}")
}

impl Cloud {
    /// The bucket policy as it stands; `None` where there is none.
    pub async fn bucket_policy(&self, bucket: &str, account: &str) -> Result<Option<String>, Failure> {
        let asked = self.s3.get_bucket_policy().bucket(bucket).expected_bucket_owner(account).send().await;
        let found = error::absent(asked.map_err(error::of("s3:GetBucketPolicy", what(bucket))))?;
        Ok(found.and_then(|found| found.policy))
    }

    /// Whether a HEAD finds the bucket; where it can't be asked it is taken to be there.
    async fn bucket_is_there(&self, bucket: &str) -> bool {
        let asked = self.s3.head_bucket().bucket(bucket).send().await;
        !matches!(error::absent(asked.map_err(error::of("s3:ListBucket", what(bucket)))), Ok(None))
    }

    /// Puts `new` where `expected_old` stands, and reads it again. What stands otherwise is `Drifted`.
    pub async fn put_bucket_policy(
        &self,
        bucket: &str,
        expected_old: Option<&str>,
        new: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<(), Failure> {
        let (now, identities) = tokio::try_join!(self.bucket_policy(bucket, account), self.all_identities())?;
        let pairs: Vec<(&str, &str)> =
            identities.iter().map(|one| (one.id.as_str(), one.canonical_user_id.as_str())).collect();
        let parsed =
            |text: Option<&str>| text.map_or(Ok(Value::Null), |text| policy::parse(text, &what(bucket)));
        let (now, wanted) = (parsed(now.as_deref())?, parsed(Some(new))?);
        if policy::same_among(&now, &wanted, &pairs) {
            return Ok(());
        }
        if !policy::same_among(&now, &parsed(expected_old)?, &pairs) {
            return Err(Failure::drifted(what(bucket), "it was changed since it was shown"));
        }
        let known = |canonical: &str| pairs.iter().any(|(_, one)| *one == canonical);
        if let Some(stranger) = policy::our_canonical_users(&wanted).into_iter().find(|one| !known(one)) {
            return Err(Failure::other(
                what(bucket),
                format!("the canonical user {stranger} is no origin access identity of this account"),
                "look again: the identity may have been deleted",
            ));
        }
        let put = || async {
            self.s3
                .put_bucket_policy()
                .bucket(bucket)
                .policy(new)
                .expected_bucket_owner(account)
                .send()
                .await
                .map_err(error::of("s3:PutBucketPolicy", what(bucket)))
        };
        let put = || async {
            match put().await {
                // The policy was read a moment ago: a bucket that S3 still lists is only not known everywhere.
                Err(failure)
                    if error::is(&failure, "NoSuchBucket") && !self.bucket_is_there(bucket).await =>
                {
                    // Told apart from the one that passes.
                    Err(Failure { code: None, ..failure })
                }
                done => done,
            }
        };
        // Our identity is there, so that S3 doesn't know it is a delay; if it lasts, another principal is gone.
        let late = |failure: &Failure| {
            error::is(failure, "NoSuchBucket")
                || error::is(failure, "MalformedPolicy")
                    && failure.why.contains("Invalid principal in policy")
        };
        retry::while_passing(PRINCIPAL_THERE, say, late, put).await?;
        retry::until(POLICY_THERE, say, || async {
            let now = self.bucket_policy(bucket, account).await?;
            Ok(policy::same_among(&parsed(now.as_deref())?, &wanted, &pairs).then_some(()))
        })
        .await
    }
}
