//! Policies weighed, case by case.

use serde_json::json;

use super::*;

#[test]
fn wildcards_match_as_aws_matches_them() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("s3:Get*", "s3:GetObject", true),
        ("s3:Get*", "s3:PutObject", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*repo*md*", "a/repo/x.md5", true),
        ("lambda:EnableReplication*", "lambda:EnableReplication*", true),
        ("lambda:EnableReplication", "lambda:EnableReplication*", false),
    ] {
        assert_eq!(matches_wildcard(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn a_deny_wins_and_silence_denies() {
    let document = json!({"Statement": [
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["kms:CreateKey"], "Resource": "*"},
    ]});
    let weigh =
        |action| evaluate_policy_document(&document, None, action, "*", &PolicyConditionContext::default());
    assert_eq!(weigh("kms:DescribeKey"), PolicyDecision::Allow);
    assert_eq!(weigh("KMS:createkey"), PolicyDecision::ExplicitDeny);
    assert_eq!(weigh("iam:GetRole"), PolicyDecision::ImplicitDeny);
}

#[test]
fn a_principal_is_known_by_each_of_its_names() {
    let identity = SandboxCallerPrincipalNames::new_origin_access_identity_principal("E1", "abc");
    let role =
        SandboxCallerPrincipalNames::new_account_identity_principal("arn:aws:iam::999999999999:role/r", &[]);
    let weigh = |named: Value, who: &SandboxCallerPrincipalNames| {
        let document = json!({"Statement": {"Effect": "Allow", "Principal": named, "Action": "s3:GetObject", "Resource": "*"}});
        evaluate_policy_document(
            &document,
            Some(who),
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            &PolicyConditionContext::default(),
        )
    };
    assert_eq!(
        weigh(json!({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"}), &identity),
        PolicyDecision::Allow
    );
    assert_eq!(weigh(json!({"CanonicalUser": ["x", "abc"]}), &identity), PolicyDecision::Allow);
    assert_eq!(
        weigh(json!({"AWS": "arn:aws:iam::999999999999:root"}), &identity),
        PolicyDecision::ImplicitDeny
    );
    assert_eq!(weigh(json!({"AWS": "arn:aws:iam::999999999999:root"}), &role), PolicyDecision::Delegated);
    assert_eq!(
        weigh(
            json!({"Service": "cloudfront.amazonaws.com"}),
            &SandboxCallerPrincipalNames::new_aws_service_principal("cloudfront.amazonaws.com")
        ),
        PolicyDecision::Allow
    );
    assert_eq!(weigh(json!("*"), &identity), PolicyDecision::Allow);
}

#[test]
fn conditions_hold_only_on_what_is_there() {
    let weigh = |operator: &str, wanted: Value, context: &PolicyConditionContext| {
        let document = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {operator: {"aws:SourceArn": wanted}}}]});
        evaluate_policy_document(&document, None, "a:b", "r", context) == PolicyDecision::Allow
    };
    let none = PolicyConditionContext::default();
    let one = PolicyConditionContext::default().add_condition_key_value("AWS:SourceArn", "arn:x");
    assert!(weigh("StringEquals", json!("arn:x"), &one));
    assert!(!weigh("StringEquals", json!("arn:x"), &none));
    assert!(weigh("StringEqualsIfExists", json!("arn:x"), &none));
    assert!(weigh("StringNotEquals", json!("arn:y"), &none));
    assert!(weigh("ArnLike", json!(["arn:z", "arn:*"]), &one));
    assert!(weigh("Null", json!("true"), &none));
    assert!(!weigh("NoSuchOperator", json!("arn:x"), &one));
}

#[test]
fn a_missing_key_is_named() {
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "kms:Tag*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestTag/x": "1"}}}]});
    let missing = |action| {
        find_missing_context_keys(
            std::slice::from_ref(&document),
            action,
            "*",
            &PolicyConditionContext::default(),
        )
    };
    assert_eq!(missing("kms:TagResource").into_iter().collect::<Vec<_>>(), ["aws:RequestTag/x"]);
    assert!(missing("kms:CreateKey").is_empty());
}
