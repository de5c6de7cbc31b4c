//! KMS: keys whose material stays here, aliases, key policies.
//!
//! Nothing is decrypted without the caller's right under the key's own policy, the exact context and a usable key.

mod cipher;
mod keys;
mod policies;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT, Caller, Clock, REGION, Refusal,
    access::{self, Context, Decision},
    access_denied, caller_of, drifts, json_answer, principal_known, with_tags,
};
use crate::sandbox::{World, store};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// By key id.
    pub keys: BTreeMap<String, Key>,
    /// By name, with its `alias/`.
    pub aliases: BTreeMap<String, Alias>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
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
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Key {
    pub fn arn(&self) -> String {
        arn(&self.id)
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alias {
    pub key: String,
    pub created: Duration,
}

/// `CreateKey`, of `TrentService.CreateKey`.
pub fn operation(request: &Request<Bytes>) -> &str {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    target.and_then(|target| target.strip_prefix("TrentService.")).unwrap_or("Unknown")
}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let result = caller_of(&request).and_then(|caller| {
        let input = serde_json::from_slice(request.body())
            .map_err(|_| Refusal::new(400, "SerializationException", "the request is no JSON"))?;
        let ask =
            Ask { clock: Clock::of(world), caller: &caller, action: operation(&request), input: &input };
        if drifts(&request) {
            world.write(|state| policies::drift(state, &ask));
        }
        act(world, &ask)
    });
    match result {
        Ok(output) => json_answer(200, "application/x-amz-json-1.1", &output),
        Err(refusal) => refusal.answer("kms"),
    }
}

/// One request: who, when, what.
struct Ask<'a> {
    clock: Clock,
    caller: &'a Caller,
    action: &'a str,
    input: &'a Value,
}

type Outcome = Result<Value, Refusal>;

fn act(world: &World, ask: &Ask<'_>) -> Outcome {
    match ask.action {
        "CreateKey" => world.write(|state| keys::create(state, ask)),
        "DescribeKey" => world.read(|state| keys::describe(state, ask)),
        "ListKeys" => world.read(|state| keys::list(state, ask)),
        "CreateAlias" => world.write(|state| keys::create_alias(state, ask)),
        "ListAliases" => world.read(|state| keys::list_aliases(state, ask)),
        "ListResourceTags" => world.read(|state| keys::list_tags(state, ask)),
        "TagResource" => world.write(|state| keys::tag(state, ask)),
        "GetKeyPolicy" => world.read(|state| policies::get(state, ask)),
        "PutKeyPolicy" => world.write(|state| policies::put(state, ask)),
        "Encrypt" => world.read(|state| cipher::encrypt(state, ask)),
        "Decrypt" => world.read(|state| cipher::decrypt(state, ask)),
        other => {
            Err(Refusal::new(400, "UnknownOperationException", format!("{other} is not in the sandbox")))
        }
    }
}

impl Ask<'_> {
    fn text(&self, field: &str) -> Option<&str> {
        self.input[field].as_str()
    }

    fn need(&self, field: &str) -> Result<&str, Refusal> {
        self.text(field).ok_or_else(|| {
            let member = field[..1].to_lowercase() + &field[1..];
            validation(format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let tags = self.input["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        tags.iter().map(|tag| (text(&tag["TagKey"]), text(&tag["TagValue"]))).collect()
    }

    fn context(&self) -> Context {
        self.caller.context().with("kms:CallerAccount", ACCOUNT)
    }

    /// For what belongs to no key: the identity policies alone.
    fn may(
        &self,
        state: &store::State,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), Refusal> {
        let action = format!("kms:{action}");
        self.caller.may(state, &action, resource, context).map_err(|message| access_denied("kms", message))
    }

    /// Holds the caller to the key's policy, and to his own where that leaves it to them.
    fn may_on(
        &self,
        state: &store::State,
        action: &str,
        key: &Key,
        context: &Context,
    ) -> Result<(), Refusal> {
        let action = format!("kms:{action}");
        let arn = key.arn();
        let policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
        let tagged = |context: Context, (name, value): (&String, &String)| {
            context.with(&format!("aws:ResourceTag/{name}"), value)
        };
        let known = self.clock.past(key.tagged, self.clock.delays.tags);
        let context = &key.tags.iter().filter(|_| known).fold(context.clone(), tagged);
        // In a key policy the resource is the key itself, mostly spelt `*`.
        let of_key = access::allows(&policy, Some(&self.caller.principal()), &action, &arn, context);
        let own = self.caller.decision(state, &action, &arn, context);
        let denied = |why: &str| Err(access_denied("kms", self.caller.denied(&action, &arn, why)));
        match (of_key, own) {
            (Decision::ExplicitDeny, _) => denied("with an explicit deny in a resource-based policy"),
            (_, Decision::ExplicitDeny) => denied("with an explicit deny in an identity-based policy"),
            (Decision::Allow, _) | (Decision::Delegated, Decision::Allow | Decision::Delegated) => Ok(()),
            (Decision::Delegated, Decision::ImplicitDeny) => {
                denied(&format!("because no identity-based policy allows the {action} action"))
            }
            (Decision::ImplicitDeny, _) => {
                denied(&format!("because no resource-based policy allows the {action} action"))
            }
        }
    }
}

/// Whether a key's own policy lets somebody of no account, such as a service, do `action` with it.
pub fn lets(
    state: &State,
    name: &str,
    principal: &access::Principal,
    action: &str,
    context: &Context,
) -> bool {
    find(state, name).is_ok_and(|key| {
        let policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
        key.state == "Enabled"
            && access::allows(&policy, Some(principal), action, &key.arn(), context) == Decision::Allow
    })
}

/// A key by its id, ARN, alias or alias ARN.
fn find<'a>(state: &'a State, name: &str) -> Result<&'a Key, Refusal> {
    let prefix = format!("arn:aws:kms:{REGION}:{ACCOUNT}:");
    if name.starts_with("arn:") && !name.starts_with(&prefix) {
        return Err(not_found(format!("Invalid arn {}", name.split(':').nth(3).unwrap_or_default())));
    }
    let bare = name.strip_prefix(&prefix).unwrap_or(name);
    if bare.starts_with("alias/") {
        let alias = state.aliases.get(bare).and_then(|alias| state.keys.get(&alias.key));
        return alias.ok_or_else(|| not_found(format!("Alias {prefix}{bare} is not found.")));
    }
    let id = bare.strip_prefix("key/").unwrap_or(bare);
    state.keys.get(id).ok_or_else(|| not_found(format!("Key '{prefix}key/{id}' does not exist")))
}

/// A key as a host of KMS that heard of it late sees it.
fn find_settled<'a>(state: &'a State, name: &str, clock: Clock) -> Result<&'a Key, Refusal> {
    let key = find(state, name)?;
    if clock.past(key.created, clock.delays.listing) {
        Ok(key)
    } else {
        Err(not_found(format!("Key '{}' does not exist", key.arn())))
    }
}

fn usable(key: &Key) -> Result<(), Refusal> {
    match key.state.as_str() {
        "Enabled" => Ok(()),
        "Disabled" => Err(Refusal::new(400, "DisabledException", format!("{} is disabled.", key.arn()))),
        _ => {
            Err(Refusal::new(400, "KMSInvalidStateException", format!("{} is pending deletion.", key.arn())))
        }
    }
}

fn not_found(message: String) -> Refusal {
    Refusal::new(400, "NotFoundException", message)
}

fn validation(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}
