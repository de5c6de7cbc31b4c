//! Tells work that runs on a thread of its own that nobody waits for it any more, so that it ends or leaves things as they are.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
