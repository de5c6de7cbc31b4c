//! The real binary under a shell with job control, on a terminal that goes without a word, and on one that doesn't know its size.

use std::{io::Write as _, sync::Arc, time::Duration};

use portable_pty::{CommandBuilder, PtySize};
use rustix::process::{Pid, Signal, kill_process};

use super::wizard_terminal::{WizardTerminal, poll_for_two_minutes, wait_for_exit_code};

/// An interactive shell in which the wizard on the sandbox in `dir` has been started.
fn open_wizard_in_shell(dir: &std::path::Path) -> WizardTerminal {
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    command.env("PS1", "shell> ");
    command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0.01");
    let mut terminal = WizardTerminal::spawn_command(command);
    terminal.wait_for_text("shell>");
    let line = format!("{} --sandbox={}\r", env!("CARGO_BIN_EXE_packagecloud-cloudfront"), dir.display());
    terminal.press_keys(line.as_bytes());
    terminal.wait_for_text("Enter continue");
    terminal
}

/// What is seen: a blank that was drawn is no other than one that wasn't.
fn visible_text(terminal: &WizardTerminal) -> String {
    terminal.screen_text().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Waits until the first screen shows all that it looks for, and reads it.
fn read_first_screen(terminal: &WizardTerminal) -> String {
    for fact in ["Enter continue", "identity         arn:aws:", "suggested, because"] {
        terminal.wait_for_text(fact);
    }
    visible_text(terminal)
}

/// Waits until the screen shows `expected`, however slowly it is drawn.
fn assert_screen_becomes(terminal: &WizardTerminal, expected: &str, case: &str) {
    let shown = poll_for_two_minutes(|| (visible_text(terminal) == expected).then_some(()));
    assert!(shown.is_some(), "{case}: all of it is drawn again, instead of\n{}", visible_text(terminal));
}

/// The wizard that the shell has started.
fn wizard_process(terminal: &WizardTerminal) -> Pid {
    let shell = terminal.process_id();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap()
}

fn assert_shell_has_terminal(terminal: &WizardTerminal, case: &str) {
    terminal.wait_for_text("Stopped");
    let parser = terminal.parser.lock().unwrap();
    let screen = parser.screen();
    assert!(!screen.alternate_screen(), "{case}: the shell's screen");
    assert!(!screen.hide_cursor(), "{case}: the cursor");
    assert!(
        !screen.bracketed_paste() || screen.contents().contains("shell>"),
        "{case}: pastes are the shell's"
    );
}

#[test]
fn stopped_by_a_key_or_a_signal_it_gives_the_terminal_back_and_draws_all_of_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = open_wizard_in_shell(dir.path());
    let first = read_first_screen(&terminal);
    let wizard = wizard_process(&terminal);
    for case in ["Ctrl-Z", "SIGTSTP", "SIGSTOP"] {
        match case {
            "Ctrl-Z" => terminal.press_keys(b"\x1a"),
            "SIGTSTP" => kill_process(wizard, Signal::TSTP).unwrap(),
            _ => kill_process(wizard, Signal::STOP).unwrap(),
        }
        if case == "SIGSTOP" {
            // Nothing is heard of it: the shell writes over the screen.
            terminal.wait_for_text("Stopped");
        } else {
            assert_shell_has_terminal(&terminal, case);
        }
        terminal.press_keys(b"echo $((40 + 2))-typed-at-the-shell\r");
        terminal.wait_for_text("42-typed-at-the-shell");
        terminal.press_keys(b"fg\r");
        terminal.wait_for_text("Enter continue");
        assert_screen_becomes(&terminal, &first, case);
        let parser = terminal.parser.lock().unwrap();
        assert!(parser.screen().alternate_screen() && parser.screen().bracketed_paste(), "{case}");
    }
    terminal.press_keys(b"q");
    terminal.wait_for_text("shell>");
    terminal.press_keys(b"exit 7\r");
    assert_eq!(terminal.assert_clean_exit("after three stops"), 7);
}

#[test]
fn where_no_shell_could_continue_it_a_stop_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.wait_for_text("Enter continue");
    let first = read_first_screen(&terminal);
    terminal.press_keys(b"\x1a");
    terminal.send_signal(Signal::TSTP);
    terminal.press_keys(b"?");
    terminal.wait_for_text("Enter close");
    terminal.press_keys(b"\x1b");
    terminal.wait_for_text("Enter continue");
    assert_screen_becomes(&terminal, &first, "a session without a shell");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("a session without a shell"), 0);
}

