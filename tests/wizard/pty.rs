//! The terminal is as before, however the wizard ends: tried on a real pty, with this test program as the child.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use packagecloud_cloudfront::{
    tui::{self, terminal::TerminalOptions},
    wizard::WizardStartOptions,
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const PTY_ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const PTY_COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
const PTY_CASE_ENV: &str = "WIZARD_IN_A_PTY";

/// The wizard itself: nothing that it asks for ever comes.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(case) = std::env::var(PTY_CASE_ENV) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let effects = |_, _| {
        assert_ne!(case, "panic", "a fault in the loop");
        tokio::spawn(std::future::pending())
    };
    let outcome = runtime.block_on(tui::run_wizard(
        WizardStartOptions::default(),
        TerminalOptions::default(),
        effects,
        std::future::pending(),
    ));
    println!("left with {}", outcome.unwrap().code);
}

enum EndedBy {
    Keys(&'static [u8]),
    Signal(Signal),
    Itself,
}

#[test]
fn the_terminal_is_as_before_however_the_wizard_ends() {
    for (case, by, says) in [
        ("leave", EndedBy::Keys(b"q"), "left with 0"),
        ("interrupt", EndedBy::Keys(b"\x03"), "left with 130"),
        ("terminate", EndedBy::Signal(Signal::TERM), "left with 130"),
        ("hang up", EndedBy::Signal(Signal::HUP), "left with 130"),
        ("panic", EndedBy::Itself, "a fault in the loop"),
    ] {
        let size = PtySize { rows: PTY_ROWS.get(), cols: PTY_COLUMNS.get(), ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = pair.master.get_termios().unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["pty::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(PTY_CASE_ENV, case);
        command.env("RUST_BACKTRACE", "0");
        command.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(PTY_ROWS, PTY_COLUMNS, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let reading = {
            let parser = Arc::clone(&parser);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                let mut seen_whole = false;
                while let Ok(count) = reader.read(&mut bytes) {
                    if count == 0 {
                        break;
                    }
                    let mut parser = parser.lock().unwrap();
                    // Byte by byte: all of it, from the first frame to the shell's screen, may come at once.
                    for byte in &bytes[..count] {
                        parser.process(std::slice::from_ref(byte));
                        seen_whole |= parser.screen().alternate_screen();
                    }
                }
                seen_whole
            })
        };
        let until = |what: &str, reached: &dyn Fn(&vt100::Screen) -> bool| {
            let begun = Instant::now();
            while !reached(parser.lock().unwrap().screen()) {
                let shown = parser.lock().unwrap().screen().contents();
                assert!(begun.elapsed() < Duration::from_mins(1), "{case}: {what} did not come:\n{shown}");
                std::thread::yield_now();
                std::thread::park_timeout(Duration::from_millis(10));
            }
        };
        if !matches!(by, EndedBy::Itself) {
            until("the first frame", &|screen| screen.contents().contains("Home"));
            assert!(parser.lock().unwrap().screen().bracketed_paste(), "{case}");
        }
        match by {
            EndedBy::Keys(keys) => pair.master.take_writer().unwrap().write_all(keys).unwrap(),
            EndedBy::Signal(signal) => {
                let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
                kill_process(pid, signal).unwrap();
            }
            EndedBy::Itself => {}
        }
        child.wait().unwrap();
        let after = pair.master.get_termios().unwrap();
        // the reader ends when nobody holds the other side any more
        drop(pair.slave);
        assert!(reading.join().unwrap(), "{case}: the wizard was shown");
        let parser = parser.lock().unwrap();
        let screen = parser.screen();
        assert!(screen.contents().contains(says), "{case}:\n{}", screen.contents());
        assert!(!screen.alternate_screen(), "{case}: the shell's screen is back");
        assert!(!screen.hide_cursor(), "{case}: the cursor is back");
        assert!(!screen.bracketed_paste(), "{case}: pastes are as before");
        assert_eq!(
            after.local_flags.bits(),
            before.local_flags.bits(),
            "{case}: echo and lines are as before"
        );
        assert_eq!(after.input_flags.bits(), before.input_flags.bits(), "{case}");
    }
}
