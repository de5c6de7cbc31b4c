//! Where switching on fails, or switching off reaches not every node: what is said, and what stands after it.

use packagecloud_cloudfront::sandbox::packagecloud;

use super::journey_host::JourneyHost;

#[test]
fn another_construction_is_named_taken_back_and_then_kept() {
    for construction in ["raw:path+expires", "decoded:host+path+expires"] {
        let host = JourneyHost::new();
        let failed = host.run_line(&format!("--sandbox-construction {construction} enable --yes"));
        assert_eq!(failed.code, 1, "{failed:#?}");
        let last: Vec<&str> = failed.err.lines().rev().take(2).collect();
        assert!(last[0].contains(&format!("--construction {construction}")), "{last:?}");
        assert!(last[1].contains("CloudFront is off again") && last[1].contains("302 to S3"), "{last:?}");
        assert!(host.config_text().contains("packagecloud_rails['cloudfront_enabled'] = false"));
        host.run_successfully("verify --all")
            .assert_contains("CloudFront is off: packagecloud answers 302 to S3");

        host.run_successfully(&format!("enable --construction {construction} --yes"));
        host.run_successfully("verify --all").assert_contains("10 of 10 redirects go to CloudFront");
        // Without the option the one that the edge holds is kept: nothing is made anew, and it still works.
        host.run_successfully("plan");
        host.run_successfully("enable --yes")
            .assert_contains("Bootstrap: nothing to do")
            .assert_contains("10 of 10");
    }
}

#[test]
fn a_web_node_that_lags_is_named_with_its_commands() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    packagecloud::add_unrestarted_sandbox_web_node(&host.open_sandbox());
    let off = host.run_line("disable --yes");
    assert_eq!(off.code, 3, "{off:#?}");
    off.assert_contains("another web node")
        .assert_contains("packagecloud-ctl reconfigure && packagecloud-ctl restart");
    off.assert_contains("302 to CloudFront").assert_contains("302 to S3");
    assert!(host.config_text().contains("packagecloud_rails['cloudfront_enabled'] = false"));

    let verify = host.run_line("verify --all");
    assert_eq!(verify.code, 3, "{verify:#?}");
    verify.assert_contains("5 of 10").assert_contains("another web node");
}

#[test]
fn switching_off_what_is_off_changes_nothing() {
    let host = JourneyHost::new();
    host.run_successfully("disable --yes").assert_contains("nothing to do");
    assert!(host.backup_names().is_empty());
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    let (text, backups) = (host.config_text(), host.backup_names());
    host.run_successfully("disable --yes").assert_contains("nothing to do");
    assert_eq!((host.config_text(), host.backup_names()), (text, backups));
}

#[test]
fn what_the_file_says_is_not_what_packagecloud_does_and_switching_off_sees_to_it() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    // By hand, and never reconfigured; or by a run whose state directory is on another host.
    let text = host.config_text().replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false");
    host.write_config(&text);
    host.run_line("verify --all").assert_contains("302 to CloudFront");
    host.run_line("disable").assert_contains("it says off, and packagecloud still answers 302 to CloudFront");
    // An omnibus package writes down what it applied.
    let running = host.sandbox_path().join("packagecloud-server-running.json");
    std::fs::write(&running, r#"{"packagecloud":{"packagecloud-rails":{"cloudfront_enabled":true}}}"#)
        .unwrap();
    let off = host.run_line("disable");
    off.assert_contains("it says off, and packagecloud's last reconfigure was with CloudFront on");
    assert!(!off.err.contains("still answers"), "{off:#?}");
    std::fs::remove_file(&running).unwrap();
    let off = host.run_successfully("disable --yes");
    off.assert_contains("it says off, and packagecloud still answers 302 to CloudFront")
        .assert_contains("off since");
    host.run_successfully("verify --all")
        .assert_contains("CloudFront is off: packagecloud answers 302 to S3");
    host.run_successfully("disable --yes").assert_contains("nothing to do");
}

