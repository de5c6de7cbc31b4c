//! CloudFront: origin access, the cache policies, distributions and what is associated with them.
//!
//! An update goes out with the ETag of the configuration that it was made from, and drops nothing that stands in it.

mod cache_policy;
pub mod config;
mod distribution;
mod invalidation;
mod origin;
pub mod origin_access;
mod quotas;
mod read;
mod restore;
pub mod round_trip;
mod settings_text;

pub use config::{DistributionSettings, IntendedDistributionUpdate, OriginAccessId, PathCachingSettings};
pub use distribution::is_path_caching_refusal;
pub use invalidation::INVALIDATION_QUOTA_CODE;
pub use origin::{find_bucket_distributions, is_bucket_domain};
pub use read::is_regional_bucket_domain;
pub use restore::DistributionSnapshot;
pub use settings_text::describe_new_distribution_settings;

use aws_sdk_cloudfront::error::BuildError;

use crate::model::failure::Failure;

/// A part that AWS's own model wants is missing: a fault of ours.
fn failure_from_sdk_build_error(what: &str, error: &BuildError) -> Failure {
    Failure::new_generic_failure(what, error.to_string(), "report this as a fault of the tool")
}
