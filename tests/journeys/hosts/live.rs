//! Before going live it is told what a reconfigure would also apply, and which services must be newer than the restart; after it, whether they are and the site answers.

use super::{cluster::HostCluster, node::WebNode};

/// Lets a reconfigure have been an hour ago, by packagecloud's own log, and what stands there be older.
fn backdate_reconfigure(node: &WebNode) {
    std::fs::create_dir_all(node.file_path("log/reconfigure")).unwrap();
    node.write_file("log/reconfigure/1.log", "Chef Client finished");
    let times =
        [("log/reconfigure/1.log", 3600), ("etc/packagecloud.rb", 7200), ("opt/version-manifest.txt", 7200)];
    for (name, ago) in times {
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(ago);
        std::fs::File::open(node.file_path(name)).unwrap().set_modified(time).unwrap();
    }
}

/// What a plan says of going live.
fn read_go_live_plan(cluster: &HostCluster) -> String {
    let ran = cluster.run_on_cluster(&["enable"]);
    ran.assert_exit(2, &["After the restart these must be newer than it on web1: nginx, unicorn", "--yes"]);
    ran.text
}

#[test]
fn what_a_reconfigure_would_also_apply_is_told_by_the_times_of_the_file_and_of_packagecloud() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    node.write_file("opt/version-manifest.txt", "packagecloud 3.0.5\n");
    let place = "web1:/etc/packagecloud/packagecloud.rb";
    backdate_reconfigure(node);
    let nothing = format!("{place} has not changed since packagecloud was last reconfigured, at ");
    assert!(read_go_live_plan(&cluster).contains(&nothing), "{}", read_go_live_plan(&cluster));

    // What this program wrote since is no news to whoever is asked.
    cluster.run_on_cluster(&["enable", "--prepare", "--yes"]).assert_exit(0, &[]);
    let said = read_go_live_plan(&cluster);
    assert!(said.contains(&format!("Only this program has changed {place}")), "{said}");
    assert!(!said.contains("all changes in that file"), "{said}");

    // A colleague's line is.
    node.write_file(
        "etc/packagecloud.rb",
        &format!("{}unicorn['worker_processes'] = 8\n", node.read_config()),
    );
    let said = read_go_live_plan(&cluster);
    assert!(
        said.contains("all changes in that file take effect, not the lines of CloudFront alone"),
        "{said}"
    );

    // So is another packagecloud.
    node.write_file("opt/version-manifest.txt", "packagecloud 3.0.6\n");
    let said = read_go_live_plan(&cluster);
    assert!(said.contains("packagecloud itself was installed or upgraded on web1 at"), "{said}");
    assert!(said.contains("and has not been reconfigured since (last at "), "{said}");

    cluster
        .run_on_cluster(&["enable", "--yes"])
        .assert_exit(0, &["all 2 services are newer than the restart"]);
}

#[test]
fn a_service_that_the_restart_left_out_is_named() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let ctl = node.read_file("opt/bin/packagecloud-ctl");
    let stuck = ctl.replace("unicorn: (pid 813) ${up}s", "unicorn: (pid 813) 9000s");
    node.write_program("opt/bin/packagecloud-ctl", &stuck);
    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    ran.assert_exit(
        0,
        &["older than the restart: unicorn on web1 (packagecloud-ctl restart NAME starts one again)"],
    );
}

#[test]
fn where_no_redirect_is_followed_the_site_itself_is_asked() {
    let cluster = HostCluster::new(&["web1"]);
    let out = cluster
        .binary_command()
        .args(["--host", "web1", "--profile", "work", "--unproven", "enable", "--yes"])
        .output()
        .unwrap();
    let ran = super::cluster::ClusterRun::from_output(&out);
    ran.assert_exit(
        0,
        &["all 2 services are newer than the restart", &format!("{} answers 302", cluster.site.url)],
    );
}
