//! What stands in the way is one clear error with a next move, and nothing is changed on any host or in AWS.

use std::{fs, io::Read as _};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::{
    cluster::{CLOUDFRONT_SECRET, ClusterRun, HostCluster},
    node::DEPLOY_PASSWORD,
};

/// `enable` is refused with these words, and whatever was there is as it was.
#[track_caller]
fn assert_refused(
    cluster: &HostCluster,
    before: &[(std::path::PathBuf, Vec<u8>)],
    ran: &ClusterRun,
    says: &[&str],
) {
    ran.assert_exit(1, says).assert_one_error();
    assert!(cluster.read_node_files() == before, "something was changed: {}", ran.text);
    assert!(
        !cluster.has_aws_resource("packagecloud_cloudfront_auth"),
        "something was made in AWS: {}",
        ran.text
    );
}

/// The same of `enable` on the cluster as it stands.
#[track_caller]
fn assert_enable_refused(cluster: &HostCluster, says: &[&str]) -> ClusterRun {
    let before = cluster.read_node_files();
    let ran = cluster.run_on_cluster(&["enable", "--yes"]);
    assert_refused(cluster, &before, &ran, says);
    ran
}

#[test]
fn a_host_that_lets_nobody_in() {
    let mut cluster = HostCluster::new(&["web1"]);
    let before = cluster.read_node_files();
    let enable = |cluster: &HostCluster, host: &str| {
        let output =
            cluster.binary_command().args(["--host", host, "--profile", "work", "enable", "--yes"]).output();
        ClusterRun::from_output(&output.unwrap())
    };
    let ran = enable(&cluster, "nowhere.invalid");
    assert_refused(
        &cluster,
        &before,
        &ran,
        &["nowhere.invalid: its name can't be resolved: ", "~/.ssh/config"],
    );

    let output = cluster
        .binary_command()
        .args(["--host", "deploy@web1", "--profile", "work", "check", "--all"])
        .output();
    ClusterRun::from_output(&output.unwrap())
        .assert_exit(0, &["deploy@web1:/etc/packagecloud/packagecloud.rb"]);
    cluster.nodes[0].write_accounts("nobody ALL=(ALL) ALL");
    cluster.nodes[0].stop_sshd();
    cluster.nodes[0].start_sshd();
    let ran = enable(&cluster, "deploy@web1");
    assert_refused(
        &cluster,
        &before,
        &ran,
        &["deploy@web1: sudo there refuses: it wants a password", "root@web1"],
    );

    fs::write(cluster.laptop_path("known_hosts"), "").unwrap();
    let ran = enable(&cluster, "web1");
    assert_refused(&cluster, &before, &ran, &["web1: its host key is not known here yet", "accept it once"]);

    cluster.write_known_hosts();
    cluster.nodes[0].stop_sshd();
    cluster.nodes[0].generate_host_key();
    cluster.nodes[0].start_sshd();
    let ran = enable(&cluster, "web1");
    assert_refused(&cluster, &before, &ran, &["its host key is not the one that it had", "ssh-keygen -R"]);

    cluster.write_known_hosts();
    cluster.nodes[0].write_file("authorized", "");
    let ran = enable(&cluster, "web1");
    assert_refused(&cluster, &before, &ran, &["web1: it takes none of your keys", "ssh-add"]);

    cluster.nodes[0].stop_sshd();
    let ran = enable(&cluster, "web1");
    assert_refused(
        &cluster,
        &before,
        &ran,
        &["web1: it can't be reached", "Connection refused", "its port open: ssh -F "],
    );

    let ran = ClusterRun::from_output(
        &cluster.binary_command().args(["--host", "web1", "--sandbox", "check", "--all"]).output().unwrap(),
    );
    ran.assert_exit(2, &["a sandbox has a host of its own"]).assert_one_error();
    let ran = ClusterRun::from_output(
        &cluster.binary_command().args(["--host=-oProxyCommand=x", "check", "--all"]).output().unwrap(),
    );
    ran.assert_exit(2, &["it is no name of a host"]).assert_one_error();
}

#[test]
fn a_host_without_packagecloud_or_with_an_older_one() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    let file = node.read_config();

    fs::remove_file(node.file_path("etc/packagecloud.rb")).unwrap();
    assert_enable_refused(
        &cluster,
        &["web1:/etc/packagecloud/packagecloud.rb: No such file", "see that web1 is packagecloud's host"],
    );
    node.write_file("etc/packagecloud.rb", &file);

    fs::rename(node.file_path("opt/bin/packagecloud-ctl"), node.file_path("opt/bin/away")).unwrap();
    assert_enable_refused(&cluster, &["packagecloud-ctl on web1: there is no such program there"]);
    fs::rename(node.file_path("opt/bin/away"), node.file_path("opt/bin/packagecloud-ctl")).unwrap();

    node.write_file("opt/version-manifest.txt", "packagecloud 2.0.6\n");
    assert_enable_refused(
        &cluster,
        &["packagecloud:enterprise 2.0.6", "upgrade packagecloud:enterprise to 2.0.7"],
    );
}

