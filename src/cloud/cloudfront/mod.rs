//! CloudFront: origin access, the cache policy, distributions and what is associated with them.
//!
//! An update goes out with the ETag of the configuration that it was made from, and drops nothing that stands in it.

mod access;
mod cache_policy;
mod distribution;
mod fidelity;
mod read;
mod shape;

pub use read::bucket_distributions;
pub use shape::{Access, Intent, Shape};
