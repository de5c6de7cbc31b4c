//! One run at a time changes this host: the lock that a face takes, and what switching off says to a run beside it.
//!
//! Switching off waits for nobody: it takes the lock where it is free, goes on without it where it isn't, and leaves a
//! note that keeps the other run from going live over it. Whoever writes that CloudFront is on looks for the note and
//! writes in one turn, and the note is left in a turn: so either that run sees the note, or whoever left it sees what
//! that run wrote.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::host::lock::{Lock, OTHER_RUN, Turn};
use crate::model::{
    failure::{Failure, Kind},
    goal::Stage,
};

use super::ground::Ground;

/// Holds who switched off last; each time it says something else, whatever the clock does.
const OFF: &str = "switched-off";
/// The turn at packagecloud.rb.
const TURN: &str = "turn";
/// A turn is held for one write: longer than this nobody should have it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Switching off goes on without the turn after this.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// What this run holds; clones of a ground share it.
#[derive(Clone, Default)]
pub(super) struct Hold(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    lock: Option<Lock>,
    /// The note that stood when the operator last saw whether CloudFront is on, and meant to go on from there;
    /// `None` where no one has looked yet.
    known: Option<Option<String>>,
    /// What this run wrote when it began to switch.
    intent: Option<String>,
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
            }
            if held.known.is_none() {
                held.known = Some(self.note());
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
        let note = self.note();
        self.held(|held| held.known = Some(note));
    }

    fn note(&self) -> Option<String> {
        String::from_utf8(self.host.state.read(OFF)?).ok()
    }

    /// The turn to write packagecloud.rb: one run at a time.
    pub(super) async fn turn(&self) -> Result<Turn, Failure> {
        self.host.state.turn(TURN, PATIENCE).await
    }

    /// The same for switching off: where it isn't to be had, that goes on all the same.
    pub(super) async fn turn_if_free(&self) -> Option<Turn> {
        self.host.state.turn(TURN, SHORT_PATIENCE).await.ok()
    }

    /// Notes that CloudFront is being switched off: from here on no run that began before writes that it is on.
    pub(super) async fn note_off(&self) {
        let _turn = self.turn_if_free().await;
        let note = mark();
        // Where it can't be kept there is no other run either that could keep its lock there.
        let _ = self.host.state.write(OFF, note.as_bytes());
        self.held(|held| held.known = Some(Some(note)));
    }

    /// Whether another run has switched CloudFront off since the operator of this one saw what stands. Before writing
    /// that it is on, asked in the turn in which that is written.
    ///
    /// # Errors
    /// Then this run must not switch it on.
    #[expect(clippy::unused_async, reason = "a note on another host is waited for")]
    pub(super) async fn not_switched_off_meanwhile(&self) -> Result<(), Failure> {
        let Some(note) = self.note() else { return Ok(()) };
        if self.held(|held| held.known.as_ref().and_then(Option::as_ref) == Some(&note)) {
            return Ok(());
        }
        let pid = note.split(' ').next().unwrap_or_default();
        Err(Failure::new(
            Kind::Other,
            "going live",
            format!("CloudFront was switched off meanwhile by another run (process {pid})"),
            "find out why it was switched off; then go live with: packagecloud-cloudfront enable",
        ))
    }

    /// Keeps what this run wrote when it began to switch.
    pub(super) fn keep_intent(&self, intent: &str) {
        self.held(|held| held.intent = Some(intent.to_owned()));
    }

    pub(super) fn is_our_intent(&self, intent: &[u8]) -> bool {
        self.held(|held| held.intent.as_ref().is_some_and(|ours| ours.as_bytes() == intent))
    }
}

/// This process, and a number that no other mark has.
pub(super) fn mark() -> String {
    format!("{} {:016x}", std::process::id(), fastrand::u64(..))
}
