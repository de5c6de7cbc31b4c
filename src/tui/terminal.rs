//! The terminal itself: taken over on entering, and given back as it was, however the wizard ends.
//!
//! After a normal end and after Ctrl-C the guard is dropped; a panic in the loop unwinds through it; SIGTERM, SIGHUP
//! and SIGINT are inputs that the loop ends on. What a panic says is kept until the screen is the shell's again.

use std::{
    io::{self, IsTerminal as _, Stdout, Write as _, stdout},
    sync::Mutex,
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, EnableBracketedPaste, Event, EventStream},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use futures::{Stream, StreamExt as _, stream};
use ratatui::{Terminal, backend::CrosstermBackend};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::model::failure::{Failure, FailureKind};

/// What to do after the wizard broke.
const AFTER_PANIC_ADVICE: &str = "The wizard broke by a fault of its own. What is done stands: start it again, it looks at what is there and goes on. \
                    To switch CloudFront off without it: packagecloud-cloudfront disable. Please report the lines above with the log.";

/// What panics said while the screen was ours.
static PANIC_MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// While it lives, the terminal is ours.
#[must_use]
pub struct TerminalGuard(());

fn build_unusable_terminal_failure(error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Usage,
        "the terminal",
        error.to_string(),
        "use the commands instead: enable, disable, check, plan, verify; --help lists them",
    )
}

/// Sets raw mode, the alternate screen and bracketed paste, until the guard is dropped.
///
/// # Errors
/// Fails where there is no terminal, or where it refuses one of these.
pub fn init_terminal() -> Result<(TerminalGuard, Terminal<CrosstermBackend<Stdout>>), Failure> {
    if !stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new_usage_failure(
            "the wizard",
            "there is no terminal to show it on",
            "use the commands instead: enable, disable, check, plan, verify; --help lists them",
        ));
    }
    capture_panic_messages();
    enable_raw_mode().map_err(|error| build_unusable_terminal_failure(&error))?;
    // from here on, whatever fails gives the terminal back
    let guard = TerminalGuard(());
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)
        .map_err(|error| build_unusable_terminal_failure(&error))?;
    let terminal = Terminal::new(CrosstermBackend::new(stdout()))
        .map_err(|error| build_unusable_terminal_failure(&error))?;
    Ok((guard, terminal))
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // nothing can be done about a terminal that is gone already
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        // a panicking job is shown as that stage's failure; only the loop's own panic ends here
        if std::thread::panicking() {
            // the hook can't be changed by a thread that panics: what it kept is said here, and never by a print that
            // would panic in its turn where the terminal is gone
            let messages =
                PANIC_MESSAGES.lock().map(|mut messages| std::mem::take(&mut *messages)).unwrap_or_default();
            for text in messages {
                let _ = writeln!(io::stderr(), "{text}");
            }
            let _ = writeln!(io::stderr(), "{AFTER_PANIC_ADVICE}");
        } else {
            let _ = std::panic::take_hook();
        }
    }
}

fn capture_panic_messages() {
    std::panic::set_hook(Box::new(|info| {
        let trace = std::backtrace::Backtrace::capture();
        let mut text = info.to_string();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push('\n');
            text.push_str(&trace.to_string());
        }
        if let Ok(mut messages) = PANIC_MESSAGES.lock() {
            messages.push(text);
        }
    }));
}

/// What is typed and pasted; it ends where the terminal is gone.
///
/// It comes through a channel: crossterm's stream keeps the first waker that it is polled with, and the loop also
/// polls without one, after which no key would ever wake it.
pub fn stream_terminal_events() -> impl Stream<Item = Event> + Unpin {
    let (sender, mut received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut events = EventStream::new();
        while let Some(Ok(event)) = events.next().await {
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    stream::poll_fn(move |context| received.poll_recv(context))
}

/// Returns a stream with one item for each SIGTERM, SIGHUP and SIGINT.
///
/// # Errors
/// Fails where the system refuses a handler.
pub fn stream_termination_signals() -> Result<impl Stream<Item = ()> + Unpin, Failure> {
    let mut streams = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()] {
        let signal = signal(kind).map_err(|error| build_unusable_terminal_failure(&error))?;
        streams.push(Box::pin(stream::unfold(signal, |mut signal| async move {
            signal.recv().await.map(|()| ((), signal))
        })));
    }
    Ok(stream::select_all(streams))
}
