//! The real binary on a real pty: a whole journey by keys, and the terminal as before, however it ends.
//!
//! A key is pressed once the screen has stood still, as somebody does who reads it.

#[expect(dead_code, reason = "what goes on changing is waited for elsewhere")]
#[path = "terminal/pty.rs"]
mod pty;

use std::sync::Arc;

use pty::{BEFORE_THE_REINDEX, Terminal};
use rustix::process::Signal;

/// The wizard on the sandbox in `dir`, at a hundredth of its usual delays.
fn open(dir: &std::path::Path) -> Terminal {
    open_with(dir, &[])
}

fn open_with(dir: &std::path::Path, options: &[&str]) -> Terminal {
    let mut words = vec![format!("--sandbox={}", dir.display())];
    words.extend(options.iter().map(|&option| option.to_owned()));
    Terminal::run(&words, &[("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01".to_owned())])
}

/// From the welcome screen to the first stage that writes.
fn to_the_reindex(terminal: &mut Terminal) {
    terminal.see("Enter go on");
    terminal.press(b"\x1b[H\x1b[B\r"); // Home, Down, Enter: the upgrade
    terminal.pass(&BEFORE_THE_REINDEX);
    terminal.see("Enter reindex");
}

#[test]
fn from_the_first_screen_to_the_final_block_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = open(dir.path());
    terminal.see("Enter go on");
    assert!(terminal.parser.lock().unwrap().screen().alternate_screen());
    assert!(terminal.parser.lock().unwrap().screen().bracketed_paste());
    to_the_reindex(&mut terminal);
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
        let mut terminal = open(dir.path());
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
    let mut terminal = open_with(dir.path(), &["--sandbox-fault", "wizard:2:panic"]);
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
    let mut terminal = open_with(dir.path(), &["--sandbox-fault", "kms:CreateKey:1:panic"]);
    to_the_reindex(&mut terminal);
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
    let mut first = open(dir.path());
    to_the_reindex(&mut first);
    first.press(b"\r");
    first.see("Enter go on");
    let second = open(dir.path());
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
    let mut terminal = open(dir.path());
    to_the_reindex(&mut terminal);
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
