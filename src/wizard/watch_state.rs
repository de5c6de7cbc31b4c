//! What is known of another run on the host while it is watched.

use std::time::Duration;

use super::log::StageProgress;
use crate::model::{
    failure::Failure,
    run::{event::StageEvent, goal::RunStage, other_run::ConcurrentRun},
};

/// What is known of the run that is watched.
#[derive(Debug)]
pub struct WatchedRunState {
    pub run: ConcurrentRun,
    /// What it says of the stage that it is in.
    pub stage: Option<RunStage>,
    pub progress: StageProgress,
    /// Since when it is asked to end.
    pub stop_requested_at: Option<Duration>,
    /// Why it can't be asked.
    pub failure: Option<Failure>,
    /// Its host's Unix time when this wizard began: its events say when they came by that.
    epoch: Duration,
}

impl WatchedRunState {
    /// Begins to watch `run`, of which nothing more is known yet.
    #[must_use]
    pub fn new(run: ConcurrentRun) -> Self {
        Self {
            run,
            stage: None,
            progress: StageProgress::default(),
            stop_requested_at: None,
            failure: None,
            epoch: Duration::ZERO,
        }
    }

    /// Returns its host's time at `now`, the wizard's own time.
    #[must_use]
    pub fn convert_to_watched_host_time(&self, now: Duration) -> Duration {
        self.epoch + now
    }

    /// Sets what its host's time is at `now`.
    pub fn record_watched_host_time(&mut self, host_time: Duration, now: Duration) {
        self.epoch = host_time.saturating_sub(now);
    }

    /// Forgets what its run said, which begins anew.
    pub fn clear_watched_run_progress(&mut self) {
        self.stage = None;
        self.progress = StageProgress::default();
    }

    /// Folds one event of it, which came at `at` by its host's time; a new stage begins anew.
    pub fn apply_watched_stage_event(&mut self, event: &StageEvent, at: Duration) {
        if self.stage != Some(event.stage_of_event()) {
            self.stage = Some(event.stage_of_event());
            self.progress = StageProgress::default();
        }
        self.progress.apply_stage_event(at, event);
    }
}
