//! packagecloud-ctl played by a shell script, and by a function of this process.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::host::Redactor;
use crate::host::{HostClock, HostStateDir, HostTransport, Keyring};
use crate::model::secret::Secret;

const CTL_SCRIPT: &str = r#"#!/bin/sh
case "$1" in
  reconfigure)
    printf '\033[32mRecipe:\033[0m one\r\n'
    echo "+  cloudfront_secret: 'hunter2222'" >&2
    echo "  value hunter2222"
    printf 'without an end';;
  restart) echo "sh: $0 $*"; exit 3;;
  version) echo begun; while [ ! -e "$(dirname "$0")/go" ]; do sleep 0.02; done; echo over;;
  *) echo "I don't know that command."; seq 40; exit 1;;
esac
"#;

fn host_with_ctl(dir: &Path, ctl: PackagecloudCtlRunner) -> Host {
    let host = Host {
        transport: HostTransport::Local,
        config: dir.join("packagecloud.rb"),
        ctl,
        state: HostStateDir::open_state_dir(&dir.join("state"), None).unwrap(),
        keyring: Keyring::new_in_memory_keyring(),
        redactor: Redactor::default(),
        clock: HostClock::default(),
        looks_for_clients: false,
        parsed: crate::host::config::ParsedConfigCache::default(),
        unfinished: crate::host::UnfinishedHostWork::default(),
    };
    host.redactor.learn_secret_to_redact(&Secret::new("hunter2222"));
    host
}

fn host_with_scripted_ctl(dir: &Path) -> Host {
    let script = dir.join("packagecloud ctl");
    fs::write(&script, CTL_SCRIPT).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    host_with_ctl(dir, format!("'{}'", script.display()).parse().unwrap())
}

async fn run_collecting_lines(
    host: &Host,
    command: CtlCommand,
) -> (Result<CtlOutcome, Failure>, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = host.run_packagecloud_ctl(command, &mut |line: &str| lines.push(line.to_owned())).await;
    (outcome, lines)
}

#[tokio::test]
async fn its_lines_come_without_secrets_and_escapes_and_its_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_scripted_ctl(dir.path());
    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Reconfigure).await;
    assert_eq!(outcome.unwrap(), CtlOutcome::Done);
    assert_eq!(
        lines,
        ["Recipe: one", "+  cloudfront_secret: '(hidden)'", "  value (hidden)", "without an end"]
    );
    let left: Vec<_> =
        fs::read_dir(host.state.state_dir_path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name == "log" || name == "reconfigured" || name == "ctl-turn"),
        "{left:?}"
    );
    assert!(!fs::read_to_string(host.state.state_dir_path().join("log")).unwrap().contains("hunter"));
    assert!(host.read_last_reconfigure_time().await.is_some());

    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Restart).await;
    assert_eq!(outcome.unwrap(), CtlOutcome::Failed { status: 3, last: lines });
    assert_eq!(
        run_collecting_lines(&host, CtlCommand::ReindexEverything).await.0.unwrap(),
        CtlOutcome::UnknownCommand
    );
}

#[tokio::test]
async fn one_that_runs_already_is_followed_from_its_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let first = host_with_scripted_ctl(dir.path());
    {
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let mut on_line = move |line: &str| drop(heard.send(line.to_owned()));
        tokio::select! {
            _ = first.run_packagecloud_ctl(CtlCommand::Version, &mut on_line) => panic!("it waits for the file"),
            line = hears.recv() => assert_eq!(line.unwrap(), "begun"),
        }
    }
    // The first run is gone; the second finds what it started.
    let second = host_with_scripted_ctl(dir.path());
    let running = second.find_running_ctl_command().unwrap();
    assert_eq!(running.command, "version");
    fs::write(dir.path().join("go"), "").unwrap();
    let (outcome, lines) = run_collecting_lines(&second, CtlCommand::Restart).await;
    let first = format!(" version runs already (process {}): waiting for its end first", running.pid);
    assert!(lines[0].ends_with(&first), "{lines:?}");
    assert_eq!(lines[1..3], ["begun", "over"]);
    assert!(matches!(outcome.unwrap(), CtlOutcome::Failed { status: 3, last } if last.len() == 1));
    assert_eq!(second.find_running_ctl_command(), None);
}

