//! IAM: the one user with his key pair, and roles, which other services know only a while after they are made.
//!
//! What a caller's own policies don't allow is refused before anything is looked at.

mod documents;
mod roles;
mod simulate;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT_ID, PropagationClock, SandboxAwsError, SandboxIamIdentity, SignedCaller,
    access::{self, PolicyConditionContext, PolicyDecision, SandboxCallerPrincipalNames},
    format_unix_time_iso8601, generate_random_aws_id, get_request_signed_caller, has_sandbox_drift_injection,
    member_check,
    query::{self, AwsQueryForm, render_xml_element},
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

pub use roles::{SandboxRole, build_service_linked_role};

/// The key pair of AWS's own examples.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// How long a role's temporary credentials last.
const ROLE_SESSION_DURATION: Duration = Duration::from_hours(1);

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxIamState {
    pub user: SandboxIamUser,
    pub roles: BTreeMap<String, SandboxRole>,
    /// Roles' temporary keys, by access key.
    pub sessions: BTreeMap<String, SandboxAccessKey>,
    pub account_alias: Option<String>,
    /// The organization's service control policies; empty where there is no organization.
    pub organization: Vec<Value>,
}

/// The one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxIamUser {
    pub name: String,
    pub id: String,
    /// His inline policy: an administrator's, until a test restricts him.
    pub policy: Value,
    /// His permissions boundary.
    pub boundary: Option<Value>,
    /// His device for codes.
    pub device: Option<SandboxMfaDevice>,
}

/// A device that shows codes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SandboxMfaDevice {
    /// `arn:aws:iam::999999999999:mfa/jo`.
    pub serial: String,
    /// The codes that it shows next; each code works once.
    pub codes: Vec<String>,
}

impl Default for SandboxIamUser {
    fn default() -> Self {
        Self {
            name: "sandbox".into(),
            id: "AIDACKCEVSQ6C2EXAMPLE".into(),
            policy: json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
            boundary: None,
            device: None,
        }
    }
}

/// A key pair, for the check of signatures; S3's own layer asks for it too.
#[derive(Clone, Serialize, Deserialize)]
pub struct SandboxAccessKey {
    pub secret: String,
    pub token: Option<String>,
    /// The role whose session it is; none for the user's own.
    pub role: Option<String>,
    pub expires: Option<Duration>,
}

impl std::fmt::Debug for SandboxAccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("role", &self.role)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Finds the key pair of an access key.
pub fn find_sandbox_access_key(state: &SandboxIamState, access_key: &str) -> Option<SandboxAccessKey> {
    if access_key == ACCESS_KEY {
        return Some(SandboxAccessKey { secret: SECRET_KEY.into(), token: None, role: None, expires: None });
    }
    state.sessions.get(access_key).cloned()
}

/// Returns whose key it is.
pub fn identify_sandbox_access_key_owner(state: &SandboxIamState, key: &SandboxAccessKey) -> SignedCaller {
    match &key.role {
        None => SignedCaller {
            arn: format_sandbox_user_arn(state),
            id: state.user.id.clone(),
            identity: SandboxIamIdentity::User(state.user.name.clone()),
        },
        Some(name) => SignedCaller {
            arn: format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/{name}"),
            id: format!("{}:{name}", state.roles.get(name).map(|role| role.id.as_str()).unwrap_or_default()),
            identity: SandboxIamIdentity::Role(name.clone()),
        },
    }
}

/// Returns the user's ARN.
pub fn format_sandbox_user_arn(state: &SandboxIamState) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:user/{}", state.user.name)
}

/// Finds a role by its ARN, path or none.
pub fn find_sandbox_role<'a>(state: &'a SandboxIamState, arn: &str) -> Option<&'a SandboxRole> {
    state.roles.get(arn.rsplit('/').next()?).filter(|role| role.arn == arn)
}

/// Whether a role can be assumed by a service (`lambda.amazonaws.com`) now: it is known, and so is its trust.
pub fn can_service_assume_sandbox_role(
    state: &SandboxIamState,
    clock: PropagationClock,
    arn: &str,
    service: &str,
) -> bool {
    can_sandbox_service_assume_role(state, clock, arn, service, &PolicyConditionContext::default())
}

/// Whether a service that says on whose behalf it comes can assume a role now.
pub fn can_sandbox_service_assume_role(
    state: &SandboxIamState,
    clock: PropagationClock,
    arn: &str,
    service: &str,
    context: &PolicyConditionContext,
) -> bool {
    can_principal_assume_sandbox_role(
        state,
        clock,
        arn,
        &SandboxCallerPrincipalNames::new_aws_service_principal(service),
        context,
    )
}

