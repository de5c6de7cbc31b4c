//! What a run says, kept beside its lock for whoever watches it from another terminal.
//!
//! It is bounded however long the run is, begins anew with each stage, and what can't be kept of it is lost and stops nothing.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::host::files::NO_FOLLOW;
use crate::model::run::{
    event::StageEvent,
    goal::{RunStage, StageStep},
};

/// Its file in the state directory.
pub(super) const EVENTS_FILE: &str = "events";
/// Past this it is written anew with what still counts.
const JOURNAL_MAX_BYTES: usize = 256 * 1024;
/// How far a step is says at most this often.
const PROGRESS_MIN_INTERVAL: Duration = Duration::from_millis(500);

/// One event, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RunJournalEntry {
    /// Unix time.
    at: Duration,
    /// A check doesn't say its own.
    stage: RunStage,
    event: StageEvent,
}

/// Decides what is kept of the events: the lines to write, and whether they begin a new file.
#[derive(Debug, Default)]
pub(crate) struct RunJournal {
    /// The lines that still count: what a new file begins with.
    counts: Vec<(Option<StageStep>, String)>,
    written: usize,
    paced: Option<Instant>,
}

/// What to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunJournalWrite {
    /// Behind what stands there.
    Append(String),
    /// In the place of what stands there.
    Overwrite(String),
}

impl RunJournal {
    /// Begins a stage: its journal starts anew.
    pub(crate) fn restart_run_journal_for_stage(&mut self) -> RunJournalWrite {
        *self = Self::default();
        self.rewrite_run_journal()
    }

    /// Keeps an event; `None` where it need not be told.
    pub(crate) fn append_run_journal_event(
        &mut self,
        at: Duration,
        event: &StageEvent,
    ) -> Option<RunJournalWrite> {
        let step = match event {
            StageEvent::Progress { step, .. } => {
                if self.paced.is_some_and(|last| last.elapsed() < PROGRESS_MIN_INTERVAL) {
                    return None;
                }
                self.paced = Some(Instant::now());
                Some(*step)
            }
            _ => None,
        };
        let entry = RunJournalEntry { at, stage: event.stage_of_event(), event: event.clone() };
        let line = serde_json::to_string(&entry).ok()? + "\n";
        if step.is_some() {
            self.counts.retain(|(of, _)| *of != step);
        }
        self.counts.push((step, line.clone()));
        self.written += line.len();
        Some(if self.written > JOURNAL_MAX_BYTES {
            self.rewrite_run_journal()
        } else {
            RunJournalWrite::Append(line)
        })
    }

    fn rewrite_run_journal(&mut self) -> RunJournalWrite {
        let mut text = format!("{:016x}\n", fastrand::u64(..));
        self.counts.iter().for_each(|(_, line)| text.push_str(line));
        self.written = text.len();
        RunJournalWrite::Overwrite(text)
    }
}

impl RunJournalWrite {
    /// Writes it into the file at `path`, this user's alone.
    pub(super) fn write_journal_to_file(&self, path: &Path) {
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).custom_flags(NO_FOLLOW);
        // Whoever watches has it open: the file stays the same one.
        let _ = match self {
            Self::Append(text) => {
                options.append(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()))
            }
            Self::Overwrite(text) => {
                let write = |mut file: File| {
                    file.set_len(0)?;
                    file.rewind()?;
                    file.write_all(text.as_bytes())
                };
                options.write(true).truncate(false).open(path).and_then(write)
            }
        };
    }
}

/// How much of a journal has been read: its first line tells one that was begun anew.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RunJournalPosition {
    pub(super) head: String,
    pub(super) at: usize,
}

/// What came since.
#[derive(Debug, Default, PartialEq)]
pub struct NewJournalEvents {
    /// What was read before is over.
    pub restarted: bool,
    /// Each with its Unix time.
    pub events: Vec<(Duration, StageEvent)>,
}

impl RunJournalPosition {
    /// Takes `bytes`, which follow what was read where the file's first line is still the one that it was, and are the
    /// whole file else.
    pub(super) fn parse_new_journal_events(&mut self, head: &str, bytes: &[u8]) -> NewJournalEvents {
        let anew = head != self.head;
        if anew {
            *self = Self { head: head.to_owned(), at: 0 };
        }
        // A line that is being written is read when it is whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.at += whole;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        let events =
            lines.filter_map(|line| serde_json::from_slice::<RunJournalEntry>(line).ok()).map(|entry| {
                let event = match entry.event {
                    StageEvent::Check { check, .. } => StageEvent::Check { stage: entry.stage, check },
                    other => other,
                };
                (entry.at, event)
            });
        NewJournalEvents { restarted: anew, events: events.collect() }
    }

