//! Statements of a bucket policy that deny reading, judged for what CloudFront reads as: an access identity, or the service for a distribution.
//!
//! CloudFront reads over TLS, from addresses of its own, as a principal of no organization and through no endpoint.

use serde_json::Value;

use super::{
    deny_condition::{CloudFrontPrincipal, ConditionVerdict, judge_condition_for_cloudfront},
    meaning::{self, has_policy_field_value, matches_policy_wildcard},
};

/// What one denying statement means for CloudFront.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketDenyFinding {
    /// It is denied: the statement, and what it denies by.
    Denied(String),
    /// That hangs on something else: the statement, and on what.
    PossiblyDenied(String),
}

/// Returns the statements that deny, or may deny, CloudFront's reading of packagecloud's objects in `bucket`; `keys` are
/// some of theirs.
#[must_use]
pub fn find_statements_denying_cloudfront(
    document: &Value,
    bucket: &str,
    principal: CloudFrontPrincipal<'_>,
    keys: &[&str],
) -> Vec<BucketDenyFinding> {
    let all = meaning::normalize_policy_statements(document);
    all.iter()
        .enumerate()
        .filter_map(|(at, statement)| {
            let name = meaning::format_statement_label(statement, at);
            judge_denying_statement(statement, bucket, principal, keys)
                .map(|finding| finding.name_denying_statement(&name))
        })
        .collect()
}

impl BucketDenyFinding {
    fn name_denying_statement(self, name: &str) -> Self {
        let named = |why: String| format!("its statement {name} denies s3:GetObject {why}");
        match self {
            Self::Denied(why) => Self::Denied(named(why)),
            Self::PossiblyDenied(why) => Self::PossiblyDenied(named(why)),
        }
    }
}

/// Which of packagecloud's objects a statement speaks of.
enum DeniedObjects<'a> {
    All,
    /// One of those that were looked at, and not all of them.
    Some(&'a str),
    /// None that was looked at, but there may be others.
    Unseen,
}

fn judge_denying_statement(
    statement: &Value,
    bucket: &str,
    principal: CloudFrontPrincipal<'_>,
    keys: &[&str],
) -> Option<BucketDenyFinding> {
    if statement["Effect"] != "Deny" || !statement_covers_get_object(statement) {
        return None;
    }
    let objects = find_denied_objects(statement, bucket, keys)?;
    let who = judge_statement_principal(statement, principal)?;
    let (met, names) = judge_condition_for_cloudfront(&statement["Condition"], principal)?;
    let by =
        if names.is_empty() { "without a condition".to_owned() } else { format!("by {}", names.join(", ")) };
    if who == ConditionVerdict::Unknown {
        return Some(BucketDenyFinding::PossiblyDenied(
            "to principals of which CloudFront may be one".to_owned(),
        ));
    }
    if met == ConditionVerdict::Unknown {
        return Some(BucketDenyFinding::PossiblyDenied(format!("depending on {}", names.join(", "))));
    }
    Some(match objects {
        DeniedObjects::All => BucketDenyFinding::Denied(by),
        // What nobody can read, nobody could before: that is none of CloudFront's doing.
        DeniedObjects::Some(key) if names.is_empty() => {
            BucketDenyFinding::PossiblyDenied(format!("of some objects, such as {key}, {by}"))
        }
        DeniedObjects::Some(key) => {
            BucketDenyFinding::Denied(format!("of some objects, such as {key}, {by}"))
        }
        DeniedObjects::Unseen => {
            BucketDenyFinding::PossiblyDenied(format!("of objects that were not looked at, {by}"))
        }
    })
}

/// Whether it speaks of the principal that reads; `None` where surely not.
fn judge_statement_principal(
    statement: &Value,
    principal: CloudFrontPrincipal<'_>,
) -> Option<ConditionVerdict> {
    let (field, excepts) = if statement.get("NotPrincipal").is_some() {
        (&statement["NotPrincipal"], true)
    } else {
        (&statement["Principal"], false)
    };
    let named = judge_principal_list(field, principal);
    match (named, excepts) {
        (ConditionVerdict::Met, false) | (ConditionVerdict::NotMet, true) => Some(ConditionVerdict::Met),
        (ConditionVerdict::Unknown, _) => Some(ConditionVerdict::Unknown),
        _ => None,
    }
}

