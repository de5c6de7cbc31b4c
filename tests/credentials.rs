//! Credentials as people have them, by the real binary against the sandbox's AWS on loopback: where they come from, and what
//! becomes of a run in whose middle they expire.

#[path = "credentials/expired.rs"]
mod expired;
#[path = "credentials/house.rs"]
mod house;
#[path = "credentials/roles.rs"]
mod roles;
#[expect(dead_code, reason = "the reindex's own tests use all of it")]
#[path = "reindex/sandboxed.rs"]
mod sandboxed;
#[expect(dead_code, reason = "the wizard's own tests use all of it")]
#[path = "terminal/screen.rs"]
mod screen;
