//! The request to end that a second run leaves beside the lock of the first: the first ends after the request in flight, the second goes on.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::sync::watch;

/// Its file in the state directory; it holds who asked.
pub(super) const STOP_REQUEST_FILE: &str = "take-over";
/// How often it is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Who asked this run to end, once somebody has. Clones share it.
#[derive(Debug, Clone)]
pub struct StopRequest(Arc<watch::Sender<Option<String>>>);

impl Default for StopRequest {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl StopRequest {
    /// Waits until somebody asks: who it is.
    pub async fn wait_until_somebody_requests_stop(&self) -> String {
        let mut heard = self.0.subscribe();
        let said = heard.wait_for(Option::is_some).await;
        said.map(|who| who.clone().unwrap_or_default()).unwrap_or_default()
    }

    /// Records who asks, and wakes whoever waits for it.
    pub(crate) fn record_stop_requester(&self, who: &str) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert_with(|| who.trim().to_owned());
            first
        });
    }

    /// Looks for the request at `path` until `held` hangs up: on a thread, since it is asked in real time, whatever waits.
    pub(super) fn watch_stop_request_file(&self, path: PathBuf, held: Receiver<()>) {
        // One that was left for a run before this one asks nothing of this one.
        let _ = fs::remove_file(&path);
        let asked = self.clone();
        let listener = std::thread::Builder::new().name("take-over".to_owned());
        // Without it nobody can ask, and nothing else is lost.
        let _ = listener.spawn(move || {
            while held.recv_timeout(POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if let Some(who) = fs::read_to_string(&path).ok().filter(|who| !who.is_empty()) {
                    // Gone before it is heard: whoever acts on it finds none left.
                    let _ = fs::remove_file(&path);
                    asked.record_stop_requester(&who);
                }
            }
        });
    }
}