#[tokio::test]
async fn one_that_began_before_the_file_was_changed_is_waited_for_and_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_scripted_ctl(dir.path());
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let mut on_line = move |line: &str| drop(heard.send(line.to_owned()));
    tokio::select! {
        _ = host.run_packagecloud_ctl(CtlCommand::Version, &mut on_line) => panic!("it waits for the file"),
        line = hears.recv() => assert_eq!(line.unwrap(), "begun"),
    }
    fs::write(&host.config, "").unwrap();
    fs::write(dir.path().join("go"), "").unwrap();
    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Version).await;
    assert_eq!(outcome.unwrap(), CtlOutcome::Done);
    assert_eq!(lines[1..], ["begun", "over", "begun", "over"], "{lines:?}");
}

#[tokio::test]
async fn one_that_was_killed_is_a_failure_with_the_next_move() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with_scripted_ctl(dir.path());
    let mut on_line = |line: &str| {
        if line == "begun" {
            let pid = host.find_running_ctl_command().unwrap().pid;
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
        }
    };
    let failure = host.run_packagecloud_ctl(CtlCommand::Version, &mut on_line).await.unwrap_err();
    assert!(failure.why.contains("killed"), "{failure}");
    let again = format!("run again: {} version", host.ctl.render_ctl_command_line());
    assert_eq!(failure.next, again);
}

#[tokio::test]
async fn where_there_is_none_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let failure = run_collecting_lines(
        &host_with_ctl(dir.path(), "no-such-ctl --x".parse().unwrap()),
        CtlCommand::Restart,
    )
    .await
    .0
    .unwrap_err();
    assert_eq!((failure.kind, failure.what.as_str()), (FailureKind::Missing, "no-such-ctl"));
    assert_eq!(
        run_collecting_lines(&host_with_ctl(dir.path(), "none".parse().unwrap()), CtlCommand::Restart)
            .await
            .0
            .unwrap(),
        CtlOutcome::LeftToOperator
    );
    for wrong in ["", "  ", "'a"] {
        assert_eq!(wrong.parse::<PackagecloudCtlRunner>().unwrap_err().kind, FailureKind::Usage, "{wrong}");
    }
    let PackagecloudCtlRunner::Command(words) = "ssh pc 'a b'".parse().unwrap() else { panic!() };
    assert_eq!(words, ["ssh", "pc", "a b"]);
}

#[tokio::test(start_paused = true)]
async fn a_sandboxes_plays_on_tokios_clock() {
    let dir = tempfile::tempdir().unwrap();
    let play: SimulatedPackagecloudCtl = Arc::new(|command, lines| {
        Box::pin(async move {
            lines.send(format!("{command}: hunter2222")).unwrap();
            tokio::time::sleep(std::time::Duration::from_hours(1)).await;
            lines.send("over".to_owned()).unwrap();
            Ok(0)
        })
    });
    let (outcome, lines) = run_collecting_lines(
        &host_with_ctl(dir.path(), PackagecloudCtlRunner::Simulated(play)),
        CtlCommand::Reconfigure,
    )
    .await;
    assert_eq!(outcome.unwrap(), CtlOutcome::Done);
    assert_eq!(lines, ["reconfigure: (hidden)", "over"]);
}

#[tokio::test]
async fn its_list_tells_whether_it_knows_cloudfront() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    for (list, known) in [("  bootstrap-cloudfront", true), ("  reconfigure", false)] {
        fs::write(&script, format!("#!/bin/sh\n[ \"$1\" = help ] && echo '{list}' >&2\nexit 1\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let version =
            host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]))
                .infer_packagecloud_version_from_help()
                .await;
        assert_eq!(version.is_some(), known);
    }
}

