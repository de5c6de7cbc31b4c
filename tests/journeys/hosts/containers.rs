//! Web nodes that no sshd is on: what starts a shell there runs its words as they are, as `kubectl exec` does.
//!
//! The stand-in for it breaks as kubectl does: the exit code of what it ran, with a line about it on standard error; where
//! the node is gone, 1 and an error of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

use super::cluster::{ClusterRun, HostCluster};

/// `exec -i TARGET -- WORDS…`, and the same without `-i`: nothing is handed on. A target is `pod/NODE` or `deploy/NODE`.
pub const KUBECTL_SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
fail() { echo "$1" >&2; exit 1; }
[ "$1" = exec ] || fail "error: unknown command \"$1\" for \"kubectl\""
shift
stdin=no
[ "$1" = -i ] && { stdin=yes; shift; }
pod=${1#*/}
[ "$2" = -- ] || fail "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
shift 2
pid=$(cat "$here/pods/$pod" 2>/dev/null) || fail "Error from server (NotFound): pods \"$pod\" not found"
[ ! -e "$here/pods/$pod.away" ] || fail "Error from server: error dialing backend: dial tcp 10.0.0.7:10250: connect: connection refused"
[ $stdin = yes ] || exec </dev/null
# No word passes a shell, and nothing of this environment reaches the container.
nsenter -t "$pid" -m -- env -i PATH=/usr/bin:/bin HOME=/ "$@"
code=$?
[ $code = 0 ] || echo "command terminated with exit code $code" >&2
exit $code
"#;

/// A cluster that is reached by the stand-in alone, with these words between it and `--`.
fn cluster_of_containers(names: &[&str], words: &str) -> HostCluster {
    let mut cluster = HostCluster::new(names);
    cluster.reach_nodes_by_kubectl(KUBECTL_SCRIPT, words);
    cluster
}

#[test]
fn two_containers_are_set_up_switched_off_and_rolled_back() {
    let cluster = cluster_of_containers(&["web1", "web2"], "exec -i pod/{} --");
    let [first, second] = &cluster.nodes[..] else { panic!() };
    cluster
        .run_on_cluster(&["check", "--all"])
        .assert_exit(0, &["clock on web1", "packagecloud-ctl on web1"]);
    cluster.run_on_cluster(&["plan"]).assert_exit(3, &["changes are pending"]);
    cluster
        .run_on_cluster(&["enable", "--yes"])
        .assert_exit(0, &["web1: on since", "on too: web2 (all 2 services are newer than the restart)"]);
    assert_eq!(first.config_values(), second.config_values());
    assert_eq!((first.applied_values().enabled, second.applied_values().enabled), (Some(true), Some(true)));
    cluster
        .run_on_cluster(&["verify", "--all"])
        .assert_exit(0, &["node web2", "says the same as that of web1"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &["nothing to do"]);
    cluster
        .run_on_cluster(&["status", "--format", "json"])
        .assert_exit(0, &["redirect of web1", "redirect of web2", "asked on that node: 302 to CloudFront"]);

    cluster
        .run_on_cluster(&["disable", "--yes"])
        .assert_exit(0, &["web1:/etc/packagecloud", "web2:/etc/packagecloud"]);
    assert_eq!((first.applied_values().enabled, second.applied_values().enabled), (Some(false), Some(false)));

    let mut one = cluster.binary_command();
    one.args(["--host", "web1", "--profile", "work", "--probe-url", &cluster.probe_url()]);
    let listed = ClusterRun::from_output(&one.arg("roll-back").output().unwrap());
    let backup = listed.text.lines().find_map(|line| {
        line.split_whitespace().find(|word| word.contains("packagecloud.rb.") && word.ends_with(".bak"))
    });
    let backup = backup.unwrap_or_else(|| panic!("no backup in: {}", listed.text)).to_owned();
    let mut back = cluster.binary_command();
    back.args(["--host", "web1", "--profile", "work", "--probe-url", &cluster.probe_url()]);
    let rolled = ClusterRun::from_output(&back.args(["roll-back", &backup, "--yes"]).output().unwrap());
    // One node is on again, the other isn't: the verification that follows says so.
    rolled.assert_exit(3, &["web1", "5 of 10 redirects go to CloudFront", "another web node"]);
    for node in &cluster.nodes {
        let log = node.read_file("sshd.log");
        assert!(!log.contains("Accepted"), "ssh was used: {log}");
    }
}

#[test]
fn a_container_that_is_away_during_the_reconfigure_is_found_again() {
    let mut cluster = cluster_of_containers(&["web1"], "exec -i deploy/web1 --");
    cluster.labels = Some(vec!["shop".to_owned()]);
    let node = &cluster.nodes[0];
    node.hold_ctl_command("reconfigure", true);
    let away = cluster.laptop_path("pods/web1.away");
    let mut child = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.trim() == "Starting Chef Client" {
            std::fs::write(&away, "").unwrap();
        }
        if line.contains("the line to shop dropped") {
            std::fs::remove_file(&away).unwrap();
            node.hold_ctl_command("reconfigure", false);
        }
        said.push_str(&line);
        said.push('\n');
    }
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let ran = ClusterRun { code: child.wait().unwrap().code().unwrap(), text: said + &out };
    ran.assert_exit(
        0,
        &[
            "the line to shop dropped",
            "the line to shop is there again",
            "on since",
            "shop:/etc/packagecloud",
        ],
    );
    assert_eq!((node.count_ctl_runs("reconfigure"), node.count_ctl_runs("restart")), (1, 1), "{}", ran.text);
}

#[test]
fn a_way_that_leads_nowhere_is_one_clear_sentence_and_changes_nothing() {
    let mut cluster = cluster_of_containers(&["web1"], "exec -i pod/{} --");
    let before = cluster.read_node_files();
    let kubectl = cluster.laptop_path("kubectl").display().to_string();
    let refuse = |cluster: &HostCluster, code: i32, says: &[&str]| {
        cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(code, says).assert_one_error();
        assert!(cluster.read_node_files() == before, "something was changed");
        assert!(!cluster.has_aws_resource("packagecloud_cloudfront_auth"), "something was made in AWS");
    };
    cluster.labels = Some(vec!["web9".to_owned()]);
    refuse(
        &cluster,
        1,
        &["web9: it can't be reached: Error from server (NotFound)", "exec -i pod/web9 -- sh -c 'echo ok'"],
    );
    cluster.labels = Some(Vec::new());
    refuse(&cluster, 2, &["no host is named, and without one this machine would be set up"]);
    cluster.labels = Some(vec!["a".to_owned(), "b".to_owned()]);
    cluster.ssh = format!("{kubectl} exec -i deploy/web1 --");
    refuse(&cluster, 2, &["it leads to one host, whichever of a, b is meant", "put {} where"]);
    cluster.labels = Some(vec!["shop".to_owned()]);
    cluster.ssh = format!("{kubectl} exec deploy/web1 --");
    refuse(&cluster, 1, &["shop: ", "handed on no standard input", "exec deploy/web1 -- sh -s"]);
    cluster.ssh = format!("{kubectl} exec -i deploy/web1 -- /no/such/program");
    refuse(&cluster, 1, &["shop: no POSIX shell was started there", "No such file or directory"]);
    cluster.ssh = "/no/such/kubectl exec -i deploy/web1 --".to_owned();
    refuse(&cluster, 1, &["/no/such/kubectl: it could not be started", "name what starts a shell there"]);
}
