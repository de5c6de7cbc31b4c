//! S3's objects on the hot path: list, head, copy, at a fraction of the SDK's cost a request.
//!
//! The one place that knows both S3's rules and HTTP. Every verb sends one request and says how it went; pace and
//! patience are the caller's.

pub mod acl;
pub mod attributes;
pub mod client;
pub mod endpoint;
pub mod error;
pub mod http1;
pub mod listing;
mod multipart;
pub mod pool;
pub mod sign;

pub use acl::has_public_acl_header;
pub use attributes::{ObjectAttributes, SINGLE_COPY_MAX_BYTES};
pub use client::{S3HeadRequestTimings, S3ObjectClient, S3RequestCounts};
pub use error::S3RequestError;
pub use listing::{ObjectListingEntry, S3StorageClass};
pub use multipart::split_into_copy_parts;
