//! Key policies: which are taken, and which would lock their own author out.
//!
//! Every principal must be known; a role that was made a moment ago isn't.

use serde_json::Value;

use super::{
    SandboxAwsError, SandboxKmsApiCall, SandboxKmsResult, SandboxState,
    access::{self, PolicyConditionContext},
    does_policy_principal_exist, find_propagated_kms_key, is_allowed_by_key_and_identity, json,
};

fn build_kms_malformed_policy_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "MalformedPolicyDocumentException", message)
}

/// Checks a document that is to be the policy of the key `arn`, whose tags that count are in `context`.
///
/// Whether its caller could put the next one hangs on his own policy too, where the document leaves it to the account
/// (aws-facts section 10: re:Post update-key-policy-future, and scars of others).
///
/// # Errors
/// Refuses what is none, an unknown principal, and what would lock its caller out.
pub fn validate_sandbox_key_policy(
    state: &SandboxState,
    ask: &SandboxKmsApiCall<'_>,
    document: &str,
    arn: &str,
    context: &PolicyConditionContext,
) -> Result<(), SandboxAwsError> {
    let policy: Value = serde_json::from_str(document)
        .map_err(|_| build_kms_malformed_policy_error("Policy contains invalid JSON."))?;
    if document.len() > 32_768 {
        return Err(SandboxAwsError::new(
            400,
            "LimitExceededException",
            "Policy size limit of 32768 bytes exceeded.",
        ));
    }
    let mut statements = 0;
    for statement in access::iterate_policy_statements(&policy) {
        statements += 1;
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err(build_kms_malformed_policy_error("Policy contains a statement with no principal."));
        }
        if statement["Effect"] != "Allow" && statement["Effect"] != "Deny" {
            return Err(build_kms_malformed_policy_error(
                "Policy contains a statement with an invalid effect.",
            ));
        }
    }
    if statements == 0 {
        return Err(build_kms_malformed_policy_error("Policy contains no statements."));
    }
    if access::list_policy_principals(&policy)
        .iter()
        .any(|(kind, name)| !does_policy_principal_exist(state, ask.clock, kind, name))
    {
        return Err(build_kms_malformed_policy_error(
            "Policy contains a statement with one or more invalid principals.",
        ));
    }
    const ACTION: &str = "kms:PutKeyPolicy";
    let principal = ask.caller.caller_to_policy_principal();
    let again = access::evaluate_policy_document(&policy, Some(&principal), ACTION, arn, context);
    let own = ask.caller.decide_identity_access(state, ACTION, arn, context);
    let bypassed = ask.input["BypassPolicyLockoutSafetyCheck"] == true;
    if !bypassed && !is_allowed_by_key_and_identity(again, own) {
        return Err(build_kms_malformed_policy_error(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(())
}

/// Answers GetKeyPolicy.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_get_key_policy(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    ask.authorize_call_on_kms_key(state, "GetKeyPolicy", key, &ask.build_kms_condition_context())?;
    check_key_policy_name(ask)?;
    Ok(json!({"Policy": key.policy, "PolicyName": "default"}))
}

/// Answers PutKeyPolicy.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_put_key_policy(state: &mut SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    ask.authorize_call_on_kms_key(state, "PutKeyPolicy", key, &ask.build_kms_condition_context())?;
    check_key_policy_name(ask)?;
    let document = ask.require_request_text_field("Policy")?;
    let context = ask.add_counting_key_tags(ask.build_kms_condition_context(), key);
    validate_sandbox_key_policy(state, ask, document, &key.build_sandbox_kms_key_arn(), &context)?;
    let (id, document) = (key.id.clone(), document.to_owned());
    if let Some(key) = state.kms.keys.get_mut(&id) {
        key.policy = document;
    }
    Ok(json!({}))
}

fn check_key_policy_name(ask: &SandboxKmsApiCall<'_>) -> Result<(), SandboxAwsError> {
    match ask.read_request_text_field("PolicyName") {
        None | Some("default") => Ok(()),
        Some(other) => Err(super::build_sandbox_kms_missing_error(format!("No such policy exists: {other}"))),
    }
}

/// Lets somebody else add a statement to every key's policy.
pub fn inject_key_policy_drift(state: &mut SandboxState, _ask: &SandboxKmsApiCall<'_>) {
    for key in state.kms.keys.values_mut() {
        if let Ok(mut policy) = serde_json::from_str::<Value>(&key.policy)
            && let Some(statements) = policy["Statement"].as_array_mut()
        {
            statements.push(json!({"Sid": "SomebodyElse", "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{}:root", super::ACCOUNT_ID)},
                "Action": "kms:DescribeKey", "Resource": "*"}));
            key.policy = policy.to_string();
        }
    }
}
