//! KMS: keys whose material stays here, aliases, key policies.
//!
//! Nothing is decrypted without the caller's right under the key's own policy, the exact context and a usable key.

mod cipher;
mod keys;
mod own_keys;
mod policies;
mod tags;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use own_keys::{S3_OWN_KEY_NAME, find_s3_own_key_arn};

use super::{
    ACCOUNT_ID, PropagationClock, REGION, SandboxAwsError, SignedCaller,
    access::{self, PolicyConditionContext, PolicyDecision},
    add_request_tag_condition_keys, build_access_denied_error, build_json_response,
    build_missing_field_error, build_unknown_json_operation_error, does_policy_principal_exist,
    get_request_signed_caller, has_sandbox_drift_injection, iam, member_check, parse_json_request_body,
    parse_target_header_operation,
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxKmsState {
    /// By key id.
    pub keys: BTreeMap<String, SandboxKmsKey>,
    /// By name, with its `alias/`.
    pub aliases: BTreeMap<String, SandboxKmsAlias>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxKmsKey {
    pub id: String,
    /// Hexadecimal.
    pub material: String,
    pub description: String,
    pub policy: String,
    pub tags: BTreeMap<String, String>,
    /// When they were last changed.
    #[serde(default)]
    pub tagged: Duration,
    /// `Enabled`, `Disabled`, `PendingDeletion`.
    pub state: String,
    pub created: Duration,
    /// Whether it is one of AWS's own, which nobody can change.
    #[serde(default)]
    pub managed_by_aws: bool,
}

impl std::fmt::Debug for SandboxKmsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

impl SandboxKmsKey {
    /// Returns its ARN.
    pub fn build_sandbox_kms_key_arn(&self) -> String {
        format_sandbox_kms_key_arn(&self.id)
    }

    /// Names the one material that it has: 64 hexadecimal digits that tell nothing of it.
    fn build_key_material_id(&self) -> String {
        hex::encode(Sha256::digest(format!("material of {}", self.id)))
    }
}

fn format_sandbox_kms_key_arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{id}")
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxKmsAlias {
    pub key: String,
    pub created: Duration,
}

/// Returns the operation that the header names: `CreateKey`, of `TrentService.CreateKey`.
pub fn parse_kms_operation_name(request: &Request<Bytes>) -> &str {
    parse_target_header_operation(request, "TrentService.")
}

/// Answers one request to KMS.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_kms_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let result = get_request_signed_caller(&request).and_then(|caller| {
        let input = parse_json_request_body(&request)?;
        let action = parse_kms_operation_name(&request);
        member_check::check_json_members(SandboxService::Kms, action, &input)?;
        let ask = SandboxKmsApiCall {
            clock: PropagationClock::propagation_clock_from_sandbox(world),
            caller: &caller,
            action,
            input: &input,
        };
        if has_sandbox_drift_injection(&request) {
            world.update_sandbox_state_on_disk(|state| policies::inject_key_policy_drift(state, &ask));
        }
        dispatch_kms_call(world, &ask)
    });
    match result {
        Ok(output) => build_json_response(200, "application/x-amz-json-1.1", &output),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::Kms),
    }
}

/// One request: who, when, what.
struct SandboxKmsApiCall<'a> {
    clock: PropagationClock,
    caller: &'a SignedCaller,
    action: &'a str,
    input: &'a Value,
}

type SandboxKmsResult = Result<Value, SandboxAwsError>;

fn dispatch_kms_call(world: &Sandbox, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    match ask.action {
        "CreateKey" => world.update_sandbox_state_on_disk(|state| keys::handle_create_kms_key(state, ask)),
        "DescribeKey" => {
            world.read_sandbox_state_from_disk(|state| keys::handle_describe_kms_key(state, ask))
        }
        "GetKeyRotationStatus" => {
            world.read_sandbox_state_from_disk(|state| keys::handle_get_key_rotation_status(state, ask))
        }
        "ListKeys" => world.read_sandbox_state_from_disk(|state| keys::handle_list_kms_keys(state, ask)),
        "CreateAlias" => {
            world.update_sandbox_state_on_disk(|state| keys::handle_create_kms_alias(state, ask))
        }
        "ListAliases" => {
            world.read_sandbox_state_from_disk(|state| keys::handle_list_kms_aliases(state, ask))
        }
        "ListResourceTags" => {
            world.read_sandbox_state_from_disk(|state| keys::handle_list_kms_key_tags(state, ask))
        }
        "TagResource" => world.update_sandbox_state_on_disk(|state| keys::handle_tag_kms_key(state, ask)),
        "GetKeyPolicy" => {
            world.read_sandbox_state_from_disk(|state| policies::handle_get_key_policy(state, ask))
        }
        "PutKeyPolicy" => {
            world.update_sandbox_state_on_disk(|state| policies::handle_put_key_policy(state, ask))
        }
        "Encrypt" => world.read_sandbox_state_from_disk(|state| cipher::handle_kms_encrypt(state, ask)),
        "Decrypt" => world.read_sandbox_state_from_disk(|state| cipher::handle_kms_decrypt(state, ask)),
        other => Err(build_unknown_json_operation_error(other)),
    }
}

