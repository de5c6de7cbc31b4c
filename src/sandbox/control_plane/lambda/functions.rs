//! Functions as they are read: configuration with its states, tags, where the code lies.
//!
//! What is shown is worked out from when it last changed; nothing ticks.

use sha2::{Digest as _, Sha256};
use time::macros::format_description;

use super::{
    PropagationClock, SandboxAwsError, SandboxFunction, SandboxFunctionConfiguration,
    SandboxFunctionUpdateProgress, SandboxFunctionVersion, SandboxLambdaApiCall, SandboxLambdaResult,
    SandboxService, SandboxState, Value, add_request_tag_condition_keys,
    build_sandbox_function_missing_error, code, generate_random_uuid, json, unix_time_to_utc_datetime,
};

/// Shows `$LATEST`, under the unqualified ARN or the qualified one.
pub fn render_sandbox_latest_function_json(
    function: &SandboxFunction,
    clock: PropagationClock,
    qualified: bool,
) -> Value {
    let progress = function.compute_sandbox_update_progress(clock);
    let mut shown = render_function_configuration(
        function,
        &function.latest,
        progress != SandboxFunctionUpdateProgress::Settled,
    );
    shown["Version"] = json!("$LATEST");
    shown["FunctionArn"] = json!(if qualified {
        format!("{}:$LATEST", function.build_sandbox_unqualified_arn())
    } else {
        function.build_sandbox_unqualified_arn()
    });
    set_sandbox_function_state(&mut shown, progress == SandboxFunctionUpdateProgress::Creating);
    if progress == SandboxFunctionUpdateProgress::Updating {
        shown["LastUpdateStatus"] = json!("InProgress");
        shown["LastUpdateStatusReason"] = json!("The function is being created.");
        shown["LastUpdateStatusReasonCode"] = json!("Creating");
    }
    shown
}

/// Shows a published version.
pub fn render_function_version(
    function: &SandboxFunction,
    version: &SandboxFunctionVersion,
    clock: PropagationClock,
) -> Value {
    let mut shown = render_function_configuration(function, &version.configuration, false);
    shown["Version"] = json!(version.number.to_string());
    shown["FunctionArn"] = json!(format!("{}:{}", function.build_sandbox_unqualified_arn(), version.number));
    set_sandbox_function_state(&mut shown, !version.is_sandbox_version_active(clock));
    shown
}

/// Takes off what a list doesn't say of its functions.
pub fn render_listed_function(mut shown: Value) -> Value {
    if let Some(members) = shown.as_object_mut() {
        members.retain(|name, _| {
            !name.starts_with("State") && !name.starts_with("LastUpdate") && name != "RuntimeVersionConfig"
        });
    }
    shown
}

/// Nothing is said of the last update before a function, or a version, is Active.
fn set_sandbox_function_state(shown: &mut Value, pending: bool) {
    shown["State"] = json!(if pending { "Pending" } else { "Active" });
    if pending {
        shown["StateReason"] = json!("The function is being created.");
        shown["StateReasonCode"] = json!("Creating");
    } else {
        shown["LastUpdateStatus"] = json!("Successful");
    }
}

fn render_function_configuration(
    function: &SandboxFunction,
    configuration: &SandboxFunctionConfiguration,
    in_progress: bool,
) -> Value {
    let modified = unix_time_to_utc_datetime(configuration.changed)
        .format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000"
        ))
        .unwrap_or_default();
    let mut shown = json!({
        "FunctionName": function.name, "Runtime": configuration.runtime, "Role": configuration.role,
        "Handler": configuration.handler, "CodeSize": configuration.size, "Description": configuration.description,
        "Timeout": configuration.timeout, "MemorySize": configuration.memory, "LastModified": modified,
        "CodeSha256": configuration.sha256, "PackageType": "Zip", "Architectures": [configuration.architecture],
        "EphemeralStorage": {"Size": configuration.ephemeral}, "TracingConfig": {"Mode": configuration.tracing},
        "RevisionId": configuration.revisions[usize::from(!in_progress)], "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", function.name)},
        "RuntimeVersionConfig": {"RuntimeVersionArn": format_runtime_version_arn(&configuration.runtime)},
    });
    if let Some(variables) = &configuration.environment {
        shown["Environment"] = json!({"Variables": variables});
    }
    if !configuration.layers.is_empty() {
        shown["Layers"] = configuration.layers.iter().map(|arn| json!({"Arn": arn, "CodeSize": 1})).collect();
    }
    if !configuration.subnets.is_empty() {
        shown["VpcConfig"] =
            json!({"SubnetIds": configuration.subnets, "SecurityGroupIds": [], "VpcId": "vpc-0"});
    }
    if let Some(target) = &configuration.dead_letter {
        shown["DeadLetterConfig"] = json!({"TargetArn": target});
    }
    shown
}

