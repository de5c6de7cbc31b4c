//! The plain wizard on a real terminal, and its answers without one: each goal by both ends in the same world as the wizard's.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use packagecloud_cloudfront::sandbox::{self, SandboxOptions};
use portable_pty::{Child, CommandBuilder, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::wizard_terminal::{WizardTerminal, poll_for_two_minutes, wait_for_exit_code};
use crate::commands::journey_host::{JourneyRun, run_to_end};

/// How long a question has stood before it is answered: its line is whole by then.
const QUESTION_STANDS: Duration = Duration::from_millis(150);
/// Enter alone leads to live by at most as many.
const ENTERS_TO_LIVE_MAX: usize = 12;

/// The plain wizard on a terminal, and all that it wrote.
struct PlainWizard {
    pair: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    written: Arc<Mutex<Vec<u8>>>,
    writer: Box<dyn Write + Send>,
    before: String,
    /// How much was written when the last line was typed.
    answered_at: usize,
}

impl PlainWizard {
    fn open_plain_wizard(dir: &Path, options: &[&str]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.arg(format!("--sandbox={}", dir.display()));
        command.args(options);
        command.env("TERM", "dumb");
        command.env("LC_ALL", "C");
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01");
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        let before = format!("{:?}", pair.master.get_termios().unwrap());
        let child = pair.slave.spawn_command(command).unwrap();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let (mut reader, seen) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { pair, child, written, writer, before, answered_at: 0 }
    }

    fn written_text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Waits until a question has stood for a while, or the wizard was left; returns whether one stands.
    fn wait_for_question(&mut self) -> bool {
        let (mut length, mut since) = (0, Instant::now());
        let asked = poll_for_two_minutes(|| {
            if self.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let text = self.written_text();
            if text.len() != length {
                (length, since) = (text.len(), Instant::now());
            }
            let is_new = self.written.lock().unwrap().len() > self.answered_at;
            (is_new && text.ends_with(": ") && since.elapsed() >= QUESTION_STANDS).then_some(true)
        });
        asked.unwrap_or_else(|| panic!("no question came:\n{}", self.written_text()))
    }

    fn type_line(&mut self, line: &str) {
        // The echo of the line alone is nothing new.
        self.answered_at = self.written.lock().unwrap().len() + line.len() + 2;
        self.writer.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    fn answer(&mut self, line: &str) {
        assert!(self.wait_for_question(), "it was left:\n{}", self.written_text());
        self.type_line(line);
    }

    /// Answers with Enter alone until CloudFront is on; returns how often.
    fn enter_until_live(&mut self, dir: &Path) -> usize {
        let mut entered = 0;
        while !is_cloudfront_on(dir) {
            assert!(self.wait_for_question(), "it was left before it was live:\n{}", self.written_text());
            if is_cloudfront_on(dir) {
                break;
            }
            self.type_line("");
            entered += 1;
            assert!(entered <= 40, "{}", self.written_text());
        }
        entered
    }

    /// Enters to the end of the set-up, then leaves.
    fn finish(mut self) -> String {
        for _ in 0..20 {
            if !self.wait_for_question() {
                break;
            }
            let is_last = self.written_text().trim_end().ends_with("[leave]:");
            self.type_line(if is_last { "" } else { "q" });
        }
        self.assert_plain_end(0)
    }

    /// Waits for the end, and holds what was written to lines of ASCII, the terminal to what it was.
    fn assert_plain_end(mut self, code: u32) -> String {
        let ended = wait_for_exit_code(self.child.as_mut());
        let text = self.written_text();
        assert_eq!(ended, Some(code), "{text}");
        let after = format!("{:?}", self.pair.master.get_termios().unwrap());
        assert_eq!(after, self.before, "the terminal is as before");
        for byte in text.bytes() {
            assert!(byte == b'\n' || byte >= 32, "a byte {byte} in:\n{text}");
        }
        text
    }
}

fn is_cloudfront_on(dir: &Path) -> bool {
    std::fs::read_to_string(dir.join("packagecloud.rb")).is_ok_and(|file| {
        file.lines().any(|line| line.starts_with("packagecloud_rails['cloudfront_enabled'] = true"))
    })
}

/// What stands in the sandbox, leaf by leaf, without what each run draws anew: ids, times, keys.
fn read_world(dir: &Path) -> Vec<String> {
    let world =
        sandbox::open_or_seed_sandbox(&SandboxOptions { dir: dir.to_owned(), ..SandboxOptions::default() })
            .unwrap();
    let state = world.read_sandbox_state_from_disk(|state| serde_json::to_value(state).unwrap());
    let mut leaves = Vec::new();
    for part in ["iam", "kms", "lambda", "cloudfront", "s3"] {
        collect_leaves(part, &state[part], &mut leaves);
    }
    let file = std::fs::read_to_string(dir.join("packagecloud.rb")).unwrap();
    leaves.extend(file.lines().filter(|line| line.contains("cloudfront_")).map(mask_drawn_words));
    leaves.sort();
    assert!(leaves.len() > 50, "{leaves:#?}");
    leaves
}

fn collect_leaves(path: &str, value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect_leaves(&format!("{path}/{}", mask_drawn_words(key)), value, leaves);
            }
        }
        Value::Array(list) => {
            list.iter().for_each(|value| collect_leaves(&format!("{path}/-"), value, leaves));
        }
        Value::Number(_) => leaves.push(format!("{path} = a number")),
        Value::String(text) => leaves.push(format!("{path} = {}", mask_drawn_words(text))),
        other => leaves.push(format!("{path} = {other}")),
    }
}

