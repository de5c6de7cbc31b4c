//! How packages are delivered now: the requests of a package manager, the gate that they decide, and why a request is refused.

pub mod cached_copies;
pub mod clocks;
pub mod diagnosis;
pub mod gate;
pub(crate) mod link_signers;
pub(crate) mod packagecloud_link;
pub mod probe;
pub mod redirects;
pub mod samples;
mod served_package;
