//! The real binary against ministack, an AWS that we did not write, with IAM enforced and signatures checked.
//!
//! What ministack does otherwise than AWS stands in `faults`, by name and with its reason; the product knows nothing of it.

#[path = "independent/account.rs"]
mod account;
#[path = "independent/faults.rs"]
mod faults;
#[path = "independent/goals.rs"]
mod goals;
#[path = "independent/removed.rs"]
mod removed;
#[path = "independent/same_world.rs"]
mod same_world;
#[path = "independent/server.rs"]
mod server;
#[path = "independent/world.rs"]
mod world;
