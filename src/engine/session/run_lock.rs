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
    RemoteRunLock as There, RemoteStateDir, StopRequest,
    run::lock::{ConfigWriteLock, LocalRunLock, RunLockError},
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    failure::{Failure, FailureKind},
    run::{event::StageEvent, goal::RunStage, other_run::ConcurrentRun},
};

use super::{Session, run_places::RunPlaces};

/// Holds who switched off last; each time it says something else, whatever the clock does.
const OFF_MARKER: &str = "switched-off";
/// Holds that a switch was begun, and by whom, until packagecloud is seen to follow.
pub(in crate::engine) const SWITCH_INTENT_NOTE: &str = "switch";
/// The turn at packagecloud.rb.
const WRITE_LOCK_NAME: &str = "turn";
/// A turn is held for one write: longer than this nobody should have it.
const WRITE_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Switching off goes on without the turn after this.
const WRITE_LOCK_SHORT_TIMEOUT: Duration = Duration::from_secs(2);

/// What this run holds; clones of a session share it.
#[derive(Clone, Default)]
pub(in crate::engine) struct RunLock {
    held: Arc<Mutex<RunLockState>>,
    asked: StopRequest,
}

#[derive(Default)]
struct RunLockState {
    lock: Option<LocalRunLock>,
    /// The locks on other hosts.
    there: BTreeMap<String, There>,
    /// The notes that stood when the operator last saw whether CloudFront is on, and meant to go on from there;
    /// `None` where no one has looked yet.
    known: Option<DisableMarkersByHost>,
    /// What this run wrote when it began to switch, on each node.
    intents: BTreeMap<String, String>,
    places: RunPlaces,
}

/// The notes of switching off: on each other host by its name, and this machine's own without one.
type DisableMarkersByHost = BTreeMap<String, Option<String>>;

