//! Each fault of a link with its own verdict and next move.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::model::{
    run::check::CheckVerdict,
    secret::Secret,
    url::token::{TokenMacAlgorithm, inspect_url, sign_packages_url},
};

const NOW: u64 = 1_800_000_000;
const KEY: &str = "7/8/debian/package_files/97310.deb";

fn new_secret(byte: u8) -> Secret {
    Secret::new(STANDARD.encode([byte; 32]))
}

fn sign_link(secret: &Secret, expires: u64) -> String {
    let accepted = UrlTokenConstruction::default();
    let key = accepted.key.derive_hmac_key(secret).unwrap();
    sign_packages_url(&key, KEY, expires, TokenMacAlgorithm::Sha1, accepted, "d1.cloudfront.net")
}

fn build_facts(url: &str, secrets: &[Secret]) -> LinkFacts {
    let accepted = UrlTokenConstruction::default();
    let inspected = inspect_url(url, secrets, NOW, accepted);
    LinkFacts {
        signer: inspected.key.map(|_| "packagecloud.rb".to_owned()),
        is_signer_accepted: inspected.key.map(|_| true),
        inspected,
        accepted,
        destination: LinkDestination::PackagesDomain,
        packages_domain: Some("d1.cloudfront.net".to_owned()),
        object: LinkedObject::Present,
        reply: LinkReply::NotAsked("no network".to_owned()),
        unreadable_config: None,
        redirect: None,
    }
}

/// Holds each link, by its name, to the verdict, and to a part of why and of the next move.
fn assert_verdicts(cases: Vec<(&str, LinkFacts, CheckVerdict, &str, &str)>) {
    for (name, facts, result, why, next) in cases {
        let verdict = facts.explain_link().verdict;
        assert_eq!(verdict.result, result, "{name}: {verdict:?}");
        assert!(verdict.detail.contains(why), "{name}: {verdict:?}");
        assert!(verdict.next.contains(next), "{name}: {verdict:?}");
    }
}

#[test]
fn each_fault_of_a_link_has_its_own_verdict_and_next_move() {
    use CheckVerdict::{Fail, Pass};
    let (ours, other) = (new_secret(1), new_secret(2));
    let good = sign_link(&ours, NOW + 100);
    let link = |url: &str| build_facts(url, std::slice::from_ref(&ours));
    let served = || LinkFacts { reply: LinkReply::Served, ..link(&good) };
    let cases = [
        ("served", served(), Pass, "the link works now", "firewall"),
        ("expired", link(&sign_link(&ours, NOW - 7200)), Fail, "it expired 2 h ago", "ask packagecloud"),
        ("strange", link(&sign_link(&other, NOW + 100)), Fail, "no reached node holds", " verify"),
        ("bare", link(good.split('?').next().unwrap()), Fail, "no token", "ask packagecloud"),
        ("cut", link(&good[..good.len() - 3]), Fail, "damaged", "ask packagecloud"),
    ];
    assert_verdicts(cases.into());
}

#[test]
fn what_edge_bucket_and_packagecloud_answer_has_its_own_verdict() {
    use CheckVerdict::{Fail, Unknown};
    let ours = new_secret(1);
    let good = sign_link(&ours, NOW + 100);
    let link = |url: &str| build_facts(url, std::slice::from_ref(&ours));
    let refused =
        LinkReply::Refused { why: "S3 refuses CloudFront".to_owned(), next: "run: enable".to_owned() };
    let s3 = "https://b.s3.amazonaws.com/a?AWSAccessKeyId=A&Expires=1&Signature=x";
    let cases = [
        (
            "not accepted",
            LinkFacts { is_signer_accepted: Some(false), ..link(&good) },
            Fail,
            "the edge doesn't accept",
            " configuration --show-secret",
        ),
        ("refused", LinkFacts { reply: refused.clone(), ..link(&good) }, Fail, "S3 refuses", "run: enable"),
        (
            "absent",
            LinkFacts { reply: refused, object: LinkedObject::Absent, ..link(&good) },
            Fail,
            "doesn't hold this object",
            "apt-get update",
        ),
        ("404", LinkFacts { reply: LinkReply::NotFound, ..link(&good) }, Fail, "deleted", "apt-get update"),
        (
            "elsewhere",
            LinkFacts { destination: LinkDestination::OtherHost, ..link(&good) },
            Fail,
            "packages are served at",
            "ask packagecloud",
        ),
        (
            "S3",
            LinkFacts { destination: LinkDestination::Bucket, ..link(s3) },
            Fail,
            "a link to S3 that expired",
            "ask packagecloud",
        ),
        ("not asked", link(&good), Unknown, "nothing is wrong in the link", ""),
        ("no secret", build_facts(&good, &[]), Unknown, "without the secret", "--host"),
        (
            "packagecloud's",
            LinkFacts {
                destination: LinkDestination::Packagecloud,
                redirect: Some(("401 without a redirect".to_owned(), RedirectTarget::Elsewhere)),
                ..link("https://packages.example.com/a.deb")
            },
            Fail,
            "401",
            "read token",
        ),
    ];
    assert_verdicts(cases.into());
}

#[test]
fn a_broken_packagecloud_rb_is_named_with_what_to_do_and_no_secret_is_blamed() {
    let broken = Failure::new_generic_failure(
        "/etc/packagecloud/packagecloud.rb, line 12",
        "a quote is open",
        "close the quote in line 12",
    );
    let (ours, old) = (new_secret(1), new_secret(2));
    let good = sign_link(&ours, NOW + 100);
    for (name, secrets) in [("no secret", &[][..]), ("a backup's", &[old][..])] {
        let facts = LinkFacts { unreadable_config: Some(broken.clone()), ..build_facts(&good, secrets) };
        let LinkExplanation { findings, verdict } = facts.explain_link();
        assert_eq!(verdict.result, CheckVerdict::Unknown, "{name}: {verdict:?}");
        assert!(verdict.detail.contains("line 12: a quote is open"), "{name}: {verdict:?}");
        assert_eq!(verdict.next, "close the quote in line 12", "{name}");
        let file = findings.iter().find(|(label, _)| *label == "file");
        assert!(file.is_some_and(|(_, said)| said.contains("Next: close the quote")), "{findings:?}");
    }
    let served =
        LinkFacts { unreadable_config: Some(broken), reply: LinkReply::Served, ..build_facts(&good, &[]) };
    assert_eq!(served.explain_link().verdict.result, CheckVerdict::Pass, "the edge's answer decides");
}

#[test]
fn no_finding_repeats_the_token() {
    let ours = new_secret(1);
    let url = sign_link(&ours, NOW + 100);
    let token = url.rsplit('_').next().unwrap().to_owned();
    let explained = build_facts(&url, &[ours]).explain_link();
    assert!(explained.findings.iter().all(|(_, text)| !text.contains(&token)), "{explained:?}");
    assert!(explained.findings.iter().any(|(label, _)| *label == "object"));
}
