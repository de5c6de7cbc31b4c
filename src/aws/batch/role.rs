//! The role that S3 Batch Operations works as: made, found and kept right as the function's is.

use serde_json::Value;

use crate::aws::{AwsClients, WaitProgressReporter, iam::DesiredIamRole};
use crate::model::{
    aws::{account::IamRole, names::ResourceNames},
    failure::Failure,
    iam::policy,
};

impl AwsClients {
    /// Reads the role of S3 Batch Operations, whoever's it is.
    ///
    /// # Errors
    /// Where IAM refuses or doesn't answer.
    pub async fn read_batch_role(&self, names: &ResourceNames) -> Result<Option<IamRole>, Failure> {
        self.read_iam_role(names, &names.batch_role_name()).await
    }

    /// Makes the role where `seen` is none; trusted by S3 Batch Operations alone; tagged.
    ///
    /// # Errors
    /// Where it is another's, or IAM refuses.
    pub async fn ensure_batch_role(
        &self,
        names: &ResourceNames,
        seen: Option<&IamRole>,
        boundary: Option<&str>,
        adopt: bool,
        say: WaitProgressReporter<'_>,
    ) -> Result<IamRole, Failure> {
        let ours = policy::build_batch_trust_policy();
        let wanted = DesiredIamRole {
            name: names.batch_role_name(),
            description: "packagecloud-cloudfront: copies packages by S3 Batch Operations",
            trust: ours.clone(),
            repair_trust: &|trust| {
                (!policy::has_all_policy_statements(trust, &ours))
                    .then(|| policy::merge_policy_by_sid(trust, &ours))
            },
        };
        Ok(self.ensure_iam_role(names, &wanted, seen, boundary, adopt, say).await?.role)
    }

    /// Writes its inline policy, which lets it copy this bucket's objects, and use `key_arn`, the bucket's default key.
    ///
    /// # Errors
    /// Where IAM refuses it.
    pub async fn ensure_batch_policy(
        &self,
        names: &ResourceNames,
        role: &IamRole,
        key_arn: Option<&str>,
        say: WaitProgressReporter<'_>,
    ) -> Result<Value, Failure> {
        self.ensure_inline_role_policy(role, policy::build_batch_role_policy(names, key_arn), say).await
    }
}
