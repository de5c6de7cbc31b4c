//! The policies as tables: what stands stays, what is ours is found by meaning, what AWS would refuse is refused first.

use serde_json::json;

use super::*;
use crate::model::aws::names::ResourceNameSuffix;

fn sample_names() -> ResourceNames {
    ResourceNames::new("pkgs", &ResourceNameSuffix::default())
}

const IDENTITY_READER: CloudFrontBucketReader<'_> =
    CloudFrontBucketReader::Identity { id: "E1ABC", canonical_user: "c0ffee" };
const DISTRIBUTION_READER: CloudFrontBucketReader<'_> =
    CloudFrontBucketReader::Distribution { arn: "arn:aws:cloudfront::123456789012:distribution/E9" };

#[test]
fn both_services_are_trusted_and_what_stood_stays() {
    assert!(trusts_lambda_and_edgelambda(&build_function_trust_policy()));
    let vendor = json!({ "Version": "2012-10-17", "Id": "kept", "Statement": {
        "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": ["sts:AssumeRole"] } });
    assert!(!trusts_lambda_and_edgelambda(&vendor));
    let mended = add_missing_trusted_services(&vendor);
    assert!(trusts_lambda_and_edgelambda(&mended));
    assert_eq!(mended["Id"], "kept");
    assert_eq!(mended["Statement"][0], vendor["Statement"]);
    assert_eq!(mended["Statement"][1]["Principal"]["Service"], json!(["edgelambda.amazonaws.com"]));
    assert_eq!(add_missing_trusted_services(&mended), mended, "a second time changes nothing");

    let conditional = json!({ "Statement": [{ "Effect": "Allow", "Principal": { "Service": TRUSTED_SERVICES },
        "Action": "sts:AssumeRole", "Condition": { "Bool": { "aws:MultiFactorAuthPresent": true } } }] });
    assert!(!trusts_lambda_and_edgelambda(&conditional), "a condition may not hold for a service");
}

#[test]
fn the_key_is_for_the_role_under_the_context_and_root_never_decrypts() {
    let policy = build_kms_key_policy(&sample_names(), "arn:aws:iam::123456789012:role/r", "123456789012");
    let administer = policy["Statement"][0]["Action"].as_array().unwrap();
    for forbidden in ["kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:*", "kms:Create*"] {
        assert!(!administer.iter().any(|action| action == forbidden), "{forbidden}");
    }
    assert!(administer.iter().any(|action| action == "kms:PutKeyPolicy"), "or the key locks everyone out");
    let condition = &policy["Statement"][1]["Condition"];
    assert_eq!(condition["ArnEquals"]["aws:PrincipalArn"], "arn:aws:iam::123456789012:role/r");
    assert_eq!(condition["StringEquals"]["kms:EncryptionContext:packagecloud:enterprise"], "pkgs");
    let role = build_function_role_policy(&sample_names(), "arn:k", "123456789012").to_string();
    assert!(!role.contains("s3:") && role.contains("arn:aws:logs:*:123456789012:"));
}

#[test]
fn a_bucket_policy_keeps_every_other_statement_and_its_order() {
    let standing = r#"{"Id":"x","Statement":[{"Sid":"B","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::pkgs/b"},{"Sid":"PackagecloudCloudFrontRead","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:*","Resource":"*"}],"Version":"2012-10-17"}"#;
    let old: Value = serde_json::from_str(standing).unwrap();
    let new: Value =
        serde_json::from_str(&merge_bucket_policy(Some(standing), &sample_names(), IDENTITY_READER).unwrap())
            .unwrap();
    assert_eq!(new["Id"], "x");
    assert_eq!(new["Statement"][0], old["Statement"][0]);
    assert_eq!(new["Statement"][1]["Principal"]["CanonicalUser"], "c0ffee", "ours is replaced in its place");
    assert_eq!(new["Statement"][2], old["Statement"][2]);
    assert_eq!(new["Statement"][3]["Sid"], "PackagecloudCloudFrontList");
    let again = new.to_string();
    assert_eq!(merge_bucket_policy(Some(&again), &sample_names(), IDENTITY_READER).unwrap(), again);
}