fn judge_principal_list(field: &Value, principal: CloudFrontPrincipal<'_>) -> ConditionVerdict {
    let has = |kind: &str, text: &str| has_policy_field_value(&field[kind], text);
    if has("AWS", "*") {
        return ConditionVerdict::Met;
    }
    match principal {
        CloudFrontPrincipal::Service { .. } => ConditionVerdict::from_known_answer(
            has("Service", "cloudfront.amazonaws.com") || has("Service", "*"),
        ),
        CloudFrontPrincipal::Identity(Some((id, canonical))) => ConditionVerdict::from_known_answer(
            has("CanonicalUser", canonical)
                || has("AWS", canonical)
                || has("AWS", &meaning::format_origin_access_identity_arn(id)),
        ),
        // Which one it will be isn't known: any that is named might be.
        CloudFrontPrincipal::Identity(None) => {
            let prefix = meaning::format_origin_access_identity_arn("");
            let users = field["AWS"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let may_be =
                field.get("CanonicalUser").is_some() || users.into_iter().any(|one| one.starts_with(&prefix));
            if may_be { ConditionVerdict::Unknown } else { ConditionVerdict::NotMet }
        }
    }
}

fn statement_covers_get_object(statement: &Value) -> bool {
    let read = |list: &Value| {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|pattern| matches_policy_wildcard(pattern, "s3:getobject"))
    };
    if statement.get("NotAction").is_some() {
        !read(&statement["NotAction"])
    } else {
        read(&statement["Action"])
    }
}

/// A key that stands for packagecloud's where none was looked at.
const TYPICAL_KEY: &str = "1/1/x";

/// Which of packagecloud's objects of the bucket it speaks of; `None` where it can be none.
fn find_denied_objects<'a>(statement: &Value, bucket: &str, keys: &[&'a str]) -> Option<DeniedObjects<'a>> {
    let prefix = format!("arn:aws:s3:::{bucket}/");
    let (field, excepts) = if statement.get("NotResource").is_some() {
        (&statement["NotResource"], true)
    } else {
        (&statement["Resource"], false)
    };
    let patterns: Vec<&str> = field.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let covers = |key: &str| {
        let arn = format!("{prefix}{key}");
        patterns.iter().any(|pattern| matches_policy_wildcard(pattern, &arn)) != excepts
    };
    let whole = covers(TYPICAL_KEY);
    let covered: Vec<&&str> = keys.iter().filter(|key| covers(key)).collect();
    if whole && covered.len() == keys.len() {
        return Some(DeniedObjects::All);
    }
    if let Some(key) = covered.first() {
        return Some(DeniedObjects::Some(key));
    }
    let may_cover = if excepts {
        whole
    } else {
        patterns.iter().any(|pattern| can_pattern_match_packagecloud_key(pattern, &prefix))
    };
    may_cover.then_some(DeniedObjects::Unseen)
}

