//! The nouns and the rules: pure values that every other layer speaks in; nothing here waits, reads a clock or touches the world.

pub mod access;
pub mod answers;
pub mod block;
pub mod check;
pub mod config_file;
pub mod event;
pub mod failure;
pub mod goal;
pub mod hide;
pub mod names;
pub mod object;
pub mod other_run;
pub mod plan;
pub mod policy;
pub mod presign;
pub mod secret;
pub mod seen;
pub mod snippet;
pub mod tally;
pub mod token;
pub mod welcome;