#[test]
fn a_grant_is_known_in_any_spelling() {
    let text = |reader| merge_bucket_policy(None, &sample_names(), reader).unwrap();
    let arn = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1ABC";
    let spelled =
        text(IDENTITY_READER).replace(r#"{"CanonicalUser":"c0ffee"}"#, &format!(r#"{{"AWS":"{arn}"}}"#));
    assert!(spelled.contains(arn), "the test replaces something");
    let one_element = spelled.replace(r#""s3:GetObject""#, r#"["s3:GetObject"]"#);
    for (policy, reader, granted) in [
        (text(IDENTITY_READER), IDENTITY_READER, true),
        (spelled.clone(), IDENTITY_READER, true),
        (one_element, IDENTITY_READER, true),
        (text(DISTRIBUTION_READER), DISTRIBUTION_READER, true),
        (text(DISTRIBUTION_READER), IDENTITY_READER, false),
        (spelled.replace("E1ABC", "E2"), IDENTITY_READER, false),
        (text(DISTRIBUTION_READER).replace("aws:SourceArn", "aws:Other"), DISTRIBUTION_READER, false),
        // As earlier versions of this program wrote it.
        (
            text(DISTRIBUTION_READER)
                .replace(r#""aws:SourceArn""#, r#""aws:SourceAccount":"123456789012","aws:SourceArn""#),
            DISTRIBUTION_READER,
            false,
        ),
        ("not json".to_owned(), IDENTITY_READER, false),
    ] {
        assert_eq!(
            grants_cloudfront_read_access(Some(&policy), &sample_names(), reader),
            granted,
            "{policy}"
        );
    }
    assert!(!grants_cloudfront_read_access(None, &sample_names(), IDENTITY_READER));
}

#[test]
fn while_the_origin_access_changes_both_may_read_and_then_only_the_next() {
    let before = merge_bucket_policy(None, &sample_names(), IDENTITY_READER).unwrap();
    let both = add_new_bucket_reader_statements(Some(&before), &sample_names(), DISTRIBUTION_READER).unwrap();
    assert!(
        grants_cloudfront_read_access(Some(&both), &sample_names(), IDENTITY_READER),
        "who read before still does: {both}"
    );
    assert!(both.contains("PackagecloudCloudFrontReadNext") && both.contains("cloudfront.amazonaws.com"));
    assert!(
        has_pending_origin_access_statements(Some(&both), &sample_names())
            && !has_pending_origin_access_statements(Some(&before), &sample_names())
    );
    // Broken off there and begun again it is the same; gone back to, the next reader's statements go.
    assert_eq!(
        add_new_bucket_reader_statements(Some(&both), &sample_names(), DISTRIBUTION_READER).unwrap(),
        both
    );
    assert_eq!(merge_bucket_policy(Some(&both), &sample_names(), IDENTITY_READER).unwrap(), before);
    let after = merge_bucket_policy(Some(&both), &sample_names(), DISTRIBUTION_READER).unwrap();
    assert_eq!(after, merge_bucket_policy(None, &sample_names(), DISTRIBUTION_READER).unwrap());

    // Where another's statement lets the one before read, ours are free for the next.
    let vendors = before.replace("PackagecloudCloudFront", "Vendor");
    let both =
        add_new_bucket_reader_statements(Some(&vendors), &sample_names(), DISTRIBUTION_READER).unwrap();
    assert!(
        both.contains("VendorRead")
            && grants_cloudfront_read_access(Some(&both), &sample_names(), DISTRIBUTION_READER)
    );
    assert!(!has_pending_origin_access_statements(Some(&both), &sample_names()));
    assert_eq!(merge_bucket_policy(Some(&both), &sample_names(), DISTRIBUTION_READER).unwrap(), both);
}

#[test]
fn a_statement_counts_under_whatever_sid_it_was_added() {
    let wanted = build_bucket_kms_key_statement(&sample_names(), "arn:aws:cloudfront::1:distribution/E1");
    let mut by_hand = wanted.clone();
    by_hand["Sid"] = "Ours".into();
    by_hand["Action"] = json!(["kms:decrypt"]);
    assert!(has_equivalent_statement(&json!({ "Statement": [by_hand] }), &wanted));
    by_hand["Condition"] = json!({});
    assert!(!has_equivalent_statement(&json!({ "Statement": [by_hand] }), &wanted));
}

#[test]
fn a_controls_statements_are_bound_to_the_distribution_and_to_nothing_else() {
    let bound =
        json!({ "StringEquals": { "aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E9" } });
    for statement in build_bucket_policy_statements(&sample_names(), DISTRIBUTION_READER) {
        assert_eq!(statement["Condition"], bound, "{statement}");
    }
    let CloudFrontBucketReader::Distribution { arn } = DISTRIBUTION_READER else { unreachable!() };
    assert_eq!(build_bucket_kms_key_statement(&sample_names(), arn)["Condition"], bound);
}

#[test]
fn what_s3_would_refuse_is_refused_first() {
    let deleted = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":["AROAEXAMPLEID12345678","*"]},"Action":"s3:*","Resource":"*"}]}"#;
    let failure = merge_bucket_policy(Some(deleted), &sample_names(), IDENTITY_READER).unwrap_err();
    assert!(failure.why.contains("AROAEXAMPLEID12345678"), "{failure}");
    let long = format!(r#"{{"Id":"{}","Statement":[]}}"#, "x".repeat(20 * 1024));
    assert!(
        merge_bucket_policy(Some(&long), &sample_names(), IDENTITY_READER).unwrap_err().why.contains("20480")
    );
    assert!(
        merge_bucket_policy(Some("{"), &sample_names(), IDENTITY_READER).unwrap_err().why.contains("JSON")
    );
}

#[test]
fn documents_are_the_same_by_meaning() {
    let one = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "AWS": "123456789012" },
        "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": true } } } });
    let other = json!({ "Statement": [{ "Action": ["s3:putobject", "s3:GetObject"], "Effect": "Allow", "Resource": ["*"],
        "Condition": { "Bool": { "aws:securetransport": ["true"] } },
        "Principal": { "AWS": ["arn:aws:iam::123456789012:root"] }, "Sid": "" }], "Version": "2012-10-17" });
    assert!(is_same_policy(&one, &other));
    let mut denied = other.clone();
    denied["Statement"][0]["Effect"] = "Deny".into();
    assert!(!is_same_policy(&one, &denied));
}