#[test]
fn two_nodes_that_don_t_agree_or_have_two_times() {
    let mut cluster = HostCluster::new(&["web1", "web2"]);
    let file = cluster.nodes[0].read_config();
    let with = |secret: &str| format!("{file}\npackagecloud_rails['cloudfront_secret'] = '{secret}'\n");
    cluster.nodes[0].write_file("etc/packagecloud.rb", &with("MzI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI="));
    cluster.nodes[1].write_file("etc/packagecloud.rb", &with(CLOUDFRONT_SECRET));
    assert_enable_refused(
        &cluster,
        &["it holds another cloudfront_secret than web1", "take the cloudfront_secret line out of web2:"],
    );

    cluster.nodes[1]
        .write_file("etc/packagecloud.rb", &file.replace("aws_s3_bucket'] = '", "aws_s3_bucket'] = 'other-"));
    assert_enable_refused(&cluster, &["no nodes of one packagecloud"]);

    cluster.nodes[0].write_file("etc/packagecloud.rb", &file);
    cluster.nodes[1].write_file("etc/packagecloud.rb", &file);
    cluster.nodes[1].stop_sshd();
    cluster.nodes[1].set_clock_offset(-300);
    cluster.nodes[1].start_sshd();
    let ran = assert_enable_refused(
        &cluster,
        &["clock on web2: web2 is ", " s behind AWS", "expired too early", "on web2: set the clock"],
    );
    // Only what is wrong is named.
    assert!(!ran.text.contains("✗  clock on web1"), "{}", ran.text);
}

/// Runs `check` as deploy at a terminal, and answers sudo's question with each of the passwords.
fn run_check_at_terminal(cluster: &HostCluster, passwords: &[&str]) -> (u32, String) {
    let pty = native_pty_system().openpty(PtySize { rows: 50, cols: 200, ..PtySize::default() }).unwrap();
    let plain = cluster.binary_command();
    let mut command = CommandBuilder::new(plain.get_program());
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap());
    }
    command.args(plain.get_args());
    command.args(["--host", "deploy@web1", "--profile", "work", "configuration"]);
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut writer = pty.master.take_writer().unwrap();
    let (mut said, mut answered) = (Vec::new(), 0);
    let mut bytes = [0; 4096];
    while let Ok(count) = reader.read(&mut bytes) {
        if count == 0 {
            break;
        }
        said.extend(&bytes[..count]);
        let asked = String::from_utf8_lossy(&said).matches("sudo's password on deploy@web1").count();
        if asked > answered {
            let password = passwords.get(answered).copied().unwrap_or_default();
            std::io::Write::write_all(&mut writer, format!("{password}\n").as_bytes()).unwrap();
            answered = asked;
        }
    }
    (child.wait().unwrap().exit_code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn sudos_password_is_asked_for_once_and_shown_nowhere() {
    let mut cluster = HostCluster::new(&["web1"]);
    cluster.nodes[0].stop_sshd();
    cluster.nodes[0].write_accounts("deploy ALL=(ALL) ALL");
    cluster.nodes[0].start_sshd();
    cluster.nodes[0].write_file(
        "etc/packagecloud.rb",
        &format!(
            "{}\npackagecloud_rails['cloudfront_enabled'] = false\npackagecloud_rails['cloudfront_secret'] = '{CLOUDFRONT_SECRET}'\npackagecloud_rails['cloudfront_distribution_id'] = 'E1'\npackagecloud_rails['cloudfront_packages_domain'] = 'd1.cloudfront.net'\n",
            cluster.nodes[0].read_config()
        ),
    );
    fs::set_permissions(
        cluster.nodes[0].file_path("etc/packagecloud.rb"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let (code, said) = run_check_at_terminal(&cluster, &["wrong", DEPLOY_PASSWORD]);
    assert!(code == 0 && said.contains("cloudfront_distribution_id'] = 'E1'"), "{said}");
    assert_eq!(said.matches("sudo's password on").count(), 2, "{said}");
    assert!(!said.contains(DEPLOY_PASSWORD) && !said.contains("wrong"), "{said}");

    cluster.nodes[0].stop_sshd();
    cluster.nodes[0].write_accounts("");
    cluster.nodes[0].start_sshd();
    let (code, said) = run_check_at_terminal(&cluster, &[DEPLOY_PASSWORD]);
    assert!(code == 1 && said.contains("the user may not become root"), "{said}");
}
