//! Roles: trust, inline policies, tags; each change is known to the other services only a while later.
//!
//! A trust is replaced whole, and until the new one is known the old one still counts.

use std::{collections::BTreeMap, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    IamCall, IamResult,
    documents::{check_identity_policy, check_trust_policy},
    no_such_entity, render_element,
};
use crate::sandbox::SandboxState;
use crate::sandbox::control_plane::{
    ACCOUNT_ID, PropagationClock, ServiceRefusal, add_request_tags, format_iso8601, random_id, role_arn,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleRecord {
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

impl RoleRecord {
    /// Returns the trust as the other services know it; none while they don't know the role.
    pub fn visible_trust(&self, clock: PropagationClock) -> Option<&str> {
        if !clock.has_passed(self.created, clock.delays.role) {
            None
        } else if clock.has_passed(self.trust_since, clock.delays.role) {
            Some(&self.trust)
        } else {
            Some(self.trust_before.as_deref().unwrap_or(&self.trust))
        }
    }

    fn to_xml(&self) -> String {
        let boundary = self.boundary.as_ref().map_or_else(String::new, |arn| {
            format!(
                "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>{}</PermissionsBoundary>",
                render_element("PermissionsBoundaryArn", arn)
            )
        });
        format!(
            "<Role>{}{}{}{}{}{}{}<MaxSessionDuration>3600</MaxSessionDuration>{boundary}{}</Role>",
            render_element("Path", &self.path),
            render_element("RoleName", &self.name),
            render_element("RoleId", &self.id),
            render_element("Arn", &self.arn),
            render_element("CreateDate", &format_iso8601(self.created)),
            render_element("AssumeRolePolicyDocument", &percent_encode(&self.trust)),
            if self.description.is_empty() {
                String::new()
            } else {
                render_element("Description", &self.description)
            },
            self.tags_to_xml(),
        )
    }

    fn tags_to_xml(&self) -> String {
        let members: String = self
            .tags
            .iter()
            .flat_map(|(key, value)| {
                [
                    "<member>".into(),
                    render_element("Key", key),
                    render_element("Value", value),
                    "</member>".into(),
                ]
            })
            .collect();
        format!("<Tags>{members}</Tags>")
    }
}

/// Documents come back percent-encoded.
fn percent_encode(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

/// The role that a request names, after its caller was held to his policies.
fn find_authorized_role<'a>(
    state: &'a SandboxState,
    ask: &IamCall<'_>,
) -> Result<&'a RoleRecord, ServiceRefusal> {
    let name = ask.form.require_field("RoleName")?;
    let role = state.iam.roles.get(name);
    ask.authorize_action(state, &role.map_or_else(|| role_arn(name), |role| role.arn.clone()))?;
    role.ok_or_else(|| no_such_entity(&format!("The role with name {name} cannot be found.")))
}

fn find_modifiable_role<'a>(
    state: &'a mut SandboxState,
    ask: &IamCall<'_>,
) -> Result<&'a mut RoleRecord, ServiceRefusal> {
    let name = find_authorized_role(state, ask)?.name.clone();
    if name.starts_with("AWSServiceRoleFor") {
        return Err(ServiceRefusal::new(
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
        .ok_or_else(|| no_such_entity(&format!("The role with name {name} cannot be found.")))
}

/// Answers GetRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn get_role(state: &SandboxState, ask: &IamCall<'_>) -> IamResult {
    find_authorized_role(state, ask).map(|role| Some(role.to_xml()))
}

/// Answers ListRoleTags.
///
/// # Errors
/// Refuses as IAM does.
pub fn list_role_tags(state: &SandboxState, ask: &IamCall<'_>) -> IamResult {
    find_authorized_role(state, ask)
        .map(|role| Some(format!("{}<IsTruncated>false</IsTruncated>", role.tags_to_xml())))
}

/// Answers GetRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn get_role_policy(state: &SandboxState, ask: &IamCall<'_>) -> IamResult {
    let role = find_authorized_role(state, ask)?;
    let name = ask.form.require_field("PolicyName")?;
    let document = role
        .policies
        .get(name)
        .ok_or_else(|| no_such_entity(&format!("The role policy with name {name} cannot be found.")))?;
    Ok(Some(format!(
        "{}{}{}",
        render_element("RoleName", &role.name),
        render_element("PolicyName", name),
        render_element("PolicyDocument", &percent_encode(document))
    )))
}

/// Answers ListRolePolicies.
///
/// # Errors
/// Refuses as IAM does.
pub fn list_role_policies(state: &SandboxState, ask: &IamCall<'_>) -> IamResult {
    let role = find_authorized_role(state, ask)?;
    let members: String = role.policies.keys().map(|name| render_element("member", name)).collect();
    Ok(Some(format!("<PolicyNames>{members}</PolicyNames><IsTruncated>false</IsTruncated>")))
}

/// Answers ListAttachedRolePolicies.
///
/// # Errors
/// Refuses as IAM does.
pub fn list_attached_role_policies(state: &SandboxState, ask: &IamCall<'_>) -> IamResult {
    let role = find_authorized_role(state, ask)?;
    let members: String = role
        .attached
        .iter()
        .flat_map(|arn| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            [
                "<member>".into(),
                render_element("PolicyName", name),
                render_element("PolicyArn", arn),
                "</member>".into(),
            ]
        })
        .collect();
    Ok(Some(format!("<AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated>")))
}

