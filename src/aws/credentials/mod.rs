//! Credentials: which identities there are, what the profiles say, and how all clients of one identity share them.

pub mod chain;
mod config_text;
pub mod explain;
pub mod lookup;
pub mod mfa;
pub mod profiles;
pub mod shared;
pub mod source;
