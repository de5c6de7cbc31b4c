//! Services of AWS that are asked by one signed request of JSON each, without an SDK of their own: signing and sending are those of the SDK's
//! crates, which stand already; a crate a service would cost the build a minute for one operation.

use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    http::{HttpClient as _, HttpConnector as _, HttpConnectorSettings},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::{
    AwsClients, error, network::CONNECT_TIMEOUT, unreadable::is_foreign_page, web::build_runtime_components,
};
use crate::model::{
    aws::names::EDGE_REGION,
    failure::{Failure, FailureKind},
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One operation, and how it is asked for.
pub(super) struct SignedJsonService {
    /// As a policy names it: `cloudwatch:GetMetricStatistics`.
    pub action: &'static str,
    /// What it tells, in words.
    pub what: &'static str,
    /// By which the service's requests are signed.
    pub signing_name: &'static str,
    /// Where it is asked; `{region}` stands for the region, where it has one a region.
    pub endpoint: &'static str,
    pub path: &'static str,
    pub content_type: &'static str,
    /// The header that names the operation, in AWS's JSON protocols.
    pub target: Option<&'static str>,
}

#[derive(Deserialize, Default)]
struct JsonRefusal {
    #[serde(rename = "__type", alias = "code", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
}

impl AwsClients {
    /// Sends one request to the service in us-east-1 and returns the body of its success.
    ///
    /// # Errors
    /// Where the service refuses or doesn't answer, or a page of somebody else comes in its place.
    pub(super) async fn ask_signed_json(
        &self,
        service: &SignedJsonService,
        body: &str,
    ) -> Result<Bytes, Failure> {
        self.ask_signed_json_in_region(service, EDGE_REGION, body).await
    }

    /// Does the same in any region.
    ///
    /// # Errors
    /// As [`Self::ask_signed_json`].
    pub(super) async fn ask_signed_json_in_region(
        &self,
        service: &SignedJsonService,
        region: &str,
        body: &str,
    ) -> Result<Bytes, Failure> {
        let request = self.sign_json_request(service, region, body).await?;
        let answer = self.send_json_request(service, request).await?;
        // Whatever its status: a proxy's 403 is no denial.
        if is_foreign_page(&answer) {
            return Err(error::failure_from_unreadable_answer(
                service.action,
                service.what.to_owned(),
                &answer,
            ));
        }
        let text = Bytes::copy_from_slice(answer.body().bytes().unwrap_or_default());
        if answer.status().is_success() {
            return Ok(text);
        }
        let said: JsonRefusal = serde_json::from_slice(&text).unwrap_or_default();
        let code = answer.headers().get("x-amzn-errortype").unwrap_or(&said.code);
        // `AccessDeniedException:http://…`, `com.amazonaws…#AccessDeniedException`.
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let status = answer.status().as_u16();
        Err(error::failure_from_plain_refusal(service.action, service.what, code, &said.message, status))
    }

    /// Makes the request, signed with the credentials that all clients hold.
    async fn sign_json_request(
        &self,
        service: &SignedJsonService,
        region: &str,
        body: &str,
    ) -> Result<HttpRequest, Failure> {
        let wrong = |why: String| {
            Failure::new_generic_failure(
                service.what,
                why,
                "check the options that were given, then try again",
            )
        };
        let own_endpoint = self.config.endpoint_url().map(str::to_owned);
        let endpoint = own_endpoint.unwrap_or_else(|| service.endpoint.replace("{region}", region));
        let endpoint = endpoint.trim_end_matches('/');
        let url = format!("{endpoint}{}", service.path);
        let provider = self
            .config
            .credentials_provider()
            .ok_or_else(|| wrong("there are no credentials to sign with".to_owned()))?;
        let identity = provider
            .provide_credentials()
            .await
            .map_err(|error| {
                Failure::new(
                    FailureKind::Credentials,
                    service.what,
                    error.to_string(),
                    "renew the credentials, then try again",
                )
            })?
            .into();
        let now = self.config.time_source().unwrap_or_default().now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service.signing_name)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(error.to_string()))?
            .into();
        let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut headers = vec![("host", host.as_str()), ("content-type", service.content_type)];
        headers.extend(service.target.map(|target| ("x-amz-target", target)));
        let signable =
            SignableRequest::new("POST", &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| wrong(error.to_string()))?;
        let (instructions, _) =
            sign(signable, &params).map_err(|error| wrong(error.to_string()))?.into_parts();
        let mut request = http::Request::post(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(SdkBody::from(body)).map_err(|error| wrong(error.to_string()))?;
        instructions.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request).map_err(|error| wrong(error.to_string()))
    }

    /// Sends it over the client of all services; returns the answer with its whole body.
    async fn send_json_request(
        &self,
        service: &SignedJsonService,
        request: HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let unreachable = |why: String| {
            Failure::new(
                FailureKind::Unreachable,
                service.what,
                why,
                "check the network and the proxy, then try again",
            )
        };
        let client =
            self.config.http_client().ok_or_else(|| unreachable("there is no way to send it".to_owned()))?;
        let components = build_runtime_components(
            SharedAsyncSleep::new(TokioSleep::new()),
            self.config.time_source().unwrap_or_default(),
        );
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(REQUEST_TIMEOUT)
            .build();
        self.succeeded.count_sent_request();
        let exchange = async {
            let mut answer = client
                .http_connector(&settings, &components)
                .call(request)
                .await
                .map_err(|error| unreachable(format!("{} could not be sent: {error}", service.action)))?;
            let body = answer.take_body().collect().await.map_err(|error| {
                unreachable(format!("the answer to {} broke off: {error}", service.action))
            })?;
            *answer.body_mut() = SdkBody::from(body.to_bytes());
            Ok(answer)
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| unreachable(format!("{} got no answer in time", service.action)))?
    }
}
