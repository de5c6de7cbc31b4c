//! What a policy document means, whatever its spelling: a string for a list of one, any order, an account by its number.
//!
//! AWS gives back another spelling than it was given; documents are compared by this, never as text.

use serde_json::{Map, Value};

/// Origin access identities: each one's `E…` id and its canonical user id, two names of one principal.
pub type OriginIdentityCanonicalUserIds<'a> = &'a [(&'a str, &'a str)];

/// Returns whether two documents mean the same.
#[must_use]
pub fn is_same_policy(one: &Value, other: &Value) -> bool {
    is_same_policy_with_identities(one, other, &[])
}

/// Returns whether two documents mean the same, the two names of each identity being one.
#[must_use]
pub fn is_same_policy_with_identities(
    one: &Value,
    other: &Value,
    identities: OriginIdentityCanonicalUserIds<'_>,
) -> bool {
    normalize_policy(one, identities) == normalize_policy(other, identities)
}

/// The document with one spelling for each meaning.
fn normalize_policy(document: &Value, identities: OriginIdentityCanonicalUserIds<'_>) -> Value {
    let mut fields = sort_json_fields(document);
    let mut all: Vec<Value> = super::extract_policy_statements(document)
        .iter()
        .map(|one| normalize_policy_statement(one, identities))
        .collect();
    all.sort_by_key(Value::to_string);
    all.dedup();
    fields.insert("Statement".to_owned(), Value::Array(all));
    fields.remove("Id");
    Value::Object(fields)
}

/// Returns the document's statements in their normal spelling, in the order that they stand in.
pub fn normalize_policy_statements(document: &Value) -> Vec<Value> {
    super::extract_policy_statements(document)
        .iter()
        .map(|one| normalize_policy_statement(one, &[]))
        .collect()
}

/// Returns a statement in its normal spelling.
pub fn normalize_policy_statement(
    statement: &Value,
    identities: OriginIdentityCanonicalUserIds<'_>,
) -> Value {
    let mut fields = sort_json_fields(statement);
    for (name, value) in &mut fields {
        match name.as_str() {
            "Action" | "NotAction" => *value = normalize_policy_list(value, str::to_lowercase),
            "Resource" | "NotResource" => *value = normalize_policy_list(value, str::to_owned),
            "Principal" | "NotPrincipal" => *value = normalize_principal_for_comparison(value, identities),
            "Condition" => *value = normalize_policy_condition(value),
            _ => {}
        }
    }
    if fields.get("Sid").is_some_and(|sid| sid == "") {
        fields.remove("Sid");
    }
    Value::Object(fields)
}

/// Names a statement by its Sid, else by its place, `at` from 0.
pub fn format_statement_label(statement: &Value, at: usize) -> String {
    statement["Sid"].as_str().map_or_else(|| format!("number {}", at + 1), |sid| format!("\"{sid}\""))
}

/// Returns whether a normal list holds `text`.
pub fn has_policy_field_value(list: &Value, text: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|one| one == text))
}

/// Returns whether `pattern` matches `text` as a policy's do: `*` is any run, `?` one character.
pub fn matches_policy_wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text) = (0, 0);
    // Where the last `*` stood, and how much of the text it holds so far.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(&one) if one == '?' || one == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((place, held)) => {
                    star = Some((place, held + 1));
                    at = place + 1;
                    in_text = held + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

fn sort_json_fields(value: &Value) -> Map<String, Value> {
    let mut fields: Vec<_> = value.as_object().cloned().unwrap_or_default().into_iter().collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields.into_iter().collect()
}

/// One or a list of them, as a sorted list without doubles.
fn normalize_policy_list(value: &Value, spell: impl Fn(&str) -> String) -> Value {
    let text = |one: &Value| one.as_str().map_or_else(|| one.to_string(), &spell);
    let mut all: Vec<String> = match value {
        Value::Array(many) => many.iter().map(text).collect(),
        one => vec![text(one)],
    };
    all.sort();
    all.dedup();
    all.into()
}

fn normalize_principal_for_comparison(
    value: &Value,
    identities: OriginIdentityCanonicalUserIds<'_>,
) -> Value {
    if value == "*" {
        return serde_json::json!({ "AWS": ["*"] });
    }
    let mut kinds: Map<String, Value> = Map::new();
    for (kind, who) in sort_json_fields(value) {
        let named = normalize_policy_list(&who, |one| {
            if kind == "AWS" && one.len() == 12 && one.bytes().all(|b| b.is_ascii_digit()) {
                format!("arn:aws:iam::{one}:root")
            } else {
                one.to_owned()
            }
        });
        for one in named.as_array().into_iter().flatten().filter_map(Value::as_str) {
            // An identity's canonical user id is nobody else's name, under whichever kind it stands.
            let identity = identities.iter().find(|(_, canonical)| one == *canonical);
            let (kind, one) = match identity {
                Some((id, _)) => ("AWS", format_origin_access_identity_arn(id)),
                None => (kind.as_str(), one.to_owned()),
            };
            let place = kinds.entry(kind.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
            if let Some(many) = place.as_array_mut() {
                many.push(one.into());
            }
        }
    }
    let spelled: Map<_, _> =
        kinds.into_iter().map(|(kind, who)| (kind, normalize_policy_list(&who, str::to_owned))).collect();
    Value::Object(sort_json_fields(&Value::Object(spelled)))
}

/// Formats the ARN of an access identity, the form that GetBucketPolicy may answer with for a canonical user.
pub fn format_origin_access_identity_arn(id: &str) -> String {
    format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {id}")
}

fn normalize_policy_condition(value: &Value) -> Value {
    let operators = sort_json_fields(value).into_iter().map(|(operator, keys)| {
        // Condition keys are case-insensitive; their values aren't.
        let keys = keys.as_object().into_iter().flatten();
        let spelled: Map<_, _> = keys
            .map(|(key, values)| (key.to_lowercase(), normalize_policy_list(values, str::to_owned)))
            .collect();
        (operator, Value::Object(sort_json_fields(&Value::Object(spelled))))
    });
    Value::Object(operators.collect())
}

/// Returns `AROA…`, `AIDA…` and the like: principals that were deleted, which a policy then shows by their ids. Such a
/// document is refused when it is put again, whatever else it says.
#[must_use]
pub fn find_deleted_principals(document: &Value) -> Vec<String> {
    let gone = |text: &str| {
        text.len() >= 16
            && ["AROA", "AIDA", "AGPA", "AIPA"].iter().any(|prefix| text.starts_with(prefix))
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let mut found = Vec::new();
    for statement in normalize_policy_statements(document) {
        for field in ["Principal", "NotPrincipal"] {
            let who = statement[field]["AWS"].as_array().cloned().unwrap_or_default();
            found.extend(who.iter().filter_map(Value::as_str).filter(|one| gone(one)).map(str::to_owned));
        }
    }
    found
}
