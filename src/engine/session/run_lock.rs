//! One run at a time changes a host: the lock that a face takes, and what switching off says to a run beside it.
//!
//! Switching off waits for nobody: it takes the lock where it is free, goes on without it where it isn't, and leaves a
//! note that keeps the other run from going live over it. Whoever writes that CloudFront is on looks for the note and
//! writes in one turn, and the note is left in a turn: so either that run sees the note, or whoever left it sees what
//! that run wrote. Lock and note are here and, over ssh, on each host too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;

use crate::host::{
    Afar, Asked, Hold as There,
    run::lock::{Lock, Refused, Turn},
};
use crate::model::run::{
    event::Event,
    failure::{Failure, Kind},
    goal::Stage,
    other_run::OtherRun,
};

use super::Ground;

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
pub(super) struct Hold {
    held: Arc<Mutex<Held>>,
    asked: Asked,
}

#[derive(Default)]
struct Held {
    lock: Option<Lock>,
    /// The locks on other hosts.
    there: BTreeMap<String, There>,
    /// The notes that stood when the operator last saw whether CloudFront is on, and meant to go on from there;
    /// `None` where no one has looked yet.
    known: Option<Notes>,
    /// What this run wrote when it began to switch, on each node.
    intents: BTreeMap<String, String>,
}

/// The notes of switching off: on each other host by its name, and this machine's own without one.
type Notes = BTreeMap<String, Option<String>>;

impl Ground {
    fn held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.hold.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the lock for this run, to its end; nothing where it has it.
    ///
    /// # Errors
    /// Where another run has it: who, since when, in which stage. Or where it can't be made.
    pub async fn take(&self) -> Result<(), Failure> {
        Ok(self.try_take().await?)
    }

    async fn try_take(&self) -> Result<(), Refused> {
        let now = self.host.clock.now();
        self.held(|held| {
            if held.lock.is_none() {
                held.lock = Some(self.host.state.lock(now, &self.hold.asked)?);
            }
            Ok::<_, Refused>(())
        })?;
        for node in self.nodes() {
            let Some(name) = node.host.reach.name().map(str::to_owned) else { continue };
            // A lock there ends with the line; it is taken again with the next stage.
            if self.held(|held| held.there.get_mut(&name).is_some_and(There::alive)) {
                continue;
            }
            self.held(|held| held.there.remove(&name));
            match node.host.hold(&self.hold.asked).await? {
                Some(there) => drop(self.held(|held| held.there.insert(name, there))),
                None => self.log(&format!("{name}: its lock could not be taken; this goes on without")),
            }
        }
        if self.held(|held| held.known.is_none()) {
            self.mean_it().await;
        }
        Ok(())
    }

    /// Another run on this host; takes the lock where there is none.
    pub async fn other_run(&self) -> Option<OtherRun> {
        match self.try_take().await {
            Err(Refused::Held(run)) => Some(*run),
            _ => None,
        }
    }

    /// Waits until another run asks this one to end, to go on in its place: who it is.
    pub fn asked_to_end(&self) -> impl Future<Output = String> + use<> {
        let asked = self.hold.asked.clone();
        async move { asked.by().await }
    }

    /// Says in the locks which stage runs, or, where it `rests`, has come to its end.
    pub(crate) fn stands(&self, stage: Stage, rests: bool) {
        self.held(|held| {
            if let Some(lock) = &mut held.lock {
                lock.stands(Some(stage), rests, self.host.clock.now());
            }
            held.there.values_mut().for_each(|there| there.stands(Some(stage), rests));
        });
    }

    /// Keeps what happens beside the locks, for whoever watches.
    pub(crate) fn tell(&self, event: &Event) {
        self.held(|held| {
            if let Some(lock) = &mut held.lock {
                lock.tell(self.host.clock.now(), event);
            }
            held.there.values_mut().for_each(|there| there.tell(event));
        });
    }

    /// The operator sees what stands now: whatever was switched off before is known.
    pub async fn mean_it(&self) {
        let notes = self.notes().await;
        self.held(|held| held.known = Some(notes));
    }

    async fn notes(&self) -> Notes {
        let here = self.host.state.read(OFF).and_then(|note| String::from_utf8(note).ok());
        let mut notes = Notes::from([(String::new(), here)]);
        for node in self.nodes() {
            if let Some(there) = Afar::of(&node.host) {
                notes.insert(there.name().to_owned(), there.note(OFF).await);
            }
        }
        notes
    }

    /// The turn to write packagecloud.rb: one run at a time.
    pub(crate) async fn turn(&self) -> Result<Turn, Failure> {
        self.host.state.turn(&self.host.note_name(TURN), PATIENCE).await
    }

    /// The same for switching off: where it isn't to be had, that goes on all the same.
    pub(crate) async fn turn_if_free(&self) -> Option<Turn> {
        self.host.state.turn(&self.host.note_name(TURN), SHORT_PATIENCE).await.ok()
    }

    /// Notes that CloudFront is being switched off: from here on no run that began before writes that it is on.
    pub(crate) async fn note_off(&self) {
        let note = mark();
        let nodes = self.nodes();
        let turns = join_all(nodes.iter().map(Self::turn_if_free)).await;
        // Where it can't be kept there is no other run either that could keep its lock there.
        let _ = self.host.state.write(OFF, note.as_bytes());
        let there = join_all(nodes.iter().map(async |node| {
            let there = Afar::of(&node.host)?;
            there.leave_note(OFF, &note).await;
            Some(there.name().to_owned())
        }))
        .await;
        drop(turns);
        self.held(|held| {
            let known = held.known.get_or_insert_default();
            for name in there.into_iter().flatten().chain([String::new()]) {
                known.insert(name, Some(note.clone()));
            }
        });
    }

    /// Whether another run has switched CloudFront off since the operator of this one saw what stands. Before writing
    /// that it is on, asked in the turn in which that is written.
    ///
    /// # Errors
    /// Then this run must not switch it on.
    pub(crate) async fn not_switched_off_meanwhile(&self) -> Result<(), Failure> {
        for (name, note) in self.notes().await {
            let Some(note) = note else { continue };
            let known =
                self.held(|held| held.known.as_ref().and_then(|known| known.get(&name).cloned()).flatten());
            if known.as_ref() == Some(&note) {
                continue;
            }
            let pid = note.split(' ').next().unwrap_or_default();
            let on = if name.is_empty() { String::new() } else { format!(", noted on {name}") };
            return Err(Failure::new(
                Kind::Other,
                "going live",
                format!("CloudFront was switched off meanwhile by another run (process {pid}{on})"),
                "find out why it was switched off; then go live with: packagecloud-cloudfront enable",
            ));
        }
        Ok(())
    }

    /// Keeps what this run wrote when it began to switch this node.
    pub(crate) fn keep_intent(&self, intent: &str) {
        self.held(|held| held.intents.insert(self.host.config_place(), intent.to_owned()));
    }

    pub(crate) fn is_our_intent(&self, intent: &str) -> bool {
        self.held(|held| held.intents.get(&self.host.config_place()).is_some_and(|ours| ours == intent))
    }
}

/// This process, and a number that no other mark has.
pub(crate) fn mark() -> String {
    format!("{} {:016x}", std::process::id(), fastrand::u64(..))
}
