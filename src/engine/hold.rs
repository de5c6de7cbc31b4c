//! One run at a time changes a host: the lock that a face takes, and what switching off says to a run beside it.
//!
//! Switching off waits for nobody: it takes the lock where it is free, goes on without it where it isn't, and leaves a
//! note that keeps the other run from going live over it. Both are here and, over ssh, on each host too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::host::state::{Lock, OTHER_RUN};
use crate::host::{Afar, Hold as There};
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
    /// The locks on other hosts.
    there: BTreeMap<String, There>,
    /// When the operator last saw whether CloudFront is on, and meant to go on from there.
    meant: Duration,
    /// What the hosts' own notes said then.
    notes: BTreeMap<String, Option<String>>,
}

impl Ground {
    fn held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.hold.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the lock for this run, to its end; nothing where it has it.
    ///
    /// # Errors
    /// Where another run has it: who, since when, in which stage. Or where it can't be made.
    pub async fn take(&self) -> Result<(), Failure> {
        let now = self.host.clock.now();
        self.held(|held| {
            if held.lock.is_none() {
                held.lock = Some(self.host.state.lock(now, None)?);
                held.meant = held.meant.max(now);
            }
            Ok::<_, Failure>(())
        })?;
        for node in self.nodes() {
            let Some(name) = node.host.reach.name().map(str::to_owned) else { continue };
            // A lock there ends with the line; it is taken again with the next stage.
            if self.held(|held| held.there.get_mut(&name).is_some_and(There::stands)) {
                continue;
            }
            self.held(|held| held.there.remove(&name));
            match node.host.hold().await? {
                Some(there) => drop(self.held(|held| held.there.insert(name, there))),
                None => self.log(&format!("{name}: its lock could not be taken; this goes on without")),
            }
        }
        Ok(())
    }

    /// Another run on this host, as a sentence; takes the lock where there is none.
    pub async fn other_run(&self) -> Option<String> {
        let failure = self.take().await.err().filter(|failure| failure.what.starts_with(OTHER_RUN))?;
        let on = failure.what.strip_prefix(OTHER_RUN).unwrap_or_default();
        let on = if on.is_empty() { " on this host" } else { on };
        let why = failure.why;
        Some(format!("Another run works{on}: {why}. Wait for it, or end it where it runs."))
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
    pub async fn mean_it(&self) {
        let now = self.host.clock.now();
        let notes = self.notes_there().await;
        self.held(|held| {
            held.meant = now;
            held.notes = notes;
        });
    }

    async fn notes_there(&self) -> BTreeMap<String, Option<String>> {
        let mut notes = BTreeMap::new();
        for node in self.nodes() {
            if let Some(there) = Afar::of(&node.host) {
                notes.insert(there.name().to_owned(), there.note(OFF).await);
            }
        }
        notes
    }

    /// Notes that CloudFront is being switched off, for a run beside this one.
    pub(super) async fn note_off(&self) {
        let note = format!("{} {}", std::process::id(), self.host.clock.now().as_millis());
        // Where it can't be kept there is no other run either that could keep its lock there.
        let _ = self.host.state.write(OFF, note.as_bytes());
        let there = self.nodes().into_iter().map(|node| {
            let note = format!("{note} {:016x}", fastrand::u64(..));
            async move {
                let there = Afar::of(&node.host)?;
                there.leave_note(OFF, &note).await;
                Some((there.name().to_owned(), Some(note)))
            }
        });
        let there: Vec<_> = futures::future::join_all(there).await.into_iter().flatten().collect();
        self.held(|held| held.notes.extend(there));
    }

    /// Whether another run has switched CloudFront off since the operator of this one saw what stands.
    ///
    /// # Errors
    /// Then this run must not switch it on.
    pub(super) async fn not_switched_off_meanwhile(&self) -> Result<(), Failure> {
        let next = "find out why it was switched off; then go live with: packagecloud-cloudfront enable";
        for (name, note) in self.notes_there().await {
            let known = self.held(|held| held.notes.get(&name).cloned()).flatten();
            if note.is_some() && note != known {
                let why = format!("CloudFront was switched off meanwhile by another run, on {name}");
                return Err(Failure::new(Kind::Other, "going live", why, next));
            }
        }
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
            next,
        ))
    }
}
