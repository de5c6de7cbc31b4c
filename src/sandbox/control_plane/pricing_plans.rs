//! Pricing-plan-manager: which distributions are on a flat-rate plan, as far as the set-up asks.
//!
//! By the service's model (botocore's `pricing-plan-manager`, 2025-08-05): one operation by POST, JSON in and out.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    SandboxAwsError, build_json_response, build_unknown_json_operation_error, get_request_signed_caller,
    parse_json_request_body,
};
use crate::sandbox::{Sandbox, service::SandboxService};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxPricingPlanState {
    /// The tier (`FREE`, `PRO`, `BUSINESS`, `PREMIUM`) of each distribution that is on a plan, by its ARN.
    pub tiers: BTreeMap<String, String>,
}

/// Returns the operation that the path names: `ListSubscriptions`.
pub fn parse_pricing_plan_operation_name(uri: &Uri) -> &str {
    uri.path().strip_prefix("/v1/").unwrap_or("Unknown")
}

/// Answers one request to pricing-plan-manager.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_pricing_plan_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    match list_subscriptions(world, &request) {
        Ok(output) => build_json_response(200, "application/json", &output),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::PricingPlans),
    }
}

fn list_subscriptions(world: &Sandbox, request: &Request<Bytes>) -> Result<Value, SandboxAwsError> {
    let operation = parse_pricing_plan_operation_name(request.uri());
    if operation != "ListSubscriptions" {
        return Err(build_unknown_json_operation_error(operation));
    }
    let caller = get_request_signed_caller(request)?;
    parse_json_request_body(request)?;
    world.read_sandbox_state_from_disk(|state| {
        caller.authorize_caller(
            state,
            SandboxService::PricingPlans,
            "pricingplanmanager:ListSubscriptions",
            "*",
            &caller.build_caller_condition_context(),
        )?;
        let all: Vec<Value> = state
            .pricing_plans
            .tiers
            .iter()
            .map(|(distribution, tier)| {
                json!({
                    "arn": "arn:aws:pricingplanmanager::999999999999:subscription/sandbox",
                    "planFamily": "CloudFront",
                    "planTier": tier,
                    "status": "ACTIVE",
                    "resourceArns": [distribution],
                    "createdAt": "2026-10-01T00:00:00Z",
                    "updatedAt": "2026-10-01T00:00:00Z",
                    "eTag": "1",
                })
            })
            .collect();
        Ok(json!({ "subscriptionSummaries": all }))
    })
}
