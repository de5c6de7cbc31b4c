//! The edge asks S3: in the name of the origin's access identity, of the service for the distribution, or of nobody.
//!
//! Nothing of the viewer goes along but the path, and the query where the cache policy lets it.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::sandbox::{
    Sandbox,
    control_plane::{
        cloudfront::{SandboxDeployedDistribution, SandboxDeployedOrigin, SandboxOriginAccess},
        s3::{self, SandboxS3Caller},
    },
};

/// The largest response that CloudFront gives, in bytes.
const RESPONSE_MAX_BYTES: u64 = 50_000_000_000;

pub struct EdgeToOriginRequest<'a> {
    pub world: &'a Sandbox,
    pub distribution: &'a SandboxDeployedDistribution,
    pub origin: &'a SandboxDeployedOrigin,
    pub uri: &'a str,
    pub query: &'a str,
}

impl EdgeToOriginRequest<'_> {
    /// Asks the origin; none where it can't be reached.
    pub async fn send_request_to_origin(
        &self,
        head: bool,
        if_none_match: Option<&HeaderValue>,
        range: Option<&HeaderValue>,
    ) -> Option<Response<Bytes>> {
        s3::parse_bucket_from_host(&self.origin.domain)?;
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
            SandboxOriginAccess::Anonymous => SandboxS3Caller::new_anonymous_caller(),
            SandboxOriginAccess::Identity { id, canonical } => {
                SandboxS3Caller::caller_from_origin_access_identity(id, canonical)
            }
            SandboxOriginAccess::Control { .. } => {
                SandboxS3Caller::caller_from_cloudfront_distribution(&self.distribution.arn)
            }
        };
        Some(s3::handle_s3_api_call_as(self.world, caller, request.body(Bytes::new()).ok()?).await)
    }

    /// Whether the object that was asked for as a whole is larger than CloudFront serves (aws-facts section 10); what the
    /// sandbox's S3 doesn't give at once is asked for its length.
    pub async fn is_origin_object_oversized(&self, answer: &Response<Bytes>) -> bool {
        let length = |answer: &Response<Bytes>| {
            let length = answer.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?;
            length.parse::<u64>().ok()
        };
        let found = if answer.status() == StatusCode::NOT_IMPLEMENTED {
            self.send_request_to_origin(true, None, None).await.as_ref().and_then(length)
        } else {
            length(answer)
        };
        found.is_some_and(|length| length > RESPONSE_MAX_BYTES)
    }
}
