//! What is attached to packagecloud.rb stays: its mode, owner, access control list, SELinux's label and the rest; here and over ssh.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

use super::{farm::Farm, node::run};

const LABEL: &str = "system_u:object_r:etc_t:s0";

fn said(program: &str, arguments: &[&str], path: &Path) -> String {
    let out = Command::new(program).args(arguments).arg(path).output();
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Mode, owner, list, label and the rest.
fn attached(path: &Path) -> (u32, u32, u32, String, String) {
    let meta = fs::metadata(path).unwrap();
    let list = said("getfacl", &["--absolute-names", "--numeric"], path);
    let rest = said("getfattr", &["--absolute-names", "-d", "-m", "^(user|security|trusted)\\."], path);
    (meta.mode(), meta.uid(), meta.gid(), list, rest)
}

fn attach(path: &Path) {
    let text = path.to_str().unwrap();
    chown(path, Some(20717), Some(4)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    run("setfacl", &["-m", "u:20718:r--,g:20719:r--", text]);
    run("setfattr", &["-n", "security.selinux", "-v", LABEL, text]);
    run("setfattr", &["-n", "user.note", "-v", "ours", text]);
    run("setfattr", &["-n", "trusted.note", "-v", "roots", text]);
}

#[track_caller]
fn stays(path: &Path, before: &(u32, u32, u32, String, String)) {
    let after = attached(path);
    assert_eq!(&after, before);
    assert!(after.3.contains("user:20718:r--") && after.3.contains("group:20719:r--"), "{}", after.3);
    for words in [LABEL, "user.note=\"ours\"", "trusted.note=\"roots\""] {
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
    let farm = Farm::new(&["web1"]);
    let path = farm.nodes[0].path("etc/packagecloud.rb");
    attach(&path);
    let before = attached(&path);
    farm.run(&["enable", "--prepare", "--yes"]).is(0, &[]);
    assert!(farm.nodes[0].values().secret.is_some());
    stays(&path, &before);
}

#[test]
fn here() {
    let farm = Farm::new(&[]);
    let dir = farm.laptop("etc");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("packagecloud.rb");
    fs::write(&path, "packagecloud_rails['x'] = 1\n").unwrap();
    attach(&path);
    let before = attached(&path);
    let out = farm
        .command(&["generate-cloudfront-secret", "--yes", "--ctl", "none", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    super::farm::Ran::of(&out).is(0, &[]);
    assert!(fs::read_to_string(&path).unwrap().contains("cloudfront_secret"));
    stays(&path, &before);
}

#[test]
fn a_read_only_etc_there_gives_the_lines_to_type() {
    let farm = Farm::new(&["web1"]);
    let node = &farm.nodes[0];
    farm.run(&["enable", "--yes"]).is(0, &[]);
    let before = farm.everything();
    let config = farm.laptop("ssh_config");
    let remount = ["mount", "-o", "remount,bind,ro", "/etc/packagecloud"];
    run("ssh", &[&["-F", config.to_str().unwrap(), "web1"], &remount[..]].concat());
    let ran = farm.run(&["disable", "--yes"]);
    ran.is(
        1,
        &[
            "Read-only file system",
            "on web1: the file is as it was; make its file system writable (findmnt -T /etc/packagecloud)",
            "make this the end of web1:/etc/packagecloud/packagecloud.rb: packagecloud_rails['cloudfront_enabled'] = false ; then run on web1: packagecloud-ctl reconfigure && packagecloud-ctl restart",
        ],
    );
    let etc = |files: Vec<(std::path::PathBuf, Vec<u8>)>| {
        files.into_iter().filter(|(path, _)| path.starts_with(node.path("etc"))).collect::<Vec<_>>()
    };
    assert!(etc(farm.everything()) == etc(before), "{}", ran.text);
}
