//! The real binary against what we did not write: ministack, with IAM enforced and signatures checked, and the service models
//! of AWS's own Python SDK.
//!
//! What ministack does otherwise than AWS stands in `faults`, by name and with its reason; the product knows nothing of it.

#[path = "independent/account.rs"]
mod account;
#[path = "independent/faults.rs"]
mod faults;
#[path = "independent/goals.rs"]
mod goals;
#[path = "independent/models.rs"]
mod models;
#[path = "independent/network.rs"]
mod network;
#[path = "independent/removed.rs"]
mod removed;
#[path = "independent/same_world.rs"]
mod same_world;
#[path = "independent/sandbox.rs"]
mod sandbox;
#[path = "independent/server.rs"]
mod server;
#[path = "independent/wire.rs"]
mod wire;
#[path = "independent/world.rs"]
mod world;
