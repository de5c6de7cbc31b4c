//! AWS as data: the names of what is made, and what was observed.

pub mod account;
pub mod bucket;
pub mod cloudfront;
pub mod edge_logs;
pub mod evidence;
pub mod lambda_runtime;
pub mod names;
pub mod played;
pub mod region;
pub mod rotation;
pub mod terraform;
