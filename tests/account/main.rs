//! What the account goes through, in process, by the real engine and SDK: AWS's own errors, what is adopted, how access moves, what it costs in calls.
//!
//! Time is tokio's, paused: what waits costs nothing, and nothing here depends on how busy the machine is.

mod adoption;
mod aws_facts;
mod aws_verbs;
mod budget;
mod checks;
mod client;
mod clock_ahead;
mod directory;
mod disturbed;
mod domain;
mod engine;
mod eventual;
mod expired;
mod histories;
mod invalidation;
mod inventory;
mod kept_secrets;
mod origin_access;
mod path_cache;
mod permissions;
mod printed_policy;
mod refusals;
mod removed;
mod resilience;
mod roll_back;
mod rotation;
mod runtimes;
mod session;
mod status;
mod unknown_account;
mod vendor;
mod verify;
mod version_proof;
mod write_reactions;
