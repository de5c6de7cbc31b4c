//! The real binary against what we did not write: ministack, with IAM enforced and signatures checked, S3 by moto and roto,
//! microburst's failures, and the service models of AWS's own Python SDK; and our sandbox against boto3.
//!
//! What ministack does otherwise than AWS stands in `faults`, by name and with its reason; the product knows nothing of it.

mod account;
mod answers;
mod bad_input;
mod faults;
mod foreign_s3;
mod goals;
mod microburst;
mod models;
mod network;
pub mod python;
mod removed;
mod same_world;
mod sandbox;
mod server;
mod wire;
mod world;
