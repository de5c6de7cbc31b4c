//! Roles: trust, inline policies, tags; each change is known to the other services only a while later.
//!
//! A trust is replaced whole, and until the new one is known the old one still counts.

use std::{collections::BTreeMap, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    Ask, Outcome,
    documents::{check_identity_policy, check_trust},
    element, no_such, role_arn,
};
use crate::sandbox::control_plane::{ACCOUNT, Clock, Refusal, iso, made_id, with_tags};
use crate::sandbox::store::State;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    pub name: String,
    pub arn: String,
    pub id: String,
    pub path: String,
    pub created: Duration,
    /// As it was sent.
    pub trust: String,
    /// What the other services still see.
    pub trust_before: Option<String>,
    pub trust_since: Duration,
    pub description: String,
    pub policies: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: Vec<String>,
    pub boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl Role {
    /// The trust as the other services know it; none while they don't know the role.
    pub fn trust_seen(&self, clock: Clock) -> Option<&str> {
        if !clock.past(self.created, clock.delays.role) {
            None
        } else if clock.past(self.trust_since, clock.delays.role) {
            Some(&self.trust)
        } else {
            Some(self.trust_before.as_deref().unwrap_or(&self.trust))
        }
    }

    fn xml(&self) -> String {
        let boundary = self.boundary.as_ref().map_or_else(String::new, |arn| {
            format!(
                "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>{}</PermissionsBoundary>",
                element("PermissionsBoundaryArn", arn)
            )
        });
        format!(
            "<Role>{}{}{}{}{}{}{}<MaxSessionDuration>3600</MaxSessionDuration>{boundary}{}</Role>",
            element("Path", &self.path),
            element("RoleName", &self.name),
            element("RoleId", &self.id),
            element("Arn", &self.arn),
            element("CreateDate", &iso(self.created)),
            element("AssumeRolePolicyDocument", &encoded(&self.trust)),
            if self.description.is_empty() {
                String::new()
            } else {
                element("Description", &self.description)
            },
            self.tags_xml(),
        )
    }

    fn tags_xml(&self) -> String {
        let members: String = self
            .tags
            .iter()
            .flat_map(|(key, value)| {
                ["<member>".into(), element("Key", key), element("Value", value), "</member>".into()]
            })
            .collect();
        format!("<Tags>{members}</Tags>")
    }
}

/// Documents come back percent-encoded.
fn encoded(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

/// The role that a request names, after its caller was held to his policies.
fn named<'a>(state: &'a State, ask: &Ask<'_>) -> Result<&'a Role, Refusal> {
    let name = ask.form.need("RoleName")?;
    let role = state.iam.roles.get(name);
    ask.may_plainly(state, &role.map_or_else(|| role_arn(name), |role| role.arn.clone()))?;
    role.ok_or_else(|| no_such(&format!("The role with name {name} cannot be found.")))
}

fn named_mut<'a>(state: &'a mut State, ask: &Ask<'_>) -> Result<&'a mut Role, Refusal> {
    let name = named(state, ask)?.name.clone();
    if name.starts_with("AWSServiceRoleFor") {
        return Err(Refusal::new(
            400,
            "UnmodifiableEntity",
            format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            ),
        ));
    }
    state
        .iam
        .roles
        .get_mut(&name)
        .ok_or_else(|| no_such(&format!("The role with name {name} cannot be found.")))
}

pub fn get(state: &State, ask: &Ask<'_>) -> Outcome {
    named(state, ask).map(|role| Some(role.xml()))
}

pub fn list_tags(state: &State, ask: &Ask<'_>) -> Outcome {
    named(state, ask).map(|role| Some(format!("{}<IsTruncated>false</IsTruncated>", role.tags_xml())))
}

pub fn get_policy(state: &State, ask: &Ask<'_>) -> Outcome {
    let role = named(state, ask)?;
    let name = ask.form.need("PolicyName")?;
    let document = role
        .policies
        .get(name)
        .ok_or_else(|| no_such(&format!("The role policy with name {name} cannot be found.")))?;
    Ok(Some(format!(
        "{}{}{}",
        element("RoleName", &role.name),
        element("PolicyName", name),
        element("PolicyDocument", &encoded(document))
    )))
}

pub fn list_policies(state: &State, ask: &Ask<'_>) -> Outcome {
    let role = named(state, ask)?;
    let members: String = role.policies.keys().map(|name| element("member", name)).collect();
    Ok(Some(format!("<PolicyNames>{members}</PolicyNames><IsTruncated>false</IsTruncated>")))
}

pub fn list_attached(state: &State, ask: &Ask<'_>) -> Outcome {
    let role = named(state, ask)?;
    let members: String = role
        .attached
        .iter()
        .flat_map(|arn| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            ["<member>".into(), element("PolicyName", name), element("PolicyArn", arn), "</member>".into()]
        })
        .collect();
    Ok(Some(format!("<AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated>")))
}

