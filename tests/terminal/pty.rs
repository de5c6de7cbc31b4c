//! The real binary on a real pty: what its screen shows, keys pressed once that has stood still, and the terminal as before in the end.

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
/// How long anything may take to come up.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the screens between the first one and the reindex say once they stand.
pub const BEFORE_THE_REINDEX: [&str; 4] =
    ["Type or paste access keys", "Another bucket", "✓ identity", "How to undo"];

pub struct Terminal {
    pair: PtyPair,
    pub child: Box<dyn Child + Send + Sync>,
    pub parser: Arc<Mutex<vt100::Parser>>,
    reading: JoinHandle<()>,
    writer: Box<dyn Write + Send>,
    before: String,
}

impl Terminal {
    /// The binary with these words and this environment beside its own.
    pub fn run(words: &[String], environment: &[(&str, String)]) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.env_clear();
        command.args(words);
        command.env("PATH", "/usr/bin:/bin");
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        environment.iter().for_each(|(name, value)| command.env(name, value));
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

    pub fn picture(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// The right-hand pane, its lines joined: sentences as they are read.
    pub fn prose(&self) -> String {
        let picture = self.picture();
        let right = picture.lines().map(|line| line.rsplit('│').next().unwrap_or_default());
        right.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    fn says(&self, text: &str) -> bool {
        self.picture().contains(text) || self.prose().contains(text)
    }

    /// Waits for `text`, however much else changes meanwhile.
    pub fn meet(&self, text: &str) {
        let begun = Instant::now();
        while !self.says(text) {
            assert!(begun.elapsed() < PATIENCE, "{text:?} did not come up on\n{}", self.picture());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits for `text`, and then until nothing has changed for a while.
    pub fn see(&self, text: &str) {
        let begun = Instant::now();
        let (mut last, mut since) = (String::new(), Instant::now());
        loop {
            let now = self.picture();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if self.says(text) && since.elapsed() >= STOOD {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} did not come up on\n{last}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Goes on by Enter from each of these screens, once it stands.
    pub fn pass(&mut self, screens: &[&str]) {
        for screen in screens {
            self.see(screen);
            self.press(b"\r");
        }
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, and holds the terminal to what it was; the exit code.
    pub fn end(mut self, case: &str) -> u32 {
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
