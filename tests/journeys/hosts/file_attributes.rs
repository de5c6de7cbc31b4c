//! What is attached to packagecloud.rb stays: its mode, owner, access control list, SELinux's label and the rest; here and over ssh.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

use super::{cluster::HostCluster, node::run_program};

const SELINUX_LABEL: &str = "system_u:object_r:etc_t:s0";

fn read_output(program: &str, arguments: &[&str], path: &Path) -> String {
    let out = Command::new(program).args(arguments).arg(path).output();
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Mode, owner, list, label and the rest.
fn read_attributes(path: &Path) -> (u32, u32, u32, String, String) {
    let meta = fs::metadata(path).unwrap();
    let list = read_output("getfacl", &["--absolute-names", "--numeric"], path);
    let rest =
        read_output("getfattr", &["--absolute-names", "-d", "-m", "^(user|security|trusted)\\."], path);
    (meta.mode(), meta.uid(), meta.gid(), list, rest)
}

fn set_attributes(path: &Path) {
    let text = path.to_str().unwrap();
    chown(path, Some(20717), Some(4)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    run_program("setfacl", &["-m", "u:20718:r--,g:20719:r--", text]);
    run_program("setfattr", &["-n", "security.selinux", "-v", SELINUX_LABEL, text]);
    run_program("setfattr", &["-n", "user.note", "-v", "ours", text]);
    run_program("setfattr", &["-n", "trusted.note", "-v", "roots", text]);
}

#[track_caller]
fn assert_attributes_kept(path: &Path, before: &(u32, u32, u32, String, String)) {
    let after = read_attributes(path);
    assert_eq!(&after, before);
    assert!(after.3.contains("user:20718:r--") && after.3.contains("group:20719:r--"), "{}", after.3);
    for words in [SELINUX_LABEL, "user.note=\"ours\"", "trusted.note=\"roots\""] {
        assert!(after.4.contains(words), "no {words} in {}", after.4);
    }
    for entry in fs::read_dir(path.parent().unwrap()).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".bak") {
            assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (0o600, 20717, 4), "{name}");
        }
        assert!(!name.ends_with(".new"), "{name} is left");
    }
}

#[test]
fn over_ssh() {
    let cluster = HostCluster::new(&["web1"]);
    let path = cluster.nodes[0].file_path("etc/packagecloud.rb");
    set_attributes(&path);
    let before = read_attributes(&path);
    cluster.run_on_cluster(&["enable", "--prepare", "--yes"]).assert_exit(0, &[]);
    assert!(cluster.nodes[0].config_values().secret.is_some());
    assert_attributes_kept(&path, &before);
}

#[test]
fn here() {
    let cluster = HostCluster::new(&[]);
    let dir = cluster.laptop_path("etc");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("packagecloud.rb");
    fs::write(&path, "packagecloud_rails['x'] = 1\n").unwrap();
    set_attributes(&path);
    let before = read_attributes(&path);
    let out = cluster
        .cluster_command(&["generate-cloudfront-secret", "--yes", "--ctl", "none", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    super::cluster::ClusterRun::from_output(&out).assert_exit(0, &[]);
    assert!(fs::read_to_string(&path).unwrap().contains("cloudfront_secret"));
    assert_attributes_kept(&path, &before);
}

#[test]
fn a_read_only_etc_there_gives_the_lines_to_type() {
    let cluster = HostCluster::new(&["web1"]);
    let node = &cluster.nodes[0];
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let before = cluster.read_node_files();
    let config = cluster.laptop_path("ssh_config");
    let remount = ["mount", "-o", "remount,bind,ro", "/etc/packagecloud"];
    run_program("ssh", &[&["-F", config.to_str().unwrap(), "web1"], &remount[..]].concat());
    let ran = cluster.run_on_cluster(&["disable", "--yes"]);
    ran.assert_exit(
        1,
        &[
            "Read-only file system",
            "on web1: the file is as it was; make its file system writable (findmnt -T /etc/packagecloud)",
            "to switch CloudFront off by hand on web1, as root (it does nothing if the file has changed since): test \"$(cksum < /etc/packagecloud/packagecloud.rb)\" = '",
            "c\\packagecloud_rails['cloudfront_enabled'] = false\" < /etc/packagecloud/packagecloud.rb > /etc/packagecloud/packagecloud.rb.new && cat ",
            " && rm -f /etc/packagecloud/packagecloud.rb.new && packagecloud-ctl reconfigure && packagecloud-ctl restart",
        ],
    );
    let etc = |files: Vec<(std::path::PathBuf, Vec<u8>)>| {
        files.into_iter().filter(|(path, _)| path.starts_with(node.file_path("etc"))).collect::<Vec<_>>()
    };
    assert!(etc(cluster.read_node_files()) == etc(before), "{}", ran.text);
}

#[test]
fn a_file_that_is_mounted_by_itself_there_is_written_over() {
    let cluster = HostCluster::new(&["web1"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let config = cluster.laptop_path("ssh_config");
    let mount = "cd /etc/packagecloud && cp packagecloud.rb outer && mount --bind outer packagecloud.rb";
    run_program("ssh", &["-F", config.to_str().unwrap(), "web1", mount]);
    cluster
        .run_on_cluster(&["disable", "--yes"])
        .assert_exit(0, &["it is mounted by itself, so its bytes were written over in place", "302 to S3"]);
    let etc = cluster.nodes[0].file_path("etc");
    let read = |name: &str| fs::read_to_string(etc.join(name)).unwrap();
    assert!(read("outer").contains("packagecloud_rails['cloudfront_enabled'] = false"));
    assert!(read("packagecloud.rb").contains("packagecloud_rails['cloudfront_enabled'] = true"), "below it");
    let names = fs::read_dir(&etc).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.ends_with(".new")).count(), 0);
}

#[test]
fn an_attribute_there_is_named_with_the_command() {
    let cluster = HostCluster::new(&["web1"]);
    cluster.run_on_cluster(&["enable", "--yes"]).assert_exit(0, &[]);
    let path = cluster.nodes[0].file_path("etc/packagecloud.rb");
    if !Command::new("chattr").arg("+i").arg(&path).output().is_ok_and(|out| out.status.success()) {
        // A file system without attributes.
        return;
    }
    let ran = cluster.run_on_cluster(&["disable", "--yes"]);
    run_program("chattr", &["-i", path.to_str().unwrap()]);
    ran.assert_exit(
        1,
        &["it has the immutable attribute", "chattr -i /etc/packagecloud/packagecloud.rb —", "on web1: "],
    );
    cluster.run_on_cluster(&["disable", "--yes"]).assert_exit(0, &["302 to S3"]);
}
