//! Two at once, the answers of a run that was broken off, and being asked to end.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use packagecloud_cloudfront::sandbox::{control_plane::acm::SandboxCertificate, seed::SANDBOX_BUCKET};
use serde_json::Value;

use super::sandbox_host::{SandboxHost, WHOLE_SET_UP, count_all_resources, find_open_access};

/// Starts a command, and waits for the event that `wanted` names.
#[expect(
    clippy::zombie_processes,
    reason = "where it panics the test is over; elsewhere `ended` waits for it"
)]
fn start_until_event(
    host: &SandboxHost,
    pace: &str,
    words: &[&str],
    wanted: impl Fn(&Value) -> bool,
) -> (Child, BufReader<ChildStdout>) {
    let mut child = host
        .build_command(pace, &[&["--output", "json"], words].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended before that");
        if wanted(&serde_json::from_str(&line).unwrap()) {
            return (child, out);
        }
    }
}

fn step_event_matcher<'a>(kind: &'a str, step: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |event| event["type"] == kind && event["step"] == step
}

fn wait_for_exit(mut child: Child, mut out: BufReader<ChildStdout>) -> (i32, String) {
    let mut said = String::new();
    std::io::Read::read_to_string(&mut out, &mut said).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    (child.wait().unwrap().code().expect("it ended by itself"), said + &told)
}

fn send_signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn read_answers(host: &SandboxHost) -> Value {
    serde_json::from_slice(&std::fs::read(host.state_path().join("answers.json")).unwrap()).unwrap()
}

