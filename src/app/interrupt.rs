//! What ends a command early: Ctrl-C, a dropped line, a request to end, another run that takes over.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::errln;

/// What a command does when its terminal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangupResponse {
    /// It stops as at a Ctrl-C.
    Stop,
    /// It goes on: who switches off wants that done, whatever the line does.
    GoOn,
}

/// Cancels `stop` on the first Ctrl-C, dropped line or request to end, or where another run takes over; ends on the
/// second.
///
/// What was cancelled stops after the request in flight.
pub(super) async fn cancel_then_await_second_interrupt(
    stop: CancellationToken,
    taken_over: impl Future<Output = String>,
    at_hangup: HangupResponse,
) {
    // Heard even where it changes nothing: unheard it would end this process.
    let mut hangup = signal(SignalKind::hangup()).ok();
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal).into_iter();
    let mut signals: Vec<_> = signals.flatten().collect();
    if at_hangup == HangupResponse::Stop {
        signals.extend(hangup.take());
    }
    tokio::select! {
        heard = wait_for_any_os_signal(&mut signals) => {
            if !heard {
                std::future::pending::<()>().await;
            }
            errln!("packagecloud-cloudfront: stopping after the request in flight (Ctrl-C again leaves at once)");
        }
        by = taken_over => {
            errln!("packagecloud-cloudfront: {by} takes over: stopping after the request in flight (Ctrl-C leaves at once)");
        }
    }
    stop.cancel();
    if !wait_for_any_os_signal(&mut signals).await {
        std::future::pending::<()>().await;
    }
}

/// Waits for any of the signals; false where none can be heard.
async fn wait_for_any_os_signal(signals: &mut [Signal]) -> bool {
    if signals.is_empty() {
        return false;
    }
    futures::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    true
}
