//! The real binary on a real pty: a whole journey by keys, and the terminal as before, however it ends.
//!
//! A key is pressed once the screen has stood still, as somebody does who reads it.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
/// A screen that has stood this long hears keys that consent.
const STOOD: Duration = Duration::from_millis(450);

struct Terminal {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<vt100::Parser>>,
    reading: JoinHandle<()>,
    writer: Box<dyn Write + Send>,
    before: String,
}

impl Terminal {
    /// The wizard on the sandbox in `dir`, at a hundredth of its usual delays.
    fn open(dir: &std::path::Path) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.arg(format!("--sandbox={}", dir.display()));
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01");
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let seen = Arc::clone(&parser);
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { pair, child, parser, reading, writer, before }
    }

    fn picture(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Waits for `text`, and then until nothing has changed for a while.
    fn see(&self, text: &str) {
        let begun = Instant::now();
        let (mut last, mut since) = (String::new(), Instant::now());
        loop {
            let now = self.picture();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if last.contains(text) && since.elapsed() >= STOOD {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{text:?} did not come up on\n{last}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, and holds the terminal to what it was; the exit code.
    fn end(mut self, case: &str) -> u32 {
        let code = self.child.wait().unwrap().exit_code();
        let after = format!("{:?}", self.pair.master.get_termios().unwrap());
        drop(self.pair.slave);
        self.reading.join().unwrap();
        let parser = self.parser.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "{case}: the shell's screen is back");
        assert!(!screen.hide_cursor(), "{case}: the cursor is back");
        assert!(!screen.bracketed_paste(), "{case}: pastes are as before");
        assert_eq!(after, self.before, "{case}: echo, lines and all the rest are as before");
        code
    }
}

#[test]
fn from_the_first_screen_to_the_final_block_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(dir.path());
    terminal.see("Enter go on");
    assert!(terminal.parser.lock().unwrap().screen().alternate_screen());
    assert!(terminal.parser.lock().unwrap().screen().bracketed_paste());
    terminal.press(b"\x1b[H\x1b[B\r"); // Home, Down, Enter: the upgrade
    for screen in ["Type or paste access keys", "Another bucket", "✓ identity", "How to undo"] {
        terminal.see(screen);
        terminal.press(b"\r");
    }
    for does in [
        "Enter reindex",
        "Enter write the secret",
        "Enter make these",
        "Enter make these",
        "Enter write this",
        "Enter go live",
    ] {
        terminal.see(does);
        terminal.press(b"\r");
        terminal.see("Enter go on");
        terminal.press(b"\r");
    }
    terminal.see("Enter finish");
    assert!(
        terminal.picture().contains("packagecloud_rails['cloudfront_enabled'] = true"),
        "{}",
        terminal.picture()
    );
    terminal.press(b"\r");
    assert_eq!(terminal.end("the whole journey"), 0);
    let file = std::fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    assert!(file.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{file}");
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    for (case, code) in [("q", 0), ("Ctrl-C", 130), ("SIGTERM", 130), ("SIGHUP", 130)] {
        let dir = tempfile::tempdir().unwrap();
        let mut terminal = Terminal::open(dir.path());
        terminal.see("Enter go on");
        match case {
            "q" => terminal.press(b"q"),
            "Ctrl-C" => terminal.press(b"\x03"),
            "SIGTERM" => terminal.signal(Signal::TERM),
            _ => terminal.signal(Signal::HUP),
        }
        assert_eq!(terminal.end(case), code, "{case}");
    }
}
