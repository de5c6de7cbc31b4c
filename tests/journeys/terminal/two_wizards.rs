//! Two wizards on one host: the second is shown where the first stands, watches it, takes over from it, or leaves it alone; and a line that drops.

use rustix::process::Signal;

use super::wizard_terminal::{WizardTerminal, wait_for_exit_code};

/// A wizard that waits for a distribution to be deployed, which takes its time.
fn wizard_waiting_for_deploy(dir: &std::path::Path) -> WizardTerminal {
    let mut first = WizardTerminal::open_wizard_with(dir, "0.5", &[]);
    first.drive_to_reindex();
    first.pass_reindex();
    first.pass_stages(&["Enter write the secret", "Enter create these"]);
    first.enter_through(&["Enter create these"]);
    first.wait_for_moving_text("waiting until every edge");
    first
}

#[test]
fn a_second_wizard_watches_the_first_to_its_end_and_goes_on_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = wizard_waiting_for_deploy(dir.path());
    let mut second = WizardTerminal::open_wizard(dir.path());
    second.wait_for_text("Another run works on this host");
    let said = second.right_pane_text();
    assert!(said.contains(&format!("process {} (", first.process_id())), "{said}");
    assert!(said.contains("runs since 20") && said.contains("in the stage distribution for"), "{said}");
    assert!(second.screen_text().contains("Enter watch it") && said.contains("takes over"), "{said}");
    second.press_keys(b"\r");
    second.wait_for_moving_text("Watching another run");
    second.wait_for_moving_text("waiting until every edge");
    // The first one ends, however that is: the second goes on without being started again.
    let mut first = first;
    first.send_signal(Signal::KILL);
    wait_for_exit_code(first.child.as_mut()).expect("it was killed");
    second.wait_for_text("The other run has ended");
    second.wait_for_text("Enter continue");
    let said = second.right_pane_text();
    assert!(said.contains("in distribution, account 999999999999, bucket"), "{said}");
    assert!(!second.screen_text().contains("Another run"), "{said}");
    second.press_keys(b"q");
    assert_eq!(second.assert_clean_exit("the second wizard"), 0);
}

#[test]
fn a_second_wizard_takes_over_after_the_request_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    let first = wizard_waiting_for_deploy(dir.path());
    let mut second = WizardTerminal::open_wizard(dir.path());
    second.wait_for_text("Another run works on this host");
    second.press_keys(b"t");
    second.wait_for_text("leave it alone");
    second.press_keys(b"n");
    second.wait_for_text("Another run works on this host");
    assert!(first.screen_text().contains("running"), "a no asks nothing of it: {}", first.screen_text());
    second.press_keys(b"t");
    second.wait_for_text("take over");
    second.press_keys(b"y");
    let (pid, shell) = (second.process_id(), std::sync::Arc::clone(&first.parser));
    assert_eq!(first.assert_clean_exit("the one that was taken over from"), 130);
    let shell = shell.lock().unwrap().screen().contents().replace('\n', " ");
    assert!(shell.contains(&format!("process {pid} (")) && shell.contains("took over"), "{shell}");
    second.wait_for_text("It has ended as asked");
    second.wait_for_text("Enter continue");
    let said = second.right_pane_text();
    assert!(said.contains("in distribution, account 999999999999, bucket"), "{said}");
    second.press_keys(b"q");
    assert_eq!(second.assert_clean_exit("the one that took over"), 0);
}

#[test]
fn a_wizard_that_only_waits_for_its_operator_ends_at_once_when_it_is_taken_over_from() {
    let dir = tempfile::tempdir().unwrap();
    let first = WizardTerminal::open_wizard(dir.path());
    first.wait_for_text("Enter continue");
    let mut second = WizardTerminal::open_wizard(dir.path());
    second.wait_for_text("before its first stage");
    second.press_keys(b"\r");
    second.wait_for_moving_text("Nothing has run in it yet");
    second.press_keys(b"t");
    second.wait_for_moving_text("leave it alone");
    std::thread::park_timeout(std::time::Duration::from_millis(450));
    second.press_keys(b"y");
    assert_eq!(first.assert_clean_exit("the first"), 130);
    second.wait_for_text("It has ended as asked");
    second.press_keys(b"q");
    assert_eq!(second.assert_clean_exit("the second"), 0);
}

#[test]
fn a_line_that_drops_in_a_stage_leaves_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = wizard_waiting_for_deploy(dir.path()).hang_up();
    assert_eq!(wait_for_exit_code(child.as_mut()), Some(130));
    let mut next = WizardTerminal::open_wizard(dir.path());
    next.wait_for_text("Enter continue");
    let said = next.right_pane_text();
    assert!(said.contains("a moment ago, in distribution, account 999999999999, bucket"), "{said}");
    assert!(said.contains("Upgrade, left"), "{said}");
    next.press_keys(b"q");
    assert_eq!(next.assert_clean_exit("the next start"), 0);
}
