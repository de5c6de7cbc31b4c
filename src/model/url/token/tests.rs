//! The Rust side held to the vectors, and URLs explained as a table.

use serde_json::Value;

use super::*;
use crate::model::secret::Secret;

const SIGNED_URL_VECTORS: &str = include_str!("../../../../assets/signed-url-vectors.json");
const OBJECT_KEY: &str = "7/8/debian/package_files/97310.deb";
const NOW_UNIX_SECONDS: u64 = 1_618_409_000;

fn vector_cases() -> Vec<Value> {
    serde_json::from_str::<Value>(SIGNED_URL_VECTORS).unwrap()["cases"].as_array().unwrap().clone()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    for case in vector_cases() {
        let text = |name: &str| case["request"][name].as_str().unwrap().to_owned();
        let (uri, querystring, method, host) =
            (text("uri"), text("querystring"), text("method"), text("host"));
        let request = ViewerRequest { uri: &uri, querystring: &querystring, method: &method, host: &host };
        let keys: Vec<Vec<u8>> = case["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| hex::decode(key.as_str().unwrap()).unwrap())
            .collect();
        let construction = case["construction"].as_str().unwrap().parse().unwrap();
        let judged =
            match check_viewer_request_token(&request, &keys, case["now"].as_u64().unwrap(), construction) {
                Ok(uri) => serde_json::json!({ "ok": true, "uri": uri }),
                Err(refusal) => serde_json::json!({ "ok": false, "reason": refusal }),
            };
        assert_eq!(judged, case["expect"], "{}", case["name"]);
    }
}

#[test]
fn what_is_accepted_is_what_is_signed() {
    let mut signed = 0;
    for case in vector_cases().iter().filter(|case| case["expect"]["ok"] == true) {
        let text = |name: &str| case["request"][name].as_str().unwrap();
        let path = path::decode_uri_path(text("uri")).unwrap();
        let token = text("querystring").strip_prefix("t=").unwrap().to_lowercase();
        let mac = if token.len() == 51 { TokenMacAlgorithm::Sha1 } else { TokenMacAlgorithm::Sha256 };
        let construction = case["construction"].as_str().unwrap().parse().unwrap();
        let expires = token[..10].parse().unwrap();
        let fits = case["keys"].as_array().unwrap().iter().any(|key| {
            let key = hex::decode(key.as_str().unwrap()).unwrap();
            sign_url_token(&key, &path[1..], expires, mac, construction, text("host")) == token
        });
        assert!(fits, "{}", case["name"]);
        signed += 1;
    }
    assert!(signed > 100, "{signed}");
}

#[test]
fn a_signed_url_is_accepted_when_taken_apart_again() {
    let key = Secret::generate_cloudfront_secret(&[7; 16]).decode_base64_secret_key().unwrap();
    for construction in UrlTokenConstruction::list_url_token_constructions() {
        let url = sign_packages_url(
            &key,
            "7/8/é +~.deb",
            NOW_UNIX_SECONDS,
            TokenMacAlgorithm::Sha256,
            construction,
            "d1.cloudfront.net",
        );
        let (uri, querystring) =
            url.strip_prefix("https://d1.cloudfront.net").unwrap().split_once('?').unwrap();
        assert_eq!(uri, "/7/8/%C3%A9%20%2B~.deb");
        let request = ViewerRequest { uri, querystring, method: "HEAD", host: "d1.cloudfront.net" };
        assert_eq!(
            check_viewer_request_token(&request, &[&key], NOW_UNIX_SECONDS, construction).as_deref(),
            Ok(uri)
        );
    }
}

#[test]
fn a_url_of_every_scheme_is_named() {
    let base = "https://d111111abcdef8.cloudfront.net/7/8/a.deb";
    // {"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1618409761}}}]}
    let policy = "eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiKiIsIkNvbmRpdGlvbiI6eyJEYXRlTGVzc1RoYW4iOnsiQVdTOkVwb2NoVGltZSI6MTYxODQwOTc2MX19fV19";
    let sha1 = "t=1618409761_1fabb6aff7e359fe6a16219c85a8c685a9236b21";
    let table = [
        (sha1.to_owned(), UrlSigningScheme::PackagecloudSha1, None),
        (format!("{sha1}{}", "0".repeat(24)), UrlSigningScheme::PackagecloudSha256, None),
        ("Expires=1618409761&Signature=AB~CD&Key-Pair-Id=K2JC".to_owned(), UrlSigningScheme::CloudFrontCanned, Some("key pair K2JC")),
        (format!("Policy={policy}&Signature=AB&Key-Pair-Id=K2JC"), UrlSigningScheme::CloudFrontPolicy, Some("key pair K2JC")),
        ("AWSAccessKeyId=AKIA&Signature=A%2B&Expires=1618409761".to_owned(), UrlSigningScheme::S3SigV2, Some("access key AKIA")),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20210414%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20210414T141101Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=00".to_owned(),
            UrlSigningScheme::S3SigV4,
            Some("access key AKIA"),
        ),
    ];
    for (querystring, scheme, signer) in table {
        let found = inspect_url(
            &format!("{base}?{querystring}"),
            &[],
            NOW_UNIX_SECONDS,
            UrlTokenConstruction::default(),
        );
        assert_eq!(
            (found.scheme, found.expires, found.signer.as_deref()),
            (scheme, Some(1_618_409_761), signer),
            "{querystring}"
        );
        assert_eq!(
            (found.host.as_str(), found.path.as_str()),
            ("d111111abcdef8.cloudfront.net", "/7/8/a.deb")
        );
        assert!(found.refusal.is_some());
    }
    for (url, scheme, refusal) in [
        (base.to_owned(), UrlSigningScheme::Unsigned, EdgeTokenRefusal::MissingToken),
        (format!("{base}?t=1_2"), UrlSigningScheme::PackagecloudDamaged, EdgeTokenRefusal::MalformedToken),
        (format!("{base}?x=1"), UrlSigningScheme::Unsigned, EdgeTokenRefusal::MalformedToken),
        (
            "https://d111111abcdef8.cloudfront.net".to_owned(),
            UrlSigningScheme::Unsigned,
            EdgeTokenRefusal::BadPath,
        ),
        ("not a link".to_owned(), UrlSigningScheme::Unsigned, EdgeTokenRefusal::BadPath),
    ] {
        let found = inspect_url(&url, &[], NOW_UNIX_SECONDS, UrlTokenConstruction::default());
        assert_eq!((found.scheme, found.refusal), (scheme, Some(refusal)), "{url}");
    }
}

