//! (to come): packagecloud's front, which redirects.

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {}

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(_world: &crate::sandbox::World, _request: Request<Bytes>) -> Response<Bytes> {
    crate::sandbox::aws::Refusal::new(501, "NotImplemented", "not in the sandbox yet").answer("packagecloud")
}