/// Writes `#` for each long word with a digit in it: an id, a digest, a time, a key.
fn mask_drawn_words(text: &str) -> String {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "+=_-/".contains(letter);
    let mut masked = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // An id of CloudFront's may be drawn without a digit.
        let is_id = word.len() >= 13 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let is_drawn = is_id || word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_digit());
        masked.push_str(if is_drawn { "#" } else { word });
        let next = after.chars().next().map_or(0, char::len_utf8);
        masked.push_str(&after[..next]);
        rest = &after[next..];
    }
    masked
}

fn assert_same_world(what: &str, one: &Path, other: &Path) {
    let (one, other) = (read_world(one), read_world(other));
    let only = |of: &[String], without: &[String]| {
        of.iter().filter(|leaf| !without.contains(leaf)).cloned().collect::<Vec<_>>()
    };
    assert!(
        one == other,
        "{what}: not the same world\nonly in the first: {:#?}\nonly in the second: {:#?}",
        only(&one, &other),
        only(&other, &one)
    );
}

/// The same by the wizard's own screens: Enter until it is live, and out.
fn set_up_by_wizard(dir: &Path, options: &[&str]) {
    let mut wizard = WizardTerminal::open_wizard_with(dir, "0.01", options);
    for _ in 0..80 {
        // Until nothing has changed for a while.
        wizard.wait_for_text("");
        if wizard.child.try_wait().unwrap().is_some() {
            break;
        }
        if !is_cloudfront_on(dir) || wizard.screen_text().contains("Enter leave") {
            wizard.press_keys(b"\r");
        }
    }
    assert_eq!(wizard.assert_clean_exit("the wizard"), 0);
}

/// Runs the program without a terminal, with an answers file that holds `answers`.
fn run_by_answers(dir: &Path, answers: &str, words: &[&str]) -> JourneyRun {
    let file = dir.with_extension("toml");
    std::fs::write(&file, answers).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
    command
        .env_clear()
        .env("HOME", dir.parent().unwrap())
        .env("PATH", "/usr/bin:/bin")
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01")
        .stdin(std::process::Stdio::null())
        .arg(format!("--sandbox={}", dir.display()))
        .arg("--answers")
        .arg(&file)
        .args(words);
    run_to_end(&mut command)
}

/// Three sandboxes, of the wizard, of the plain one and of the answers.
struct ThreeWorlds {
    root: tempfile::TempDir,
}

