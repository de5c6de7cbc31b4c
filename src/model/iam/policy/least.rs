//! The IAM policy that suffices: what `check --policy` prints, made from the table of needs alone.
//!
//! It fits one managed policy, 6,144 characters.

use serde_json::{Map, Value, json};

use crate::model::iam::access::RequiredPermission;

/// What one managed policy may hold, in characters.
const MANAGED_POLICY_MAX_CHARS: usize = 6144;

/// A resource, the conditions on it, and the actions that share both.
type StatementGroup<'a> = (&'a str, &'a [(String, String)], Vec<&'a str>);

/// The policy that suffices for `needs`: indented where that still fits.
#[must_use]
pub fn render_least_privilege_policy(needs: &[RequiredPermission]) -> String {
    let mut groups: Vec<StatementGroup<'_>> = Vec::new();
    for need in needs {
        let fits = |group: &&mut StatementGroup<'_>| group.0 == need.resource && group.1 == need.context;
        match groups.iter_mut().find(fits) {
            Some(group) => group.2.push(need.action),
            None => groups.push((&need.resource, &need.context, vec![need.action])),
        }
    }
    let statements: Vec<Value> = groups
        .into_iter()
        .map(|(resource, context, mut actions)| {
            actions.sort_unstable();
            actions.dedup();
            let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
            if !context.is_empty() {
                let keys: Map<String, Value> =
                    context.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
                statement["Condition"] = json!({ "StringEquals": keys });
            }
            statement
        })
        .collect();
    let document = super::build_policy_document(&statements);
    let wide = format!("{document:#}");
    if wide.len() <= MANAGED_POLICY_MAX_CHARS { wide } else { document.to_string() }
}
