//! Bad input: each gets one clear error that names the thing and the next move, the file stays as it was, and switching off works or prints the lines to type.
//!
//! The real binary on a host of its own, without the sandbox option: AWS is a served sandbox, packagecloud-ctl a script.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use packagecloud_cloudfront::sandbox::seed::{BACKUP_BUCKET, FOREIGN_BUCKET, SANDBOX_BUCKET};
use serde_json::Value;

const BINARY_PATH: &str = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
const CLOUDFRONT_SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";
/// The key pair of AWS's own examples: the sandbox's one user.
const AWS_KEYS_ENV: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
];
const DISABLED_LINE: &str = "packagecloud_rails['cloudfront_enabled'] = false";

/// A host with CloudFront on, as its file says, and AWS on loopback.
struct BadInputHost {
    dir: tempfile::TempDir,
    server: Child,
    aws: String,
}

impl Drop for BadInputHost {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct BadInputRun {
    code: i32,
    text: String,
}

impl BadInputRun {
    #[track_caller]
    fn assert_exit(&self, code: i32, says: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        for words in says {
            assert!(self.text.contains(words), "no {words:?} in: {}", self.text);
        }
        assert!(!self.text.contains("panicked"), "{}", self.text);
        self
    }

    /// One error, and its next move.
    #[track_caller]
    fn assert_one_error(&self) -> &Self {
        assert_eq!(self.text.matches("packagecloud-cloudfront: ").count(), 1, "{}", self.text);
        assert_eq!(self.text.matches("next: ").count(), 1, "{}", self.text);
        self
    }
}

impl BadInputHost {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Command::new(BINARY_PATH)
            .env_clear()
            .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0")
            .args(["--output", "json", "sandbox", "serve"])
            .arg(dir.path().join("aws"))
            .args(["--aws-port", "0", "--front-port", "0", "--edge-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let serving: Value = serde_json::from_str(&lines.nth(1).unwrap().unwrap()).unwrap();
        let aws = serving["aws"].as_str().unwrap().to_owned();
        let host = Self { dir, server, aws };
        fs::create_dir(host.dir.path().join("etc")).unwrap();
        host.write_ctl_script("exit 0");
        host.write_config(&host.enabled_config());
        host
    }

    fn file_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config_path(&self) -> PathBuf {
        self.file_path("etc/packagecloud.rb")
    }

    /// The sandbox's own file, with CloudFront on.
    fn enabled_config(&self) -> String {
        let base = fs::read_to_string(self.file_path("aws/packagecloud.rb")).unwrap();
        format!(
            "{base}\npackagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_secret'] = '{CLOUDFRONT_SECRET}'\n"
        )
    }

    fn write_config(&self, text: &str) {
        fs::write(self.config_path(), text).unwrap();
    }

    fn read_config(&self) -> String {
        fs::read_to_string(self.config_path()).unwrap()
    }

    /// What packagecloud-ctl does, as a shell has it.
    fn write_ctl_script(&self, does: &str) {
        fs::write(
            self.file_path("ctl"),
            format!("#!/bin/sh\necho \"$1\" >>'{}'\n{does}\n", self.file_path("ran").display()),
        )
        .unwrap();
        fs::set_permissions(self.file_path("ctl"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn read_ctl_log(&self) -> String {
        fs::read_to_string(self.file_path("ran")).unwrap_or_default()
    }

    fn build_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY_PATH);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(AWS_KEYS_ENV)
            .args(["--endpoint-url", &self.aws, "--region", "us-east-1"])
            .arg("--config")
            .arg(self.config_path())
            .arg("--ctl")
            .arg(self.file_path("ctl"))
            .arg("--state-dir")
            .arg(self.file_path("state"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn run_binary(&self, words: &[&str]) -> BadInputRun {
        run_to_end(self.build_command(words))
    }

    /// `disable --yes` in this situation: off, exit 0.
    #[track_caller]
    fn assert_disables(&self) {
        self.run_binary(&["disable", "--yes"]).assert_exit(0, &[]);
        assert!(self.read_config().contains(DISABLED_LINE), "{}", self.read_config());
        assert!(self.read_ctl_log().ends_with("reconfigure\nrestart\n"), "{}", self.read_ctl_log());
    }
}

fn run_to_end(mut command: Command) -> BadInputRun {
    let output = command.output().unwrap();
    BadInputRun {
        code: output.status.code().expect("it ended by itself"),
        text: String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
    }
}

/// What is enough to set up on this host, but for what a test takes away.
const ENABLE_ARGS: [&str; 4] = ["enable", "--yes", "--unproven", "--prepare"];

#[test]
fn no_terminal_and_no_yes() {
    let host = BadInputHost::new();
    host.run_binary(&["enable", "--unproven"]).assert_exit(2, &["consent", "--yes"]);
    host.run_binary(&["disable"]).assert_exit(2, &["consent", "disable --yes"]);
    host.run_binary(&[]).assert_exit(2, &["needs a terminal", "disable"]).assert_one_error();
    assert_eq!(host.read_config(), host.enabled_config());
    host.assert_disables();
    // Off already: whether packagecloud follows is another thing, which nobody here can see.
    host.run_binary(&["disable", "--yes"])
        .assert_exit(0, &["nothing to do", "can't be seen", "/ctl reconfigure && "]);
}

#[test]
fn a_file_that_is_missing_or_no_ruby() {
    let host = BadInputHost::new();
    fs::remove_file(host.config_path()).unwrap();
    host.run_binary(&ENABLE_ARGS)
        .assert_exit(1, &["packagecloud.rb", "No such file", "--config FILE"])
        .assert_one_error();
    // A reconfigure without the file would delete packagecloud's settings: no line to type makes one.
    host.run_binary(&["disable", "--yes"])
        .assert_exit(1, &["No such file", "if it is lost", "/ctl reconfigure before, which would delete"])
        .assert_one_error();
    assert!(!host.config_path().exists());

    let broken = format!("{}if true\n", host.enabled_config());
    host.write_config(&broken);
    host.run_binary(&ENABLE_ARGS)
        .assert_exit(1, &["a Ruby syntax error, at line", "ruby -c"])
        .assert_one_error();
    host.run_binary(&["disable", "--yes"])
        .assert_exit(1, &["a Ruby syntax error, at line", "after that", DISABLED_LINE])
        .assert_one_error();
    assert_eq!(host.read_config(), broken);
    assert_eq!(host.read_ctl_log(), "", "nothing was restarted for nothing");
}

/// A host that isn't reached is no lost file: what helps there is to switch off by hand, and nothing forbids the reconfigure.
#[test]
fn a_host_that_is_not_reached_is_switched_off_by_hand() {
    let host = BadInputHost::new();
    let ssh = host.file_path("ssh");
    for (said, status, why) in [
        (
            "ssh: Could not resolve hostname wbe1: Name or service not known",
            255,
            "its name can't be resolved: Could not resolve hostname wbe1",
        ),
        ("ssh: connect to host wbe1 port 22: No route to host", 255, "No route to host"),
        ("", 0, "could not be started"),
    ] {
        let _ = fs::remove_file(&ssh);
        if !said.is_empty() {
            fs::write(&ssh, format!("#!/bin/sh\necho '{said}' >&2\nexit {status}\n")).unwrap();
            fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let ssh = ssh.to_str().unwrap();
        let ran = host.run_binary(&["--ssh", ssh, "--host", "wbe1", "disable", "--yes"]);
        ran.assert_exit(1, &[why, "to switch CloudFront off by hand on wbe1, as root: ", DISABLED_LINE]);
        assert!(!ran.text.contains("if it is lost"), "{}", ran.text);
        assert!(!ran.text.contains("reconfigure before, which would delete"), "{}", ran.text);
    }
}

#[test]
fn a_file_that_must_not_be_read() {
    assert!(rustix::process::geteuid().is_root(), "this test takes root's rights away, so it needs them");
    let host = BadInputHost::new();
    const NOBODY_UID: u32 = 65534;
    chown(host.dir.path(), Some(NOBODY_UID), Some(NOBODY_UID)).unwrap();
    fs::set_permissions(host.config_path(), fs::Permissions::from_mode(0o600)).unwrap();
    let binary = host.file_path("binary");
    // By another process: a file that this one writes may be held open by a child that another test starts just then.
    assert!(Command::new("cp").arg(BINARY_PATH).arg(&binary).status().unwrap().success());
    let as_nobody = |words: &[&str]| {
        let ours = host.build_command(words);
        let mut command = Command::new(&binary);
        command.env_clear().args(ours.get_args()).uid(NOBODY_UID).gid(NOBODY_UID).stdin(Stdio::null());
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run_to_end(command)
    };
    as_nobody(&ENABLE_ARGS)
        .assert_exit(1, &["packagecloud.rb", "ermission denied", "sudo"])
        .assert_one_error();
    as_nobody(&["disable", "--yes"])
        .assert_exit(1, &["ermission denied", "sudo", DISABLED_LINE])
        .assert_one_error();
    assert_eq!(host.read_config(), host.enabled_config());
    host.assert_disables();
}

/// Runs the binary where `setup` has been done in a mount namespace of its own, whose `$0` is `dir`.
fn run_in_mount_namespace(host: &BadInputHost, dir: &Path, setup: &str, words: &[&str]) -> BadInputRun {
    let ours = host.build_command(words);
    let mut command = Command::new("unshare");
    command
        .env_clear()
        .envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .args(["-m", "sh", "-c", &format!("set -e; {setup}; exec \"$@\"")])
        .arg(dir)
        .arg(BINARY_PATH)
        .args(ours.get_args())
        .stdin(Stdio::null());
    run_to_end(command)
}

#[test]
fn a_read_only_or_full_disk() {
    let host = BadInputHost::new();
    let etc = host.file_path("etc");
    let read_only = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    let full = "cp \"$0\"/packagecloud.rb /tmp/pc.$$; mount -t tmpfs -o size=16k none \"$0\"; mv /tmp/pc.$$ \"$0\"/packagecloud.rb; \
                dd if=/dev/zero of=\"$0\"/rest bs=1024 count=64 2>/dev/null || true";
    host.write_config(
        &host.enabled_config().replace("cloudfront_enabled'] = true", "cloudfront_enabled'] = false"),
    );
    let off = host.read_config();
    for (setup, why) in [(read_only, "Read-only file system"), (full, "No space left on device")] {
        run_in_mount_namespace(&host, &etc, setup, &ENABLE_ARGS).assert_exit(1, &["packagecloud.rb", why]);
    }
    assert_eq!(host.read_config(), off);
    host.write_config(&host.enabled_config());
    for (setup, why) in [(read_only, "Read-only file system"), (full, "No space left on device")] {
        run_in_mount_namespace(&host, &etc, setup, &["disable", "--yes"])
            .assert_exit(1, &["packagecloud.rb", why, DISABLED_LINE]);
        assert_eq!(host.read_config(), host.enabled_config());
    }
    host.assert_disables();
}

#[test]
fn a_state_directory_that_cant_be_had_stops_no_disable() {
    let host = BadInputHost::new();
    fs::write(host.file_path("state"), "a file").unwrap();
    host.run_binary(&ENABLE_ARGS).assert_exit(1, &["state directory", "--state-dir"]).assert_one_error();
    host.assert_disables();

    let host = BadInputHost::new();
    fs::create_dir(host.file_path("state")).unwrap();
    let state = host.file_path("state");
    let full = "mount -t tmpfs -o size=4k none \"$0\"; dd if=/dev/zero of=\"$0\"/rest bs=1024 count=64 2>/dev/null || true";
    run_in_mount_namespace(&host, &state, full, &["disable", "--yes"]).assert_exit(0, &[]);
    assert!(host.read_config().contains(DISABLED_LINE));
    host.write_config(&host.enabled_config());
    let read_only = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    run_in_mount_namespace(&host, &state, read_only, &["disable", "--yes"]).assert_exit(0, &[]);
    assert!(host.read_config().contains(DISABLED_LINE));
    host.write_config(&host.enabled_config());
    fs::write(host.file_path("state/lock"), "\u{0}nonsense").unwrap();
    fs::write(host.file_path("state/answers.json"), "{nonsense").unwrap();
    fs::write(host.file_path("state/ctl.json"), "nonsense").unwrap();
    host.assert_disables();
    host.write_config(&host.enabled_config());
    host.run_binary(&["--log-file", "/no/such/log", "disable", "--yes"]).assert_exit(0, &[]);
    assert!(host.read_config().contains(DISABLED_LINE));
}

#[test]
fn values_that_cant_be_used() {
    let host = BadInputHost::new();
    for (secret, why) in [("", "empty"), ("not base64 at all!", "base64"), ("c2hvcnQ=", "16 bytes")] {
        let text = host.enabled_config().replace(CLOUDFRONT_SECRET, secret);
        host.write_config(&text);
        host.run_binary(&ENABLE_ARGS).assert_exit(1, &["cloudfront_secret", why]).assert_one_error();
        assert_eq!(host.read_config(), text);
        host.assert_disables();
    }
    let text = host
        .enabled_config()
        .replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = ENV['CLOUDFRONT'] == 'on'");
    host.write_config(&text);
    host.run_binary(&["enable", "--yes", "--unproven"])
        .assert_exit(2, &["ENV['CLOUDFRONT']", "--override-expression"]);
    assert_eq!(host.read_config(), text);
    host.assert_disables();
    assert!(host.read_config().contains("ENV['CLOUDFRONT'] == 'on'"), "the expression stays");
}

fn enable_args_for_bucket(bucket: &str) -> Vec<&str> {
    [&["--bucket", bucket][..], &ENABLE_ARGS].concat()
}

#[test]
fn buckets_that_are_none_of_ours() {
    let host = BadInputHost::new();
    host.run_binary(&enable_args_for_bucket("no-such-bucket-anywhere"))
        .assert_exit(1, &["no-such-bucket-anywhere", "--bucket"])
        .assert_one_error();
    host.run_binary(&enable_args_for_bucket(FOREIGN_BUCKET))
        .assert_exit(1, &[FOREIGN_BUCKET, "account"])
        .assert_one_error();
    host.run_binary(&enable_args_for_bucket(BACKUP_BUCKET))
        .assert_exit(2, &[BACKUP_BUCKET, "--confirm-bucket"])
        .assert_one_error();
    assert_eq!(host.read_config(), host.enabled_config());
    host.assert_disables();
}

#[test]
fn credentials_that_dont_do() {
    let host = BadInputHost::new();
    let with = |keys: &[(&str, &str)], words: &[&str]| {
        let mut command = host.build_command(words);
        for (name, _) in AWS_KEYS_ENV {
            command.env_remove(name);
        }
        command.envs(keys.iter().copied());
        run_to_end(command)
    };
    // packagecloud.rb has keys of its own; without them there are none.
    let without: String = host
        .enabled_config()
        .lines()
        .filter(|line| !line.contains("aws_"))
        .fold(String::new(), |all, line| all + line + "\n");
    host.write_config(&without);
    with(&[], &[&["--bucket", SANDBOX_BUCKET][..], &ENABLE_ARGS].concat())
        .assert_exit(1, &["redentials"])
        .assert_one_error();
    let wrong = [AWS_KEYS_ENV[0], ("AWS_SECRET_ACCESS_KEY", "wrong")];
    with(&wrong, &ENABLE_ARGS)
        .assert_exit(1, &["SignatureDoesNotMatch", "check the access key"])
        .assert_one_error();
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00"), AWS_KEYS_ENV[1]];
    with(&unknown, &ENABLE_ARGS).assert_exit(1, &["AWS identity", "next: "]).assert_one_error();
    let mut profile = host.build_command(&["--profile", "nobody", "enable", "--yes"]);
    profile.env_remove("AWS_ACCESS_KEY_ID");
    run_to_end(profile).assert_exit(1, &["nobody"]).assert_one_error();
    assert_eq!(host.read_config(), without);
    for keys in [&[][..], &wrong, &unknown] {
        host.write_config(&without);
        with(keys, &["disable", "--yes"]).assert_exit(0, &[]);
        assert!(host.read_config().contains(DISABLED_LINE));
    }
}

/// Nothing is asked of a network: such a name is no part of a host's.
#[test]
fn a_region_that_is_none_is_named_with_what_was_meant() {
    let host = BadInputHost::new();
    let mut command = Command::new(BINARY_PATH);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", host.dir.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(AWS_KEYS_ENV)
        .arg("--config")
        .arg(host.config_path())
        .args(["--ctl", "none", "--state-dir"])
        .arg(host.file_path("state"))
        .args(["--region", "eu central 1", "--bucket", SANDBOX_BUCKET, "check", "--all"])
        .stdin(Stdio::null());
    run_to_end(command)
        .assert_exit(1, &["no region of AWS is named \"eu central 1\": give eu-central-1"])
        .assert_one_error();
}

#[test]
fn an_aws_that_doesnt_answer_stops_no_disable() {
    let mut host = BadInputHost::new();
    host.server.kill().unwrap();
    host.server.wait().unwrap();
    host.run_binary(&ENABLE_ARGS).assert_exit(1, &["next: "]).assert_one_error();
    assert_eq!(host.read_config(), host.enabled_config());
    host.assert_disables();
}

#[test]
fn a_packagecloud_ctl_that_is_missing_or_fails() {
    let host = BadInputHost::new();
    let off =
        host.enabled_config().replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    host.write_config(&off);
    fs::remove_file(host.file_path("ctl")).unwrap();
    let ran = host.run_binary(&["enable", "--yes", "--unproven"]);
    ran.assert_exit(1, &["there is no such program here", "--ctl"]);
    assert!(!host.read_config().contains("['cloudfront_enabled'] = true"), "taken back");
    host.write_config(&host.enabled_config());
    host.run_binary(&["disable", "--yes"]).assert_exit(1, &["there is no such program here", "reconfigure"]);
    assert!(host.read_config().contains(DISABLED_LINE), "the file is off all the same");

    host.write_config(&off);
    // Half way: it says some lines, and fails once.
    host.write_ctl_script("echo 'Converging 217 resources'; if [ \"$1\" = reconfigure ] && [ ! -e \"$0.failed\" ]; then : >\"$0.failed\"; echo 'FATAL: mysql'; exit 3; fi");
    host.run_binary(&["enable", "--yes", "--unproven"])
        .assert_exit(1, &["exit code 3", "FATAL: mysql", "next: "]);
    assert!(
        !host.read_config().contains("['cloudfront_enabled'] = true"),
        "taken back: {}",
        host.read_config()
    );
    host.write_config(&host.enabled_config());
    fs::remove_file(host.file_path("ctl.failed")).unwrap();
    host.run_binary(&["disable", "--yes"]).assert_exit(1, &["exit code 3", "FATAL: mysql", "next: "]);
    assert!(host.read_config().contains(DISABLED_LINE), "the file is off all the same");
    assert!(host.read_ctl_log().ends_with("reconfigure\nrestart\n"), "it goes on past the failure");
    host.run_binary(&["disable", "--yes"]).assert_exit(0, &[]);
}

#[test]
fn credentials_that_have_expired() {
    let dir = tempfile::tempdir().unwrap();
    let sandboxed = |words: &[&str]| {
        let mut command = Command::new(BINARY_PATH);
        command.env_clear().env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0").stdin(Stdio::null());
        command.arg(format!("--sandbox={}", dir.path().display())).args(words);
        run_to_end(command)
    };
    let text = || fs::read_to_string(dir.path().join("packagecloud.rb")).unwrap();
    let fault =
        "--sandbox-fault=*:*:error:ExpiredToken=The security token included in the request is expired";
    let faults: Vec<String> =
        ["sts", "iam", "kms", "lambda", "cloudfront"].map(|service| fault.replacen('*', service, 1)).to_vec();
    let expired = |words: &[&str]| {
        let all: Vec<&str> = faults.iter().map(String::as_str).chain(words.iter().copied()).collect();
        sandboxed(&all)
    };
    sandboxed(&["plan"]).assert_exit(3, &[]);
    let before = text();
    expired(&["enable", "--yes"]).assert_exit(1, &["expired", "next: "]).assert_one_error();
    assert_eq!(text(), before);
    sandboxed(&["enable", "--yes"]).assert_exit(0, &[]);
    expired(&["disable", "--yes"]).assert_exit(0, &[]);
    assert!(text().contains(DISABLED_LINE), "{}", text());
}

/// A command on a terminal, asked to go on, and told yes once somebody else has changed the file.
fn confirm_after_change(host: &BadInputHost, words: &[&str], change: impl FnOnce()) -> BadInputRun {
    let pair = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
    let given = host.build_command(words);
    let mut command = portable_pty::CommandBuilder::new(given.get_program());
    command.env_clear();
    command.args(given.get_args());
    for (name, value) in given.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let (mut reader, mut writer) =
        (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
    let mut text = Vec::new();
    let mut change = Some(change);
    let mut bytes = [0; 4096];
    // The other side of a terminal that nobody holds any more is an error, not an end.
    while let Ok(count) = std::io::Read::read(&mut reader, &mut bytes) {
        if count == 0 {
            break;
        }
        text.extend_from_slice(&bytes[..count]);
        if String::from_utf8_lossy(&text).contains("[y/N]")
            && let Some(change) = change.take()
        {
            change();
            std::io::Write::write_all(&mut writer, b"y\n").unwrap();
        }
    }
    assert!(change.is_none(), "it never asked: {}", String::from_utf8_lossy(&text));
    let code = child.wait().unwrap().exit_code().try_into().unwrap();
    BadInputRun { code, text: String::from_utf8(text).unwrap().replace("\r\n", "\n") }
}

#[test]
fn a_file_that_is_changed_between_the_look_and_the_write() {
    let host = BadInputHost::new();
    host.assert_disables();
    let backups = || {
        let names = fs::read_dir(host.file_path("etc")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".bak")).collect::<Vec<_>>()
    };
    let (before, ran) = (backups(), host.read_ctl_log());
    let theirs = format!("{}# somebody else was here\n", host.read_config());
    for words in [vec!["roll-back", &before[0]], vec!["roll-back", "--whole-file", &before[0]]] {
        let told = confirm_after_change(&host, &words, || host.write_config(&theirs));
        told.assert_exit(1, &["packagecloud.rb", "changed since it was read", "look again"]);
        assert_eq!(told.text.matches("packagecloud-cloudfront: ").count(), 1, "{}", told.text);
        assert_eq!(host.read_config(), theirs, "it stays as the other wrote it");
        host.write_config(&theirs.replace("# somebody else was here\n", ""));
    }
    assert_eq!((backups(), host.read_ctl_log()), (before, ran), "nothing was made or run");
    host.write_config(&host.enabled_config());
    host.assert_disables();

    // Switching off was asked for, and is one value: it is written into the file as the other left it.
    host.write_config(&host.enabled_config());
    let theirs = format!("{}# somebody else was here\n", host.enabled_config());
    confirm_after_change(&host, &["disable"], || host.write_config(&theirs))
        .assert_exit(0, &["Switch CloudFront off?"]);
    let on_line = DISABLED_LINE.replace("false", "true");
    assert_eq!(
        host.read_config(),
        theirs.replace(&format!("\n{on_line}\n"), &format!("\n{DISABLED_LINE}\n"))
    );
}
