//! The policies as tables: what stands stays, what is ours is found by meaning, what AWS would refuse is refused first.

use serde_json::json;

use super::*;
use crate::model::{aws::names::Suffix, iam::access::needs, run::goal::Goal};

fn names() -> Names {
    Names::new("pkgs", &Suffix::default())
}

const IDENTITY: Reader<'_> = Reader::Identity { id: "E1ABC", canonical_user: "c0ffee" };
const CONTROL: Reader<'_> =
    Reader::Distribution { arn: "arn:aws:cloudfront::123456789012:distribution/E9", account: "123456789012" };

#[test]
fn both_services_are_trusted_and_what_stood_stays() {
    assert!(trusts_both(&trust()));
    let vendor = json!({ "Version": "2012-10-17", "Id": "kept", "Statement": {
        "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": ["sts:AssumeRole"] } });
    assert!(!trusts_both(&vendor));
    let mended = trust_with_both(&vendor);
    assert!(trusts_both(&mended));
    assert_eq!(mended["Id"], "kept");
    assert_eq!(mended["Statement"][0], vendor["Statement"]);
    assert_eq!(mended["Statement"][1]["Principal"]["Service"], json!(["edgelambda.amazonaws.com"]));
    assert_eq!(trust_with_both(&mended), mended, "a second time changes nothing");

    let conditional = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "Service": SERVICES },
        "Action": "sts:AssumeRole", "Condition": { "Bool": { "aws:MultiFactorAuthPresent": true } } }] });
    assert!(!trusts_both(&conditional), "a condition may not hold for a service");
}

#[test]
fn the_key_is_for_the_role_under_the_context_and_root_never_decrypts() {
    let policy = key_policy(&names(), "arn:aws:iam::123456789012:role/r", "123456789012");
    let administer = policy["Statement"][0]["Action"].as_array().unwrap();
    for forbidden in ["kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:*", "kms:Create*"] {
        assert!(!administer.iter().any(|action| action == forbidden), "{forbidden}");
    }
    assert!(administer.iter().any(|action| action == "kms:PutKeyPolicy"), "or the key locks everyone out");
    let condition = &policy["Statement"][1]["Condition"];
    assert_eq!(condition["ArnEquals"]["aws:PrincipalArn"], "arn:aws:iam::123456789012:role/r");
    assert_eq!(condition["StringEquals"]["kms:EncryptionContext:packagecloud:enterprise"], "pkgs");
    let role = role_policy(&names(), "arn:k", "123456789012").to_string();
    assert!(!role.contains("s3:") && role.contains("arn:aws:logs:*:123456789012:"));
}

#[test]
fn a_bucket_policy_keeps_every_other_statement_and_its_order() {
    let standing = r#"{"Id":"x","Statement":[{"Sid":"B","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::pkgs/b"},{"Sid":"PackagecloudCloudFrontRead","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:*","Resource":"*"}],"Version":"2012-10-17"}"#;
    let old: Value = serde_json::from_str(standing).unwrap();
    let new: Value =
        serde_json::from_str(&merged_bucket_policy(Some(standing), &names(), IDENTITY).unwrap()).unwrap();
    assert_eq!(new["Id"], "x");
    assert_eq!(new["Statement"][0], old["Statement"][0]);
    assert_eq!(new["Statement"][1]["Principal"]["CanonicalUser"], "c0ffee", "ours is replaced in its place");
    assert_eq!(new["Statement"][2], old["Statement"][2]);
    assert_eq!(new["Statement"][3]["Sid"], "PackagecloudCloudFrontList");
    let again = new.to_string();
    assert_eq!(merged_bucket_policy(Some(&again), &names(), IDENTITY).unwrap(), again);
}

