//! The stages, as the wizard's left column lists them: each has `look`, and each that writes has `apply`.

pub mod access;
pub mod bootstrap;
pub mod configuration;
pub mod disable;
pub mod distribution;
pub mod go_live;
pub mod invalidate;
pub mod overview;
pub mod reindex;
pub mod roll_back;
pub mod rotate;
pub mod secret;
pub mod verify;
