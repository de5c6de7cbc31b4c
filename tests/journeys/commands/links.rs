//! A customer's link explained: why it answers 403, asked of edge, bucket and packagecloud, with one verdict and one next move.

use serde_json::Value;

use super::journey_host::{JourneyHost, JourneyRun};

const PACKAGE_KEY: &str = "1/2/ubuntu/package_files/97310.deb";

/// Explains a link, and returns the run after it was held to the verdict's parts.
#[track_caller]
fn inspect_link(host: &JourneyHost, url: &str, code: i32, parts: &[&str]) -> JourneyRun {
    let ran = host.run_words(&["inspect", url]);
    assert_eq!(ran.code, code, "{url}: {ran:#?}");
    for part in parts {
        assert!(ran.out.contains(part), "{url}: {part:?} isn't in {}", ran.out);
    }
    ran
}

#[test]
fn a_customers_link_is_explained_with_one_verdict() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let sign = |key: &str| host.run_successfully(&format!("sign {key}")).out.trim().to_owned();
    let url = sign(PACKAGE_KEY);

    inspect_link(
        &host,
        &url,
        0,
        &["the link works now", "the bucket holds it", "served", "the edge accepts it"],
    );
    let absent = sign("1/2/ubuntu/package_files/1.deb");
    inspect_link(&host, &absent, 3, &["the bucket doesn't hold it", "404", "apt-get update"]);
    let moved = absent.replace("/1.deb", "/97310.deb");
    inspect_link(&host, &moved, 3, &["bad-signature", "ask packagecloud for a new link"]);
    inspect_link(&host, url.split('?').next().unwrap(), 3, &["it has no token"]);
    inspect_link(&host, &url[..url.len() - 2], 3, &["its token is damaged"]);
    let (_, token) = url.split_once("?t=").unwrap();
    let old = url.replace(token, &token.replacen(&token[..10], "1700000000", 1));
    inspect_link(&host, &old, 3, &["it expired", "ask packagecloud's own address again"]);
    let elsewhere = url.replace("https://", "https://x");
    inspect_link(&host, &elsewhere, 3, &["and packages are served at"]);
    let asked = format!("https://packagecloud.sandbox/{PACKAGE_KEY}");
    inspect_link(&host, &asked, 0, &["answers this address with a link", "HMAC-SHA-1", "the link works now"]);

    let lines = host.run_words(&["--output", "json", "inspect", &old]).json_lines();
    let verdicts: Vec<&Value> = lines.iter().filter(|line| line["name"] == "verdict").collect();
    assert_eq!(verdicts.len(), 1, "{lines:?}");
    assert_eq!((&verdicts[0]["type"], &verdicts[0]["result"]), (&"check".into(), &"fail".into()));

    host.run_successfully("disable --yes");
    inspect_link(&host, &asked, 0, &["Signature Version 2", "the bucket at S3", "the link works now"]);
    inspect_link(&host, &url, 0, &["packagecloud answers 302 to S3", "the link works now"]);
}

#[test]
fn a_link_is_explained_without_aws() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let url = host.run_successfully(&format!("sign {PACKAGE_KEY}")).out.trim().to_owned();
    let denied = ["--sandbox-fault", "sts:*:deny", "inspect", &url];
    let ran = host.run_words(&denied);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for part in
        ["the current secret", "not asked: the bucket can't be reached from here", "the link works now"]
    {
        assert!(ran.out.contains(part), "{part:?} isn't in {}", ran.out);
    }
}
