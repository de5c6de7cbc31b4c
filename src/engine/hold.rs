//! One run at a time changes this host: the lock that a face takes, and what switching off says to a run beside it.
//!
//! Switching off waits for nobody: it takes the lock where it is free, goes on without it where it isn't, and leaves a
//! note that keeps the other run from going live over it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::host::state::{Lock, OTHER_RUN};
use crate::model::{
    failure::{Failure, Kind},
    goal::Stage,
};

use super::ground::Ground;

/// Holds who switched off, and when.
const OFF: &str = "switched-off";

/// What this run holds; clones of a ground share it.
#[derive(Clone, Default)]
pub(super) struct Hold(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    lock: Option<Lock>,
    /// When the operator last saw whether CloudFront is on, and meant to go on from there.
    meant: Duration,
}

impl Ground {
    fn held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.hold.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the lock for this run, to its end; nothing where it has it.
    ///
    /// # Errors
    /// Where another run has it: who, since when, in which stage. Or where it can't be made.
    pub fn take(&self) -> Result<(), Failure> {
        let now = self.host.clock.now();
        self.held(|held| {
            if held.lock.is_none() {
                held.lock = Some(self.host.state.lock(now, None)?);
                held.meant = held.meant.max(now);
            }
            Ok(())
        })
    }

    /// Another run on this host, as a sentence; takes the lock where there is none.
    #[must_use]
    pub fn other_run(&self) -> Option<String> {
        let failure = self.take().err().filter(|failure| failure.what == OTHER_RUN)?;
        let why = failure.why;
        Some(format!("Another run works on this host: {why}. Wait for it, or end it where it runs."))
    }

    /// Says in the lock which stage runs.
    pub(super) fn enter(&self, stage: Stage) {
        self.held(|held| {
            if let Some(lock) = &mut held.lock {
                lock.stage(Some(stage));
            }
        });
    }

    /// The operator sees what stands now: whatever was switched off before is known.
    pub fn mean_it(&self) {
        let now = self.host.clock.now();
        self.held(|held| held.meant = now);
    }

    /// Notes that CloudFront is being switched off, for a run beside this one.
    pub(super) fn note_off(&self) {
        let note = format!("{} {}", std::process::id(), self.host.clock.now().as_millis());
        // Where it can't be kept there is no other run either that could keep its lock there.
        let _ = self.host.state.write(OFF, note.as_bytes());
    }

    /// Whether another run has switched CloudFront off since the operator of this one saw what stands.
    ///
    /// # Errors
    /// Then this run must not switch it on.
    pub(super) fn not_switched_off_meanwhile(&self) -> Result<(), Failure> {
        let note = self.host.state.read(OFF).and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((pid, when)) = note.as_deref().and_then(|note| note.split_once(' ')) else { return Ok(()) };
        let ours = pid == std::process::id().to_string();
        let when = when.parse().map_or(Duration::ZERO, Duration::from_millis);
        // The note counts whole milliseconds.
        let since = self.held(|held| Duration::from_millis(held.meant.as_millis().try_into().unwrap_or(0)));
        if ours || when < since {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Other,
            "going live",
            format!("CloudFront was switched off meanwhile by another run (process {pid})"),
            "find out why it was switched off; then go live with: packagecloud-cloudfront enable",
        ))
    }
}
