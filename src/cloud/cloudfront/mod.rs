//! CloudFront: origin access, the cache policy, distributions and what is associated with them.
//!
//! An update goes out with the ETag of the configuration that it was made from, and drops nothing that stands in it.

mod access;
mod cache_policy;
mod distribution;
mod fidelity;
mod origin;
mod quotas;
mod read;
mod shape;

pub use origin::{bucket_distributions, is_domain};
pub use shape::{Access, Intent, Shape};

use aws_sdk_cloudfront::error::BuildError;

use crate::model::failure::Failure;

/// A part that AWS's own model wants is missing: a fault of ours.
fn unbuilt(what: &str, error: &BuildError) -> Failure {
    Failure::other(what, error.to_string(), "report this as a fault of the tool")
}
