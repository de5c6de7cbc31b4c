//! A plan that is kept and approved, and then made just so: `plan --out`, `enable --plan`.

use std::fs;

use packagecloud_cloudfront::sandbox::seed::BACKUP_BUCKET;
use serde_json::Value;

use super::journey_host::{JourneyHost, JourneyRun};

/// A host whose plan of an upgrade is kept, and where.
fn host_with_kept_plan() -> (JourneyHost, String) {
    let host = JourneyHost::new();
    let path = host.root_path().join("plan.json").display().to_string();
    let ran = host.run_words(&["plan", "--goal", "upgrade", "--out", &path]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    ran.assert_contains(&format!("enable --plan {path}"));
    (host, path)
}

fn make(host: &JourneyHost, path: &str) -> JourneyRun {
    host.run_words(&["enable", "--plan", path, "--yes"])
}

/// Refused with one sentence and a next move, and nothing is made.
#[track_caller]
fn assert_refused(host: &JourneyHost, path: &str, code: i32, says: &str) {
    let before = host.config_text();
    let ran = make(host, path);
    assert_eq!(ran.code, code, "{ran:#?}");
    ran.assert_contains(says);
    assert_eq!(ran.err.matches("next: ").count(), 1, "{ran:#?}");
    assert!(ran.err.contains(" --out "), "{ran:#?}");
    assert_eq!(host.config_text(), before);
}

#[test]
fn what_was_kept_is_made_just_so_and_once() {
    let (host, path) = host_with_kept_plan();
    let kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(kept["goal"], "upgrade");
    assert!(kept["changes"].as_array().unwrap().len() > 10, "{kept:#}");
    let ran = host.run_words(&["enable", "--plan", &path]);
    assert_eq!(ran.code, 2, "without a yes nothing is made: {ran:#?}");
    let ran = make(&host, &path);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(host.read_values()["cloudfront_enabled"] == true);
    let again = make(&host, &path);
    assert_eq!(again.code, 0, "all of it stands: {again:#?}");
    again.assert_contains("nothing to do");
}

#[test]
fn broken_off_it_goes_on_with_what_is_left() {
    let (host, path) = host_with_kept_plan();
    let broken = host.run_words(&[
        "--sandbox-fault",
        "cloudfront:CreateDistributionWithTags:*:deny",
        "enable",
        "--plan",
        &path,
        "--yes",
    ]);
    assert_eq!(broken.code, 1, "{broken:#?}");
    let ran = make(&host, &path);
    assert_eq!(ran.code, 0, "{ran:#?}");
}

#[test]
fn a_plan_of_something_else_or_that_reality_left_behind_is_refused() {
    let (host, path) = host_with_kept_plan();
    let text = fs::read_to_string(&path).unwrap();
    let other = host.root_path().join("other.json").display().to_string();
    let account = "999999999999";
    for (text, code, says) in [
        (
            text.replace(&format!("\"account\": \"{account}\""), "\"account\": \"111111111111\""),
            1,
            "it was made for account 111111111111, and this is account 999999999999",
        ),
        (text.replace("\"version\": \"", "\"version\": \"9"), 1, "it was made for version 9"),
        (text.replace("/sandbox/packagecloud.rb", "/other/packagecloud.rb"), 1, "it was made for the file "),
        (text[..text.len() / 2].to_owned(), 2, "it ends in its middle"),
        (String::new(), 2, "it ends in its middle"),
        ("{\"type\":\"version\"}".to_owned(), 2, "it holds no plan of this program"),
        ("packagecloud_rails['x'] = 1\n".to_owned(), 2, "it holds no plan of this program"),
        (text.replace("\"format\": 1", "\"format\": 7"), 2, "its format is 7"),
        (
            text.replace("\"goal\": \"upgrade\"", "\"goal\": \"conquer\""),
            2,
            "it holds no plan of this program",
        ),
    ] {
        fs::write(&other, text).unwrap();
        assert_refused(&host, &other, code, says);
    }
    assert_refused(&host, &host.root_path().display().to_string(), 2, "directory");
    assert_refused(&host, "/nowhere/plan.json", 2, "No such file");
    // Reality goes on: somebody makes a part of it.
    host.run_successfully("generate-cloudfront-secret --yes");
    assert_refused(&host, &path, 1, "is planned, and not to be done any more");
    let ran = host.run_words(&["plan", "--goal", "upgrade", "--out", &path]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert_eq!(make(&host, &path).code, 0);
    // And somebody takes a part of it back.
    fs::write(
        host.config_path(),
        host.config_text().replace("cloudfront_enabled'] = true", "cloudfront_enabled'] = false"),
    )
    .unwrap();
    assert_refused(&host, &path, 1, "is planned, and not to be done any more");
}

#[test]
fn options_that_contradict_the_plan_are_refused() {
    let (host, path) = host_with_kept_plan();
    for (words, code, says) in [
        (&["--name-suffix", "two"][..], 2, "was made with none"),
        (&["--origin-access", "oac"], 2, "was made with auto"),
        (&["--packages-domain", "p.example.com"], 2, "was made with none"),
        (&["--bucket", BACKUP_BUCKET], 1, "it was made for bucket packagecloud-sandbox-"),
        (&["--upgrade"], 2, "cannot be used with"),
    ] {
        let ran = host.run_words(&[&["enable", "--plan", &path, "--yes"], words].concat());
        assert_eq!(ran.code, code, "{words:?}: {ran:#?}");
        ran.assert_contains(says);
    }
    let ran = host.run_words(&["plan", "--goal", "disable", "--out", &path]);
    assert_eq!(ran.code, 2, "{ran:#?}");
    let ran = host.run_words(&["plan", "--out", "/dev/null"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.assert_contains("something is there that is no file");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn what_is_written_stands_in_the_change_lines_and_no_secret_anywhere() {
    let host = JourneyHost::new();
    host.run_successfully("generate-cloudfront-secret --yes");
    let secret = host.read_values()["cloudfront_secret"].as_str().unwrap().to_owned();
    let path = host.root_path().join("plan.json").display().to_string();
    let ran = host.run_words(&["plan", "--out", &path, "--output", "json"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    let lines = ran.json_lines();
    let document = |step: &str| {
        let line = lines.iter().find(|line| line["type"] == "change" && line["step"] == step);
        line.unwrap_or_else(|| panic!("no {step} in {ran:#?}"))["document"].as_str().map(str::to_owned)
    };
    for (step, words) in [
        ("role", "edgelambda.amazonaws.com"),
        ("role-policy", "kms:Decrypt"),
        ("key-policy", "aws:PrincipalArn"),
        ("bucket-policy", "PackagecloudCloudFrontRead"),
        ("distribution", "viewer-request: <ARN of the new version>"),
        ("switch", "+packagecloud_rails['cloudfront_enabled'] = true"),
    ] {
        let text = document(step).unwrap_or_else(|| panic!("no document of {step} in {ran:#?}"));
        assert!(text.contains(words), "{step}: {text}");
    }
    assert_eq!(document("key-alias"), None);
    let kept = fs::read_to_string(&path).unwrap();
    for text in [&ran.out, &ran.err, &kept] {
        assert!(!text.contains(&secret), "{text}");
    }
}
