//! Killed (SIGKILL) at the beginning and end of each step and at moments between, and started again.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Duration,
};

use packagecloud_cloudfront::model::secret::Secret;
use serde_json::Value;

use crate::host::{Host, WHOLE, count, open};

/// Waiting costs nothing here: the polls between are of real seconds. A kill in a wait is in `two`.
const PACE: &str = "0";

/// Runs `enable` and kills it `after` the event that `wanted` names; false where it ended before that.
fn kill_at(host: &Host, wanted: impl Fn(&Value) -> bool, after: Duration) -> bool {
    let mut child = host
        .command(PACE, &["--output", "json", "enable", "--upgrade", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut met = false;
    for line in lines {
        let Ok(event) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
        if wanted(&event) {
            // Not waiting for anything: between an event and a kill lies a moment of its own.
            std::thread::park_timeout(after);
            met = child.try_wait().unwrap().is_none();
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    met
}

/// Whether an event is this one; `ended` has no step.
fn is(event: &Value, (kind, stage, step): &(String, String, String)) -> bool {
    event["type"] == **kind && event["stage"] == **stage && event["step"].as_str().unwrap_or_default() == step
}

/// The events of a whole run: type, stage and step.
fn moments() -> Vec<(String, String, String)> {
    let host = Host::new();
    let output = host.command("0", &["--output", "json", "enable", "--upgrade", "--yes"]).output().unwrap();
    assert!(output.status.success(), "{}", crate::host::said(&output));
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

fn whole(host: &Host, of: &str, secret: Option<&Secret>) {
    let (code, said) = host.run(&["enable", "--upgrade", "--yes"]);
    assert_eq!(code, 0, "{of}: {said}");
    let world = host.world();
    assert_eq!(count(&world), WHOLE, "{of}: {said}");
    assert_eq!(open(&world), None, "{of}");
    let values = host.values();
    assert_eq!(values.enabled, Some(true), "{of}");
    assert!(secret.is_none() || values.secret.as_ref() == secret, "{of}: another secret");
    let left: Value =
        serde_json::from_slice(&std::fs::read(host.state().join("answers.json")).unwrap()).unwrap();
    assert_eq!(left["stage"], Value::Null, "{of}: a finished run leaves no stage");
    let (code, said) = host.run(&["plan", "--goal", "upgrade"]);
    assert_eq!(code, 0, "{of}: {said}");
}

#[test]
fn killed_at_every_step_it_ends_the_same_and_makes_nothing_twice() {
    let moments = moments();
    let stages: std::collections::BTreeSet<&str> =
        moments.iter().map(|(_, stage, _)| stage.as_str()).collect();
    for stage in ["reindex", "secret", "bootstrap", "distribution", "configuration", "go-live", "verify"] {
        assert!(stages.contains(stage), "nothing of {stage} in {moments:?}");
    }
    let mut kills = 0;
    for (nth, moment) in moments.iter().enumerate() {
        let host = Host::new();
        let of = format!("{moment:?}");
        // At once, and some milliseconds on: another moment in each step.
        let after = Duration::from_millis(nth as u64 * 7 % 23);
        kills += usize::from(kill_at(&host, |event| is(event, moment), after));
        assert_eq!(open(&host.world()), None, "{of}: killed");
        let secret = host.values().secret;
        whole(&host, &of, secret.as_ref());
    }
    assert!(kills >= 30, "only {kills} of {} were killed while they ran", moments.len());
}

#[test]
fn killed_again_and_again_it_still_ends_the_same() {
    let host = Host::new();
    let mut secret = None;
    for moment in moments().iter().filter(|(kind, ..)| kind == "finished") {
        kill_at(&host, |event| is(event, moment), Duration::ZERO);
        let now = host.values().secret;
        assert!(secret.is_none() || secret == now, "{moment:?}: another secret");
        secret = now;
    }
    whole(&host, "again and again", secret.as_ref());
}