#[test]
fn a_second_run_is_told_who_runs_and_reading_needs_no_lock() {
    let host = SandboxHost::new();
    let (mut child, _out) =
        start_until_event(&host, "1", &["enable", "--yes"], step_event_matcher("started", "deployed"));
    let (code, said) = host.run_binary(&["enable", "--yes"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("process {}", child.id())), "{said}");
    assert!(said.contains("runs since 20") && said.contains("in the stage distribution"), "{said}");
    for command in ["generate-cloudfront-secret", "bootstrap-cloudfront", "reindex-everything", "reconfigure"]
    {
        let (code, said) = host.run_binary(&[command, "--yes"]);
        assert!(code == 1 && said.contains("another run on this host"), "{command}: {said}");
    }
    let (code, said) = host.run_binary(&["plan"]);
    assert!([0, 3].contains(&code), "{said}");
    let (code, said) = host.run_binary(&["configuration"]);
    assert_eq!(code, 0, "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, said) = host.run_binary(&["enable", "--yes"]);
    assert_eq!(code, 0, "a killed run holds nothing: {said}");
}

#[test]
fn switching_off_beside_a_run_keeps_it_from_going_live() {
    let host = SandboxHost::new();
    let (child, out) =
        start_until_event(&host, "0.3", &["enable", "--yes"], step_event_matcher("started", "deployed"));
    let (code, said) = host.run_binary(&["disable", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("Another run works on this host") && said.contains("continues beside it"),
        "{said}"
    );
    let (code, said) = wait_for_exit(child, out);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("CloudFront was switched off meanwhile"), "{said}");
    assert_ne!(host.config_values().enabled, Some(true));
    // Whoever wants it after that says so.
    let (code, said) = host.run_binary(&["enable", "--yes"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn switching_off_while_it_goes_live_ends_off() {
    for moment in [
        step_event_matcher("started", "gate"),
        step_event_matcher("finished", "switch"),
        step_event_matcher("started", "restart"),
        step_event_matcher("started", "proof"),
    ] {
        let host = SandboxHost::new();
        let (child, out) = start_until_event(&host, "0", &["enable", "--yes"], moment);
        // At this pace it has no patience to see the other take its switch back; that one does it all the same.
        let output = host.build_command("0", &["disable", "--yes"]).output().unwrap();
        let said = super::sandbox_host::output_text(&output);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        let (other, told) = wait_for_exit(child, out);
        // It may just have been live before it was switched off.
        assert!(other == 0 || other == 1, "{told}");
        assert_ne!(host.config_values().enabled, Some(true), "{said}{told}");
        let world = host.open_sandbox();
        assert!(
            world.read_sandbox_state_from_disk(|state| state
                .packagecloud
                .nodes
                .iter()
                .all(|node| !node.enabled)),
            "{said}{told}"
        );
    }
}

#[test]
fn the_answers_of_a_broken_run_are_kept() {
    let host = SandboxHost::new();
    let words = [
        "enable",
        "--upgrade",
        "--yes",
        "--no-acl",
        "--package-glob",
        "*.blob",
        "--packages-domain",
        "p.example.org",
        "--bucket",
        SANDBOX_BUCKET,
    ];
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        let names = vec!["p.example.org".to_owned()];
        let certificate =
            SandboxCertificate { names, key: "RSA_2048".into(), ..SandboxCertificate::default() };
        let arn = "arn:aws:acm:us-east-1:999999999999:certificate/p";
        state.acm.certificates.insert(arn.into(), certificate);
    });
    let (mut child, _out) =
        start_until_event(&host, "0.2", &words, step_event_matcher("started", "function"));
    child.kill().unwrap();
    child.wait().unwrap();
    let left = read_answers(&host);
    assert_eq!(left["stage"], "bootstrap");
    assert_eq!(left["on"], serde_json::json!(["999999999999", SANDBOX_BUCKET]));
    let kept = &left["answers"];
    assert_eq!(kept["goal"], "upgrade");
    assert_eq!(kept["account"], "999999999999");
    assert!(kept["identity"].as_str().unwrap().starts_with("arn:aws:iam::999999999999:user/"), "{kept}");
    assert_eq!(kept["packages_domain"], "p.example.org");
    assert_eq!(kept["bucket"], SANDBOX_BUCKET);
    assert_eq!(kept["reindex"]["no_acl"], true);
    assert!(!std::fs::read_to_string(host.state_path().join("answers.json")).unwrap().contains("secret"));
    let (code, said) = host.run_binary(&["enable", "--upgrade", "--prepare", "--yes"]);
    assert_eq!(code, 0, "{said}");
    let again = read_answers(&host);
    assert_eq!(again["stage"], Value::Null);
    assert_eq!(again["answers"]["packages_domain"], "p.example.org");
    assert_eq!(again["answers"]["reindex"]["package_globs"], serde_json::json!(["*.blob"]));
    assert_eq!(count_all_resources(&host.open_sandbox()), WHOLE_SET_UP);
    // Another bucket than the last run's is asked for.
    let (code, said) = host.run_binary(&[
        "enable",
        "--yes",
        "--bucket",
        "sandbox-backups-999999999999",
        "--name-suffix",
        "two",
    ]);
    assert!(code == 2 && said.contains("--other-bucket"), "{said}");
}

#[test]
fn asked_to_end_it_stops_after_the_request_in_flight() {
    use rustix::process::Signal;
    for wanted in [Signal::HUP, Signal::TERM, Signal::INT] {
        for (at, pace) in [("objects", "0"), ("function", "0.2"), ("deployed", "1"), ("reconfigure", "0")] {
            let host = SandboxHost::new();
            let (child, out) = start_until_event(
                &host,
                pace,
                &["enable", "--upgrade", "--yes"],
                step_event_matcher("started", at),
            );
            send_signal(&child, wanted);
            let (code, said) = wait_for_exit(child, out);
            assert_eq!(code, 130, "{wanted:?} {at}: {said}");
            assert!(said.contains("stopping after the request in flight"), "{said}");
            assert!(said.contains(r#""end":"stopped""#), "{wanted:?} {at}: {said}");
            assert_eq!(find_open_access(&host.open_sandbox()), None);
            let (code, said) = host.run_binary(&["enable", "--upgrade", "--yes"]);
            assert_eq!(code, 0, "{wanted:?} {at}: {said}");
            assert_eq!(count_all_resources(&host.open_sandbox()), WHOLE_SET_UP, "{wanted:?} {at}");
        }
    }
}