impl SandboxKmsApiCall<'_> {
    fn read_request_text_field(&self, field: &str) -> Option<&str> {
        self.input[field].as_str()
    }

    fn require_request_text_field(&self, field: &str) -> Result<&str, SandboxAwsError> {
        self.read_request_text_field(field)
            .ok_or_else(|| build_missing_field_error("ValidationException", field))
    }

    fn build_kms_condition_context(&self) -> PolicyConditionContext {
        self.caller.build_caller_condition_context().add_condition_key_value("kms:CallerAccount", ACCOUNT_ID)
    }

    /// For what belongs to no key: the identity policies alone.
    fn authorize_kms_call(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        let action = format!("kms:{action}");
        self.caller.authorize_caller(state, SandboxService::Kms, &action, resource, context)
    }

    /// Adds the key's tags, once they count: minutes after they were set (KMS's guide on ABAC; aws-facts section 10).
    fn add_counting_key_tags(
        &self,
        context: PolicyConditionContext,
        key: &SandboxKmsKey,
    ) -> PolicyConditionContext {
        let known = self.clock.has_delay_passed(key.tagged, self.clock.delays.tags);
        key.tags.iter().filter(|_| known).fold(context, |context, (name, value)| {
            context.add_condition_key_value(&format!("aws:ResourceTag/{name}"), value)
        })
    }

    /// Holds the caller to the key's policy, and to his own where that leaves it to them.
    fn authorize_call_on_kms_key(
        &self,
        state: &SandboxState,
        action: &str,
        key: &SandboxKmsKey,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        let action = format!("kms:{action}");
        let arn = key.build_sandbox_kms_key_arn();
        let policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
        let context = &self.add_counting_key_tags(context.clone(), key);
        // In a key policy the resource is the key itself, mostly spelt `*`.
        let of_key = access::evaluate_policy_document(
            &policy,
            Some(&self.caller.caller_to_policy_principal()),
            &action,
            &arn,
            context,
        );
        let own = if iam::are_caller_policies_propagated(&state.iam, self.clock, self.caller) {
            self.caller.decide_identity_access(state, &action, &arn, context)
        } else {
            PolicyDecision::ImplicitDeny
        };
        let denied = |why: &str| {
            Err(build_access_denied_error(
                SandboxService::Kms,
                self.caller.format_access_denial_message(&action, &arn, why),
            ))
        };
        match (of_key, own) {
            (PolicyDecision::ExplicitDeny, _) => denied("with an explicit deny in a resource-based policy"),
            (_, PolicyDecision::ExplicitDeny) => denied("with an explicit deny in an identity-based policy"),
            (PolicyDecision::Allow, _)
            | (PolicyDecision::Delegated, PolicyDecision::Allow | PolicyDecision::Delegated) => Ok(()),
            (PolicyDecision::Delegated, PolicyDecision::ImplicitDeny) => {
                denied(&format!("because no identity-based policy allows the {action} action"))
            }
            (PolicyDecision::ImplicitDeny, _) => {
                denied(&format!("because no resource-based policy allows the {action} action"))
            }
        }
    }
}

/// Whether a key's own policy lets somebody of no account, such as a service, do `action` with it.
pub fn is_allowed_by_sandbox_key_policy(
    state: &SandboxKmsState,
    name: &str,
    principal: &access::SandboxCallerPrincipalNames,
    action: &str,
    context: &PolicyConditionContext,
) -> bool {
    find_stored_kms_key(state, name).is_ok_and(|key| {
        let policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
        key.state == "Enabled"
            && access::evaluate_policy_document(
                &policy,
                Some(principal),
                action,
                &key.build_sandbox_kms_key_arn(),
                context,
            ) == PolicyDecision::Allow
    })
}

/// Finds the ARN of a key that is named by its id, its ARN or an alias.
pub fn find_sandbox_key_arn(state: &SandboxKmsState, name: &str) -> Option<String> {
    find_stored_kms_key(state, name).ok().map(SandboxKmsKey::build_sandbox_kms_key_arn)
}

/// Finds with what KMS refuses to use a key of this account's for another service: disabled, or to be deleted. Nothing is
/// known of keys that aren't kept here.
pub fn find_unusable_sandbox_key_error(state: &SandboxKmsState, name: &str) -> Option<SandboxAwsError> {
    find_stored_kms_key(state, name).ok().and_then(|key| check_sandbox_kms_key_usable(key).err())
}

