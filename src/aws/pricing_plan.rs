//! Whether a distribution is on a flat-rate pricing plan: one signed request to pricing-plan-manager, without an SDK of its own.
//!
//! CloudFront's own API tells no plan. The service is one in us-east-1, whatever region is asked from, and reads JSON.

use serde::Deserialize;

use super::{AwsClients, error, signed_json::SignedJsonService};
use crate::model::{aws::cloudfront::FlatRatePlan, failure::Failure};

const SERVICE: SignedJsonService = SignedJsonService {
    action: "pricingplanmanager:ListSubscriptions",
    what: "the account's flat-rate plans",
    signing_name: "pricingplanmanager",
    endpoint: "https://pricingplanmanager.us-east-1.api.aws",
    path: "/v1/ListSubscriptions",
    content_type: "application/json",
    target: None,
};
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
            SERVICE.what,
            format!(
                "{} has more than the {PAGES_MAX} pages that are read, and none of them names it",
                SERVICE.action
            ),
            "look at the distribution's plan in the CloudFront console",
        ))
    }

    async fn read_subscription_page(&self, token: Option<&str>) -> Result<SubscriptionPage, Failure> {
        let body = token
            .map_or_else(|| "{}".to_owned(), |token| serde_json::json!({ "nextToken": token }).to_string());
        let answer = self.ask_signed_json(&SERVICE, &body).await?;
        serde_json::from_slice(&answer).map_err(|_| {
            error::build_missing_response_part_failure(SERVICE.action, SERVICE.what, "the plans")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    };
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::model::{aws::names::EDGE_REGION, failure::FailureKind};

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
