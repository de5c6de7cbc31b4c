//! Statements of a bucket policy that allow somebody by name, which IAM's simulation of his own policies doesn't see.

use serde_json::Value;

use super::meaning::{self, has_policy_field_value, matches_policy_wildcard};

/// A statement that allows what is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowingStatement {
    /// Its Sid in quotes, else its place.
    pub label: String,
    /// Whether it allows under a condition, which isn't judged.
    pub is_conditional: bool,
}

/// Returns the statement that allows `action` on `resource` to one of `principals` (ARNs) or to everybody: the first
/// without a condition, else the first of all.
#[must_use]
pub fn find_statement_allowing_principal(
    document: &Value,
    principals: &[&str],
    action: &str,
    resource: &str,
) -> Option<AllowingStatement> {
    let action = action.to_lowercase();
    let is_any = |field: &Value, text: &str| {
        field
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|one| matches_policy_wildcard(one, text))
    };
    let covers = |statement: &Value, field: &str, text: &str| match statement.get(format!("Not{field}")) {
        Some(excepted) => !is_any(excepted, text),
        None => is_any(&statement[field], text),
    };
    let all = meaning::normalize_policy_statements(document);
    let allowing = all.iter().enumerate().filter_map(|(at, statement)| {
        let who = &statement["Principal"]["AWS"];
        let named = has_policy_field_value(who, "*")
            || principals.iter().any(|principal| has_policy_field_value(who, principal));
        let allows = statement["Effect"] == "Allow"
            && named
            && covers(statement, "Action", &action)
            && covers(statement, "Resource", resource);
        allows.then(|| AllowingStatement {
            label: meaning::format_statement_label(statement, at),
            is_conditional: statement["Condition"].as_object().is_some_and(|keys| !keys.is_empty()),
        })
    });
    allowing.min_by_key(|statement| statement.is_conditional)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_named_may_what_the_statement_says_on_what_it_says() {
        let ops = "arn:aws:iam::123456789012:user/ops";
        let object = "arn:aws:s3:::pkgs/1";
        let allow = |who: Value, action: Value, resource: &str| {
            json!({"Statement": {"Sid": "Ops", "Effect": "Allow", "Principal": who, "Action": action,
                "Resource": resource}})
        };
        let by_name = || json!({"AWS": [ops, "arn:aws:iam::123456789012:user/other"]});
        let whole = "arn:aws:s3:::pkgs/*";
        for (document, found) in [
            (allow(by_name(), json!("s3:*"), whole), true),
            (allow(by_name(), json!(["s3:get*", "S3:PUTOBJECT"]), whole), true),
            (allow(json!("*"), json!("s3:PutObject"), whole), true),
            (allow(by_name(), json!("s3:GetObject"), whole), false),
            (allow(by_name(), json!("s3:PutObject"), "arn:aws:s3:::pkgs"), false),
            (allow(json!({"AWS": "arn:aws:iam::123456789012:user/else"}), json!("s3:*"), whole), false),
            // The account as such leaves it to the identity's own policies.
            (allow(json!({"AWS": "123456789012"}), json!("s3:*"), whole), false),
            (allow(json!({"Service": "cloudfront.amazonaws.com"}), json!("s3:*"), whole), false),
            (
                json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": whole},
                    {"Effect": "Allow", "Principal": by_name(), "NotAction": "s3:Delete*", "Resource": whole}]}),
                true,
            ),
        ] {
            let statement = find_statement_allowing_principal(&document, &[ops], "s3:PutObject", object);
            assert_eq!(statement.is_some(), found, "{document}");
        }
        let document = allow(by_name(), json!("s3:*"), whole);
        let named = find_statement_allowing_principal(&document, &[ops], "s3:PutObject", object);
        let label = "\"Ops\"".to_owned();
        assert_eq!(named, Some(AllowingStatement { label, is_conditional: false }));
    }

    #[test]
    fn a_condition_is_told_and_a_statement_without_one_counts_first() {
        let object = "arn:aws:s3:::pkgs/1";
        let statement = |sid: Option<&str>, condition: Value| {
            let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                "Resource": "arn:aws:s3:::pkgs/*", "Condition": condition});
            if let Some(sid) = sid {
                statement["Sid"] = sid.into();
            }
            statement
        };
        let office = || json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
        for (statements, label, is_conditional) in [
            (vec![statement(None, office()), statement(Some("Open"), json!({}))], "\"Open\"", false),
            (vec![statement(None, office()), statement(Some("Office"), office())], "number 1", true),
            (vec![statement(Some("Office"), office())], "\"Office\"", true),
        ] {
            let document = json!({ "Statement": statements });
            let found = find_statement_allowing_principal(&document, &[], "s3:PutObject", object);
            let label = label.to_owned();
            assert_eq!(found, Some(AllowingStatement { label, is_conditional }), "{document}");
        }
    }
}
