//! The wire: an HTTP client for unmodified AWS SDK clients whose other end is the world; faults strike here.
//!
//! Every request passes the same gate, whether it comes through the SDK's connector or over a loopback socket.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use time::macros::format_description;

use super::{
    Sandbox,
    control_plane::{
        self, ServiceRefusal, iam,
        query::QueryForm,
        signature::{self, AuthorizationHeader},
    },
    edge_location,
    faults::{DriftInjection, Fault},
    ledger::{self, LedgerEntry},
    packagecloud,
};

/// The host of the sandbox's packagecloud.
pub const PACKAGECLOUD_HOST: &str = "packagecloud.sandbox";
/// How long a request that hangs does so, for a client that never gives up.
const HANG_DURATION: Duration = Duration::from_hours(1);

impl Sandbox {
    /// Under unmodified SDK clients.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(SandboxHttpClient { world: self.clone(), patience: None })
    }

    /// The configuration of SDK clients that live in this world, as its one user.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        self.sdk_config_with_client(self.http_client())
    }

    /// The same over another wire: that to the process which serves this world.
    #[must_use]
    pub fn sdk_config_with_client(&self, client: SharedHttpClient) -> SdkConfig {
        let credentials = Credentials::new(iam::ACCESS_KEY, iam::SECRET_KEY, None, None, "sandbox");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(control_plane::REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client)
            .sleep_impl(TokioSleep::new())
            .time_source(self.clone())
            .retry_config(RetryConfig::standard())
            .build()
    }

    /// Answers a request to any of its hosts.
    ///
    /// # Errors
    /// Where no answer is given: no such host, or a fault cut the connection.
    pub async fn handle_request(&self, mut request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let Some(service) = resolve_service(self, &request) else {
            let host = request_host(&request).unwrap_or_default();
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the sandbox has no host {host}")));
        };
        let operation = operation_name(service, &request);
        let start = self.now();
        if !self.latency().is_zero() {
            tokio::time::sleep(self.latency()).await;
        }
        let outcome = match self.next_fault(service, &operation) {
            None => Ok(self.dispatch_request(service, request).await),
            Some(Fault::Drift) => {
                request.extensions_mut().insert(DriftInjection);
                Ok(self.dispatch_request(service, request).await)
            }
            Some(Fault::Throttle) => Ok(control_plane::throttling_refusal(service).to_response(service)),
            Some(Fault::Deny) => {
                let message = format!(
                    "User: {} is not authorized to perform: {service}:{operation} because no identity-based policy allows the {service}:{operation} action",
                    self.read_state(|state| iam::user_arn(&state.iam))
                );
                Ok(control_plane::access_denied(service, message).to_response(service))
            }
            Some(Fault::Error { code, message }) => {
                let status =
                    if code.contains("Internal") || code.contains("Unavailable") { 500 } else { 400 };
                Ok(ServiceRefusal::new(status, code, message).to_response(service))
            }
            Some(Fault::Lost) => {
                self.dispatch_request(service, request).await;
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer"))
            }
            Some(Fault::Panic) => panic!("{service}:{operation}: a fault of this program, as asked for"),
            Some(Fault::Hang) => {
                tokio::time::sleep(HANG_DURATION).await;
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"))
            }
        };
        let outcome = match self.take_storage_error() {
            Some(trouble) => Err(io::Error::other(format!("the sandbox can't keep its state: {trouble}"))),
            None => outcome,
        };
        self.record_call(LedgerEntry {
            service: service.to_owned(),
            write: ledger::is_write_operation(&operation),
            operation,
            start,
            end: self.now(),
            status: outcome.as_ref().ok().map(|response| response.status().as_u16()),
        });
        outcome
    }

    async fn dispatch_request(&self, service: &'static str, mut request: Request<Bytes>) -> Response<Bytes> {
        let mut response = match service {
            // S3's own layer checks signatures: presigned, anonymous and header ones.
            "s3" => control_plane::s3::handle_s3_request(self, request).await,
            "s3control" => control_plane::s3control::handle_s3control_request(self, &request),
            "edge" => edge_location::handle_viewer_request(self, request).await,
            "packagecloud" => packagecloud::handle_packagecloud_request(self, request).await,
            _ => match signature::verify_signature(self, service, &request) {
                Err(refusal) => refusal.to_response(service),
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    match service {
                        "sts" => control_plane::sts::handle_sts_request(self, request).await,
                        "iam" => control_plane::iam::handle_iam_request(self, request).await,
                        "acm" => control_plane::acm::handle_acm_request(self, request).await,
                        "kms" => control_plane::kms::handle_kms_request(self, request).await,
                        "lambda" => control_plane::lambda::handle_lambda_request(self, request).await,
                        _ => control_plane::cloudfront::handle_cloudfront_request(self, request).await,
                    }
                }
            },
        };
        if !response.headers().contains_key(header::DATE)
            && let Ok(date) = HeaderValue::from_str(&format_http_date(self.now()))
        {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }
}

