//! packagecloud-ctl outlives the terminal that started it, and the next run follows it to its end.
//!
//! This binary runs itself in a pseudo-terminal, which is then hung up as a dropped line hangs up.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use packagecloud_cloudfront::{
    host::{
        CtlOutcome, Host, HostClock, HostStateDir, HostTransport, Keyring, PackagecloudCtlRunner, Redactor,
        UnfinishedHostWork, config::ParsedConfigCache,
    },
    model::packagecloud::ctl_command::CtlCommand,
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const TEST_DIR_ENV: &str = "PACKAGECLOUD_TEST_LINE";

/// It waits for the file `go`, and says whether it has a terminal.
const CTL_SCRIPT: &str = r#"#!/bin/sh
echo begun
if (: >/dev/tty) 2>/dev/null; then echo on a terminal; else echo on none; fi
while [ ! -e "$(dirname "$0")/go" ]; do sleep 0.02; done
echo over
"#;

fn local_host(dir: &Path) -> Host {
    Host {
        transport: HostTransport::Local,
        config: dir.join("packagecloud.rb"),
        ctl: PackagecloudCtlRunner::Command(vec![dir.join("ctl").display().to_string()]),
        state: HostStateDir::open_state_dir(&dir.join("state"), None).unwrap(),
        keyring: Keyring::new_in_memory_keyring(),
        redactor: Redactor::default(),
        clock: HostClock::default(),
        looks_for_clients: false,
        parsed: ParsedConfigCache::default(),
        unfinished: UnfinishedHostWork::default(),
    }
}

#[tokio::test]
#[ignore = "runs in the pseudo-terminal of the test below"]
async fn on_the_line() {
    let dir = PathBuf::from(std::env::var_os(TEST_DIR_ENV).expect("run by the test below"));
    let _ = local_host(&dir)
        .run_packagecloud_ctl(CtlCommand::Reconfigure, &mut |line| println!("line: {line}"))
        .await;
}

#[tokio::test]
async fn a_dropped_line_ends_the_run_and_not_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    fs::write(&script, CTL_SCRIPT).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();

    let pty = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "dropped_line::on_the_line", "--nocapture"]);
    command.env(TEST_DIR_ENV, dir.path());
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let reader = BufReader::new(pty.master.try_clone_reader().unwrap());
    let mut lines = reader.lines().map_while(Result::ok).filter(|line| line.contains("line: "));
    assert!(lines.next().unwrap().contains("begun"));
    assert!(lines.next().unwrap().contains("on none"), "it has no terminal to lose");
    drop(lines);
    drop(pty.master);
    assert!(!child.wait().unwrap().success(), "the run was hung up");

    let host = local_host(dir.path());
    let running = host.find_running_ctl_command().expect("the command outlived it");
    assert_eq!(running.command, "reconfigure");
    fs::write(dir.path().join("go"), "").unwrap();
    let mut lines = Vec::new();
    let outcome = host
        .run_packagecloud_ctl(CtlCommand::Reconfigure, &mut |line| lines.push(line.to_owned()))
        .await
        .unwrap();
    assert_eq!(outcome, CtlOutcome::Done);
    assert!(lines[0].contains("reconfigure runs already (process "), "{lines:?}");
    assert_eq!(lines[1..], ["begun", "on none", "over"], "one run of it, from its first line");
}
