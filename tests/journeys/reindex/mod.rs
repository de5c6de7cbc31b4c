//! The reindex through the real binary on a sandbox that plays S3 by AWS's rules: nothing is lost, whatever an object is, and whenever it is killed.

mod attributes;
pub mod bucket;
mod endpoint;
mod few_files;
mod killed;
