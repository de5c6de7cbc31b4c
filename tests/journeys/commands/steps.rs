//! The vendor's steps as commands of their own, in the vendor's order, and what reads the result.
//!
//! Each prints what the next one needs.

use std::{io::Write, process::Stdio};

use super::journey_host::{JourneyHost, run_to_end};

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";

/// The secret, the function, the distribution, each by its command; the version's ARN.
fn run_vendor_steps(host: &JourneyHost) -> String {
    host.run_successfully("reindex-everything --yes").assert_contains("13 changed");
    host.run_successfully("generate-cloudfront-secret --yes").assert_contains("the secret is in");
    let next = host.run_successfully("bootstrap-cloudfront --yes").out;
    let (_, arn) =
        next.trim().split_once(" reconfigure-cloudfront-distribution ").unwrap_or_else(|| panic!("{next}"));
    let arn = arn.strip_suffix(" --yes").unwrap_or(arn);
    assert!(arn.ends_with(":function:packagecloud_cloudfront_auth:1"), "{arn}");
    let not_live = host.run_successfully(&format!("reconfigure-cloudfront-distribution {arn} --yes"));
    assert!(!not_live.out.contains("cloudfront_enabled"), "{not_live:#?}");
    not_live.assert_contains("packagecloud_rails['cloudfront_distribution_id'] = 'E");
    host.run_successfully("verify --all").assert_contains("CloudFront is off");
    arn.to_owned()
}

