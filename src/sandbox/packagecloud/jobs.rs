//! The vendor's own reindex: jobs in a queue, each of which writes one object anew with its attributes.
//!
//! A job is done when its time has come and anybody looks: nothing runs between two requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    model::packagecloud::object::{ObjectClassifier, is_packagecloud_object_key},
    sandbox::{Sandbox, control_plane::s3},
};

/// How long one job takes.
const JOB_DURATION: Duration = Duration::from_millis(40);

/// An object whose attributes will be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxObjectReindexJob {
    /// World time.
    pub due: Duration,
    pub bucket: String,
    pub key: String,
}

/// Queues a job for every object of packagecloud's; gives how many.
pub fn queue_sandbox_reindex_jobs(world: &Sandbox) -> usize {
    let bucket = world
        .read_sandbox_state_from_disk(|state| state.packagecloud.rendered.clone())
        .unwrap_or_default()
        .bucket;
    let keys = world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(&bucket, |objects| {
        objects.keys().filter(|key| is_packagecloud_object_key(key)).cloned().collect::<Vec<_>>()
    });
    let (keys, now) = (keys.unwrap_or_default(), world.sandbox_unix_time_now());
    let count = keys.len();
    world.update_sandbox_state_on_disk(|state| {
        let from = state.packagecloud.jobs.last().map_or(now, |last| last.due.max(now));
        let jobs = keys.into_iter().enumerate().map(|(at, key)| SandboxObjectReindexJob {
            due: from + JOB_DURATION * u32::try_from(at + 1).unwrap_or(u32::MAX),
            bucket: bucket.clone(),
            key,
        });
        state.packagecloud.jobs.extend(jobs);
    });
    count
}

/// Does what is due.
pub fn run_due_sandbox_reindex_jobs(world: &Sandbox) {
    let now = world.sandbox_unix_time_now();
    if !world.read_sandbox_state_from_disk(|state| {
        state.packagecloud.jobs.first().is_some_and(|job| job.due <= now)
    }) {
        return;
    }
    let due = world.update_sandbox_state_on_disk(|state| {
        let jobs = &mut state.packagecloud.jobs;
        let left = jobs.iter().position(|job| job.due > now).unwrap_or(jobs.len());
        jobs.drain(..left).collect::<Vec<_>>()
    });
    let classes = ObjectClassifier::default();
    for SandboxObjectReindexJob { bucket, key, due } in due {
        if let Some(right) = classes.classify_object_key(&key).expected_cache_control() {
            // What was deleted since is no longer to be written.
            let _ = s3::modify_stored_object_in_place(world, &bucket, &key, |object| {
                object.attributes.insert("cache-control".to_owned(), right.to_owned());
                object.modified = due.as_secs();
            });
        }
    }
}
