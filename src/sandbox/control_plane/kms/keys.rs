//! Keys, their aliases and tags.
//!
//! CreateKey is not idempotent: each one that arrives makes a key, and a new key isn't known everywhere at once.

use super::{
    SandboxAwsError, SandboxKmsAlias, SandboxKmsApiCall, SandboxKmsKey, SandboxKmsResult, SandboxState,
    add_request_tag_condition_keys, build_kms_validation_error, find_propagated_kms_key, find_stored_kms_key,
    json, policies, tags,
};

const DEFAULT_KEY_POLICY: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"kms:*","Resource":"*"}]}"#;

fn render_kms_key_metadata(key: &SandboxKmsKey) -> serde_json::Value {
    json!({
        "AWSAccountId": super::ACCOUNT_ID, "KeyId": key.id, "Arn": key.build_sandbox_kms_key_arn(), "CreationDate": key.created.as_secs_f64(),
        "Enabled": key.state == "Enabled", "Description": key.description, "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state, "Origin": "AWS_KMS", "KeyManager": if key.managed_by_aws { "AWS" } else { "CUSTOMER" }, "MultiRegion": false,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "CurrentKeyMaterialId": key.build_key_material_id(),
    })
}

/// Answers CreateKey.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_create_kms_key(state: &mut SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let tags = tags::parse_kms_request_tags(ask)?;
    let context = add_request_tag_condition_keys(ask.build_kms_condition_context(), &tags);
    ask.authorize_kms_call(state, "CreateKey", "*", &context)?;
    let id = crate::sandbox::control_plane::generate_random_uuid();
    if !tags.is_empty() {
        // A permission that is for every key of the account and region is for the one that is to be made.
        ask.authorize_kms_call(state, "TagResource", &super::format_sandbox_kms_key_arn(&id), &context)?;
    }
    let usage = ask.read_request_text_field("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let spec = ask.read_request_text_field("KeySpec").unwrap_or("SYMMETRIC_DEFAULT");
    if (usage, spec) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") || ask.input["MultiRegion"] == true {
        return Err(SandboxAwsError::new(
            400,
            "UnsupportedOperationException",
            "the sandbox makes symmetric single-region keys",
        ));
    }
    let policy = ask.read_request_text_field("Policy").unwrap_or(DEFAULT_KEY_POLICY).to_owned();
    // None of its tags counts yet.
    let arn = super::format_sandbox_kms_key_arn(&id);
    policies::validate_sandbox_key_policy(state, ask, &policy, &arn, &ask.build_kms_condition_context())?;
    let mut material = [0; 32];
    fastrand::fill(&mut material);
    let key = SandboxKmsKey {
        id,
        material: hex::encode(material),
        description: ask.read_request_text_field("Description").unwrap_or_default().to_owned(),
        policy,
        tags,
        state: "Enabled".into(),
        tagged: ask.clock.now,
        created: ask.clock.now,
        managed_by_aws: false,
    };
    let answer = json!({"KeyMetadata": render_kms_key_metadata(&key)});
    state.kms.keys.insert(key.id.clone(), key);
    Ok(answer)
}

/// Answers DescribeKey.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_describe_kms_key(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    ask.authorize_call_on_kms_key(state, "DescribeKey", key, &ask.build_kms_condition_context())?;
    Ok(json!({"KeyMetadata": render_kms_key_metadata(key)}))
}

/// Answers GetKeyRotationStatus: no key of the sandbox is rotated.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_get_key_rotation_status(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    ask.authorize_call_on_kms_key(state, "GetKeyRotationStatus", key, &ask.build_kms_condition_context())?;
    if key.state == "PendingDeletion" {
        super::check_sandbox_kms_key_usable(key)?;
    }
    Ok(json!({"KeyId": key.build_sandbox_kms_key_arn(), "KeyRotationEnabled": false}))
}

/// Answers ListKeys.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_list_kms_keys(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    ask.authorize_kms_call(state, "ListKeys", "*", &ask.build_kms_condition_context())?;
    let listed = state
        .kms
        .keys
        .values()
        .filter(|key| ask.clock.has_delay_passed(key.created, ask.clock.delays.listing));
    let ids: Vec<&String> = listed.map(|key| &key.id).collect();
    render_kms_list_page(
        ask,
        &ids,
        "Keys",
        |id| json!({"KeyId": id, "KeyArn": state.kms.keys[id.as_str()].build_sandbox_kms_key_arn()}),
    )
}

