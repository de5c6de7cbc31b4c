//! The real binary against what we did not write: ministack, with IAM enforced and signatures checked, and the service models
//! of AWS's own Python SDK.
//!
//! What ministack does otherwise than AWS stands in `faults`, by name and with its reason; the product knows nothing of it.

mod account;
mod faults;
mod goals;
mod models;
mod network;
mod removed;
mod same_world;
mod sandbox;
mod server;
mod wire;
mod world;
