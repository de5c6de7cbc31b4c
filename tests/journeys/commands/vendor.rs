//! The vendor's own reindex beside ours, through the real binary: followed, found again, and waited for until it has settled.
//!
//! Ten minutes of quiet pass at the sandbox's pace.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use packagecloud_cloudfront::sandbox::{control_plane::s3, seed::SANDBOX_BUCKET};
use serde_json::Value;

use super::journey_host::{JourneyHost, run_to_end};

/// Three seconds for ten minutes.
const SANDBOX_PACE: &str = "0.005";
const REINDEX_ARGS: [&str; 4] = ["reindex-everything", "--vendor-reindex", "yes", "--yes"];

fn build_command(host: &JourneyHost, words: &[&str]) -> Command {
    let mut command = host.build_command();
    command
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", SANDBOX_PACE)
        .arg(format!("--sandbox={}", host.sandbox_path().display()))
        .args(words)
        .args(REINDEX_ARGS);
    command
}

/// A packagecloud-ctl that notes each of its runs, and takes its time.
fn write_ctl_script(host: &JourneyHost) -> String {
    let path = host.root_path().join("ctl");
    let runs = host.root_path().join("runs");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = reindex-everything ] || exit 0\necho run >>{}\necho Queueing jobs\nsleep 3\necho Queued 9 index jobs.\n",
        runs.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn wait_for_event_text(child: &mut Child, text: &str) -> bool {
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
    let host = JourneyHost::new();
    host.run_line("plan --goal upgrade --vendor-reindex yes")
        .assert_contains("appear in their repositories only after them");
    let said = run_to_end(&mut build_command(&host, &[]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.assert_contains("Queued 13 index jobs.")
        .assert_contains("waiting until packagecloud has worked through its queue");
    said.assert_contains("settled: none of 9 objects of repository metadata changes any more");
    let world = host.open_sandbox();
    assert!(
        world.read_sandbox_state_from_disk(|state| state.packagecloud.jobs.is_empty()),
        "its whole queue was waited for"
    );
    let wrong =
        world.sandbox_in_memory_state().objects.read_sandbox_bucket_from_disk(SANDBOX_BUCKET, |all| {
            all.keys()
                .filter_map(|key| s3::find_newest_sandbox_object_version(all, key))
                .filter(|object| object.find_object_attribute_by_header("cache-control").is_none())
                .count()
        });
    assert_eq!(wrong.unwrap(), 0);
    let again = run_to_end(&mut build_command(&host, &[]));
    assert_eq!(again.code, 0, "{again:#?}");
    assert!(!again.err.contains("Queued"), "it has settled: {again:#?}");
}

#[test]
fn killed_while_it_runs_and_while_it_settles_it_is_found_again_and_never_run_twice() {
    let host = JourneyHost::new();
    let ctl = write_ctl_script(&host);
    let start = || {
        let words = ["--output", "json", "--ctl", &ctl];
        build_command(&host, &words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    for (text, rest) in [("Queueing jobs", 0), ("Queueing jobs", 4), ("worked through its queue", 0)] {
        let mut child = start();
        assert!(wait_for_event_text(&mut child, text), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
        // Once it ends while nobody looks.
        std::thread::park_timeout(std::time::Duration::from_secs(rest));
    }
    let said = run_to_end(&mut build_command(&host, &["--ctl", &ctl]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.assert_contains("settled: none of");
    assert_eq!(std::fs::read_to_string(host.root_path().join("runs")).unwrap(), "run\n");
}

#[test]
fn without_packagecloud_ctl_it_is_left_to_the_operator() {
    let host = JourneyHost::new();
    let said = run_to_end(&mut build_command(&host, &["--ctl", "none"]));
    assert_eq!(said.code, 0, "{said:#?}");
    said.assert_contains("left to you: packagecloud-ctl reindex-everything");
}
