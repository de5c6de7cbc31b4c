//! A terminal of 80 by 24 with the wizard on it: what it shows, and keys for it.
//!
//! A key is pressed once the screen has stood still, as somebody does who reads it.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const TERMINAL_ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const TERMINAL_COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
/// A screen that has stood this long hears keys that consent.
const SETTLED_TIME: Duration = Duration::from_millis(450);

pub struct WizardTerminal {
    pair: PtyPair,
    pub child: Box<dyn Child + Send + Sync>,
    pub parser: Arc<Mutex<vt100::Parser>>,
    reading: JoinHandle<()>,
    writer: Box<dyn Write + Send>,
    /// Nothing more is read: the terminal is about to go.
    closed: Arc<AtomicBool>,
    before: String,
}

impl WizardTerminal {
    /// The wizard on the sandbox in `dir`, at a hundredth of its usual delays.
    pub fn open_wizard(dir: &std::path::Path) -> Self {
        Self::open_wizard_with(dir, "0.01", &[])
    }

    /// The same at another pace, with more options.
    pub fn open_wizard_with(dir: &std::path::Path, pace: &str, options: &[&str]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.arg(format!("--sandbox={}", dir.display()));
        command.args(options);
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", pace);
        Self::spawn_command(command)
    }

    pub fn spawn_command(command: CommandBuilder) -> Self {
        let size = PtySize { rows: TERMINAL_ROWS.get(), cols: TERMINAL_COLUMNS.get(), ..PtySize::default() };
        Self::spawn_command_at(command, size)
    }

    /// The same on a terminal that says another size.
    pub fn spawn_command_at(mut command: CommandBuilder, size: PtySize) -> Self {
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(TERMINAL_ROWS, TERMINAL_COLUMNS, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let seen = Arc::clone(&parser);
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = Arc::clone(&closed);
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut held = Vec::new();
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                held.extend_from_slice(&bytes[..count]);
                let whole = whole_frames_length(&held);
                seen.lock().unwrap().process(&held[..whole]);
                held.drain(..whole);
                if is_closed.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { pair, child, parser, reading, writer, closed, before }
    }

    pub fn screen_text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// The right-hand pane, its lines joined: sentences as they are read.
    pub fn right_pane_text(&self) -> String {
        let picture = self.screen_text();
        let right = picture.lines().map(|line| line.rsplit('│').next().unwrap_or_default());
        right.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    /// Waits for `text`, and then until nothing has changed for a while.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for_settled_text(text, SETTLED_TIME);
    }

    /// Waits for `text`, on a screen that moves.
    pub fn wait_for_moving_text(&self, text: &str) {
        self.wait_for_settled_text(text, Duration::ZERO);
    }

    fn wait_for_settled_text(&self, text: &str, stood: Duration) {
        let begun = Instant::now();
        let (mut last, mut since) = (String::new(), Instant::now());
        loop {
            let now = self.screen_text();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if (last.contains(text) || self.right_pane_text().contains(text)) && since.elapsed() >= stood {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(2), "{text:?} did not come up on\n{last}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// From Home to the first stage that writes, one stage at a time.
    pub fn drive_to_reindex(&mut self) {
        self.wait_for_text("Enter continue");
        self.press_keys(b"\r");
        self.begin_stepwise();
        self.wait_for_text("Enter reindex");
    }

    /// From the plan to its first stage, each with its own Enter.
    pub fn begin_stepwise(&mut self) {
        self.wait_for_text("Enter set this up");
        self.press_keys(b"o");
    }

    /// Starts the reindex, which goes beside the secret by itself, and waits for its end.
    pub fn pass_reindex(&mut self) {
        self.enter_through(&["Enter reindex"]);
        self.wait_for_text("The reindex is done.");
    }

    /// Waits for each of these in turn, and presses Enter on it.
    pub fn enter_through(&mut self, screens: &[&str]) {
        for screen in screens {
            self.wait_for_text(screen);
            self.press_keys(b"\r");
        }
    }

    /// Through stages from their plan to their end, each named by what its Enter does.
    pub fn pass_stages(&mut self, stages: &[&str]) {
        for does in stages {
            self.enter_through(&[does, "Enter continue"]);
        }
    }

    pub fn press_keys(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
    }

    pub fn process_id(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub fn send_signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.process_id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// The line drops: nobody holds the terminal's other side any more.
    pub fn hang_up(self) -> Box<dyn Child + Send + Sync> {
        let Self { pair, child, writer, .. } = self;
        drop((pair.slave, writer));
        // What reads the other side holds it too, so the signal of a line that drops is sent as well.
        kill_process(Pid::from_raw(child.process_id().unwrap().cast_signed()).unwrap(), Signal::HUP).unwrap();
        child
    }

    /// The terminal goes, and nobody is told but the session's leader.
    pub fn vanish(mut self) -> Box<dyn Child + Send + Sync> {
        self.closed.store(true, Ordering::SeqCst);
        // What is drawn anew wakes who reads, and then nobody holds this side any more.
        self.press_keys(b"\x0c");
        self.reading.join().unwrap();
        self.child
    }

    pub fn resize_terminal(&self, rows: u16, columns: u16) {
        self.parser
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
        self.pair.master.resize(PtySize { rows, cols: columns, ..PtySize::default() }).unwrap();
    }

    /// Waits for the end, and holds the terminal to what it was; the exit code.
    pub fn assert_clean_exit(mut self, case: &str) -> u32 {
        let code = wait_for_exit_code(self.child.as_mut())
            .unwrap_or_else(|| panic!("{case}: it runs on\n{}", self.screen_text()));
        let after = format!("{:?}", self.pair.master.get_termios().unwrap());
        drop(self.pair.slave);
        poll_for_two_minutes(|| self.reading.is_finished().then_some(()))
            .unwrap_or_else(|| panic!("{case}: something holds the terminal after its end"));
        let parser = self.parser.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "{case}: the shell's screen is back");
        assert!(!screen.hide_cursor(), "{case}: the cursor is back");
        assert!(!screen.bracketed_paste(), "{case}: pastes are as before");
        assert_eq!(after, self.before, "{case}: echo, lines and all the rest are as before");
        code
    }
}

/// The exit code, or none where it doesn't end.
pub fn wait_for_exit_code(child: &mut (dyn Child + Send + Sync)) -> Option<u32> {
    poll_for_two_minutes(|| child.try_wait().unwrap()).map(|status| status.exit_code())
}

/// Looks until it is there, two minutes at most.
pub fn poll_for_two_minutes<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        match look() {
            None if begun.elapsed() < Duration::from_mins(2) => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            found => return found,
        }
    }
}

/// How many of these bytes may be shown: what follows an open frame's beginning is held back, as a terminal that knows
/// DEC private mode 2026 does, so that no test reads half a frame.
fn whole_frames_length(bytes: &[u8]) -> usize {
    const FRAME_BEGINNING: &[u8] = b"\x1b[?2026h";
    const FRAME_END: &[u8] = b"\x1b[?2026l";
    let last = |sequence: &[u8]| bytes.windows(sequence.len()).rposition(|window| window == sequence);
    match (last(FRAME_BEGINNING), last(FRAME_END)) {
        (Some(begun), end) if end.is_none_or(|end| end < begun) => begun,
        // The beginning itself may come in two pieces.
        _ => {
            let split =
                (1..FRAME_BEGINNING.len()).rev().find(|length| bytes.ends_with(&FRAME_BEGINNING[..*length]));
            bytes.len() - split.unwrap_or_default()
        }
    }
}
