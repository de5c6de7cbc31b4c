//! Key policies: ours by Sid beside what stands, and, on a yes of its own, CloudFront in that of a key that objects lie under.
//!
//! KMS has no condition for it, so a policy is read just before it is put, and until it is seen to hold.

use aws_config::Region;
use aws_sdk_kms::types::KeyManagerType;
use serde_json::Value;

use super::what;
use crate::aws::{Cloud, Say, error, lazy, retry};
use crate::model::{
    aws::{
        evidence::{KmsKey, ObjectsKey},
        names::Names,
    },
    iam::policy,
    run::failure::{Failure, Kind},
};

/// `GetKeyPolicy` may give the old one for a while, even after it gave the new one.
const POLICY_THERE: retry::Wait = retry::Wait::new("the key policy to take effect", 600, 2);
/// How often in a row it must give the new one.
const STEADY: usize = 5;
/// Neither a fresh key nor a fresh principal is known to all of KMS at once.
pub(super) const KNOWN: retry::Wait =
    retry::Wait::new("KMS to know the key and its policy's principals", 120, 2);

/// KMS doesn't know a principal of the policy: not yet, or not any more.
pub(super) fn unknown_principal(failure: &Failure) -> bool {
    error::is(failure, "MalformedPolicyDocumentException") && failure.why.contains("invalid principals")
}

/// The same code means a delay and a permanent mistake: a principal that was deleted doesn't come back, so a policy
/// that names one isn't sent.
fn refuse_deleted(what: &str, document: &Value) -> Result<(), Failure> {
    match policy::deleted_principals(document).first() {
        Some(gone) => Err(Failure::other(
            format!("the policy of {what}"),
            format!("it names {gone}, a principal that was deleted: KMS refuses to store it again"),
            "remove that principal from the key's policy in the KMS console, then try again",
        )),
        None => Ok(()),
    }
}

impl Cloud {
    pub(super) async fn standing_policy(&self, what: &str, id: &str) -> Result<Value, Failure> {
        let asked = self.kms.get_key_policy().key_id(id).policy_name("default").send().await;
        let found = asked.map_err(error::of("kms:GetKeyPolicy", what))?;
        policy::parse(found.policy().unwrap_or("{}"), what)
    }

    /// Our statements stand in the key's policy; every other stays as it was. The policy as it then is.
    pub async fn ensure_key_policy(
        &self,
        names: &Names,
        key: &KmsKey,
        role_arn: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        let ours = policy::key_policy(names, role_arn, account);
        self.put_statements(&what(names), &key.id, Some(&key.policy), &ours, say).await
    }

    /// A key that objects lie under, in its region, lets CloudFront decrypt for this distribution. Only on a separate yes.
    pub async fn ensure_bucket_key(
        &self,
        names: &Names,
        key_arn: &str,
        distribution_arn: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<(), Failure> {
        let statement = policy::bucket_key_statement(names, distribution_arn, account);
        let ours = serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] });
        let what = format!("the objects' KMS key {key_arn}");
        self.beside(key_arn).put_statements(&what, key_arn, None, &ours, say).await.map(|_| ())
    }

    /// A key that objects lie under, by ARN, id or alias in the bucket's region: whether it is AWS's own (`aws/s3`),
    /// and whether it lets CloudFront decrypt for the distribution. What may not be read is not known.
    pub async fn objects_key(
        &self,
        names: &Names,
        key: &str,
        distribution_arn: Option<&str>,
        account: &str,
    ) -> Result<ObjectsKey, Failure> {
        let there = self.beside(key);
        let what = format!("the objects' KMS key {key}");
        let asked = there.kms.describe_key().key_id(key).send().await;
        let found = match asked.map_err(error::of("kms:DescribeKey", &what)) {
            Ok(found) => found.key_metadata,
            // S3's own key isn't there before an object lies under it.
            Err(failure) if failure.kind == Kind::Missing && key.ends_with("aws/s3") => {
                return Ok(ObjectsKey { key: key.to_owned(), managed_by_aws: true, granted: Some(false) });
            }
            Err(failure) if failure.kind == Kind::Denied => None,
            Err(failure) => return Err(failure),
        };
        let managed_by_aws =
            found.as_ref().is_some_and(|found| found.key_manager() == Some(&KeyManagerType::Aws));
        let arn = found.and_then(|found| found.arn).unwrap_or_else(|| key.to_owned());
        let granted = if managed_by_aws {
            Some(false)
        } else {
            match there.standing_policy(&what, &arn).await {
                Ok(standing) => Some(distribution_arn.is_some_and(|distribution| {
                    let ours = policy::bucket_key_statement(names, distribution, account);
                    policy::says(&standing, &ours)
                })),
                Err(failure) if failure.kind == Kind::Denied => None,
                Err(failure) => return Err(failure),
            }
        };
        Ok(ObjectsKey { key: arn, managed_by_aws, granted })
    }

    /// The same with KMS in the region of the key's ARN, else of the bucket.
    fn beside(&self, key: &str) -> Self {
        let named = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        let region = named.map(|name| Region::new(name.to_owned())).or_else(|| self.config.region().cloned());
        let config = self.config.to_builder().region(region).build();
        Self { kms: lazy(&config, aws_sdk_kms::Client::new), ..self.clone() }
    }

    async fn put_statements(
        &self,
        what: &str,
        id: &str,
        seen: Option<&Value>,
        ours: &Value,
        say: Say<'_>,
    ) -> Result<Value, Failure> {
        if let Some(seen) = seen.filter(|seen| policy::carries(seen, ours)) {
            return Ok(seen.clone());
        }
        let now = self.standing_policy(what, id).await?;
        if policy::carries(&now, ours) {
            return Ok(now);
        }
        if seen.is_some_and(|seen| !policy::same(seen, &now)) {
            return Err(Failure::drifted(
                format!("the policy of {what}"),
                "it was changed since it was shown",
            ));
        }
        let new = policy::merged_key_policy(&now, ours);
        refuse_deleted(what, &new)?;
        let new = new.to_string();
        let put = || async {
            let asked = self.kms.put_key_policy().key_id(id).policy_name("default").policy(&new).send().await;
            asked.map_err(error::of("kms:PutKeyPolicy", what))
        };
        let late = |failure: &Failure| failure.kind == Kind::Missing || unknown_principal(failure);
        retry::while_passing(KNOWN, say, late, put).await?;
        retry::until_steady(POLICY_THERE, STEADY, say, || async {
            let now = self.standing_policy(what, id).await?;
            Ok(policy::carries(&now, ours).then_some(now))
        })
        .await
    }
}