#[tokio::test]
async fn a_restart_from_before_the_end_of_a_reconfigure_is_not_taken_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    // Each restart makes running what is rendered when it begins; the first one takes its time.
    let text = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$1" in
  reconfigure) cp file rendered;;
  restart) was=$(cat rendered); [ "$was" = true ] && while [ ! -e go ]; do sleep 0.02; done; echo "$was" >running;;
esac
"#;
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let one = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    let beside = host_with_ctl(dir.path(), one.ctl.clone());
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("packagecloud.rb", "");
    put("file", "true\n");
    run_collecting_lines(&one, CtlCommand::Reconfigure).await.0.unwrap();
    // The file is changed, and only then the run beside begins its restart, with what was rendered before.
    put("file", "false\n");
    tokio::time::sleep(FILE_CLOCK_SLACK * 3).await;
    let (restarting, switched) = tokio::join!(run_collecting_lines(&beside, CtlCommand::Restart), async {
        while one.find_running_ctl_command().is_none() {
            tokio::time::sleep(FILE_CLOCK_SLACK).await;
        }
        put("rendered", "false\n");
        one.state
            .write_state_dir_file(
                LAST_RECONFIGURE_NOTE,
                one.clock.read_host_clock().as_secs().to_string().as_bytes(),
            )
            .unwrap();
        let (switched, ()) = tokio::join!(run_collecting_lines(&one, CtlCommand::Restart), async {
            tokio::time::sleep(FILE_CLOCK_SLACK * 10).await;
            put("go", "");
        });
        switched
    });
    assert_eq!((restarting.0.unwrap(), switched.0.unwrap()), (CtlOutcome::Done, CtlOutcome::Done));
    assert_eq!(fs::read_to_string(dir.path().join("running")).unwrap(), "false\n");
}