/// The build of a runtime: one and the same here for each of them.
fn format_runtime_version_arn(runtime: &str) -> String {
    format!("arn:aws:lambda:{}::runtime:{}", super::REGION, hex::encode(Sha256::digest(runtime)))
}

/// The configuration that the request's qualifier means.
fn render_qualified_function_configuration(
    function: &SandboxFunction,
    ask: &SandboxLambdaApiCall<'_>,
) -> Result<Value, SandboxAwsError> {
    match ask.qualifier.as_deref() {
        None => Ok(render_sandbox_latest_function_json(function, ask.clock, false)),
        Some("$LATEST") => Ok(render_sandbox_latest_function_json(function, ask.clock, true)),
        Some(number) => function
            .versions
            .iter()
            .find(|version| version.number.to_string() == number)
            .map(|version| render_function_version(function, version, ask.clock))
            .ok_or_else(|| {
                build_sandbox_function_missing_error(&format!(
                    "{}:{number}",
                    function.build_sandbox_unqualified_arn()
                ))
            }),
    }
}

/// Finds the function, where nothing is in progress and its revision is the one expected.
///
/// # Errors
/// Refuses a caller who may not, a missing function, one with a change in progress, and another revision.
pub fn find_updatable_sandbox_function<'a>(
    state: &'a SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> Result<&'a SandboxFunction, SandboxAwsError> {
    let function = ask.find_authorized_function(state)?;
    let conflict = |why: &str| {
        let message = format!("The operation cannot be performed at this time. {why}");
        Err(SandboxAwsError::new(409, "ResourceConflictException", message))
    };
    let progress = function.compute_sandbox_update_progress(ask.clock);
    match progress {
        SandboxFunctionUpdateProgress::Creating => {
            return conflict("The function is currently in the following state: Pending");
        }
        SandboxFunctionUpdateProgress::Updating => {
            return conflict(&format!(
                "An update is in progress for resource: {}",
                function.build_sandbox_unqualified_arn()
            ));
        }
        SandboxFunctionUpdateProgress::Settled => {}
    }
    if let Some(expected) = ask.read_request_text_field("RevisionId")
        && expected != function.latest.revisions[1]
    {
        return Err(SandboxAwsError::new(
            412,
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        ));
    }
    Ok(function)
}

/// Answers GetFunction.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_get_function(state: &SandboxState, ask: &SandboxLambdaApiCall<'_>) -> SandboxLambdaResult {
    let function = ask.find_authorized_function(state)?;
    let configuration = render_qualified_function_configuration(function, ask)?;
    let hash = configuration["CodeSha256"].as_str().unwrap_or_default();
    let place = code::build_function_code_url(&ask.host, &function.name, hash, ask.clock.now);
    let mut shown =
        json!({"Configuration": configuration, "Code": {"RepositoryType": "S3", "Location": place}});
    if !function.tags.is_empty() {
        shown["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved_concurrency {
        shown["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    Ok((200, shown))
}

/// Answers GetFunctionConfiguration.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_get_function_configuration(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    Ok((200, render_qualified_function_configuration(ask.find_authorized_function(state)?, ask)?))
}

/// Answers ListFunctions.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_list_functions(state: &SandboxState, ask: &SandboxLambdaApiCall<'_>) -> SandboxLambdaResult {
    ask.caller.authorize_caller(
        state,
        SandboxService::Lambda,
        "lambda:ListFunctions",
        "*",
        &ask.caller.build_caller_condition_context(),
    )?;
    let is_every_version = ask.query.contains_key("FunctionVersion");
    let mut all = Vec::new();
    for function in state.lambda.functions.values() {
        all.push(render_sandbox_latest_function_json(function, ask.clock, is_every_version));
        let versions = function.versions.iter().filter(|_| is_every_version);
        all.extend(versions.map(|version| render_function_version(function, version, ask.clock)));
    }
    Ok((200, render_function_page(ask, "Functions", all)))
}

