//! The terminal of the plain face: lines out, lines in, what is typed hidden where it is a secret; no control sequence.

use std::{
    ffi::OsStr,
    io::{BufRead as _, stdin},
    thread,
};

use futures::{Stream, StreamExt as _, stream};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{
        LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr,
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    cli::print,
    model::failure::Failure,
    tui::job_control::{StoppedProcesses, can_process_be_continued, stop_this_process},
};

/// Columns where the terminal says none.
const USUAL_LINE_COLUMNS: usize = 80;
/// Wider lines are hard to follow, narrower ones hold no value whole.
const LINE_COLUMNS: std::ops::RangeInclusive<usize> = 40..=100;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum TypedLine {
    /// A line, without its end.
    Text(String),
    /// Ctrl-D.
    EndOfInput,
}

/// What is asked of the loop from elsewhere than the keyboard.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainRequest {
    /// Ctrl-C.
    Interrupt,
    /// To end: the terminal is gone, or a signal says so.
    Hangup,
    /// To end: who goes on in its place.
    TakenOver(String),
    /// To stop this process.
    Suspend,
    /// This process was stopped, and goes on.
    Continued,
}

/// Where the plain face writes, and how what is typed is treated there.
pub trait PlainTerminal {
    /// Writes a line.
    fn print_line(&mut self, line: &str);
    /// Writes a question; the answer is typed behind it.
    fn print_prompt(&mut self, prompt: &str);
    /// Returns how many columns a line has.
    fn line_columns(&self) -> usize;
    /// Shows what is typed, or hides it.
    fn set_typing_shown(&mut self, shown: bool);
    /// Forgets what was typed and not yet read.
    fn discard_typed_bytes(&mut self);
    /// Stops this process, with the terminal as it was found; it goes on with SIGCONT.
    fn suspend_process(&mut self);
}

/// This process's terminal; as it was found once this is dropped.
pub struct ProcessTerminal {
    found: Option<Termios>,
    is_typing_hidden: bool,
}

impl ProcessTerminal {
    /// Takes note of how the terminal is.
    pub(super) fn open_process_terminal() -> Self {
        Self { found: tcgetattr(stdin()).ok(), is_typing_hidden: false }
    }
}

impl PlainTerminal for ProcessTerminal {
    fn print_line(&mut self, line: &str) {
        print::print_result_line(format_args!("{line}"));
    }

    fn print_prompt(&mut self, prompt: &str) {
        print::print_prompt(prompt);
    }

    fn line_columns(&self) -> usize {
        let columns = tcgetwinsize(stdin()).map_or(0, |size| size.ws_col as usize);
        if columns == 0 {
            return USUAL_LINE_COLUMNS;
        }
        columns.clamp(*LINE_COLUMNS.start(), *LINE_COLUMNS.end())
    }

    fn set_typing_shown(&mut self, shown: bool) {
        let Some(found) = &self.found else { return };
        if shown != self.is_typing_hidden {
            return;
        }
        let mut wanted = found.clone();
        if !shown {
            wanted.local_modes.remove(LocalModes::ECHO);
        }
        self.is_typing_hidden = tcsetattr(stdin(), OptionalActions::Now, &wanted).is_ok() && !shown;
    }

    fn discard_typed_bytes(&mut self) {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    fn suspend_process(&mut self) {
        let was_hidden = self.is_typing_hidden;
        self.set_typing_shown(true);
        if can_process_be_continued() {
            let _ = stop_this_process(StoppedProcesses::ThisOne);
        }
        // It goes on here.
        self.set_typing_shown(!was_hidden);
    }
}

impl Drop for ProcessTerminal {
    fn drop(&mut self) {
        self.set_typing_shown(true);
    }
}

/// Returns what is typed, line by line; it ends where the terminal is gone.
pub(super) fn stream_typed_lines() -> impl Stream<Item = TypedLine> + Unpin {
    let (sender, mut received) = mpsc::unbounded_channel();
    thread::spawn(move || {
        loop {
            let mut bytes = Vec::new();
            let typed = match stdin().lock().read_until(b'\n', &mut bytes) {
                Ok(0) if is_terminal_gone() => return,
                Ok(0) => TypedLine::EndOfInput,
                Ok(_) => {
                    TypedLine::Text(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
                }
                Err(_) => return,
            };
            if sender.send(typed).is_err() {
                return;
            }
        }
    });
    stream::poll_fn(move |context| received.poll_recv(context))
}

fn is_terminal_gone() -> bool {
    let stdin = stdin();
    let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
    let polled = poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_err()
        || descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        || tcgetattr(&stdin).is_err()
}

/// Returns what signals ask: to stop what runs (SIGINT), to end (SIGTERM, SIGHUP), to stop this process (SIGTSTP), to go
/// on (SIGCONT).
///
/// # Errors
/// Fails where the system refuses a handler.
pub(super) fn stream_signal_requests() -> Result<impl Stream<Item = PlainRequest> + Unpin, Failure> {
    let mut streams: Vec<stream::BoxStream<'static, PlainRequest>> = Vec::new();
    let signals: [(SignalKind, fn() -> PlainRequest); 5] = [
        (SignalKind::interrupt(), || PlainRequest::Interrupt),
        (SignalKind::terminate(), || PlainRequest::Hangup),
        (SignalKind::hangup(), || PlainRequest::Hangup),
        (SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()), || PlainRequest::Suspend),
        (SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()), || PlainRequest::Continued),
    ];
    for (kind, request) in signals {
        let signal = signal(kind).map_err(|error| {
            Failure::new_generic_failure(
                "signals",
                error.to_string(),
                "try again, or use the commands instead",
            )
        })?;
        let heard =
            stream::unfold(signal, |mut signal| async move { signal.recv().await.map(|()| ((), signal)) });
        streams.push(heard.map(move |()| request()).boxed());
    }
    Ok(stream::select_all(streams))
}

/// Whether the environment asks for lines in the place of a screen: ACCESSIBLE, or a terminal that can't be drawn on.
#[must_use]
pub fn is_plain_face_wanted(accessible: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    accessible.is_some_and(|value| !value.is_empty() && value != "0")
        || term.is_none_or(|term| term.is_empty() || term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_and_accessible_are_plain() {
        for (accessible, term, plain) in [
            (None, Some("xterm"), false),
            (Some("1"), Some("xterm"), true),
            (Some("0"), Some("xterm"), false),
            (Some(""), Some("linux"), false),
            (None, Some("dumb"), true),
            (None, Some(""), true),
            (None, None, true),
        ] {
            let wanted = is_plain_face_wanted(accessible.map(OsStr::new), term.map(OsStr::new));
            assert_eq!(wanted, plain, "{accessible:?} {term:?}");
        }
    }
}