/// Answers CreateAlias.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_create_kms_alias(state: &mut SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let name = ask.require_request_text_field("AliasName")?.to_owned();
    if !name.starts_with("alias/") {
        return Err(build_kms_validation_error(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    }
    let key = find_stored_kms_key(&state.kms, ask.require_request_text_field("TargetKeyId")?)?;
    let arn = format_kms_alias_arn(&name);
    ask.authorize_kms_call(state, "CreateAlias", &arn, &ask.build_kms_condition_context())?;
    ask.authorize_call_on_kms_key(state, "CreateAlias", key, &ask.build_kms_condition_context())?;
    let fits = name.strip_prefix("alias/").is_some_and(|tail| {
        !tail.is_empty() && tail.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c))
    });
    if !fits || name.starts_with("alias/aws/") {
        return Err(SandboxAwsError::new(
            400,
            "InvalidAliasNameException",
            format!("Invalid alias name {name}"),
        ));
    }
    if state.kms.aliases.contains_key(&name) {
        return Err(SandboxAwsError::new(
            400,
            "AlreadyExistsException",
            format!("An alias with the name {arn} already exists"),
        ));
    }
    if key.state == "PendingDeletion" {
        super::check_sandbox_kms_key_usable(key)?;
    }
    let alias = SandboxKmsAlias { key: key.id.clone(), created: ask.clock.now };
    state.kms.aliases.insert(name, alias);
    Ok(json!({}))
}

fn format_kms_alias_arn(name: &str) -> String {
    format!("arn:aws:kms:{}:{}:{name}", super::REGION, super::ACCOUNT_ID)
}

/// Answers ListAliases.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_list_kms_aliases(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    ask.authorize_kms_call(state, "ListAliases", "*", &ask.build_kms_condition_context())?;
    let of_key = match ask.read_request_text_field("KeyId") {
        Some(key) => Some(find_stored_kms_key(&state.kms, key)?.id.clone()),
        None => None,
    };
    let listed = state.kms.aliases.iter().filter(|(_, alias)| {
        ask.clock.has_delay_passed(alias.created, ask.clock.delays.listing)
            && of_key.as_ref().is_none_or(|key| *key == alias.key)
    });
    let names: Vec<&String> = listed.map(|(name, _)| name).collect();
    render_kms_list_page(ask, &names, "Aliases", |name| {
        let alias = &state.kms.aliases[name.as_str()];
        json!({"AliasName": name, "AliasArn": format_kms_alias_arn(name), "TargetKeyId": alias.key,
            "CreationDate": alias.created.as_secs_f64(), "LastUpdatedDate": alias.created.as_secs_f64()})
    })
}

/// Answers ListResourceTags.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_list_kms_key_tags(state: &SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    ask.authorize_call_on_kms_key(state, "ListResourceTags", key, &ask.build_kms_condition_context())?;
    let names: Vec<&String> = key.tags.keys().collect();
    render_kms_list_page(
        ask,
        &names,
        "Tags",
        |name| json!({"TagKey": name, "TagValue": key.tags[name.as_str()]}),
    )
}

/// Answers TagResource.
///
/// # Errors
/// Refuses as KMS does.
pub fn handle_tag_kms_key(state: &mut SandboxState, ask: &SandboxKmsApiCall<'_>) -> SandboxKmsResult {
    let key = find_propagated_kms_key(&state.kms, ask.require_request_text_field("KeyId")?, ask.clock)?;
    let tags = tags::parse_kms_request_tags(ask)?;
    ask.authorize_call_on_kms_key(
        state,
        "TagResource",
        key,
        &add_request_tag_condition_keys(ask.build_kms_condition_context(), &tags),
    )?;
    if key.state == "PendingDeletion" {
        super::check_sandbox_kms_key_usable(key)?;
    }
    let id = key.id.clone();
    tags::check_kms_tag_count(key.tags.keys().chain(tags.keys()))?;
    if let Some(key) = state.kms.keys.get_mut(&id) {
        key.tags.extend(tags);
        key.tagged = ask.clock.now;
    }
    Ok(json!({}))
}

/// A page of at most Limit (50 where none is said), from Marker.
fn render_kms_list_page(
    ask: &SandboxKmsApiCall<'_>,
    names: &[&String],
    field: &str,
    show: impl Fn(&String) -> serde_json::Value,
) -> SandboxKmsResult {
    let most = ask.input["Limit"].as_u64().map_or(50, |limit| limit as usize);
    let from = match ask.read_request_text_field("Marker") {
        None => 0,
        Some(marker) => marker.parse().map_err(|_| {
            SandboxAwsError::new(400, "InvalidMarkerException", "Could not deserialize marker")
        })?,
    };
    let page: Vec<_> = names.iter().skip(from).take(most).map(|name| show(name)).collect();
    let next = from + page.len();
    let mut answer = json!({field: page, "Truncated": next < names.len()});
    if next < names.len() {
        answer["NextMarker"] = json!(next.to_string());
    }
    Ok(answer)
}
