//! The real binary on a real pty: a whole journey by keys, and the terminal as before, however it ends.
//!
//! A key is pressed once the screen has stood still, as somebody does who reads it.

#[path = "terminal/screen.rs"]
mod screen;
#[path = "terminal/two.rs"]
mod two;

use std::sync::Arc;

use rustix::process::Signal;
use screen::Terminal;

#[test]
fn from_the_first_screen_to_the_final_block_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(dir.path());
    terminal.see("Enter go on");
    assert!(terminal.parser.lock().unwrap().screen().alternate_screen());
    assert!(terminal.parser.lock().unwrap().screen().bracketed_paste());
    terminal.drive_to_the_reindex();
    terminal.pass(&[
        "Enter reindex",
        "Enter write the secret",
        "Enter make these",
        "Enter make these",
        "Enter write this",
        "Enter go live",
    ]);
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
    let mut terminal = Terminal::open_with(dir.path(), "0.01", &["--sandbox-fault", "wizard:2:panic"]);
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
    let mut terminal = Terminal::open_with(dir.path(), "0.01", &["--sandbox-fault", "kms:CreateKey:1:panic"]);
    terminal.drive_to_the_reindex();
    terminal.pass(&["Enter reindex", "Enter write the secret"]);
    terminal.enter(&["Enter make these"]);
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
fn a_file_changed_since_it_was_shown_is_looked_at_again_and_keeps_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(dir.path());
    terminal.drive_to_the_reindex();
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
