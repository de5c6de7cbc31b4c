//! Credentials that expire in the middle of the reindex: it stands still and goes on where somebody is there, it fails clearly and
//! the next run goes on where nobody is; and no object is copied twice, or not at all.

use std::process::Stdio;

use super::credentials_host::{CredentialsHost, MFA_DEVICE_ARN, run_to_end};

const PACKAGE_COUNT: usize = 500;
const REINDEX_ARGS: [&str; 4] = ["--yes", "--profile", "work", "reindex-everything"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_is_there_it_fails_clearly_and_the_next_run_goes_on() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    host.write_session_credentials();
    let child =
        host.build_command(&REINDEX_ARGS).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until_copied(40);
    host.expire_sessions();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("expired") && text.contains("next: renew the credentials of profile work; then run: "),
        "{text}"
    );
    let before = host.count_copies();
    assert!(before < PACKAGE_COUNT && host.file_path("state/reindex.cursor").exists(), "{before}");
    host.write_session_credentials();
    let (code, text) = run_to_end(host.build_command(&REINDEX_ARGS));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("{PACKAGE_COUNT} objects")), "{text}");
    assert_eq!(host.count_copies(), PACKAGE_COUNT, "each once: {text}");
    assert!(!host.file_path("state/reindex.cursor").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_renewed_at_its_source_is_taken_up_without_a_word() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    host.write_session_credentials();
    let child =
        host.build_command(&REINDEX_ARGS).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until_copied(40);
    host.expire_sessions();
    host.write_session_credentials();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(host.count_copies(), PACKAGE_COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_a_run_can_not_be_renewed() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    let (access, secret, token) = host.issue_session();
    let mut command = host.build_command(&["--yes", "reindex-everything"]);
    command
        .env("AWS_ACCESS_KEY_ID", access)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_SESSION_TOKEN", token)
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    host.wait_until_copied(40);
    host.expire_sessions();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("next: put fresh keys into the environment; then run: "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_at_a_terminal_stands_still_and_goes_on_by_itself() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    host.write_session_credentials();
    let terminal = host.open_terminal(&REINDEX_ARGS);
    host.wait_until_copied(40);
    host.expire_sessions();
    terminal.wait_for_moving_text("paused: ");
    terminal.wait_for_moving_text("as soon as AWS accepts them");
    let still = host.count_copies();
    assert!(still < PACKAGE_COUNT, "{still}");
    host.write_session_credentials();
    terminal.wait_for_moving_text("it continues where it stopped");
    assert_eq!(terminal.assert_clean_exit("renewed"), 0);
    assert_eq!(host.count_copies(), PACKAGE_COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_still_can_be_stopped_and_gone_on_with() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    host.write_session_credentials();
    let mut terminal = host.open_terminal(&REINDEX_ARGS);
    host.wait_until_copied(40);
    host.expire_sessions();
    terminal.wait_for_moving_text("paused: ");
    terminal.press_keys(b"\x03");
    assert_eq!(terminal.assert_clean_exit("stopped"), 130);
    assert!(host.count_copies() < PACKAGE_COUNT && host.file_path("state/reindex.cursor").exists());
    host.write_session_credentials();
    let (code, text) = run_to_end(host.build_command(&REINDEX_ARGS));
    assert_eq!((code, host.count_copies()), (0, PACKAGE_COUNT), "{text}");
}

/// The codes of a device are asked for on the wizard's own screens: before anything is known of AWS, and again in the middle
/// of the reindex, once the session that the first one gave is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wizard_asks_for_a_code_first_and_again_where_the_session_ends() {
    let host = CredentialsHost::new(PACKAGE_COUNT).await;
    host.write_mfa_profile();
    let mut terminal = host.open_terminal(&["--profile", "device", "wizard"]);
    terminal.wait_for_text("Enter type the code");
    assert!(terminal.screen_text().contains("needs a code of"), "{}", terminal.screen_text());
    terminal.press_keys(b"\r");
    terminal.wait_for_text(&format!("Type the code that {MFA_DEVICE_ARN} shows"));
    // Esc leaves; what is no digit is no text of it.
    terminal.press_keys(b"\x1b");
    terminal.wait_for_text("Enter type the code");
    terminal.press_keys(b"\r");
    terminal.wait_for_text("six digits, each good once");
    terminal.press_keys(b"x12\r");
    terminal.wait_for_text("code has six digits");
    terminal.press_keys(b"\x15000000\r");
    terminal.wait_for_text("was not accepted");
    terminal.press_keys(b"123456\r");
    terminal.wait_for_text("Enter continue");
    assert!(terminal.screen_text().contains("assumed-role/op"), "{}", terminal.screen_text());
    terminal.press_keys(b"\r");
    terminal.begin_stepwise();
    terminal.enter_through(&["Enter reindex"]);
    terminal.wait_for_moving_text("Enter write the secret");
    terminal.press_keys(b"b");
    host.wait_until_copied(40);
    host.expire_sessions();
    terminal.wait_for_moving_text("Paused: AWS no longer");
    terminal.wait_for_moving_text("i type the code");
    let still = host.count_copies();
    assert!(still < PACKAGE_COUNT, "{still}");
    terminal.press_keys(b"i");
    terminal.wait_for_moving_text("Type the code that");
    // The first one was good once.
    terminal.press_keys(b"123456\r");
    terminal.wait_for_moving_text("MultiFactorAuthentication failed");
    terminal.press_keys(b"i");
    terminal.wait_for_moving_text("Type the code that");
    terminal.press_keys(b"654321\r");
    terminal.wait_for_text("Done.");
    assert_eq!(host.count_copies(), PACKAGE_COUNT, "{}", terminal.screen_text());
    let log = std::fs::read_to_string(host.file_path("state/log")).unwrap_or_default();
    assert!(!log.contains("654321"), "{log}");
    terminal.press_keys(b"q");
    assert_eq!(terminal.assert_clean_exit("left"), 0);
    assert_eq!(
        host.world.read_sandbox_state_from_disk(|state| state.iam.user.device.clone().unwrap().codes.len()),
        0
    );
}
