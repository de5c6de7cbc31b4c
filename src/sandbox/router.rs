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
        self, SandboxAwsError, iam,
        query::AwsQueryForm,
        signature::{self, SigV4AuthorizationHeader},
    },
    edge_location,
    faults::{SandboxFault, SandboxFaultTarget, SandboxForeignEditInjection},
    ledger::{self, SandboxApiCallRecord},
    packagecloud,
    refusals::SandboxRefusal,
    service::SandboxService,
};

/// The host of the sandbox's packagecloud.
pub const PACKAGECLOUD_HOST: &str = "packagecloud.sandbox";
/// How long a request that hangs does so, for a client that never gives up.
const HANG_DURATION: Duration = Duration::from_hours(1);

impl Sandbox {
    /// Returns the client that goes under unmodified SDK clients.
    #[must_use]
    pub fn build_sandbox_http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(SandboxHttpClient { world: self.clone(), patience: None })
    }

    /// Returns the configuration of SDK clients that live in this sandbox, as its one user.
    #[must_use]
    pub fn build_sandbox_sdk_config(&self) -> SdkConfig {
        self.build_sdk_config_with_client(self.build_sandbox_http_client())
    }

    /// Returns the same configuration over another wire: that to the process which serves this sandbox.
    #[must_use]
    pub fn build_sdk_config_with_client(&self, client: SharedHttpClient) -> SdkConfig {
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
    /// Says why no answer is given: no such host, a fault cut the connection, or the disk doesn't keep the state.
    pub async fn handle_sandbox_request(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let Some(service) = find_service_for_request(self, &request) else {
            let host = requested_host_name(&request).unwrap_or_default();
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the sandbox has no host {host}")));
        };
        let operation = find_aws_operation_name(service, &request);
        let start = self.sandbox_unix_time_now();
        let latency = self.draw_simulated_latency();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let outcome = match self.pick_fault_for_request(SandboxFaultTarget::Service(service), &operation) {
            None => Ok(self.dispatch_request_to_service(service, request).await),
            Some(fault) => self.answer_request_with_fault(fault, service, &operation, request).await,
        };
        let outcome = match self.pop_sandbox_write_error() {
            Some(trouble) => Err(io::Error::other(format!("the sandbox can't keep its state: {trouble}"))),
            None => outcome,
        };
        self.append_call_to_ledger(SandboxApiCallRecord {
            service: service.sandbox_service_name().to_owned(),
            write: ledger::is_write_operation(&operation),
            operation,
            start,
            end: self.sandbox_unix_time_now(),
            status: outcome.as_ref().ok().map(|response| response.status().as_u16()),
        });
        outcome
    }

    async fn answer_request_with_fault(
        &self,
        fault: SandboxFault,
        service: SandboxService,
        operation: &str,
        mut request: Request<Bytes>,
    ) -> io::Result<Response<Bytes>> {
        match fault {
            SandboxFault::Drift => {
                request.extensions_mut().insert(SandboxForeignEditInjection);
                Ok(self.dispatch_request_to_service(service, request).await)
            }
            SandboxFault::Throttle => {
                Ok(control_plane::build_throttling_error(service).render_aws_error_response(service))
            }
            SandboxFault::Deny => {
                let message = format!(
                    "User: {} is not authorized to perform: {service}:{operation} because no identity-based policy allows the {service}:{operation} action",
                    self.read_sandbox_state_from_disk(|state| iam::format_sandbox_user_arn(&state.iam))
                );
                Ok(control_plane::build_access_denied_error(service, message)
                    .render_aws_error_response(service))
            }
            SandboxFault::Error { code, message } => {
                let status = match code.as_str() {
                    "NotImplemented" => 501,
                    "MethodNotAllowed" => 405,
                    code if code.contains("Internal") || code.contains("Unavailable") => 500,
                    _ => 400,
                };
                Ok(SandboxAwsError::new(status, code, message).render_aws_error_response(service))
            }
            SandboxFault::Refuse(refusal) => {
                Ok(self.build_played_refusal(refusal, service, operation).render_aws_error_response(service))
            }
            SandboxFault::Lost => {
                self.dispatch_request_to_service(service, request).await;
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer"))
            }
            SandboxFault::Cut => cut_response_body(self.dispatch_request_to_service(service, request).await),
            SandboxFault::Page(status) => Ok(build_proxy_page(status)),
            SandboxFault::Panic => panic!("{service}:{operation}: a fault of this program, as asked for"),
            SandboxFault::Hang => {
                tokio::time::sleep(HANG_DURATION).await;
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"))
            }
        }
    }

    /// One of AWS's own refusals, as `service` gives it to the sandbox's user.
    fn build_played_refusal(
        &self,
        refusal: SandboxRefusal,
        service: SandboxService,
        operation: &str,
    ) -> SandboxAwsError {
        let user = self.read_sandbox_state_from_disk(|state| iam::format_sandbox_user_arn(&state.iam));
        let action = match service {
            SandboxService::S3 => control_plane::s3::iam_action_for_s3_operation(operation, false),
            _ => format!("{service}:{operation}"),
        };
        let message = refusal.render_refusal_message(&action, &user);
        let (status, code) = refusal.status_and_code();
        if refusal.is_denial() {
            control_plane::build_access_denied_error(service, message)
        } else {
            SandboxAwsError::new(status, code, message)
        }
    }

    async fn dispatch_request_to_service(
        &self,
        service: SandboxService,
        request: Request<Bytes>,
    ) -> Response<Bytes> {
        let mut response = match self.attach_caller_from_signature(service, request) {
            Ok(request)
                if service == SandboxService::S3
                    && control_plane::lambda::is_function_code_request(&request) =>
            {
                control_plane::lambda::serve_function_code(self, &request)
            }
            Err(refusal) => refusal.render_aws_error_response(service),
            Ok(request) => match service {
                SandboxService::Sts => control_plane::sts::handle_sts_api_call(self, request).await,
                SandboxService::Iam => control_plane::iam::handle_iam_api_call(self, request).await,
                SandboxService::Acm => control_plane::acm::handle_acm_api_call(self, request).await,
                SandboxService::Kms => control_plane::kms::handle_kms_api_call(self, request).await,
                SandboxService::Lambda => control_plane::lambda::handle_lambda_api_call(self, request).await,
                SandboxService::CloudFront => {
                    control_plane::cloudfront::handle_cloudfront_api_call(self, request).await
                }
                SandboxService::S3 => control_plane::s3::handle_s3_api_call(self, request).await,
                SandboxService::S3Control => {
                    control_plane::s3control::handle_s3control_api_call(self, &request)
                }
                SandboxService::CloudWatch => {
                    control_plane::cloudwatch::handle_cloudwatch_api_call(self, request).await
                }
                SandboxService::Logs => control_plane::logs::handle_logs_api_call(self, request).await,
                SandboxService::PricingPlans => {
                    control_plane::pricing_plans::handle_pricing_plan_api_call(self, request).await
                }
                SandboxService::Edge => edge_location::serve_viewer_request(self, request).await,
                SandboxService::Packagecloud => packagecloud::serve_packagecloud_request(self, request).await,
            },
        };
        if !response.headers().contains_key(header::DATE)
            && let Ok(date) = HeaderValue::from_str(&format_http_date(self.sandbox_unix_time_now()))
        {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }

    /// Puts into the request's extensions who signed it, where the service doesn't look itself.
    fn attach_caller_from_signature(
        &self,
        service: SandboxService,
        mut request: Request<Bytes>,
    ) -> Result<Request<Bytes>, SandboxAwsError> {
        if !service.is_signature_verified_by_service() {
            let caller = signature::verify_sigv4_request(self, service, &request)?;
            request.extensions_mut().insert(caller);
        }
        Ok(request)
    }
}

/// Leaves the first half of a success's body; where it has none, the connection breaks before its end.
fn cut_response_body(response: Response<Bytes>) -> io::Result<Response<Bytes>> {
    let (mut parts, body) = response.into_parts();
    if body.is_empty() {
        return Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer"));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let half = body.slice(..body.len() / 2);
    Ok(Response::from_parts(parts, half))
}

/// Makes the page with which a web filter answers in place of the server that was asked.
fn build_proxy_page(status: u16) -> Response<Bytes> {
    let page = "<!DOCTYPE html>\n<html><head><title>Web filter: access blocked</title></head><body>Ask your administrator.</body></html>\n";
    let mut response = Response::new(Bytes::from_static(page.as_bytes()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Formats a moment as `Mon, 23 Nov 2026 20:00:00 GMT`.
pub fn format_http_date(at: Duration) -> String {
    control_plane::unix_time_to_utc_datetime(at)
        .format(format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        ))
        .unwrap_or_default()
}

/// Finds whom a request is for: by the scope of its signature, else by its host.
fn find_service_for_request(world: &Sandbox, request: &Request<Bytes>) -> Option<SandboxService> {
    /// Those that a signature's scope, or a host of AWS, may name.
    const SIGNED_SERVICES: [SandboxService; 10] = [
        SandboxService::Sts,
        SandboxService::Iam,
        SandboxService::Kms,
        SandboxService::Acm,
        SandboxService::Lambda,
        SandboxService::CloudFront,
        SandboxService::S3,
        SandboxService::CloudWatch,
        SandboxService::Logs,
        SandboxService::PricingPlans,
    ];
    if let Some(authorization) = SigV4AuthorizationHeader::parse_authorization_header(request) {
        let service = SIGNED_SERVICES
            .into_iter()
            .find(|service| service.sandbox_service_name() == authorization.service)?;
        return Some(
            if service == SandboxService::S3 && control_plane::s3control::is_s3control_request(request) {
                SandboxService::S3Control
            } else {
                service
            },
        );
    }
    let host = requested_host_name(request)?;
    let host = host.split(':').next().unwrap_or_default();
    if host == PACKAGECLOUD_HOST {
        return Some(SandboxService::Packagecloud);
    }
    if host.ends_with(".cloudfront.net")
        || world.read_sandbox_state_from_disk(|state| {
            control_plane::cloudfront::has_sandbox_distribution_alias(&state.cloudfront, host)
        })
    {
        return Some(SandboxService::Edge);
    }
    let labels: Vec<&str> = host.split('.').collect();
    if host.ends_with(".amazonaws.com") {
        return SIGNED_SERVICES.into_iter().find(|service| labels.contains(&service.sandbox_service_name()));
    }
    // Over a loopback socket, what is not signed in a header is S3's: presigned or anonymous.
    (host == "localhost" || host == "127.0.0.1" || host.ends_with(".localhost")).then_some(SandboxService::S3)
}

fn requested_host_name(request: &Request<Bytes>) -> Option<String> {
    let named =
        request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(ToOwned::to_owned);
    named.or_else(|| request.uri().authority().map(ToString::to_string))
}

/// Returns the operation's name, as AWS calls it.
fn find_aws_operation_name(service: SandboxService, request: &Request<Bytes>) -> String {
    let (method, uri) = (request.method(), request.uri());
    match service {
        SandboxService::Sts | SandboxService::Iam => {
            AwsQueryForm::parse_query_form_from_request(request).aws_query_action().to_owned()
        }
        SandboxService::Acm => control_plane::acm::parse_acm_operation_name(request).to_owned(),
        SandboxService::Kms => control_plane::kms::parse_kms_operation_name(request).to_owned(),
        SandboxService::Lambda => {
            control_plane::lambda::parse_lambda_operation_name(method, uri).into_owned()
        }
        SandboxService::CloudFront => {
            control_plane::cloudfront::parse_cloudfront_operation_name(method, uri).into_owned()
        }
        SandboxService::S3 => {
            let host = requested_host_name(request).unwrap_or_default();
            control_plane::s3::parse_s3_operation_name(request, &host)
        }
        SandboxService::S3Control => {
            control_plane::s3control::parse_s3control_operation_name(method, uri).into_owned()
        }
        SandboxService::CloudWatch => {
            control_plane::cloudwatch::parse_cloudwatch_operation_name(request).to_owned()
        }
        SandboxService::Logs => control_plane::logs::parse_logs_operation_name(request).to_owned(),
        SandboxService::PricingPlans => {
            control_plane::pricing_plans::parse_pricing_plan_operation_name(uri).to_owned()
        }
        SandboxService::Edge | SandboxService::Packagecloud if method == http::Method::HEAD => {
            "Head".to_owned()
        }
        SandboxService::Edge | SandboxService::Packagecloud => "Get".to_owned(),
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
            let request = convert_sdk_request_to_http(request).await.map_err(ConnectorError::user)?;
            let answering = world.handle_sandbox_request(request);
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

async fn convert_sdk_request_to_http(
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
        UNIX_EPOCH + Self::sandbox_unix_time_now(self)
    }
}

#[cfg(test)]
mod tests;
