//! When the objects of a kind changed last, and which of them carry a wrong Cache-Control: by a listing, and by a HEAD each.
//!
//! Not the hot path: for what is watched once a minute. Holds a page at a time.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::{Cloud, error};
use crate::model::{
    packagecloud::object::{Class, Classes},
    run::failure::{Failure, Kind},
};

const AT_ONCE: usize = 32;

/// What a listing shows of all objects of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Newest {
    pub count: u64,
    /// Unix seconds, on S3's clock.
    pub changed: i64,
}

impl Cloud {
    /// How many objects of repository metadata there are, and when the last of them changed.
    pub async fn newest_metadata(&self, bucket: &str, classes: &Classes) -> Result<Newest, Failure> {
        let mut newest = Newest::default();
        let mut pages = self.s3.list_objects_v2().bucket(bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::of("s3:ListBucket", format!("bucket {bucket}")))?;
            for object in page.contents() {
                if object.key().is_some_and(|key| classes.class(key) == Class::Metadata) {
                    newest.count += 1;
                    let changed = object.last_modified().map_or(0, aws_smithy_types::DateTime::secs);
                    newest.changed = newest.changed.max(changed);
                }
            }
        }
        Ok(newest)
    }

    /// How many objects of repository metadata would be cached as they stand; what can't be changed, or not be looked at, is
    /// not among them: the reindex lists it with its reason.
    pub async fn wrong_metadata(&self, bucket: &str, classes: &Classes) -> Result<u64, Failure> {
        let mut wrong = 0;
        let mut pages = self.s3.list_objects_v2().bucket(bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::of("s3:ListBucket", format!("bucket {bucket}")))?;
            let keys: Vec<String> = page
                .contents
                .unwrap_or_default()
                .into_iter()
                .filter_map(|object| object.key)
                .filter(|key| classes.class(key) == Class::Metadata)
                .collect();
            let heads = stream::iter(keys).map(|key| async move {
                match self.object_head(bucket, &key).await {
                    // S3 refuses a HEAD without a word: 400 where it lies under a customer's own key.
                    Err(failure) if failure.kind == Kind::Denied || error::is(&failure, "400") => Ok(None),
                    head => head,
                }
            });
            let found: Vec<_> = heads.buffer_unordered(AT_ONCE).try_collect().await?;
            // One that is gone by now is cached by nobody.
            let right = |head: &crate::model::aws::evidence::ObjectHead| {
                Class::Metadata.right(head.cache_control.as_deref())
            };
            wrong += found.iter().flatten().filter(|head| !head.archived && !right(head)).count() as u64;
        }
        Ok(wrong)
    }
}
