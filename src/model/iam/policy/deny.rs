//! Statements of a bucket policy that deny reading to everybody outside something, and so to CloudFront too.
//!
//! CloudFront reads over TLS, from addresses of its own, as a principal of no organization and through no endpoint.

use serde_json::Value;

use super::meaning::{self, has_policy_field_value};

/// What one denying statement means for CloudFront.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketDenyFinding {
    /// It is denied: the statement, and what it denies by.
    Denied(String),
    /// That hangs on something else: the statement, and the condition's keys.
    PossiblyDenied(String),
}

/// Keys of which CloudFront never has the value that an account lists.
const KEYS_CLOUDFRONT_NEVER_MATCHES: &[&str] = &[
    "aws:sourcevpce",
    "aws:sourcevpc",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:userid",
];

/// Returns the statements that deny, or may deny, CloudFront's reading of objects of `bucket`.
#[must_use]
pub fn find_statements_denying_cloudfront(document: &Value, bucket: &str) -> Vec<BucketDenyFinding> {
    let all = meaning::normalize_policy_statements(document);
    all.iter()
        .enumerate()
        .filter_map(|(at, statement)| find_cloudfront_denial_in_statement(statement, at, bucket))
        .collect()
}

fn find_cloudfront_denial_in_statement(
    statement: &Value,
    at: usize,
    bucket: &str,
) -> Option<BucketDenyFinding> {
    if statement["Effect"] != "Deny"
        || !statement_applies_to_everybody(statement)
        || !statement_covers_get_object(statement)
        || !statement_covers_bucket_objects(statement, bucket)
    {
        return None;
    }
    let name =
        statement["Sid"].as_str().map_or_else(|| format!("number {}", at + 1), |sid| format!("\"{sid}\""));
    let conditions: Vec<(String, String, bool)> = statement["Condition"]
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, values)| (operator, key, values))
        })
        .map(|(operator, key, values)| {
            (operator.to_lowercase(), key.to_lowercase(), has_policy_field_value(values, "false"))
        })
        .collect();
    // A request over TLS from CloudFront is never one that such a statement means.
    if conditions.iter().any(|(_, key, no)| key == "aws:securetransport" && *no) {
        return None;
    }
    let met = |(operator, key, _): &&(String, String, bool)| {
        operator.contains("not")
            && !operator.ends_with("ifexists")
            && KEYS_CLOUDFRONT_NEVER_MATCHES.contains(&key.as_str())
    };
    let keys: Vec<&str> = conditions.iter().map(|(_, key, _)| key.as_str()).collect();
    if conditions.iter().filter(met).count() == conditions.len() {
        let by = if keys.is_empty() {
            "without a condition".to_owned()
        } else {
            format!("by {}", keys.join(", "))
        };
        return Some(BucketDenyFinding::Denied(format!("its statement {name} denies s3:GetObject {by}")));
    }
    Some(BucketDenyFinding::PossiblyDenied(format!(
        "its statement {name} denies s3:GetObject depending on {}",
        keys.join(", ")
    )))
}

/// Whether it speaks of every principal.
fn statement_applies_to_everybody(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    statement.get("NotPrincipal").is_some()
        || principal == "*"
        || has_policy_field_value(&principal["AWS"], "*")
        || has_policy_field_value(principal, "*")
}

fn statement_covers_get_object(statement: &Value) -> bool {
    let read = |list: &Value| {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|pattern| matches_wildcard(pattern, "s3:getobject"))
    };
    if statement.get("NotAction").is_some() {
        !read(&statement["NotAction"])
    } else {
        read(&statement["Action"])
    }
}

/// Whether it speaks of objects of the bucket, all of them or some.
fn statement_covers_bucket_objects(statement: &Value, bucket: &str) -> bool {
    let prefix = format!("arn:aws:s3:::{bucket}/");
    let of = |list: &Value| {
        let mut all = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        all.any(|one| one.starts_with(&prefix) || matches_wildcard(one, &format!("{prefix}1/1/x")))
    };
    if statement.get("NotResource").is_some() {
        !of(&statement["NotResource"])
    } else {
        of(&statement["Resource"])
    }
}

/// `*` any run.
fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn denial_verdict(statement: &Value) -> &'static str {
        let mut statement = statement.clone();
        for (key, value) in [
            ("Effect", json!("Deny")),
            ("Principal", json!("*")),
            ("Action", json!("s3:*")),
            ("Resource", json!("arn:aws:s3:::b/*")),
        ] {
            if statement.get(key).is_none()
                && !(key == "Principal" && statement.get("NotPrincipal").is_some())
            {
                statement[key] = value;
            }
        }
        match find_statements_denying_cloudfront(&json!({"Statement": [statement]}), "b").first() {
            None => "no",
            Some(BucketDenyFinding::Denied(_)) => "out",
            Some(BucketDenyFinding::PossiblyDenied(_)) => "perhaps",
        }
    }

    #[test]
    fn what_denies_everybody_else_denies_cloudfront_too() {
        let condition =
            |operator: &str, key: &str, value: Value| json!({"Condition": {operator: {key: value}}});
        for (statement, wanted) in [
            (json!({}), "out"),
            (json!({"Principal": {"AWS": "*"}, "Action": "s3:GetObject"}), "out"),
            (condition("StringNotEquals", "aws:SourceVpce", json!("vpce-1")), "out"),
            (condition("NotIpAddress", "aws:SourceIp", json!(["10.0.0.0/8"])), "out"),
            (condition("StringNotEquals", "aws:PrincipalOrgID", json!("o-1")), "out"),
            (json!({"NotPrincipal": {"AWS": "arn:aws:iam::1:role/x"}}), "out"),
            (json!({"Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}), "out"),
            (condition("StringNotEqualsIfExists", "aws:SourceVpce", json!("vpce-1")), "perhaps"),
            (condition("StringEquals", "aws:Referer", json!("x")), "perhaps"),
            (
                json!({"Condition": {"StringNotEquals": {"aws:SourceVpce": "v"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}}),
                "perhaps",
            ),
            (condition("Bool", "aws:SecureTransport", json!("false")), "no"),
            (condition("Bool", "aws:SecureTransport", json!(false)), "no"),
            (json!({"Action": "s3:PutObject"}), "no"),
            (json!({"NotAction": "s3:Get*"}), "no"),
            (json!({"Resource": "arn:aws:s3:::other/*"}), "no"),
            (json!({"Principal": {"AWS": "arn:aws:iam::1:user/x"}}), "no"),
            (json!({"Effect": "Allow"}), "no"),
        ] {
            assert_eq!(denial_verdict(&statement), wanted, "{statement}");
        }
    }
}
