//! What a run of this program keeps on the host: its lock, its journal, its answers, and what it asks of another run.

pub mod holder;
pub mod journal;
pub mod lock;
pub mod pending_secret;
pub mod remote_lock;
pub mod remote_state;
pub mod state;
pub mod stop_request;
pub mod unfinished_work;