/// Whether anybody whom its trust may name can assume a role now, without a policy of his own.
pub fn can_principal_assume_sandbox_role(
    state: &SandboxIamState,
    clock: PropagationClock,
    arn: &str,
    principal: &SandboxCallerPrincipalNames,
    context: &PolicyConditionContext,
) -> bool {
    weigh_sandbox_role_trust(state, clock, arn, principal, context) == PolicyDecision::Allow
}

/// Weighs what a role's trust says of who wants to assume it now.
pub fn weigh_sandbox_role_trust(
    state: &SandboxIamState,
    clock: PropagationClock,
    arn: &str,
    principal: &SandboxCallerPrincipalNames,
    context: &PolicyConditionContext,
) -> PolicyDecision {
    let Some(mut trust) = find_sandbox_role(state, arn)
        .and_then(|role| role.get_propagated_trust_policy(clock))
        .and_then(|trust| serde_json::from_str::<Value>(trust).ok())
    else {
        return PolicyDecision::ImplicitDeny;
    };
    documents::add_trust_policy_wildcard_resource(&mut trust);
    access::evaluate_policy_document(&trust, Some(principal), "sts:AssumeRole", "*", context)
}

/// Whether the other services know by now what a caller may: a role's policy that was just written they don't.
pub fn are_caller_policies_propagated(
    state: &SandboxIamState,
    clock: PropagationClock,
    caller: &SignedCaller,
) -> bool {
    match &caller.identity {
        SandboxIamIdentity::User(_) => true,
        SandboxIamIdentity::Role(name) => {
            state.roles.get(name).is_none_or(|role| role.are_role_policies_propagated(clock))
        }
    }
}

/// Whether an ARN of a principal is one that resource policies may name now.
pub fn is_known_iam_principal_arn(state: &SandboxIamState, clock: PropagationClock, arn: &str) -> bool {
    arn == format!("arn:aws:iam::{ACCOUNT_ID}:root")
        || arn == format_sandbox_user_arn(state)
        || find_sandbox_role(state, arn).is_some_and(|role| clock.has_delay_passed(role.created, clock.delays.role))
        // Unique ids and other accounts are taken on trust, but for what has the form of a deleted one.
        || (arn.starts_with("arn:aws:iam::") && !arn.starts_with(&format!("arn:aws:iam::{ACCOUNT_ID}:")) && !arn.contains("::cloudfront:"))
}

impl Sandbox {
    /// Issues temporary credentials of a role, as its Lambda function has them: access key, secret, token.
    ///
    /// None where there is no such role, or a new one isn't known yet.
    pub fn issue_role_credentials(&self, role_arn: &str) -> Option<(String, String, String)> {
        let clock = PropagationClock::propagation_clock_from_sandbox(self);
        let known = self.read_sandbox_state_from_disk(|state| {
            let role = find_sandbox_role(&state.iam, role_arn)?;
            let held = state.iam.sessions.iter().find(|(_, key)| {
                key.role.as_deref() == Some(&role.name)
                    && key.expires.is_some_and(|expires| clock.now + ROLE_SESSION_DURATION / 12 < expires)
            });
            Some((
                role.name.clone(),
                held.map(|(access, key)| {
                    (access.clone(), key.secret.clone(), key.token.clone().unwrap_or_default())
                }),
            ))
        });
        let (name, held) = known?;
        if held.is_some() {
            return held;
        }
        let (access, secret, token) = (
            generate_random_aws_id("ASIA", 16),
            generate_random_aws_id("", 40),
            generate_random_aws_id("IQoJ", 200),
        );
        let key = SandboxAccessKey {
            secret: secret.clone(),
            token: Some(token.clone()),
            role: Some(name.clone()),
            expires: Some(clock.now + ROLE_SESSION_DURATION),
        };
        self.update_sandbox_state_on_disk(|state| {
            state.iam.sessions.retain(|_, old| old.expires.is_some_and(|expires| clock.now < expires));
            state.iam.sessions.insert(access.clone(), key);
        });
        Some((access, secret, token))
    }
}

/// Answers one request to IAM.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_iam_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let form = AwsQueryForm::parse_query_form_from_request(&request);
    let result = get_request_signed_caller(&request).and_then(|caller| {
        let ask = SandboxIamApiCall {
            clock: PropagationClock::propagation_clock_from_sandbox(world),
            caller: &caller,
            form: &form,
        };
        member_check::check_form_fields(SandboxService::Iam, &form)?;
        if has_sandbox_drift_injection(&request) {
            world.update_sandbox_state_on_disk(|state| roles::inject_trust_drift(state, &ask));
        }
        dispatch_iam_call(world, &ask)
    });
    match result {
        Ok(inner) => query::build_query_protocol_response(
            SandboxService::Iam,
            form.aws_query_action(),
            inner.as_deref(),
        ),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::Iam),
    }
}

