//! The locks of the state directory: one run at a time changes this host, and one write at a time packagecloud.rb.
//!
//! They are the kernel's, which frees them where a process crashes; what stands in their files is for people.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::mpsc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use crate::model::{
    failure::Failure,
    run::{event::StageEvent, goal::RunStage, other_run::ConcurrentRun},
};

use crate::host::files::NO_FOLLOW;

use super::{
    holder::{self, RunLockHolder},
    journal::{self, EVENTS_FILE, RunJournal},
    state::HostStateDir,
    stop_request::{STOP_REQUEST_FILE, StopRequest},
};

/// What a [`RunLockError`] fails on where another run holds the lock.
pub const OTHER_RUN: &str = "another run";

/// Why a lock isn't to be had.
#[derive(Debug)]
pub enum RunLockError {
    /// Another run has it.
    Held(Box<ConcurrentRun>),
    Failed(Failure),
}

impl From<RunLockError> for Failure {
    fn from(refused: RunLockError) -> Self {
        match refused {
            RunLockError::Held(run) => Self::new_generic_failure(
                format!("{OTHER_RUN} on {}", run.host),
                run.to_string(),
                "wait for it, take it over in the wizard (t), or stop it with Ctrl-C where it runs",
            ),
            RunLockError::Failed(failure) => failure,
        }
    }
}

/// The lock, until it is dropped; the kernel frees it where this process crashes.
#[derive(Debug)]
pub struct LocalRunLock {
    file: File,
    holder: RunLockHolder,
    journal: RunJournal,
    events: std::path::PathBuf,
    /// Dropped with it: then nobody is listened to any more.
    _held: mpsc::Sender<()>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct ConfigWriteLock {
    _file: Option<File>,
}

impl HostStateDir {
    /// Takes the lock, so that one run at a time changes this host; whoever asks it to end is heard by `asked`.
    ///
    /// # Errors
    /// Where another run holds it, or the directory can't hold a lock.
    pub fn acquire_run_lock(&self, now: Duration, asked: &StopRequest) -> Result<LocalRunLock, RunLockError> {
        let path = self.state_dir_path().join("lock");
        let failed = |error: io::Error| {
            RunLockError::Failed(Failure::new_generic_failure(
                path.display().to_string(),
                error.to_string(),
                "name another one with --state-dir DIR",
            ))
        };
        let mut file = open_lock_file(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = Vec::new();
                let _ = file.read_to_end(&mut text);
                return Err(RunLockError::Held(Box::new(holder::parse_lock_holder(&text, now, "this host"))));
            }
            Err(error) => return Err(failed(error.into())),
        }
        let (held, holds) = mpsc::channel();
        asked.watch_stop_request_file(self.state_dir_path().join(STOP_REQUEST_FILE), holds);
        let mut lock = LocalRunLock {
            file,
            holder: RunLockHolder::new_local_lock_holder(now),
            journal: RunJournal::default(),
            events: self.state_dir_path().join(EVENTS_FILE),
            _held: held,
        };
        lock.write_lock_holder_file();
        lock.journal.restart_run_journal_for_stage().write_journal_to_file(&lock.events);
        Ok(lock)
    }

    /// Asks the run that holds the lock here to end after its request in flight.
    ///
    /// # Errors
    /// Where the request can't be written.
    pub fn request_other_run_stop(&self, now: Duration) -> Result<(), Failure> {
        self.write_state_dir_file(
            STOP_REQUEST_FILE,
            RunLockHolder::new_local_lock_holder(now).render_holder_process().as_bytes(),
        )
        .map(drop)
    }

    /// Reads what the run that holds the lock here has said since `read`.
    pub fn read_new_journal_events(
        &self,
        read: &mut journal::RunJournalPosition,
    ) -> journal::NewJournalEvents {
        read.read_new_journal_events(&self.state_dir_path().join(EVENTS_FILE))
    }

