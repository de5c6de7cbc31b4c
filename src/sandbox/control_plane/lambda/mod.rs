//! Lambda: functions and their published versions, whose states take time, and their instances, which the edge runs too.
//!
//! While one change is in progress every other one is refused, and a version is what it was when it was published.

mod changes;
mod code;
mod functions;
mod instances;
mod invoke;
mod names;
#[cfg(test)]
mod tests;
mod unplayed;
mod versions;

pub use code::{is_function_code_request, serve_function_code};
pub use instances::{
    SandboxFunctionError, SandboxFunctionInstances, SandboxFunctionPlace, run_sandbox_function_version,
};

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT_ID, PropagationClock, REGION, SandboxAwsError, SignedCaller, add_request_tag_condition_keys,
    build_http_response, build_json_response, build_missing_field_error, build_unknown_json_operation_error,
    generate_random_uuid, get_request_signed_caller, has_sandbox_drift_injection, iam, member_check,
    parse_uri_query_parameters, unix_time_to_utc_datetime,
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

/// What is kept between runs; the code lies beside, in `DIR/lambda/<sha256>.zip`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxLambdaState {
    pub functions: BTreeMap<String, SandboxFunction>,
    /// How many executions the account may run at once, where it isn't the usual 1,000.
    pub concurrency: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxFunction {
    pub name: String,
    /// `$LATEST`.
    pub latest: SandboxFunctionConfiguration,
    pub created: Duration,
    pub tags: BTreeMap<String, String>,
    pub versions: Vec<SandboxFunctionVersion>,
    pub reserved_concurrency: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxFunctionConfiguration {
    pub description: String,
    pub role: String,
    pub handler: String,
    pub runtime: String,
    pub memory: u64,
    pub timeout: u64,
    /// None where none were ever said: then they aren't shown.
    pub environment: Option<BTreeMap<String, String>>,
    pub layers: Vec<String>,
    pub subnets: Vec<String>,
    pub architecture: String,
    pub ephemeral: u64,
    pub tracing: String,
    pub dead_letter: Option<String>,
    /// Base64.
    pub sha256: String,
    pub size: u64,
    pub changed: Duration,
    /// While the last change is in progress, and after it.
    pub revisions: [String; 2],
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxFunctionVersion {
    pub number: u64,
    pub configuration: SandboxFunctionConfiguration,
    /// `$LATEST` as it was then: while it is still so, nothing new is published.
    pub of: SandboxFunctionConfiguration,
    pub published: Duration,
    /// It came with its code and becomes Active with it; what PublishVersion makes of a settled function is Active at once
    /// (recorded).
    pub came_with_code: bool,
    /// CloudFront has copied it to its edges; it can't be deleted for hours after the last association.
    pub replicated: bool,
}

impl SandboxFunction {
    /// Returns its unqualified ARN.
    pub fn build_sandbox_unqualified_arn(&self) -> String {
        format_lambda_function_arn(&self.name)
    }

    fn compute_sandbox_update_progress(&self, clock: PropagationClock) -> SandboxFunctionUpdateProgress {
        if !clock.has_delay_passed(self.created, clock.delays.function) {
            SandboxFunctionUpdateProgress::Creating
        } else if !clock.has_delay_passed(self.latest.changed, clock.delays.function) {
            SandboxFunctionUpdateProgress::Updating
        } else {
            SandboxFunctionUpdateProgress::Settled
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SandboxFunctionUpdateProgress {
    Creating,
    Updating,
    Settled,
}

impl SandboxFunctionVersion {
    /// Whether it is Active by now.
    pub fn is_sandbox_version_active(&self, clock: PropagationClock) -> bool {
        !self.came_with_code || clock.has_delay_passed(self.published, clock.delays.function)
    }
}

/// Returns the unqualified ARN of a function.
pub fn format_lambda_function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
}

/// Finds a published version by its ARN: `…:function:NAME:7`.
pub fn find_function_version<'a>(
    state: &'a SandboxLambdaState,
    version_arn: &str,
) -> Option<&'a SandboxFunctionVersion> {
    let (name, number) = version_arn.strip_prefix(&format_lambda_function_arn(""))?.split_once(':')?;
    let number: u64 = number.parse().ok()?;
    state.functions.get(name)?.versions.iter().find(|version| version.number == number)
}

/// Marks a version as one that CloudFront has copies of, from now on.
pub fn mark_function_version_replicated(state: &mut SandboxLambdaState, version_arn: &str) {
    let Some((name, number)) =
        version_arn.strip_prefix(&format_lambda_function_arn("")).and_then(|tail| tail.split_once(':'))
    else {
        return;
    };
    let versions = state.functions.get_mut(name).into_iter().flat_map(|function| &mut function.versions);
    for version in versions.filter(|version| version.number.to_string() == number) {
        version.replicated = true;
    }
}

/// Reads what an edge runs for a version: its bundle, and the role whose credentials it has.
pub fn read_sandbox_edge_code(world: &Sandbox, version_arn: &str) -> Option<(Vec<u8>, String)> {
    let (sha256, role) = world.read_sandbox_state_from_disk(|state| {
        let version = find_function_version(&state.lambda, version_arn)?;
        Some((version.configuration.sha256.clone(), version.configuration.role.clone()))
    })?;
    Some((std::fs::read(code::build_sandbox_function_code_path(world.sandbox_dir(), &sha256)?).ok()?, role))
}

/// Returns the operation's name, by method and path, be it one that the sandbox lacks.
pub fn parse_lambda_operation_name(method: &Method, uri: &Uri) -> Cow<'static, str> {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    Cow::Borrowed(match (method.as_str(), parts.as_slice()) {
        ("GET", [_, "functions"]) => "ListFunctions",
        ("POST", [_, "functions"]) => "CreateFunction",
        ("GET", [_, "functions", _]) => "GetFunction",
        ("DELETE", [_, "functions", _]) => "DeleteFunction",
        ("GET", [_, "functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", [_, "functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", [_, "functions", _, "code"]) => "UpdateFunctionCode",
        ("POST", [_, "functions", _, "invocations"]) => "Invoke",
        ("POST", [_, "functions", _, "versions"]) => "PublishVersion",
        ("GET", [_, "functions", _, "versions"]) => "ListVersionsByFunction",
        ("GET", [_, "functions", _, "concurrency"]) => "GetFunctionConcurrency",
        ("GET", [_, "functions", _, "code-signing-config"]) => "GetFunctionCodeSigningConfig",
        ("GET", [_, "account-settings"]) => "GetAccountSettings",
        ("GET", [_, "tags", _]) => "ListTags",
        ("POST", [_, "tags", _]) => "TagResource",
        _ => return unplayed::name_unplayed_lambda_operation(method, uri),
    })
}

/// The action that is weighed, where it isn't called as the operation is.
fn lambda_iam_action(operation: &str) -> String {
    format!("lambda:{}", if operation == "Invoke" { "InvokeFunction" } else { operation })
}

/// Answers one request to Lambda.
pub async fn handle_lambda_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let refused = |refusal: SandboxAwsError| refusal.render_aws_error_response(SandboxService::Lambda);
    let caller = match get_request_signed_caller(&request) {
        Ok(caller) => caller,
        Err(refusal) => return refused(refusal),
    };
    let ask = match SandboxLambdaApiCall::new(world, &caller, &request) {
        Ok(ask) => ask,
        Err(refusal) => return refused(refusal),
    };
    if has_sandbox_drift_injection(&request) {
        world.update_sandbox_state_on_disk(|state| functions::inject_function_drift(state, &ask));
    }
    if ask.operation == "Invoke" {
        let is_log_wanted = request.headers().get("x-amz-log-type").is_some_and(|kind| kind == "Tail");
        return invoke::handle_invoke(world, &ask, is_log_wanted).await.unwrap_or_else(refused);
    }
    match dispatch_lambda_call(world, &ask) {
        Ok((204, _)) => build_http_response(204, "application/json", Bytes::new()),
        Ok((status, output)) => build_json_response(status, "application/json", &output),
        Err(refusal) => refused(refusal),
    }
}

