//! Bucket policies as S3 takes them: what is malformed, whom it doesn't know, and how it writes them back.
//!
//! A principal is kept by what it is, so that an identity put by its canonical user id is given back by its ARN.

use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::Value;

use crate::sandbox::{
    Sandbox,
    control_plane::access::{iterate_policy_statements, list_policy_principals},
};

use super::{SandboxBucket, SandboxS3Caller, access};

/// The most that a bucket policy may be, in bytes (aws-facts section 4).
const POLICY_MAX_BYTES: usize = 20 * 1024;

fn build_s3_malformed_policy_error(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::MalformedPolicy, message.into())
}

/// Checks a bucket policy, and returns the document as it is kept.
///
/// # Errors
/// Refuses what is no policy, an unknown principal, and a public one where that is blocked.
pub fn validate_and_normalize_bucket_policy(
    world: &Sandbox,
    caller: &SandboxS3Caller,
    bucket: &str,
    settings: &SandboxBucket,
    text: &str,
) -> S3Result<String> {
    if text.len() > POLICY_MAX_BYTES {
        return Err(build_s3_malformed_policy_error("Policy exceeds the maximum allowed document size."));
    }
    let mut document: Value = serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(|| {
        build_s3_malformed_policy_error("Policies must be valid JSON and the first byte must be '{'")
    })?;
    if !matches!(document["Version"].as_str(), None | Some("2012-10-17" | "2008-10-17")) {
        return Err(build_s3_malformed_policy_error("The policy must contain a valid version string"));
    }
    if document["Statement"].is_null() {
        return Err(build_s3_malformed_policy_error("Missing required field Statement"));
    }
    if iterate_policy_statements(&document).next().is_none() {
        return Err(build_s3_malformed_policy_error("Could not parse the policy: Statement is empty!"));
    }
    let mut sids = std::collections::BTreeSet::new();
    for statement in iterate_policy_statements(&document) {
        check_statement_fields(statement)?;
        if statement["Sid"].as_str().is_some_and(|sid| !sids.insert(sid.to_owned())) {
            return Err(build_s3_malformed_policy_error(
                "Statement IDs (SID) in a single policy must be unique.",
            ));
        }
        check_statement_targets(statement, bucket)?;
    }
    for (kind, name) in list_policy_principals(&document) {
        if !super::is_principal_known_to_s3(world, &kind, &name) {
            return Err(build_s3_malformed_policy_error("Invalid principal in policy"));
        }
    }
    if access::is_public_sandbox_bucket_policy(text)
        && settings.is_public_access_setting_on(world, "BlockPublicPolicy")
    {
        return Err(access::build_public_access_blocked_error(
            caller,
            "s3:PutBucketPolicy",
            (bucket, None),
            ("public policies", "BlockPublicPolicy"),
        ));
    }
    canonicalize_sandbox_policy_principals(world, &mut document);
    Ok(document.to_string())
}

fn check_statement_fields(statement: &Value) -> S3Result<()> {
    let has = |name: &str| !statement[name].is_null() || !statement[format!("Not{name}")].is_null();
    if let Some(name) = ["Principal", "Action", "Resource"].into_iter().find(|name| !has(name)) {
        return Err(build_s3_malformed_policy_error(format!("Missing required field {name}")));
    }
    if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
        return Err(build_s3_malformed_policy_error(format!("Invalid effect: {}", statement["Effect"])));
    }
    Ok(())
}

/// Checks that a statement names actions of S3, and this bucket or what is in it.
fn check_statement_targets(statement: &Value, bucket: &str) -> S3Result<()> {
    check_policy_string_or_list(&statement["Action"], |action| {
        if action == "*" || action.to_lowercase().starts_with("s3:") {
            Ok(())
        } else {
            Err(build_s3_malformed_policy_error("Policy has invalid action"))
        }
    })?;
    let (whole, within) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/"));
    check_policy_string_or_list(&statement["Resource"], |resource| {
        let fits = resource == whole
            || resource.starts_with(&within)
            || (resource.contains('*') && whole.starts_with(resource.split('*').next().unwrap_or("")));
        if fits { Ok(()) } else { Err(build_s3_malformed_policy_error("Policy has invalid resource")) }
    })
}

fn check_policy_string_or_list(value: &Value, mut check: impl FnMut(&str) -> S3Result<()>) -> S3Result<()> {
    match value {
        Value::String(one) => check(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).try_for_each(check),
        _ => Ok(()),
    }
}

/// Principals as S3 gives them back: an identity's canonical user by its ARN, a list of one as itself.
fn canonicalize_sandbox_policy_principals(world: &Sandbox, document: &mut Value) {
    let many = match &mut document["Statement"] {
        Value::Array(many) => many.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for statement in many {
        let Some(principal) = statement["Principal"].as_object_mut() else { continue };
        let mut named: Vec<Value> = Vec::new();
        for kind in ["AWS", "CanonicalUser"] {
            let found = match principal.shift_remove(kind) {
                Some(Value::Array(many)) => many,
                Some(one) => vec![one],
                None => Vec::new(),
            };
            for one in found {
                let name = one.as_str().unwrap_or_default();
                let arn = (kind == "CanonicalUser")
                    .then(|| super::find_origin_access_identity_arn(world, name))
                    .flatten();
                named.push(arn.map_or(one, Value::String));
            }
        }
        let whole = match named.len() {
            0 => continue,
            1 => named.remove(0),
            _ => Value::Array(named),
        };
        principal.insert("AWS".to_owned(), whole);
    }
}
