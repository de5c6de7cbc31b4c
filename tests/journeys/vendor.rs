//! The vendor's own reindex beside ours, through the real binary: followed, found again, and waited for until it has settled.
//!
//! Ten minutes of quiet pass at the sandbox's pace.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use packagecloud_cloudfront::sandbox::{control_plane::s3, seed::BUCKET};
use serde_json::Value;

use crate::house::{House, ran};

/// Three seconds for ten minutes.
const PACE: &str = "0.005";
const LINE: [&str; 4] = ["reindex-everything", "--vendor-reindex", "yes", "--yes"];

fn command(house: &House, words: &[&str]) -> Command {
    let mut command = house.command();
    command
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", PACE)
        .arg(format!("--sandbox={}", house.sandbox().display()))
        .args(words)
        .args(LINE);
    command
}

/// A packagecloud-ctl that notes each of its runs, and takes its time.
fn ctl(house: &House) -> String {
    let path = house.root().join("ctl");
    let runs = house.root().join("runs");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = reindex-everything ] || exit 0\necho run >>{}\necho Queueing jobs\nsleep 3\necho Queued 9 index jobs.\n",
        runs.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn until(child: &mut Child, text: &str) -> bool {
    let mut events = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while events.read_line(&mut line).unwrap() > 0 {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["step"] == "vendor-reindex" && event["text"].as_str().is_some_and(|said| said.contains(text))
        {
            return true;
        }
        line.clear();
    }
    false
}

#[test]
fn it_is_run_beside_ours_and_counts_once_nothing_changes_any_more() {
    let house = House::new();
    house
        .run("plan --goal upgrade --vendor-reindex yes")
        .says("appear in their repositories only after them");
    let said = ran(&mut command(&house, &[]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.says("Queued 13 index jobs.").says("waiting until packagecloud has worked through its queue");
    said.says("settled: none of 9 objects of repository metadata changes any more");
    let world = house.world();
    assert!(world.read(|state| state.packagecloud.jobs.is_empty()), "its whole queue was waited for");
    let wrong = world.memory().objects.read(BUCKET, |all| {
        all.keys()
            .filter_map(|key| s3::newest(all, key))
            .filter(|object| object.attribute("cache-control").is_none())
            .count()
    });
    assert_eq!(wrong.unwrap(), 0);
    let again = ran(&mut command(&house, &[]));
    assert_eq!(again.code, 0, "{again:#?}");
    assert!(!again.err.contains("Queued"), "it has settled: {again:#?}");
}

#[test]
fn killed_while_it_runs_and_while_it_settles_it_is_found_again_and_never_run_twice() {
    let house = House::new();
    let ctl = ctl(&house);
    let start = || {
        let words = ["--output", "json", "--ctl", &ctl];
        command(&house, &words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    for (text, rest) in [("Queueing jobs", 0), ("Queueing jobs", 4), ("worked through its queue", 0)] {
        let mut child = start();
        assert!(until(&mut child, text), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
        // Once it ends while nobody looks.
        std::thread::park_timeout(std::time::Duration::from_secs(rest));
    }
    let said = ran(&mut command(&house, &["--ctl", &ctl]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.says("settled: none of");
    assert_eq!(std::fs::read_to_string(house.root().join("runs")).unwrap(), "run\n");
}

#[test]
fn without_packagecloud_ctl_it_is_left_to_the_operator() {
    let house = House::new();
    let said = ran(&mut command(&house, &["--ctl", "none"]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.says("left to you: packagecloud-ctl reindex-everything");
}
