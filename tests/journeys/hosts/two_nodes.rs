//! Two web nodes: one goes live alone, the other follows; both are switched off at once, past one that is down.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use packagecloud_cloudfront::model::secret::Secret;

use super::{
    cluster::{BrokenEdgeReply, CLOUDFRONT_SECRET, ClusterRun, HostCluster},
    node::WebNode,
};

#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(2);
    while !done() {
        assert!(Instant::now() < end, "{what} never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_node_on(node: &WebNode) -> bool {
    node.applied_values().enabled == Some(true)
}

#[test]
fn the_first_goes_live_alone_and_the_other_follows_with_the_same_values() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    let [first, second] = &cluster.nodes[..] else { panic!() };
    // The second holds a secret already, and no other is made.
    second.write_file(
        "etc/packagecloud.rb",
        &format!("{}packagecloud_rails['cloudfront_secret'] = '{CLOUDFRONT_SECRET}'\n", second.read_config()),
    );
    first.hold_ctl_command("restart", true);
    let child = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first's restart", || first.count_ctl_runs("restart") == 1);
    assert_eq!(first.config_values().enabled, Some(true));
    assert_eq!(second.config_values().enabled, None, "the canary is alone");
    assert_eq!(second.config_values().secret, Some(Secret::new(CLOUDFRONT_SECRET)));
    assert_eq!(second.count_ctl_runs("reconfigure"), 0);
    first.hold_ctl_command("restart", false);
    let ran = ClusterRun::from_output(&child.wait_with_output().unwrap());
    ran.assert_exit(
        0,
        &["web1: on since", "on too: web2 (all 2 services are newer than the restart)", "10 of 10 redirects"],
    );
    assert_eq!(
        first.config_values().secret,
        Some(Secret::new(CLOUDFRONT_SECRET)),
        "the second's, not a new one"
    );
    assert_eq!(first.config_values(), second.config_values());
    assert!(is_node_on(first) && is_node_on(second));
    assert_eq!((first.count_ctl_runs("reconfigure"), second.count_ctl_runs("reconfigure")), (1, 1));

    cluster.run_on_cluster(&["plan"]).assert_exit(0, &[]);
    cluster
        .run_on_cluster(&["verify", "--all"])
        .assert_exit(0, &["node web2", "says the same as that of web1"]);

    // One runs on another file than it holds: its answers are named.
    std::fs::remove_file(second.file_path("opt/applied.rb")).unwrap();
    cluster
        .run_on_cluster(&["verify", "--all"])
        .assert_exit(3, &["5 of 10 redirects go to CloudFront", "another web node is set otherwise"]);
    second.write_file(
        "etc/packagecloud.rb",
        &second.read_config().replace("cloudfront_enabled'] = true", "cloudfront_enabled'] = false"),
    );
    cluster.run_on_cluster(&["verify", "--all"]).assert_exit(
        3,
        &[
            "node web2",
            "cloudfront_enabled is false there and true on web1",
            "give it the same values: ",
            "--host web1 --host web2",
        ],
    );
    // The first isn't touched again for that.
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &["on too: web2"]);
    assert!(is_node_on(second) && second.count_ctl_runs("reconfigure") == 2);
}

#[test]
fn the_first_goes_live_past_a_node_that_is_down_and_names_it() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.nodes[1].stop_sshd();
    cluster.site.set_nodes(vec![cluster.nodes[0].file_path("")]);
    let stays = "it stays as it is, and its links keep going where they go now; once it is back: ";
    cluster.run_on_cluster(&["plan"]).assert_exit(3, &["web2", stays, "--host web1 --host web2"]);
    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    // It is live; that not all is done the verify after it says.
    ran.assert_exit(1, &["web2", stays, "on since"]);
    assert!(is_node_on(&cluster.nodes[0]), "{}", ran.text);
    assert_eq!(cluster.nodes[1].config_values().enabled, None, "{}", ran.text);
    // Once it is there again the same command takes it along.
    cluster.nodes[1].start_sshd();
    let [first, second] = &cluster.nodes[..] else { panic!() };
    cluster.site.set_nodes(vec![first.file_path(""), second.file_path("")]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &["on too: web2"]);
    assert!(is_node_on(second) && first.config_values() == second.config_values());
}

