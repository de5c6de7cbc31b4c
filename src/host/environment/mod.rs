//! The machine and the user around a run: sudo, file owners, the keyring, the clock, configuration clients, packagecloud's version.

pub mod clock;
pub(in crate::host) mod inherited;
pub mod keyring;
pub(crate) mod machine;
pub mod managed;
pub mod netrc;
pub mod owner;
pub mod sudo;
pub mod users;