/// `Mon, 23 Nov 2026 20:00:00 GMT`.
pub fn format_http_date(at: Duration) -> String {
    control_plane::to_datetime(at)
        .format(format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        ))
        .unwrap_or_default()
}

/// By the scope of the signature, else by host.
fn resolve_service(world: &Sandbox, request: &Request<Bytes>) -> Option<&'static str> {
    const SIGNED_SERVICES: [&str; 7] = ["sts", "iam", "kms", "acm", "lambda", "cloudfront", "s3"];
    if let Some(authorization) = AuthorizationHeader::from_request(request) {
        let service = SIGNED_SERVICES.into_iter().find(|service| *service == authorization.service)?;
        // The account's side of S3 signs as S3 does.
        return Some(if service == "s3" && control_plane::s3control::is_s3control_request(request) {
            "s3control"
        } else {
            service
        });
    }
    let host = request_host(request)?;
    let host = host.split(':').next().unwrap_or_default();
    if host == PACKAGECLOUD_HOST {
        return Some("packagecloud");
    }
    if host.ends_with(".cloudfront.net")
        || world.read_state(|state| control_plane::cloudfront::has_alias(&state.cloudfront, host))
    {
        return Some("edge");
    }
    let labels: Vec<&str> = host.split('.').collect();
    if host.ends_with(".amazonaws.com") {
        return SIGNED_SERVICES.into_iter().find(|service| labels.contains(service));
    }
    // Over a loopback socket, what is not signed in a header is S3's: presigned or anonymous.
    (host == "localhost" || host == "127.0.0.1" || host.ends_with(".localhost")).then_some("s3")
}

fn request_host(request: &Request<Bytes>) -> Option<String> {
    let named =
        request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(ToOwned::to_owned);
    named.or_else(|| request.uri().authority().map(ToString::to_string))
}

/// The operation's name, as AWS calls it.
fn operation_name(service: &str, request: &Request<Bytes>) -> String {
    match service {
        "sts" | "iam" => QueryForm::from_request(request).action_name().to_owned(),
        "acm" => control_plane::acm::operation_name(request).to_owned(),
        "kms" => control_plane::kms::operation_name(request).to_owned(),
        "lambda" => control_plane::lambda::operation_name(request.method(), request.uri()).to_owned(),
        "cloudfront" => control_plane::cloudfront::operation_name(request.method(), request.uri()).to_owned(),
        "s3" => s3_operation_name(request).to_owned(),
        "s3control" => control_plane::s3control::operation_name(request.method(), request.uri()).to_owned(),
        _ => if request.method() == http::Method::HEAD { "Head" } else { "Get" }.to_owned(),
    }
}

