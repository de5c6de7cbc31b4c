//! Three evenings of an operator: a first install from a laptop, an upgrade over a line that drops, and 03:00.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

use super::cluster::{ClusterRun, HostCluster};

#[test]
fn a_first_install_from_a_laptops_profile() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    // Somebody changed something there since the last reconfigure.
    node.write_file("log/1.log", "Chef Client finished");
    node.write_file(
        "etc/packagecloud.rb",
        &format!("{}unicorn['worker_processes'] = 8\n", node.read_config()),
    );

    cluster
        .run_on_cluster(&["check", "--all"])
        .assert_exit(0, &["profile work", "clock on web1", "packagecloud-ctl on web1"]);
    let ran = cluster.run_on_cluster(&["enable"]);
    ran.assert_exit(
        2,
        &[
            "web1:/etc/packagecloud/packagecloud.rb was last changed at",
            "When packagecloud was last reconfigured is not known",
            "After the restart these must be newer than it on web1: nginx, unicorn",
            "--yes",
        ],
    );
    assert_eq!(node.count_ctl_runs("reconfigure"), 0);

    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    ran.assert_exit(
        0,
        &[
            "the secret is in web1:/etc/packagecloud/packagecloud.rb",
            "packagecloud-ctl reconfigure on web1 took",
            "cloudfront_secret: '(hidden)'",
            "all 2 services are newer than the restart",
            "on since",
            "To switch off: ",
        ],
    );
    assert_eq!(node.applied_values().enabled, Some(true));
    assert_eq!(node.applied_values(), node.config_values());
    assert!(node.read_config().contains("worker_processes'] = 8"));
    cluster.run_on_cluster(&["verify", "--all"]).assert_exit(0, &["checks passed"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &["nothing to do"]);
    assert_eq!(node.count_ctl_runs("reconfigure"), 1);
}

#[test]
fn an_upgrade_over_a_line_that_drops_in_the_reindex_and_in_the_reconfigure() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    node.hold_ctl_command("reconfigure", true);
    let mut child = cluster
        .cluster_command(&["enable", "--upgrade", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let (mut reindexing, mut noticed) = (false, false);
    std::thread::scope(|scope| {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let mut ended = Some(ended);
        let mut end = Some(end);
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.contains("…  the objects of") {
                reindexing = true;
                assert!(node.drop_connections() > 0, "there was a line to drop in the reindex");
            }
            if line.trim() == "Starting Chef Client"
                && let Some(ended) = ended.take()
            {
                // Between two scripts a dropped line goes unnoticed: it is dropped until one has met it.
                let pause = std::time::Duration::from_millis(700);
                scope.spawn(move || {
                    while ended.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                        node.drop_connections();
                    }
                });
            }
            if line.contains("the line to web1 dropped") && said.contains("Starting Chef Client") {
                noticed = true;
                if end.take().is_some() {
                    node.hold_ctl_command("reconfigure", false);
                }
            }
        }
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let ran = ClusterRun { code: child.wait().unwrap().code().unwrap(), text: said + &out };
    ran.assert_exit(
        0,
        &[
            "the line to web1 dropped; connecting again",
            "the line to web1 is there again",
            "13 objects: 13 changed",
            "Chef Client finished",
            "on since",
        ],
    );
    assert!(reindexing && noticed);
    assert_eq!((node.count_ctl_runs("reconfigure"), node.count_ctl_runs("restart")), (1, 1), "{}", ran.text);
    assert_eq!(node.applied_values().enabled, Some(true));
}

#[test]
fn at_three_in_the_morning_with_dead_keys_and_one_of_two_nodes_down() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &["on too: web2"]);
    cluster.nodes[1].stop_sshd();
    let off = |cluster: &HostCluster| {
        let mut command = cluster.binary_command();
        command.args([
            "--host",
            "web1",
            "--host",
            "web2",
            "--profile",
            "dead",
            "--probe-url",
            &cluster.probe_url(),
        ]);
        ClusterRun::from_output(&command.args(["disable", "--yes"]).output().unwrap())
    };
    let type_there = "to switch CloudFront off by hand on web2, as root: test -s /etc/packagecloud/packagecloud.rb && cp -p ";
    // Its sshd is down, and its site still answers: so redirects still go to CloudFront.
    let ran = off(&cluster);
    ran.assert_exit(
        3,
        &["off on web1", "not on web2: it can't be reached", "some still go to CloudFront", type_there],
    );
    assert_eq!(cluster.nodes[0].applied_values().enabled, Some(false));
    // Once it is out of the balancer, all redirects that are seen go to S3; it is still not off.
    cluster.site.set_nodes(vec![cluster.nodes[0].file_path("")]);
    let ran = off(&cluster);
    ran.assert_exit(1, &["not on web2: it can't be reached", "302 to S3", type_there]);
    assert_eq!(cluster.nodes[0].count_ctl_runs("reconfigure"), 2, "what is off isn't restarted again");
    // The first one down is no other case.
    cluster.nodes[0].stop_sshd();
    let ran = off(&cluster);
    ran.assert_exit(1, &["it can't be reached"]);
    cluster.nodes[1].start_sshd();
    let ran = off(&cluster);
    ran.assert_exit(1, &["off on web2", "not on web1: it can't be reached"]);
    assert_eq!(cluster.nodes[1].applied_values().enabled, Some(false));
    cluster.nodes[0].start_sshd();
    off(&cluster).assert_exit(0, &[]);
}
