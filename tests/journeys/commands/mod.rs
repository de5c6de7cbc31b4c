//! The journeys without a terminal: the real binary on a sandbox in a directory of its own, from the first plan to off again.
//!
//! The sandbox runs at pace 0, so nothing is waited for; every outcome is read from exit code, output and files alone.

mod answers;
mod batch;
mod consent;
mod function_versions;
mod hand_over;
mod hostile_host;
mod invalidate;
pub mod journey_host;
mod json;
mod kept_plan;
mod links;
mod lost_settings;
mod outside_text;
mod proposals;
mod real_input;
mod rotation;
mod ruby_judge;
mod steps;
mod switching;
mod vendor;
