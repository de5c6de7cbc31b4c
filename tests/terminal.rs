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
        Self::open_with(dir, &[])
    }

    fn open_with(dir: &std::path::Path, options: &[&str]) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.arg(format!("--sandbox={}", dir.display()));
        command.args(options);
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01");
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
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

    /// The right-hand pane, its lines joined: sentences as they are read.
    fn prose(&self) -> String {
        let picture = self.picture();
        let right = picture.lines().map(|line| line.rsplit('│').next().unwrap_or_default());
        right.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
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
            if (last.contains(text) || self.prose().contains(text)) && since.elapsed() >= STOOD {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{text:?} did not come up on\n{last}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// From the welcome screen to the first stage that writes.
    fn to_the_reindex(&mut self) {
        self.see("Enter go on");
        self.press(b"\x1b[H\x1b[B\r"); // Home, Down, Enter: the upgrade
        for screen in ["Type or paste access keys", "Another bucket", "✓ identity", "How to undo"] {
            self.see(screen);
            self.press(b"\r");
        }
        self.see("Enter reindex");
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
    terminal.to_the_reindex();
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

#[test]
fn a_panic_in_the_loop_gives_the_terminal_back_and_says_what_broke() {
    let dir = tempfile::tempdir().unwrap();
    // The first effect looks around; the second is what Enter asks for.
    let mut terminal = Terminal::open_with(dir.path(), &["--sandbox-fault", "wizard:2:panic"]);
    terminal.see("Enter go on");
    terminal.press(b"r");
    let shell = Arc::clone(&terminal.parser);
    assert_eq!(terminal.end("a panic in the loop"), 101);
    let shell = shell.lock().unwrap().screen().contents();
    let shell = shell.replace('\n', "");
    assert!(shell.contains("a fault of this program in the wizard's loop"), "{shell}");
    assert!(shell.contains("start it again") && shell.contains("packagecloud-cloudfront disable"), "{shell}");
}

#[test]
fn a_panic_in_a_job_is_that_stages_failure_and_it_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open_with(dir.path(), &["--sandbox-fault", "kms:CreateKey:1:panic"]);
    terminal.to_the_reindex();
    for does in ["Enter reindex", "Enter write the secret"] {
        terminal.see(does);
        terminal.press(b"\r");
        terminal.see("Enter go on");
        terminal.press(b"\r");
    }
    terminal.see("Enter make these");
    terminal.press(b"\r");
    terminal.see("it broke off by a fault of this program");
    let said = terminal.prose();
    assert!(said.contains("kms:CreateKey: a fault of this program, as asked for"), "{said}");
    assert!(!terminal.picture().contains("panicked at"), "nothing was printed over the screen: {said}");
    terminal.press(b"r");
    terminal.see("Enter make these");
    terminal.press(b"\r");
    terminal.see("Enter go on");
    terminal.press(b"q");
    assert_eq!(terminal.end("a panic in a job"), 0);
}

#[test]
fn a_second_wizard_on_the_host_is_told_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Terminal::open(dir.path());
    first.to_the_reindex();
    first.press(b"\r");
    first.see("Enter go on");
    let second = Terminal::open(dir.path());
    second.see("Another run works on this host");
    let said = second.prose();
    let pid = first.child.process_id().unwrap();
    assert!(said.contains(&format!("process {pid}")) && said.contains("in the stage reindex"), "{said}");
    assert!(second.picture().contains("Enter look again"), "{said}");
    // The first one ends, however that is: the second goes on without being started again.
    first.signal(Signal::KILL);
    first.child.wait().unwrap();
    let mut second = second;
    second.press(b"\r");
    second.see("Enter go on");
    assert!(!second.picture().contains("Another run"), "{}", second.picture());
    second.press(b"q");
    assert_eq!(second.end("the second wizard"), 0);
}

#[test]
fn a_file_changed_since_it_was_shown_is_looked_at_again_and_keeps_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(dir.path());
    terminal.to_the_reindex();
    terminal.press(b"\r");
    terminal.see("Enter go on");
    terminal.press(b"\r");
    terminal.see("Enter write the secret");
    let file = dir.path().join("packagecloud.rb");
    let theirs = format!("{}# somebody else was here\n", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, &theirs).unwrap();
    terminal.press(b"\r");
    terminal.see("Something changed since it was shown");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs, "it stays as the other wrote it");
    terminal.see("Enter write the secret");
    terminal.press(b"\r");
    terminal.see("Enter go on");
    let now = std::fs::read_to_string(&file).unwrap();
    assert!(now.starts_with(&theirs) && now.contains("cloudfront_secret"), "{now}");
    terminal.press(b"q");
    assert_eq!(terminal.end("a file changed meanwhile"), 0);
}
