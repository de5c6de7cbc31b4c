//! (to come)
pub mod reindex;
pub mod run;