#[test]
fn a_reconfigure_that_fails_is_no_other_nodes_fault() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let off = host.run_line("--ctl false disable --yes");
    assert_eq!(off.code, 3, "{off:#?}");
    off.assert_contains("the file says off, and packagecloud still answers 302 to CloudFront")
        .assert_contains("or by hand: false reconfigure && false restart");
    assert!(!off.err.contains("another web node"), "{off:#?}");
}

#[test]
fn what_s3_says_to_packagecloud_is_asked_in_json_too_and_past_a_packagecloud_that_hangs() {
    for (fault, said, unsaid) in [
        ("s3:GetObject:*:error:InvalidAccessKeyId", "Downloads fail all the same: S3 refuses", "do nothing"),
        ("packagecloud:1:hang", "Customers need do nothing", "not seen"),
        ("s3:GetObject:*:error:InternalError", "links was not seen", "fail"),
    ] {
        let host = JourneyHost::new();
        host.run_successfully("enable --yes");
        let off = host.run_successfully(&format!("--sandbox-fault {fault} disable --yes --output json"));
        let lines = off.json_lines();
        let asked = lines.iter().find(|line| line["type"] == "progress").unwrap();
        assert!(asked["text"].as_str().unwrap().starts_with("s3-links: "), "{asked}");
        let ended = lines.iter().find(|line| line["type"] == "ended").unwrap()["text"].as_str().unwrap();
        assert!(ended.contains(said) && !ended.contains(unsaid), "{fault}: {ended}");
    }
}

#[test]
fn without_packagecloud_ctl_the_rest_is_left_to_the_operator() {
    let host = JourneyHost::new();
    let on = host.run_successfully("enable --ctl none --yes");
    on.assert_contains("Go live: stopped")
        .assert_contains("packagecloud-ctl reconfigure && packagecloud-ctl restart");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
    on.assert_contains("left to you, where packagecloud runs");
    assert!(!on.err.contains("run     proof"), "nothing is proven: {on:#?}");
    let off = host.run_successfully("disable --ctl none --yes");
    off.assert_contains("Disable: stopped")
        .assert_contains("packagecloud-ctl reconfigure && packagecloud-ctl restart");
    assert_eq!(host.read_values()["cloudfront_enabled"], false);
}

#[test]
fn preparing_goes_live_later_and_leaves_on_what_is_on() {
    let host = JourneyHost::new();
    host.run_successfully("enable --prepare --yes").assert_contains("nothing is live yet");
    assert_eq!(host.read_values()["cloudfront_enabled"], serde_json::Value::Null);
    host.run_successfully("verify --all").assert_contains("302 to S3");
    let backups = host.backup_names().len();
    host.run_successfully("enable --yes")
        .assert_contains("Bootstrap: nothing to do")
        .assert_contains("Go live: done");
    assert_eq!(host.backup_names().len(), backups + 1, "going live alone changed the file");
    host.run_successfully("enable --prepare --yes")
        .assert_contains("CloudFront is on already; this left it on");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
}

#[test]
fn what_the_edge_accepts_is_what_the_version_holds_that_it_carries() {
    let host = JourneyHost::new();
    host.run_successfully("enable --prepare --yes");
    let first = host.run_successfully("bootstrap-cloudfront --yes").out;
    let first = first.split_whitespace().find(|word| word.starts_with("arn:")).unwrap().to_owned();
    assert!(first.ends_with(":1"), "{first}");
    host.run_successfully("enable --prepare --construction raw:path+expires --yes");
    host.run_successfully("enable --prepare --yes").assert_contains("Bootstrap: nothing to do");
    host.run_successfully(&format!("roll-back --edge {first} --yes"));
    // The newest version holds another construction; nobody said that it shall be that again.
    let again = host.run_successfully("enable --yes");
    again
        .assert_contains("Bootstrap: nothing to do")
        .assert_contains("Distribution: nothing to do")
        .assert_contains("Go live: done");
    host.run_successfully("verify --all").assert_contains("10 of 10 redirects go to CloudFront");
}

