//! STS: who am I, which needs no permission and tells a wrong key at once; and the session of a role, with the code of a device.
//!
//! The answer is what the signature said, never what the request says.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    ACCOUNT, Caller, Clock, Refusal,
    access::{Context, Principal},
    caller_of, iam, iso, query,
};
use crate::sandbox::World;

/// What is kept between runs: nothing yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let form = query::Form::read(&request);
    let result = caller_of(&request).and_then(|caller| match form.action() {
        "GetCallerIdentity" => Ok(who(&caller)),
        "AssumeRole" => assume(world, &caller, &form),
        other => Err(query::unknown(other)),
    });
    match result {
        Ok(inner) => query::answer("sts", form.action(), Some(&inner)),
        Err(refusal) => refusal.answer("sts"),
    }
}

fn who(caller: &Caller) -> String {
    let fields = [("Arn", caller.arn.as_str()), ("UserId", &caller.id), ("Account", ACCOUNT)];
    fields.iter().map(|(name, text)| query::element(name, text)).collect()
}

fn assume(world: &World, caller: &Caller, form: &query::Form) -> Result<String, Refusal> {
    let arn = form.need("RoleArn")?;
    form.need("RoleSessionName")?;
    let mut context = Context::default();
    if let (Some(serial), Some(code)) = (form.get("SerialNumber"), form.get("TokenCode")) {
        if !good(world, serial, code) {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(Refusal::new(403, "AccessDenied", message));
        }
        context = context.with("aws:MultiFactorAuthPresent", "true");
    }
    let (clock, asks) = (Clock::of(world), Principal::of_account(&caller.arn, &[]));
    let trusted = world.read(|state| iam::assumable_by(&state.iam, clock, arn, &asks, &context));
    let refused = || {
        let message =
            format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        Refusal::new(403, "AccessDenied", message)
    };
    if !trusted {
        return Err(refused());
    }
    let (access, secret, token) = world.role_credentials(arn).ok_or_else(refused)?;
    let expires = world.read(|state| iam::key(&state.iam, &access).and_then(|key| key.expires));
    let fields = [
        ("AccessKeyId", access),
        ("SecretAccessKey", secret),
        ("SessionToken", token),
        ("Expiration", iso(expires.unwrap_or_default())),
    ];
    let inner: String = fields.iter().map(|(name, text)| query::element(name, text)).collect();
    Ok(format!("<Credentials>{inner}</Credentials>"))
}

/// Whether the device shows this code; it is used up by that.
fn good(world: &World, serial: &str, code: &str) -> bool {
    world.write(|state| {
        let Some(device) = state.iam.user.device.as_mut().filter(|device| device.serial == serial) else {
            return false;
        };
        let before = device.codes.len();
        device.codes.retain(|shown| shown != code);
        device.codes.len() < before
    })
}
