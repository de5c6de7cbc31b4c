//! `status` of two web nodes over ssh: each asked for its own redirect on that node, and one that is down.

use std::os::unix::fs::PermissionsExt as _;

use super::cluster::{ClusterRun, HostCluster};

/// The lines that name this node.
fn lines_about<'a>(run: &'a ClusterRun, node: &str) -> Vec<&'a str> {
    run.text.lines().filter(|line| line.contains(node)).collect()
}

#[test]
fn a_node_that_the_balancer_keeps_out_is_judged_by_its_own_redirect() {
    let cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let well = cluster.run_on_cluster(&["status", "--format", "json"]);
    well.assert_exit(0, &["redirect of web1", "redirect of web2", "asked on web2: packagecloud's own link"]);

    // It runs on what it was restarted with before, and no customer meets it.
    cluster.site.set_nodes(vec![cluster.nodes[0].file_path("")]);
    let applied = cluster.nodes[1].read_file("opt/applied.rb");
    let off = applied.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    assert_ne!(off, applied);
    cluster.nodes[1].write_file("opt/applied.rb", &off);
    let lags = cluster.run_on_cluster(&["status"]);
    lags.assert_exit(3, &[]);
    let about = lines_about(&lags, "redirect of web2");
    let says = [
        "packagecloud.rb says on, and packagecloud there answers 302 to S3",
        ". Next: have packagecloud follow its file",
    ];
    assert!(about.len() == 1 && says.iter().all(|words| about[0].contains(words)), "{}", lags.text);

    // What is wrong on both is one line.
    cluster.nodes[0].write_file("opt/applied.rb", &off);
    let both = cluster.run_on_cluster(&["status"]);
    both.assert_exit(3, &["CHANGED: redirect of web1 and web2: packagecloud.rb says on", "1 finding needs"]);
    cluster.nodes[0].write_file("opt/applied.rb", &applied);

    // Nobody answers there: that is told, and is no finding.
    cluster.nodes[1].write_file("opt/applied.rb", &applied);
    cluster.nodes[1].write_program("opt/curl", "#!/bin/sh\necho 'curl: (7) Failed to connect' >&2; exit 7\n");
    let silent = cluster.run_on_cluster(&["status"]);
    silent.assert_exit(
        0,
        &["All is well", "web2 could not be asked for its own redirect: no answer at 127.0.0.1:"],
    );
}

#[test]
fn a_node_that_is_down_is_one_line_with_its_next_move_and_all_else_is_asked() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    for (down, name) in ["web1", "web2"].into_iter().enumerate() {
        cluster.nodes[down].stop_sshd();
        let run = cluster.run_on_cluster(&["status"]);
        run.assert_exit(0, &["1 part could not be asked"]);
        let about = lines_about(&run, name);
        assert_eq!(about.len(), 1, "{}", run.text);
        for words in ["Not asked: node ", "can't be reached", "Next: see whether it is up", "ssh "] {
            assert!(about[0].contains(words), "no {words:?} in: {}", about[0]);
        }
        cluster.nodes[down].start_sshd();
    }
}

#[test]
fn a_first_node_that_never_answers_leaves_all_else_judged_by_the_next_one() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    // As ssh does where a host drops what it is sent: it is silent for longer than the look waits for any node.
    let silent = cluster.laptop_path("silent");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = web1 ]; then\n  sleep 9; echo 'ssh: connect to host web1 port 22: Connection timed out' >&2; exit 255\nfi\nhost=$1; shift; exec {} \"$host\" \"$@\"\n",
        cluster.ssh
    );
    std::fs::write(&silent, script).unwrap();
    std::fs::set_permissions(&silent, std::fs::Permissions::from_mode(0o755)).unwrap();
    cluster.ssh = format!("{} {{}}", silent.display());
    let run = cluster.run_on_cluster(&["status"]);
    run.assert_exit(0, &["All is well", "1 part could not be asked", "Not asked: node web1: "]);
    assert!(!run.text.contains("differ"), "{}", run.text);
}