#[test]
fn a_node_whose_links_the_edge_refuses_is_taken_back_alone() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    let [first, second] = &cluster.nodes[..] else { panic!() };
    // It renders something else than its file says.
    let ctl = second.read_file("opt/bin/packagecloud-ctl");
    second.write_program(
        "opt/bin/packagecloud-ctl",
        &ctl.replace(
            "cp /etc/packagecloud/packagecloud.rb $opt/rendered.rb",
            &format!("sed \"s/\\(cloudfront_secret'\\] = \\).*/\\1'{CLOUDFRONT_SECRET}'/\" /etc/packagecloud/packagecloud.rb >$opt/rendered.rb"),
        ),
    );
    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    ran.assert_exit(1, &["web2 alone is off, the nodes before it stay on"]);
    assert!(is_node_on(first), "{}", ran.text);
    assert_eq!((second.config_values().enabled, is_node_on(second)), (Some(false), false), "{}", ran.text);
}

#[test]
fn what_may_pass_at_the_edge_is_asked_again_for_the_other_node_too() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    let restarted = cluster.nodes[1].file_path("opt/restarted");
    let broken = AtomicUsize::new(0);
    // Once the other node is on, packagecloud's links meet a cold start, then a connection that breaks off.
    cluster.break_edge_requests(move |path| {
        let is_packageclouds = path.rsplit_once('_').is_some_and(|(_, mac)| mac.len() == 40);
        match broken.load(Relaxed) {
            seen @ 0..=1 if is_packageclouds && restarted.exists() => {
                broken.store(seen + 1, Relaxed);
                Some(if seen == 0 { BrokenEdgeReply::Unavailable } else { BrokenEdgeReply::NoReply })
            }
            _ => None,
        }
    });
    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    ran.assert_exit(0, &["on too: web2", "10 of 10 redirects go to the edge, and each was accepted"]);
    assert!(cluster.nodes.iter().all(is_node_on), "{}", ran.text);
}

#[test]
fn both_are_switched_off_at_once() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    for node in &cluster.nodes {
        node.hold_ctl_command("reconfigure", true);
    }
    let child = cluster
        .cluster_command(&["disable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Neither goes on before it is let go: so both run at the same time.
    wait_until("both reconfigure", || {
        cluster.nodes.iter().all(|node| node.count_ctl_runs("reconfigure") == 2)
    });
    for node in &cluster.nodes {
        assert_eq!(node.config_values().enabled, Some(false));
        node.hold_ctl_command("reconfigure", false);
    }
    let ran = ClusterRun::from_output(&child.wait_with_output().unwrap());
    ran.assert_exit(0, &["off since", " on web1, web2", "302 to S3"]);
    assert!(cluster.nodes.iter().all(|node| !is_node_on(node)));
    cluster.run_on_cluster(&["disable", "--yes"]).assert_exit(0, &["Disable: nothing to do"]);
}

#[test]
fn another_operator_is_told_who_runs_and_keeps_it_from_going_live() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    cluster.run_on_cluster(&["enable", "--prepare", "--yes"]).assert_exit(0, &[]);
    node.hold_ctl_command("reconfigure", true);
    let child = cluster
        .cluster_command(&["enable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the reconfigure", || node.count_ctl_runs("reconfigure") == 1);
    let other = |words: &[&str]| {
        let output = cluster.cluster_command_in(&cluster.other_laptop_state(), words).output().unwrap();
        ClusterRun::from_output(&output)
    };
    let ran = other(&["enable", "--yes"]);
    ran.assert_exit(1, &["another run on web1", &format!("process {} (", child.id()), ") on ", "runs since"])
        .assert_one_error();
    // Switching off waits for nobody but for the command that runs.
    let off = cluster
        .cluster_command_in(&cluster.other_laptop_state(), &["disable", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the file says false", || node.config_values().enabled == Some(false));
    node.hold_ctl_command("reconfigure", false);
    ClusterRun::from_output(&off.wait_with_output().unwrap())
        .assert_exit(0, &["Another run works on web1", "off since"]);
    let ran = ClusterRun::from_output(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.text);
    assert!(!is_node_on(node), "{}", ran.text);
    assert_eq!(node.config_values().enabled, Some(false), "{}", ran.text);
    // A lock ends with who held it.
    other(&["enable", "--yes"]).assert_exit(0, &[]);
}
