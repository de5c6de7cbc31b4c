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

use packagecloud_cloudfront::sandbox::seed::{BACKUPS, BUCKET, FOREIGN};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
const SECRET: &str = "MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI=";
/// The key pair of AWS's own examples: the sandbox's one user.
const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
];
const OFF_LINE: &str = "packagecloud_rails['cloudfront_enabled'] = false";

/// A host with CloudFront on, as its file says, and AWS on loopback.
struct House {
    dir: tempfile::TempDir,
    server: Child,
    aws: String,
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Ran {
    code: i32,
    text: String,
}

impl Ran {
    #[track_caller]
    fn is(&self, code: i32, says: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        for words in says {
            assert!(self.text.contains(words), "no {words:?} in: {}", self.text);
        }
        assert!(!self.text.contains("panicked"), "{}", self.text);
        self
    }

    /// One error, and its next move.
    #[track_caller]
    fn one_error(&self) -> &Self {
        assert_eq!(self.text.matches("packagecloud-cloudfront: ").count(), 1, "{}", self.text);
        assert_eq!(self.text.matches("next: ").count(), 1, "{}", self.text);
        self
    }
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Command::new(BINARY)
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
        let house = Self { dir, server, aws };
        fs::create_dir(house.dir.path().join("etc")).unwrap();
        house.ctl("exit 0");
        house.set(&house.on());
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("etc/packagecloud.rb")
    }

    /// The sandbox's own file, with CloudFront on.
    fn on(&self) -> String {
        let base = fs::read_to_string(self.path("aws/packagecloud.rb")).unwrap();
        format!(
            "{base}\npackagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_secret'] = '{SECRET}'\n"
        )
    }

