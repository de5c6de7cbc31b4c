//! Two at once, the answers of a run that was broken off, and being asked to end.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use packagecloud_cloudfront::sandbox::{control_plane::acm::Certificate, seed::BUCKET};
use serde_json::Value;

use crate::host::{Host, WHOLE, count, open};

/// Starts a command, and waits for the event that `wanted` names.
#[expect(
    clippy::zombie_processes,
    reason = "where it panics the test is over; elsewhere `ended` waits for it"
)]
fn started(
    host: &Host,
    pace: &str,
    words: &[&str],
    wanted: impl Fn(&Value) -> bool,
) -> (Child, BufReader<ChildStdout>) {
    let mut child = host
        .command(pace, &[&["--output", "json"], words].concat())
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

fn step<'a>(kind: &'a str, step: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |event| event["type"] == kind && event["step"] == step
}

fn ended(mut child: Child, mut out: BufReader<ChildStdout>) -> (i32, String) {
    let mut said = String::new();
    std::io::Read::read_to_string(&mut out, &mut said).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    (child.wait().unwrap().code().expect("it ended by itself"), said + &told)
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn answers(host: &Host) -> Value {
    serde_json::from_slice(&std::fs::read(host.state().join("answers.json")).unwrap()).unwrap()
}

#[test]
fn a_second_run_is_told_who_runs_and_reading_needs_no_lock() {
    let host = Host::new();
    let (mut child, _out) = started(&host, "1", &["enable", "--yes"], step("started", "deployed"));
    let (code, said) = host.run(&["enable", "--yes"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("process {}", child.id())), "{said}");
    assert!(said.contains("runs since 20") && said.contains("in the stage distribution"), "{said}");
    for command in ["generate-cloudfront-secret", "bootstrap-cloudfront", "reindex-everything", "reconfigure"]
    {
        let (code, said) = host.run(&[command, "--yes"]);
        assert!(code == 1 && said.contains("another run on this host"), "{command}: {said}");
    }
    let (code, said) = host.run(&["plan"]);
    assert!([0, 3].contains(&code), "{said}");
    let (code, said) = host.run(&["configuration"]);
    assert_eq!(code, 0, "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, said) = host.run(&["enable", "--yes"]);
    assert_eq!(code, 0, "a killed run holds nothing: {said}");
}

#[test]
fn switching_off_beside_a_run_keeps_it_from_going_live() {
    let host = Host::new();
    let (child, out) = started(&host, "0.3", &["enable", "--yes"], step("started", "deployed"));
    let (code, said) = host.run(&["disable", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Another run works on this host") && said.contains("goes on beside it"), "{said}");
    let (code, said) = ended(child, out);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("CloudFront was switched off meanwhile"), "{said}");
    assert_ne!(host.values().enabled, Some(true));
    // Whoever wants it after that says so.
    let (code, said) = host.run(&["enable", "--yes"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn switching_off_while_it_goes_live_ends_off() {
    for moment in [
        step("started", "gate"),
        step("finished", "switch"),
        step("started", "restart"),
        step("started", "proof"),
    ] {
        let host = Host::new();
        let (child, out) = started(&host, "0", &["enable", "--yes"], moment);
        // At this pace it has no patience to see the other take its switch back; that one does it all the same.
        let output = host.command("0", &["disable", "--yes"]).output().unwrap();
        let said = crate::host::said(&output);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        let (other, told) = ended(child, out);
        // It may just have been live before it was switched off.
        assert!(other == 0 || other == 1, "{told}");
        assert_ne!(host.values().enabled, Some(true), "{said}{told}");
        let world = host.world();
        assert!(
            world.read(|state| state.packagecloud.nodes.iter().all(|node| !node.enabled)),
            "{said}{told}"
        );
    }
}

#[test]
fn the_answers_of_a_broken_run_are_kept() {
    let host = Host::new();
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
        BUCKET,
    ];
    host.world().write(|state| {
        let names = vec!["p.example.org".to_owned()];
        let certificate = Certificate { names, key: "RSA_2048".into(), ..Certificate::default() };
        let arn = "arn:aws:acm:us-east-1:999999999999:certificate/p";
        state.acm.certificates.insert(arn.into(), certificate);
    });
    let (mut child, _out) = started(&host, "0.2", &words, step("started", "function"));
    child.kill().unwrap();
    child.wait().unwrap();
    let left = answers(&host);
    assert_eq!(left["stage"], "bootstrap");
    assert_eq!(left["on"], serde_json::json!(["999999999999", BUCKET]));
    let kept = &left["answers"];
    assert_eq!(kept["goal"], "upgrade");
    assert_eq!(kept["account"], "999999999999");
    assert!(kept["identity"].as_str().unwrap().starts_with("arn:aws:iam::999999999999:user/"), "{kept}");
    assert_eq!(kept["packages_domain"], "p.example.org");
    assert_eq!(kept["bucket"], BUCKET);
    assert_eq!(kept["reindex"]["no_acl"], true);
    assert!(!std::fs::read_to_string(host.state().join("answers.json")).unwrap().contains("secret"));
    let (code, said) = host.run(&["enable", "--upgrade", "--prepare", "--yes"]);
    assert_eq!(code, 0, "{said}");
    let again = answers(&host);
    assert_eq!(again["stage"], Value::Null);
    assert_eq!(again["answers"]["packages_domain"], "p.example.org");
    assert_eq!(again["answers"]["reindex"]["package_globs"], serde_json::json!(["*.blob"]));
    assert_eq!(count(&host.world()), WHOLE);
    // Another bucket than the last run's is asked for.
    let (code, said) =
        host.run(&["enable", "--yes", "--bucket", "sandbox-backups-999999999999", "--name-suffix", "two"]);
    assert!(code == 2 && said.contains("--other-bucket"), "{said}");
}

#[test]
fn asked_to_end_it_stops_after_the_request_in_flight() {
    use rustix::process::Signal;
    for wanted in [Signal::HUP, Signal::TERM, Signal::INT] {
        for (at, pace) in [("objects", "0"), ("function", "0.2"), ("deployed", "1"), ("reconfigure", "0")] {
            let host = Host::new();
            let (child, out) = started(&host, pace, &["enable", "--upgrade", "--yes"], step("started", at));
            signal(&child, wanted);
            let (code, said) = ended(child, out);
            assert_eq!(code, 130, "{wanted:?} {at}: {said}");
            assert!(said.contains("stopping after the request in flight"), "{said}");
            assert!(said.contains(r#""end":"stopped""#), "{wanted:?} {at}: {said}");
            assert_eq!(open(&host.world()), None);
            let (code, said) = host.run(&["enable", "--upgrade", "--yes"]);
            assert_eq!(code, 0, "{wanted:?} {at}: {said}");
            assert_eq!(count(&host.world()), WHOLE, "{wanted:?} {at}");
        }
    }
}