#[tokio::test]
async fn two_at_once_run_one_after_the_other_and_each_hears_its_own_end() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    let text = r#"#!/bin/sh
cd "$(dirname "$0")"
mkdir alone || { echo "not alone"; exit 9; }
sleep 0.05
rmdir alone
[ "$1" = reconfigure ] && exit 0
exit 7
"#;
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    for _ in 0..5 {
        let (one, two, three) = tokio::join!(
            run_collecting_lines(&host, CtlCommand::Reconfigure),
            run_collecting_lines(&host, CtlCommand::Restart),
            run_collecting_lines(&host, CtlCommand::Version)
        );
        assert_eq!(one.0.unwrap(), CtlOutcome::Done);
        for other in [two, three] {
            let outcome = other.0.unwrap();
            assert!(matches!(outcome, CtlOutcome::Failed { status: 7, .. }), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn one_that_writes_without_end_is_shown_to_a_bound_and_can_be_left() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    let line = "A".repeat(60_000);
    fs::write(&script, format!("#!/bin/sh\nexec yes {line}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let mut on_line = move |line: &str| {
        let _ = heard.send(line.len());
    };
    let mut bytes = 0;
    tokio::select! {
        _ = host.run_packagecloud_ctl(CtlCommand::Reconfigure, &mut on_line) => panic!("it has no end"),
        () = async {
            while let Some(length) = hears.recv().await {
                assert!(length < 5000, "a line of {length} bytes is shown");
                bytes += 60_000;
                if length < 1000 { break; }
            }
        } => {}
    }
    assert!(bytes >= detached::OUTPUT_BYTES_MAX - 60_000, "what was kept is shown: {bytes}");
    let running = host.find_running_ctl_command().unwrap();
    let kept = fs::metadata(host.state.state_dir_path().join("ctl.out")).unwrap().len();
    assert!(kept < detached::OUTPUT_BYTES_MAX * 2, "the disk isn't filled: {kept}");
    let pid = rustix::process::Pid::from_raw(running.pid.cast_signed()).unwrap();
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn the_last_lines_of_one_that_wrote_too_much_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    let text = "#!/bin/sh\necho first\nhead -c 40000000 /dev/zero | tr '\\0' x\nhead -c 4000000 /dev/zero | tr '\\0' x\necho\necho \"FATAL: hunter2222\" >&2\nexit 1\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Reconfigure).await;
    assert!(lines[0] == "first" && lines[1].contains("16 MiB"), "{lines:?}");
    assert_eq!(lines[2..], ["…", "FATAL: (hidden)"]);
    assert!(matches!(outcome.unwrap(), CtlOutcome::Failed { status: 1, .. }));
    let left: Vec<_> = list_ctl_files(&host);
    assert!(left.is_empty(), "{left:?}");
}

fn list_ctl_files(host: &Host) -> Vec<String> {
    let names = fs::read_dir(host.state.state_dir_path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("ctl.")).collect()
}

#[tokio::test]
async fn a_service_that_keeps_the_pipe_open_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    fs::write(&script, "#!/bin/sh\nsleep 60 &\necho $! >\"$0.pid\"\necho started\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Restart).await;
    let pid = fs::read_to_string(dir.path().join("ctl.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok(), "it still ran");
    assert_eq!((outcome.unwrap(), lines), (CtlOutcome::Done, vec!["started".to_owned()]));
}

#[tokio::test]
async fn a_private_key_that_it_prints_is_neither_shown_nor_logged() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ctl");
    let key = "-----BEGIN RSA PRIVATE KEY-----\n    +MIIEpAIBAAKCAQEAx\n    +dGFpbA==\n    +-----END RSA PRIVATE KEY-----";
    fs::write(&script, format!("#!/bin/sh\ncat <<'X'\n    +{key}\nafter\nX\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), PackagecloudCtlRunner::Command(vec![script.display().to_string()]));
    let (outcome, lines) = run_collecting_lines(&host, CtlCommand::Reconfigure).await;
    assert_eq!(outcome.unwrap(), CtlOutcome::Done);
    assert_eq!(lines, ["    +(a private key, hidden)", "after"]);
    let log = fs::read_to_string(host.state.state_dir_path().join("log")).unwrap();
    assert!(!log.contains("MIIE") && !log.contains("dGFpbA"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn one_that_prints_nothing_is_said_to_run_still() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("silent");
    // It ends once somebody has been told that it runs.
    fs::write(&script, "#!/bin/sh\nwhile [ ! -e \"$(dirname \"$0\")/go\" ]; do sleep 0.02; done; exit 1\n")
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let host = host_with_ctl(dir.path(), script.to_str().unwrap().parse().unwrap());
    let mut said = Vec::new();
    let outcome = host
        .run_packagecloud_ctl(CtlCommand::Reconfigure, &mut |line: &str| {
            let running = host.find_running_ctl_command().map(|running| running.pid);
            said.push((line.to_owned(), running));
            fs::write(dir.path().join("go"), "").unwrap();
        })
        .await;
    let (line, pid) = said.first().expect("it was silent for as long as it takes");
    let named = format!("(process {})", pid.unwrap());
    assert!(line.starts_with(&format!("{} reconfigure still runs, 15 s", script.display())), "{line}");
    assert!(line.ends_with(&named), "{line}");
    assert_eq!(
        outcome.unwrap(),
        CtlOutcome::Failed { status: 1, last: Vec::new() },
        "its own lines alone are its last"
    );
}

#[test]
fn one_state_directory_has_one_place_elsewhere_however_it_is_spelt() {
    let dir = tempfile::tempdir().unwrap();
    let [real, link] = ["state", "link"].map(|name| dir.path().join(name));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let places = |dir: &Path| detached::list_ctl_dirs(dir).split_off(1);
    assert_eq!(places(&link), places(&real));
    let here = std::env::current_dir().unwrap();
    for name in ["src", "not there"] {
        assert_eq!(places(Path::new(name)), places(&here.join(name)), "{name}");
    }
    assert_ne!(places(Path::new("src")), places(Path::new("tests")));
}