type SandboxLambdaResult = Result<(u16, Value), SandboxAwsError>;

fn dispatch_lambda_call(world: &Sandbox, ask: &SandboxLambdaApiCall<'_>) -> SandboxLambdaResult {
    match ask.operation.as_ref() {
        "GetFunction" => {
            world.read_sandbox_state_from_disk(|state| functions::handle_get_function(state, ask))
        }
        "GetFunctionConfiguration" => world
            .read_sandbox_state_from_disk(|state| functions::handle_get_function_configuration(state, ask)),
        "ListFunctions" => {
            world.read_sandbox_state_from_disk(|state| functions::handle_list_functions(state, ask))
        }
        "GetFunctionConcurrency" => {
            world.read_sandbox_state_from_disk(|state| functions::handle_get_function_concurrency(state, ask))
        }
        "GetFunctionCodeSigningConfig" => {
            world.read_sandbox_state_from_disk(|state| functions::handle_get_code_signing_config(state, ask))
        }
        "GetAccountSettings" => world
            .read_sandbox_state_from_disk(|state| functions::handle_get_lambda_account_settings(state, ask)),
        "ListTags" => {
            world.read_sandbox_state_from_disk(|state| functions::handle_list_function_tags(state, ask))
        }
        "TagResource" => {
            world.update_sandbox_state_on_disk(|state| functions::handle_tag_function(state, ask))
        }
        "CreateFunction" => {
            changes::check_function_request(ask)?;
            let code = changes::store_uploaded_function_code(world, &ask.operation, &ask.input["Code"])?;
            world.update_sandbox_state_on_disk(|state| changes::handle_create_function(state, ask, &code))
        }
        "UpdateFunctionCode" => {
            let code = changes::store_uploaded_function_code(world, &ask.operation, &ask.input)?;
            world
                .update_sandbox_state_on_disk(|state| changes::handle_update_function_code(state, ask, &code))
        }
        "UpdateFunctionConfiguration" => world
            .update_sandbox_state_on_disk(|state| changes::handle_update_function_configuration(state, ask)),
        "PublishVersion" => {
            world.update_sandbox_state_on_disk(|state| versions::handle_publish_version(state, ask))
        }
        "ListVersionsByFunction" => {
            world.read_sandbox_state_from_disk(|state| versions::handle_list_versions_by_function(state, ask))
        }
        "DeleteFunction" => {
            world.update_sandbox_state_on_disk(|state| versions::handle_delete_function(state, ask))
        }
        operation => Err(SandboxAwsError { status: 404, ..build_unknown_json_operation_error(operation) }),
    }
}

