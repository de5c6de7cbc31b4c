//! Policy documents weighed as AWS weighs them: identity policies, key policies, bucket policies and trusts.
//!
//! An explicit deny wins over everything; what no statement allows is denied; an operator that is not known never matches.

mod caller;
mod identity;
mod limits;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ACCOUNT_ID;

pub use caller::{SignedCaller, add_request_tag_condition_keys, get_request_signed_caller};
pub use identity::{SandboxIamIdentity, list_sandbox_identity_policies};
pub use limits::{SandboxPolicyEvaluation, evaluate_policies_within_guardrails};

/// Who asks, by every name that a `Principal` element may give him.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxCallerPrincipalNames {
    /// Under `AWS`: ARNs and unique ids.
    pub aws: Vec<String>,
    /// Under `CanonicalUser`.
    pub canonical: Vec<String>,
    /// Under `Service`: `cloudfront.amazonaws.com`.
    pub service: Vec<String>,
    /// The account whose identity policies speak for him.
    pub account: Option<String>,
}

impl SandboxCallerPrincipalNames {
    /// Makes a user or a role of the account, by its ARN and further names (an assumed role's session ARN, a unique id).
    pub fn new_account_identity_principal(arn: &str, others: &[&str]) -> Self {
        let mut aws = vec![arn.to_owned()];
        aws.extend(others.iter().map(|other| (*other).to_owned()));
        Self { aws, account: Some(ACCOUNT_ID.to_owned()), ..Self::default() }
    }

    /// Makes an origin access identity, by id and canonical user id.
    pub fn new_origin_access_identity_principal(id: &str, canonical: &str) -> Self {
        Self {
            aws: vec![format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {id}")],
            canonical: vec![canonical.to_owned()],
            ..Self::default()
        }
    }

    /// Makes a service of AWS, by its name: `cloudfront.amazonaws.com`.
    pub fn new_aws_service_principal(name: &str) -> Self {
        Self { service: vec![name.to_owned()], ..Self::default() }
    }
}

/// What a request carries for conditions: lower-cased keys, one value or more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyConditionContext(BTreeMap<String, Vec<String>>);

impl PolicyConditionContext {
    /// Adds a value to a condition key.
    #[must_use]
    pub fn add_condition_key_value(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.entry(key.to_lowercase()).or_default().push(value.into());
        self
    }

    fn find_condition_key_values(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}

/// What one document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyDecision {
    /// A statement denies it.
    ExplicitDeny,
    /// No statement speaks of it.
    ImplicitDeny,
    /// It is left to the identity policies of the caller's account: the account's root is allowed.
    Delegated,
    /// A statement allows it, to this principal by name or to everybody.
    Allow,
}

/// Weighs one document. `principal` is none for an identity policy, whose statements name nobody.
pub fn evaluate_policy_document(
    document: &Value,
    principal: Option<&SandboxCallerPrincipalNames>,
    action: &str,
    resource: &str,
    context: &PolicyConditionContext,
) -> PolicyDecision {
    let mut decision = PolicyDecision::ImplicitDeny;
    for statement in iterate_policy_statements(document) {
        let whom = match_statement_principal(statement, principal);
        if whom == PrincipalMatch::No
            || !statement_applies_to_request(statement, action, resource)
            || !are_statement_conditions_met(statement, context)
        {
            continue;
        }
        if statement["Effect"] == "Deny" {
            return PolicyDecision::ExplicitDeny;
        }
        if statement["Effect"] == "Allow" {
            decision = decision.max(if whom == PrincipalMatch::Account {
                PolicyDecision::Delegated
            } else {
                PolicyDecision::Allow
            });
        }
    }
    decision
}

/// Weighs several identity policies together.
pub fn evaluate_identity_policies(
    documents: &[Value],
    action: &str,
    resource: &str,
    context: &PolicyConditionContext,
) -> PolicyDecision {
    let decisions: Vec<PolicyDecision> = documents
        .iter()
        .map(|document| evaluate_policy_document(document, None, action, resource, context))
        .collect();
    if decisions.contains(&PolicyDecision::ExplicitDeny) {
        PolicyDecision::ExplicitDeny
    } else {
        decisions.into_iter().max().unwrap_or(PolicyDecision::ImplicitDeny)
    }
}

/// Finds the condition keys that would be weighed for this action and are not in the context.
pub fn find_missing_context_keys(
    documents: &[Value],
    action: &str,
    resource: &str,
    context: &PolicyConditionContext,
) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for statement in documents
        .iter()
        .flat_map(iterate_policy_statements)
        .filter(|statement| statement_applies_to_request(statement, action, resource))
    {
        for (_, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for key in keys.as_object().into_iter().flat_map(serde_json::Map::keys) {
                if context.find_condition_key_values(key).is_none() {
                    missing.insert(key.clone());
                }
            }
        }
    }
    missing
}