/// Returns whether a pattern of resources matches any key `<owner id>/<repository id>/…` behind `prefix`. A policy
/// variable in it may stand for anything.
fn can_pattern_match_packagecloud_key(pattern: &str, prefix: &str) -> bool {
    // How far a key has come: before and in each number, and behind the second slash, where all is allowed.
    const IN_REST: usize = 4;
    let advance = |place: usize, character: char| match (place, character) {
        (0 | 1, digit) if digit.is_ascii_digit() => Some(1),
        (1, '/') => Some(2),
        (2 | 3, digit) if digit.is_ascii_digit() => Some(3),
        (3, '/') | (IN_REST, _) => Some(IN_REST),
        _ => None,
    };
    let pattern = match pattern.split_once("${") {
        Some((before, _)) => format!("{before}*"),
        None => pattern.to_owned(),
    };
    let pattern: Vec<char> = pattern.chars().collect();
    let prefix: Vec<char> = prefix.chars().collect();
    // Pairs of a place in the pattern and one in the text: prefix, then key.
    let mut open = vec![(0, 0)];
    let mut seen = std::collections::BTreeSet::new();
    while let Some((at, place)) = open.pop() {
        if !seen.insert((at, place)) {
            continue;
        }
        let Some(&one) = pattern.get(at) else {
            if place == prefix.len() + IN_REST {
                return true;
            }
            continue;
        };
        if one == '*' {
            open.push((at + 1, place));
        }
        let behind = if one == '*' { at } else { at + 1 };
        if let Some(&character) = prefix.get(place) {
            if one == '*' || one == '?' || one == character {
                open.push((behind, place + 1));
            }
            continue;
        }
        let characters = if one == '*' || one == '?' { vec!['0', '/', 'x'] } else { vec![one] };
        let next = characters.into_iter().filter_map(|character| advance(place - prefix.len(), character));
        open.extend(next.map(|place| (behind, prefix.len() + place)));
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "111122223333";
    const ANY_IDENTITY: CloudFrontPrincipal<'static> = CloudFrontPrincipal::Identity(None);
    const OUR_IDENTITY: CloudFrontPrincipal<'static> =
        CloudFrontPrincipal::Identity(Some(("E1OURS", "c0ffee")));
    const SERVICE: CloudFrontPrincipal<'static> = CloudFrontPrincipal::Service {
        distribution: Some("arn:aws:cloudfront::111122223333:distribution/E1DIST"),
        account: ACCOUNT,
    };
    const NEXT_SERVICE: CloudFrontPrincipal<'static> =
        CloudFrontPrincipal::Service { distribution: None, account: ACCOUNT };
    const KEYS: [&str; 2] = ["7/8/debian/package_files/1.deb", "7/8/debian/dists/jammy/InRelease"];

    fn denial_verdict_for(
        statement: &Value,
        principal: CloudFrontPrincipal<'_>,
        keys: &[&str],
    ) -> &'static str {
        let mut statement = statement.clone();
        for (key, value) in [
            ("Effect", json!("Deny")),
            ("Principal", json!("*")),
            ("Action", json!("s3:*")),
            ("Resource", json!("arn:aws:s3:::b/*")),
        ] {
            let except = format!("Not{key}");
            if statement.get(key).is_none() && statement.get(&except).is_none() {
                statement[key] = value;
            }
        }
        let document = json!({"Statement": [statement]});
        match find_statements_denying_cloudfront(&document, "b", principal, keys).first() {
            None => "no",
            Some(BucketDenyFinding::Denied(_)) => "out",
            Some(BucketDenyFinding::PossiblyDenied(_)) => "perhaps",
        }
    }

    fn condition(operator: &str, key: &str, value: impl Into<Value>) -> Value {
        let value: Value = value.into();
        json!({"Condition": {operator: {key: value}}})
    }

    #[test]
    fn what_denies_everybody_else_denies_cloudfront_too() {
        for (statement, wanted) in [
            (json!({}), "out"),
            (json!({"Principal": {"AWS": "*"}, "Action": "s3:GetObject"}), "out"),
            (condition("StringNotEquals", "aws:SourceVpce", json!("vpce-1")), "out"),
            (condition("StringNotEqualsIfExists", "aws:SourceVpce", json!("vpce-1")), "out"),
            (condition("StringEquals", "aws:SourceVpce", json!("vpce-1")), "no"),
            (condition("Null", "aws:SourceVpce", json!("true")), "out"),
            (condition("Null", "aws:SourceVpce", json!("false")), "no"),
            (condition("NotIpAddress", "aws:SourceIp", json!(["10.0.0.0/8"])), "out"),
            (condition("NotIpAddress", "aws:SourceIp", json!(["203.0.113.7/32", "2001:db8::1"])), "out"),
            (condition("NotIpAddress", "aws:SourceIp", json!(["10.0.0.0/8", "130.176.0.0/16"])), "perhaps"),
            (condition("NotIpAddress", "aws:SourceIp", json!(["0.0.0.0/0"])), "no"),
            (condition("IpAddress", "aws:SourceIp", json!(["10.0.0.0/8"])), "no"),
            (condition("StringNotEquals", "aws:PrincipalOrgID", json!("o-1")), "out"),
            (condition("ForAnyValue:StringNotLike", "aws:PrincipalOrgPaths", json!("o-1/*")), "no"),
            (condition("ForAllValues:StringNotLike", "aws:PrincipalOrgPaths", json!("o-1/*")), "out"),
            (json!({"NotPrincipal": {"AWS": "arn:aws:iam::1:role/x"}}), "out"),
            (json!({"Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}), "out"),
            (json!({"Action": "s3:GetObjec?"}), "out"),
            (condition("StringEquals", "aws:Referer", json!("x")), "perhaps"),
            (condition("NumericLessThan", "s3:TlsVersion", json!("1.2")), "no"),
            (condition("NumericLessThan", "s3:TlsVersion", json!(1.3)), "perhaps"),
            (condition("Bool", "aws:SecureTransport", json!("false")), "no"),
            (condition("Bool", "aws:SecureTransport", json!(false)), "no"),
            (condition("BoolIfExists", "aws:SecureTransport", json!("false")), "no"),
            (condition("Bool", "aws:SecureTransport", json!("true")), "out"),
            (condition("StringNotLike", "aws:SourceVpce", json!("${aws:x}")), "out"),
            (json!({"Action": "s3:PutObject"}), "no"),
            (json!({"NotAction": "s3:Get*"}), "no"),
            (json!({"Principal": {"AWS": "arn:aws:iam::1:user/x"}}), "no"),
            (json!({"Effect": "Allow"}), "no"),
        ] {
            for principal in [ANY_IDENTITY, OUR_IDENTITY, SERVICE, NEXT_SERVICE] {
                assert_eq!(
                    denial_verdict_for(&statement, principal, &KEYS),
                    wanted,
                    "{principal:?} {statement}"
                );
            }
        }
    }

    /// For an identity that isn't made yet, ours, a control's distribution, and a control that isn't made yet.
    fn assert_denial_verdicts(table: impl IntoIterator<Item = (Value, [&'static str; 4])>) {
        for (statement, wanted) in table {
            for (principal, wanted) in
                [ANY_IDENTITY, OUR_IDENTITY, SERVICE, NEXT_SERVICE].into_iter().zip(wanted)
            {
                assert_eq!(
                    denial_verdict_for(&statement, principal, &KEYS),
                    wanted,
                    "{principal:?} {statement}"
                );
            }
        }
    }

    #[test]
    fn what_excepts_the_one_that_reads_denies_nothing() {
        let ours = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1OURS";
        let other = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2OTHER";
        let service = json!({"Service": "cloudfront.amazonaws.com"});
        let outside = |extra: &Value| {
            let mut all = json!({"StringNotEquals": {"aws:SourceVpce": "v"}});
            all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            json!({"Condition": all})
        };
        assert_denial_verdicts([
            (json!({"NotPrincipal": {"AWS": ours}}), ["perhaps", "no", "out", "out"]),
            (json!({"NotPrincipal": {"CanonicalUser": "c0ffee"}}), ["perhaps", "no", "out", "out"]),
            (json!({"NotPrincipal": {"AWS": other}}), ["perhaps", "out", "out", "out"]),
            (json!({"NotPrincipal": service}), ["out", "out", "no", "no"]),
            (json!({"Principal": service}), ["no", "no", "out", "out"]),
            (json!({"Principal": {"CanonicalUser": "c0ffee"}}), ["perhaps", "out", "no", "no"]),
            (json!({"Principal": {"AWS": other}}), ["perhaps", "no", "no", "no"]),
            (condition("StringNotEquals", "aws:PrincipalArn", json!(ours)), ["perhaps", "no", "out", "out"]),
            (condition("ArnNotLike", "aws:PrincipalArn", json!(other)), ["perhaps", "out", "out", "out"]),
            (
                condition("ArnNotLike", "aws:PrincipalArn", json!("arn:aws:iam::cloudfront:user/*")),
                ["no", "no", "out", "out"],
            ),
            (outside(&json!({"Bool": {"aws:PrincipalIsAWSService": "false"}})), ["out", "out", "no", "no"]),
            (
                outside(&json!({"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}})),
                ["out", "out", "no", "no"],
            ),
            // A data perimeter, with AWS's own exception for an identity.
            (
                json!({"Condition": {
                    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                    "ArnNotLike": {"aws:PrincipalArn": ours},
                }}),
                ["perhaps", "no", "no", "no"],
            ),
            (
                json!({"Condition": {
                    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                    "ArnNotLikeIfExists": {"aws:PrincipalArn": [other, ours]},
                }}),
                ["perhaps", "no", "no", "no"],
            ),
        ]);
    }

    #[test]
    fn what_excepts_the_service_that_reads_denies_nothing() {
        assert_denial_verdicts([
            // Against services that act for somebody else.
            (
                json!({"Condition": {
                    "StringNotEqualsIfExists": {"aws:SourceOrgID": "o-1"},
                    "Null": {"aws:SourceAccount": "false"},
                    "Bool": {"aws:PrincipalIsAWSService": "true"},
                }}),
                ["no", "no", "perhaps", "perhaps"],
            ),
            (
                condition("StringNotEquals", "aws:PrincipalServiceName", json!("cloudfront.amazonaws.com")),
                ["out", "out", "no", "no"],
            ),
            (
                condition("StringNotEquals", "aws:SourceAccount", json!(ACCOUNT)),
                ["out", "out", "perhaps", "perhaps"],
            ),
            (
                condition("StringNotEqualsIfExists", "aws:SourceAccount", json!("1")),
                ["out", "out", "perhaps", "perhaps"],
            ),
            (
                condition(
                    "ArnNotLike",
                    "aws:SourceArn",
                    json!("arn:aws:cloudfront::111122223333:distribution/E1DIST"),
                ),
                ["out", "out", "no", "perhaps"],
            ),
            (
                condition(
                    "ArnNotLike",
                    "aws:SourceArn",
                    json!("arn:aws:cloudfront::111122223333:distribution/*"),
                ),
                ["out", "out", "no", "no"],
            ),
            (
                condition(
                    "ArnNotEquals",
                    "aws:SourceArn",
                    json!("arn:aws:cloudfront::111122223333:distribution/E2"),
                ),
                ["out", "out", "out", "perhaps"],
            ),
        ]);
    }

    #[test]
    fn only_what_denies_packageclouds_objects_counts() {
        let of = |resource: &str| json!({"Resource": format!("arn:aws:s3:::{resource}")});
        let outside = |mut statement: Value| {
            statement["Condition"] = json!({"StringNotEquals": {"aws:SourceVpce": "v"}});
            statement
        };
        for (statement, wanted, empty) in [
            (of("b/*"), "out", "out"),
            (of("*"), "out", "out"),
            (of("b/?/*"), "out", "out"),
            (of("b/backups/*"), "no", "no"),
            (outside(of("b/backups/*")), "no", "no"),
            (of("other/*"), "no", "no"),
            (of("b"), "no", "no"),
            // What nobody can read was that before.
            (of("b/7/8/*"), "perhaps", "perhaps"),
            (of("b/7/8/debian/dists/*"), "perhaps", "perhaps"),
            (outside(of("b/7/8/debian/dists/*")), "out", "perhaps"),
            (outside(of("b/9/*")), "perhaps", "perhaps"),
            (of("b/9/*"), "perhaps", "perhaps"),
            (of("b/*/secret/*"), "perhaps", "perhaps"),
            (of("b/7"), "no", "no"),
            (of("b/7/x*"), "no", "no"),
            (of("b/${aws:username}/*"), "perhaps", "perhaps"),
            (of("b/home/${aws:username}/*"), "no", "no"),
            (json!({"NotResource": "arn:aws:s3:::b/public/*"}), "out", "out"),
            (json!({"NotResource": "arn:aws:s3:::b/*"}), "no", "no"),
            (outside(json!({"NotResource": "arn:aws:s3:::b/7/8/debian/dists/*"})), "out", "out"),
        ] {
            for (keys, wanted) in [(&KEYS[..], wanted), (&[], empty)] {
                assert_eq!(
                    denial_verdict_for(&statement, ANY_IDENTITY, keys),
                    wanted,
                    "{keys:?} {statement}"
                );
            }
        }
    }
}
