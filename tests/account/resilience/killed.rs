//! Killed (SIGKILL), or hung up (SIGHUP), at the beginning and end of each step and at moments between, and started again.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
    time::Duration,
};

use packagecloud_cloudfront::model::secret::Secret;
use serde_json::Value;

use super::sandbox_host::{SandboxHost, WHOLE_SET_UP, count_all_resources, find_open_access};

/// Waiting costs nothing here: the polls between are of real seconds. A kill in a wait is in `two`.
const SANDBOX_PACE: &str = "0";

/// Runs `enable` to `after` the event that `wanted` names; false where it ended before that.
fn run_to_event(
    host: &SandboxHost,
    wanted: impl Fn(&Value) -> bool,
    after: Duration,
) -> (Child, bool, Lines<BufReader<ChildStdout>>) {
    let mut child = host
        .build_command(SANDBOX_PACE, &["--output", "json", "enable", "--upgrade", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut met = false;
    for line in lines.by_ref() {
        let Ok(event) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
        if wanted(&event) {
            // Not waiting for anything: between an event and a kill lies a moment of its own.
            std::thread::park_timeout(after);
            met = child.try_wait().unwrap().is_none();
            break;
        }
    }
    (child, met, lines)
}

/// Runs `enable` and kills it `after` the event that `wanted` names; false where it ended before that.
fn kill_at_event(host: &SandboxHost, wanted: impl Fn(&Value) -> bool, after: Duration) -> bool {
    let (mut child, met, _) = run_to_event(host, wanted, after);
    child.kill().unwrap();
    child.wait().unwrap();
    met
}

/// Whether an event is this one; `ended` has no step.
fn is_event(event: &Value, (kind, stage, step): &(String, String, String)) -> bool {
    event["type"] == **kind && event["stage"] == **stage && event["step"].as_str().unwrap_or_default() == step
}

/// The events of a whole run: type, stage and step.
fn list_run_events() -> Vec<(String, String, String)> {
    let host = SandboxHost::new();
    let output =
        host.build_command("0", &["--output", "json", "enable", "--upgrade", "--yes"]).output().unwrap();
    assert!(output.status.success(), "{}", super::sandbox_host::output_text(&output));
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let mut moments: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| {
            ["started", "finished", "ended"].contains(&event["type"].as_str().unwrap_or_default())
        })
        .map(|event| (text(&event, "type"), text(&event, "stage"), text(&event, "step")))
        .collect();
    moments.dedup();
    moments
}

fn assert_set_up_whole(host: &SandboxHost, of: &str, secret: Option<&Secret>) {
    let (code, said) = host.run_binary(&["enable", "--upgrade", "--yes"]);
    assert_eq!(code, 0, "{of}: {said}");
    let world = host.open_sandbox();
    assert_eq!(count_all_resources(&world), WHOLE_SET_UP, "{of}: {said}");
    assert_eq!(find_open_access(&world), None, "{of}");
    let values = host.config_values();
    assert_eq!(values.enabled, Some(true), "{of}");
    assert!(secret.is_none() || values.secret.as_ref() == secret, "{of}: another secret");
    let left: Value =
        serde_json::from_slice(&std::fs::read(host.state_path().join("answers.json")).unwrap()).unwrap();
    assert_eq!(left["stage"], Value::Null, "{of}: a finished run leaves no stage");
    let (code, said) = host.run_binary(&["plan", "--goal", "upgrade"]);
    assert_eq!(code, 0, "{of}: {said}");
}

#[test]
fn killed_at_every_step_it_ends_the_same_and_makes_nothing_twice() {
    let moments = list_run_events();
    let stages: std::collections::BTreeSet<&str> =
        moments.iter().map(|(_, stage, _)| stage.as_str()).collect();
    for stage in ["reindex", "secret", "bootstrap", "distribution", "configuration", "go-live", "verify"] {
        assert!(stages.contains(stage), "nothing of {stage} in {moments:?}");
    }
    let mut kills = 0;
    for (nth, moment) in moments.iter().enumerate() {
        let host = SandboxHost::new();
        let of = format!("{moment:?}");
        // At once, and some milliseconds on: another moment in each step.
        let after = Duration::from_millis(nth as u64 * 7 % 23);
        kills += usize::from(kill_at_event(&host, |event| is_event(event, moment), after));
        assert_eq!(find_open_access(&host.open_sandbox()), None, "{of}: killed");
        let secret = host.config_values().secret;
        assert_set_up_whole(&host, &of, secret.as_ref());
    }
    assert!(kills >= 30, "only {kills} of {} were killed while they ran", moments.len());
}

/// The line drops at every step, or, where not all is wanted, once in each stage: each ends by itself after the request
/// in flight, and the next start says where it was left.
#[test]
fn hung_up_in_each_stage_it_leaves_a_consistent_world_and_says_where_it_was() {
    let all = std::env::var_os("PACKAGECLOUD_TEST_EVERYTHING").is_some();
    let mut stages = Vec::new();
    let mut hung = 0;
    let wanted = list_run_events().into_iter().filter(|(kind, stage, _)| {
        let first = kind == "started" && !stages.contains(stage);
        if first {
            stages.push(stage.clone());
        }
        all || first
    });
    for (nth, moment) in wanted.enumerate() {
        let host = SandboxHost::new();
        let of = format!("{moment:?}");
        let after = Duration::from_millis(if all { nth as u64 * 11 % 29 } else { 0 });
        let (mut child, met, mut out) = run_to_event(&host, |event| is_event(event, &moment), after);
        if met {
            let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
        }
        let rest: Vec<String> = out.by_ref().map_while(Result::ok).collect();
        let code = child.wait().unwrap().code();
        // Heard between two stages, it ends before the next one begins.
        let stopped = rest
            .iter()
            .any(|line| line.contains(r#""end":"stopped""#) || line.contains(r#""kind":"interrupted""#));
        // It may have come to its end before it heard.
        assert!(code == Some(130) && stopped || code == Some(0), "{of}: {code:?} {rest:?}");
        assert_eq!(find_open_access(&host.open_sandbox()), None, "{of}: hung up");
        let secret = host.config_values().secret;
        if code == Some(130) {
            hung += 1;
            let (_, said) = host.run_binary(&["enable", "--upgrade"]);
            let left = said.lines().find(|line| line.contains("The last run was left")).unwrap_or_default();
            assert!(
                left.contains("a moment ago, in ") && left.contains("account 999999999999, bucket "),
                "{of}: {said}"
            );
        }
        assert_set_up_whole(&host, &of, secret.as_ref());
    }
    assert!(hung >= 5, "only {hung} were hung up while they ran");
}

#[test]
fn killed_again_and_again_it_still_ends_the_same() {
    let host = SandboxHost::new();
    let mut secret = None;
    for moment in list_run_events().iter().filter(|(kind, ..)| kind == "finished") {
        kill_at_event(&host, |event| is_event(event, moment), Duration::ZERO);
        let now = host.config_values().secret;
        assert!(secret.is_none() || secret == now, "{moment:?}: another secret");
        secret = now;
    }
    assert_set_up_whole(&host, "again and again", secret.as_ref());
}
