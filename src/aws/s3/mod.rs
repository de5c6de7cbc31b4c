//! S3: where a bucket lies, and small looks at its objects; a bucket of another account is refused.

pub mod bucket_policy;
pub(super) mod endpoint;
pub mod fast;
pub mod last_modified;
mod listed_key;
mod public_access;
mod settings;
mod write_reactions;

use aws_sdk_s3::{
    error::SdkError,
    operation::list_objects_v2::ListObjectsV2Output,
    types::{EncodingType, ObjectStorageClass, StorageClass},
};
use bytes::Bytes;

use super::{AwsClients, error};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::{
        bucket::{ListedObject, ObjectHead},
        names::EDGE_REGION,
    },
    failure::{Failure, FailureKind},
};

fn format_bucket_label(bucket: &str) -> String {
    format!("bucket {bucket}")
}

impl AwsClients {
    /// Lists the names of all buckets of the account.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn list_buckets(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut pages = self.s3.list_buckets().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page
                .map_err(error::build_aws_action_failure("s3:ListAllMyBuckets", "the account's buckets"))?;
            all.extend(page.buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned)));
        }
        Ok(all)
    }

    /// Reads where the bucket of this account lies, whatever region these clients are in:
    /// [`AwsClients::clone_with_bucket_region`] of it is the one to go on with.
    ///
    /// # Errors
    /// Where the bucket isn't there or isn't this account's, or S3 refuses.
    pub async fn read_bucket_region(&self, name: &str, account: &str) -> Result<String, Failure> {
        let asked = self.s3.head_bucket().bucket(name).expected_bucket_owner(account).send().await;
        let failure = match asked {
            Ok(found) if found.bucket_region().is_some() => {
                return Ok(found.bucket_region.unwrap_or_default());
            }
            Ok(_) => return self.read_bucket_location(name, account).await,
            Err(error) => {
                let answer = error.raw_response();
                let status = answer.map(|answer| answer.status().as_u16());
                let told = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region"));
                // Asked in a wrong region S3 sends it on, and says the right one.
                if let (Some(region), Some(301 | 307 | 400)) = (told, status) {
                    return Ok(region.to_owned());
                }
                error::build_aws_action_failure("s3:ListBucket", format_bucket_label(name))(error)
            }
        };
        match failure.kind {
            FailureKind::Missing => Err(Failure {
                why: "there is no bucket of this name".into(),
                next: "name packagecloud's bucket with --bucket".into(),
                ..failure
            }),
            FailureKind::Denied => {
                let without = self.s3.head_bucket().bucket(name).send().await;
                if without.is_ok() {
                    Err(build_other_account_bucket_failure(name, account))
                } else {
                    Err(build_unlistable_bucket_failure(name, account, failure))
                }
            }
            _ => Err(failure),
        }
    }

    async fn read_bucket_location(&self, name: &str, account: &str) -> Result<String, Failure> {
        let asked = self.s3.get_bucket_location().bucket(name).expected_bucket_owner(account).send().await;
        let found = match asked
            .map_err(error::build_aws_action_failure("s3:GetBucketLocation", format_bucket_label(name)))
        {
            // A store that tells no region is asked as it was.
            Err(failure) if error::is_not_implemented_failure(&failure) => {
                return Ok(self.config.region().map_or(EDGE_REGION, |region| region.as_ref()).to_owned());
            }
            found => found?,
        };
        Ok(match found.location_constraint().map(aws_sdk_s3::types::BucketLocationConstraint::as_str) {
            None | Some("") => EDGE_REGION.to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(region) => region.to_owned(),
        })
    }

    /// Lists up to `n` objects whose keys begin with `prefix`.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        n: usize,
    ) -> Result<Vec<ListedObject>, Failure> {
        let mut all = Vec::new();
        let page_size = i32::try_from(n.min(1000)).unwrap_or(1000);
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .max_keys(page_size)
            .encoding_type(EncodingType::Url)
            .into_paginator()
            .send();
        while all.len() < n {
            let Some(page) = pages.next().await else { break };
            let page =
                page.map_err(error::build_aws_action_failure("s3:ListBucket", format_bucket_label(bucket)))?;
            for object in page.contents() {
                let archived = matches!(
                    object.storage_class(),
                    Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive)
                );
                all.push(ListedObject {
                    key: read_listed_key(&page, object.key().unwrap_or_default()),
                    size: object.size().unwrap_or_default().try_into().unwrap_or_default(),
                    etag: object.e_tag().unwrap_or_default().to_owned(),
                    archived,
                });
            }
        }
        all.truncate(n);
        Ok(all)
    }

    /// Reads an object's attributes; `None` where there is none.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn read_object_head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, Failure> {
        let asked = self.s3.head_object().bucket(bucket).key(key).send().await;
        let found = error::none_if_aws_not_found(
            asked.map_err(error::build_aws_action_failure("s3:GetObject", format!("s3://{bucket}/{key}"))),
        )?;
        Ok(found.map(|found| ObjectHead {
            size: found.content_length().unwrap_or_default().try_into().unwrap_or_default(),
            etag: found.e_tag.unwrap_or_default(),
            cache_control: found.cache_control,
            encryption: found.server_side_encryption.map(|one| one.as_str().to_owned()).unwrap_or_default(),
            kms_key: found.ssekms_key_id,
            archived: matches!(found.storage_class, Some(StorageClass::Glacier | StorageClass::DeepArchive))
                || found.archive_status.is_some(),
        }))
    }

    /// Reads an object's first `limit` bytes; all of it where it is smaller.
    ///
    /// # Errors
    /// Where the object isn't there, or S3 refuses.
    pub async fn read_object_start(&self, bucket: &str, key: &str, limit: u64) -> Result<Bytes, Failure> {
        let object = format!("s3://{bucket}/{key}");
        let range = format!("bytes=0-{}", limit.saturating_sub(1));
        let found = match self.s3.get_object().bucket(bucket).key(key).range(range).send().await {
            // Nothing of an empty object is in any range.
            Err(SdkError::ServiceError(answer)) if answer.raw().status().as_u16() == 416 => {
                return Ok(Bytes::new());
            }
            asked => asked.map_err(error::build_aws_action_failure("s3:GetObject", &object))?,
        };
        let body = found.body.collect().await.map_err(|error| {
            Failure::new(
                FailureKind::Unreachable,
                object,
                format!("its bytes broke off: {error}"),
                "check the network, then try again",
            )
        })?;
        Ok(body.into_bytes())
    }
}

/// Returns a key of a page as it is; one that can't be decoded is none of S3's, and stays as it came.
fn read_listed_key(page: &ListObjectsV2Output, key: &str) -> String {
    match page.encoding_type() {
        Some(_) => listed_key::decode_url_encoded_key(key).unwrap_or_else(|_| key.to_owned()),
        None => key.to_owned(),
    }
}

/// S3 doesn't say which of three reasons it has: all are named, with how to tell them apart.
fn build_unlistable_bucket_failure(name: &str, account: &str, failure: Failure) -> Failure {
    let why = format!(
        "{}: no policy of this identity allows it, a Deny statement in the bucket policy refuses it (one for a VPC endpoint or for addresses does so too, and no other policy overrules it), or the bucket is not one of account {account}",
        failure.why
    );
    let next = format!(
        "look for a Deny: aws s3api get-bucket-policy --bucket {name} ; where there is none, attach the policy that this prints: {}",
        render_proposed_command("check", &["--policy"])
    );
    Failure { why, next, ..failure }
}

fn build_other_account_bucket_failure(name: &str, account: &str) -> Failure {
    Failure::new_generic_failure(
        format_bucket_label(name),
        format!("it belongs to another account than {account}"),
        "use an identity of the account that owns the bucket",
    )
}
