//! What the account goes through, in process, by the real engine and SDK: AWS's own errors, what is adopted, how access moves, what it costs in calls.
//!
//! Time is tokio's, paused: what waits costs nothing, and nothing here depends on how busy the machine is.

#[path = "account/adoption.rs"]
mod adoption;
#[path = "account/alone.rs"]
mod alone;
#[path = "account/aws_facts.rs"]
mod aws_facts;
#[path = "account/budget.rs"]
mod budget;
#[path = "account/client.rs"]
mod client;
#[path = "account/disturbed.rs"]
mod disturbed;
#[path = "account/domain.rs"]
mod domain;
#[path = "account/engine.rs"]
mod engine;
#[path = "account/eventual.rs"]
mod eventual;
#[path = "account/expired.rs"]
mod expired;
#[path = "account/inventory.rs"]
mod inventory;
#[path = "account/origin_access.rs"]
mod origin_access;
#[path = "account/permissions.rs"]
mod permissions;
#[path = "account/removed.rs"]
mod removed;
#[path = "account/ground.rs"]
mod session;
#[path = "account/twin.rs"]
mod twin;
#[path = "account/vendor.rs"]
mod vendor;
