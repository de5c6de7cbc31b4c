//! Roles: trust, inline policies, tags; each change is known to the other services only a while later.
//!
//! A trust is replaced whole, and until the new one is known the old one still counts.

use std::{collections::BTreeMap, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    SandboxIamApiCall, SandboxIamResult, build_no_such_entity_error,
    documents::{validate_sandbox_identity_policy, validate_sandbox_trust_policy},
    render_xml_element,
};
use crate::sandbox::SandboxState;
use crate::sandbox::control_plane::{
    ACCOUNT_ID, PropagationClock, SandboxAwsError, add_request_tag_condition_keys,
    build_broken_constraints_error, describe_broken_pattern, format_sandbox_role_arn,
    format_unix_time_iso8601, generate_random_aws_id,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxRole {
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
    /// When they were last changed.
    pub policies_since: Duration,
    /// ARNs of managed policies.
    pub attached: Vec<String>,
    pub boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// In seconds, where one was given.
    pub max_session: Option<u64>,
}

/// Where a role is shown: each place leaves out something else (recorded answers of IAM).
#[derive(Clone, Copy, PartialEq, Eq)]
enum RoleShownIn {
    Creation,
    Description,
    List,
}

impl SandboxRole {
    /// Returns the trust as the other services know it; none while they don't know the role.
    pub fn get_propagated_trust_policy(&self, clock: PropagationClock) -> Option<&str> {
        if !clock.has_delay_passed(self.created, clock.delays.role) {
            None
        } else if clock.has_delay_passed(self.trust_since, clock.delays.role) {
            Some(&self.trust)
        } else {
            Some(self.trust_before.as_deref().unwrap_or(&self.trust))
        }
    }

    /// Returns whether the other services know its inline policies as they are: "IAM … changes take time to become visible"
    /// (IAM's guide, eventual consistency).
    pub fn are_role_policies_propagated(&self, clock: PropagationClock) -> bool {
        clock.has_delay_passed(self.policies_since, clock.delays.role)
    }

    fn render_role_xml(&self, place: RoleShownIn) -> String {
        let boundary = self.boundary.as_ref().filter(|_| place != RoleShownIn::List);
        let boundary = boundary.map_or_else(String::new, |arn| {
            format!(
                "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>{}</PermissionsBoundary>",
                render_xml_element("PermissionsBoundaryArn", arn)
            )
        });
        let session =
            if place == RoleShownIn::Creation { self.max_session } else { self.max_session.or(Some(3600)) };
        let session = session.map_or_else(String::new, |seconds| {
            render_xml_element("MaxSessionDuration", &seconds.to_string())
        });
        let used = if place == RoleShownIn::Description { "<RoleLastUsed/>" } else { "" };
        let tags = if self.tags.is_empty() || place == RoleShownIn::List {
            String::new()
        } else {
            self.render_role_tags_xml()
        };
        let element = if place == RoleShownIn::List { "member" } else { "Role" };
        format!(
            "<{element}>{}{}{}{}{}{}{}{session}{boundary}{used}{tags}</{element}>",
            render_xml_element("Path", &self.path),
            render_xml_element("RoleName", &self.name),
            render_xml_element("RoleId", &self.id),
            render_xml_element("Arn", &self.arn),
            render_xml_element("CreateDate", &format_unix_time_iso8601(self.created)),
            render_xml_element("AssumeRolePolicyDocument", &percent_encode_policy_document(&self.trust)),
            if self.description.is_empty() {
                String::new()
            } else {
                render_xml_element("Description", &self.description)
            },
        )
    }

    fn render_role_tags_xml(&self) -> String {
        let members: String = self
            .tags
            .iter()
            .flat_map(|(key, value)| {
                [
                    "<member>".into(),
                    render_xml_element("Key", key),
                    render_xml_element("Value", value),
                    "</member>".into(),
                ]
            })
            .collect();
        format!("<Tags>{members}</Tags>")
    }
}

/// Documents come back percent-encoded.
fn percent_encode_policy_document(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

/// The role that a request names, after its caller was held to his policies.
fn authorize_and_find_sandbox_role<'a>(
    state: &'a SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> Result<&'a SandboxRole, SandboxAwsError> {
    let name = ask.form.require_form_field("RoleName")?;
    let role = state.iam.roles.get(name);
    ask.authorize_iam_action(
        state,
        &role.map_or_else(|| format_sandbox_role_arn(name), |role| role.arn.clone()),
    )?;
    role.ok_or_else(|| build_no_such_entity_error(&format!("The role with name {name} cannot be found.")))
}

fn find_modifiable_role<'a>(
    state: &'a mut SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> Result<&'a mut SandboxRole, SandboxAwsError> {
    let name = authorize_and_find_sandbox_role(state, ask)?.name.clone();
    if name.starts_with("AWSServiceRoleFor") {
        return Err(SandboxAwsError::new(
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
        .ok_or_else(|| build_no_such_entity_error(&format!("The role with name {name} cannot be found.")))
}

/// Answers GetRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_get_role(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    authorize_and_find_sandbox_role(state, ask)
        .map(|role| Some(role.render_role_xml(RoleShownIn::Description)))
}

/// Answers ListRoles: in the order of their names, behind a path, page by page.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_list_roles(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let prefix = ask.form.find_form_field("PathPrefix").unwrap_or("/");
    ask.authorize_iam_action(state, &format!("arn:aws:iam::{ACCOUNT_ID}:role{prefix}"))?;
    let most: usize = ask.form.find_form_field("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
    let from = ask.form.find_form_field("Marker").unwrap_or_default();
    let mut roles =
        state.iam.roles.values().filter(|role| role.path.starts_with(prefix) && role.name.as_str() >= from);
    let page: Vec<&SandboxRole> = roles.by_ref().take(most).collect();
    let members: String = page.iter().map(|role| role.render_role_xml(RoleShownIn::List)).collect();
    let next = roles.next().map_or_else(String::new, |role| render_xml_element("Marker", &role.name));
    Ok(Some(format!("<IsTruncated>{}</IsTruncated><Roles>{members}</Roles>{next}", !next.is_empty())))
}

/// Answers ListRoleTags.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_list_role_tags(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    authorize_and_find_sandbox_role(state, ask)
        .map(|role| Some(format!("{}<IsTruncated>false</IsTruncated>", role.render_role_tags_xml())))
}

/// Answers GetRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_get_role_policy(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let role = authorize_and_find_sandbox_role(state, ask)?;
    let name = ask.form.require_form_field("PolicyName")?;
    let document = role.policies.get(name).ok_or_else(|| {
        build_no_such_entity_error(&format!("The role policy with name {name} cannot be found."))
    })?;
    Ok(Some(format!(
        "{}{}{}",
        render_xml_element("RoleName", &role.name),
        render_xml_element("PolicyName", name),
        render_xml_element("PolicyDocument", &percent_encode_policy_document(document))
    )))
}

/// Answers ListRolePolicies.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_list_role_policies(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let role = authorize_and_find_sandbox_role(state, ask)?;
    let members: String = role.policies.keys().map(|name| render_xml_element("member", name)).collect();
    Ok(Some(format!("<PolicyNames>{members}</PolicyNames><IsTruncated>false</IsTruncated>")))
}

/// Answers ListAttachedRolePolicies.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_list_attached_role_policies(
    state: &SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> SandboxIamResult {
    let role = authorize_and_find_sandbox_role(state, ask)?;
    let members: String = role
        .attached
        .iter()
        .flat_map(|arn| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            [
                "<member>".into(),
                render_xml_element("PolicyName", name),
                render_xml_element("PolicyArn", arn),
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
pub fn handle_create_role(state: &mut SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let name = ask.form.require_form_field("RoleName")?.to_owned();
    let trust = ask.form.require_form_field("AssumeRolePolicyDocument")?.to_owned();
    let path = ask.form.find_form_field("Path").unwrap_or("/").to_owned();
    let arn = format!("arn:aws:iam::{ACCOUNT_ID}:role{path}{name}");
    let tags: BTreeMap<String, String> =
        ask.form.list_query_form_tag_pairs("Tags", "Key", "Value").into_iter().collect();
    let context = add_request_tag_condition_keys(ask.caller.build_caller_condition_context(), &tags);
    ask.authorize_iam_call(state, "CreateRole", &arn, &context)?;
    if !tags.is_empty() {
        ask.authorize_iam_call(state, "TagRole", &arn, &context)?;
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        let broken = describe_broken_pattern(&name, "roleName", r"[\w+=,.@-]+");
        return Err(build_broken_constraints_error("ValidationError", &[broken]));
    }
    if state.iam.roles.contains_key(&name) {
        return Err(SandboxAwsError::new(
            409,
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    validate_sandbox_trust_policy(state, ask.clock, &trust)?;
    let role = SandboxRole {
        max_session: ask.form.find_form_field("MaxSessionDuration").and_then(|text| text.parse().ok()),
        arn,
        id: generate_random_aws_id("AROA", 17),
        path,
        created: ask.clock.now,
        trust,
        trust_since: ask.clock.now,
        description: ask.form.find_form_field("Description").unwrap_or_default().to_owned(),
        boundary: ask.form.find_form_field("PermissionsBoundary").map(ToOwned::to_owned),
        tags,
        name: name.clone(),
        ..SandboxRole::default()
    };
    let answer = role.render_role_xml(RoleShownIn::Creation);
    state.iam.roles.insert(name, role);
    Ok(Some(answer))
}

/// Answers CreateServiceLinkedRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_create_service_linked_role(
    state: &mut SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> SandboxIamResult {
    let service = ask.form.require_form_field("AWSServiceName")?;
    let name = match service {
        "replicator.lambda.amazonaws.com" => "AWSServiceRoleForLambdaReplicator",
        "logger.cloudfront.amazonaws.com" => "AWSServiceRoleForCloudFrontLogger",
        _ => {
            return Err(SandboxAwsError::new(
                400,
                "InvalidInput",
                format!("Service {service} is not valid for Service Linked Role."),
            ));
        }
    };
    let arn = format_service_linked_role_arn(service, name);
    let context =
        ask.caller.build_caller_condition_context().add_condition_key_value("iam:AWSServiceName", service);
    ask.authorize_iam_call(state, "CreateServiceLinkedRole", &arn, &context)?;
    if state.iam.roles.contains_key(name) {
        return Err(SandboxAwsError::new(
            400,
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let role = build_service_linked_role(service, name, ask.clock.now);
    let answer = role.render_role_xml(RoleShownIn::Creation);
    state.iam.roles.insert(name.to_owned(), role);
    Ok(Some(answer))
}

fn format_service_linked_role_arn(service: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/{service}/{name}")
}

/// Makes the role of a service that only the service may assume.
pub fn build_service_linked_role(service: &str, name: &str, now: Duration) -> SandboxRole {
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    SandboxRole {
        name: name.to_owned(),
        arn: format_service_linked_role_arn(service, name),
        id: generate_random_aws_id("AROA", 17),
        path: format!("/aws-service-role/{service}/"),
        created: now,
        trust_since: now,
        trust: trust.to_string(),
        ..SandboxRole::default()
    }
}

/// Answers UpdateAssumeRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_update_assume_role_policy(
    state: &mut SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> SandboxIamResult {
    authorize_and_find_sandbox_role(state, ask)?;
    let trust = ask.form.require_form_field("PolicyDocument")?.to_owned();
    validate_sandbox_trust_policy(state, ask.clock, &trust)?;
    let role = find_modifiable_role(state, ask)?;
    let seen = role.get_propagated_trust_policy(ask.clock).map(ToOwned::to_owned);
    role.trust_before = seen;
    role.trust = trust;
    role.trust_since = ask.clock.now;
    Ok(None)
}

/// Answers PutRolePolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_put_role_policy(state: &mut SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let name = ask.form.require_form_field("PolicyName")?.to_owned();
    let document = ask.form.require_form_field("PolicyDocument")?.to_owned();
    let role = find_modifiable_role(state, ask)?;
    validate_sandbox_identity_policy(&document)?;
    let size: usize = role
        .policies
        .values()
        .chain([&document])
        .map(|text| text.chars().filter(|c| !c.is_whitespace()).count())
        .sum();
    if size > 10_240 {
        return Err(SandboxAwsError::new(
            409,
            "LimitExceeded",
            format!("Maximum policy size of 10240 bytes exceeded for role {}", role.name),
        ));
    }
    let before = role.policies.insert(name.clone(), document);
    if before.as_ref() != role.policies.get(&name) {
        role.policies_since = ask.clock.now;
    }
    Ok(None)
}

/// Answers PutRolePermissionsBoundary.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_put_role_permissions_boundary(
    state: &mut SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> SandboxIamResult {
    let boundary = ask.form.require_form_field("PermissionsBoundary")?.to_owned();
    find_modifiable_role(state, ask)?.boundary = Some(boundary);
    Ok(None)
}

/// Answers TagRole.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_tag_role(state: &mut SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let tags = ask.form.list_query_form_tag_pairs("Tags", "Key", "Value");
    find_modifiable_role(state, ask)?.tags.extend(tags);
    Ok(None)
}

/// Lets somebody else widen the named role's trust, or every role's where none is named.
pub fn inject_trust_drift(state: &mut SandboxState, ask: &SandboxIamApiCall<'_>) {
    let named = ask.form.find_form_field("RoleName").map(ToOwned::to_owned);
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
