//! Another run on the same host, as it is seen from here: who it is, since when, where it stands, and what it says as it goes on.

use std::{fmt, time::Duration};

use super::{event::StageEvent, goal::RunStage};

/// Who holds a host's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentRun {
    /// Where the lock is: `this host`, `web1`.
    pub host: String,
    /// `process 812 (alice) on laptop`; empty where it has only just begun, and hasn't said yet.
    pub who: String,
    /// `2026-11-23 20:45:00 UTC (14 minutes ago)`.
    pub since: String,
    /// The stage that it is in, or was in last.
    pub stage: Option<RunStage>,
    /// For how long: `2 minutes`.
    pub stage_age: String,
    /// Nothing runs in it: it waits for its operator.
    pub is_idle: bool,
}

impl ConcurrentRun {
    /// Says where it stands: `in the stage distribution for 2 minutes`.
    #[must_use]
    pub fn describe_run_stage(&self) -> String {
        match (self.stage, self.is_idle) {
            (None, _) => "before its first stage".to_owned(),
            (Some(stage), false) => format!("in the stage {} for {}", stage.stage_name(), self.stage_age),
            (Some(stage), true) => {
                format!(
                    "in the stage {}, which ended {} ago; it waits for its operator",
                    stage.stage_name(),
                    self.stage_age
                )
            }
        }
    }

    /// Renders it as a sentence.
    #[must_use]
    pub fn describe_concurrent_run(&self) -> String {
        format!("Another run works on {}: {self}.", self.host)
    }
}

/// `process 812 (alice) runs since 2026-11-23 20:45:00 UTC (14 minutes ago), in the stage distribution for 2 minutes`.
impl fmt::Display for ConcurrentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.who.is_empty() {
            return f.write_str("it has only just begun");
        }
        write!(f, "{} runs since {}, {}", self.who, self.since, self.describe_run_stage())
    }
}

/// What is seen of another run while it is watched.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchedRunEvent {
    /// Where it stands now, and the Unix time there.
    Run(ConcurrentRun, Duration),
    /// What it said before is over: it says all that still counts from the beginning.
    Restarted,
    /// What it said, and at which Unix time.
    Event(StageEvent, Duration),
    /// It was asked to end.
    StopRequested,
    /// It has ended, and this run holds the lock now.
    Ended,
}
