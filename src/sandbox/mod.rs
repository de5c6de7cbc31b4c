//! The sandbox: an AWS, a CloudFront and a packagecloud that live in this process, with AWS's own rules, kept in a directory.
//!
//! Nothing outside main, the tests and the `sandbox` command plugs it in; it never reads real credentials or the network.

pub mod aws;
pub mod cloudfront;
pub mod faults;
pub mod forward;
pub mod import;
pub mod ledger;
pub mod memory;
pub mod packagecloud;
pub mod seed;
pub mod serve;
pub mod signature;
pub mod wire;
pub mod world;

pub use seed::open;
pub use world::{Delays, Options, World};
