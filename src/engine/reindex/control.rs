//! Pause, go on, stop: what an operator says to a reindex that runs.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Go,
    Pause,
    Stop,
}

/// Clones speak to the same run.
#[derive(Debug, Clone)]
pub struct Control(Arc<watch::Sender<Wish>>);

impl Default for Control {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Wish::Go)))
    }
}

impl Control {
    /// No new request is sent until [`Self::go_on`].
    pub fn pause(&self) {
        self.0.send_if_modified(|wish| {
            std::mem::replace(wish, if *wish == Wish::Stop { Wish::Stop } else { Wish::Pause }) == Wish::Go
        });
    }

    pub fn go_on(&self) {
        self.0.send_if_modified(|wish| {
            *wish == Wish::Pause && std::mem::replace(wish, Wish::Go) == Wish::Pause
        });
    }

    /// The requests in flight are the last ones.
    pub fn stop(&self) {
        self.0.send_replace(Wish::Stop);
    }

    pub fn paused(&self) -> bool {
        *self.0.borrow() == Wish::Pause
    }

    pub(super) async fn unpaused(&self) {
        if self.paused() {
            // The sender is this very value: it can't be gone.
            let _ = self.0.subscribe().wait_for(|wish| *wish != Wish::Pause).await;
        }
    }

    pub(super) async fn stopped(&self) {
        let _ = self.0.subscribe().wait_for(|wish| *wish == Wish::Stop).await;
    }
}
