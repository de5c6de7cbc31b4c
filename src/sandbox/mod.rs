//! The sandbox: an AWS, a CloudFront and a packagecloud that live in this process, with AWS's own rules, kept in a directory.
//!
//! Nothing outside main, the tests and the `sandbox` command plugs it in; it never reads real credentials or the network.

pub mod control_plane;
pub mod edge_location;
pub mod faults;
pub mod forward;
pub mod import;
pub mod ledger;
pub mod packagecloud;
pub mod process_state;
pub mod router;
pub mod seed;
pub mod serve;
pub mod store;

pub use seed::open_sandbox;
pub use store::{Sandbox, SandboxDelays, SandboxOptions};