pub fn create(state: &mut State, ask: &Ask<'_>) -> Outcome {
    let name = ask.form.need("RoleName")?.to_owned();
    let trust = ask.form.need("AssumeRolePolicyDocument")?.to_owned();
    let path = ask.form.get("Path").unwrap_or("/").to_owned();
    let arn = format!("arn:aws:iam::{ACCOUNT}:role{path}{name}");
    let tags: BTreeMap<String, String> = ask.form.pairs("Tags", "Key", "Value").into_iter().collect();
    let context = with_tags(ask.caller.context(), &tags);
    ask.may(state, "CreateRole", &arn, &context)?;
    if !tags.is_empty() {
        ask.may(state, "TagRole", &arn, &context)?;
    }
    let fits = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    if !fits {
        return Err(Refusal::new(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{name}' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+"
            ),
        ));
    }
    if state.iam.roles.contains_key(&name) {
        return Err(Refusal::new(
            409,
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    check_trust(state, ask.clock, &trust)?;
    let role = Role {
        arn,
        id: made_id("AROA", 17),
        path,
        created: ask.clock.now,
        trust,
        trust_since: ask.clock.now,
        description: ask.form.get("Description").unwrap_or_default().to_owned(),
        boundary: ask.form.get("PermissionsBoundary").map(ToOwned::to_owned),
        tags,
        name: name.clone(),
        ..Role::default()
    };
    let answer = role.xml();
    state.iam.roles.insert(name, role);
    Ok(Some(answer))
}

pub fn create_service_linked(state: &mut State, ask: &Ask<'_>) -> Outcome {
    let service = ask.form.need("AWSServiceName")?;
    let name = match service {
        "replicator.lambda.amazonaws.com" => "AWSServiceRoleForLambdaReplicator",
        "logger.cloudfront.amazonaws.com" => "AWSServiceRoleForCloudFrontLogger",
        _ => {
            return Err(Refusal::new(
                400,
                "InvalidInput",
                format!("Service {service} is not valid for Service Linked Role."),
            ));
        }
    };
    let arn = service_linked_arn(service, name);
    let context = ask.caller.context().with("iam:AWSServiceName", service);
    ask.may(state, "CreateServiceLinkedRole", &arn, &context)?;
    if state.iam.roles.contains_key(name) {
        return Err(Refusal::new(
            400,
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let role = service_linked(service, name, ask.clock.now);
    let answer = role.xml();
    state.iam.roles.insert(name.to_owned(), role);
    Ok(Some(answer))
}

fn service_linked_arn(service: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/{name}")
}

pub fn service_linked(service: &str, name: &str, now: Duration) -> Role {
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    Role {
        name: name.to_owned(),
        arn: service_linked_arn(service, name),
        id: made_id("AROA", 17),
        path: format!("/aws-service-role/{service}/"),
        created: now,
        trust_since: now,
        trust: trust.to_string(),
        ..Role::default()
    }
}

pub fn update_trust(state: &mut State, ask: &Ask<'_>) -> Outcome {
    named(state, ask)?;
    let trust = ask.form.need("PolicyDocument")?.to_owned();
    check_trust(state, ask.clock, &trust)?;
    let role = named_mut(state, ask)?;
    let seen = role.trust_seen(ask.clock).map(ToOwned::to_owned);
    role.trust_before = seen;
    role.trust = trust;
    role.trust_since = ask.clock.now;
    Ok(None)
}

pub fn put_policy(state: &mut State, ask: &Ask<'_>) -> Outcome {
    let name = ask.form.need("PolicyName")?.to_owned();
    let document = ask.form.need("PolicyDocument")?.to_owned();
    let role = named_mut(state, ask)?;
    check_identity_policy(&document)?;
    let size: usize = role
        .policies
        .values()
        .chain([&document])
        .map(|text| text.chars().filter(|c| !c.is_whitespace()).count())
        .sum();
    if size > 10_240 {
        return Err(Refusal::new(
            409,
            "LimitExceeded",
            format!("Maximum policy size of 10240 bytes exceeded for role {}", role.name),
        ));
    }
    role.policies.insert(name, document);
    Ok(None)
}

pub fn put_boundary(state: &mut State, ask: &Ask<'_>) -> Outcome {
    let boundary = ask.form.need("PermissionsBoundary")?.to_owned();
    named_mut(state, ask)?.boundary = Some(boundary);
    Ok(None)
}

pub fn tag(state: &mut State, ask: &Ask<'_>) -> Outcome {
    let tags = ask.form.pairs("Tags", "Key", "Value");
    named_mut(state, ask)?.tags.extend(tags);
    Ok(None)
}

/// Somebody else widens the named role's trust, or every role's where none is named.
pub fn drift(state: &mut State, ask: &Ask<'_>) {
    let named = ask.form.get("RoleName").map(ToOwned::to_owned);
    for role in
        state.iam.roles.values_mut().filter(|role| named.as_ref().is_none_or(|name| *name == role.name))
    {
        if let Ok(mut trust) = serde_json::from_str::<serde_json::Value>(&role.trust)
            && let Some(statements) = trust["Statement"].as_array_mut()
        {
            statements.push(serde_json::json!({"Sid": "SomebodyElse", "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole"}));
            role.trust = trust.to_string();
        }
    }
}
