//! What is never done unasked: without a yes nothing changes, and what --yes doesn't consent to is named with its flag.
//!
//! A refusal prints the whole command that would go on; here that command is run as it was printed.

use std::process::Command;

use packagecloud_cloudfront::sandbox::seed::BACKUP_BUCKET;
use serde_json::Value;

use super::journey_host::{JourneyHost, JourneyRun, run_to_end};

/// Everything in AWS, and packagecloud.rb.
fn snapshot_everything(host: &JourneyHost) -> (Value, String) {
    let mut state =
        host.open_sandbox().read_sandbox_state_from_disk(|state| serde_json::to_value(state).unwrap());
    let all = state.as_object_mut().unwrap();
    // Asking packagecloud counts its requests; that alone is no change.
    all.retain(|name, _| !["generation", "changed", "packagecloud"].contains(&name.as_str()));
    (state, host.config_text())
}

/// Refused with exit 2 and `flag` named, and nothing was changed: the command that was printed.
fn assert_refused(host: &JourneyHost, line: &str, flag: &str) -> String {
    let before = snapshot_everything(host);
    let ran = host.run_line(line);
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert!(snapshot_everything(host) == before, "{line} changed something");
    let next = ran.err.lines().last().unwrap();
    let (_, command) = next.split_once("run: ").unwrap_or_else(|| panic!("no command in {ran:#?}"));
    let command = command.split(" (or ").next().unwrap().split(" — or").next().unwrap();
    assert!(command.contains(flag), "{command}");
    assert!(ran.err.contains(flag.split(' ').next().unwrap()), "{ran:#?}");
    command.to_owned()
}

/// Runs a command as it was printed, in a shell.
fn run_in_shell(host: &JourneyHost, command: &str) -> JourneyRun {
    let mut shell = Command::new("sh");
    let ours = host.build_command();
    shell.env_clear();
    for (name, value) in ours.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let ran = run_to_end(shell.args(["-c", command]).stdin(std::process::Stdio::null()));
    assert_eq!(ran.code, 0, "{command}: {ran:#?}");
    ran
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let host = JourneyHost::new();
    host.run_line("plan");
    for line in [
        "enable",
        "enable --upgrade",
        "reindex-everything",
        "generate-cloudfront-secret",
        "reconfigure",
        "restart",
    ] {
        let command = assert_refused(&host, line, "--yes");
        assert!(command.ends_with(&format!("{line} --yes")), "{command}");
    }
    let command = assert_refused(&host, "enable --upgrade", "--yes");
    run_in_shell(&host, &command);
    run_in_shell(&host, &assert_refused(&host, "disable", "--yes"));
    assert_eq!(host.read_values()["cloudfront_enabled"], false);
}

#[test]
fn no_terminal_and_no_command_names_the_commands() {
    let ran = run_to_end(&mut JourneyHost::new().build_command());
    assert_eq!(ran.code, 2);
    ran.assert_contains("needs a terminal")
        .assert_contains("enable")
        .assert_contains("disable")
        .assert_contains("verify");
}

#[test]
fn a_file_that_chef_writes_is_written_only_when_told() {
    let host = JourneyHost::new();
    host.run_line("plan");
    host.write_config(&format!(
        "# This file is managed by Chef; local changes are lost\n{}",
        host.config_text()
    ));
    let command = assert_refused(&host, "enable --yes", "--managed write");
    run_in_shell(&host, &command)
        .assert_contains("its next run undoes this")
        .assert_contains("systemctl stop chef-client.timer");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
    host.run_successfully("disable --yes").assert_contains("chef manages this host");
}

