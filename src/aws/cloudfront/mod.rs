//! CloudFront: origin access, the cache policy, distributions and what is associated with them.
//!
//! An update goes out with the ETag of the configuration that it was made from, and drops nothing that stands in it.

mod cache_policy;
pub mod config;
mod distribution;
mod origin;
pub mod origin_access;
mod quotas;
mod read;
pub mod round_trip;

pub use config::{DistributionSettings, IntendedDistributionUpdate, OriginAccessId};
pub use origin::{find_bucket_distributions, is_bucket_domain};

use aws_sdk_cloudfront::error::BuildError;

use crate::model::failure::Failure;

/// A part that AWS's own model wants is missing: a fault of ours.
fn failure_from_sdk_build_error(what: &str, error: &BuildError) -> Failure {
    Failure::new_generic_failure(what, error.to_string(), "report this as a fault of the tool")
}
