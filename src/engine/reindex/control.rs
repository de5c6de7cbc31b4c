//! Pause, go on, stop: what an operator says to a reindex that runs.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ControlState {
    Go,
    Pause,
    Stop,
}

/// Clones speak to the same run.
#[derive(Debug, Clone)]
pub struct ReindexControl(Arc<watch::Sender<ControlState>>);

impl Default for ReindexControl {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(ControlState::Go)))
    }
}

impl ReindexControl {
    /// Pauses: no new request is sent until [`Self::resume_reindex`].
    pub fn pause_reindex(&self) {
        self.0.send_if_modified(|wish| {
            std::mem::replace(
                wish,
                if *wish == ControlState::Stop { ControlState::Stop } else { ControlState::Pause },
            ) == ControlState::Go
        });
    }

    /// Goes on after a pause.
    pub fn resume_reindex(&self) {
        self.0.send_if_modified(|wish| {
            *wish == ControlState::Pause && std::mem::replace(wish, ControlState::Go) == ControlState::Pause
        });
    }

    /// Stops: the requests in flight are the last ones.
    pub fn stop_reindex(&self) {
        self.0.send_replace(ControlState::Stop);
    }

    /// Returns whether it is paused.
    pub fn is_reindex_paused(&self) -> bool {
        *self.0.borrow() == ControlState::Pause
    }

    /// Waits until it is no longer paused.
    pub(super) async fn wait_while_paused(&self) {
        if self.is_reindex_paused() {
            // The sender is this very value: it can't be gone.
            let _ = self.0.subscribe().wait_for(|wish| *wish != ControlState::Pause).await;
        }
    }

    /// Waits until it is stopped.
    pub(super) async fn wait_until_stopped(&self) {
        let _ = self.0.subscribe().wait_for(|wish| *wish == ControlState::Stop).await;
    }
}
