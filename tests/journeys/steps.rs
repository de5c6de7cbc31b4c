//! The vendor's steps as commands of their own, in the vendor's order, and what reads the result.
//!
//! Each prints what the next one needs.

use std::{io::Write, process::Stdio};

use crate::house::{House, ran};

const PACKAGE: &str = "1/2/ubuntu/package_files/97310.deb";

/// The secret, the function, the distribution, each by its command; the version's ARN.
fn by_hand(house: &House) -> String {
    house.done("reindex-everything --yes").says("13 changed");
    house.done("generate-cloudfront-secret --yes").says("the secret is in");
    let next = house.done("bootstrap-cloudfront --yes").out;
    let arn = next
        .trim()
        .strip_prefix("Next: packagecloud-cloudfront reconfigure-cloudfront-distribution ")
        .unwrap_or_else(|| panic!("{next}"));
    assert!(arn.ends_with(":function:packagecloud_cloudfront_auth:1"), "{arn}");
    let not_live = house.done(&format!("reconfigure-cloudfront-distribution {arn} --yes"));
    assert!(!not_live.out.contains("cloudfront_enabled"), "{not_live:#?}");
    not_live.says("packagecloud_rails['cloudfront_distribution_id'] = 'E");
    house.done("verify").says("CloudFront is off");
    arn.to_owned()
}

#[test]
fn the_vendors_order_ends_live() {
    let house = House::new();
    let arn = by_hand(&house);
    let live = house.done(&format!("reconfigure-cloudfront-distribution {arn} --go-live --yes"));
    live.says("Go live: done — on since").says("To switch off: packagecloud-cloudfront disable");
    assert!(live.out.contains("packagecloud_rails['cloudfront_enabled'] = true"), "{live:#?}");
    assert!(live.out.contains("packagecloud_rails['cloudfront_secret'] = '(hidden)'"), "{live:#?}");
    let verify = house.done("verify");
    assert!(verify.out.contains("packages come through CloudFront, and only with a token"), "{verify:#?}");
    house.done(&format!("reconfigure-cloudfront-distribution {arn} --yes")).says("CloudFront is on already");
    house.done("reconfigure --yes");
    house.done("restart --yes");
    house.done("plan --goal upgrade");
}

#[test]
fn a_wrong_version_is_refused_before_anything_is_made() {
    let house = House::new();
    house.done("generate-cloudfront-secret --yes");
    house.done("bootstrap-cloudfront --yes");
    let wrong = "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:7";
    let ran = house.run(&format!("reconfigure-cloudfront-distribution {wrong} --yes"));
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.says(wrong).says("run bootstrap-cloudfront");
    for nonsense in
        ["nonsense", "arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth"]
    {
        let ran = house.run(&format!("reconfigure-cloudfront-distribution {nonsense} --yes"));
        assert_eq!(ran.code, 2, "{ran:#?}");
        ran.says(nonsense).says("bootstrap-cloudfront printed");
    }
    assert!(!house.config_text().contains("cloudfront_distribution_id"));
}

#[test]
fn the_block_is_printed_for_every_tool() {
    let house = House::new();
    house.done("enable --yes");
    let secret = house.values()["cloudfront_secret"].as_str().unwrap().to_owned();
    for (format, holds) in [
        ("ruby", "packagecloud_rails['cloudfront_enabled'] = true"),
        ("json", "\"cloudfront_enabled\":true"),
        ("chef", "['cloudfront_enabled'] = true"),
        ("puppet", "file_line { 'packagecloud cloudfront_enabled':"),
        ("ansible", "ansible.builtin.lineinfile:"),
    ] {
        let hidden = house.done(&format!("configuration --format {format}"));
        assert!(hidden.out.contains(holds), "{hidden:#?}");
        assert!(hidden.out.contains("(hidden)") && !hidden.out.contains(&secret), "{hidden:#?}");
        let shown = house.done(&format!("configuration --format {format} --show-secret"));
        assert!(shown.out.contains(&secret) && !shown.out.contains("(hidden)"), "{shown:#?}");
    }
    house.done("configuration --format json --show-secret");
}