#[test]
fn what_reading_can_not_tell_is_switched_off_by_the_last_line_and_on_only_with_consent() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let before = host.config_text() + "from_file '/etc/packagecloud/local.rb' if ENV['LOCAL']\n";
    host.write_config(&before);
    host.run_successfully("disable --yes").assert_contains("off since");
    let line = "packagecloud_rails['cloudfront_enabled'] = false # packagecloud-cloudfront: overrides line ";
    let added = host.config_text().strip_prefix(&before).map(str::to_owned).unwrap();
    assert!(added.starts_with(line) && added.lines().count() == 1, "{added}");
    host.run_successfully("disable --yes").assert_contains("nothing to do");

    let refused = host.run_line("enable --yes");
    assert_eq!(refused.code, 2, "{refused:#?}");
    refused.assert_contains("from_file").assert_contains("--override-expression");
    host.run_successfully("enable --yes --override-expression");
    assert_eq!(
        host.config_text().matches("['cloudfront_enabled'] = true # packagecloud-cloudfront").count(),
        1
    );
    host.run_successfully("disable --yes");
    let backup = host.backup_names().into_iter().next().unwrap();
    host.run_successfully(&format!("roll-back {backup} --whole-file --yes"));
}

#[test]
fn what_the_last_reconfigure_wrote_down_is_a_second_witness() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.write_config(&(host.config_text() + "nginx['x'] = 1\n"));
    let running = host.sandbox_path().join("packagecloud-server-running.json");
    std::fs::write(&running, r#"{"packagecloud":{"packagecloud-rails":{"cloudfront_enabled":true}}}"#)
        .unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_hours(1);
    std::fs::File::options().write(true).open(&running).unwrap().set_modified(later).unwrap();
    host.run_successfully("disable --yes")
        .assert_contains("packagecloud-server-running.json says that the reconfigure has CloudFront on")
        .assert_contains("off since");
    let text = host.config_text();
    assert!(
        text.lines().last().unwrap().starts_with("packagecloud_rails['cloudfront_enabled'] = false #"),
        "{text}"
    );
}

#[test]
fn what_the_last_reconfigure_wrote_down_counts_where_the_file_says_off_and_no_longer_than_it_is_newer() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    host.write_config(&(host.config_text() + "nginx['x'] = 1\n"));
    let before = host.config_text();
    let running = host.sandbox_path().join("packagecloud-server-running.json");
    std::fs::write(&running, r#"{"packagecloud":{"packagecloud-rails":{"cloudfront_enabled":true}}}"#)
        .unwrap();
    let set_time = |time| {
        std::fs::File::options().write(true).open(&running).unwrap().set_modified(time).unwrap();
    };
    let (now, hour) = (std::time::SystemTime::now(), std::time::Duration::from_hours(1));
    set_time(now - hour);
    host.run_successfully("disable --yes").assert_contains("nothing to do");
    assert_eq!(host.config_text(), before, "it tells of a file that stood there before");
    set_time(now + hour);
    host.run_successfully("disable --yes")
        .assert_contains("packagecloud-server-running.json says that the reconfigure has CloudFront on")
        .assert_contains("off since");
    let text = host.config_text();
    let added = text.strip_prefix(&before).unwrap_or_else(|| panic!("{text}"));
    assert!(added.starts_with("packagecloud_rails['cloudfront_enabled'] = false #"), "{text}");
}

