//! What is done to packagecloud itself, on each of its web nodes: its file, its commands, its services and its own reindex.

pub mod config_write;
pub mod managed;
pub mod nodes;
pub mod services;
pub mod switch;
pub mod vendor_reindex;
