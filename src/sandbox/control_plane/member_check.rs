//! Holds the members of a request to their bounds, and refuses it as AWS does for all that it breaks.
//!
//! The words of a type that isn't the model's are those of AWS's JSON protocols, those of a broken bound are recorded.

use serde_json::Value;

use super::{
    SandboxAwsError, build_broken_constraints_error, describe_broken_constraint, describe_excess_length,
    member_bounds::{
        MemberBound::{self, Choice, Flag, Group, Many, Text, Whole},
        list_bounded_members,
    },
    query::AwsQueryForm,
    spell_member_name,
};
use crate::sandbox::service::SandboxService;

/// Holds the members of a JSON document to their types and bounds.
///
/// # Errors
/// Refuses as AWS does: another type as one that can't be read, then all broken bounds together.
pub fn check_json_members(
    service: SandboxService,
    operation: &str,
    input: &Value,
) -> Result<(), SandboxAwsError> {
    if !input.is_object() {
        return Err(SandboxAwsError::new(
            400,
            "SerializationException",
            "Start of structure or map found where not expected.",
        ));
    }
    let given: Vec<(&str, MemberBound, &Value)> = list_bounded_members(service, operation)
        .iter()
        .map(|(name, bound)| (*name, *bound, &input[*name]))
        .filter(|(_, _, value)| !value.is_null())
        .collect();
    for (_, bound, value) in &given {
        if let Some(message) = describe_other_type(*bound, value) {
            return Err(SandboxAwsError::new(400, "SerializationException", message));
        }
    }
    let broken = given.into_iter().filter_map(|(name, bound, value)| match value {
        Value::String(text) => describe_broken_text(name, bound, text),
        Value::Number(number) => {
            number.as_i64().and_then(|number| describe_broken_number(name, bound, number))
        }
        _ => None,
    });
    refuse_broken("ValidationException", &broken.collect::<Vec<_>>())
}

/// Holds the fields of a form to their bounds.
///
/// # Errors
/// Refuses as IAM and STS do.
pub fn check_form_fields(service: SandboxService, form: &AwsQueryForm) -> Result<(), SandboxAwsError> {
    let find = |name: &str| form.find_form_field(name);
    check_text_fields("ValidationError", service, form.aws_query_action(), find)
}

/// Holds the parameters of a query to their bounds, read by `find`.
///
/// # Errors
/// Refuses what is out of them, by `code`.
pub fn check_text_fields<'t>(
    code: &str,
    service: SandboxService,
    operation: &str,
    find: impl Fn(&str) -> Option<&'t str>,
) -> Result<(), SandboxAwsError> {
    let broken = list_bounded_members(service, operation).iter().filter_map(|(name, bound)| {
        let text = find(name)?;
        match bound {
            Whole(..) => match text.parse() {
                Ok(number) => describe_broken_number(name, *bound, number),
                Err(_) => Some(format!("Value '{text}' at '{}' is no number", spell_member_name(name))),
            },
            _ => describe_broken_text(name, *bound, text),
        }
    });
    refuse_broken(code, &broken.collect::<Vec<_>>())
}

fn refuse_broken(code: &str, broken: &[String]) -> Result<(), SandboxAwsError> {
    if broken.is_empty() { Ok(()) } else { Err(build_broken_constraints_error(code, broken)) }
}

fn describe_other_type(bound: MemberBound, value: &Value) -> Option<String> {
    let (fits, wanted) = match bound {
        Text(..) | Choice(_) => (value.is_string(), "a String"),
        Whole(..) => (value.is_number(), "an Integer"),
        Flag => (value.is_boolean(), "a Boolean"),
        Many => (value.is_array(), ""),
        Group => (value.is_object(), ""),
    };
    if fits {
        return None;
    }
    let found = match value {
        Value::String(_) => "STRING_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        _ => return Some("Start of structure or map found where not expected.".to_owned()),
    };
    Some(if wanted.is_empty() {
        "Unexpected token received from parser".to_owned()
    } else {
        format!("{found} can not be converted to {wanted}")
    })
}

fn describe_broken_text(name: &str, bound: MemberBound, text: &str) -> Option<String> {
    let constraint = match bound {
        Text(_, most) if text.chars().count() > most => {
            return Some(describe_excess_length(text, &spell_member_name(name), most));
        }
        Text(least, _) if text.chars().count() < least => {
            format!("Member must have length greater than or equal to {least}")
        }
        Choice(known) if !known.contains(&text) => {
            format!("Member must satisfy enum value set: [{}]", known.join(", "))
        }
        _ => return None,
    };
    Some(describe_broken_constraint(text, &spell_member_name(name), constraint))
}

fn describe_broken_number(name: &str, bound: MemberBound, number: i64) -> Option<String> {
    let constraint = match bound {
        Whole(_, most) if number > most => format!("Member must have value less than or equal to {most}"),
        Whole(least, _) if number < least => {
            format!("Member must have value greater than or equal to {least}")
        }
        _ => return None,
    };
    Some(describe_broken_constraint(number, &spell_member_name(name), constraint))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_held_to_their_types_and_bounds() {
        for (input, expected) in [
            (json!({"KeyId": "k", "Limit": 5}), None),
            (json!({"KeyId": null}), None),
            (json!([]), Some("SerializationException")),
            (json!({"KeyId": 5}), Some("SerializationException")),
            (json!({"Tags": {}}), Some("SerializationException")),
            (json!({"Limit": {"a": "b"}}), Some("SerializationException")),
            (json!({"Limit": 0}), Some("ValidationException")),
            (json!({"KeyId": ""}), Some("ValidationException")),
            (json!({"Description": "d".repeat(8193)}), Some("ValidationException")),
            (json!({"KeyUsage": "NONE"}), Some("ValidationException")),
        ] {
            let judged = check_json_members(SandboxService::Kms, "CreateKey", &input);
            assert_eq!(judged.err().map(|error| error.code).as_deref(), expected, "{input}");
        }
    }

    #[test]
    fn what_is_not_played_is_held_to_no_bounds() {
        for (operation, expected) in [("GetSessionToken", None), ("AssumeRole", Some("ValidationError"))] {
            let find = |name: &str| (name == "DurationSeconds").then_some("129600");
            let judged = check_text_fields("ValidationError", SandboxService::Sts, operation, find);
            assert_eq!(judged.err().map(|error| error.code).as_deref(), expected, "{operation}");
        }
    }

    #[test]
    fn broken_bounds_are_said_together() {
        let fields = [("MaxItems", "0"), ("RoleName", "")];
        let find = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, text)| *text);
        assert_eq!(
            check_text_fields("ValidationError", SandboxService::Iam, "ListRoles", find).unwrap_err().message,
            "2 validation errors detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '' at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
    }
}
