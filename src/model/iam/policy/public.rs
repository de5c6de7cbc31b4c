//! Which statement of a bucket policy makes it public, by S3's own rule: it lets everybody in, and is bound to no fixed value.
//!
//! S3 Block Public Access goes by this: it refuses to store such a policy, or lets only the account and AWS's services
//! through while it stands (S3 user guide, "The meaning of public").

use serde_json::Value;

use super::meaning::{self, has_policy_field_value};

/// Condition keys whose fixed value says who may come, in lower case.
const BINDING_CONDITION_KEYS: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];
/// Ranges of addresses that are wider than this are everybody's: bits of the prefix, for IPv4 and for IPv6.
const SOURCE_IP_PREFIX_MIN_BITS: (u32, u32) = (8, 32);

/// Finds the first statement that makes the bucket policy `standing` public, by its Sid or its number.
#[must_use]
pub fn find_public_policy_statement(standing: Option<&str>) -> Option<String> {
    let document: Value = serde_json::from_str(standing?).ok()?;
    meaning::normalize_policy_statements(&document).iter().enumerate().find_map(|(at, statement)| {
        is_statement_public(statement).then(|| meaning::format_statement_label(statement, at))
    })
}

fn is_statement_public(statement: &Value) -> bool {
    let everybody = has_policy_field_value(&statement["Principal"]["AWS"], "*")
        || statement.get("NotPrincipal").is_some();
    statement["Effect"] == "Allow" && everybody && !is_bound_to_fixed_value(&statement["Condition"])
}

/// Whether one of the conditions, all of which must hold, lets fixed callers in alone.
fn is_bound_to_fixed_value(condition: &Value) -> bool {
    condition.as_object().into_iter().flatten().any(|(operator, keys)| {
        let operator = operator.to_lowercase();
        // Where the key may be absent, or its value is only not this one, anybody may come.
        let binds = !operator.contains("not") && !operator.contains("ifexists") && operator != "null";
        binds
            && !operator.starts_with("forallvalues:")
            && keys.as_object().into_iter().flatten().any(|(key, values)| {
                let key = key.to_lowercase();
                let values: Vec<&str> =
                    values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                BINDING_CONDITION_KEYS.contains(&key.as_str())
                    && !values.is_empty()
                    && values.iter().all(|value| is_fixed_value(&key, value))
            })
    })
}

fn is_fixed_value(key: &str, value: &str) -> bool {
    if key != "aws:sourceip" {
        return !value.contains(['*', '?']) && !value.contains("${");
    }
    let (address, bits) = value.split_once('/').unwrap_or((value, ""));
    let (ipv4, ipv6) = SOURCE_IP_PREFIX_MIN_BITS;
    let least = if address.contains(':') { ipv6 } else { ipv4 };
    bits.is_empty() || bits.parse::<u32>().is_ok_and(|bits| bits >= least)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn public_statement_label(mut statement: Value) -> Option<String> {
        for (key, value) in [
            ("Effect", json!("Allow")),
            ("Action", json!("s3:GetObject")),
            ("Resource", json!("arn:aws:s3:::b/*")),
        ] {
            if statement.get(key).is_none() {
                statement[key] = value;
            }
        }
        let other = json!({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "*"});
        find_public_policy_statement(Some(&json!({"Statement": [other, statement]}).to_string()))
    }

    #[test]
    fn public_is_what_lets_everybody_in_and_is_bound_to_nothing() {
        let with = |condition: Value| json!({"Sid": "Open", "Principal": "*", "Condition": condition});
        for (statement, public) in [
            (json!({"Sid": "Open", "Principal": "*"}), true),
            (json!({"Sid": "Open", "Principal": {"AWS": ["123456789012", "*"]}}), true),
            (json!({"Sid": "Open", "NotPrincipal": {"AWS": "123456789012"}}), true),
            (json!({"Effect": "Deny", "Principal": "*"}), false),
            (json!({"Principal": {"Service": "cloudfront.amazonaws.com"}}), false),
            (json!({"Principal": {"CanonicalUser": "c0ffee"}}), false),
            (with(json!({"StringLike": {"aws:Referer": "https://example.com/*"}})), true),
            (with(json!({"Bool": {"aws:SecureTransport": "true"}})), true),
            (with(json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}})), false),
            (with(json!({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}})), true),
            (with(json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})), true),
            (with(json!({"StringLike": {"aws:SourceVpce": "vpce-*"}})), true),
            (with(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), false),
            (with(json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1", "${aws:x}"]}})), true),
            (with(json!({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}})), false),
            (with(json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}})), true),
            (with(json!({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "2001:db8::/32"]}})), false),
            (with(json!({"IpAddress": {"aws:SourceIp": "198.51.100.7"}})), false),
            (with(json!({"IpAddress": {"aws:SourceIp": ["198.51.100.0/24", "0.0.0.0/0"]}})), true),
            (with(json!({"IpAddress": {"aws:SourceIp": "2000::/3"}})), true),
        ] {
            let found = public_statement_label(statement.clone());
            assert_eq!(found.is_some(), public, "{statement}");
            assert!(found.is_none_or(|label| label == "\"Open\""), "{statement}");
        }
        assert_eq!(public_statement_label(json!({"Principal": "*"})).as_deref(), Some("number 2"));
    }
}
