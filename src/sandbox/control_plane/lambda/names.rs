//! How Lambda reads the name of a function: alone, behind an account, or as an ARN, with a qualifier or without; and in what words it refuses others.

use super::{ACCOUNT_ID, REGION, SandboxAwsError, build_lambda_invalid_parameter_error};
use crate::sandbox::control_plane::{
    build_broken_constraints_error, describe_broken_pattern, describe_excess_length,
};

/// The pattern of names, as AWS prints it where a function is read, changed or deleted.
const NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
/// The same where one is created.
const NEW_NAME_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const QUALIFIER_MAX_CHARS: usize = 128;
const NEW_NAME_MAX_CHARS: usize = 140;
const BARE_NAME_MAX_CHARS: usize = 64;

/// A name that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LambdaFunctionName {
    pub name: String,
    pub qualifier: Option<String>,
}

fn take_until_colon(text: &str, fits: impl Fn(&str) -> bool) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((part, rest)) if fits(part) => (Some(part), rest),
        _ => (None, text),
    }
}

fn is_region(text: &str) -> bool {
    let text = text.strip_prefix("eusc-").unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let (first, last) = match parts.as_slice() {
        [first, direction, last] if letters(direction) => (first, last),
        [first, partition, direction, last]
            if letters(direction) && (*partition == "gov" || partition.starts_with("iso")) =>
        {
            (first, last)
        }
        _ => return false,
    };
    first.len() == 2 && letters(first) && last.len() == 1 && last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str, allows_dots: bool) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_' || (allows_dots && one == '.'))
}

/// Reads a name by its pattern; gives region and account with it, where they are said.
fn parse_name(text: &str, is_new: bool) -> Option<(LambdaFunctionName, Option<&str>, Option<&str>)> {
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix("arn:") {
        let (partition, service) = behind.split_once(':')?;
        let known = partition.strip_prefix("aws").is_some_and(|more| more.is_empty() || is_word(more, false));
        if !known && !partition.is_empty() {
            return None;
        }
        rest = service.strip_prefix("lambda:")?;
    }
    let (region, behind) = take_until_colon(rest, is_region);
    let account = |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (account, behind) = take_until_colon(behind, account);
    let behind = behind.strip_prefix("function:").unwrap_or(behind);
    let (name, qualifier) = match behind.split_once(':') {
        None => (behind, None),
        Some((name, qualifier)) => (name, Some(qualifier)),
    };
    let fits = qualifier
        .is_none_or(|one| one == "$LATEST" || (!is_new && one == "$LATEST.PUBLISHED") || is_word(one, false));
    if !is_word(name, !is_new) || !fits {
        return None;
    }
    let read = LambdaFunctionName { name: name.to_owned(), qualifier: qualifier.map(str::to_owned) };
    Some((read, region, account))
}

/// Reads the name, and the qualifier that may stand beside it, of a function that is read, changed, run or deleted.
///
/// # Errors
/// Refuses what isn't one, another region, and a qualifier that contradicts the name's.
pub fn read_function_name(
    text: &str,
    qualifier: Option<&str>,
) -> Result<LambdaFunctionName, SandboxAwsError> {
    let mut broken = Vec::new();
    if let Some(qualifier) = qualifier {
        if qualifier.len() > QUALIFIER_MAX_CHARS {
            broken.push(describe_excess_length(qualifier, "qualifier", QUALIFIER_MAX_CHARS));
        } else if !is_word(&qualifier.replace('$', ""), false) && qualifier != "$LATEST.PUBLISHED" {
            broken.push(describe_broken_pattern(qualifier, "qualifier", QUALIFIER_PATTERN));
        }
    }
    let parsed = parse_name(text, false);
    if parsed.is_none() {
        broken.push(describe_broken_pattern(text, "functionName", NAME_PATTERN));
    }
    let (Some((mut read, region, account)), true) = (parsed, broken.is_empty()) else {
        return Err(build_broken_constraints_error("ValidationException", &broken));
    };
    if let Some(region) = region.filter(|region| *region != REGION) {
        return Err(SandboxAwsError::new(
            404,
            "ResourceNotFoundException",
            format!("Functions from '{region}' are not reachable in this region ('{REGION}')"),
        ));
    }
    if account.is_some_and(|account| account != ACCOUNT_ID) {
        return Err(SandboxAwsError::new(403, "AccessDeniedException", ""));
    }
    if let (Some(derived), Some(said)) = (&read.qualifier, qualifier)
        && derived != said
    {
        return Err(build_lambda_invalid_parameter_error(
            "The derived qualifier from the function name does not match the specified qualifier.",
        ));
    }
    read.qualifier = qualifier.map(str::to_owned).or(read.qualifier);
    Ok(read)
}

