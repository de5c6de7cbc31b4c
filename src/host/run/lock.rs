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

use crate::model::run::{event::Event, failure::Failure, goal::Stage, other_run::OtherRun};

use super::{
    holder::{self, Holder},
    journal::{self, EVENTS, Journal},
    state::State,
    stop_request::{Asked, REQUEST},
};

/// What a [`Refused`] fails on where another run holds the lock.
pub const OTHER_RUN: &str = "another run";

/// Why a lock isn't to be had.
#[derive(Debug)]
pub enum Refused {
    /// Another run has it.
    Held(Box<OtherRun>),
    Failed(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Held(run) => Self::other(
                format!("{OTHER_RUN} on {}", run.on),
                run.to_string(),
                "wait for it, take it over in the wizard (t), or stop it with Ctrl-C where it runs",
            ),
            Refused::Failed(failure) => failure,
        }
    }
}

/// The lock, until it is dropped; the kernel frees it where this process crashes.
#[derive(Debug)]
pub struct Lock {
    file: File,
    holder: Holder,
    journal: Journal,
    events: std::path::PathBuf,
    /// Dropped with it: then nobody is listened to any more.
    _held: mpsc::Sender<()>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _file: Option<File>,
}

impl State {
    /// Takes the lock, so that one run at a time changes this host; whoever asks it to end is heard by `asked`.
    pub fn lock(&self, now: Duration, asked: &Asked) -> Result<Lock, Refused> {
        let path = self.dir().join("lock");
        let failed = |error: io::Error| {
            Refused::Failed(Failure::other(
                path.display().to_string(),
                error.to_string(),
                "name another one with --state-dir DIR",
            ))
        };
        let mut file = open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = Vec::new();
                let _ = file.read_to_end(&mut text);
                return Err(Refused::Held(Box::new(holder::read(&text, now, "this host"))));
            }
            Err(error) => return Err(failed(error.into())),
        }
        let (held, holds) = mpsc::channel();
        asked.listen(self.dir().join(REQUEST), holds);
        let mut lock = Lock {
            file,
            holder: Holder::here(now),
            journal: Journal::default(),
            events: self.dir().join(EVENTS),
            _held: held,
        };
        lock.say();
        lock.journal.begin().write(&lock.events);
        Ok(lock)
    }

    /// Asks the run that holds the lock here to end after its request in flight.
    pub fn ask_to_end(&self, now: Duration) -> Result<(), Failure> {
        self.write(REQUEST, Holder::here(now).who().as_bytes()).map(drop)
    }

    /// What the run that holds the lock here has said since `read`.
    pub fn heard(&self, read: &mut journal::Read) -> journal::News {
        read.of(&self.dir().join(EVENTS))
    }

    /// Waits for the turn at `of`, no longer than `patience`: whoever holds one does so for moments, never while it waits
    /// for something else. Where the directory can't hold a lock, nobody else has one there either.
    ///
    /// # Errors
    /// Where another run kept it all that time.
    pub async fn turn(&self, of: &str, patience: Duration) -> Result<Turn, Failure> {
        let Ok(file) = open(&self.dir().join(of)) else { return Ok(Turn { _file: None }) };
        let until = tokio::time::Instant::now() + patience;
        while let Err(rustix::io::Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockExclusive)
        {
            if tokio::time::Instant::now() >= until {
                return Err(Failure::other(
                    format!("{OTHER_RUN} on this host"),
                    format!("it has held {of} in {} for {} s", self.dir().display(), patience.as_secs()),
                    "see what it waits for (ps), end it if it hangs, then try again",
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Turn { _file: Some(file) })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Lock {
    /// Says where this run stands, to whoever asks: in which stage, and whether that has come to its end.
    pub fn stands(&mut self, stage: Option<Stage>, rests: bool, now: Duration) {
        self.holder.moved(stage, rests, now);
        self.say();
        if !rests {
            self.journal.begin().write(&self.events);
        }
    }

    /// Keeps an event for whoever watches.
    pub fn tell(&mut self, now: Duration, event: &Event) {
        if let Some(lines) = self.journal.keep(now, event) {
            lines.write(&self.events);
        }
    }

    fn say(&mut self) {
        // The lock is the kernel's; what stands in the file is for people.
        let _ = self.file.rewind();
        let _ = self.file.set_len(0);
        let _ = self.file.write_all(self.holder.text().as_bytes());
        let _ = self.file.set_permissions(fs::Permissions::from_mode(0o600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::run::state::fresh, model::run::goal::Step};

    const NOW: Duration = Duration::from_mins(29_924_445);

    fn held(state: &State, now: Duration) -> OtherRun {
        match state.lock(now, &Asked::default()) {
            Err(Refused::Held(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_run_is_told_who_runs_since_when_and_where() {
        let (_root, state) = fresh();
        let mut lock = state.lock(NOW, &Asked::default()).unwrap();
        lock.stands(Some(Stage::GoLive), false, NOW + Duration::from_mins(1));
        let run = held(&state, NOW + Duration::from_mins(3));
        let pid = format!("process {} (", std::process::id());
        assert!(run.who.starts_with(&pid), "{run}");
        assert_eq!(run.since, "2026-11-23 20:45:00 UTC (3 minutes ago)");
        assert_eq!(run.place(), "in the stage go-live for 2 minutes");
        let failure = Failure::from(Refused::Held(Box::new(run)));
        assert_eq!(failure.what, "another run on this host");
        drop(lock);
        assert!(state.lock(NOW, &Asked::default()).is_ok());
    }

    #[test]
    fn what_a_run_says_is_heard_by_whoever_watches_it() {
        let (_root, state) = fresh();
        let mut lock = state.lock(NOW, &Asked::default()).unwrap();
        let mut read = journal::Read::default();
        assert!(state.heard(&mut read).events.is_empty());
        let event = Event::Started { stage: Stage::Secret, step: Step::Secret, text: "a secret".into() };
        lock.stands(Some(Stage::Secret), false, NOW);
        lock.tell(NOW, &event);
        let news = state.heard(&mut read);
        assert!(news.anew && news.events == [(NOW, event)], "{news:?}");
        lock.stands(Some(Stage::Secret), true, NOW);
        assert!(!state.heard(&mut read).anew, "what ended can still be read");
        assert_eq!(fs::metadata(state.dir().join(EVENTS)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_run_hears_who_asks_it_to_end_and_none_that_asked_the_one_before() {
        let (_root, state) = fresh();
        state.ask_to_end(NOW).unwrap();
        let asked = Asked::default();
        let lock = state.lock(NOW, &asked).unwrap();
        let nobody = tokio::time::timeout(Duration::from_millis(1200), asked.by()).await;
        assert!(nobody.is_err(), "it was left for a run before this one: {nobody:?}");
        state.ask_to_end(NOW).unwrap();
        let who = asked.by().await;
        assert!(who.starts_with(&format!("process {} (", std::process::id())), "{who}");
        drop(lock);
        assert_eq!(state.read(REQUEST), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_at_a_time_and_waited_for_a_while() {
        let (_root, state) = fresh();
        let first = state.turn("turn", Duration::from_secs(1)).await.unwrap();
        assert!(state.turn("another", Duration::ZERO).await.is_ok());
        let failure = state.turn("turn", Duration::from_secs(3)).await.unwrap_err();
        assert!(failure.what.starts_with(OTHER_RUN) && failure.why.contains("for 3 s"), "{failure}");
        let second = tokio::spawn(async move { state.turn("turn", Duration::from_secs(3)).await.is_ok() });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn where_no_lock_can_be_kept_nobody_waits() {
        let (root, state) = fresh();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        assert!(state.turn("turn", Duration::ZERO).await.is_ok());
    }
}
