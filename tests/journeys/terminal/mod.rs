//! The real binary on a real pty: a whole journey by keys, and the terminal as before, however it ends.
//!
//! A key is pressed once the screen has stood still, as somebody does who reads it.

mod job_control;
mod plain;
mod two_wizards;
pub mod wizard_terminal;

use std::sync::Arc;

use rustix::process::Signal;
use wizard_terminal::WizardTerminal;

#[test]
fn from_the_first_screen_to_the_final_block_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.wait_for_text("Enter continue");
    assert!(terminal.parser.lock().unwrap().screen().alternate_screen());
    assert!(terminal.parser.lock().unwrap().screen().bracketed_paste());
    terminal.drive_to_reindex();
    terminal.pass_reindex();
    terminal.pass_stages(&[
        "Enter write the secret",
        "Enter create these",
        "Enter create these",
        "Enter write this",
        "Enter go live",
    ]);
    terminal.wait_for_text("Enter leave");
    assert!(
        terminal.screen_text().contains("packagecloud_rails['cloudfront_enabled'] = true"),
        "{}",
        terminal.screen_text()
    );
    terminal.press_keys(b"\r");
    assert_eq!(terminal.assert_clean_exit("the whole journey"), 0);
    let file = std::fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    assert!(file.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{file}");
}

/// One consent on the plan, one to go live: three times Enter lead to live, and what stands is left on the terminal.
#[test]
fn enter_alone_leads_to_live_and_leaves_what_stands() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.enter_through(&["Enter continue", "Enter set this up", "Enter go live"]);
    terminal.wait_for_text("Enter leave");
    terminal.press_keys(b"\r");
    let shell = Arc::clone(&terminal.parser);
    assert_eq!(terminal.assert_clean_exit("one consent"), 0);
    let shell = shell.lock().unwrap().screen().contents();
    for words in [
        "CloudFront is on since 20",
        "Packages domain: d",
        "Verdict: ",
        "Newest backup: ",
        "disable",
        "Log: ",
        "Report: ",
    ] {
        assert!(shell.contains(words), "no {words:?} in {shell}");
    }
    let file = std::fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    assert!(file.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{file}");
}

/// A terminal gets what passed as one count, a pipe each check: somebody looks for one by its name.
#[test]
fn what_passed_is_folded_on_a_terminal_alone() {
    let dir = tempfile::tempdir().unwrap();
    let terminal = WizardTerminal::open_wizard_with(dir.path(), "0.01", &["check"]);
    terminal.wait_for_text("checks passed");
    let shown = terminal.screen_text();
    assert!(shown.contains("passed; to list them: "), "{shown}");
    assert!(!shown.contains("s3:ListBucket"), "{shown}");
    assert_eq!(terminal.assert_clean_exit("check"), 0);
    let piped = std::process::Command::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"))
        .args([&format!("--sandbox={}", dir.path().display()), "check"])
        .output()
        .unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.contains("s3:ListBucket "), "{piped}");
    assert!(piped.lines().last().unwrap().contains(" checks passed · "), "{piped}");
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    for (case, code) in [("q", 0), ("Ctrl-C", 130), ("SIGTERM", 130), ("SIGHUP", 130)] {
        let dir = tempfile::tempdir().unwrap();
        let mut terminal = WizardTerminal::open_wizard(dir.path());
        terminal.wait_for_text("Enter continue");
        match case {
            "q" => terminal.press_keys(b"q"),
            "Ctrl-C" => terminal.press_keys(b"\x03"),
            "SIGTERM" => terminal.send_signal(Signal::TERM),
            _ => terminal.send_signal(Signal::HUP),
        }
        assert_eq!(terminal.assert_clean_exit(case), code, "{case}");
    }
}

#[test]
fn a_panic_in_the_loop_gives_the_terminal_back_and_says_what_broke() {
    let dir = tempfile::tempdir().unwrap();
    // The first effect looks around; the second is what Enter asks for.
    let mut terminal =
        WizardTerminal::open_wizard_with(dir.path(), "0.01", &["--sandbox-fault", "wizard:2:panic"]);
    terminal.wait_for_text("Enter continue");
    terminal.press_keys(b"r");
    let shell = Arc::clone(&terminal.parser);
    assert_eq!(terminal.assert_clean_exit("a panic in the loop"), 1);
    let shell = shell.lock().unwrap().screen().contents();
    let shell = shell.replace('\n', "");
    assert!(shell.contains("a fault of this program in the wizard's loop"), "{shell}");
    assert!(shell.contains("To continue: ") && shell.contains(" disable ; "), "{shell}");
}

#[test]
fn a_panic_in_a_job_is_that_stages_failure_and_it_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal =
        WizardTerminal::open_wizard_with(dir.path(), "0.01", &["--sandbox-fault", "kms:CreateKey:1:panic"]);
    terminal.drive_to_reindex();
    terminal.pass_reindex();
    terminal.pass_stages(&["Enter write the secret"]);
    terminal.enter_through(&["Enter create these"]);
    terminal.wait_for_text("it broke off by a fault of this program");
    let said = terminal.right_pane_text();
    assert!(said.contains("kms:CreateKey: a fault of this program, as asked for"), "{said}");
    assert!(!terminal.screen_text().contains("panicked at"), "nothing was printed over the screen: {said}");
    terminal.press_keys(b"r");
    terminal.wait_for_text("Enter create these");
    terminal.press_keys(b"\r");
    terminal.wait_for_text("Enter continue");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("a panic in a job"), 0);
}

#[test]
fn a_file_changed_since_it_was_shown_is_looked_at_again_and_keeps_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.drive_to_reindex();
    terminal.pass_reindex();
    terminal.wait_for_text("Enter write the secret");
    let file = dir.path().join("packagecloud.rb");
    let theirs = format!("{}# somebody else was here\n", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, &theirs).unwrap();
    terminal.press_keys(b"\r");
    terminal.wait_for_text("Something changed since it was shown");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs, "it stays as the other wrote it");
    terminal.wait_for_text("Enter write the secret");
    terminal.press_keys(b"\r");
    terminal.wait_for_text("Enter continue");
    let now = std::fs::read_to_string(&file).unwrap();
    assert!(now.starts_with(&theirs) && now.contains("cloudfront_secret"), "{now}");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("a file changed meanwhile"), 0);
}
