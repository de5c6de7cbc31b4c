//! Key policies: which are taken, and which would lock their own author out.
//!
//! Every principal must be known; a role that was made a moment ago isn't.

use serde_json::Value;

use super::{
    Ask, Outcome, Refusal,
    access::{self, Decision},
    find_settled, json, principal_known, store,
};

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocumentException", message)
}

/// # Errors
/// AWS's refusal: no policy, an unknown principal, or a lock-out.
pub fn check(state: &store::State, ask: &Ask<'_>, document: &str) -> Result<(), Refusal> {
    let policy: Value =
        serde_json::from_str(document).map_err(|_| malformed("Policy contains invalid JSON."))?;
    if document.len() > 32_768 {
        return Err(Refusal::new(
            400,
            "LimitExceededException",
            "Policy size limit of 32768 bytes exceeded.",
        ));
    }
    let mut statements = 0;
    for statement in access::statements(&policy) {
        statements += 1;
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err(malformed("Policy contains a statement with no principal."));
        }
        if statement["Effect"] != "Allow" && statement["Effect"] != "Deny" {
            return Err(malformed("Policy contains a statement with an invalid effect."));
        }
    }
    if statements == 0 {
        return Err(malformed("Policy contains no statements."));
    }
    if access::principals(&policy).iter().any(|(kind, name)| !principal_known(state, ask.clock, kind, name)) {
        return Err(malformed("Policy contains a statement with one or more invalid principals."));
    }
    let again =
        access::allows(&policy, Some(&ask.caller.principal()), "kms:PutKeyPolicy", "*", &ask.context());
    let bypassed = ask.input["BypassPolicyLockoutSafetyCheck"] == true;
    if !bypassed && matches!(again, Decision::ExplicitDeny | Decision::ImplicitDeny) {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(())
}

pub fn get(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let key = find_settled(&state.kms, ask.need("KeyId")?, ask.clock)?;
    ask.may_on(state, "GetKeyPolicy", key, &ask.context())?;
    named_default(ask)?;
    Ok(json!({"Policy": key.policy, "PolicyName": "default"}))
}

pub fn put(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let key = find_settled(&state.kms, ask.need("KeyId")?, ask.clock)?;
    ask.may_on(state, "PutKeyPolicy", key, &ask.context())?;
    named_default(ask)?;
    let document = ask.need("Policy")?;
    check(state, ask, document)?;
    let (id, document) = (key.id.clone(), document.to_owned());
    if let Some(key) = state.kms.keys.get_mut(&id) {
        key.policy = document;
    }
    Ok(json!({}))
}

fn named_default(ask: &Ask<'_>) -> Result<(), Refusal> {
    match ask.text("PolicyName") {
        None | Some("default") => Ok(()),
        Some(other) => Err(super::not_found(format!("No such policy exists: {other}"))),
    }
}

/// Somebody else adds a statement to every key's policy.
pub fn drift(state: &mut store::State, _ask: &Ask<'_>) {
    for key in state.kms.keys.values_mut() {
        if let Ok(mut policy) = serde_json::from_str::<Value>(&key.policy)
            && let Some(statements) = policy["Statement"].as_array_mut()
        {
            statements.push(json!({"Sid": "SomebodyElse", "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{}:root", super::ACCOUNT)},
                "Action": "kms:DescribeKey", "Resource": "*"}));
            key.policy = policy.to_string();
        }
    }
}
