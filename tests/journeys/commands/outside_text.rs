//! Text from outside, a fault of the program, and secrets in foreign lines: what is printed and logged steers no terminal, hides what it must, and ends with an exit code of the contract.

use std::os::unix::fs::PermissionsExt as _;

use packagecloud_cloudfront::model::display_text::is_display_control;

use super::journey_host::{JourneyHost, JourneyRun, run_to_end};

/// It would write to the clipboard, clear the screen, and turn the direction of reading.
const STEERING_TEXT: &str = "x\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}31m\u{202e}exe.gpj\u{2069}";

#[track_caller]
fn assert_nothing_steers(ran: &JourneyRun) {
    for text in [&ran.out, &ran.err] {
        let found =
            text.chars().find(|&letter| letter != '\n' && letter != '\t' && is_display_control(letter));
        assert_eq!(found, None, "{text:?}");
    }
}

#[test]
fn text_from_outside_steers_no_terminal() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let fault = format!("--sandbox-fault=kms:CreateKey:1:error:AccessDenied={STEERING_TEXT}");
    let denied = host.run_words(&[&fault, "enable", "--upgrade", "--yes"]);
    assert_eq!(denied.code, 1, "{denied:#?}");
    denied.assert_contains("\\u001b]52;c;");
    assert_nothing_steers(&denied);
    let denied = host.run_words(&[&fault, "--output", "json", "enable", "--upgrade", "--yes"]);
    assert_nothing_steers(&denied);
    let failed = denied.json_lines().into_iter().find(|line| line["type"] == "failed").unwrap();
    assert!(failed["failure"]["why"].as_str().unwrap().contains(STEERING_TEXT), "the same JSON: {failed}");
    let log = std::fs::read_to_string(host.sandbox_path().join("state/log")).unwrap();
    assert!(!log.contains(|letter| letter != '\n' && is_display_control(letter)), "{log:?}");

    let host = JourneyHost::new();
    host.run_line("plan");
    let text = host.config_text();
    host.write_config(&format!(
        "{text}packagecloud_rails['cloudfront_enabled'] = true\nx = '{STEERING_TEXT}'\n"
    ));
    assert_nothing_steers(&host.run_line("disable --yes"));

    let host = JourneyHost::new();
    let objects = host.root_path().join("objects");
    std::fs::create_dir(&objects).unwrap();
    std::fs::write(objects.join(STEERING_TEXT), "x").unwrap();
    let mut import = host.build_command();
    import.args(["sandbox", "import"]).arg(host.sandbox_path()).arg(&objects);
    assert_nothing_steers(&run_to_end(&mut import));
    assert_nothing_steers(&host.run_line("plan --goal upgrade"));
}

#[test]
fn a_fault_of_the_program_while_it_looks_is_a_failure_with_a_next_move() {
    let host = JourneyHost::new();
    host.run_line("plan");
    let ran = host.run_line("--sandbox-fault=lambda:GetFunction:1:panic enable --upgrade --yes");
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains("it broke off by a fault of this program: lambda:GetFunction");
    ran.assert_contains("To continue: ");
    assert_eq!(ran.err.matches("next: ").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("lambda:GetFunction:1:panic enable --upgrade --yes ;"), "whole: {}", ran.err);
    let ran = host.run_line("--sandbox-fault=lambda:GetFunction:1:panic --output json plan");
    assert_eq!(ran.code, 1, "{ran:#?}");
    let last = ran.json_lines().pop().unwrap();
    assert_eq!(last["type"], "failed", "{last}");
    assert!(last["failure"]["next"].as_str().unwrap().contains("To continue: "), "{last}");
}

#[test]
fn a_known_secret_is_hidden_in_whatever_form_packagecloud_ctl_prints_it() {
    let host = JourneyHost::new();
    let file = host.root_path().join("packagecloud.rb");
    std::fs::write(
        &file,
        "packagecloud_rails['cloudfront_enabled'] = true\n\
         packagecloud_rails['cloudfront_secret'] = 'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI='\n\
         packagecloud_rails['aws_secret_key'] = 'plantedSecret/Key+With/Slash00000000000'\n\
         packagecloud_rails['smtp_password'] = 'pl ant\"ed$pw'\n",
    )
    .unwrap();
    let ctl = host.root_path().join("ctl");
    std::fs::write(
        &ctl,
        "#!/bin/sh\n\
         echo 'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI end'\n\
         echo 'url MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI%3D plantedSecret%2FKey%2BWith%2FSlash00000000000'\n\
         echo 'url plantedSecret%2fKey%2bWith%2fSlash00000000000 pl+ant%22ed%24pw'\n\
         echo 'json plantedSecret\\/Key+With\\/Slash00000000000 pl ant\\\"ed$pw'\n\
         echo 'Authorization: Basic dTpwbGFudGVk'\n\
         echo 'Location: https://user:planted@host/'\n",
    )
    .unwrap();
    std::fs::set_permissions(&ctl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut disable = host.build_command();
    let state = host.root_path().join("state");
    disable.arg("--config").arg(&file).arg("--ctl").arg(&ctl).arg("--state-dir").arg(&state);
    let ran = run_to_end(disable.args(["disable", "--yes"]));
    let log = std::fs::read_to_string(state.join("log")).unwrap();
    assert!(log.contains("(hidden) end"), "its lines are in the log: {log}");
    for text in [&ran.out, &ran.err, &log] {
        for part in ["MDI2ZDhh", "lantedSecret", "pl ant", "pl+ant", "dTpwbGFudGVk", "user:planted"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
}
