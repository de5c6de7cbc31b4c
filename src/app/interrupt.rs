//! What ends a command early: Ctrl-C, a dropped line, a request to end, another run that takes over.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{aws::awaited, errln};

/// A stop is heard at once wherever it is looked for; whoever only waits for an answer of AWS then doesn't hear it.
const STOP_HEARD_WITHIN: Duration = Duration::from_secs(2);

/// How an interrupted command was left.
pub(super) enum InterruptedEnd {
    /// Nothing was being changed, only looked at.
    NothingApplied,
    /// In the middle of a change, while all that it waited for were answers of AWS to questions.
    OnlyReadsAwaited,
    /// In the middle of a change.
    LeftAtOnce,
}

/// What a command does when its terminal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangupResponse {
    /// It stops as at a Ctrl-C.
    Stop,
    /// It goes on: who switches off wants that done, whatever the line does.
    GoOn,
}

/// Cancels `stop` on the first Ctrl-C, dropped line or request to end, or where another run takes over; ends on the
/// second, or on the first as soon as nothing is being changed, or no more is waited for than answers that change nothing.
///
/// What was cancelled stops after the request in flight; `describe_wait` says what that waits for, `is_host_worked_on`
/// whether that is packagecloud's host.
pub(super) async fn cancel_then_await_end(
    stop: CancellationToken,
    taken_over: impl Future<Output = String>,
    at_hangup: HangupResponse,
    applying: &AtomicBool,
    describe_wait: impl Fn() -> String,
    is_host_worked_on: impl Fn() -> bool,
) -> InterruptedEnd {
    // Heard even where it changes nothing: unheard it would end this process.
    let mut hangup = signal(SignalKind::hangup()).ok();
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal).into_iter();
    let mut signals: Vec<_> = signals.flatten().collect();
    if at_hangup == HangupResponse::Stop {
        signals.extend(hangup.take());
    }
    let by = tokio::select! {
        heard = wait_for_any_os_signal(&mut signals) => {
            if !heard {
                std::future::pending::<()>().await;
            }
            None
        }
        by = taken_over => Some(by),
    };
    stop.cancel();
    let is_applying = applying.load(Ordering::Relaxed);
    let wait = if is_applying { describe_wait() } else { "stopping".to_owned() };
    match by {
        None if is_applying => errln!("packagecloud-cloudfront: {wait} (Ctrl-C again leaves at once)"),
        None => {}
        Some(by) => errln!("packagecloud-cloudfront: {by} takes over: {wait} (Ctrl-C leaves at once)"),
    }
    if !is_applying {
        return InterruptedEnd::NothingApplied;
    }
    tokio::select! {
        heard = wait_for_any_os_signal(&mut signals) => {
            if !heard {
                std::future::pending::<()>().await;
            }
            InterruptedEnd::LeftAtOnce
        }
        () = wait_until_only_reads_are_awaited(awaited::are_only_reads_awaited, is_host_worked_on) => {
            InterruptedEnd::OnlyReadsAwaited
        }
    }
}

/// Waits until all that this waits for are answers of AWS that change nothing, which were asked for before the stop: no
/// file is being written, and no command of packagecloud-ctl followed.
async fn wait_until_only_reads_are_awaited(
    are_only_reads_awaited: impl Fn(Duration) -> bool,
    is_host_worked_on: impl Fn() -> bool,
) {
    let began = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let time = began.elapsed();
        if time >= STOP_HEARD_WITHIN && !is_host_worked_on() && are_only_reads_awaited(time) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_on_the_host_is_waited_for_and_a_question_to_aws_is_not() {
        for (host_seconds, left_after) in [(0, 2), (30, 30)] {
            let began = tokio::time::Instant::now();
            let worked_on = || began.elapsed() < Duration::from_secs(host_seconds);
            wait_until_only_reads_are_awaited(|_| true, worked_on).await;
            assert_eq!(began.elapsed().as_secs(), left_after, "{host_seconds}");
        }
        let write = wait_until_only_reads_are_awaited(|_| false, || false);
        tokio::time::timeout(Duration::from_mins(10), write).await.unwrap_err();
    }
}