#[test]
fn a_grant_is_known_in_any_spelling() {
    let text = |reader| merged_bucket_policy(None, &names(), reader).unwrap();
    let arn = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1ABC";
    let spelled = text(IDENTITY).replace(r#"{"CanonicalUser":"c0ffee"}"#, &format!(r#"{{"AWS":"{arn}"}}"#));
    assert!(spelled.contains(arn), "the test replaces something");
    let one_element = spelled.replace(r#""s3:GetObject""#, r#"["s3:GetObject"]"#);
    for (policy, reader, granted) in [
        (text(IDENTITY), IDENTITY, true),
        (spelled.clone(), IDENTITY, true),
        (one_element, IDENTITY, true),
        (text(CONTROL), CONTROL, true),
        (text(CONTROL), IDENTITY, false),
        (spelled.replace("E1ABC", "E2"), IDENTITY, false),
        (text(CONTROL).replace("aws:SourceAccount", "aws:Other"), CONTROL, false),
        ("not json".to_owned(), IDENTITY, false),
    ] {
        assert_eq!(grants(Some(&policy), &names(), reader), granted, "{policy}");
    }
    assert!(!grants(None, &names(), IDENTITY));
}

#[test]
fn while_the_origin_access_changes_both_may_read_and_then_only_the_next() {
    let before = merged_bucket_policy(None, &names(), IDENTITY).unwrap();
    let both = bucket_policy_for_both(Some(&before), &names(), CONTROL).unwrap();
    assert!(grants(Some(&both), &names(), IDENTITY), "who read before still does: {both}");
    assert!(both.contains("PackagecloudCloudFrontReadNext") && both.contains("cloudfront.amazonaws.com"));
    assert!(moving(Some(&both), &names()) && !moving(Some(&before), &names()));
    // Broken off there and begun again it is the same; gone back to, the next reader's statements go.
    assert_eq!(bucket_policy_for_both(Some(&both), &names(), CONTROL).unwrap(), both);
    assert_eq!(merged_bucket_policy(Some(&both), &names(), IDENTITY).unwrap(), before);
    let after = merged_bucket_policy(Some(&both), &names(), CONTROL).unwrap();
    assert_eq!(after, merged_bucket_policy(None, &names(), CONTROL).unwrap());

    // Where another's statement lets the one before read, ours are free for the next.
    let vendors = before.replace("PackagecloudCloudFront", "Vendor");
    let both = bucket_policy_for_both(Some(&vendors), &names(), CONTROL).unwrap();
    assert!(both.contains("VendorRead") && grants(Some(&both), &names(), CONTROL));
    assert!(!moving(Some(&both), &names()));
    assert_eq!(merged_bucket_policy(Some(&both), &names(), CONTROL).unwrap(), both);
}

#[test]
fn a_statement_counts_under_whatever_sid_it_was_added() {
    let wanted = bucket_key_statement(&names(), "arn:aws:cloudfront::1:distribution/E1", "1");
    let mut by_hand = wanted.clone();
    by_hand["Sid"] = "Ours".into();
    by_hand["Action"] = json!(["kms:decrypt"]);
    assert!(says(&json!({ "Statement": [by_hand] }), &wanted));
    by_hand["Condition"] = json!({});
    assert!(!says(&json!({ "Statement": [by_hand] }), &wanted));
}

#[test]
fn what_s3_would_refuse_is_refused_first() {
    let deleted = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":["AROAEXAMPLEID12345678","*"]},"Action":"s3:*","Resource":"*"}]}"#;
    let failure = merged_bucket_policy(Some(deleted), &names(), IDENTITY).unwrap_err();
    assert!(failure.why.contains("AROAEXAMPLEID12345678"), "{failure}");
    let long = format!(r#"{{"Id":"{}","Statement":[]}}"#, "x".repeat(20 * 1024));
    assert!(merged_bucket_policy(Some(&long), &names(), IDENTITY).unwrap_err().why.contains("20480"));
    assert!(merged_bucket_policy(Some("{"), &names(), IDENTITY).unwrap_err().why.contains("JSON"));
}

#[test]
fn documents_are_the_same_by_meaning() {
    let one = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "AWS": "123456789012" },
        "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": true } } } });
    let other = json!({ "Statement": [{ "Action": ["s3:putobject", "s3:GetObject"], "Effect": "Allow", "Resource": ["*"],
        "Condition": { "Bool": { "aws:securetransport": ["true"] } },
        "Principal": { "AWS": ["arn:aws:iam::123456789012:root"] }, "Sid": "" }], "Version": "2012-10-17" });
    assert!(same(&one, &other));
    let mut denied = other.clone();
    denied["Statement"][0]["Effect"] = "Deny".into();
    assert!(!same(&one, &denied));
}

#[test]
fn the_policy_that_suffices_fits_and_names_every_need_once() {
    let names = Names::new(&"b".repeat(63), &"0123456789abcdef".parse().unwrap());
    for goal in [Goal::Install, Goal::Upgrade, Goal::RollBack] {
        let needs = needs(goal, &names, "123456789012");
        let text = least_privilege(&needs);
        assert!(text.len() <= 6144, "{goal:?}: {}", text.len());
        let document: Value = serde_json::from_str(&text).unwrap();
        for need in &needs {
            let covers = |one: &Value| {
                one["Resource"] == need.resource.as_str()
                    && one["Action"].as_array().unwrap().iter().any(|action| action == need.action)
            };
            assert!(document["Statement"].as_array().unwrap().iter().any(covers), "{}", need.action);
        }
    }
}
