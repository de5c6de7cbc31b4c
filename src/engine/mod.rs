//! (to come)
pub mod run;
