//! Two wizards on one host: the second is shown where the first stands, watches it, takes over from it, or leaves it alone; and a line that drops.

use rustix::process::Signal;

use crate::screen::{Terminal, ended};

/// A wizard that waits for a distribution to be deployed, which takes its time.
fn waiting(dir: &std::path::Path) -> Terminal {
    let mut first = Terminal::open_with(dir, "0.5", &[]);
    first.drive_to_the_reindex();
    first.pass(&["Enter reindex", "Enter write the secret", "Enter make these"]);
    first.enter(&["Enter make these"]);
    first.glimpse("waiting until every edge");
    first
}

#[test]
fn a_second_wizard_watches_the_first_to_its_end_and_goes_on_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = waiting(dir.path());
    let mut second = Terminal::open(dir.path());
    second.see("Another run works on this host");
    let said = second.prose();
    assert!(said.contains(&format!("process {} (", first.pid())), "{said}");
    assert!(said.contains("runs since 20") && said.contains("in the stage distribution for"), "{said}");
    assert!(second.picture().contains("Enter watch it") && said.contains("takes over"), "{said}");
    second.press(b"\r");
    second.glimpse("Watching another run");
    second.glimpse("waiting until every edge");
    // The first one ends, however that is: the second goes on without being started again.
    let mut first = first;
    first.signal(Signal::KILL);
    ended(first.child.as_mut()).expect("it was killed");
    second.see("The other run has ended");
    second.see("Enter go on");
    let said = second.prose();
    assert!(said.contains("in distribution, account 999999999999, bucket"), "{said}");
    assert!(!second.picture().contains("Another run"), "{said}");
    second.press(b"q");
    assert_eq!(second.end("the second wizard"), 0);
}

#[test]
fn a_second_wizard_takes_over_after_the_request_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    let first = waiting(dir.path());
    let mut second = Terminal::open(dir.path());
    second.see("Another run works on this host");
    second.press(b"t");
    second.see("leave it alone");
    second.press(b"n");
    second.see("Another run works on this host");
    assert!(first.picture().contains("running"), "a no asks nothing of it: {}", first.picture());
    second.press(b"t");
    second.see("take over");
    second.press(b"y");
    let (pid, shell) = (second.pid(), std::sync::Arc::clone(&first.parser));
    assert_eq!(first.end("the one that was taken over from"), 130);
    let shell = shell.lock().unwrap().screen().contents().replace('\n', " ");
    assert!(shell.contains(&format!("process {pid} (")) && shell.contains("took over"), "{shell}");
    second.see("It has ended as asked");
    second.see("Enter go on");
    let said = second.prose();
    assert!(said.contains("in distribution, account 999999999999, bucket"), "{said}");
    second.press(b"q");
    assert_eq!(second.end("the one that took over"), 0);
}

#[test]
fn a_wizard_that_only_waits_for_its_operator_ends_at_once_when_it_is_taken_over_from() {
    let dir = tempfile::tempdir().unwrap();
    let first = Terminal::open(dir.path());
    first.see("Enter go on");
    let mut second = Terminal::open(dir.path());
    second.see("before its first stage");
    second.press(b"\r");
    second.glimpse("Nothing has run in it yet");
    second.press(b"t");
    second.glimpse("leave it alone");
    std::thread::park_timeout(std::time::Duration::from_millis(450));
    second.press(b"y");
    assert_eq!(first.end("the first"), 130);
    second.see("It has ended as asked");
    second.press(b"q");
    assert_eq!(second.end("the second"), 0);
}

#[test]
fn a_line_that_drops_in_a_stage_leaves_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = waiting(dir.path()).hang_up();
    assert_eq!(ended(child.as_mut()), Some(130));
    let mut next = Terminal::open(dir.path());
    next.see("Enter go on");
    let said = next.prose();
    assert!(said.contains("a moment ago, in distribution, account 999999999999, bucket"), "{said}");
    assert!(said.contains("Upgrade goes on from there"), "{said}");
    next.press(b"q");
    assert_eq!(next.end("the next start"), 0);
}
