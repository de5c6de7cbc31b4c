//! Whether the condition of a denying statement holds for a request of CloudFront's: by what such a request says of itself, as far as that is known.

use serde_json::Value;

use super::meaning::{self, matches_policy_wildcard};

/// As whom CloudFront reads the bucket, as far as that is known before all of it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudFrontPrincipal<'a> {
    /// An origin access identity; its `E…` id and canonical user id where it is made.
    Identity(Option<(&'a str, &'a str)>),
    /// The service, by a control, for a distribution; its ARN where it is made.
    Service { distribution: Option<&'a str>, account: &'a str },
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionVerdict {
    Met,
    NotMet,
    Unknown,
}

impl ConditionVerdict {
    /// Converts what is surely known.
    pub(super) fn from_known_answer(met: bool) -> Self {
        if met { Self::Met } else { Self::NotMet }
    }

    fn negate_verdict(self) -> Self {
        match self {
            Self::Met => Self::NotMet,
            Self::NotMet => Self::Met,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// What a request of CloudFront's has under a condition's key.
#[derive(Debug, Clone, PartialEq)]
enum RequestContextValue {
    /// Nothing.
    Absent,
    Is(String),
    /// One that begins so.
    BeginsWith(String),
    /// One of CloudFront's addresses.
    EdgeAddress,
    /// At least this version.
    AtLeast(f64),
    Unknown,
}

/// Judges a statement's condition: whether it holds, and the keys that it names; `None` where it surely doesn't.
pub(super) fn judge_condition_for_cloudfront(
    condition: &Value,
    principal: CloudFrontPrincipal<'_>,
) -> Option<(ConditionVerdict, Vec<String>)> {
    let (mut whole, mut names) = (ConditionVerdict::Met, Vec::new());
    for (operator, keys) in condition.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let key = key.to_lowercase();
            let values: Vec<&str> =
                values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            match judge_condition_operator(operator, &values, &find_request_context_value(&key, principal)) {
                ConditionVerdict::NotMet => return None,
                ConditionVerdict::Unknown => whole = ConditionVerdict::Unknown,
                ConditionVerdict::Met => {}
            }
            names.push(key);
        }
    }
    Some((whole, names))
}

/// What CloudFront's request has under `key`, which is in lower case.
fn find_request_context_value(key: &str, principal: CloudFrontPrincipal<'_>) -> RequestContextValue {
    match key {
        "aws:securetransport" => RequestContextValue::Is("true".to_owned()),
        "s3:tlsversion" => RequestContextValue::AtLeast(1.2),
        "aws:sourceip" => RequestContextValue::EdgeAddress,
        "aws:sourcevpce"
        | "aws:sourcevpc"
        | "aws:sourcevpcarn"
        | "aws:vpcsourceip"
        | "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:principalaccount"
        | "aws:userid"
        | "aws:username" => RequestContextValue::Absent,
        _ => match principal {
            CloudFrontPrincipal::Identity(made) => find_identity_context_value(key, made.map(|(id, _)| id)),
            CloudFrontPrincipal::Service { distribution, account } => {
                find_service_context_value(key, distribution, account)
            }
        },
    }
}

/// What an identity's request has; its id where it is made.
fn find_identity_context_value(key: &str, id: Option<&str>) -> RequestContextValue {
    match (key, id) {
        ("aws:principalarn", Some(id)) => {
            RequestContextValue::Is(meaning::format_origin_access_identity_arn(id))
        }
        ("aws:principalarn", None) => {
            RequestContextValue::BeginsWith(meaning::format_origin_access_identity_arn("E"))
        }
        ("aws:principalisawsservice", _) => RequestContextValue::Is("false".to_owned()),
        ("aws:principalservicename" | "aws:sourceaccount" | "aws:sourcearn", _) => {
            RequestContextValue::Absent
        }
        _ => RequestContextValue::Unknown,
    }
}

/// What the service's request has for a distribution; its ARN where it is made. Whether it says an account isn't
/// established (aws-facts section 10).
fn find_service_context_value(key: &str, distribution: Option<&str>, account: &str) -> RequestContextValue {
    match (key, distribution) {
        ("aws:principalarn", _) => RequestContextValue::Absent,
        ("aws:principalisawsservice", _) => RequestContextValue::Is("true".to_owned()),
        ("aws:principalservicename", _) => RequestContextValue::Is("cloudfront.amazonaws.com".to_owned()),
        ("aws:sourcearn", Some(arn)) => RequestContextValue::Is(arn.to_owned()),
        ("aws:sourcearn", None) => {
            RequestContextValue::BeginsWith(format!("arn:aws:cloudfront::{account}:distribution/"))
        }
        _ => RequestContextValue::Unknown,
    }
}

/// Judges one operator on one key, `values` being those that the statement lists.
fn judge_condition_operator(operator: &str, values: &[&str], has: &RequestContextValue) -> ConditionVerdict {
    let operator = operator.to_lowercase();
    let (for_all, operator) = match operator.split_once(':') {
        Some(("forallvalues", rest)) => (Some(true), rest),
        Some(("foranyvalue", rest)) => (Some(false), rest),
        _ => (None, operator.as_str()),
    };
    if operator == "null" {
        return match has {
            RequestContextValue::Unknown => ConditionVerdict::Unknown,
            has => ConditionVerdict::from_known_answer(
                values.contains(&"true") == (*has == RequestContextValue::Absent),
            ),
        };
    }
    let (operator, if_exists) = match operator.strip_suffix("ifexists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let negated = operator.contains("not");
    if *has == RequestContextValue::Absent {
        // A negated operator holds for a key that isn't there; of no values all do, and none does.
        return ConditionVerdict::from_known_answer(for_all.unwrap_or(if_exists || negated));
    }
    let found = judge_listed_values(operator, values, has);
    if negated { found.negate_verdict() } else { found }
}

/// Whether what the request has is among the values that are listed.
fn judge_listed_values(operator: &str, values: &[&str], has: &RequestContextValue) -> ConditionVerdict {
    let is_text = ["string", "arn", "bool"].iter().any(|kind| operator.starts_with(kind));
    let judged = |value: &str| match has {
        RequestContextValue::Is(text) if is_text => match_listed_text(operator, value, text),
        RequestContextValue::BeginsWith(start) if is_text => match_listed_beginning(operator, value, start),
        RequestContextValue::EdgeAddress if operator.ends_with("ipaddress") => match_edge_address(value),
        // What is below the least, whatever it is.
        RequestContextValue::AtLeast(least) if operator == "numericlessthan" => match value.parse::<f64>() {
            Ok(limit) if limit <= *least => ConditionVerdict::NotMet,
            _ => ConditionVerdict::Unknown,
        },
        _ => ConditionVerdict::Unknown,
    };
    let mut verdict = ConditionVerdict::NotMet;
    for value in values {
        match judged(value) {
            ConditionVerdict::Met => return ConditionVerdict::Met,
            ConditionVerdict::Unknown => verdict = ConditionVerdict::Unknown,
            ConditionVerdict::NotMet => {}
        }
    }
    verdict
}

/// Whether an operator takes `*` and `?`; both kinds for ARNs do.
fn takes_wildcards(operator: &str) -> bool {
    operator.contains("like") || operator.starts_with("arn")
}

fn match_listed_text(operator: &str, value: &str, text: &str) -> ConditionVerdict {
    if value.contains("${") {
        return ConditionVerdict::Unknown;
    }
    ConditionVerdict::from_known_answer(if takes_wildcards(operator) {
        matches_policy_wildcard(value, text)
    } else if operator.contains("ignorecase") || operator == "bool" {
        value.eq_ignore_ascii_case(text)
    } else {
        value == text
    })
}

/// For a text of which only the beginning is known.
fn match_listed_beginning(operator: &str, value: &str, start: &str) -> ConditionVerdict {
    let fixed = match value.find(['*', '?', '$']) {
        Some(at) if takes_wildcards(operator) || value[at..].starts_with("${") => &value[..at],
        _ => value,
    };
    let open_end = fixed.len() + 1 == value.len() && value.ends_with('*') && takes_wildcards(operator);
    if open_end && start.starts_with(fixed) {
        ConditionVerdict::Met
    } else if fixed.starts_with(start) || (fixed.len() < value.len() && start.starts_with(fixed)) {
        ConditionVerdict::Unknown
    } else {
        ConditionVerdict::NotMet
    }
}

/// Whether CloudFront's addresses are in a range: never in private ones, nor in one too small to be theirs.
fn match_edge_address(range: &str) -> ConditionVerdict {
    let (address, length) = range.split_once('/').unwrap_or((range, ""));
    let (own, smallest) = if address.contains(':') {
        let start = address.to_ascii_lowercase();
        (["fc", "fd", "fe8", "fe9", "fea", "feb"].iter().any(|own| start.starts_with(own)), 64)
    } else {
        let octets: Vec<u8> = address.split('.').filter_map(|octet| octet.parse().ok()).collect();
        let &[first, second, _, _] = octets.as_slice() else { return ConditionVerdict::Unknown };
        let own = matches!(
            (first, second),
            (10 | 127, _) | (172, 16..32) | (192, 168) | (169, 254) | (100, 64..128)
        );
        (own, 28)
    };
    match length.parse::<u32>() {
        Ok(0) => ConditionVerdict::Met,
        Ok(length) if !own && length < smallest => ConditionVerdict::Unknown,
        _ => ConditionVerdict::NotMet,
    }
}