    /// Waits for the turn at `of`, no longer than `patience`: whoever holds one does so for moments, never while it waits
    /// for something else. Where the directory can't hold a lock, nobody else has one there either.
    ///
    /// # Errors
    /// Where another run kept it all that time.
    pub async fn acquire_config_write_lock(
        &self,
        of: &str,
        patience: Duration,
    ) -> Result<ConfigWriteLock, Failure> {
        let Ok(file) = open_lock_file(&self.state_dir_path().join(of)) else {
            return Ok(ConfigWriteLock { _file: None });
        };
        let until = tokio::time::Instant::now() + patience;
        while let Err(rustix::io::Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockExclusive)
        {
            if tokio::time::Instant::now() >= until {
                return Err(Failure::new_generic_failure(
                    format!("{OTHER_RUN} on this host"),
                    format!(
                        "it has held {of} in {} for {} s",
                        self.state_dir_path().display(),
                        patience.as_secs()
                    ),
                    "see what it waits for (ps), end it if it hangs, then try again",
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(ConfigWriteLock { _file: Some(file) })
    }
}

fn open_lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW).open(path)
}

impl LocalRunLock {
    /// Says where this run stands, to whoever asks: in which stage, and whether that has come to its end.
    pub fn set_run_lock_stage(&mut self, stage: Option<RunStage>, rests: bool, now: Duration) {
        self.holder.set_run_lock_stage(stage, rests, now);
        self.write_lock_holder_file();
        if !rests {
            self.journal.restart_run_journal_for_stage().write_journal_to_file(&self.events);
        }
    }

    /// Keeps an event for whoever watches.
    pub fn append_run_journal_event(&mut self, now: Duration, event: &StageEvent) {
        if let Some(lines) = self.journal.append_run_journal_event(now, event) {
            lines.write_journal_to_file(&self.events);
        }
    }

    fn write_lock_holder_file(&mut self) {
        // The lock is the kernel's; what stands in the file is for people.
        let _ = self.file.rewind();
        let _ = self.file.set_len(0);
        let _ = self.file.write_all(self.holder.render_lock_holder_json().as_bytes());
        let _ = self.file.set_permissions(fs::Permissions::from_mode(0o600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::run::state::create_temporary_state_dir, model::run::goal::StageStep};

    const NOW: Duration = Duration::from_mins(29_924_445);

    fn expect_lock_held(state: &HostStateDir, now: Duration) -> ConcurrentRun {
        match state.acquire_run_lock(now, &StopRequest::default()) {
            Err(RunLockError::Held(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_run_is_told_who_runs_since_when_and_where() {
        let (_root, state) = create_temporary_state_dir();
        let mut lock = state.acquire_run_lock(NOW, &StopRequest::default()).unwrap();
        lock.set_run_lock_stage(Some(RunStage::GoLive), false, NOW + Duration::from_mins(1));
        let run = expect_lock_held(&state, NOW + Duration::from_mins(3));
        let pid = format!("process {} (", std::process::id());
        assert!(run.who.starts_with(&pid), "{run}");
        assert_eq!(run.since, "2026-11-23 20:45:00 UTC (3 minutes ago)");
        assert_eq!(run.describe_run_stage(), "in the stage go-live for 2 minutes");
        let failure = Failure::from(RunLockError::Held(Box::new(run)));
        assert_eq!(failure.what, "another run on this host");
        drop(lock);
        assert!(state.acquire_run_lock(NOW, &StopRequest::default()).is_ok());
    }

    #[test]
    fn what_a_run_says_is_heard_by_whoever_watches_it() {
        let (_root, state) = create_temporary_state_dir();
        let mut lock = state.acquire_run_lock(NOW, &StopRequest::default()).unwrap();
        let mut read = journal::RunJournalPosition::default();
        assert!(state.read_new_journal_events(&mut read).events.is_empty());
        let event =
            StageEvent::Started { stage: RunStage::Secret, step: StageStep::Secret, text: "a secret".into() };
        lock.set_run_lock_stage(Some(RunStage::Secret), false, NOW);
        lock.append_run_journal_event(NOW, &event);
        let news = state.read_new_journal_events(&mut read);
        assert!(news.restarted && news.events == [(NOW, event)], "{news:?}");
        lock.set_run_lock_stage(Some(RunStage::Secret), true, NOW);
        assert!(!state.read_new_journal_events(&mut read).restarted, "what ended can still be read");
        assert_eq!(
            fs::metadata(state.state_dir_path().join(EVENTS_FILE)).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[tokio::test]
    async fn a_run_hears_who_asks_it_to_end_and_none_that_asked_the_one_before() {
        let (_root, state) = create_temporary_state_dir();
        state.request_other_run_stop(NOW).unwrap();
        let asked = StopRequest::default();
        let lock = state.acquire_run_lock(NOW, &asked).unwrap();
        let nobody =
            tokio::time::timeout(Duration::from_millis(1200), asked.wait_until_somebody_requests_stop())
                .await;
        assert!(nobody.is_err(), "it was left for a run before this one: {nobody:?}");
        state.request_other_run_stop(NOW).unwrap();
        let who = asked.wait_until_somebody_requests_stop().await;
        assert!(who.starts_with(&format!("process {} (", std::process::id())), "{who}");
        drop(lock);
        assert_eq!(state.read_state_dir_file(STOP_REQUEST_FILE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_at_a_time_and_waited_for_a_while() {
        let (_root, state) = create_temporary_state_dir();
        let first = state.acquire_config_write_lock("turn", Duration::from_secs(1)).await.unwrap();
        assert!(state.acquire_config_write_lock("another", Duration::ZERO).await.is_ok());
        let failure = state.acquire_config_write_lock("turn", Duration::from_secs(3)).await.unwrap_err();
        assert!(failure.what.starts_with(OTHER_RUN) && failure.why.contains("for 3 s"), "{failure}");
        let second = tokio::spawn(async move {
            state.acquire_config_write_lock("turn", Duration::from_secs(3)).await.is_ok()
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn where_no_lock_can_be_kept_nobody_waits() {
        let (root, state) = create_temporary_state_dir();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        assert!(state.acquire_config_write_lock("turn", Duration::ZERO).await.is_ok());
    }
}
