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
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::{
    AwsClients, error, network::CONNECT_TIMEOUT, unreadable::is_foreign_page, web::build_runtime_components,
};
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
/// Pages that are read: of an account with more plans than they hold it isn't known whether the distribution is on one.
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
    /// Where the service refuses, doesn't answer, or has more plans than are read.
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
                return Ok(None);
            }
        }
        Err(Failure::new_generic_failure(
            WHAT,
            format!("{ACTION} has more than the {PAGES_MAX} pages that are read, and none of them names it"),
            "look at the distribution's plan in the CloudFront console",
        ))
    }

    async fn read_subscription_page(&self, token: Option<&str>) -> Result<SubscriptionPage, Failure> {
        let body = token
            .map_or_else(|| "{}".to_owned(), |token| serde_json::json!({ "nextToken": token }).to_string());
        let request = self.sign_subscription_request(&body).await?;
        let answer = self.send_subscription_request(request).await?;
        // Whatever its status: a proxy's 403 is no denial.
        if is_foreign_page(&answer) {
            return Err(error::failure_from_unreadable_answer(ACTION, WHAT.to_owned(), &answer));
        }
        let text = answer.body().bytes().unwrap_or_default();
        if answer.status().is_success() {
            return serde_json::from_slice(text)
                .map_err(|_| error::build_missing_response_part_failure(ACTION, WHAT, "the plans"));
        }
        let said: JsonRefusal = serde_json::from_slice(text).unwrap_or_default();
        let code = answer.headers().get("x-amzn-errortype").unwrap_or(&said.code);
        // `AccessDeniedException:http://…`, `com.amazonaws…#AccessDeniedException`.
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        Err(error::failure_from_plain_refusal(ACTION, WHAT, code, &said.message, answer.status().as_u16()))
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

    /// Sends it over the client of all services; returns the answer with its whole body.
    async fn send_subscription_request(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
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
            let mut answer = client
                .http_connector(&settings, &components)
                .call(request)
                .await
                .map_err(|error| unreachable(format!("{ACTION} could not be sent: {error}")))?;
            let body = answer
                .take_body()
                .collect()
                .await
                .map_err(|error| unreachable(format!("the answer to {ACTION} broke off: {error}")))?;
            *answer.body_mut() = SdkBody::from(body.to_bytes());
            Ok(answer)
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| unreachable(format!("{ACTION} got no answer in time")))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        runtime_components::RuntimeComponents,
    };

    use super::*;

    const DISTRIBUTION_ARN: &str = "arn:aws:cloudfront::123456789012:distribution/E1";

    /// The service, with the same answer to each request.
    #[derive(Debug, Clone)]
    struct PlayedPlanService {
        status: u16,
        content_type: &'static str,
        body: String,
        asked: std::sync::Arc<AtomicUsize>,
    }

    impl HttpClient for PlayedPlanService {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for PlayedPlanService {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let body = SdkBody::from(self.body.clone());
            let mut answer = HttpResponse::new(self.status.try_into().unwrap(), body);
            answer.headers_mut().insert("content-type", self.content_type);
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    /// What is found where the service answers so, and how often it was asked.
    async fn find_plan_from(
        status: u16,
        content_type: &'static str,
        body: &str,
    ) -> (Result<Option<FlatRatePlan>, Failure>, usize) {
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        let service = PlayedPlanService { status, content_type, body: body.to_owned(), asked: asked.clone() };
        let keys = Credentials::new("AKIA", "s", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(EDGE_REGION))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(service)
            .build();
        let found = AwsClients::new(&config, None).find_flat_rate_plan(DISTRIBUTION_ARN).await;
        (found, asked.load(Ordering::Relaxed))
    }

    fn render_page(distribution: &str, rest: &str) -> String {
        format!(
            r#"{{"subscriptionSummaries":[{{"planTier":"PRO","status":"ACTIVE","resourceArns":["{distribution}"]}}]{rest}}}"#
        )
    }

    #[tokio::test]
    async fn a_plan_is_found_or_there_is_none() {
        let plan = FlatRatePlan { tier: "PRO".to_owned(), status: "ACTIVE".to_owned() };
        for (distribution, found) in [(DISTRIBUTION_ARN, Some(plan)), ("arn:of:another", None)] {
            let page = render_page(distribution, "");
            assert_eq!(find_plan_from(200, "application/json", &page).await, (Ok(found), 1));
        }
    }

    #[tokio::test]
    async fn more_plans_than_are_read_are_no_plan_that_is_not_there() {
        let page = render_page("arn:of:another", r#","nextToken":"more""#);
        let (found, asked) = find_plan_from(200, "application/json", &page).await;
        let failure = found.unwrap_err();
        assert!(failure.why.contains("more than the 20 pages"), "{failure}");
        assert!(failure.next.contains("CloudFront console"), "{}", failure.next);
        assert_eq!(asked, PAGES_MAX);
    }

    #[tokio::test]
    async fn a_page_of_a_proxy_is_no_denial_and_half_an_answer_is_none() {
        let page = "<html><head><title>Access blocked</title></head></html>";
        let half = render_page("arn:of:another", "");
        for (status, kind, body, why) in [
            (
                403,
                "text/html",
                page,
                "a page titled \"Access blocked\" (HTML, status 403) came in place of AWS's answer",
            ),
            (200, "text/html", page, "(HTML, status 200) came in place of AWS's answer"),
            (200, "application/json", &half[..half.len() / 2], "lacks the plans"),
        ] {
            let failure = find_plan_from(status, kind, body).await.0.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Unreachable, "{failure:?}");
            assert!(failure.why.contains(why) && failure.next.contains("proxy"), "{failure:?}");
        }
        let denied = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        let failure = find_plan_from(403, "application/json", denied).await.0.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied, "{failure:?}");
    }
}
