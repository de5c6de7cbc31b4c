//! What comes from the terminal and about it: keys and pastes, its end, and the signals of a terminal's job.
//!
//! A terminal may go without a SIGHUP: only its session's leader is told. Crossterm would then read nothing for ever, so
//! the descriptor itself is watched, and crossterm is asked only where there is something to read.

use std::{io::stdin, os::fd::AsFd, thread, time::Duration};

use crossterm::event::{self, Event};
use futures::{Stream, StreamExt as _, stream};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    TuiRequest,
    terminal::build_unusable_terminal_failure,
    terminal_replies::{BackgroundReplyFilter, FilteredInput},
};
use crate::model::failure::Failure;

/// SIGTSTP, SIGCONT and SIGWINCH, by their numbers on Linux.
const SIGTSTP: i32 = rustix::process::Signal::TSTP.as_raw();
const SIGCONT: i32 = rustix::process::Signal::CONT.as_raw();

/// How long to wait where the descriptor has bytes that crossterm doesn't see: it reads on with the next key.
const UNSEEN_BYTES_PAUSE: Duration = Duration::from_millis(50);

/// What a watched descriptor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DescriptorState {
    Readable,
    Gone,
}

/// What comes by the terminal's line.
enum TerminalInput {
    Typed(Event),
    Told(TuiRequest),
}

/// Returns what is typed and pasted, which ends where the terminal is gone, and what the terminal tells of itself.
pub fn stream_terminal_events()
-> (impl Stream<Item = Event> + Unpin, impl Stream<Item = TuiRequest> + Unpin + Send + 'static) {
    let (typed, mut typed_received) = mpsc::unbounded_channel();
    let (told, mut told_received) = mpsc::unbounded_channel();
    thread::spawn(move || {
        read_terminal_events(&|input| match input {
            TerminalInput::Typed(event) => typed.send(event).is_ok(),
            TerminalInput::Told(request) => told.send(request).is_ok(),
        });
    });
    let requests = stream::poll_fn(move |context| told_received.poll_recv(context)).chain(stream::pending());
    (stream::poll_fn(move |context| typed_received.poll_recv(context)), requests)
}

/// Reads until the terminal is gone, or nobody takes what is read.
fn read_terminal_events(send: &dyn Fn(TerminalInput) -> bool) {
    let mut filter = BackgroundReplyFilter::default();
    while wait_for_descriptor(&stdin(), PollFlags::IN) == DescriptorState::Readable {
        let mut any = false;
        while let Ok(true) = event::poll(Duration::ZERO) {
            any = true;
            let Ok(event) = event::read() else { return };
            let all_taken = match filter.filter_terminal_event(event) {
                FilteredInput::Events(events) => events.into_iter().map(TerminalInput::Typed).all(send),
                FilteredInput::Background(colour) => {
                    send(TerminalInput::Told(TuiRequest::BackgroundTold(colour)))
                }
            };
            if !all_taken {
                return;
            }
        }
        if !any {
            thread::sleep(UNSEEN_BYTES_PAUSE);
        }
    }
}

/// Waits until a descriptor is ready for `wanted`, or gone, which is always looked for.
fn wait_for_descriptor(watched: &impl AsFd, wanted: PollFlags) -> DescriptorState {
    loop {
        let mut descriptors = [PollFd::new(watched, wanted)];
        match poll(&mut descriptors, None) {
            Err(Errno::INTR) => {}
            Err(_) => return DescriptorState::Gone,
            Ok(_) => {
                let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
                let is_gone = descriptors[0].revents().intersects(gone);
                return if is_gone { DescriptorState::Gone } else { DescriptorState::Readable };
            }
        }
    }
}

/// Returns one item once the terminal is gone, whoever was told of it. Crossterm may be in the midst of a key by then,
/// and would never say so.
fn stream_terminal_end() -> impl Stream<Item = TuiRequest> + Unpin {
    let (sender, mut received) = mpsc::unbounded_channel();
    thread::spawn(move || {
        wait_for_descriptor(&stdin(), PollFlags::empty());
        let _ = sender.send(TuiRequest::Hangup);
    });
    // A stream that ends says nothing more; this one never ends.
    stream::poll_fn(move |context| received.poll_recv(context)).chain(stream::pending())
}

/// Returns what is asked of the wizard from outside: to end (SIGTERM, SIGHUP, SIGINT, a terminal that is gone), to stop
/// (SIGTSTP), to go on (SIGCONT), to draw at another size (SIGWINCH).
///
/// # Errors
/// Fails where the system refuses a handler.
pub fn stream_terminal_requests() -> Result<impl Stream<Item = TuiRequest> + Unpin, Failure> {
    let mut streams: Vec<stream::BoxStream<'static, TuiRequest>> = vec![stream_terminal_end().boxed()];
    let signals: [(SignalKind, fn() -> TuiRequest); 6] = [
        (SignalKind::terminate(), || TuiRequest::Hangup),
        (SignalKind::hangup(), || TuiRequest::Hangup),
        (SignalKind::interrupt(), || TuiRequest::Hangup),
        (SignalKind::from_raw(SIGTSTP), || TuiRequest::Suspend),
        (SignalKind::from_raw(SIGCONT), || TuiRequest::Continued),
        (SignalKind::window_change(), || TuiRequest::Resized),
    ];
    for (kind, request) in signals {
        let signal = signal(kind).map_err(|error| build_unusable_terminal_failure(&error))?;
        let heard =
            stream::unfold(signal, |mut signal| async move { signal.recv().await.map(|()| ((), signal)) });
        streams.push(heard.map(move |()| request()).boxed());
    }
    Ok(stream::select_all(streams))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_descriptor_whose_other_end_is_gone_is_gone_whatever_is_waited_for() {
        for wanted in [PollFlags::IN, PollFlags::empty()] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(writer);
            assert_eq!(wait_for_descriptor(&reader, wanted), DescriptorState::Gone, "{wanted:?}");
        }
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"q").unwrap();
        assert_eq!(wait_for_descriptor(&reader, PollFlags::IN), DescriptorState::Readable);
    }
}