/// A packagecloud-ctl whose reconfigure follows the file only where its last line is the marked one.
fn write_ctl_that_minds_the_last_line(host: &JourneyHost) -> String {
    let ctl = host.root_path().join("ctl");
    let text = format!(
        "#!/bin/sh\ncase $1.$(tail -n 1 '{}') in restart.* | *'= false # packagecloud-cloudfront'*) ;; *) exit 0 ;; esac\n\
         exec '{}' --sandbox='{}' --sandbox-pace 0 --yes \"$1\"\n",
        host.config_path().display(),
        env!("CARGO_BIN_EXE_packagecloud-cloudfront"),
        host.sandbox_path().display()
    );
    std::fs::write(&ctl, text).unwrap();
    std::fs::set_permissions(&ctl, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    format!("--ctl {} --state-dir {}", ctl.display(), host.root_path().join("outer").display())
}

/// The same file, off by the line that had it on; one in a comment stays.
fn switch_off_in_place(text: &str) -> String {
    let line = "\npackagecloud_rails['cloudfront_enabled'] = ";
    text.replace(&format!("{line}true"), &format!("{line}false"))
}

#[test]
fn where_redirects_go_on_the_line_is_put_last_before_any_other_node_is_blamed() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.write_config(&(host.config_text() + "nginx['x'] = 1\n"));
    let before = host.config_text();
    let options = write_ctl_that_minds_the_last_line(&host);
    host.run_successfully(&format!("{options} disable --yes"))
        .assert_contains("redirects still go to CloudFront: writing the line to the end of")
        .assert_contains("off since");
    let off = switch_off_in_place(&before);
    let text = host.config_text();
    let added = text.strip_prefix(&off).unwrap_or_else(|| panic!("{text}"));
    assert!(added.starts_with("packagecloud_rails['cloudfront_enabled'] = false #"), "{text}");
    host.run_successfully("verify --all")
        .assert_contains("CloudFront is off: packagecloud answers 302 to S3");
}

#[test]
fn where_chef_keeps_the_file_no_line_is_put_last_as_it_would_win_each_time() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.write_config(&format!("# Generated by Chef for web1\n{}nginx['x'] = 1\n", host.config_text()));
    let off = switch_off_in_place(&host.config_text());
    let options = write_ctl_that_minds_the_last_line(&host);
    let ran = host.run_line(&format!("{options} disable --yes"));
    assert_eq!(ran.code, 3, "{ran:#?}");
    ran.assert_contains("chef manages this host");
    assert_eq!(host.config_text(), off);
}

#[test]
fn what_a_roll_back_restored_is_off_again_where_it_does_not_go_live() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let text = host.config_text();
    let line = text.lines().find(|line| line.starts_with("packagecloud_rails['cloudfront_secret']")).unwrap();
    let secret = line.split('\'').nth(3).unwrap().to_owned();
    host.run_successfully("disable --yes");
    let list = host.run_successfully("roll-back").out;
    let newest = list.lines().next().unwrap().split("  ").next().unwrap().to_owned();
    // The edge accepts the secret of before alone; with this one, each link would be refused.
    let other = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    host.write_config(&host.config_text().replace(&secret, other));
    let failed = host.run_line(&format!("roll-back {newest} --yes"));
    assert_ne!(failed.code, 0, "{failed:#?}");
    failed.assert_contains("packagecloud.rb says cloudfront_enabled = false: the backup has CloudFront on");
    assert!(host.config_text().contains("packagecloud_rails['cloudfront_enabled'] = false"));
    let status = host.run_line("status");
    assert!(!status.out.contains("packagecloud-ctl reconfigure"), "{status:#?}");

    // With its own secret it goes live, and is verified.
    host.write_config(&host.config_text().replace(other, &secret));
    host.run_successfully(&format!("roll-back {newest} --yes"))
        .assert_contains("Go live: done")
        .assert_contains("10 of 10");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);
}

#[test]
fn a_roll_back_on_a_managed_host_asks_first() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    let list = host.run_successfully("roll-back").out;
    let newest = list.lines().next().unwrap().split("  ").next().unwrap().to_owned();
    let managed = format!("# This file is managed by Puppet\n{}", host.config_text());
    host.write_config(&managed);
    let refused = host.run_line(&format!("roll-back {newest} --yes"));
    assert_eq!(refused.code, 2, "{refused:#?}");
    refused.assert_contains("Puppet").assert_contains("--managed");
    assert_eq!(host.config_text(), managed);
    host.run_successfully(&format!("roll-back {newest} --yes --managed write"))
        .assert_contains("Go live: done");
}