/// Reads the name of a function that is created.
///
/// # Errors
/// Refuses what isn't one, and one that is too long.
pub fn read_new_function_name(text: &str) -> Result<String, SandboxAwsError> {
    let mut broken = Vec::new();
    if text.len() > NEW_NAME_MAX_CHARS {
        broken.push(describe_excess_length(text, "functionName", NEW_NAME_MAX_CHARS));
    }
    let parsed = parse_name(text, true);
    if parsed.is_none() {
        broken.push(describe_broken_pattern(text, "functionName", NEW_NAME_PATTERN));
    }
    let (Some((read, ..)), true) = (parsed, broken.is_empty()) else {
        return Err(build_broken_constraints_error("ValidationException", &broken));
    };
    if read.name.len() > BARE_NAME_MAX_CHARS {
        let broken = describe_excess_length(&read.name, "functionName", BARE_NAME_MAX_CHARS);
        return Err(build_broken_constraints_error("InvalidParameterValueException", &[broken]));
    }
    Ok(read.name)
}

/// Checks the ARN of what has tags.
///
/// # Errors
/// Refuses what is none of Lambda's.
pub fn check_tagged_arn(text: &str) -> Result<(), SandboxAwsError> {
    const PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";
    if text.starts_with(&format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:"))
        && parse_name(text, true).is_some()
    {
        return Ok(());
    }
    Err(build_broken_constraints_error(
        "ValidationException",
        &[describe_broken_pattern(text, "resource", PATTERN)],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of recorded answers.
    #[test]
    fn names_are_read_and_refused_as_lambda_does() {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:f");
        for (text, qualifier, expected) in [
            ("f", None, Ok(("f", None))),
            (arn.as_str(), Some("1"), Ok(("f", Some("1")))),
            (&format!("{arn}:$LATEST"), None, Ok(("f", Some("$LATEST")))),
            (&format!("{ACCOUNT_ID}:function:f"), None, Ok(("f", None))),
            (
                "*",
                None,
                Err(("ValidationException", "1 validation error detected: Value '*' at 'functionName'")),
            ),
            (&format!("{arn}:1:2"), None, Err(("ValidationException", "1 validation error detected"))),
            (&format!("{arn}:$LATES"), None, Err(("ValidationException", "1 validation error detected"))),
            (
                "arn:aws:lambda:invalid-region:999999999999:function:f",
                Some("!"),
                Err(("ValidationException", "2 validation errors detected: Value '!' at 'qualifier'")),
            ),
            (
                "arn:aws:ec2:us-east-1:999999999999:instance:i-1",
                None,
                Err(("ValidationException", "1 validation error")),
            ),
            (
                "arn:aws:lambda::999999999999:function:f",
                None,
                Err(("ValidationException", "1 validation error")),
            ),
            (
                "arn:aws:lambda:eu-central-1:999999999999:function:f",
                None,
                Err((
                    "ResourceNotFoundException",
                    "Functions from 'eu-central-1' are not reachable in this region ('us-east-1')",
                )),
            ),
            ("arn:aws:lambda:us-east-1:000000000000:function:f", None, Err(("AccessDeniedException", ""))),
            (
                &format!("{arn}:1"),
                Some("$LATEST"),
                Err((
                    "InvalidParameterValueException",
                    "The derived qualifier from the function name does not match",
                )),
            ),
        ] {
            match (read_function_name(text, qualifier), expected) {
                (Ok(read), Ok((name, qualifier))) => {
                    assert_eq!((read.name.as_str(), read.qualifier.as_deref()), (name, qualifier), "{text}");
                }
                (Err(error), Err((code, start))) => {
                    assert_eq!(error.code, code, "{text}");
                    assert!(error.message.starts_with(start), "{text}: {}", error.message);
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let long = |count| "a".repeat(count);
        for (text, code, start) in [
            (long(65), "InvalidParameterValueException", "1 validation error detected"),
            (format!("f:{}", long(139)), "ValidationException", "1 validation error detected"),
            (format!("f:!{}", long(139)), "ValidationException", "2 validation errors detected"),
            ("f.g".to_owned(), "ValidationException", "1 validation error detected"),
        ] {
            let error = read_new_function_name(&text).unwrap_err();
            assert_eq!(error.code, code, "{text}");
            assert!(error.message.starts_with(start), "{text}: {}", error.message);
        }
    }
}
