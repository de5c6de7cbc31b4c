//! The locks of the state directory: one run at a time changes this host, and one write at a time packagecloud.rb.
//!
//! They are the kernel's, which frees them where a process crashes; what stands in their files is for people.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::model::{failure::Failure, goal::Stage};

use super::{clock, state::State};

/// What [`State::lock`] fails on where another run holds it.
pub const OTHER_RUN: &str = "another run";

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    /// Unix seconds.
    since: u64,
    stage: Option<Stage>,
    /// The machine that it runs on, where that is another than the lock's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// This run, as it is written into another host's lock.
pub(super) fn holder(now: Duration) -> Vec<u8> {
    let from = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let holder = Holder { pid: std::process::id(), since: now.as_secs(), stage: None, from: Some(from) };
    serde_json::to_vec(&holder).expect("a holder is plain data")
}

/// The lock, until it is dropped; the kernel frees it where this process crashes.
#[derive(Debug)]
pub struct Lock {
    file: File,
    holder: Holder,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _file: Option<File>,
}

impl State {
    /// Takes the lock, so that one run at a time changes this host.
    ///
    /// # Errors
    /// Where another run holds it: who, since when, in which stage.
    pub fn lock(&self, now: Duration, stage: Option<Stage>) -> Result<Lock, Failure> {
        let path = self.dir().join("lock");
        let failed = |error: io::Error| {
            Failure::other(
                path.display().to_string(),
                error.to_string(),
                "name another one with --state-dir DIR",
            )
        };
        let mut file = open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file, now)),
            Err(error) => return Err(failed(error.into())),
        }
        let mut lock = Lock {
            file,
            holder: Holder { pid: std::process::id(), since: now.as_secs(), stage, from: None },
        };
        lock.say();
        Ok(lock)
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

fn held(file: &mut File, now: Duration) -> Failure {
    let mut text = Vec::new();
    let _ = file.read_to_end(&mut text);
    held_by(&text, now, None)
}

/// Another run has the lock, on this machine or on another host: what it wrote there of itself.
pub(super) fn held_by(holder: &[u8], now: Duration, on: Option<&str>) -> Failure {
    let why = match serde_json::from_slice::<Holder>(holder) {
        Ok(holder) => {
            let stage =
                holder.stage.map_or(String::new(), |stage| format!(", in the stage {}", stage.name()));
            let from = holder.from.map_or(String::new(), |from| format!(" on {from}"));
            let minutes = now.as_secs().saturating_sub(holder.since) / 60;
            let since = clock::written(Duration::from_secs(holder.since));
            format!("process {}{from} runs since {since} ({minutes} min){stage}", holder.pid)
        }
        // It has the lock, and hasn't said who it is yet.
        Err(_) => "it has only just begun".to_owned(),
    };
    let what = on.map_or(OTHER_RUN.to_owned() + " on this host", |on| format!("{OTHER_RUN} on {on}"));
    Failure::other(what, why, "wait for it, or stop it with Ctrl-C where it runs")
}

impl Lock {
    /// Says which stage runs now, to whoever asks.
    pub fn stage(&mut self, stage: Option<Stage>) {
        self.holder.stage = stage;
        self.say();
    }

    fn say(&mut self) {
        let text = serde_json::to_vec(&self.holder).expect("a holder is plain data");
        // The lock is the kernel's; what stands in the file is for people.
        let _ = self.file.rewind();
        let _ = self.file.set_len(0);
        let _ = self.file.write_all(&text);
        let _ = self.file.set_permissions(fs::Permissions::from_mode(0o600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_mins(29_924_445);

    fn state() -> (tempfile::TempDir, State) {
        let root = tempfile::tempdir().unwrap();
        let state = State::open(&root.path().join("a/b"), None).unwrap();
        (root, state)
    }

    #[test]
    fn a_second_run_is_told_who_runs_since_when_and_where() {
        let (_root, state) = state();
        let mut lock = state.lock(NOW, None).unwrap();
        lock.stage(Some(Stage::GoLive));
        let failure = state.lock(NOW + Duration::from_mins(3), None).unwrap_err();
        assert_eq!(
            failure.why,
            format!(
                "process {} runs since 2026-11-23 20:45:00 UTC (3 min), in the stage go-live",
                std::process::id()
            )
        );
        drop(lock);
        assert!(state.lock(NOW, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_at_a_time_and_waited_for_a_while() {
        let (_root, state) = state();
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
        let (root, state) = state();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        assert!(state.turn("turn", Duration::ZERO).await.is_ok());
    }
}
