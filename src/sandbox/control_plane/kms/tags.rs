//! Tags of keys as a request brings them: how many, how long and which names KMS takes, and in what words it refuses others.

use std::collections::{BTreeMap, BTreeSet};

use super::{SandboxAwsError, SandboxKmsApiCall, Value};
use crate::sandbox::control_plane::{
    build_broken_constraints_error, describe_excess_length, spell_member_name,
};

const MAX_TAGS: usize = 50;
const KEY_MAX_CHARS: usize = 128;
const VALUE_MAX_CHARS: usize = 256;

fn build_tag_error(message: &str) -> SandboxAwsError {
    SandboxAwsError::new(400, "TagException", message)
}

/// Reads the tags of a request.
///
/// # Errors
/// Refuses as KMS does: what is too long, said twice, AWS's own, too many.
pub fn parse_kms_request_tags(
    ask: &SandboxKmsApiCall<'_>,
) -> Result<BTreeMap<String, String>, SandboxAwsError> {
    let mut tags = BTreeMap::new();
    let mut said_twice = false;
    for (at, tag) in (1..).zip(ask.input["Tags"].as_array().into_iter().flatten()) {
        let text = |member: &str, most: usize| {
            let said = match &tag[member] {
                Value::String(said) => said.clone(),
                _ => String::new(),
            };
            if said.chars().count() > most {
                let member = format!("tags.{at}.member.{}", spell_member_name(member));
                let broken = describe_excess_length(&said, &member, most);
                return Err(build_broken_constraints_error("ValidationException", &[broken]));
            }
            Ok(said)
        };
        let (name, value) = (text("TagKey", KEY_MAX_CHARS)?, text("TagValue", VALUE_MAX_CHARS)?);
        said_twice |= tags.insert(name, value).is_some();
    }
    if said_twice {
        return Err(build_tag_error("Duplicate tag keys"));
    }
    if tags.keys().any(|name| name.to_lowercase().starts_with("aws:")) {
        return Err(build_tag_error("Tags beginning with aws: are reserved"));
    }
    check_kms_tag_count(tags.keys())?;
    Ok(tags)
}

/// Refuses more tags than a key may have.
///
/// # Errors
/// Refuses as KMS does.
pub fn check_kms_tag_count<'n>(names: impl Iterator<Item = &'n String>) -> Result<(), SandboxAwsError> {
    if names.collect::<BTreeSet<_>>().len() > MAX_TAGS {
        Err(build_tag_error("Too many tags"))
    } else {
        Ok(())
    }
}