/// Lists every principal that a document names, as kind (`AWS`, `CanonicalUser`, `Service`, `Federated`) and name; `*` stands under `AWS`.
pub fn list_policy_principals(document: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for statement in iterate_policy_statements(document) {
        for element in [&statement["Principal"], &statement["NotPrincipal"]] {
            match element {
                Value::String(all) => found.push(("AWS".to_owned(), all.clone())),
                Value::Object(kinds) => {
                    for (kind, names) in kinds {
                        found.extend(
                            collect_json_strings(names)
                                .into_iter()
                                .map(|name| (kind.clone(), name.to_owned())),
                        );
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Returns a document's statements, one or many.
pub fn iterate_policy_statements(document: &Value) -> impl Iterator<Item = &Value> {
    match &document["Statement"] {
        Value::Array(many) => many.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    }
    .iter()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum PrincipalMatch {
    No,
    /// As one of the account's.
    Account,
    Yes,
}

fn match_statement_principal(
    statement: &Value,
    principal: Option<&SandboxCallerPrincipalNames>,
) -> PrincipalMatch {
    let Some(principal) = principal else { return PrincipalMatch::Yes };
    if statement.get("NotPrincipal").is_some() {
        return if match_principal_element(&statement["NotPrincipal"], principal) == PrincipalMatch::No {
            PrincipalMatch::Yes
        } else {
            PrincipalMatch::No
        };
    }
    match_principal_element(&statement["Principal"], principal)
}

fn match_principal_element(element: &Value, principal: &SandboxCallerPrincipalNames) -> PrincipalMatch {
    match element {
        Value::String(all) if all == "*" => PrincipalMatch::Yes,
        Value::Object(kinds) => {
            let mut best = PrincipalMatch::No;
            for (kind, names) in kinds {
                for name in collect_json_strings(names) {
                    best = best.max(match kind.as_str() {
                        "AWS" => match_aws_principal(name, principal),
                        "CanonicalUser" => {
                            full_principal_match_if(principal.canonical.iter().any(|own| own == name))
                        }
                        "Service" => full_principal_match_if(principal.service.iter().any(|own| own == name)),
                        _ => PrincipalMatch::No,
                    });
                }
            }
            best
        }
        _ => PrincipalMatch::No,
    }
}

fn match_aws_principal(name: &str, principal: &SandboxCallerPrincipalNames) -> PrincipalMatch {
    if name == "*" || principal.aws.iter().any(|own| own == name) {
        return PrincipalMatch::Yes;
    }
    match &principal.account {
        Some(account) if name == account || name == format!("arn:aws:iam::{account}:root") => {
            PrincipalMatch::Account
        }
        _ => PrincipalMatch::No,
    }
}

fn full_principal_match_if(yes: bool) -> PrincipalMatch {
    if yes { PrincipalMatch::Yes } else { PrincipalMatch::No }
}

fn statement_applies_to_request(statement: &Value, action: &str, resource: &str) -> bool {
    let action = action.to_lowercase();
    let of_action = |key: &str| {
        collect_json_strings(&statement[key])
            .iter()
            .any(|pattern| matches_wildcard(&pattern.to_lowercase(), &action))
    };
    let of_resource = |key: &str| {
        collect_json_strings(&statement[key]).iter().any(|pattern| matches_wildcard(pattern, resource))
    };
    let acts =
        if statement.get("NotAction").is_some() { !of_action("NotAction") } else { of_action("Action") };
    let on = if statement.get("NotResource").is_some() {
        !of_resource("NotResource")
    } else {
        of_resource("Resource")
    };
    acts && on
}

fn are_statement_conditions_met(statement: &Value, context: &PolicyConditionContext) -> bool {
    let Some(operators) = statement["Condition"].as_object() else { return true };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, wanted)| {
                is_policy_condition_met(operator, key, &collect_json_strings(wanted), context)
            })
        })
    })
}

fn is_policy_condition_met(
    operator: &str,
    key: &str,
    wanted: &[&str],
    context: &PolicyConditionContext,
) -> bool {
    let (all, operator) = match operator.split_once(':') {
        Some(("ForAllValues", rest)) => (Some(true), rest),
        Some(("ForAnyValue", rest)) => (Some(false), rest),
        _ => (None, operator),
    };
    let values = context.find_condition_key_values(key);
    if operator == "Null" {
        return wanted.iter().any(|flag| (*flag == "true") == values.is_none());
    }
    let (operator, if_exists) =
        operator.strip_suffix("IfExists").map_or((operator, false), |bare| (bare, true));
    let negated = operator.contains("Not");
    let Some(values) = values else { return if_exists || negated || all == Some(true) };
    let test = |value: &str| {
        let matched = wanted.iter().any(|pattern| match operator {
            "StringEquals" | "StringNotEquals" | "NumericEquals" | "NumericNotEquals" => *pattern == value,
            "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" | "Bool" => {
                pattern.eq_ignore_ascii_case(value)
            }
            "StringLike" | "StringNotLike" | "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => {
                matches_wildcard(pattern, value)
            }
            _ => false,
        });
        matched != negated
    };
    if all == Some(true) {
        values.iter().all(|value| test(value))
    } else {
        values.iter().any(|value| test(value))
    }
}

/// A string, or every string of a list; booleans count by their spelling.
fn collect_json_strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Bool(true) => vec!["true"],
        Value::Bool(false) => vec!["false"],
        Value::Array(many) => many.iter().flat_map(collect_json_strings).collect(),
        _ => Vec::new(),
    }
}

/// `*` any run, `?` any one character.
fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|left| *left == '*')
}

#[cfg(test)]
mod tests;