impl Session {
    fn with_locked_run_lock_state<T>(&self, work: impl FnOnce(&mut RunLockState) -> T) -> T {
        work(&mut self.run_lock.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the lock for this run, to its end; nothing where it has it.
    ///
    /// # Errors
    /// Where another run has it: who, since when, in which stage. Or where it can't be made.
    pub async fn acquire_run_lock(&self) -> Result<(), Failure> {
        Ok(self.try_acquire_run_lock().await?)
    }

    async fn try_acquire_run_lock(&self) -> Result<(), RunLockError> {
        let now = self.host.clock.read_host_clock();
        let fresh = self.with_locked_run_lock_state(|held| {
            let fresh = held.lock.is_none();
            if fresh {
                held.lock = Some(self.host.state.acquire_run_lock(now, &self.run_lock.asked)?);
            }
            Ok::<_, RunLockError>(fresh)
        })?;
        if fresh {
            self.host.remove_abandoned_config_writes().await;
            self.host.remove_abandoned_ctl_output();
        }
        for node in self.list_all_node_sessions() {
            let Some(name) = node.host.transport.remote_host_name().map(str::to_owned) else { continue };
            // A lock there ends with the line; it is taken again with the next stage.
            if self.with_locked_run_lock_state(|held| {
                held.there.get_mut(&name).is_some_and(There::is_lock_connection_alive)
            }) {
                continue;
            }
            self.with_locked_run_lock_state(|held| held.there.remove(&name));
            match node.host.acquire_remote_lock(&self.run_lock.asked).await? {
                Some(there) => drop(self.with_locked_run_lock_state(|held| held.there.insert(name, there))),
                None => {
                    self.write_log_line(&format!(
                        "{name}: its lock could not be taken; this goes on without"
                    ));
                }
            }
        }
        if self.with_locked_run_lock_state(|held| held.known.is_none()) {
            self.remember_seen_disable_markers().await;
        }
        Ok(())
    }

    /// Finds another run on this host; takes the lock where there is none.
    pub async fn acquire_lock_or_find_holder(&self) -> Option<ConcurrentRun> {
        match self.try_acquire_run_lock().await {
            Err(RunLockError::Held(run)) => Some(*run),
            _ => None,
        }
    }

    /// Waits until another run asks this one to end, to go on in its place: who it is.
    pub fn wait_until_takeover_requested(&self) -> impl Future<Output = String> + use<> {
        let asked = self.run_lock.asked.clone();
        async move { asked.wait_until_somebody_requests_stop().await }
    }

    /// Notes that a stage begins, in the locks too; returns where the next start goes on, if this process ends now.
    pub(crate) fn note_stage_begin(&self, stage: RunStage) -> Option<RunStage> {
        self.note_stage_place(stage, |places| places.note_stage_begin(stage))
    }

    /// Notes that a stage has ended, in the locks too; returns where the next start goes on. `is_done`: a reindex is through, or
    /// with any other stage the run is.
    pub(crate) fn note_stage_end(&self, stage: RunStage, is_done: bool) -> Option<RunStage> {
        self.note_stage_place(stage, |places| places.note_stage_end(stage, is_done))
    }

    fn note_stage_place(&self, stage: RunStage, note: impl FnOnce(&mut RunPlaces)) -> Option<RunStage> {
        self.with_locked_run_lock_state(|held| {
            note(&mut held.places);
            if let Some((said, rests)) = held.places.take_changed_lock_stage(stage) {
                if let Some(lock) = &mut held.lock {
                    lock.set_run_lock_stage(Some(said), rests, self.host.clock.read_host_clock());
                }
                held.there.values_mut().for_each(|there| there.set_run_lock_stage(Some(said), rests));
            }
            held.places.find_resume_stage()
        })
    }

    /// Keeps what happens beside the locks, for whoever watches.
    pub(crate) fn append_run_journal_event(&self, event: &StageEvent) {
        self.with_locked_run_lock_state(|held| {
            if let Some(lock) = &mut held.lock {
                lock.append_run_journal_event(self.host.clock.read_host_clock(), event);
            }
            held.there.values_mut().for_each(|there| there.append_run_journal_event(event));
        });
    }

    /// Keeps that the operator sees what stands now: whatever was switched off before is known.
    pub async fn remember_seen_disable_markers(&self) {
        let notes = self.read_cloudfront_disable_markers().await;
        self.with_locked_run_lock_state(|held| held.known = Some(notes));
    }

    async fn read_cloudfront_disable_markers(&self) -> DisableMarkersByHost {
        let here =
            self.host.state.read_state_dir_file(OFF_MARKER).and_then(|note| String::from_utf8(note).ok());
        let mut notes = DisableMarkersByHost::from([(String::new(), here)]);
        for node in self.list_all_node_sessions() {
            if let Some(there) = RemoteStateDir::remote_state_if_ssh_host(&node.host) {
                notes.insert(
                    there.remote_host_name().to_owned(),
                    there.read_remote_state_file(OFF_MARKER).await,
                );
            }
        }
        notes
    }

    /// Takes the turn to write packagecloud.rb: one run at a time.
    ///
    /// # Errors
    /// Fails where another run keeps it for ten seconds.
    pub(crate) async fn acquire_config_write_lock(&self) -> Result<ConfigWriteLock, Failure> {
        self.host
            .state
            .acquire_config_write_lock(
                &self.host.build_host_note_file_name(WRITE_LOCK_NAME),
                WRITE_LOCK_TIMEOUT,
            )
            .await
    }

    /// Takes the turn for switching off: where it isn't to be had, that goes on all the same.
    pub(crate) async fn try_acquire_config_write_lock(&self) -> Option<ConfigWriteLock> {
        self.host
            .state
            .acquire_config_write_lock(
                &self.host.build_host_note_file_name(WRITE_LOCK_NAME),
                WRITE_LOCK_SHORT_TIMEOUT,
            )
            .await
            .ok()
    }

    /// Notes that CloudFront is being switched off: from here on no run that began before writes that it is on.
    pub(crate) async fn publish_cloudfront_disable_marker(&self) {
        let note = generate_unique_run_mark();
        let nodes = self.list_all_node_sessions();
        let turns = join_all(nodes.iter().map(Self::try_acquire_config_write_lock)).await;
        // Where it can't be kept there is no other run either that could keep its lock there.
        let _ = self.host.state.write_state_dir_file(OFF_MARKER, note.as_bytes());
        let there = join_all(nodes.iter().map(async |node| {
            let there = RemoteStateDir::remote_state_if_ssh_host(&node.host)?;
            there.write_remote_state_file(OFF_MARKER, &note).await;
            Some(there.remote_host_name().to_owned())
        }))
        .await;
        drop(turns);
        self.with_locked_run_lock_state(|held| {
            let known = held.known.get_or_insert_default();
            for name in there.into_iter().flatten().chain([String::new()]) {
                known.insert(name, Some(note.clone()));
            }
        });
    }

    /// Stops where another run has switched CloudFront off since the operator of this one saw what stands. Before writing
    /// that it is on, asked in the turn in which that is written.
    ///
    /// # Errors
    /// Then this run must not switch it on.
    pub(crate) async fn ensure_cloudfront_not_disabled(&self) -> Result<(), Failure> {
        for (name, note) in self.read_cloudfront_disable_markers().await {
            let Some(note) = note else { continue };
            let known = self.with_locked_run_lock_state(|held| {
                held.known.as_ref().and_then(|known| known.get(&name).cloned()).flatten()
            });
            if known.as_ref() == Some(&note) {
                continue;
            }
            let pid = note.split(' ').next().unwrap_or_default();
            let on = if name.is_empty() { String::new() } else { format!(", noted on {name}") };
            return Err(Failure::new(
                FailureKind::Other,
                "going live",
                format!("CloudFront was switched off meanwhile by another run (process {pid}{on})"),
                format!(
                    "find out why it was switched off; then go live with: {}",
                    render_proposed_command("enable", &[])
                ),
            ));
        }
        Ok(())
    }

    /// Keeps what this run wrote when it began to switch this node.
    pub(crate) fn remember_cloudfront_switch_intent(&self, intent: &str) {
        self.with_locked_run_lock_state(|held| {
            held.intents.insert(self.host.render_config_location(), intent.to_owned())
        });
    }

    /// Returns whether a switch was begun on this node and not seen to its end.
    pub(in crate::engine) fn is_cloudfront_switch_unfinished(&self) -> bool {
        self.host.read_host_state_file(SWITCH_INTENT_NOTE).is_some()
    }

    /// Returns whether this run wrote that intent on this node.
    pub(crate) fn is_switch_intent_of_run(&self, intent: &str) -> bool {
        self.with_locked_run_lock_state(|held| {
            held.intents.get(&self.host.render_config_location()).is_some_and(|ours| ours == intent)
        })
    }
}

/// Makes a mark of this process, and a number that no other mark has.
pub(crate) fn generate_unique_run_mark() -> String {
    format!("{} {:016x}", std::process::id(), fastrand::u64(..))
}