/// One request: who, when, what.
struct SandboxIamApiCall<'a> {
    clock: PropagationClock,
    caller: &'a SignedCaller,
    form: &'a AwsQueryForm,
}

impl SandboxIamApiCall<'_> {
    fn authorize_iam_call(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        self.caller.authorize_caller(state, SandboxService::Iam, &format!("iam:{action}"), resource, context)
    }

    fn authorize_iam_action(&self, state: &SandboxState, resource: &str) -> Result<(), SandboxAwsError> {
        self.authorize_iam_call(
            state,
            self.form.aws_query_action(),
            resource,
            &self.caller.build_caller_condition_context(),
        )
    }
}

type SandboxIamResult = Result<Option<String>, SandboxAwsError>;

fn dispatch_iam_call(world: &Sandbox, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    match ask.form.aws_query_action() {
        "GetUser" => world.read_sandbox_state_from_disk(|state| handle_get_user(state, ask)),
        "ListAccountAliases" => world.read_sandbox_state_from_disk(|state| {
            ask.authorize_iam_action(state, "*")?;
            let alias = state
                .iam
                .account_alias
                .as_deref()
                .map(|alias| render_xml_element("member", alias))
                .unwrap_or_default();
            Ok(Some(format!("<AccountAliases>{alias}</AccountAliases><IsTruncated>false</IsTruncated>")))
        }),
        "SimulatePrincipalPolicy" => {
            world.read_sandbox_state_from_disk(|state| simulate::handle_simulate_principal_policy(state, ask))
        }
        "GetRole" => world.read_sandbox_state_from_disk(|state| roles::handle_get_role(state, ask)),
        "ListRoles" => world.read_sandbox_state_from_disk(|state| roles::handle_list_roles(state, ask)),
        "ListRoleTags" => {
            world.read_sandbox_state_from_disk(|state| roles::handle_list_role_tags(state, ask))
        }
        "GetRolePolicy" => {
            world.read_sandbox_state_from_disk(|state| roles::handle_get_role_policy(state, ask))
        }
        "ListRolePolicies" => {
            world.read_sandbox_state_from_disk(|state| roles::handle_list_role_policies(state, ask))
        }
        "ListAttachedRolePolicies" => {
            world.read_sandbox_state_from_disk(|state| roles::handle_list_attached_role_policies(state, ask))
        }
        "CreateRole" => world.update_sandbox_state_on_disk(|state| roles::handle_create_role(state, ask)),
        "CreateServiceLinkedRole" => {
            world.update_sandbox_state_on_disk(|state| roles::handle_create_service_linked_role(state, ask))
        }
        "UpdateAssumeRolePolicy" => {
            world.update_sandbox_state_on_disk(|state| roles::handle_update_assume_role_policy(state, ask))
        }
        "PutRolePolicy" => {
            world.update_sandbox_state_on_disk(|state| roles::handle_put_role_policy(state, ask))
        }
        "PutRolePermissionsBoundary" => world
            .update_sandbox_state_on_disk(|state| roles::handle_put_role_permissions_boundary(state, ask)),
        "TagRole" => world.update_sandbox_state_on_disk(|state| roles::handle_tag_role(state, ask)),
        other => Err(query::build_unknown_action_error(other)),
    }
}

fn handle_get_user(state: &SandboxState, ask: &SandboxIamApiCall<'_>) -> SandboxIamResult {
    let user = &state.iam.user;
    let arn = format_sandbox_user_arn(&state.iam);
    match (ask.form.find_form_field("UserName"), &ask.caller.identity) {
        (None, SandboxIamIdentity::User(_)) => {}
        (Some(name), _) if name == user.name => {}
        (Some(name), _) => {
            return Err(build_no_such_entity_error(&format!("The user with name {name} cannot be found.")));
        }
        (None, SandboxIamIdentity::Role(_)) => {
            return Err(SandboxAwsError::new(
                400,
                "ValidationError",
                "Must specify userName when calling with non-User credentials",
            ));
        }
    }
    ask.authorize_iam_action(state, &arn)?;
    Ok(Some(format!(
        "<User><Path>/</Path>{}{}{}{}</User>",
        render_xml_element("UserName", &user.name),
        render_xml_element("UserId", &user.id),
        render_xml_element("Arn", &arn),
        render_xml_element("CreateDate", &format_unix_time_iso8601(Duration::from_hours(394_464)))
    )))
}

fn build_no_such_entity_error(message: &str) -> SandboxAwsError {
    SandboxAwsError::new(404, "NoSuchEntity", message)
}
