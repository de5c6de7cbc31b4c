//! Distributions as they stand: all of the account, those of the bucket, one.
//!
//! Tags and the whole configuration are asked only of those that may concern the bucket.

use crate::{
    cloud::Cloud,
    model::{failure::Failure, names::Names, seen::Distribution},
};

/// Those whose origin is the bucket, by any form of its domain.
#[must_use]
pub fn bucket_distributions<'a>(all: &'a [Distribution], bucket: &str) -> Vec<&'a Distribution> {
    todo!()
}

impl Cloud {
    /// All distributions of the account.
    pub async fn distributions(&self, names: &Names) -> Result<Vec<Distribution>, Failure> {
        todo!()
    }

    /// One distribution, by its id.
    pub async fn distribution(&self, names: &Names, id: &str) -> Result<Option<Distribution>, Failure> {
        todo!()
    }
}
