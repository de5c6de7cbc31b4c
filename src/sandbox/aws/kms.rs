//! (to come): the sandbox's kms.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::sandbox::World;

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(_world: &World, _request: Request<Bytes>) -> Response<Bytes> {
    Refusal::new(501, "NotImplemented", "not in the sandbox yet").answer("kms")
}
pub fn operation(request: &Request<Bytes>) -> &str {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    target.and_then(|target| target.strip_prefix("TrentService.")).unwrap_or("Unknown")
}