/// Answers CreateRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn create_role(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    let name = ask.form.require_field("RoleName")?.to_owned();
    let trust = ask.form.require_field("AssumeRolePolicyDocument")?.to_owned();
    let path = ask.form.get("Path").unwrap_or("/").to_owned();
    let arn = format!("arn:aws:iam::{ACCOUNT_ID}:role{path}{name}");
    let tags: BTreeMap<String, String> =
        ask.form.list_member_pairs("Tags", "Key", "Value").into_iter().collect();
    let context = add_request_tags(ask.caller.request_context(), &tags);
    ask.authorize(state, "CreateRole", &arn, &context)?;
    if !tags.is_empty() {
        ask.authorize(state, "TagRole", &arn, &context)?;
    }
    let fits = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    if !fits {
        return Err(ServiceRefusal::new(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{name}' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+"
            ),
        ));
    }
    if state.iam.roles.contains_key(&name) {
        return Err(ServiceRefusal::new(
            409,
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    check_trust_policy(state, ask.clock, &trust)?;
    let role = RoleRecord {
        arn,
        id: random_id("AROA", 17),
        path,
        created: ask.clock.now,
        trust,
        trust_since: ask.clock.now,
        description: ask.form.get("Description").unwrap_or_default().to_owned(),
        boundary: ask.form.get("PermissionsBoundary").map(ToOwned::to_owned),
        tags,
        name: name.clone(),
        ..RoleRecord::default()
    };
    let answer = role.to_xml();
    state.iam.roles.insert(name, role);
    Ok(Some(answer))
}

/// Answers CreateServiceLinkedRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn create_service_linked_role(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    let service = ask.form.require_field("AWSServiceName")?;
    let name = match service {
        "replicator.lambda.amazonaws.com" => "AWSServiceRoleForLambdaReplicator",
        "logger.cloudfront.amazonaws.com" => "AWSServiceRoleForCloudFrontLogger",
        _ => {
            return Err(ServiceRefusal::new(
                400,
                "InvalidInput",
                format!("Service {service} is not valid for Service Linked Role."),
            ));
        }
    };
    let arn = service_linked_role_arn(service, name);
    let context = ask.caller.request_context().with_condition_key("iam:AWSServiceName", service);
    ask.authorize(state, "CreateServiceLinkedRole", &arn, &context)?;
    if state.iam.roles.contains_key(name) {
        return Err(ServiceRefusal::new(
            400,
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let role = build_service_linked_role(service, name, ask.clock.now);
    let answer = role.to_xml();
    state.iam.roles.insert(name.to_owned(), role);
    Ok(Some(answer))
}

fn service_linked_role_arn(service: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/{service}/{name}")
}

/// Makes the role of a service that only the service may assume.
pub fn build_service_linked_role(service: &str, name: &str, now: Duration) -> RoleRecord {
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    RoleRecord {
        name: name.to_owned(),
        arn: service_linked_role_arn(service, name),
        id: random_id("AROA", 17),
        path: format!("/aws-service-role/{service}/"),
        created: now,
        trust_since: now,
        trust: trust.to_string(),
        ..RoleRecord::default()
    }
}

/// Answers UpdateAssumeRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn update_assume_role_policy(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    find_authorized_role(state, ask)?;
    let trust = ask.form.require_field("PolicyDocument")?.to_owned();
    check_trust_policy(state, ask.clock, &trust)?;
    let role = find_modifiable_role(state, ask)?;
    let seen = role.visible_trust(ask.clock).map(ToOwned::to_owned);
    role.trust_before = seen;
    role.trust = trust;
    role.trust_since = ask.clock.now;
    Ok(None)
}

/// Answers PutRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn put_role_policy(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    let name = ask.form.require_field("PolicyName")?.to_owned();
    let document = ask.form.require_field("PolicyDocument")?.to_owned();
    let role = find_modifiable_role(state, ask)?;
    check_identity_policy(&document)?;
    let size: usize = role
        .policies
        .values()
        .chain([&document])
        .map(|text| text.chars().filter(|c| !c.is_whitespace()).count())
        .sum();
    if size > 10_240 {
        return Err(ServiceRefusal::new(
            409,
            "LimitExceeded",
            format!("Maximum policy size of 10240 bytes exceeded for role {}", role.name),
        ));
    }
    role.policies.insert(name, document);
    Ok(None)
}

/// Answers PutRolePermissionsBoundary.
///
/// # Errors
/// Refuses as IAM does.
pub fn put_role_permissions_boundary(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    let boundary = ask.form.require_field("PermissionsBoundary")?.to_owned();
    find_modifiable_role(state, ask)?.boundary = Some(boundary);
    Ok(None)
}

/// Answers TagRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn tag_role(state: &mut SandboxState, ask: &IamCall<'_>) -> IamResult {
    let tags = ask.form.list_member_pairs("Tags", "Key", "Value");
    find_modifiable_role(state, ask)?.tags.extend(tags);
    Ok(None)
}

/// Lets somebody else widen the named role's trust, or every role's where none is named.
pub fn inject_trust_drift(state: &mut SandboxState, ask: &IamCall<'_>) {
    let named = ask.form.get("RoleName").map(ToOwned::to_owned);
    for role in
        state.iam.roles.values_mut().filter(|role| named.as_ref().is_none_or(|name| *name == role.name))
    {
        if let Ok(mut trust) = serde_json::from_str::<serde_json::Value>(&role.trust)
            && let Some(statements) = trust["Statement"].as_array_mut()
        {
            statements.push(serde_json::json!({"Sid": "SomebodyElse", "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT_ID}:root")}, "Action": "sts:AssumeRole"}));
            role.trust = trust.to_string();
        }
    }
}
