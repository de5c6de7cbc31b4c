//! The links: our signed URL, and S3's presigned one.

pub mod presign;
pub mod token;