/// Finds with what KMS refuses to encrypt under a key that this account hasn't. Of another account's keys nothing is known.
pub fn find_missing_sandbox_key_error(state: &SandboxKmsState, name: &str) -> Option<SandboxAwsError> {
    let of_another = name.starts_with("arn:") && name.split(':').nth(4) != Some(ACCOUNT_ID);
    if of_another {
        return None;
    }
    find_stored_kms_key(state, name).err()
}

/// Whether a key lets `caller`, in whose name S3 asks, do `action` with it: by its own policy, and by his where that
/// leaves it to them. A key that isn't here, as another account's, serves whoever may read the object.
///
/// # Errors
/// Names the key's ARN that it is denied on.
pub fn authorize_s3_on_sandbox_key(
    state: &SandboxState,
    caller: &SignedCaller,
    name: &str,
    action: &str,
) -> Result<(), String> {
    let Ok(key) = find_stored_kms_key(&state.kms, name) else { return Ok(()) };
    let arn = key.build_sandbox_kms_key_arn();
    let policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
    let context = caller
        .build_caller_condition_context()
        .add_condition_key_value("kms:CallerAccount", ACCOUNT_ID)
        .add_condition_key_value("kms:ViaService", format!("s3.{REGION}.amazonaws.com"));
    let principal = caller.caller_to_policy_principal();
    let of_key = access::evaluate_policy_document(&policy, Some(&principal), action, &arn, &context);
    let own = caller.decide_identity_access(state, action, &arn, &context);
    if is_allowed_by_key_and_identity(of_key, own) { Ok(()) } else { Err(arn) }
}

/// What a key's policy and the caller's own come to.
fn is_allowed_by_key_and_identity(of_key: PolicyDecision, own: PolicyDecision) -> bool {
    match of_key {
        PolicyDecision::ExplicitDeny | PolicyDecision::ImplicitDeny => false,
        PolicyDecision::Allow => own != PolicyDecision::ExplicitDeny,
        PolicyDecision::Delegated => own == PolicyDecision::Allow,
    }
}

/// A key by its id, ARN, alias or alias ARN.
fn find_stored_kms_key<'a>(
    state: &'a SandboxKmsState,
    name: &str,
) -> Result<&'a SandboxKmsKey, SandboxAwsError> {
    let prefix = format!("arn:aws:kms:{REGION}:{ACCOUNT_ID}:");
    if name.starts_with("arn:") && !name.starts_with(&prefix) {
        return Err(build_sandbox_kms_missing_error(format!(
            "Invalid arn {}",
            name.split(':').nth(3).unwrap_or_default()
        )));
    }
    let bare = name.strip_prefix(&prefix).unwrap_or(name);
    if bare.starts_with("alias/") {
        let alias = state.aliases.get(bare).and_then(|alias| state.keys.get(&alias.key));
        return alias
            .ok_or_else(|| build_sandbox_kms_missing_error(format!("Alias {prefix}{bare} is not found.")));
    }
    let id = bare.strip_prefix("key/").unwrap_or(bare);
    state.keys.get(id).ok_or_else(|| {
        build_sandbox_kms_missing_error(if is_kms_key_id(id) {
            format!("Key '{prefix}key/{id}' does not exist")
        } else {
            format!("Invalid keyId '{id}'")
        })
    })
}

/// Whether a text has the form of a key's id: a UUID, or a multi-region key's `mrk-` with 32 hexadecimal digits.
fn is_kms_key_id(id: &str) -> bool {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = id.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let parts: Vec<&str> = id.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| is_hex(part))
}

/// A key as a host of KMS that heard of it late sees it.
fn find_propagated_kms_key<'a>(
    state: &'a SandboxKmsState,
    name: &str,
    clock: PropagationClock,
) -> Result<&'a SandboxKmsKey, SandboxAwsError> {
    let key = find_stored_kms_key(state, name)?;
    // S3 names a key of AWS's own only once AWS has made it.
    if key.managed_by_aws || clock.has_delay_passed(key.created, clock.delays.listing) {
        Ok(key)
    } else {
        Err(build_sandbox_kms_missing_error(format!(
            "Key '{}' does not exist",
            key.build_sandbox_kms_key_arn()
        )))
    }
}

fn check_sandbox_kms_key_usable(key: &SandboxKmsKey) -> Result<(), SandboxAwsError> {
    match key.state.as_str() {
        "Enabled" => Ok(()),
        "Disabled" => Err(SandboxAwsError::new(
            400,
            "DisabledException",
            format!("{} is disabled.", key.build_sandbox_kms_key_arn()),
        )),
        _ => Err(SandboxAwsError::new(
            400,
            "KMSInvalidStateException",
            format!("{} is pending deletion.", key.build_sandbox_kms_key_arn()),
        )),
    }
}

fn build_sandbox_kms_missing_error(message: String) -> SandboxAwsError {
    SandboxAwsError::new(400, "NotFoundException", message)
}

fn build_kms_validation_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "ValidationException", message)
}
