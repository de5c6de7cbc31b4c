//! What several stages need to know of AWS resources: whose they are, what stands of them, and how CloudFront reaches the bucket.

pub mod accepted_secrets;
pub mod adoption;
pub mod authenticator;
pub mod bucket_key;
pub mod carried_secrets;
pub(crate) mod distribution;
pub mod edge_limits;
pub mod guard;
pub mod install;
pub mod origin_access;
pub mod packages_domain;
pub mod path_caching;
pub mod serving_obstacles;
pub mod switched_off;
pub mod version_proof;