    fn set(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// What packagecloud-ctl does, as a shell has it.
    fn ctl(&self, does: &str) {
        fs::write(
            self.path("ctl"),
            format!("#!/bin/sh\necho \"$1\" >>'{}'\n{does}\n", self.path("ran").display()),
        )
        .unwrap();
        fs::set_permissions(self.path("ctl"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn ctl_ran(&self) -> String {
        fs::read_to_string(self.path("ran")).unwrap_or_default()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(KEYS)
            .args(["--endpoint-url", &self.aws, "--region", "us-east-1"])
            .arg("--config")
            .arg(self.config())
            .arg("--ctl")
            .arg(self.path("ctl"))
            .arg("--state-dir")
            .arg(self.path("state"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        ran(self.command(words))
    }

    /// `disable --yes` in this situation: off, exit 0.
    #[track_caller]
    fn disables(&self) {
        self.run(&["disable", "--yes"]).is(0, &[]);
        assert!(self.text().contains(OFF_LINE), "{}", self.text());
        assert!(self.ctl_ran().ends_with("reconfigure\nrestart\n"), "{}", self.ctl_ran());
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("it ended by itself"),
        text: String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
    }
}

/// What is enough to set up on this host, but for what a test takes away.
const ENABLE: [&str; 4] = ["enable", "--yes", "--unproven", "--prepare"];

#[test]
fn no_terminal_and_no_yes() {
    let house = House::new();
    house.run(&["enable", "--unproven"]).is(2, &["consent", "--yes"]);
    house.run(&["disable"]).is(2, &["consent", "disable --yes"]);
    house.run(&[]).is(2, &["needs a terminal", "disable"]).one_error();
    assert_eq!(house.text(), house.on());
    house.disables();
    // Off already: whether packagecloud follows is another thing, which nobody here can see.
    house
        .run(&["disable", "--yes"])
        .is(0, &["nothing to do", "can't be seen", "packagecloud-ctl reconfigure"]);
}

#[test]
fn a_file_that_is_missing_or_no_ruby() {
    let house = House::new();
    fs::remove_file(house.config()).unwrap();
    house.run(&ENABLE).is(1, &["packagecloud.rb", "No such file", "--config FILE"]).one_error();
    house
        .run(&["disable", "--yes"])
        .is(1, &["No such file", OFF_LINE, "packagecloud-ctl reconfigure"])
        .one_error();
    assert!(!house.config().exists());

    let broken = format!("{}if true\n", house.on());
    house.set(&broken);
    house.run(&ENABLE).is(1, &["is not Ruby", "ruby -c"]).one_error();
    house.run(&["disable", "--yes"]).is(1, &["is not Ruby", "after that", OFF_LINE]).one_error();
    assert_eq!(house.text(), broken);
    assert_eq!(house.ctl_ran(), "", "nothing was restarted for nothing");
}

#[test]
fn a_file_that_must_not_be_read() {
    assert!(rustix::process::geteuid().is_root(), "this test takes root's rights away, so it needs them");
    let house = House::new();
    const NOBODY: u32 = 65534;
    chown(house.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(house.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let binary = house.path("binary");
    // By another process: a file that this one writes may be held open by a child that another test starts just then.
    assert!(Command::new("cp").arg(BINARY).arg(&binary).status().unwrap().success());
    let as_nobody = |words: &[&str]| {
        let ours = house.command(words);
        let mut command = Command::new(&binary);
        command.env_clear().args(ours.get_args()).uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        ran(command)
    };
    as_nobody(&ENABLE).is(1, &["packagecloud.rb", "ermission denied", "sudo"]).one_error();
    as_nobody(&["disable", "--yes"]).is(1, &["ermission denied", "sudo", OFF_LINE]).one_error();
    assert_eq!(house.text(), house.on());
    house.disables();
}

/// Runs the binary where `setup` has been done in a mount namespace of its own, whose `$0` is `dir`.
fn in_namespace(house: &House, dir: &Path, setup: &str, words: &[&str]) -> Ran {
    let ours = house.command(words);
    let mut command = Command::new("unshare");
    command
        .env_clear()
        .envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .args(["-m", "sh", "-c", &format!("set -e; {setup}; exec \"$@\"")])
        .arg(dir)
        .arg(BINARY)
        .args(ours.get_args())
        .stdin(Stdio::null());
    ran(command)
}

#[test]
fn a_read_only_or_full_disk() {
    let house = House::new();
    let etc = house.path("etc");
    let read_only = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    let full = "cp \"$0\"/packagecloud.rb /tmp/pc.$$; mount -t tmpfs -o size=16k none \"$0\"; mv /tmp/pc.$$ \"$0\"/packagecloud.rb; \
                dd if=/dev/zero of=\"$0\"/rest bs=1024 count=64 2>/dev/null || true";
    house.set(&house.on().replace("cloudfront_enabled'] = true", "cloudfront_enabled'] = false"));
    let off = house.text();
    for (setup, why) in [(read_only, "Read-only file system"), (full, "No space left on device")] {
        in_namespace(&house, &etc, setup, &ENABLE).is(1, &["packagecloud.rb", why]);
    }
    assert_eq!(house.text(), off);
    house.set(&house.on());
    for (setup, why) in [(read_only, "Read-only file system"), (full, "No space left on device")] {
        in_namespace(&house, &etc, setup, &["disable", "--yes"]).is(1, &["packagecloud.rb", why, OFF_LINE]);
        assert_eq!(house.text(), house.on());
    }
    house.disables();
}

#[test]
fn a_state_directory_that_cant_be_had_stops_no_disable() {
    let house = House::new();
    fs::write(house.path("state"), "a file").unwrap();
    house.run(&ENABLE).is(1, &["state directory", "--state-dir"]).one_error();
    house.disables();

    let house = House::new();
    fs::create_dir(house.path("state")).unwrap();
    let state = house.path("state");
    let full = "mount -t tmpfs -o size=4k none \"$0\"; dd if=/dev/zero of=\"$0\"/rest bs=1024 count=64 2>/dev/null || true";
    in_namespace(&house, &state, full, &["disable", "--yes"]).is(0, &[]);
    assert!(house.text().contains(OFF_LINE));
    house.set(&house.on());
    let read_only = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    in_namespace(&house, &state, read_only, &["disable", "--yes"]).is(0, &[]);
    assert!(house.text().contains(OFF_LINE));
    house.set(&house.on());
    fs::write(house.path("state/lock"), "\u{0}nonsense").unwrap();
    fs::write(house.path("state/answers.json"), "{nonsense").unwrap();
    fs::write(house.path("state/ctl.json"), "nonsense").unwrap();
    house.disables();
    house.set(&house.on());
    house.run(&["--log-file", "/no/such/log", "disable", "--yes"]).is(0, &[]);
    assert!(house.text().contains(OFF_LINE));
}

#[test]
fn values_that_cant_be_used() {
    let house = House::new();
    for (secret, why) in [("", "empty"), ("not base64 at all!", "base64"), ("c2hvcnQ=", "16 bytes")] {
        let text = house.on().replace(SECRET, secret);
        house.set(&text);
        house.run(&ENABLE).is(1, &["cloudfront_secret", why]).one_error();
        assert_eq!(house.text(), text);
        house.disables();
    }
    let text = house
        .on()
        .replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = ENV['CLOUDFRONT'] == 'on'");
    house.set(&text);
    house.run(&["enable", "--yes", "--unproven"]).is(2, &["ENV['CLOUDFRONT']", "--override-expression"]);
    assert_eq!(house.text(), text);
    house.disables();
    assert!(house.text().contains("ENV['CLOUDFRONT'] == 'on'"), "the expression stays");
}

fn named(bucket: &str) -> Vec<&str> {
    [&["--bucket", bucket][..], &ENABLE].concat()
}

#[test]
fn buckets_that_are_none_of_ours() {
    let house = House::new();
    house.run(&named("no-such-bucket-anywhere")).is(1, &["no-such-bucket-anywhere", "--bucket"]).one_error();
    house.run(&named(FOREIGN)).is(1, &[FOREIGN, "account"]).one_error();
    house.run(&named(BACKUPS)).is(2, &[BACKUPS, "--confirm-bucket"]).one_error();
    assert_eq!(house.text(), house.on());
    house.disables();
}

#[test]
fn credentials_that_dont_do() {
    let house = House::new();
    let with = |keys: &[(&str, &str)], words: &[&str]| {
        let mut command = house.command(words);
        for (name, _) in KEYS {
            command.env_remove(name);
        }
        command.envs(keys.iter().copied());
        ran(command)
    };
    // packagecloud.rb has keys of its own; without them there are none.
    let without: String = house
        .on()
        .lines()
        .filter(|line| !line.contains("aws_"))
        .fold(String::new(), |all, line| all + line + "\n");
    house.set(&without);
    with(&[], &[&["--bucket", BUCKET][..], &ENABLE].concat()).is(1, &["redentials"]).one_error();
    let wrong = [KEYS[0], ("AWS_SECRET_ACCESS_KEY", "wrong")];
    with(&wrong, &ENABLE).is(1, &["SignatureDoesNotMatch", "check the access key"]).one_error();
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00"), KEYS[1]];
    with(&unknown, &ENABLE).is(1, &["AWS identity", "next: "]).one_error();
    let mut profile = house.command(&["--profile", "nobody", "enable", "--yes"]);
    profile.env_remove("AWS_ACCESS_KEY_ID");
    ran(profile).is(1, &["nobody"]).one_error();
    assert_eq!(house.text(), without);
    for keys in [&[][..], &wrong, &unknown] {
        house.set(&without);
        with(keys, &["disable", "--yes"]).is(0, &[]);
        assert!(house.text().contains(OFF_LINE));
    }
}

#[test]
fn an_aws_that_doesnt_answer_stops_no_disable() {
    let mut house = House::new();
    house.server.kill().unwrap();
    house.server.wait().unwrap();
    house.run(&ENABLE).is(1, &["next: "]).one_error();
    assert_eq!(house.text(), house.on());
    house.disables();
}

#[test]
fn a_packagecloud_ctl_that_is_missing_or_fails() {
    let house = House::new();
    let off = house.on().replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    house.set(&off);
    fs::remove_file(house.path("ctl")).unwrap();
    let ran = house.run(&["enable", "--yes", "--unproven"]);
    ran.is(1, &["there is no such program here", "--ctl"]);
    assert!(!house.text().contains("['cloudfront_enabled'] = true"), "taken back");
    house.set(&house.on());
    house.run(&["disable", "--yes"]).is(1, &["there is no such program here", "reconfigure"]);
    assert!(house.text().contains(OFF_LINE), "the file is off all the same");

    house.set(&off);
    // Half way: it says some lines, and fails once.
    house.ctl("echo 'Converging 217 resources'; if [ \"$1\" = reconfigure ] && [ ! -e \"$0.failed\" ]; then : >\"$0.failed\"; echo 'FATAL: mysql'; exit 3; fi");
    house.run(&["enable", "--yes", "--unproven"]).is(1, &["exit code 3", "FATAL: mysql", "next: "]);
    assert!(!house.text().contains("['cloudfront_enabled'] = true"), "taken back: {}", house.text());
    house.set(&house.on());
    fs::remove_file(house.path("ctl.failed")).unwrap();
    house.run(&["disable", "--yes"]).is(1, &["exit code 3", "FATAL: mysql", "next: "]);
    assert!(house.text().contains(OFF_LINE), "the file is off all the same");
    assert!(house.ctl_ran().ends_with("reconfigure\nrestart\n"), "it goes on past the failure");
    house.run(&["disable", "--yes"]).is(0, &[]);
}

#[test]
fn credentials_that_have_expired() {
    let dir = tempfile::tempdir().unwrap();
    let sandboxed = |words: &[&str]| {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0").stdin(Stdio::null());
        command.arg(format!("--sandbox={}", dir.path().display())).args(words);
        ran(command)
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
    sandboxed(&["plan"]).is(3, &[]);
    let before = text();
    expired(&["enable", "--yes"]).is(1, &["expired", "next: "]).one_error();
    assert_eq!(text(), before);
    sandboxed(&["enable", "--yes"]).is(0, &[]);
    expired(&["disable", "--yes"]).is(0, &[]);
    assert!(text().contains(OFF_LINE), "{}", text());
}

/// A command on a terminal, asked to go on, and told yes once somebody else has changed the file.
fn told_yes_after(house: &House, words: &[&str], change: impl FnOnce()) -> Ran {
    let pair = portable_pty::native_pty_system().openpty(portable_pty::PtySize::default()).unwrap();
    let given = house.command(words);
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
    Ran { code, text: String::from_utf8(text).unwrap().replace("\r\n", "\n") }
}

#[test]
fn a_file_that_is_changed_between_the_look_and_the_write() {
    let house = House::new();
    house.disables();
    let backups = || {
        let names = fs::read_dir(house.path("etc")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".bak")).collect::<Vec<_>>()
    };
    let (before, ran) = (backups(), house.ctl_ran());
    let theirs = format!("{}# somebody else was here\n", house.text());
    for words in [vec!["roll-back", &before[0]], vec!["roll-back", "--whole-file", &before[0]]] {
        let told = told_yes_after(&house, &words, || house.set(&theirs));
        told.is(1, &["packagecloud.rb", "changed since it was read", "look again"]);
        assert_eq!(told.text.matches("packagecloud-cloudfront: ").count(), 1, "{}", told.text);
        assert_eq!(house.text(), theirs, "it stays as the other wrote it");
        house.set(&theirs.replace("# somebody else was here\n", ""));
    }
    assert_eq!((backups(), house.ctl_ran()), (before, ran), "nothing was made or run");
    house.set(&house.on());
    house.disables();

    // Switching off was asked for, and is one value: it is written into the file as the other left it.
    house.set(&house.on());
    let theirs = format!("{}# somebody else was here\n", house.on());
    told_yes_after(&house, &["disable"], || house.set(&theirs)).is(0, &["Switch CloudFront off?"]);
    let on_line = OFF_LINE.replace("false", "true");
    assert_eq!(house.text(), theirs.replace(&format!("\n{on_line}\n"), &format!("\n{OFF_LINE}\n")));
}