/// One request: who, when, what, on which function.
struct SandboxLambdaApiCall<'a> {
    clock: PropagationClock,
    caller: &'a SignedCaller,
    operation: Cow<'static, str>,
    input: Value,
    /// The function's name, and which version of it.
    name: String,
    qualifier: Option<String>,
    query: BTreeMap<String, String>,
    /// Where it was asked.
    host: String,
}

impl<'a> SandboxLambdaApiCall<'a> {
    fn new(
        world: &Sandbox,
        caller: &'a SignedCaller,
        request: &Request<Bytes>,
    ) -> Result<Self, SandboxAwsError> {
        let input = if request.body().is_empty() {
            json!({})
        } else {
            serde_json::from_slice(request.body()).map_err(|_| {
                SandboxAwsError::new(
                    400,
                    "InvalidRequestContentException",
                    "Could not parse request body into json",
                )
            })?
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query = parse_uri_query_parameters(request.uri());
        let operation = parse_lambda_operation_name(request.method(), request.uri());
        if operation != "Invoke" {
            member_check::check_json_members(SandboxService::Lambda, &operation, &input)?;
            let find = |name: &str| query.get(name).map(String::as_str);
            let code = "ValidationException";
            member_check::check_text_fields(code, SandboxService::Lambda, &operation, find)?;
        }
        let named = decoded(request.uri().path().trim_matches('/').split('/').nth(2).unwrap_or_default());
        let names::LambdaFunctionName { name, qualifier } = match operation.as_ref() {
            "ListTags" | "TagResource" => {
                names::check_tagged_arn(&named)?;
                names::read_function_name(&named, None)?
            }
            "ListFunctions" | "CreateFunction" => names::LambdaFunctionName::default(),
            _ if request.uri().path().contains("/functions/") => {
                names::read_function_name(&named, query.get("Qualifier").map(String::as_str))?
            }
            _ => names::LambdaFunctionName::default(),
        };
        Ok(Self {
            clock: PropagationClock::propagation_clock_from_sandbox(world),
            caller,
            operation,
            input,
            name,
            qualifier,
            query,
            host: request
                .headers()
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
        })
    }

    /// The function named, after its caller was held to his policies.
    fn find_authorized_function<'s>(
        &self,
        state: &'s SandboxState,
    ) -> Result<&'s SandboxFunction, SandboxAwsError> {
        let arn = self.qualifier.as_ref().map_or_else(
            || format_lambda_function_arn(&self.name),
            |q| format!("{}:{q}", format_lambda_function_arn(&self.name)),
        );
        self.caller.authorize_caller(
            state,
            SandboxService::Lambda,
            &lambda_iam_action(&self.operation),
            &arn,
            &self.caller.build_caller_condition_context(),
        )?;
        let missing = match (self.operation.as_ref(), &self.qualifier) {
            ("Invoke", None) => format!("{arn}:$LATEST"),
            ("DeleteFunction", _) => format_lambda_function_arn(&self.name),
            _ => arn,
        };
        state.lambda.functions.get(&self.name).ok_or_else(|| build_sandbox_function_missing_error(&missing))
    }

    fn read_request_text_field(&self, field: &str) -> Option<&str> {
        self.input[field].as_str()
    }

    fn require_request_text_field(&self, field: &str) -> Result<&str, SandboxAwsError> {
        self.read_request_text_field(field)
            .ok_or_else(|| build_missing_field_error("ValidationException", field))
    }
}

fn build_sandbox_function_missing_error(arn: &str) -> SandboxAwsError {
    SandboxAwsError::new(404, "ResourceNotFoundException", format!("Function not found: {arn}"))
}

fn build_lambda_invalid_parameter_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "InvalidParameterValueException", message)
}