#[test]
fn the_vendors_order_ends_live() {
    let host = JourneyHost::new();
    let arn = run_vendor_steps(&host);
    let live = host.run_successfully(&format!("reconfigure-cloudfront-distribution {arn} --go-live --yes"));
    live.assert_contains("Go live: done — on since").assert_contains("To switch off: ");
    assert!(live.out.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{live:#?}");
    assert!(live.out.contains("packagecloud_rails['cloudfront_secret'] = '(hidden)'"), "{live:#?}");
    let verify = host.run_successfully("verify --all");
    assert!(verify.out.contains("packages come through CloudFront, and only with a token"), "{verify:#?}");
    host.run_successfully(&format!("reconfigure-cloudfront-distribution {arn} --yes"))
        .assert_contains("CloudFront is on already");
    host.run_successfully("reconfigure --yes");
    host.run_successfully("restart --yes");
    host.run_successfully("plan --goal upgrade");
}

#[test]
fn a_wrong_version_is_refused_before_anything_is_made() {
    let host = JourneyHost::new();
    host.run_successfully("generate-cloudfront-secret --yes");
    host.run_successfully("bootstrap-cloudfront --yes");
    let wrong = "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:7";
    let ran = host.run_line(&format!("reconfigure-cloudfront-distribution {wrong} --yes"));
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains(wrong).assert_contains(" bootstrap-cloudfront");
    for nonsense in
        ["nonsense", "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth"]
    {
        let ran = host.run_line(&format!("reconfigure-cloudfront-distribution {nonsense} --yes"));
        assert_eq!(ran.code, 2, "{ran:#?}");
        ran.assert_contains(nonsense)
            .assert_contains("give the one that this prints: ")
            .assert_contains(" bootstrap-cloudfront");
    }
    assert!(!host.config_text().contains("cloudfront_distribution_id"));
}

#[test]
fn the_block_is_printed_for_every_tool() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let secret = host.read_values()["cloudfront_secret"].as_str().unwrap().to_owned();
    for (format, holds) in [
        ("ruby", "packagecloud_rails['cloudfront_enabled'] = true"),
        ("json", "\"cloudfront_enabled\":true"),
        ("chef", "['cloudfront_enabled'] = true"),
        ("puppet", "file_line { 'packagecloud cloudfront_enabled':"),
        ("ansible", "ansible.builtin.lineinfile:"),
    ] {
        let hidden = host.run_successfully(&format!("configuration --format {format}"));
        assert!(hidden.out.contains(holds), "{hidden:#?}");
        assert!(hidden.out.contains("(hidden)") && !hidden.out.contains(&secret), "{hidden:#?}");
        let shown = host.run_successfully(&format!("configuration --format {format} --show-secret"));
        assert!(shown.out.contains(&secret) && !shown.out.contains("(hidden)"), "{shown:#?}");
        let named = host.run_successfully(&format!("--output json configuration --format {format}"));
        assert_eq!(named.out, hidden.out, "the format that is named wins over --output");
    }
    host.run_successfully("configuration --format json --show-secret");
}

#[test]
fn what_sign_signs_inspect_explains() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let url = host.run_successfully(&format!("sign {PACKAGE_KEY}")).out;
    let inspect = |url: &str| {
        let mut command = host.build_command();
        command.arg(format!("--sandbox={}", host.sandbox_path().display())).arg("inspect");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(url.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let accepted = inspect(&url);
    assert!(accepted.contains("accepts it") && accepted.contains("HMAC-SHA-256"), "{accepted}");
    let forged = inspect(&format!("{}0", &url.trim()[..url.trim().len() - 1]));
    let forged_too = inspect(&format!("{}1", &url.trim()[..url.trim().len() - 1]));
    assert!(format!("{forged}{forged_too}").contains("bad-signature"), "{forged}{forged_too}");
    assert_eq!(host.run_words(&["sign", ""]).code, 2);
    let plus = host.run_successfully("sign 7/8/debian/package_files/libstdc++-doc_1~rc1.deb").out;
    assert!(plus.contains("/7/8/debian/package_files/libstdc%2B%2B-doc_1~rc1.deb?t="), "{plus}");
}

#[test]
fn the_policy_is_json_that_fits_one_managed_policy() {
    let host = JourneyHost::new();
    let policy = host.run_successfully("check --policy");
    let document: serde_json::Value = serde_json::from_str(&policy.out).unwrap();
    assert_eq!(document["Version"], "2012-10-17");
    let characters = policy.out.chars().filter(|letter| !letter.is_whitespace()).count();
    assert!(characters <= 6144 && policy.out.trim_end().len() <= 6144, "{characters}");
    assert!(policy.err.contains("as a managed policy"), "{}", policy.err);
    let before =
        host.open_sandbox().read_sandbox_state_from_disk(|state| serde_json::to_string(&state.iam).unwrap());
    host.run_successfully("check --all");
    assert_eq!(
        host.open_sandbox().read_sandbox_state_from_disk(|state| serde_json::to_string(&state.iam).unwrap()),
        before
    );
}

#[test]
fn rolling_back_lists_and_restores_values_files_and_the_edge() {
    let host = JourneyHost::new();
    host.run_successfully("roll-back").assert_contains("There is no backup of packagecloud.rb");
    let first = host.config_text();
    let arn = run_vendor_steps(&host);
    host.run_successfully("enable --yes");
    let live = host.config_text();
    let list = host.run_successfully("roll-back").out;
    let names: Vec<&str> = list
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "{list}");
    assert!(list.contains("-packagecloud_rails['cloudfront_enabled'] = true"), "{list}");

    // The values as they were before the distribution; the secret that the edge holds stays.
    let secret = host.read_values()["cloudfront_secret"].clone();
    let off = host.run_successfully(&format!("roll-back {} --yes", names.last().unwrap()));
    off.assert_contains("packagecloud-ctl restart took")
        .assert_contains("CloudFront is off; packagecloud answers 302 to S3");
    let values = host.run_successfully("configuration --show-secret").out;
    assert!(!host.config_text().contains("\npackagecloud_rails['cloudfront_enabled']"));
    assert!(!host.config_text().contains("cloudfront_distribution_id"));
    assert!(values.contains(secret.as_str().unwrap()), "the secret that the edge holds stays: {values}");
    host.run_successfully("verify --all").assert_contains("302 to S3");

    // On again by a backup that has it on, behind the gate.
    host.run_successfully("enable --yes");
    assert_eq!(host.config_text(), live);
    host.run_successfully("disable --yes");
    let on = host.run_successfully("roll-back").out;
    let newest = on.lines().next().unwrap().split("  ").next().unwrap();
    host.run_successfully(&format!("roll-back {newest} --yes")).assert_contains("Go live: done");
    assert_eq!(host.read_values()["cloudfront_enabled"], true);

    // The whole file, byte for byte, as it was at first.
    host.run_successfully("disable --yes");
    host.run_successfully(&format!("roll-back {} --whole-file --yes", names.last().unwrap()));
    assert_eq!(host.config_text(), first);

    let missing = host.run_line("roll-back nowhere.bak --yes");
    assert_eq!(missing.code, 2);
    missing.assert_contains("there is no such backup");

    // The edge: a second version, and back to the first.
    host.write_config(&live);
    host.run_successfully("disable --yes");
    host.run_successfully("enable --construction raw:path+expires --prepare --yes").assert_contains(":2");
    host.run_successfully(&format!("roll-back --edge {arn} --yes")).assert_contains("is deployed");
    let wrong = host.run_line("roll-back --edge arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:9 --yes");
    assert_eq!(wrong.code, 1, "{wrong:#?}");
    wrong.assert_contains("there is no such function version");
}

#[test]
fn completions_and_the_manual_need_nothing() {
    let host = JourneyHost::new();
    for (line, holds) in [
        ("completions bash", "complete -F"),
        ("completions zsh", "#compdef packagecloud-cloudfront"),
        ("completions fish", "complete -c packagecloud-cloudfront"),
        ("man", ".TH packagecloud-cloudfront"),
        ("--output json man", ".TH packagecloud-cloudfront"),
    ] {
        let ran = run_to_end(host.build_command().args(line.split(' ')));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        assert!(ran.out.contains(holds), "{line}: {}", &ran.out[..200.min(ran.out.len())]);
    }
    assert!(!host.sandbox_path().exists());
}
