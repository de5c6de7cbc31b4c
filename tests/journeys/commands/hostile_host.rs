//! A host that stands in the way: files mounted by themselves, attributes, pipes, foreign state directories, and a
//! packagecloud-ctl that writes without end, leaks what it is given, or gives up half-way.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use super::journey_host::{JourneyHost, JourneyRun, run_to_end};

const ON_TEXT: &str = "packagecloud_rails['cloudfront_enabled'] = true\n";
const OFF_TEXT: &str = "packagecloud_rails['cloudfront_enabled'] = false\n";

/// A host without a sandbox: a packagecloud.rb that is on, and a packagecloud-ctl of these lines of shell.
struct PlainHost {
    dir: tempfile::TempDir,
}

impl PlainHost {
    fn new(ctl: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let host = Self { dir };
        fs::write(host.config_path(), ON_TEXT).unwrap();
        // As on any host, the file is older than what runs: a reconfigure that began in the moment of its change isn't followed.
        let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
        fs::File::options().write(true).open(host.config_path()).unwrap().set_modified(an_hour_ago).unwrap();
        fs::write(host.path("ctl"), format!("#!/bin/sh\n{ctl}\n")).unwrap();
        fs::set_permissions(host.path("ctl"), fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config_path(&self) -> PathBuf {
        self.path("etc/packagecloud.rb")
    }

    fn config_text(&self) -> String {
        fs::read_to_string(self.config_path()).unwrap()
    }

    /// `words` on this host, started by `before` where that is more than nothing.
    fn build_command(&self, before: &[&str], words: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_packagecloud-cloudfront");
        let line = [before, &[binary]].concat();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .args(["--config", self.config_path().to_str().unwrap()])
            .args(["--ctl", self.path("ctl").to_str().unwrap()])
            .args(["--state-dir", self.path("state").to_str().unwrap()])
            .args(words)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.dir.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, before: &[&str], words: &[&str]) -> JourneyRun {
        run_to_end(&mut self.build_command(before, words))
    }

    /// What runs below a directory for temporary files have left there.
    fn list_stand_ins(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("packagecloud-cloudfront-")).collect()
    }

    fn list_etc(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("etc")).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn namespace() -> &'static str {
    if rustix::process::geteuid().is_root() { "-m" } else { "-rm" }
}

#[test]
fn a_file_that_is_mounted_by_itself_is_written_over_once_its_backup_stands() {
    let host = PlainHost::new("exit 0");
    fs::write(host.path("outer"), ON_TEXT).unwrap();
    let script = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
    let (outer, config) = (host.path("outer"), host.config_path());
    let before =
        ["unshare", namespace(), "sh", "-c", script, outer.to_str().unwrap(), config.to_str().unwrap()];
    let ran = host.run(&before, &["disable", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.assert_contains("it is mounted by itself, so its bytes were written over in place");
    assert_eq!(fs::read_to_string(host.path("outer")).unwrap(), OFF_TEXT);
    assert_eq!(host.config_text(), ON_TEXT, "what lies below the mount is not touched");
    let names = host.list_etc();
    assert!(names.len() == 2 && names[1].ends_with(".bak"), "{names:?}");
    assert_eq!(fs::read_to_string(host.path("etc").join(&names[1])).unwrap(), ON_TEXT);
}

#[test]
fn an_attribute_that_even_root_minds_is_named_with_the_command() {
    let host = PlainHost::new("exit 0");
    let config = host.config_path();
    for (attribute, name, place) in [
        ("i", "immutable", config.clone()),
        ("a", "append-only", config.clone()),
        ("i", "immutable", host.path("etc")),
    ] {
        let set = Command::new("chattr").arg(format!("+{attribute}")).arg(&place).output();
        if !set.is_ok_and(|out| out.status.success()) {
            // Neither without root, nor on a file system that has no attributes.
            return;
        }
        let ran = host.run(&[], &["disable", "--yes"]);
        let unset = Command::new("chattr").arg(format!("-{attribute}")).arg(&place).status();
        assert!(unset.unwrap().success());
        assert_eq!(ran.code, 1, "{ran:#?}");
        ran.assert_contains(&format!("has the {name} attribute"))
            .assert_contains(&format!("chattr -{attribute} {} —", place.display()))
            .assert_contains("packagecloud_rails['cloudfront_enabled'] = false");
        assert!(!ran.err.contains("run it as root"), "{ran:#?}");
        assert_eq!((host.config_text().as_str(), host.list_etc().len()), (ON_TEXT, 1), "{ran:#?}");
    }
    let ran = host.run(&[], &["disable", "--yes"]);
    assert_eq!((ran.code, host.config_text().as_str()), (0, OFF_TEXT), "{ran:#?}");
}

#[test]
fn a_pipe_in_the_files_place_is_told_and_not_waited_for() {
    let host = PlainHost::new("exit 0");
    fs::remove_file(host.config_path()).unwrap();
    assert!(Command::new("mkfifo").arg(host.config_path()).status().unwrap().success());
    let ran = host.run(&[], &["disable", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains("it is a pipe or a device, not a file");
}

#[test]
fn whatever_the_umask_no_other_user_reads_what_is_written() {
    let host = PlainHost::new("echo line");
    let ran = host.run(&["sh", "-c", "umask 000; exec \"$0\" \"$@\""], &["disable", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let sandbox = JourneyHost::new();
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_packagecloud-cloudfront")])
        .arg(format!("--sandbox={}", sandbox.sandbox_path().display()))
        .args(["--sandbox-pace", "0", "enable", "--yes"])
        .env_clear()
        .env("HOME", sandbox.root_path())
        .env("PATH", "/usr/bin:/bin");
    assert_eq!(run_to_end(&mut command).code, 0);
    let mut open = Vec::new();
    for dir in [host.path("state"), sandbox.sandbox_path()] {
        collect_open_files(&dir, &mut open);
    }
    for name in host.list_etc().iter().filter(|name| name.ends_with(".bak")) {
        collect_open_files(&host.path("etc").join(name), &mut open);
    }
    assert!(open.is_empty(), "{open:#?}");
}

fn collect_open_files(path: &Path, open: &mut Vec<(PathBuf, u32)>) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.mode() & 0o077 != 0 {
        open.push((path.to_owned(), meta.mode() & 0o7777));
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect_open_files(&entry.unwrap().path(), open);
        }
    }
}

#[test]
fn a_state_directory_that_others_can_write_to_is_refused_by_name_and_stops_no_switching_off() {
    let host = PlainHost::new("exit 0");
    fs::create_dir(host.path("state")).unwrap();
    fs::set_permissions(host.path("state"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(host.path("precious"), "precious").unwrap();
    for name in ["events", "log", "lock"] {
        symlink(host.path("precious"), host.path("state").join(name)).unwrap();
    }
    let ran = host.run(&[], &["reconfigure", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let state = host.path("state");
    ran.assert_contains(&format!("state directory {}: others can write to it (mode 0777)", state.display()))
        .assert_contains(&format!("chmod go-w {}", state.display()));
    let ran = host.run(&[], &["disable", "--yes"]);
    assert_eq!((ran.code, host.config_text().as_str()), (0, OFF_TEXT), "{ran:#?}");
    ran.assert_contains("nothing is kept or logged: state directory");
    assert_eq!(fs::read_to_string(host.path("precious")).unwrap(), "precious");
    assert!(
        host.list_stand_ins().is_empty(),
        "what stood in is gone with the run: {:?}",
        host.list_stand_ins()
    );
}

#[test]
fn a_log_that_cant_be_written_is_named_and_changes_no_directory() {
    let host = PlainHost::new("exit 0");
    let ran = host.run(&[], &["--log-file", "/no/such/log", "disable", "--yes"]);
    assert_eq!((ran.code, host.config_text().as_str()), (0, OFF_TEXT), "{ran:#?}");
    ran.assert_contains("the usual log is written instead: --log-file /no/such/log: No such file");
    assert!(fs::read_to_string(host.path("state/log")).unwrap().contains("Disable"), "it is kept as usual");
    fs::remove_dir_all(host.path("state")).unwrap();
    let ran = host.run(&[], &["--log-file", "/no/such/log", "reconfigure", "--yes"]);
    assert_eq!(ran.code, 2, "{ran:#?}");
    ran.assert_contains("--log-file /no/such/log: No such file")
        .assert_contains("name a file that can be written");
    assert!(
        !host.path("state").exists() && host.list_stand_ins().is_empty(),
        "no directory was tried: {ran:#?}"
    );
}

#[test]
fn a_log_in_the_state_directory_is_written_from_the_first_run_on() {
    let host = PlainHost::new("exit 0");
    let log = host.path("state/run.log");
    for run in 1..=2 {
        let ran = host.run(&[], &["--log-file", log.to_str().unwrap(), "reconfigure", "--yes"]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.matches("reconfigure took").count(), run, "{text}");
    }
    assert!(!host.path("state/log").exists());
}

#[test]
fn on_a_full_state_disk_the_next_run_finds_what_packagecloud_ctl_does() {
    let host = PlainHost::new(
        "echo \"begun $1\" | tee -a \"$0.ran\"; while [ ! -e \"$0.go\" ]; do sleep 0.02; done; echo over; exit 3",
    );
    // Both runs see the same full disk; the first is left while packagecloud-ctl runs on, and gone before the second begins.
    let script = "mkdir \"$0\" && mount -t tmpfs -o size=64k,mode=700 none \"$0\" && \
        { dd if=/dev/zero of=\"$0/rest\" 2>/dev/null || true; }\n\
        (\"$@\" 2>\"$ERR\" & first=$!; until grep -q begun \"$ERR\"; do sleep 0.02; done; kill -KILL $first; wait $first)\n\
        (until grep -q 'begun' \"$ERR.2\"; do sleep 0.02; done; touch \"$GO\") 2>/dev/null &\n\
        \"$@\" 2>\"$ERR.2\"; code=$?; wait; cat \"$ERR.2\" >&2; ls -A \"$0\"; exit $code";
    let state = host.path("state");
    let before = ["unshare", namespace(), "sh", "-c", script, state.to_str().unwrap()];
    let mut command = host.build_command(&before, &["reconfigure", "--yes"]);
    let ran = run_to_end(command.env("ERR", host.path("err")).env("GO", host.path("ctl.go")));
    assert_eq!(ran.code, 1, "{ran:#?}");
    // Once: the second run followed the first one's to its end, with its lines and its status.
    ran.assert_contains("begun reconfigure").assert_contains("over").assert_contains("exit code 3");
    assert_eq!(fs::read_to_string(host.path("ctl.ran")).unwrap(), "begun reconfigure\n", "{ran:#?}");
    assert!(host.list_stand_ins().is_empty() && !ran.out.contains("ctl."), "{ran:#?}");
}

#[test]
fn a_full_state_disk_does_not_end_packagecloud_ctl() {
    let host = PlainHost::new("set -e; echo \"a line of $1\"; touch \"$0.did-$1\"");
    let script = "mkdir \"$0\" && mount -t tmpfs -o size=64k,mode=700 none \"$0\" && \
        { dd if=/dev/zero of=\"$0/rest\" 2>/dev/null || true; } && exec \"$@\"";
    let state = host.path("state");
    let before = ["unshare", namespace(), "sh", "-c", script, state.to_str().unwrap()];
    let ran = host.run(&before, &["disable", "--yes"]);
    assert_eq!((ran.code, host.config_text().as_str()), (0, OFF_TEXT), "{ran:#?}");
    ran.assert_contains("a line of reconfigure").assert_contains("a line of restart");
    for command in ["reconfigure", "restart"] {
        assert!(host.path(&format!("ctl.did-{command}")).exists(), "{command}: {ran:#?}");
    }
}

#[test]
fn packagecloud_ctl_is_given_no_key_and_no_token() {
    let host = PlainHost::new("env >\"$0.env-$1\"");
    let mut command = host.build_command(&[], &["disable", "--yes"]);
    let given = [
        ("AWS_SECRET_ACCESS_KEY", "one-secret"),
        ("AWS_PROFILE", "work"),
        ("PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN", "read-token"),
        ("PACKAGECLOUD_HOME", "kept"),
    ];
    let ran = run_to_end(command.envs(given));
    assert_eq!(ran.code, 0, "{ran:#?}");
    for command in ["reconfigure", "restart"] {
        let seen = fs::read_to_string(host.path(&format!("ctl.env-{command}"))).unwrap();
        assert!(seen.contains("PACKAGECLOUD_HOME=kept"), "{seen}");
        for (name, _) in &given[..3] {
            assert!(!seen.contains(name), "{command} is given {name}");
        }
    }
}

#[test]
fn one_that_writes_without_end_is_shown_and_left_by_two_interrupts() {
    let host = PlainHost::new(&format!("exec yes {}", "A".repeat(100)));
    let mut child = host.build_command(&[], &["disable", "--yes"]).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let interrupt = || {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    };
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |words: &str| {
        let found = lines.by_ref().map(Result::unwrap).find(|line| line.contains(words));
        assert!(found.is_some(), "no {words}");
    };
    until("AAAAAAAA");
    // Its raw lines may hold secrets.
    assert_eq!(fs::metadata(host.path("state/ctl.out")).unwrap().mode() & 0o777, 0o600);
    interrupt();
    until("waiting for the end of ");
    interrupt();
    until(" still runs; ");
    // What is left unread would hold it up.
    let rest = std::thread::spawn(move || lines.count());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    rest.join().unwrap();
    let record = fs::read_to_string(host.path("state/ctl.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let pid = rustix::process::Pid::from_raw(record["pid"].as_i64().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_terminal_that_goes_does_not_stop_what_switches_off() {
    let wait =
        "echo \"$1 begun\"; until [ -e \"$HOME/go-on\" ]; do sleep 0.05; done; echo $1 >>\"$HOME/ran\"";
    let host = PlainHost::new(wait);
    let mut child = host.build_command(&[], &["disable", "--yes"]).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("reconfigure begun")), "it was run");
    // The line is gone: nobody reads any more, and the session's processes are told.
    drop(lines);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    fs::write(host.path("go-on"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(host.config_text(), OFF_TEXT);
    assert_eq!(fs::read_to_string(host.path("ran")).unwrap(), "reconfigure\nrestart\n");
}

#[test]
fn a_restart_that_gives_up_while_links_go_to_s3_already_is_off_and_says_what_failed() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let ctl = host.root_path().join("ctl");
    let text = format!(
        "#!/bin/sh\n'{}' --sandbox='{}' --sandbox-pace 0 --yes \"$1\" || exit 9\n[ \"$1\" = reconfigure ] || {{ echo 'timeout: run: unicorn: (pid 8) 99s, got TERM'; exit 1; }}\n",
        env!("CARGO_BIN_EXE_packagecloud-cloudfront"),
        host.sandbox_path().display()
    );
    fs::write(&ctl, text).unwrap();
    fs::set_permissions(&ctl, fs::Permissions::from_mode(0o755)).unwrap();
    let state = host.root_path().join("outer");
    let off =
        host.run_line(&format!("--ctl {} --state-dir {} disable --yes", ctl.display(), state.display()));
    assert_eq!(off.code, 1, "{off:#?}");
    let last: Vec<&str> = off.err.lines().rev().take(2).collect();
    assert!(
        last[1].contains("off since ") && last[1].contains("packagecloud answers 302 to S3 ("),
        "{last:?}"
    );
    assert!(last[1].contains("; what failed is packagecloud-ctl restart: "), "{last:?}");
    assert!(last[1].contains("since unicorn took too long"), "{last:?}");
    assert!(last[0].contains(&format!("{} restart unicorn", ctl.display())), "{last:?}");
}

#[test]
fn what_a_killed_run_left_beside_the_file_goes_with_the_next_start() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let left = host.sandbox_path().join(".packagecloud.rb.0123456789abcdef.new");
    fs::write(&left, "packagecloud_rails['cloudfront_secret'] = 'one'\n").unwrap();
    host.run_successfully("enable --yes");
    assert!(!left.exists(), "it holds a secret");
}