/// S3 has no field for it: the method, the place and the query say it together.
fn s3_operation_name(request: &Request<Bytes>) -> &'static str {
    let host = request_host(request).unwrap_or_default();
    let in_host = host.contains(".s3.") || host.contains(".s3-");
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = if in_host {
        (true, !path.is_empty())
    } else {
        (!path.is_empty(), path.split_once('/').is_some_and(|(_, key)| !key.is_empty()))
    };
    let query = request.uri().query().unwrap_or_default();
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let copies = request.headers().contains_key("x-amz-copy-source");
    let put = request.method() == http::Method::PUT;
    if bucket && !key {
        for (name, got, set) in [
            ("policyStatus", "GetBucketPolicyStatus", "Unknown"),
            ("policy", "GetBucketPolicy", "PutBucketPolicy"),
            ("location", "GetBucketLocation", "Unknown"),
            ("encryption", "GetBucketEncryption", "PutBucketEncryption"),
            ("versioning", "GetBucketVersioning", "PutBucketVersioning"),
            ("tagging", "GetBucketTagging", "PutBucketTagging"),
            ("publicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock"),
            ("ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls"),
            ("object-lock", "GetObjectLockConfiguration", "PutObjectLockConfiguration"),
            ("replication", "GetBucketReplication", "PutBucketReplication"),
            ("notification", "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration"),
            ("versions", "ListObjectVersions", "Unknown"),
            ("uploads", "ListMultipartUploads", "Unknown"),
        ] {
            if asks(name) {
                return if put { set } else { got };
            }
        }
    }
    match (request.method().as_str(), bucket, key) {
        ("GET", false, _) => "ListBuckets",
        ("GET", true, false) => {
            if asks("list-type") {
                "ListObjectsV2"
            } else {
                "ListObjects"
            }
        }
        ("HEAD", true, false) => "HeadBucket",
        ("PUT", true, false) => "CreateBucket",
        ("GET", _, true) if asks("acl") => "GetObjectAcl",
        ("PUT", _, true) if asks("acl") => "PutObjectAcl",
        ("GET", _, true) if asks("tagging") => "GetObjectTagging",
        ("GET", _, true) if asks("attributes") => "GetObjectAttributes",
        ("GET", _, true) if asks("uploadId") => "ListParts",
        ("GET", _, true) => "GetObject",
        ("HEAD", _, true) => "HeadObject",
        ("PUT", _, true) if asks("tagging") => "PutObjectTagging",
        ("PUT", _, true) if asks("uploadId") => {
            if copies {
                "UploadPartCopy"
            } else {
                "UploadPart"
            }
        }
        ("PUT", _, true) => {
            if copies {
                "CopyObject"
            } else {
                "PutObject"
            }
        }
        ("POST", _, true) if asks("uploads") => "CreateMultipartUpload",
        ("POST", _, true) if asks("uploadId") => "CompleteMultipartUpload",
        ("DELETE", _, true) if asks("uploadId") => "AbortMultipartUpload",
        ("DELETE", _, true) => "DeleteObject",
        _ => "Unknown",
    }
}

/// The SDK's end of the wire.
#[derive(Debug, Clone)]
struct SandboxHttpClient {
    world: Sandbox,
    /// The client's read timeout.
    patience: Option<Duration>,
}

impl HttpClient for SandboxHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Self { world: self.world.clone(), patience: settings.read_timeout() })
    }
}

impl HttpConnector for SandboxHttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { world, patience } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = read_sdk_request(request).await.map_err(ConnectorError::user)?;
            let answering = world.handle_request(request);
            let answered = match patience {
                Some(patience) => tokio::time::timeout(patience, answering)
                    .await
                    .map_err(|_| ConnectorError::timeout("the read timed out".into()))?,
                None => answering.await,
            };
            let response = answered.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => ConnectorError::timeout(error.into()),
                _ => ConnectorError::io(error.into()),
            })?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

async fn read_sdk_request(
    request: HttpRequest,
) -> Result<Request<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut parts, body) = request.try_into_http1x()?.into_parts();
    let body = body.collect().await?.to_bytes();
    if !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
    {
        parts.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    }
    // As a client over a socket says it.
    if [http::Method::PUT, http::Method::POST].contains(&parts.method)
        && !parts.headers.contains_key(header::CONTENT_LENGTH)
    {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok(Request::from_parts(parts, body))
}

impl TimeSource for Sandbox {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Self::now(self)
    }
}

#[cfg(test)]
mod tests;
