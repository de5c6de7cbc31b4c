//! Which policy documents IAM takes, and in what words it refuses the others.
//!
//! A trust names principals and no resources; an identity policy names resources and no principals.

use serde_json::{Value, json};

use crate::sandbox::control_plane::{Clock, Refusal, access, principal_known};
use crate::sandbox::store::State;

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocument", message)
}

/// # Errors
/// AWS's refusal of what is no identity policy.
pub fn check_identity_policy(document: &str) -> Result<(), Refusal> {
    let value = parsed(document)?;
    for statement in access::statements(&value) {
        if statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        if statement.get("Resource").is_none() && statement.get("NotResource").is_none() {
            return Err(malformed("Policy statement must contain resources."));
        }
    }
    Ok(())
}

/// # Errors
/// AWS's refusal of what is no trust.
pub fn check_trust(state: &State, clock: Clock, document: &str) -> Result<(), Refusal> {
    let value = parsed(document)?;
    for statement in access::statements(&value) {
        if statement.get("Resource").is_some() || statement.get("NotResource").is_some() {
            return Err(malformed("Has prohibited field Resource"));
        }
        if statement.get("Principal").is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        let actions = match &statement["Action"] {
            Value::Array(many) => many.clone(),
            one => vec![one.clone()],
        };
        if !actions.iter().all(|action| action.as_str().is_some_and(|action| action.starts_with("sts:"))) {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
    }
    for (kind, name) in access::principals(&value) {
        if !principal_known(state, clock, &kind, &name) {
            return Err(malformed(format!(
                "Invalid principal in policy: \"{}\":\"{name}\"",
                kind.to_uppercase()
            )));
        }
    }
    Ok(())
}

/// A trust speaks of its own role, without saying so.
pub fn on_everything(trust: &mut Value) {
    match &mut trust["Statement"] {
        Value::Array(many) => many.iter_mut().for_each(|statement| statement["Resource"] = json!("*")),
        Value::Object(one) => {
            one.insert("Resource".into(), json!("*"));
        }
        _ => {}
    }
}

fn parsed(document: &str) -> Result<Value, Refusal> {
    let value: Value =
        serde_json::from_str(document).map_err(|_| malformed("This policy contains invalid Json"))?;
    if let Some(version) = value.get("Version")
        && version != "2012-10-17"
        && version != "2008-10-17"
    {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let mut statements = 0;
    for statement in access::statements(&value) {
        statements += 1;
        if statement["Effect"] != "Allow" && statement["Effect"] != "Deny" {
            return Err(malformed("Missing required field Effect"));
        }
        if statement.get("Action").is_none() && statement.get("NotAction").is_none() {
            return Err(malformed("Policy statement must contain actions."));
        }
    }
    if statements == 0 { Err(malformed("Syntax errors in policy.")) } else { Ok(value) }
}
