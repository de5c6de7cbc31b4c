//! The edge asks S3: in the name of the origin's access identity, of the service for the distribution, or of nobody.
//!
//! Nothing of the viewer goes along but the path, and the query where the cache policy lets it.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};

use crate::sandbox::{
    World,
    control_plane::{
        ACCOUNT,
        cloudfront::{Access, Deployed, Origin},
        s3::{self, Caller},
    },
};

pub struct Ask<'a> {
    pub world: &'a World,
    pub distribution: &'a Deployed,
    pub origin: &'a Origin,
    pub uri: &'a str,
    pub query: &'a str,
}

impl Ask<'_> {
    /// The origin's answer; none where it can't be reached.
    pub async fn send(
        &self,
        head: bool,
        if_none_match: Option<&HeaderValue>,
        range: Option<&HeaderValue>,
    ) -> Option<Response<Bytes>> {
        s3::bucket_of_host(&self.origin.domain)?;
        let path = format!("{}{}", self.origin.path, self.uri);
        let uri = if self.query.is_empty() { path } else { format!("{path}?{}", self.query) };
        let mut request = Request::builder()
            .method(if head { Method::HEAD } else { Method::GET })
            .uri(uri)
            .header(header::HOST, &self.origin.domain)
            .header(header::USER_AGENT, "Amazon CloudFront");
        for (name, value) in [(header::IF_NONE_MATCH, if_none_match), (header::RANGE, range)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let caller = match &self.origin.access {
            Access::Anonymous => Caller::anonymous(),
            Access::Identity { id, canonical } => Caller::identity(id, canonical),
            Access::Control { .. } => Caller::distribution(&self.distribution.arn, ACCOUNT),
        };
        Some(s3::answer_as(self.world, caller, request.body(Bytes::new()).ok()?).await)
    }
}