#[test]
fn inspecting_finds_the_secret_and_the_construction_that_fit() {
    let secrets: Vec<Secret> = (0..3).map(|byte| Secret::generate_cloudfront_secret(&[byte; 16])).collect();
    let accepted = UrlTokenConstruction::default();
    for construction in UrlTokenConstruction::list_url_token_constructions() {
        for (index, secret) in secrets.iter().enumerate() {
            let key = construction.key.derive_hmac_key(secret).unwrap();
            let url = sign_packages_url(
                &key,
                OBJECT_KEY,
                NOW_UNIX_SECONDS + 300,
                TokenMacAlgorithm::Sha1,
                construction,
                "d1.cloudfront.net",
            );
            let found = inspect_url(&format!(" {url}\n"), &secrets, NOW_UNIX_SECONDS, accepted);
            assert_eq!((found.key, found.construction), (Some(index), Some(construction)));
            let refusal = (construction != accepted).then_some(EdgeTokenRefusal::BadSignature);
            assert_eq!(found.refusal, refusal, "{construction}");
            let said = found
                .render_signed_url_inspection(accepted)
                .into_iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect::<Vec<_>>()
                .join("\n");
            assert!(!said.contains(&url[url.len() - 40..]), "no signature is repeated");
            assert_eq!(said.contains(&format!("--construction {construction}")), refusal.is_some(), "{said}");
            assert!(said.contains("(in 5 min)"), "{said}");
        }
    }
    let key = secrets[0].decode_base64_secret_key().unwrap();
    let url = sign_packages_url(
        &key,
        OBJECT_KEY,
        NOW_UNIX_SECONDS,
        TokenMacAlgorithm::Sha256,
        accepted,
        "d1.cloudfront.net",
    );
    let found = inspect_url(&url, &secrets, NOW_UNIX_SECONDS + 90, accepted);
    assert_eq!(
        (found.refusal, found.key),
        (Some(EdgeTokenRefusal::Expired), Some(0)),
        "who signed it is told all the same"
    );
    assert!(
        found
            .render_signed_url_inspection(accepted)
            .iter()
            .any(|(_, text)| text.contains("expired 90 s ago"))
    );
    assert_eq!(inspect_url(&url, &secrets[1..], NOW_UNIX_SECONDS, accepted).key, None);
    let unknown = inspect_url(&url, &[], NOW_UNIX_SECONDS, accepted).render_signed_url_inspection(accepted);
    assert!(unknown.contains(&("edge", "can't be told without the secret".to_owned())), "{unknown:?}");
    assert!(!unknown.iter().any(|(_, text)| text.contains("none of the secrets")), "{unknown:?}");
}

#[test]
fn a_link_carries_what_the_edge_lets_through_and_no_other_key() {
    for (key, carried) in [
        (OBJECT_KEY, true),
        ("7/8/a b+c%2F\u{e9}?#.deb", true),
        ("7/8/folder/", true),
        ("7/8/..deb", true),
        ("7/8/debian/package_files//tiny.deb", false),
        ("/7/8/a.deb", false),
        ("7/8/./a.deb", false),
        ("7/8/../a.deb", false),
        ("7/8/..", false),
        ("7/8/a\u{1}b.war", false),
        ("7/8/a\nb.war", false),
        ("7/8/a\u{7f}b.war", false),
        ("", false),
    ] {
        assert_eq!(can_link_carry_key(key), carried, "{key:?}");
    }
}
