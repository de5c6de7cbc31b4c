//! What holds for all requests of others to a bucket: S3 Block Public Access, and who pays for them.

use tokio::try_join;

use super::{
    format_bucket_label,
    settings::{tolerate_unreachable_bucket_setting, tolerate_unreadable_bucket_setting},
};
use crate::aws::{AwsClients, error};
use crate::model::{aws::bucket::PublicAccessBlock, failure::Failure};

impl AwsClients {
    /// Reads S3 Block Public Access: what the bucket blocks, or its whole account. A part that can't be read blocks nothing,
    /// and is named in `unread`.
    ///
    /// # Errors
    /// Where S3 doesn't answer.
    pub(super) async fn read_public_access_block(
        &self,
        bucket: &str,
        account: &str,
        unread: &mut Vec<String>,
    ) -> Result<PublicAccessBlock, Failure> {
        let of_bucket = async {
            let asked =
                self.s3.get_public_access_block().bucket(bucket).expected_bucket_owner(account).send();
            let asked = asked.await.map_err(error::build_aws_action_failure(
                "s3:GetBucketPublicAccessBlock",
                format_bucket_label(bucket),
            ));
            tolerate_unreadable_bucket_setting("Block Public Access", error::none_if_aws_not_found(asked))
        };
        let of_account = async {
            let asked = self.s3control.get_public_access_block().account_id(account).send();
            let asked = asked.await.map_err(error::build_aws_action_failure(
                "s3:GetAccountPublicAccessBlock",
                format!("account {account}"),
            ));
            let asked = error::none_if_aws_not_found(asked);
            // S3 Control is another host: a proxy may let only the bucket's through.
            tolerate_unreachable_bucket_setting("Block Public Access of the account", asked)
        };
        let (of_bucket, of_account) = try_join!(of_bucket, of_account)?;
        unread.extend(of_bucket.as_ref().err().into_iter().chain(of_account.as_ref().err()).cloned());
        let one = of_bucket.ok().flatten().and_then(|found| found.public_access_block_configuration);
        let all = of_account.ok().flatten().and_then(|found| found.public_access_block_configuration);
        let is_set = |one: Option<Option<bool>>, all: Option<Option<bool>>| {
            one.flatten() == Some(true) || all.flatten() == Some(true)
        };
        let (one, all) = (one.as_ref(), all.as_ref());
        Ok(PublicAccessBlock {
            blocks_public_acls: is_set(
                one.map(|one| one.block_public_acls),
                all.map(|all| all.block_public_acls),
            ),
            blocks_public_policy: is_set(
                one.map(|one| one.block_public_policy),
                all.map(|all| all.block_public_policy),
            ),
            restricts_public_buckets: is_set(
                one.map(|one| one.restrict_public_buckets),
                all.map(|all| all.restrict_public_buckets),
            ),
        })
    }

    /// Reads whether whoever downloads pays (Requester Pays): CloudFront can't read such a bucket.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn is_bucket_requester_pays(&self, bucket: &str, account: &str) -> Result<bool, Failure> {
        let asked = self.s3.get_bucket_request_payment().bucket(bucket).expected_bucket_owner(account).send();
        let found = asked.await.map_err(error::build_aws_action_failure(
            "s3:GetBucketRequestPayment",
            format_bucket_label(bucket),
        ))?;
        Ok(found.payer() == Some(&aws_sdk_s3::types::Payer::Requester))
    }
}
