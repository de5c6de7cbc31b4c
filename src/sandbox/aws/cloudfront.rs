//! (to come): the sandbox's cloudfront.

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
    Refusal::new(501, "NotImplemented", "not in the sandbox yet").answer("cloudfront")
}
pub fn operation(_method: &http::Method, _uri: &http::Uri) -> &'static str {
    "Unknown"
}
pub fn has_alias(_state: &State, _host: &str) -> bool {
    false
}
pub fn identity_known(_state: &State, _clock: super::Clock, _id: &str) -> bool {
    false
}
pub fn canonical_user_known(_state: &State, _clock: super::Clock, _id: &str) -> bool {
    false
}