    /// Reads the same of a file here.
    pub(super) fn read_new_journal_events(&mut self, path: &Path) -> NewJournalEvents {
        let bytes = std::fs::read(path).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let from = if head == self.head { self.at.min(bytes.len()) } else { 0 };
        self.parse_new_journal_events(&head, &bytes[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::{
        check::CheckResult,
        event::{ProgressStats, StageEnd},
    };

    fn started_event(text: &str) -> StageEvent {
        StageEvent::Started { stage: RunStage::Secret, step: StageStep::Secret, text: text.into() }
    }

    #[test]
    fn what_is_kept_is_read_back_as_it_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(EVENTS_FILE);
        let mut journal = RunJournal::default();
        let mut read = RunJournalPosition::default();
        let at = Duration::from_secs(7);
        journal.restart_run_journal_for_stage().write_journal_to_file(&path);
        assert!(read.read_new_journal_events(&path).restarted);
        let check = CheckResult::new_failed_check("clock", "it is off", "set it");
        let said = [
            started_event("a secret\nof two lines"),
            StageEvent::Check { stage: RunStage::GoLive, check },
            StageEvent::Ended {
                stage: RunStage::Secret,
                step: None,
                end: StageEnd::Applied,
                text: String::new(),
            },
        ];
        for event in &said {
            journal.append_run_journal_event(at, event).unwrap().write_journal_to_file(&path);
            assert_eq!(
                read.read_new_journal_events(&path),
                NewJournalEvents { restarted: false, events: vec![(at, event.clone())] }
            );
        }
        assert_eq!(read.read_new_journal_events(&path).events, []);
        journal.restart_run_journal_for_stage().write_journal_to_file(&path);
        journal.append_run_journal_event(at, &started_event("again")).unwrap().write_journal_to_file(&path);
        assert_eq!(
            read.read_new_journal_events(&path),
            NewJournalEvents { restarted: true, events: vec![(at, started_event("again"))] }
        );
        // Half a line is read once it is whole.
        let Some(RunJournalWrite::Append(line)) =
            journal.append_run_journal_event(at, &started_event("whole"))
        else {
            panic!()
        };
        let (first, rest) = line.split_at(20);
        RunJournalWrite::Append(first.to_owned()).write_journal_to_file(&path);
        assert_eq!(read.read_new_journal_events(&path).events, []);
        RunJournalWrite::Append(rest.to_owned()).write_journal_to_file(&path);
        assert_eq!(read.read_new_journal_events(&path).events, [(at, started_event("whole"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stays_small_however_long_the_run_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(EVENTS_FILE);
        let mut journal = RunJournal::default();
        let mut read = RunJournalPosition::default();
        journal.restart_run_journal_for_stage().write_journal_to_file(&path);
        journal
            .append_run_journal_event(Duration::ZERO, &started_event("begun"))
            .unwrap()
            .write_journal_to_file(&path);
        let (mut anew, mut last) = (0, None);
        for done in 0..10_000 {
            tokio::time::advance(PROGRESS_MIN_INTERVAL).await;
            let pace = Some(ProgressStats { done: Some(done), ..ProgressStats::default() });
            let event = StageEvent::Progress {
                stage: RunStage::Reindex,
                step: StageStep::Objects,
                text: "x".repeat(50),
                pace,
            };
            journal
                .append_run_journal_event(Duration::from_secs(done), &event)
                .unwrap()
                .write_journal_to_file(&path);
            assert_eq!(
                journal.append_run_journal_event(Duration::from_secs(done), &event),
                None,
                "not more often than that"
            );
            let news = read.read_new_journal_events(&path);
            if news.restarted {
                anew += 1;
                assert!(done == 0 || news.events[0].1 == started_event("begun"), "what counts is said again");
            }
            last = news.events.last().cloned();
            assert_eq!(last.as_ref().unwrap().1, event);
        }
        assert!(anew > 2 && last.is_some());
        assert!(std::fs::metadata(&path).unwrap().len() < 2 * JOURNAL_MAX_BYTES as u64);
    }
}