#[test]
fn the_role_of_s3_batch_operations_is_as_s3s_guide_has_it() {
    let trust = build_batch_trust_policy();
    assert_eq!(
        trust["Statement"],
        json!([{ "Sid": "PackagecloudCloudFrontBatch", "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "Service": "batchoperations.s3.amazonaws.com" } }])
    );
    // One that carries a condition of an earlier release is put right, and what is somebody else's stays.
    let earlier = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "PackagecloudCloudFrontBatch", "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "Service": "batchoperations.s3.amazonaws.com" },
            "Condition": { "StringEquals": { "aws:SourceAccount": "123456789012" } } },
        { "Sid": "Theirs", "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole" }] });
    assert!(!has_all_policy_statements(&earlier, &trust));
    let mended = merge_policy_by_sid(&earlier, &trust);
    assert!(has_all_policy_statements(&mended, &trust));
    assert_eq!(mended["Statement"][1], earlier["Statement"][1]);

    let key = "arn:aws:kms:us-east-1:123456789012:key/k";
    let any = "arn:aws:kms:eu-west-1:123456789012:key/*";
    for (key, statements, condition) in [
        (None, 2, Value::Null),
        (Some(key), 3, Value::Null),
        (Some(any), 3, json!({ "StringEquals": { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } })),
    ] {
        let policy = build_batch_role_policy(&sample_names(), key);
        let all = policy["Statement"].as_array().unwrap();
        assert_eq!(all.len(), statements);
        for action in [
            "s3:GetObject",
            "s3:GetObjectAcl",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:PutObjectAcl",
            "s3:PutObjectTagging",
        ] {
            assert!(all[0]["Action"].as_array().unwrap().iter().any(|one| one == action), "{action}");
        }
        assert_eq!(
            (&all[0]["Resource"], &all[1]["Resource"]),
            (&json!("arn:aws:s3:::pkgs/*"), &json!("arn:aws:s3:::pkgs"))
        );
        if let Some(key) = key {
            assert_eq!(all[2]["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]));
            assert_eq!((&all[2]["Resource"], &all[2]["Condition"]), (&json!(key), &condition));
        }
    }
}
