//! A packagecloud.rb that is empty, cut off or gone: no reconfigure follows it, which would delete packagecloud's settings.

use super::journey_host::{JourneyHost, JourneyRun};

/// The command that puts the backup back, as it was printed.
fn find_put_back_command(ran: &JourneyRun) -> String {
    let from = ran.err.find("cp -p ").unwrap_or_else(|| panic!("no cp in {ran:#?}"));
    ran.err[from..].split(" — then run: ").next().unwrap().to_owned()
}

#[test]
fn what_would_delete_packageclouds_settings_is_refused_with_the_way_back() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let whole = host.config_text();
    let cut: String = whole.split_inclusive('\n').take(8).collect();
    assert!(!cut.contains("aws_s3_bucket"), "the vital lines are gone: {cut}");
    for (case, left) in [("empty", ""), ("comments", "# nothing\n"), ("zeros", "\0\0\0\0"), ("cut off", &cut)]
    {
        host.write_config(left);
        for command in ["disable --yes", "enable --new-secret --yes"] {
            let refused = host.run_line(command);
            assert_ne!(refused.code, 0, "{case}, {command}: {refused:#?}");
            assert_eq!(host.config_text(), left, "{case}, {command}: it is as it was");
        }
        let refused = host.run_line("disable --yes");
        refused.assert_contains("a reconfigure would delete packagecloud's settings");
        assert!(!refused.err.contains("packagecloud-ctl reconfigure took"), "{case}: {refused:#?}");
        put_back_and_switch_off(&host, &refused, case);
        host.write_config(&whole);
        host.run_successfully("enable --yes");
    }
    std::fs::remove_file(host.sandbox_path().join("packagecloud.rb")).unwrap();
    let refused = host.run_line("disable --yes");
    assert_eq!(refused.code, 1, "{refused:#?}");
    refused.assert_contains("run no packagecloud-ctl reconfigure before");
    assert!(!refused.err.contains("last line that Ruby reads"), "there is no such line: {refused:#?}");
    let listed = host.run_successfully("roll-back");
    assert!(!listed.out.contains("would change nothing"), "{listed:#?}");
    put_back_and_switch_off(&host, &refused, "gone");
}

fn put_back_and_switch_off(host: &JourneyHost, refused: &JourneyRun, case: &str) {
    let typed = find_put_back_command(refused);
    let ran = std::process::Command::new("sh").args(["-c", &typed]).status().unwrap();
    assert!(ran.success(), "{case}: {typed}");
    host.run_successfully("disable --yes").assert_contains("302 to S3");
    let text = host.config_text();
    assert!(text.contains("aws_s3_bucket") && text.contains("external_url"), "{case}: {text}");
}

/// What follows `before` in a failure, up to the end of the line or the sentence.
fn find_printed_command(ran: &JourneyRun, before: &str) -> String {
    let from = ran.err.find(before).unwrap_or_else(|| panic!("no {before:?} in {ran:#?}")) + before.len();
    ran.err[from..].lines().next().unwrap().trim_end_matches('.').to_owned()
}

/// The last lines of the sandbox's own file.
const LAST_LINES: &str = "backups['enable'] = true\nbackups['s3_bucket'] = 'sandbox-backups-999999999999'\n";

#[test]
fn last_lines_that_an_operator_took_out_keep_nobody_from_switching_off() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let on = host.config_text();
    assert!(on.contains(LAST_LINES), "{on}");
    // As a comment it is surely an edit.
    let commented: String = LAST_LINES.split_inclusive('\n').map(|line| format!("# {line}")).collect();
    host.write_config(&on.replace(LAST_LINES, &commented));
    host.run_successfully("disable --yes").assert_contains("302 to S3");
    assert!(host.config_text().contains(&commented));

    host.write_config(&on);
    host.run_successfully("disable --yes");
    host.run_successfully("enable --yes");
    host.write_config(&host.config_text().replace(LAST_LINES, ""));
    let refused = host.run_line("disable --yes");
    assert_eq!(refused.code, 1, "{refused:#?}");
    refused.assert_contains("goes on with s3_bucket: ");
    let typed = find_printed_command(&refused, "; or, where that was taken out on purpose, run: ");
    let ran = host.run_shell_line(&typed);
    assert_eq!(ran.code, 0, "{typed}: {ran:#?}");
    ran.assert_contains("302 to S3");
    assert!(!host.config_text().contains("s3_bucket'] = 'sandbox-backups"), "{}", host.config_text());
}

#[test]
fn a_whole_file_that_was_rolled_back_is_no_loss() {
    let host = JourneyHost::new();
    drop(host.open_sandbox());
    host.write_config(&host.config_text().replace(LAST_LINES, ""));
    host.run_successfully("enable --yes");
    let short = host.config_text();
    host.run_successfully("disable --yes");
    let of_short = host.backup_names().pop().unwrap();
    host.write_config(&format!("{short}{LAST_LINES}"));
    host.run_successfully("disable --yes");
    host.run_successfully("enable --yes");
    host.run_successfully(&format!("roll-back {of_short} --whole-file --yes"));
    assert_eq!(host.config_text(), short);
    host.run_successfully("disable --yes").assert_contains("302 to S3");
}