#[test]
fn what_others_wrote_on_the_screen_is_gone_with_ctrl_l() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.wait_for_text("Enter continue");
    let first = read_first_screen(&terminal);
    let parser = Arc::clone(&terminal.parser);
    parser.lock().unwrap().process(b"\x1b[5;1HBroadcast message from root: the disk is full\r\n");
    assert_ne!(visible_text(&terminal), first);
    terminal.press_keys(b"\x0c");
    assert_screen_becomes(&terminal, &first, "Ctrl-L");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("Ctrl-L"), 0);
}

/// What `wall` and other programs write comes by the same terminal; whichever key is pressed next, the screen is as if it were
/// drawn for the first time.
#[test]
fn the_next_key_shows_a_right_screen_whatever_wrote_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.wait_for_text("Enter continue");
    let first = read_first_screen(&terminal);
    // The first line is chosen already: the key itself changes nothing.
    let key = b"\x1b[A";
    let scrolled = format!("{}\r\n", "a program that runs in the background says a line\r\n".repeat(40));
    for (case, written) in [
        ("wall", "\r\n\x07Broadcast message from root@pkgs (pts/1):\r\n\r\nthe disk is full\r\n".to_owned()),
        ("an output that scrolls", scrolled),
        ("colours and a cursor elsewhere", "\x1b[3;5H\x1b[41mred\x1b[0m\x1b[2J\x1b[20;1Hx".to_owned()),
    ] {
        // By its own terminal, as any other program on it does.
        let path = format!("/proc/{}/fd/1", terminal.process_id());
        std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(written.as_bytes()).unwrap();
        let is_written = poll_for_two_minutes(|| (visible_text(&terminal) != first).then_some(()));
        assert!(is_written.is_some(), "{case} is on the screen");
        std::thread::sleep(Duration::from_millis(500));
        terminal.press_keys(key);
        assert_screen_becomes(&terminal, &first, case);
    }
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("others wrote"), 0);
}

/// Stopped and continued from elsewhere, with the screen written on meanwhile, and through a storm of sizes.
#[test]
fn after_a_stop_and_a_storm_of_sizes_the_screen_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = WizardTerminal::open_wizard(dir.path());
    terminal.wait_for_text("Enter continue");
    let first = read_first_screen(&terminal);
    terminal.send_signal(Signal::STOP);
    terminal.parser.lock().unwrap().process(b"\x1b[2J\x1b[1;1Hanother program\r\n");
    assert_ne!(visible_text(&terminal), first);
    terminal.send_signal(Signal::CONT);
    assert_screen_becomes(&terminal, &first, "SIGSTOP and SIGCONT");
    let (rows, columns) = terminal.parser.lock().unwrap().screen().size();
    for step in 0..200_u16 {
        let size = (10 + step * 7 % 40, 40 + step * 13 % 120);
        terminal.resize_terminal(size.0, size.1);
        if step % 20 == 0 {
            std::thread::yield_now();
        }
    }
    terminal.resize_terminal(rows.get(), columns.get());
    assert_screen_becomes(&terminal, &first, "200 sizes");
    terminal.press_keys(b"\x1b[A");
    assert_screen_becomes(&terminal, &first, "a key after them");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("a storm of sizes"), 0);
}

#[test]
fn a_terminal_that_goes_and_tells_only_the_sessions_leader_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("sh");
    let program = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
    command.args(["-c", &format!("trap '' HUP; {program} --sandbox={}; exit 9", dir.path().display())]);
    let terminal = WizardTerminal::spawn_command(command);
    terminal.wait_for_text("Enter continue");
    let mut leader = terminal.vanish();
    assert_eq!(wait_for_exit_code(leader.as_mut()), Some(9), "the wizard has ended, and then its script");
}

#[test]
fn a_terminal_that_does_not_know_its_size_is_drawn_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
    command.arg(format!("--sandbox={}", dir.path().display()));
    let mut terminal =
        WizardTerminal::spawn_command_at(command, PtySize { rows: 0, cols: 0, ..PtySize::default() });
    terminal.wait_for_text("Enter continue");
    terminal.resize_terminal(10, 30);
    poll_for_two_minutes(|| visible_text(&terminal).contains("This window is 30x10").then_some(()))
        .expect("a size that is known is taken");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("0 by 0"), 0);
}
