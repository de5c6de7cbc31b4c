//! STS: who am I. It needs no permission, and tells a wrong key at once.
//!
//! The answer is what the signature said, never what the request says.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{ACCOUNT, caller_of, query};
use crate::sandbox::World;

/// What is kept between runs: nothing yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(_world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let form = query::Form::read(&request);
    if form.action() != "GetCallerIdentity" {
        return query::unknown(form.action()).answer("sts");
    }
    match caller_of(&request) {
        Err(refusal) => refusal.answer("sts"),
        Ok(caller) => {
            let fields = [("Arn", caller.arn.as_str()), ("UserId", &caller.id), ("Account", ACCOUNT)];
            let inner: String = fields.iter().map(|(name, text)| query::element(name, text)).collect();
            query::answer("sts", "GetCallerIdentity", Some(&inner))
        }
    }
}
