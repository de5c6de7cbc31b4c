//! STS: who am I, which needs no permission and tells a wrong key at once; and the session of a role, with the code of a device.
//!
//! The answer is what the signature said, never what the request says.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT_ID, PropagationClock, SandboxAwsError, SignedCaller,
    access::{PolicyConditionContext, PolicyPrincipal},
    format_iso8601, iam, query, request_signed_caller,
};
use crate::sandbox::{Sandbox, service::Service};

/// What is kept between runs: nothing yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxStsState {}

/// Answers one request to STS.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_sts_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let form = query::AwsQueryForm::from_request(&request);
    let result = request_signed_caller(&request).and_then(|caller| match form.action_name() {
        "GetCallerIdentity" => Ok(render_caller_identity(&caller)),
        "AssumeRole" => handle_assume_role(world, &caller, &form),
        other => Err(query::unknown_action_error(other)),
    });
    match result {
        Ok(inner) => query::query_protocol_response(Service::Sts, form.action_name(), Some(&inner)),
        Err(refusal) => refusal.to_error_response(Service::Sts),
    }
}

fn render_caller_identity(caller: &SignedCaller) -> String {
    let fields = [("Arn", caller.arn.as_str()), ("UserId", &caller.id), ("Account", ACCOUNT_ID)];
    fields.iter().map(|(name, text)| query::render_xml_element(name, text)).collect()
}

fn handle_assume_role(
    world: &Sandbox,
    caller: &SignedCaller,
    form: &query::AwsQueryForm,
) -> Result<String, SandboxAwsError> {
    let arn = form.require_field("RoleArn")?;
    form.require_field("RoleSessionName")?;
    let mut context = PolicyConditionContext::default();
    if let (Some(serial), Some(code)) = (form.find_field("SerialNumber"), form.find_field("TokenCode")) {
        if !consume_mfa_code(world, serial, code) {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(SandboxAwsError::new(403, "AccessDenied", message));
        }
        context = context.with_condition_key("aws:MultiFactorAuthPresent", "true");
    }
    let (clock, asks) =
        (PropagationClock::from_sandbox(world), PolicyPrincipal::for_account_identity(&caller.arn, &[]));
    let trusted =
        world.read_sandbox_state(|state| iam::can_assume_role(&state.iam, clock, arn, &asks, &context));
    let refused = || {
        let message =
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        SandboxAwsError::new(403, "AccessDenied", message)
    };
    if !trusted {
        return Err(refused());
    }
    let (access, secret, token) = world.issue_role_credentials(arn).ok_or_else(refused)?;
    let expires = world
        .read_sandbox_state(|state| iam::find_access_key(&state.iam, &access).and_then(|key| key.expires));
    let fields = [
        ("AccessKeyId", access),
        ("SecretAccessKey", secret),
        ("SessionToken", token),
        ("Expiration", format_iso8601(expires.unwrap_or_default())),
    ];
    let inner: String = fields.iter().map(|(name, text)| query::render_xml_element(name, text)).collect();
    Ok(format!("<Credentials>{inner}</Credentials>"))
}

/// Whether the device shows this code; it is used up by that.
fn consume_mfa_code(world: &Sandbox, serial: &str, code: &str) -> bool {
    world.write_sandbox_state(|state| {
        let Some(device) = state.iam.user.device.as_mut().filter(|device| device.serial == serial) else {
            return false;
        };
        let before = device.codes.len();
        device.codes.retain(|shown| shown != code);
        device.codes.len() < before
    })
}
