//! STS: who am I, which needs no permission and tells a wrong key at once; and the session of a role, with the code of a device.
//!
//! The answer is what the signature said, never what the request says.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT_ID, PropagationClock, SandboxAwsError, SignedCaller,
    access::{PolicyConditionContext, PolicyDecision, SandboxCallerPrincipalNames},
    format_unix_time_iso8601, get_request_signed_caller, iam, member_check, query,
};
use crate::sandbox::{Sandbox, service::SandboxService};

/// What is kept between runs: nothing yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxStsState {}

/// Answers one request to STS.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_sts_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let form = query::AwsQueryForm::parse_query_form_from_request(&request);
    let result = get_request_signed_caller(&request).and_then(|caller| {
        member_check::check_form_fields(SandboxService::Sts, &form)?;
        match form.aws_query_action() {
            "GetCallerIdentity" => Ok(render_caller_identity_xml(&caller)),
            "AssumeRole" => handle_assume_role(world, &caller, &form),
            other => Err(query::build_unknown_action_error(other)),
        }
    });
    match result {
        Ok(inner) => {
            query::build_query_protocol_response(SandboxService::Sts, form.aws_query_action(), Some(&inner))
        }
        Err(refusal) => refusal.render_aws_error_response(SandboxService::Sts),
    }
}

fn render_caller_identity_xml(caller: &SignedCaller) -> String {
    let fields = [("Arn", caller.arn.as_str()), ("UserId", &caller.id), ("Account", ACCOUNT_ID)];
    fields.iter().map(|(name, text)| query::render_xml_element(name, text)).collect()
}

fn handle_assume_role(
    world: &Sandbox,
    caller: &SignedCaller,
    form: &query::AwsQueryForm,
) -> Result<String, SandboxAwsError> {
    let arn = form.require_form_field("RoleArn")?;
    form.require_form_field("RoleSessionName")?;
    let mut context = PolicyConditionContext::default();
    if let (Some(serial), Some(code)) =
        (form.find_form_field("SerialNumber"), form.find_form_field("TokenCode"))
    {
        if !verify_and_consume_mfa_code(world, serial, code) {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(SandboxAwsError::new(403, "AccessDenied", message));
        }
        context = context.add_condition_key_value("aws:MultiFactorAuthPresent", "true");
    }
    let (clock, asks) = (
        PropagationClock::propagation_clock_from_sandbox(world),
        SandboxCallerPrincipalNames::new_account_identity_principal(&caller.arn, &[]),
    );
    let trusted = world.read_sandbox_state_from_disk(|state| {
        match iam::weigh_sandbox_role_trust(&state.iam, clock, arn, &asks, &context) {
            PolicyDecision::Allow => true,
            // The account is trusted: its own policies say who of it.
            PolicyDecision::Delegated => {
                caller.authorize_caller(state, SandboxService::Sts, "sts:AssumeRole", arn, &context).is_ok()
            }
            PolicyDecision::ImplicitDeny | PolicyDecision::ExplicitDeny => false,
        }
    });
    let refused = || {
        let message =
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        SandboxAwsError::new(403, "AccessDenied", message)
    };
    if !trusted {
        return Err(refused());
    }
    let (access, secret, token) = world.issue_role_credentials(arn).ok_or_else(refused)?;
    let expires = world.read_sandbox_state_from_disk(|state| {
        iam::find_sandbox_access_key(&state.iam, &access).and_then(|key| key.expires)
    });
    let fields = [
        ("AccessKeyId", access),
        ("SecretAccessKey", secret),
        ("SessionToken", token),
        ("Expiration", format_unix_time_iso8601(expires.unwrap_or_default())),
    ];
    let inner: String = fields.iter().map(|(name, text)| query::render_xml_element(name, text)).collect();
    Ok(format!("<Credentials>{inner}</Credentials>"))
}

/// Whether the device shows this code; it is used up by that.
fn verify_and_consume_mfa_code(world: &Sandbox, serial: &str, code: &str) -> bool {
    world.update_sandbox_state_on_disk(|state| {
        let Some(device) = state.iam.user.device.as_mut().filter(|device| device.serial == serial) else {
            return false;
        };
        let before = device.codes.len();
        device.codes.retain(|shown| shown != code);
        device.codes.len() < before
    })
}
