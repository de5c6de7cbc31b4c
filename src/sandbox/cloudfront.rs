//! (to come)

use bytes::Bytes;
use http::{Request, Response};

#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn answer(_world: &crate::sandbox::World, _request: Request<Bytes>) -> Response<Bytes> {
    crate::sandbox::aws::Refusal::new(501, "NotImplemented", "not in the sandbox yet").answer("edge")
}
