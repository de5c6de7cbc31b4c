//! Which policy documents IAM takes, and in what words it refuses the others.
//!
//! A trust names principals and no resources; an identity policy names resources and no principals.

use serde_json::{Value, json};

use crate::sandbox::SandboxState;
use crate::sandbox::control_plane::{PropagationClock, SandboxAwsError, access, does_policy_principal_exist};

fn build_iam_malformed_policy_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "MalformedPolicyDocument", message)
}

/// Checks a document that is to be an identity policy.
///
/// # Errors
/// Refuses what is none, as IAM does.
pub fn validate_sandbox_identity_policy(document: &str) -> Result<(), SandboxAwsError> {
    let value = parse_policy_document(document)?;
    for statement in access::iterate_policy_statements(&value) {
        if statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some() {
            return Err(build_iam_malformed_policy_error("Policy document should not specify a principal."));
        }
        if statement.get("Resource").is_none() && statement.get("NotResource").is_none() {
            return Err(build_iam_malformed_policy_error("Policy statement must contain resources."));
        }
    }
    Ok(())
}

/// Checks a document that is to be a trust.
///
/// # Errors
/// Refuses what is none, as IAM does, and principals that are not known yet.
pub fn validate_sandbox_trust_policy(
    state: &SandboxState,
    clock: PropagationClock,
    document: &str,
) -> Result<(), SandboxAwsError> {
    let value = parse_policy_document(document)?;
    for statement in access::iterate_policy_statements(&value) {
        if statement.get("Resource").is_some() || statement.get("NotResource").is_some() {
            return Err(build_iam_malformed_policy_error("Has prohibited field Resource"));
        }
        if statement.get("Principal").is_none() {
            return Err(build_iam_malformed_policy_error("Missing required field Principal"));
        }
        let actions = match &statement["Action"] {
            Value::Array(many) => many.clone(),
            one => vec![one.clone()],
        };
        if !actions.iter().all(|action| action.as_str().is_some_and(|action| action.starts_with("sts:"))) {
            return Err(build_iam_malformed_policy_error(
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ));
        }
    }
    for (kind, name) in access::list_policy_principals(&value) {
        if !does_policy_principal_exist(state, clock, &kind, &name) {
            return Err(build_iam_malformed_policy_error(format!(
                "Invalid principal in policy: \"{}\":\"{name}\"",
                kind.to_uppercase()
            )));
        }
    }
    Ok(())
}

/// Adds the resource that a trust leaves out: it speaks of its own role, without saying so.
pub fn add_trust_policy_wildcard_resource(trust: &mut Value) {
    match &mut trust["Statement"] {
        Value::Array(many) => many.iter_mut().for_each(|statement| statement["Resource"] = json!("*")),
        Value::Object(one) => {
            one.insert("Resource".into(), json!("*"));
        }
        _ => {}
    }
}

fn parse_policy_document(document: &str) -> Result<Value, SandboxAwsError> {
    let value: Value = serde_json::from_str(document)
        .map_err(|_| build_iam_malformed_policy_error("This policy contains invalid Json"))?;
    if let Some(version) = value.get("Version")
        && version != "2012-10-17"
        && version != "2008-10-17"
    {
        return Err(build_iam_malformed_policy_error("The policy must contain a valid version string"));
    }
    let mut statements = 0;
    for statement in access::iterate_policy_statements(&value) {
        statements += 1;
        if statement["Effect"] != "Allow" && statement["Effect"] != "Deny" {
            return Err(build_iam_malformed_policy_error("Missing required field Effect"));
        }
        if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
            return Err(build_iam_malformed_policy_error("Policy statement must contain actions."));
        }
    }
    if statements == 0 {
        Err(build_iam_malformed_policy_error("Syntax errors in policy."))
    } else {
        Ok(value)
    }
}
