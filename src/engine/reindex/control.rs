//! Pause, go on, stop: what an operator says to a reindex that runs.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReindexControlState {
    Go,
    Pause,
    Stop,
}

/// Clones speak to the same run.
#[derive(Debug, Clone)]
pub struct ReindexControl(Arc<watch::Sender<ReindexControlState>>);

impl Default for ReindexControl {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(ReindexControlState::Go)))
    }
}

impl ReindexControl {
    /// Pauses: no new request is sent until [`Self::resume_reindex`].
    pub fn pause_reindex(&self) {
        self.0.send_if_modified(|wish| {
            std::mem::replace(
                wish,
                if *wish == ReindexControlState::Stop {
                    ReindexControlState::Stop
                } else {
                    ReindexControlState::Pause
                },
            ) == ReindexControlState::Go
        });
    }

    /// Goes on after a pause.
    pub fn resume_reindex(&self) {
        self.0.send_if_modified(|wish| {
            *wish == ReindexControlState::Pause
                && std::mem::replace(wish, ReindexControlState::Go) == ReindexControlState::Pause
        });
    }

    /// Stops: the requests in flight are the last ones.
    pub fn stop_reindex(&self) {
        self.0.send_replace(ReindexControlState::Stop);
    }

    /// Returns whether it is paused.
    pub fn is_reindex_paused(&self) -> bool {
        *self.0.borrow() == ReindexControlState::Pause
    }

    /// Waits until it is no longer paused.
    pub(super) async fn wait_while_paused(&self) {
        if self.is_reindex_paused() {
            // The sender is this very value: it can't be gone.
            let _ = self.0.subscribe().wait_for(|wish| *wish != ReindexControlState::Pause).await;
        }
    }

    /// Waits until it is stopped.
    pub(super) async fn wait_until_reindex_stop_requested(&self) {
        let _ = self.0.subscribe().wait_for(|wish| *wish == ReindexControlState::Stop).await;
    }
}
