//! The journeys without a terminal: the real binary on a sandbox in a directory of its own, from the first plan to off again.
//!
//! The sandbox runs at pace 0, so nothing is waited for; every outcome is read from exit code, output and files alone.

#[path = "journeys/batch.rs"]
mod batch;
#[path = "journeys/consent.rs"]
mod consent;
#[path = "journeys/house.rs"]
mod house;
#[path = "journeys/json.rs"]
mod json;
#[path = "journeys/real_input.rs"]
mod real_input;
#[path = "journeys/steps.rs"]
mod steps;
#[path = "journeys/switching.rs"]
mod switching;
#[path = "journeys/vendor.rs"]
mod vendor;
