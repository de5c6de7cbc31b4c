//! Whether a distribution is on a flat-rate pricing plan: one signed request to pricing-plan-manager, without an SDK of its own.
//!
//! CloudFront's own API tells no plan. The service is one in us-east-1, whatever region is asked from, and reads JSON.

use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    http::{HttpClient as _, HttpConnector as _, HttpConnectorSettings},
    orchestrator::HttpRequest,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::{AwsClients, error, network::CONNECT_TIMEOUT, web::build_runtime_components};
use crate::model::{
    aws::{cloudfront::FlatRatePlan, names::EDGE_REGION},
    failure::{Failure, FailureKind},
};

const ACTION: &str = "pricingplanmanager:ListSubscriptions";
const WHAT: &str = "the account's flat-rate plans";
/// By which the service's requests are signed.
const SIGNING_NAME: &str = "pricingplanmanager";
const ENDPOINT: &str = "https://pricingplanmanager.us-east-1.api.aws";
const PATH: &str = "/v1/ListSubscriptions";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages that are read: an account with more plans than they hold is asked no further.
const PAGES_MAX: usize = 20;

/// An answer, as the service's model has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionPage {
    subscription_summaries: Vec<SubscriptionSummary>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionSummary {
    plan_tier: String,
    status: String,
    resource_arns: Vec<String>,
}

#[derive(Deserialize, Default)]
struct JsonRefusal {
    #[serde(rename = "__type", alias = "code", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
}

impl AwsClients {
    /// Finds the flat-rate plan that a distribution is on, by its ARN; none where it is on none.
    ///
    /// # Errors
    /// Where the service refuses or doesn't answer.
    pub async fn find_flat_rate_plan(&self, distribution_arn: &str) -> Result<Option<FlatRatePlan>, Failure> {
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let page = self.read_subscription_page(token.as_deref()).await?;
            let found = page
                .subscription_summaries
                .into_iter()
                .find(|one| one.resource_arns.iter().any(|arn| arn == distribution_arn));
            if let Some(found) = found {
                return Ok(Some(FlatRatePlan { tier: found.plan_tier, status: found.status }));
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(None)
    }

    async fn read_subscription_page(&self, token: Option<&str>) -> Result<SubscriptionPage, Failure> {
        let body = token
            .map_or_else(|| "{}".to_owned(), |token| serde_json::json!({ "nextToken": token }).to_string());
        let request = self.sign_subscription_request(&body).await?;
        let (status, code, answer) = self.send_subscription_request(request).await?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&answer)
                .map_err(|_| error::build_missing_response_part_failure(ACTION, WHAT, "the plans"));
        }
        let said: JsonRefusal = serde_json::from_slice(&answer).unwrap_or_default();
        let code = code.unwrap_or(said.code);
        // `AccessDeniedException:http://…`, `com.amazonaws…#AccessDeniedException`.
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Err(error::failure_from_plain_refusal(ACTION, WHAT, code, &said.message, status))
    }

    /// Makes the request, signed with the credentials that all clients hold.
    async fn sign_subscription_request(&self, body: &str) -> Result<HttpRequest, Failure> {
        let wrong = |why: String| {
            Failure::new_generic_failure(WHAT, why, "check the options that were given, then try again")
        };
        let endpoint = self.config.endpoint_url().unwrap_or(ENDPOINT).trim_end_matches('/');
        let url = format!("{endpoint}{PATH}");
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
                    WHAT,
                    error.to_string(),
                    "renew the credentials, then try again",
                )
            })?
            .into();
        let now = self.config.time_source().unwrap_or_default().now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(EDGE_REGION)
            .name(SIGNING_NAME)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(error.to_string()))?
            .into();
        let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let signable =
            SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
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

    /// Sends it over the client of all services; returns the status, the error's code in the headers, and the body.
    async fn send_subscription_request(
        &self,
        request: HttpRequest,
    ) -> Result<(u16, Option<String>, Bytes), Failure> {
        let unreachable = |why: String| {
            Failure::new(
                FailureKind::Unreachable,
                WHAT,
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
        let exchange = async {
            let answer = client
                .http_connector(&settings, &components)
                .call(request)
                .await
                .map_err(|error| unreachable(format!("{ACTION} could not be sent: {error}")))?;
            let status = answer.status().as_u16();
            let code = answer.headers().get("x-amzn-errortype").map(str::to_owned);
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| unreachable(format!("the answer to {ACTION} broke off: {error}")))?;
            Ok((status, code, body.to_bytes()))
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| unreachable(format!("{ACTION} got no answer in time")))?
    }
}
