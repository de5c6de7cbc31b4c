//! `invalidate` by the real binary: what it refuses, what it asks, and what it says.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use packagecloud_cloudfront::sandbox::seed::BACKUP_BUCKET;
use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};

use super::journey_host::JourneyHost;
use crate::terminal::wizard_terminal::WizardTerminal;

const KEY: &str = "1/2/ubuntu/package_files/97310.deb";

#[test]
fn bad_input_is_one_clear_sentence_and_changes_nothing() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    for (words, code, said) in [
        (&["invalidate", "--yes"][..], 2, "<KEY"),
        (&["invalidate", "--packages", KEY, "--yes"], 2, "cannot be used with"),
        (&["invalidate", "", "--yes"], 2, "names no object"),
        (&["invalidate", "https://d1.cloudfront.net/1/2/a.deb?t=1_2", "--yes"], 2, "it is a link, not a key"),
        (&["invalidate", "1//a.deb", "--yes"], 2, "no edge holds it"),
        (&["invalidate", KEY, "--bucket", BACKUP_BUCKET, "--yes"], 2, "--other-bucket"),
        (&["invalidate", KEY, "--bucket", "no-such-bucket", "--yes"], 1, "there is no bucket of this name"),
    ] {
        let ran = host.run_words(words);
        assert_eq!(ran.code, code, "{words:?}: {ran:#?}");
        ran.assert_contains(said);
    }
    // More than CloudFront takes at once.
    let mut words = vec!["invalidate".to_owned(), "--yes".to_owned()];
    words.extend((0..3001).map(|number| format!("1/2/ubuntu/package_files/{number}.deb")));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = host.run_words(&words);
    assert_eq!(ran.code, 2, "{}", ran.err);
    ran.assert_contains("these are 3001 keys, and CloudFront takes 3000 at once");
    let (_, proposed) = ran.err.rsplit_once("which is one path: ").unwrap();
    let sandbox = format!("--sandbox={}", host.sandbox_path().display());
    assert!(proposed.contains(&sandbox) && proposed.contains(" invalidate --packages"), "{proposed}");
    assert_eq!(count_invalidations(&host), 0);
}

fn count_invalidations(host: &JourneyHost) -> usize {
    host.open_sandbox().read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().map(|one| one.invalidations.len()).sum()
    })
}

#[test]
fn what_aws_refuses_is_a_failure_in_both_forms() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    const DENIED: &str = "--sandbox-fault cloudfront:CreateInvalidation:*:deny invalidate --packages --yes";
    let ran = host.run_line(DENIED);
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains("cloudfront:CreateInvalidation");
    let ran = host.run_line(&format!("{DENIED} --output json"));
    assert_eq!(ran.code, 1, "{ran:#?}");
    let lines = ran.json_lines();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["version", "started", "failed", "ended"], "{ran:#?}");
    assert_eq!(lines[3]["end"], "failed");
    let ran = host.run_line("invalidate --packages --output json");
    let lines = ran.json_lines();
    assert_eq!((ran.code, lines.len()), (2, 2), "without a yes nothing begins: {ran:#?}");
    assert!(lines[1]["failure"]["next"].as_str().unwrap().ends_with("--yes"), "{ran:#?}");
    assert_eq!(count_invalidations(&host), 0);
}

#[test]
fn interrupted_while_it_waits_it_names_itself_and_runs_again() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    // At its usual pace a listing shows what was made 0.7 s later.
    let made = std::time::Instant::now();
    while made.elapsed() < std::time::Duration::from_secs(1) {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    let mut child = host
        .build_command()
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "1")
        .arg(format!("--sandbox={}", host.sandbox_path().display()))
        .args(["invalidate", KEY, "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rest = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("is at work") {
        assert_ne!(rest.read_line(&mut said).unwrap(), 0, "it ended before: {said}");
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    rest.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("CloudFront goes on with invalidation I"), "{said}");
    let (_, proposed) = said.rsplit_once("run: ").unwrap();
    let proposed = proposed.split(" — ").next().unwrap();
    assert!(proposed.ends_with(&format!("invalidate {KEY} --yes")), "{said}");
    let ran = host.run_shell_line(proposed);
    assert_eq!((ran.code, count_invalidations(&host)), (0, 2), "{ran:#?}");
}

#[test]
fn at_a_terminal_it_asks_and_no_is_no() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    for (answer, code, made) in [("n\r", 2, 0), ("\r", 2, 0), ("y\r", 0, 1)] {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_packagecloud-cloudfront"));
        command.arg(format!("--sandbox={}", host.sandbox_path().display()));
        command.args(["invalidate", KEY]);
        command.env("PACKAGECLOUD_CLOUDFRONT_SANDBOX_PACE", "0");
        let mut terminal = WizardTerminal::spawn_command(command);
        terminal.wait_for_text("Let every edge forget this? [y/N]");
        terminal.press_keys(answer.as_bytes());
        let ended = terminal.child.wait().unwrap().exit_code();
        assert_eq!((ended, count_invalidations(&host)), (code, made), "{answer:?}");
    }
}

#[test]
fn it_asks_first_and_says_each_step_in_json() {
    let host = JourneyHost::new();
    let early = host.run_line("invalidate --packages --yes");
    assert_eq!(early.code, 1, "{early:#?}");
    early.assert_contains("there is none for bucket").assert_contains("enable");
    host.run_successfully("enable --yes");

    let refused = host.run_line(&format!("invalidate {KEY}"));
    assert_eq!(refused.code, 2, "{refused:#?}");
    let proposed = refused.err.lines().last().unwrap().split_once("run: ").unwrap().1.to_owned();
    assert!(proposed.ends_with(&format!("invalidate {KEY} --yes")), "{proposed}");
    let ran = host.run_shell_line(&proposed);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.assert_contains("every edge has forgotten");

    let ran = host.run_line("invalidate --packages --yes --output json");
    assert_eq!(ran.code, 0, "{ran:#?}");
    let lines = ran.json_lines();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[1], kinds[kinds.len() - 1]), ("version", "started", "ended"), "{ran:#?}");
    assert!(lines[1..].iter().all(|line| line["stage"] == "invalidate"), "{ran:#?}");
    assert_eq!(lines[1]["step"], "invalidation");
    assert_eq!(lines[lines.len() - 1]["end"], "applied");
    assert!(host.run_line("verify --all").code == 0, "links go on working");
}
