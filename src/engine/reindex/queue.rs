//! The keys that wait for a worker: a queue that listing fills no further than the workers need.
//!
//! Whoever waits is woken once for each key; closing it lets everyone go.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Notify, Semaphore};

use super::progress::ObjectReindexJob;

/// Listing waits while this many keys are waiting.
const WAITING_KEYS_MAX: usize = 1024;

/// The keys that wait for a worker.
pub struct ObjectJobQueue {
    waiting: Mutex<VecDeque<ObjectReindexJob>>,
    count: Semaphore,
    room: Notify,
}

impl Default for ObjectJobQueue {
    fn default() -> Self {
        Self { waiting: Mutex::default(), count: Semaphore::new(0), room: Notify::new() }
    }
}

impl ObjectJobQueue {
    /// Returns how many jobs wait.
    pub fn count_waiting_object_jobs(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Adds jobs, and wakes who waits for one.
    pub fn add_object_jobs(&self, jobs: Vec<ObjectReindexJob>) {
        let count = jobs.len();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(jobs);
        self.count.add_permits(count);
    }

    /// Takes the next one; none after [`Self::close_object_job_queue`].
    pub async fn dequeue_object_job(&self) -> Option<ObjectReindexJob> {
        self.count.acquire().await.ok()?.forget();
        let (job, left) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            (waiting.pop_front(), waiting.len())
        };
        if left == WAITING_KEYS_MAX {
            self.room.notify_waiters();
        }
        job
    }

    /// Waits until listing should go on.
    pub async fn wait_for_job_queue_room(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.count_waiting_object_jobs() <= WAITING_KEYS_MAX {
                return;
            }
            room.await;
        }
    }

    /// Closes it: nobody waits for a job any more.
    pub fn close_object_job_queue(&self) {
        self.count.close();
    }
}
