//! The links: our signed URL, S3's presigned one, and where packagecloud redirects; and the paths under which edges hold what they lead to.

pub mod invalidation;
pub mod presign;
pub mod redirect;
pub mod token;
