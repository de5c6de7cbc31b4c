//! Keys, their aliases and tags.
//!
//! CreateKey is not idempotent: each one that arrives makes a key, and a new key isn't known everywhere at once.

use super::{
    Alias, Ask, Key, Outcome, Refusal, find, find_settled, json, policies, store, validation, with_tags,
};

const DEFAULT_POLICY: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"kms:*","Resource":"*"}]}"#;

fn described(key: &Key) -> serde_json::Value {
    json!({
        "AWSAccountId": super::ACCOUNT, "KeyId": key.id, "Arn": key.arn(), "CreationDate": key.created.as_secs_f64(),
        "Enabled": key.state == "Enabled", "Description": key.description, "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state, "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "MultiRegion": false,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    })
}

pub fn create(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let tags = ask.tags();
    let context = with_tags(ask.context(), &tags);
    ask.may(state, "CreateKey", "*", &context)?;
    let id = crate::sandbox::control_plane::request_id();
    if !tags.is_empty() {
        // A permission that is for every key of the account and region is for the one that is to be made.
        ask.may(state, "TagResource", &super::arn(&id), &context)?;
    }
    let usage = ask.text("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    let spec = ask.text("KeySpec").unwrap_or("SYMMETRIC_DEFAULT");
    if (usage, spec) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") || ask.input["MultiRegion"] == true {
        return Err(Refusal::new(
            400,
            "UnsupportedOperationException",
            "the sandbox makes symmetric single-region keys",
        ));
    }
    let policy = ask.text("Policy").unwrap_or(DEFAULT_POLICY).to_owned();
    policies::check(state, ask, &policy)?;
    let mut material = [0; 32];
    fastrand::fill(&mut material);
    let key = Key {
        id,
        material: hex::encode(material),
        description: ask.text("Description").unwrap_or_default().to_owned(),
        policy,
        tags,
        state: "Enabled".into(),
        tagged: ask.clock.now,
        created: ask.clock.now,
    };
    let answer = json!({"KeyMetadata": described(&key)});
    state.kms.keys.insert(key.id.clone(), key);
    Ok(answer)
}

pub fn describe(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let key = find_settled(&state.kms, ask.need("KeyId")?, ask.clock)?;
    ask.may_on(state, "DescribeKey", key, &ask.context())?;
    Ok(json!({"KeyMetadata": described(key)}))
}

pub fn list(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may(state, "ListKeys", "*", &ask.context())?;
    let listed = state.kms.keys.values().filter(|key| ask.clock.past(key.created, ask.clock.delays.listing));
    let ids: Vec<&String> = listed.map(|key| &key.id).collect();
    paged(ask, &ids, "Keys", |id| json!({"KeyId": id, "KeyArn": state.kms.keys[id.as_str()].arn()}))
}

pub fn create_alias(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let name = ask.need("AliasName")?.to_owned();
    let key = find(&state.kms, ask.need("TargetKeyId")?)?;
    let arn = alias_arn(&name);
    ask.may(state, "CreateAlias", &arn, &ask.context())?;
    ask.may_on(state, "CreateAlias", key, &ask.context())?;
    let fits = name.strip_prefix("alias/").is_some_and(|tail| {
        !tail.is_empty() && tail.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c))
    });
    if !fits || name.starts_with("alias/aws/") {
        return Err(Refusal::new(400, "InvalidAliasNameException", format!("Invalid alias name {name}")));
    }
    if state.kms.aliases.contains_key(&name) {
        return Err(Refusal::new(
            400,
            "AlreadyExistsException",
            format!("An alias with the name {arn} already exists"),
        ));
    }
    if key.state == "PendingDeletion" {
        super::usable(key)?;
    }
    let alias = Alias { key: key.id.clone(), created: ask.clock.now };
    state.kms.aliases.insert(name, alias);
    Ok(json!({}))
}

fn alias_arn(name: &str) -> String {
    format!("arn:aws:kms:{}:{}:{name}", super::REGION, super::ACCOUNT)
}

pub fn list_aliases(state: &store::State, ask: &Ask<'_>) -> Outcome {
    ask.may(state, "ListAliases", "*", &ask.context())?;
    let of_key = match ask.text("KeyId") {
        Some(key) => Some(find(&state.kms, key)?.id.clone()),
        None => None,
    };
    let listed = state.kms.aliases.iter().filter(|(_, alias)| {
        ask.clock.past(alias.created, ask.clock.delays.listing)
            && of_key.as_ref().is_none_or(|key| *key == alias.key)
    });
    let names: Vec<&String> = listed.map(|(name, _)| name).collect();
    paged(ask, &names, "Aliases", |name| {
        let alias = &state.kms.aliases[name.as_str()];
        json!({"AliasName": name, "AliasArn": alias_arn(name), "TargetKeyId": alias.key,
            "CreationDate": alias.created.as_secs_f64(), "LastUpdatedDate": alias.created.as_secs_f64()})
    })
}

pub fn list_tags(state: &store::State, ask: &Ask<'_>) -> Outcome {
    let key = find_settled(&state.kms, ask.need("KeyId")?, ask.clock)?;
    ask.may_on(state, "ListResourceTags", key, &ask.context())?;
    let names: Vec<&String> = key.tags.keys().collect();
    paged(ask, &names, "Tags", |name| json!({"TagKey": name, "TagValue": key.tags[name.as_str()]}))
}

pub fn tag(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let key = find_settled(&state.kms, ask.need("KeyId")?, ask.clock)?;
    let tags = ask.tags();
    ask.may_on(state, "TagResource", key, &with_tags(ask.context(), &tags))?;
    if key.state == "PendingDeletion" {
        super::usable(key)?;
    }
    let id = key.id.clone();
    if tags.keys().any(|name| name.starts_with("aws:")) {
        return Err(Refusal::new(400, "TagException", "Tags may not begin with aws:"));
    }
    if let Some(key) = state.kms.keys.get_mut(&id) {
        key.tags.extend(tags);
        key.tagged = ask.clock.now;
    }
    Ok(json!({}))
}

/// A page of at most Limit (50 where none is said), from Marker.
fn paged(
    ask: &Ask<'_>,
    names: &[&String],
    field: &str,
    show: impl Fn(&String) -> serde_json::Value,
) -> Outcome {
    let most = ask.input["Limit"].as_u64().map_or(50, |limit| limit as usize);
    if most == 0 {
        return Err(validation(
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ));
    }
    let from = match ask.text("Marker") {
        None => 0,
        Some(marker) => marker
            .parse()
            .map_err(|_| Refusal::new(400, "InvalidMarkerException", "Could not deserialize marker"))?,
    };
    let page: Vec<_> = names.iter().skip(from).take(most).map(|name| show(name)).collect();
    let next = from + page.len();
    let mut answer = json!({field: page, "Truncated": next < names.len()});
    if next < names.len() {
        answer["NextMarker"] = json!(next.to_string());
    }
    Ok(answer)
}
