//! The line to the host is dropped in the middle of every step, and the program is killed: what runs there goes on, once.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStderr, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::cluster::{ClusterRun, HostCluster};

#[test]
fn a_line_that_drops_in_every_step_changes_nothing_of_how_it_ends() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let mut child = cluster
        .cluster_command(&["--output", "json", "enable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut steps, mut dropped) = (Vec::new(), 0);
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        said.push_str(&line);
        let step = event["step"].as_str().unwrap_or_default().to_owned();
        if ["secret", "packagecloud.rb", "configuration", "switch", "reconfigure", "restart", "proof"]
            .contains(&step.as_str())
            && ["started", "finished"].contains(&event["type"].as_str().unwrap_or_default())
        {
            // At once, and some milliseconds on: another moment in each step.
            std::thread::sleep(Duration::from_millis(steps.len() as u64 * 13 % 40));
            dropped += node.drop_connections();
            steps.push(step);
        }
    }
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{said}{errors}");
    for step in ["secret", "configuration", "switch", "reconfigure", "restart", "proof"] {
        assert!(steps.iter().any(|dropped| dropped == step), "nothing was dropped in {step}: {steps:?}");
    }
    assert!(dropped >= 8, "only {dropped} lines were dropped: {steps:?}");
    assert_eq!(node.applied_values().enabled, Some(true), "{said}");
    assert_eq!(node.applied_values(), node.config_values());
    assert_eq!(
        (node.count_ctl_runs("reconfigure"), node.count_ctl_runs("restart")),
        (1, 1),
        "each runs once: {said}"
    );
    // One backup for each change of the file, and nothing half made.
    let names: Vec<String> = std::fs::read_dir(node.file_path("etc"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".bak")).count(), 3, "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with(".new")), "{names:?}");
    assert_eq!(names.len(), 4, "{names:?}");
    let left: Vec<_> =
        std::fs::read_dir(node.file_path("lib")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name == "lock" || name == "events"),
        "its lines are not left there: {left:?}"
    );
}

#[test]
fn killed_in_a_reconfigure_the_next_start_follows_the_one_that_runs() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    cluster.run_on_cluster(&["enable", "--prepare", "--yes"]).assert_exit(0, &[]);
    node.hold_ctl_command("reconfigure", true);
    let mut child = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    wait_for_chef_start(&mut child, &mut said);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut next = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    // It has found the one that runs: its first line is told again.
    let mut rest = wait_for_chef_start(&mut next, &mut said);
    node.hold_ctl_command("reconfigure", false);
    rest.read_to_string(&mut said).unwrap();
    let ran = ClusterRun { code: next.wait().unwrap().code().unwrap(), text: said };
    ran.assert_exit(0, &["cloudfront_secret: '(hidden)'", "on since"]);
    assert_eq!(node.count_ctl_runs("reconfigure"), 1, "{}", ran.text);
}

#[test]
fn the_vendors_reindex_that_ended_while_nobody_looked_is_not_run_again() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let words = ["reindex-everything", "--vendor-reindex", "yes", "--yes"];
    node.hold_ctl_command("reindex-everything", true);
    let mut child =
        cluster.cluster_command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    wait_for_text(&mut child, "queued", &mut said);
    child.kill().unwrap();
    child.wait().unwrap();
    node.hold_ctl_command("reindex-everything", false);
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while node.read_file("lib/ctl.status").is_empty() {
        assert!(std::time::Instant::now() < end, "it never ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut next =
        cluster.cluster_command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Its lines are told, and then its queue is waited for, which takes ten minutes of quiet.
    let mut said = String::new();
    wait_for_text(&mut next, "waiting until packagecloud has worked through its queue", &mut said);
    next.kill().unwrap();
    next.wait().unwrap();
    assert!(said.contains("all queued"), "{said}");
    assert_eq!(node.count_ctl_runs("reindex-everything"), 1, "{said}");
}

/// Hears what is said until the reconfigure has begun to speak.
fn wait_for_chef_start(child: &mut Child, said: &mut String) -> BufReader<ChildStderr> {
    wait_for_text(child, "Starting Chef Client", said)
}

/// Hears what is said until it holds these words.
fn wait_for_text(child: &mut Child, words: &str, said: &mut String) -> BufReader<ChildStderr> {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !said.contains(words) {
        assert_ne!(lines.read_line(said).unwrap(), 0, "it ended before: {said}");
    }
    lines
}

#[test]
fn the_file_keeps_its_mode_owner_and_list_of_access_and_no_secret_is_on_a_command_line() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let path = node.file_path("etc/packagecloud.rb");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&path, Some(0), Some(4)).unwrap();
    let hidden = node.file_path("opt/seen");
    // Every command line on this machine, as any of its users may see it.
    let watching = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let watched = watching.clone();
    let watch = std::thread::spawn(move || {
        let mut lines = std::collections::BTreeSet::new();
        while watched.load(std::sync::atomic::Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                lines.insert(std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
            }
        }
        lines
    });
    let ran = cluster.run_on_cluster(&["--show-secret", "enable", "--prepare", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    watching.store(false, std::sync::atomic::Ordering::Relaxed);
    let lines = watch.join().unwrap();
    let secret = node.config_values().secret.unwrap();
    let encoded = {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        STANDARD.encode(node.read_config())
    };
    for line in &lines {
        let line = String::from_utf8_lossy(line);
        assert!(!line.contains(secret.expose_secret()) && !line.contains(&encoded[..64]), "{line}");
    }
    assert!(lines.len() > 5 && !hidden.exists());
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o640, 0, 4));
    for entry in std::fs::read_dir(node.file_path("etc")).unwrap().flatten() {
        if entry.path() != path {
            assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{:?}", entry.path());
        }
    }
}

#[test]
fn interrupted_in_a_reconfigure_it_names_the_one_that_goes_on_there() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    node.hold_ctl_command("reconfigure", true);
    let mut child = cluster
        .cluster_command(&["reconfigure", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut rest = wait_for_chef_start(&mut child, &mut said);
    let interrupt = |child: &Child| {
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    };
    interrupt(&child);
    while !said.contains("(Ctrl-C again leaves at once)") {
        assert_ne!(rest.read_line(&mut said).unwrap(), 0, "it ended before: {said}");
    }
    interrupt(&child);
    rest.read_to_string(&mut said).unwrap();
    node.hold_ctl_command("reconfigure", false);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    let running = "packagecloud-ctl reconfigure on web1 (process ";
    for words in [format!("waiting for the end of {running}"), format!("left at once; {running}")] {
        assert!(said.contains(&words), "no {words:?} in {said}");
    }
    assert!(said.contains(") still runs; web1:/etc/packagecloud/packagecloud.rb says"), "{said}");
}
