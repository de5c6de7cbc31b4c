//! The reindex through the real binary on a sandbox that plays S3 by AWS's rules: nothing is lost, whatever an object is, and whenever it is killed.

#[path = "reindex/few_files.rs"]
mod few_files;
#[path = "reindex/kept.rs"]
mod kept;
#[path = "reindex/killed.rs"]
mod killed;
#[path = "reindex/sandboxed.rs"]
mod sandboxed;
