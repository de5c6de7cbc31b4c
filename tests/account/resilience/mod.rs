//! Broken off anywhere and started again, or begun on two hosts at once: the same end, nothing made twice, the answers kept, and no instant at which the bucket is open.
//!
//! The real binary is killed in each stage; in process every request of a whole set-up goes wrong in every way, on a
//! paused clock. `PACKAGECLOUD_TEST_EVERYTHING=1` takes every request where a sample is taken otherwise.

mod faults;
mod killed;
mod race;
pub mod sandbox_host;
mod two_hosts;
mod two_runs;
