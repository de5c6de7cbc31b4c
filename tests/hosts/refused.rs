//! What stands in the way is one clear error with a next move, and nothing is changed on any host or in AWS.

use std::{fs, io::Read as _};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::{
    farm::{Farm, Ran, SECRET},
    node::PASSWORD,
};

/// `enable` is refused with these words, and whatever was there is as it was.
#[track_caller]
fn refused(farm: &Farm, before: &[(std::path::PathBuf, Vec<u8>)], ran: &Ran, says: &[&str]) {
    ran.is(1, says).one_error();
    assert!(farm.everything() == before, "something was changed: {}", ran.text);
    assert!(!farm.aws_holds("packagecloud_cloudfront_auth"), "something was made in AWS: {}", ran.text);
}

/// The same of `enable` on the farm as it stands.
#[track_caller]
fn enable_refused(farm: &Farm, says: &[&str]) -> Ran {
    let before = farm.everything();
    let ran = farm.run(&["enable", "--yes"]);
    refused(farm, &before, &ran, says);
    ran
}

#[test]
fn a_host_that_lets_nobody_in() {
    let mut farm = Farm::new(&["web1"]);
    let before = farm.everything();
    let enable = |farm: &Farm, host: &str| {
        let output = farm.binary().args(["--host", host, "--profile", "work", "enable", "--yes"]).output();
        Ran::of(&output.unwrap())
    };
    let ran = enable(&farm, "nowhere.invalid");
    refused(&farm, &before, &ran, &["nowhere.invalid: no host of that name is known", "~/.ssh/config"]);

    let output = farm.binary().args(["--host", "deploy@web1", "--profile", "work", "check"]).output();
    Ran::of(&output.unwrap()).is(0, &["deploy@web1:/etc/packagecloud/packagecloud.rb"]);
    farm.nodes[0].account("nobody ALL=(ALL) ALL");
    farm.nodes[0].stop();
    farm.nodes[0].start();
    let ran = enable(&farm, "deploy@web1");
    refused(&farm, &before, &ran, &["deploy@web1: sudo there refuses: it wants a password", "root@web1"]);

    fs::write(farm.laptop("known_hosts"), "").unwrap();
    let ran = enable(&farm, "web1");
    refused(&farm, &before, &ran, &["web1: its host key is not known here yet", "accept it once"]);

    farm.trust();
    farm.nodes[0].stop();
    farm.nodes[0].host_key();
    farm.nodes[0].start();
    let ran = enable(&farm, "web1");
    refused(&farm, &before, &ran, &["its host key is not the one that it had", "ssh-keygen -R"]);

    farm.trust();
    farm.nodes[0].write("authorized", "");
    let ran = enable(&farm, "web1");
    refused(&farm, &before, &ran, &["web1: it takes none of your keys", "ssh-add"]);

    farm.nodes[0].stop();
    let ran = enable(&farm, "web1");
    refused(&farm, &before, &ran, &["web1: it can't be reached", "Connection refused", "ssh web1"]);

    let ran = Ran::of(&farm.binary().args(["--host", "web1", "--sandbox", "check"]).output().unwrap());
    ran.is(2, &["a sandbox has a host of its own"]).one_error();
    let ran = Ran::of(&farm.binary().args(["--host=-oProxyCommand=x", "check"]).output().unwrap());
    ran.is(2, &["it is no name of a host"]).one_error();
}

#[test]
fn a_host_without_packagecloud_or_with_an_older_one() {
    let farm = Farm::new(&["web1"]);
    let node = &farm.nodes[0];
    let file = node.config();

    fs::remove_file(node.path("etc/packagecloud.rb")).unwrap();
    enable_refused(
        &farm,
        &["web1:/etc/packagecloud/packagecloud.rb: No such file", "see that web1 is packagecloud's host"],
    );
    node.write("etc/packagecloud.rb", &file);

    fs::rename(node.path("opt/bin/packagecloud-ctl"), node.path("opt/bin/away")).unwrap();
    enable_refused(&farm, &["packagecloud-ctl on web1: there is no such program there"]);
    fs::rename(node.path("opt/bin/away"), node.path("opt/bin/packagecloud-ctl")).unwrap();

    node.write("opt/version-manifest.txt", "packagecloud 2.0.6\n");
    enable_refused(&farm, &["packagecloud:enterprise 2.0.6", "upgrade packagecloud:enterprise to 2.0.7"]);
}

#[test]
fn two_nodes_that_don_t_agree_or_have_two_times() {
    let mut farm = Farm::new(&["web1", "web2"]);
    let file = farm.nodes[0].config();
    let with = |secret: &str| format!("{file}\npackagecloud_rails['cloudfront_secret'] = '{secret}'\n");
    farm.nodes[0].write("etc/packagecloud.rb", &with("MzI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI="));
    farm.nodes[1].write("etc/packagecloud.rb", &with(SECRET));
    enable_refused(
        &farm,
        &["it holds another cloudfront_secret than web1", "take the cloudfront_secret line out of web2:"],
    );

    farm.nodes[1]
        .write("etc/packagecloud.rb", &file.replace("aws_s3_bucket'] = '", "aws_s3_bucket'] = 'other-"));
    enable_refused(&farm, &["no nodes of one packagecloud"]);

    farm.nodes[0].write("etc/packagecloud.rb", &file);
    farm.nodes[1].write("etc/packagecloud.rb", &file);
    farm.nodes[1].stop();
    farm.nodes[1].clock_off(-300);
    farm.nodes[1].start();
    let ran = enable_refused(
        &farm,
        &["clock on web2: web2 is ", " s behind AWS", "expired too early", "on web2: set the clock"],
    );
    // Only what is wrong is named.
    assert!(!ran.text.contains("✗  clock on web1"), "{}", ran.text);
}

/// Runs `check` as deploy at a terminal, and answers sudo's question with each of the passwords.
fn at_a_terminal(farm: &Farm, passwords: &[&str]) -> (u32, String) {
    let pty = native_pty_system().openpty(PtySize { rows: 50, cols: 200, ..PtySize::default() }).unwrap();
    let plain = farm.binary();
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
    let mut farm = Farm::new(&["web1"]);
    farm.nodes[0].stop();
    farm.nodes[0].account("deploy ALL=(ALL) ALL");
    farm.nodes[0].start();
    farm.nodes[0].write(
        "etc/packagecloud.rb",
        &format!(
            "{}\npackagecloud_rails['cloudfront_enabled'] = false\npackagecloud_rails['cloudfront_secret'] = '{SECRET}'\npackagecloud_rails['cloudfront_distribution_id'] = 'E1'\npackagecloud_rails['cloudfront_packages_domain'] = 'd1.cloudfront.net'\n",
            farm.nodes[0].config()
        ),
    );
    fs::set_permissions(
        farm.nodes[0].path("etc/packagecloud.rb"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let (code, said) = at_a_terminal(&farm, &["wrong", PASSWORD]);
    assert!(code == 0 && said.contains("cloudfront_distribution_id'] = 'E1'"), "{said}");
    assert_eq!(said.matches("sudo's password on").count(), 2, "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("wrong"), "{said}");

    farm.nodes[0].stop();
    farm.nodes[0].account("");
    farm.nodes[0].start();
    let (code, said) = at_a_terminal(&farm, &[PASSWORD]);
    assert!(code == 1 && said.contains("the user may not become root"), "{said}");
}