#[test]
fn a_file_that_puppet_writes_can_be_waited_for() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let first = format!("# This file is managed by Puppet; do not edit\n{}", host.config_text());
    host.write_config(&first);
    let waiting = std::thread::scope(|scope| {
        // It waits for ever: a minute is enough here.
        let waiting = scope.spawn(|| {
            let ours = host.build_command();
            let mut bounded = Command::new("timeout");
            bounded.arg("60").arg(ours.get_program()).env_clear();
            bounded.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
            bounded.arg(format!("--sandbox={}", host.sandbox_path().display()));
            run_to_end(bounded.args(["enable", "--managed", "wait", "--yes"]))
        });
        // The tool's part: whatever is asked for is written, once each.
        let asked = host.sandbox_path().join("state/managed-values");
        let mut written = first.clone();
        while !waiting.is_finished() {
            let lines = std::fs::read_to_string(&asked).unwrap_or_default();
            if lines.ends_with('\n') && !written.contains(&format!("\n{lines}")) {
                written.push_str(&lines);
                let fresh = host.sandbox_path().join("packagecloud.rb.new");
                std::fs::write(&fresh, &written).unwrap();
                std::fs::rename(&fresh, host.config_path()).unwrap();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        waiting.join().unwrap()
    });
    assert_eq!(waiting.code, 0, "{waiting:#?}");
    waiting.assert_contains("waiting for puppet to write the lines of").assert_contains("Go live: done");
    assert!(host.backup_names().is_empty(), "nothing of the file was written here");
    assert!(!host.sandbox_path().join("state/managed-values").exists());
}

#[test]
fn an_expression_is_overruled_only_when_told() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let line = "packagecloud_rails['cloudfront_enabled'] = ENV['CLOUDFRONT'] == 'on'\n";
    host.write_config(&format!("{}{line}", host.config_text()));
    let command = assert_refused(&host, "enable --yes", "--override-expression");
    run_in_shell(&host, &command);
    let text = host.config_text();
    assert!(text.contains(line), "the expression stays");
    let last = text.lines().rfind(|line| !line.is_empty()).unwrap();
    assert!(last.starts_with("packagecloud_rails['cloudfront_enabled'] = true"), "{last}");
    // Switching off needs no such yes.
    host.run_successfully("disable --yes");
    assert_eq!(host.read_values()["cloudfront_enabled"], false);
    assert!(host.config_text().contains(line));
}

#[test]
fn what_may_be_on_is_guarded_as_what_is_on() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let line = "packagecloud_rails['cloudfront_enabled'] = ENV['X']\n";
    let text = host.config_text().replace("packagecloud_rails['cloudfront_enabled'] = true\n", line);
    assert!(text.contains(line), "{text}");
    host.write_config(&text);
    for command in ["generate-cloudfront-secret --new-secret --yes", "enable --new-secret --yes"] {
        let refused = host.run_line(command);
        assert_eq!(refused.code, 1, "{command}: {refused:#?}");
        refused
            .assert_contains("CloudFront may be on")
            .assert_contains("ENV['X']")
            .assert_contains("links signed with the old secret would break");
        assert_eq!(host.config_text(), text, "{command}");
    }
    host.run_successfully("enable --prepare --yes").assert_contains("this left it as it is");
    assert_eq!(host.config_text(), text, "what it holds is changed only by going live");
    // Off for sure, the secret may go; and a backup that may be on is put back without being made live.
    host.run_successfully("disable --yes");
    let backup = host.backup_names().pop().unwrap();
    host.run_successfully("generate-cloudfront-secret --new-secret --yes");
    let back = host.run_line(&format!("roll-back --whole-file {backup} --yes"));
    back.assert_contains("the backup may have CloudFront on").assert_contains("to switch it off: ");
    assert_eq!(host.config_text(), text);
    assert!(!format!("{back:?}").contains("packagecloud-ctl reconfigure"), "{back:#?}");
}

#[test]
fn another_bucket_and_one_without_packages_are_two_questions() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    let line = format!("--bucket {BACKUP_BUCKET} --name-suffix two enable --prepare --yes");
    let command = assert_refused(&host, &line, "--other-bucket");
    assert!(command.contains("--confirm-bucket NAME"), "the name is typed by who knows it: {command}");
    run_in_shell(&host, &command.replace("NAME", BACKUP_BUCKET));
}

#[test]
fn a_role_of_our_name_is_adopted_only_when_told() {
    let host = JourneyHost::new();
    let iam = aws_sdk_iam::Client::new(&host.open_sandbox().build_sandbox_sdk_config());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = iam.create_role().role_name("packagecloud_cloudfront_auth").assume_role_policy_document(trust);
    tokio::runtime::Runtime::new().unwrap().block_on(role.send()).unwrap();
    let command = assert_refused(&host, "enable --yes", "--adopt");
    run_in_shell(&host, &command);
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
}

