//! Credentials as people have them, by the real binary against the sandbox's AWS on loopback: where they come from, and what
//! becomes of a run in whose middle they expire.

mod credentials_host;
mod expired;
mod files;
mod roles;