/// A page of at most MaxItems (50 where none is said), from Marker.
pub fn render_function_page(ask: &SandboxLambdaApiCall<'_>, field: &str, all: Vec<Value>) -> Value {
    let from: usize = ask.query.get("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
    let most: usize = ask.query.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(50).min(50);
    let count = all.len();
    let page: Vec<Value> = all.into_iter().skip(from).take(most).map(render_listed_function).collect();
    let next = from + page.len();
    let mut shown = json!({field: page});
    if next < count {
        shown["NextMarker"] = json!(next.to_string());
    }
    shown
}

/// Answers GetFunctionCodeSigningConfig: no function of the sandbox has one.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_get_code_signing_config(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    ask.find_authorized_function(state)?;
    Ok((200, json!({})))
}

/// Answers GetFunctionConcurrency.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_get_function_concurrency(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    let reserved = ask.find_authorized_function(state)?.reserved_concurrency;
    Ok((
        200,
        reserved.map_or_else(|| json!({}), |reserved| json!({"ReservedConcurrentExecutions": reserved})),
    ))
}

/// Answers GetAccountSettings: the account's limits; what functions have reserved is taken off.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_get_lambda_account_settings(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    ask.caller.authorize_caller(
        state,
        SandboxService::Lambda,
        "lambda:GetAccountSettings",
        "*",
        &ask.caller.build_caller_condition_context(),
    )?;
    let functions = &state.lambda.functions;
    let reserved: u64 = functions.values().filter_map(|function| function.reserved_concurrency).sum();
    let all = state.lambda.concurrency.unwrap_or(1000);
    Ok((
        200,
        json!({
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800_u64, "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": all, "UnreservedConcurrentExecutions": all.saturating_sub(reserved),
            },
            "AccountUsage": { "TotalCodeSize": 0, "FunctionCount": functions.len() },
        }),
    ))
}

/// Answers ListTags.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_list_function_tags(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    Ok((200, json!({"Tags": ask.find_authorized_function(state)?.tags})))
}

/// Answers TagResource.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_tag_function(state: &mut SandboxState, ask: &SandboxLambdaApiCall<'_>) -> SandboxLambdaResult {
    let tags = parse_json_string_map(&ask.input["Tags"]);
    let arn = super::format_lambda_function_arn(&ask.name);
    ask.caller.authorize_caller(
        state,
        SandboxService::Lambda,
        "lambda:TagResource",
        &arn,
        &add_request_tag_condition_keys(ask.caller.build_caller_condition_context(), &tags),
    )?;
    if ask.qualifier.is_some() {
        return Err(super::build_lambda_invalid_parameter_error(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    if tags.is_empty() {
        return Err(super::build_lambda_invalid_parameter_error(
            "An error occurred and the request cannot be processed.",
        ));
    }
    let function = state
        .lambda
        .functions
        .get_mut(&ask.name)
        .ok_or_else(|| build_sandbox_function_missing_error(&arn))?;
    let mut all = function.tags.clone();
    all.extend(tags);
    check_function_tag_count(&all)?;
    function.tags = all;
    Ok((204, Value::Null))
}

/// Refuses more tags than a function may have.
///
/// # Errors
/// Refuses as Lambda does.
pub fn check_function_tag_count(
    tags: &std::collections::BTreeMap<String, String>,
) -> Result<(), SandboxAwsError> {
    const MAX_TAGS: usize = 50;
    if tags.len() > MAX_TAGS {
        return Err(super::build_lambda_invalid_parameter_error(
            "Number of tags exceeds resource tag limit.",
        ));
    }
    Ok(())
}

/// Reads an object of texts, such as tags and variables.
pub fn parse_json_string_map(tags: &Value) -> std::collections::BTreeMap<String, String> {
    let pairs = tags.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Lets somebody else write a description.
pub fn inject_function_drift(state: &mut SandboxState, ask: &SandboxLambdaApiCall<'_>) {
    if let Some(function) = state.lambda.functions.get_mut(&ask.name) {
        function.latest.description = "somebody else was here".into();
        let revision = generate_random_uuid();
        function.latest.revisions = [revision.clone(), revision];
    }
}
