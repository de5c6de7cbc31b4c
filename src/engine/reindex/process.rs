//! One object from its HEAD to its copy: looked at again as long as somebody else keeps writing it.
//!
//! Everything it sends is conditional on what it saw; what it began and can't finish it drops.

use std::sync::atomic::Ordering::Relaxed;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    decide::{ReindexDecision, decide_object_reindex},
    progress::ObjectReindexOutcome,
    workers::{ObjectNotDone, ReindexWorkers},
};
pub(crate) use crate::aws::s3::fast::{ObjectAttributes, has_public_acl_header, split_into_copy_parts};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{failure::FailureKind, packagecloud::object::ObjectCacheClass};

/// How often an object that changed meanwhile is looked at again.
const OBJECT_ROUNDS_MAX: u32 = 6;
/// What helps where the object itself is why it can't be changed.
fn advise_for_skipped_object() -> String {
    format!(
        "correct that in the S3 console (each key is listed with its reason), then run: {} — or go on without with --skip-reindex: packages pass through CloudFront uncached then",
        render_same_command_again(&[])
    )
}

/// Parts of one object that are copied side by side.
const PARALLEL_PARTS: usize = 8;

impl ReindexWorkers {
    /// Looks at one object, and changes it where its attributes are not right.
    ///
    /// # Errors
    /// Fails where the object can't be changed, or S3's refusal ends the run.
    pub async fn reindex_object(&self, key: &str) -> Result<ObjectReindexOutcome, ObjectNotDone> {
        let class = self.classes.classify_object_key(key);
        let mut vanishes = false;
        for round in 0..OBJECT_ROUNDS_MAX {
            if round > 0 {
                self.wait_retry_backoff(100, round, 2_000).await;
            }
            let head = self.retry_s3_request(|| self.s3.head_object(key)).await?;
            let (cache_control, in_parts) = match decide_object_reindex(class, &head) {
                ReindexDecision::Keep => return Ok(ObjectReindexOutcome::Kept),
                ReindexDecision::Skip(why) => {
                    return Err(ObjectNotDone::Unfit { why, next: advise_for_skipped_object() });
                }
                ReindexDecision::Copy(cache_control) => (cache_control, false),
                ReindexDecision::CopyMultipart(cache_control) => (cache_control, true),
            };
            let access = if self.keeps_acls.load(Relaxed) {
                match Box::pin(self.read_object_acl_headers(key)).await {
                    // It was there just now: HEAD tells whether it is.
                    Err(ObjectNotDone::Gone) => {
                        vanishes = true;
                        continue;
                    }
                    said => said?,
                }
            } else {
                Vec::new()
            };
            if class == ObjectCacheClass::Package
                && !in_parts
                && access.is_empty()
                && self.try_add_object_to_batch(key, &head, cache_control)?
            {
                return Ok(ObjectReindexOutcome::HandedOver);
            }
            let mut attributes =
                head.build_object_copy_headers(cache_control, self.s3.current_signing_time());
            let public = has_public_acl_header(&access);
            attributes.extend(access);
            let size = head.size;
            let copied = if in_parts {
                Box::pin(self.copy_object_multipart(key, &head, &attributes)).await
            } else {
                // Hundreds wait here side by side: only what the copy says is held.
                let etag = head.etag.clone();
                drop(head);
                self.retry_s3_request(|| self.s3.copy_object_in_place(key, &etag, &attributes)).await
            };
            match copied {
                Ok(()) => return Ok(ObjectReindexOutcome::Changed(size)),
                Err(ObjectNotDone::Overtaken) => vanishes = false,
                Err(ObjectNotDone::Gone) => vanishes = true,
                Err(ObjectNotDone::Refused { kind: FailureKind::Denied, why, .. }) if public => {
                    return Err(ObjectNotDone::PublicAclRefused(why));
                }
                Err(left) => return Err(left),
            }
        }
        Err(if vanishes {
            let why = "HEAD finds it, and S3 says that there is no such key to copy";
            ObjectNotDone::GivenUp(why.to_owned())
        } else {
            ObjectNotDone::Overtaken
        })
    }

    /// Whether S3 Batch Operations will copy it.
    fn try_add_object_to_batch(
        &self,
        key: &str,
        head: &ObjectAttributes,
        cache_control: &'static str,
    ) -> Result<bool, ObjectNotDone> {
        let Some(spool) = &self.spool else { return Ok(false) };
        spool.try_add_object_to_manifest(key, head, cache_control).map_err(|failure| {
            self.halt_workers_with_failure(failure);
            ObjectNotDone::Halted
        })
    }

    /// The headers that keep the access control list: none where lists aren't kept, or can't be read, or S3 has none.
    async fn read_object_acl_headers(
        &self,
        key: &str,
    ) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, ObjectNotDone> {
        match self.retry_s3_request(|| self.s3.read_object_acl_headers(key)).await {
            // What can't be asked is unknown, and stops nothing; the next one may be readable.
            Err(ObjectNotDone::Refused { .. } | ObjectNotDone::Unfit { .. }) => {
                self.lock_reindex_checkpoint().increment_unreadable_acl_count();
                Ok(Vec::new())
            }
            // Nothing can be lost that isn't there: no other object is asked for it.
            Err(ObjectNotDone::Unsupported(_)) => {
                self.keeps_acls.store(false, Relaxed);
                Ok(Vec::new())
            }
            said => said,
        }
    }

    async fn copy_object_multipart(
        &self,
        key: &str,
        head: &ObjectAttributes,
        attributes: &Vec<(http::HeaderName, http::HeaderValue)>,
    ) -> Result<(), ObjectNotDone> {
        let _one = self.large_copy_permits.acquire().await.map_err(|_| ObjectNotDone::Halted)?;
        let upload = self.retry_s3_request(|| self.s3.create_multipart_upload(key, head, attributes)).await?;
        self.lock_reindex_checkpoint().uploads.insert(upload.clone(), key.to_owned());
        let copied = tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(ObjectNotDone::Halted),
            copied = self.copy_object_parts(key, head, &upload) => copied,
        };
        // After a lost reply the completion may have happened: the next look at the object tells.
        let clear = match &copied {
            Ok(()) => true,
            Err(ObjectNotDone::Halted) => self.s3.abort_multipart_upload(key, &upload).await.is_ok(),
            Err(_) => self.retry_s3_request(|| self.s3.abort_multipart_upload(key, &upload)).await.is_ok(),
        };
        if clear {
            self.lock_reindex_checkpoint().uploads.remove(&upload);
        }
        match copied {
            Err(ObjectNotDone::Gone) => Err(ObjectNotDone::Overtaken),
            other => other,
        }
    }

    /// Each part by itself, and then their completion: what was copied isn't copied again.
    async fn copy_object_parts(
        &self,
        key: &str,
        head: &ObjectAttributes,
        upload: &str,
    ) -> Result<(), ObjectNotDone> {
        let part = |(number, bytes)| {
            self.retry_s3_request(move || self.s3.copy_object_part(key, head, upload, number, bytes))
        };
        let done: Vec<String> = stream::iter((1..).zip(split_into_copy_parts(head.size)).map(part))
            .buffered(PARALLEL_PARTS)
            .try_collect()
            .await?;
        self.retry_s3_request(|| self.s3.complete_multipart_upload(key, head, upload, &done)).await
    }
}
