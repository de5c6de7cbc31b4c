//! What several stages need to know of AWS resources: whose they are, how CloudFront reaches the bucket, and the packages domain.

pub mod adoption;
pub mod bucket_key;
pub mod origin_access;
pub mod packages_domain;
