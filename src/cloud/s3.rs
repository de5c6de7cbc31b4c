//! S3: the bucket, its policy, and small looks at its objects.
//!
//! A bucket policy is written only over what was shown, and only in the account that was shown.

use bytes::Bytes;

use super::{Cloud, Say};
use crate::model::{
    failure::Failure,
    seen::{BucketSeen, Listed, ObjectHead},
};

impl Cloud {
    /// The names of all buckets of the account.
    pub async fn buckets(&self) -> Result<Vec<String>, Failure> {
        todo!()
    }

    /// The bucket in this account; what of it can't be read is empty. Its region is the first thing asked: look
    /// at it through a `Cloud` in any region.
    pub async fn bucket(&self, name: &str, account: &str) -> Result<BucketSeen, Failure> {
        todo!()
    }

    /// Up to `n` objects (1,000 a request) whose keys begin with `prefix`.
    pub async fn list(&self, bucket: &str, prefix: &str, n: usize) -> Result<Vec<Listed>, Failure> {
        todo!()
    }

    /// The first `n` keys.
    pub async fn sample_keys(&self, bucket: &str, n: usize) -> Result<Vec<String>, Failure> {
        todo!()
    }

    /// An object's attributes; `None` where there is none.
    pub async fn object_head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, Failure> {
        todo!()
    }

    /// An object's first `limit` bytes (all of it where it is smaller).
    pub async fn get_object(&self, bucket: &str, key: &str, limit: u64) -> Result<Bytes, Failure> {
        todo!()
    }

    /// Puts `new` where `expected_old` stands, and reads it again.
    pub async fn put_bucket_policy(
        &self,
        bucket: &str,
        expected_old: Option<&str>,
        new: &str,
        account: &str,
        say: Say<'_>,
    ) -> Result<(), Failure> {
        todo!()
    }
}
