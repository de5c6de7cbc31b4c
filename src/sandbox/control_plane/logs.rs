//! CloudWatch Logs: what the edge function's instances logged, as far as the set-up reads it.
//!
//! By the service's model (botocore's `logs`, 2014-03-28) in its protocol JSON 1.1: one operation. Every edge of the sandbox is in one region.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT_ID, REGION, SandboxAwsError, build_json_response, build_unknown_json_operation_error,
    get_request_signed_caller, parse_json_request_body, parse_target_header_operation,
    signature::SigV4AuthorizationHeader,
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxLogsState {
    /// The events of each log group, by its name, the oldest first.
    pub groups: BTreeMap<String, Vec<SandboxLogEvent>>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLogEvent {
    /// Milliseconds since 1970.
    pub at: u64,
    pub message: String,
}

/// How many lines are kept of a group.
const EVENTS_KEPT: usize = 200;

/// Keeps what an edge's instance of a function version, by its ARN, logged.
pub fn record_edge_function_log(world: &Sandbox, version: &str, lines: &[String]) {
    let Some(function) = version.rsplit(':').nth(1).filter(|_| !lines.is_empty()) else { return };
    let at = u64::try_from(world.sandbox_unix_time_now().as_millis()).unwrap_or(u64::MAX);
    world.update_sandbox_state_on_disk(|state: &mut SandboxState| {
        let group = state.logs.groups.entry(format!("/aws/lambda/{REGION}.{function}")).or_default();
        group.extend(lines.iter().map(|message| SandboxLogEvent { at, message: message.clone() }));
        let old = group.len().saturating_sub(EVENTS_KEPT);
        group.drain(..old);
    });
}

/// Returns the operation that the header names: `FilterLogEvents`.
pub fn parse_logs_operation_name(request: &Request<Bytes>) -> &str {
    parse_target_header_operation(request, "Logs_20140328.")
}

/// Answers one request to CloudWatch Logs.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_logs_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    match filter_log_events(world, &request) {
        Ok(output) => build_json_response(200, "application/x-amz-json-1.1", &output),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::Logs),
    }
}

fn filter_log_events(world: &Sandbox, request: &Request<Bytes>) -> Result<Value, SandboxAwsError> {
    let operation = parse_logs_operation_name(request);
    if operation != "FilterLogEvents" {
        return Err(build_unknown_json_operation_error(operation));
    }
    let caller = get_request_signed_caller(request)?;
    let region = SigV4AuthorizationHeader::parse_authorization_header(request)
        .map_or(REGION, |authorization| authorization.region)
        .to_owned();
    let input = parse_json_request_body(request)?;
    let name = input["logGroupName"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(refuse("InvalidParameterException", "logGroupName or logGroupIdentifier is required"));
    }
    let start = input["startTime"].as_u64().unwrap_or_default();
    let end = input["endTime"].as_u64().unwrap_or(u64::MAX);
    if start > end {
        return Err(refuse("InvalidParameterException", "startTime must be before endTime"));
    }
    // A pattern in quotes is looked for as it stands.
    let pattern = input["filterPattern"].as_str().unwrap_or_default().trim_matches('"');
    world.read_sandbox_state_from_disk(|state| {
        caller.authorize_caller(
            state,
            SandboxService::Logs,
            "logs:FilterLogEvents",
            &format!("arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{name}:*"),
            &caller.build_caller_condition_context(),
        )?;
        let group =
            state.logs.groups.get(name).filter(|_| region == REGION).ok_or_else(|| {
                refuse("ResourceNotFoundException", "The specified log group does not exist.")
            })?;
        let found = group
            .iter()
            .filter(|event| (start..=end).contains(&event.at) && event.message.contains(pattern))
            .map(|event| {
                json!({
                    "logStreamName": "2026/11/30/[1]0a1b2c3d",
                    "timestamp": event.at,
                    "message": format!("{}\n", event.message),
                    "ingestionTime": event.at,
                    "eventId": format!("{:056}", event.at),
                })
            });
        Ok(json!({ "events": found.collect::<Vec<_>>(), "searchedLogStreams": [] }))
    })
}

fn refuse(code: &str, message: &str) -> SandboxAwsError {
    SandboxAwsError::new(400, code, message)
}
