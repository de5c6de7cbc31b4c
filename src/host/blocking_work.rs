//! Tells work that runs on a thread of its own that nobody waits for it any more, so that it ends or leaves things as they are.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::JoinError;

thread_local! {
    /// Whether the tasks of this thread do such work themselves.
    static IS_WORK_DONE_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Lets the tasks of this thread do themselves what they otherwise leave to a thread of its own: nothing's order hangs on
/// other threads then, and a file system that hangs holds up everything. For sandboxes with a seed.
pub fn keep_blocking_work_on_this_thread() {
    IS_WORK_DONE_HERE.set(true);
}

/// Does work that may hold its thread up, where no task waits behind it.
///
/// # Errors
/// Where it panicked.
pub(super) async fn run_work_off_tasks<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if IS_WORK_DONE_HERE.get() { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
}

/// Whoever waits for the work; dropped, the work is abandoned.
pub(super) struct BlockingWorkWaiter(Arc<AtomicBool>);

/// What the work asks by.
pub(super) struct AbandonedWorkFlag(Arc<AtomicBool>);

impl AbandonedWorkFlag {
    /// Returns the flag, and who sets it by being dropped.
    pub(super) fn new_with_waiter() -> (Self, BlockingWorkWaiter) {
        let flag = Arc::new(AtomicBool::new(false));
        (Self(Arc::clone(&flag)), BlockingWorkWaiter(flag))
    }

    /// Returns whether nobody waits any more.
    pub(super) fn is_work_abandoned(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for BlockingWorkWaiter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