impl ThreeWorlds {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn dir_of(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    fn assert_all_same(&self, what: &str) {
        for other in ["plain", "answers"] {
            assert_same_world(&format!("{what} by {other}"), &self.dir_of("wizard"), &self.dir_of(other));
        }
    }
}

#[test]
fn an_upgrade_then_off_then_on_again_end_in_the_same_world() {
    let worlds = ThreeWorlds::new();
    let (wizard, plain, answers) =
        (worlds.dir_of("wizard"), worlds.dir_of("plain"), worlds.dir_of("answers"));
    set_up_by_wizard(&wizard, &[]);
    let mut first = PlainWizard::open_plain_wizard(&plain, &[]);
    let entered = first.enter_until_live(&plain);
    assert!(entered <= ENTERS_TO_LIVE_MAX, "{entered} times Enter:\n{}", first.written_text());
    let text = first.finish();
    assert!(text.contains("SANDBOX"), "{text}");
    let ran = run_by_answers(&answers, "goal = \"upgrade\"\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    worlds.assert_all_same("the upgrade");

    let mut off = WizardTerminal::open_wizard(&wizard);
    off.wait_for_text("");
    off.press_keys(b"D");
    off.wait_for_text("Enter switch CloudFront off");
    off.press_keys(b"\r");
    off.wait_for_text("Enter back to Home");
    off.press_keys(b"q");
    assert_eq!(off.assert_clean_exit("switching off"), 0);
    let mut off = PlainWizard::open_plain_wizard(&plain, &[]);
    off.answer("D");
    off.answer("");
    off.answer("q");
    off.assert_plain_end(0);
    assert!(!is_cloudfront_on(&plain));
    let ran = run_by_answers(&answers, "goal = \"disable\"\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    worlds.assert_all_same("switching off");

    set_up_by_wizard(&wizard, &[]);
    let mut again = PlainWizard::open_plain_wizard(&plain, &[]);
    again.enter_until_live(&plain);
    again.finish();
    let ran = run_by_answers(&answers, "goal = \"install\"\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    worlds.assert_all_same("on again");
}

#[test]
fn a_first_install_that_is_broken_off_is_gone_on_with() {
    let worlds = ThreeWorlds::new();
    let (wizard, plain, answers) =
        (worlds.dir_of("wizard"), worlds.dir_of("plain"), worlds.dir_of("answers"));
    set_up_by_wizard(&wizard, &["--sandbox-empty"]);
    let mut first = PlainWizard::open_plain_wizard(&plain, &["--sandbox-empty"]);
    // Home, and the plan: going live has an Enter of its own.
    first.answer("");
    first.answer("");
    poll_for_two_minutes(|| first.written_text().contains("Bootstrap (stage").then_some(()))
        .unwrap_or_else(|| panic!("it didn't come to the bootstrap:\n{}", first.written_text()));
    kill_process(Pid::from_raw(first.child.process_id().unwrap().cast_signed()).unwrap(), Signal::KILL)
        .unwrap();
    wait_for_exit_code(first.child.as_mut()).expect("it was killed");
    assert!(!is_cloudfront_on(&plain));
    let mut again = PlainWizard::open_plain_wizard(&plain, &[]);
    again.enter_until_live(&plain);
    again.finish();
    let ran = run_by_answers(&answers, "goal = \"install\"\nprepare = true\n", &["--sandbox-empty", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!is_cloudfront_on(&answers));
    let ran = run_by_answers(&answers, "goal = \"install\"\n", &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    worlds.assert_all_same("the install");
}

#[test]
fn the_terminal_is_as_before_however_the_plain_wizard_ends() {
    for (case, code) in [("q", 0), ("Ctrl-C", 130), ("Ctrl-D", 0), ("SIGTERM", 130), ("SIGHUP", 130)] {
        let dir = tempfile::tempdir().unwrap();
        let mut wizard = PlainWizard::open_plain_wizard(dir.path(), &[]);
        assert!(wizard.wait_for_question());
        let pid = Pid::from_raw(wizard.child.process_id().unwrap().cast_signed()).unwrap();
        match case {
            "q" => wizard.type_line("q"),
            "Ctrl-C" => wizard.writer.write_all(b"\x03").unwrap(),
            "Ctrl-D" => wizard.writer.write_all(b"\x04").unwrap(),
            "SIGTERM" => kill_process(pid, Signal::TERM).unwrap(),
            _ => kill_process(pid, Signal::HUP).unwrap(),
        }
        let ended = wait_for_exit_code(wizard.child.as_mut());
        assert_eq!(ended, Some(code), "{case}: {}", wizard.written_text());
        assert_eq!(format!("{:?}", wizard.pair.master.get_termios().unwrap()), wizard.before, "{case}");
    }
}
