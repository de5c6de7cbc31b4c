//! One object from its HEAD to its copy: looked at again as long as somebody else keeps writing it.
//!
//! Everything it sends is conditional on what it saw; what it began and can't finish it drops.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    decide::{Decision, decide},
    progress::Outcome,
    workers::{Crew, Left},
};
pub(crate) use crate::aws::s3::fast::{Head, parts};
use crate::model::{packagecloud::object::Class, run::failure::Kind};

/// How often an object that changed meanwhile is looked at again.
const ROUNDS: u32 = 6;
/// Parts of one object that are copied side by side.
const PARTS: usize = 8;

impl Crew {
    pub async fn treat(&self, key: &str) -> Result<Outcome, Left> {
        let class = self.classes.class(key);
        for round in 0..ROUNDS {
            if round > 0 {
                self.rest(100, round, 2_000).await;
            }
            let head = self.patiently(|| self.s3.head(key)).await?;
            let (cache_control, in_parts) = match decide(class, &head) {
                Decision::Keep => return Ok(Outcome::Kept),
                Decision::Skip(why) => return Err(Left::Unfit(why)),
                Decision::Copy(cache_control) => (cache_control, false),
                Decision::CopyInParts(cache_control) => (cache_control, true),
            };
            let access = if self.acl { Box::pin(self.access(key)).await? } else { Vec::new() };
            if class == Class::Package
                && !in_parts
                && access.is_empty()
                && self.handed_over(key, &head, cache_control)?
            {
                return Ok(Outcome::HandedOver);
            }
            let mut attributes = head.said_again(cache_control, self.s3.now());
            attributes.extend(access);
            let size = head.size;
            let copied = if in_parts {
                Box::pin(self.copy_in_parts(key, &head, &attributes)).await
            } else {
                // Hundreds wait here side by side: only what the copy says is held.
                let etag = head.etag.clone();
                drop(head);
                self.patiently(|| self.s3.copy(key, &etag, &attributes)).await
            };
            match copied {
                Ok(()) => return Ok(Outcome::Changed(size)),
                Err(Left::Overtaken) => {}
                Err(left) => return Err(left),
            }
        }
        Err(Left::Overtaken)
    }

    /// Whether S3 Batch Operations will copy it.
    fn handed_over(&self, key: &str, head: &Head, cache_control: &'static str) -> Result<bool, Left> {
        let Some(spool) = &self.spool else { return Ok(false) };
        spool.take(key, head, cache_control).map_err(|failure| {
            self.fail(failure);
            Left::Halted
        })
    }

    /// The headers that keep the access control list: none where lists aren't kept, or can't be read.
    async fn access(&self, key: &str) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, Left> {
        match self.patiently(|| self.s3.acl(key)).await {
            // What can't be asked is unknown, and stops nothing; the next one may be readable.
            Err(Left::GivenUp(Kind::Denied, _) | Left::Unfit(_)) => {
                self.ledger().acl_denied();
                Ok(Vec::new())
            }
            said => said,
        }
    }

    async fn copy_in_parts(
        &self,
        key: &str,
        head: &Head,
        attributes: &Vec<(http::HeaderName, http::HeaderValue)>,
    ) -> Result<(), Left> {
        let _one = self.large.acquire().await.map_err(|_| Left::Halted)?;
        let upload = self.patiently(|| self.s3.begin_parts(key, head, attributes)).await?;
        self.ledger().uploads.insert(upload.clone(), key.to_owned());
        let copied = tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Left::Halted),
            copied = self.copy_parts(key, head, &upload) => copied,
        };
        // After a lost reply the completion may have happened: the next look at the object tells.
        let clear = match &copied {
            Ok(()) => true,
            Err(Left::Halted) => self.s3.abort_parts(key, &upload).await.is_ok(),
            Err(_) => self.patiently(|| self.s3.abort_parts(key, &upload)).await.is_ok(),
        };
        if clear {
            self.ledger().uploads.remove(&upload);
        }
        match copied {
            Err(Left::Gone) => Err(Left::Overtaken),
            other => other,
        }
    }

    /// Each part by itself, and then their completion: what was copied isn't copied again.
    async fn copy_parts(&self, key: &str, head: &Head, upload: &str) -> Result<(), Left> {
        let part =
            |(number, bytes)| self.patiently(move || self.s3.copy_part(key, head, upload, number, bytes));
        let done: Vec<String> =
            stream::iter((1..).zip(parts(head.size)).map(part)).buffered(PARTS).try_collect().await?;
        self.patiently(|| self.s3.complete_parts(key, head, upload, &done)).await
    }
}
