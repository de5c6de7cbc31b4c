//! Credentials that expire in the middle of the reindex: it stands still and goes on where somebody is there, it fails clearly and
//! the next run goes on where nobody is; and no object is copied twice, or not at all.

use std::process::Stdio;

use crate::{
    house::{DEVICE, House, ended},
    screen::LOOKS,
};

const PACKAGES: usize = 500;
const REINDEX: [&str; 4] = ["--yes", "--profile", "work", "reindex-everything"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_is_there_it_fails_clearly_and_the_next_run_goes_on() {
    let house = House::new(PACKAGES).await;
    house.sign_in();
    let child = house.command(&REINDEX).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    house.until_copied(40);
    house.expire();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("expired")
            && text.contains("next: renew the credentials of profile work; then run the same command again: it goes on where it was"),
        "{text}"
    );
    let before = house.copies();
    assert!(before < PACKAGES && house.path("state/reindex.cursor").exists(), "{before}");
    house.sign_in();
    let (code, text) = ended(house.command(&REINDEX));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("{PACKAGES} objects")), "{text}");
    assert_eq!(house.copies(), PACKAGES, "each once: {text}");
    assert!(!house.path("state/reindex.cursor").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_renewed_at_its_source_is_taken_up_without_a_word() {
    let house = House::new(PACKAGES).await;
    house.sign_in();
    let child = house.command(&REINDEX).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    house.until_copied(40);
    house.expire();
    house.sign_in();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(house.copies(), PACKAGES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_a_run_can_not_be_renewed() {
    let house = House::new(PACKAGES).await;
    let (access, secret, token) = house.session();
    let mut command = house.command(&["--yes", "reindex-everything"]);
    command
        .env("AWS_ACCESS_KEY_ID", access)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_SESSION_TOKEN", token)
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    house.until_copied(40);
    house.expire();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("next: put fresh keys into the environment; then run the same command again"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_at_a_terminal_stands_still_and_goes_on_by_itself() {
    let house = House::new(PACKAGES).await;
    house.sign_in();
    let terminal = house.at_a_terminal(&REINDEX);
    house.until_copied(40);
    house.expire();
    terminal.glimpse("stands still");
    terminal.glimpse("as soon as AWS accepts them");
    let still = house.copies();
    assert!(still < PACKAGES, "{still}");
    house.sign_in();
    terminal.glimpse("it goes on where it was");
    assert_eq!(terminal.end("renewed"), 0);
    assert_eq!(house.copies(), PACKAGES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_still_can_be_stopped_and_gone_on_with() {
    let house = House::new(PACKAGES).await;
    house.sign_in();
    let mut terminal = house.at_a_terminal(&REINDEX);
    house.until_copied(40);
    house.expire();
    terminal.glimpse("stands still");
    terminal.press(b"\x03");
    assert_eq!(terminal.end("stopped"), 130);
    assert!(house.copies() < PACKAGES && house.path("state/reindex.cursor").exists());
    house.sign_in();
    let (code, text) = ended(house.command(&REINDEX));
    assert_eq!((code, house.copies()), (0, PACKAGES), "{text}");
}

/// The codes of a device are asked for on the wizard's own screens: before anything is known of AWS, and again in the middle
/// of the reindex, once the session that the first one gave is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wizard_asks_for_a_code_first_and_again_where_the_session_ends() {
    let house = House::new(PACKAGES).await;
    house.with_device();
    let mut terminal = house.at_a_terminal(&["--profile", "device", "wizard"]);
    terminal.see("Enter type the code");
    assert!(terminal.picture().contains("wants a code of"), "{}", terminal.picture());
    terminal.press(b"\x1b[H\x1b[B\r"); // Home, Down, Enter: the upgrade
    terminal.see(&format!("Type the code that {DEVICE} shows"));
    // Esc leaves; what is no digit is no text of it.
    terminal.press(b"\x1b");
    terminal.see("Enter type the code");
    terminal.press(b"\r");
    terminal.see("six digits, each good once");
    terminal.press(b"x12\r");
    terminal.see("code has six digits");
    terminal.press(b"\x15000000\r");
    terminal.see("was not accepted");
    terminal.press(b"123456\r");
    terminal.see("Enter go on");
    assert!(terminal.picture().contains("assumed-role/op"), "{}", terminal.picture());
    terminal.press(b"\r");
    terminal.enter(&LOOKS);
    terminal.enter(&["Enter reindex"]);
    house.until_copied(40);
    house.expire();
    terminal.glimpse("Stands still");
    terminal.glimpse("i type the code");
    let still = house.copies();
    assert!(still < PACKAGES, "{still}");
    terminal.press(b"i");
    terminal.glimpse("Type the code that");
    // The first one was good once.
    terminal.press(b"123456\r");
    terminal.glimpse("MultiFactorAuthentication failed");
    terminal.press(b"i");
    terminal.glimpse("Type the code that");
    terminal.press(b"654321\r");
    terminal.see("Done.");
    assert_eq!(house.copies(), PACKAGES, "{}", terminal.picture());
    let log = std::fs::read_to_string(house.path("state/log")).unwrap_or_default();
    assert!(!log.contains("654321"), "{log}");
    terminal.press(b"q");
    assert_eq!(terminal.end("left"), 0);
    assert_eq!(house.world.read(|state| state.iam.user.device.clone().unwrap().codes.len()), 0);
}
