//! The cache policy: packages by their Cache-Control, repository metadata never.
//!
//! MinTTL is 0, or CloudFront would keep what says no-cache; DefaultTTL is 0, so that what says nothing isn't kept.

use crate::{
    cloud::Cloud,
    model::{failure::Failure, names::Names, seen::CachePolicy},
};

impl Cloud {
    pub async fn cache_policy(&self, names: &Names) -> Result<Option<CachePolicy>, Failure> {
        todo!()
    }

    pub async fn ensure_cache_policy(
        &self,
        names: &Names,
        seen: Option<&CachePolicy>,
        adopt: bool,
    ) -> Result<CachePolicy, Failure> {
        todo!()
    }
}
