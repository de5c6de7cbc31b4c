//! When the objects of a kind changed last, and which of them carry a wrong Cache-Control: by a listing, and by a HEAD each.
//!
//! Not the hot path: for what is watched once a minute. Holds a page at a time.

use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::read_listed_key;
use crate::aws::{AwsClients, error};
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::object::{ObjectCacheClass, ObjectClassifier},
};

const HEAD_CONCURRENCY_MAX: usize = 32;

/// What a listing shows of all objects of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepoMetadataLastModified {
    pub count: u64,
    /// Unix seconds, on S3's clock.
    pub changed: i64,
}

impl AwsClients {
    /// Counts the objects of repository metadata, and reads when the last of them changed.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn find_newest_repo_metadata_change(
        &self,
        bucket: &str,
        classes: &ObjectClassifier,
    ) -> Result<RepoMetadataLastModified, Failure> {
        let mut newest = RepoMetadataLastModified::default();
        let mut pages =
            self.s3.list_objects_v2().bucket(bucket).encoding_type(EncodingType::Url).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(error::build_aws_action_failure("s3:ListBucket", format!("bucket {bucket}")))?;
            for object in page.contents() {
                let key = read_listed_key(&page, object.key().unwrap_or_default());
                if classes.classify_object_key(&key) == ObjectCacheClass::Metadata {
                    newest.count += 1;
                    let changed = object.last_modified().map_or(0, aws_smithy_types::DateTime::secs);
                    newest.changed = newest.changed.max(changed);
                }
            }
        }
        Ok(newest)
    }

    /// Counts the objects of repository metadata that would be cached as they stand.
    ///
    /// What can't be changed, or not be looked at, is not among them: the reindex lists it with its reason.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn count_cacheable_repo_metadata(
        &self,
        bucket: &str,
        classes: &ObjectClassifier,
    ) -> Result<u64, Failure> {
        let mut wrong = 0;
        let mut pages =
            self.s3.list_objects_v2().bucket(bucket).encoding_type(EncodingType::Url).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(error::build_aws_action_failure("s3:ListBucket", format!("bucket {bucket}")))?;
            let keys: Vec<String> = page
                .contents()
                .iter()
                .filter_map(|object| Some(read_listed_key(&page, object.key()?)))
                .filter(|key| classes.classify_object_key(key) == ObjectCacheClass::Metadata)
                .collect();
            let heads = stream::iter(keys).map(|key| async move {
                match self.read_object_head(bucket, &key).await {
                    // S3 refuses a HEAD without a word: 400 where it lies under a customer's own key.
                    Err(failure)
                        if failure.kind == FailureKind::Denied
                            || error::has_aws_error_code(&failure, "400") =>
                    {
                        Ok(None)
                    }
                    head => head,
                }
            });
            let found: Vec<_> = heads.buffer_unordered(HEAD_CONCURRENCY_MAX).try_collect().await?;
            // One that is gone by now is cached by nobody.
            let right = |head: &crate::model::aws::bucket::ObjectHead| {
                ObjectCacheClass::Metadata.is_correct_cache_control(head.cache_control.as_deref())
            };
            wrong += found.iter().flatten().filter(|head| !head.archived && !right(head)).count() as u64;
        }
        Ok(wrong)
    }
}