#[test]
fn what_sign_signs_inspect_explains() {
    let house = House::new();
    house.done("enable --yes");
    let url = house.done(&format!("sign {PACKAGE}")).out;
    let inspect = |url: &str| {
        let mut command = house.command();
        command.arg(format!("--sandbox={}", house.sandbox().display())).arg("inspect");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(url.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let accepted = inspect(&url);
    assert!(accepted.contains("accepts it") && accepted.contains("HMAC-SHA-256"), "{accepted}");
    let forged = inspect(&format!("{}0", &url.trim()[..url.trim().len() - 1]));
    let forged_too = inspect(&format!("{}1", &url.trim()[..url.trim().len() - 1]));
    assert!(format!("{forged}{forged_too}").contains("bad-signature"), "{forged}{forged_too}");
    assert_eq!(house.run_words(&["sign", ""]).code, 2);
    let plus = house.done("sign 7/8/debian/package_files/libstdc++-doc_1~rc1.deb").out;
    assert!(plus.contains("/7/8/debian/package_files/libstdc%2B%2B-doc_1~rc1.deb?t="), "{plus}");
}

#[test]
fn the_policy_is_json_that_fits_one_managed_policy() {
    let house = House::new();
    let policy = house.done("check --policy");
    let document: serde_json::Value = serde_json::from_str(&policy.out).unwrap();
    assert_eq!(document["Version"], "2012-10-17");
    let characters = policy.out.chars().filter(|letter| !letter.is_whitespace()).count();
    assert!(characters <= 6144 && policy.out.trim_end().len() <= 6144, "{characters}");
    let before = house.world().read(|state| serde_json::to_string(&state.iam).unwrap());
    house.done("check");
    assert_eq!(house.world().read(|state| serde_json::to_string(&state.iam).unwrap()), before);
}

#[test]
fn rolling_back_lists_and_restores_values_files_and_the_edge() {
    let house = House::new();
    house.done("roll-back").says("There is no backup of packagecloud.rb");
    let first = house.config_text();
    let arn = by_hand(&house);
    house.done("enable --yes");
    let live = house.config_text();
    let list = house.done("roll-back").out;
    let names: Vec<&str> = list
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "{list}");
    assert!(list.contains("-packagecloud_rails['cloudfront_enabled'] = true"), "{list}");

    // The values as they were before the distribution; the secret that the edge holds stays.
    let secret = house.values()["cloudfront_secret"].clone();
    let off = house.done(&format!("roll-back {} --yes", names.last().unwrap()));
    off.says("packagecloud-ctl restart took").says("CloudFront is off; packagecloud answers 302 to S3");
    let values = house.done("configuration --show-secret").out;
    assert!(!house.config_text().contains("\npackagecloud_rails['cloudfront_enabled']"));
    assert!(!house.config_text().contains("cloudfront_distribution_id"));
    assert!(values.contains(secret.as_str().unwrap()), "the secret that the edge holds stays: {values}");
    house.done("verify").says("302 to S3");

    // On again by a backup that has it on, behind the gate.
    house.done("enable --yes");
    assert_eq!(house.config_text(), live);
    house.done("disable --yes");
    let on = house.done("roll-back").out;
    let newest = on.lines().next().unwrap().split("  ").next().unwrap();
    house.done(&format!("roll-back {newest} --yes")).says("Go live: done");
    assert_eq!(house.values()["cloudfront_enabled"], true);

    // The whole file, byte for byte, as it was at first.
    house.done("disable --yes");
    house.done(&format!("roll-back {} --whole-file --yes", names.last().unwrap()));
    assert_eq!(house.config_text(), first);

    let missing = house.run("roll-back nowhere.bak --yes");
    assert_eq!(missing.code, 2);
    missing.says("there is no such backup");

    // The edge: a second version, and back to the first.
    house.set_config(&live);
    house.done("disable --yes");
    house.done("enable --construction raw:path+expires --prepare --yes").says(":2");
    house.done(&format!("roll-back --edge {arn} --yes")).says("is deployed");
    let wrong = house.run("roll-back --edge arn:aws:lambda:us-east-1:999999999999:function:packagecloud_cloudfront_auth:9 --yes");
    assert_eq!(wrong.code, 1, "{wrong:#?}");
    wrong.says("there is no such function version");
}

#[test]
fn completions_and_the_manual_need_nothing() {
    let house = House::new();
    for (line, holds) in [
        ("completions bash", "complete -F"),
        ("completions zsh", "#compdef packagecloud-cloudfront"),
        ("completions fish", "complete -c packagecloud-cloudfront"),
        ("man", ".TH packagecloud-cloudfront"),
        ("--output json man", ".TH packagecloud-cloudfront"),
    ] {
        let ran = ran(house.command().args(line.split(' ')));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{line}");
        assert!(ran.out.contains(holds), "{line}: {}", &ran.out[..200.min(ran.out.len())]);
    }
    assert!(!house.sandbox().exists());
}
