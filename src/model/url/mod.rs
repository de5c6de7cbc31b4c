//! The links: our signed URL, S3's presigned one, and where packagecloud redirects.

pub mod presign;
pub mod redirect;
pub mod token;