#[test]
fn a_new_secret_is_made_only_when_told_and_never_while_on() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let first = host.read_values()["cloudfront_secret"].clone();
    let on = host.run_line("enable --new-secret --yes");
    assert_eq!(on.code, 1, "{on:#?}");
    on.assert_contains("links signed with the old secret would break")
        .assert_contains("for a new secret without one refused link: ")
        .assert_contains("rotate-secret");
    host.run_successfully("disable --yes");
    host.run_successfully("enable --yes");
    assert_eq!(host.read_values()["cloudfront_secret"], first, "kept unless told");
    host.run_successfully("disable --yes");

    // A rebuilt host: the edge has a secret, the file none.
    let without: String =
        host.config_text().split_inclusive('\n').filter(|line| !line.contains("cloudfront_secret")).collect();
    host.write_config(&without);
    let rebuilt = host.run_line("enable --yes");
    assert_eq!(rebuilt.code, 2, "{rebuilt:#?}");
    rebuilt
        .assert_contains("--new-secret")
        .assert_contains("copy its line from")
        .assert_contains("packagecloud.rb.20");
    assert_eq!(host.config_text(), without);
    host.run_successfully("enable --new-secret --yes");
    assert_ne!(host.read_values()["cloudfront_secret"], first);
    host.run_successfully("verify --all");
}

#[test]
fn what_the_simulation_alone_denies_is_passed_with_anyway_and_nothing_else_is() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let world = host.open_sandbox();
    // No fresh set-up calls it: as where the simulation errs, all goes well without.
    world.update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "NotAction": "cloudfront:UpdateCachePolicy", "Resource": "*"}]});
    });
    host.run_line("check --all")
        .assert_contains("cloudfront:UpdateCachePolicy")
        .assert_contains("managed policy");
    let before = snapshot_everything(&host);
    let refused = host.run_line("enable --prepare --yes");
    assert_eq!(refused.code, 1, "{refused:#?}");
    refused.assert_contains("cloudfront:UpdateCachePolicy").assert_contains("IAM's simulation may err");
    assert!(snapshot_everything(&host) == before, "nothing was changed");
    let command = refused.err.lines().last().unwrap().split_once("run: ").unwrap().1;
    assert!(command.contains("--yes") && command.ends_with("--anyway"), "{command}");

    // What was looked at itself is no simulation's word.
    let policy = |shut: bool| {
        world.update_sandbox_state_on_disk(|state| {
            let bucket = state.s3.buckets.get_mut(packagecloud_cloudfront::sandbox::seed::SANDBOX_BUCKET);
            bucket.unwrap().policy = shut.then(|| {
                format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Shut","Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{}/*","Condition":{{"StringNotEquals":{{"aws:SourceVpce":"vpce-1"}}}}}}]}}"#,
                    packagecloud_cloudfront::sandbox::seed::SANDBOX_BUCKET
                )
            });
        });
    };
    policy(true);
    let ran = host.run_line("enable --prepare --yes --anyway");
    assert_eq!(ran.code, 1, "{ran:#?}");
    let said = ran.err.lines().last().unwrap();
    assert!(!said.contains("IAM's simulation may err"), "--anyway would not help: {said}");
    policy(false);
    run_in_shell(&host, command).assert_contains("--anyway goes on");
    host.run_successfully("enable --prepare --yes --anyway");
}

#[test]
fn the_environment_may_say_anyway() {
    let host = JourneyHost::new();
    host.run_line("plan");
    host.open_sandbox().update_sandbox_state_on_disk(|state| {
        state.iam.user.policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "NotAction": "cloudfront:UpdateCachePolicy", "Resource": "*"}]});
    });
    let mut command = host.build_command();
    command
        .env("PACKAGECLOUD_CLOUDFRONT_ANYWAY", "1")
        .env("PACKAGECLOUD_CLOUDFRONT_SANDBOX", host.sandbox_path());
    command.args(["enable", "--prepare", "--yes"]);
    let ran = run_to_end(&mut command);
    assert_eq!(ran.code, 0, "{ran:#?}");
}
