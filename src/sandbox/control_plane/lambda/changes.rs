//! A function made, and its code or configuration changed.
//!
//! The role must be one that Lambda can assume by now, and that the caller may pass.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    Sandbox, SandboxAwsError, SandboxFunction, SandboxFunctionConfiguration, SandboxLambdaApiCall,
    SandboxLambdaResult, SandboxService, SandboxState, Value, add_request_tag_condition_keys,
    build_lambda_invalid_parameter_error, code, format_lambda_function_arn, functions, generate_random_uuid,
    iam, names, versions,
};

use crate::sandbox::{
    control_plane::{build_broken_constraints_error, describe_broken_constraint, describe_broken_pattern},
    private_files,
};

/// The most that an uploaded bundle may be, in bytes: the limit of a direct upload.
const UPLOAD_MAX_BYTES: usize = 50 * 1024 * 1024;

/// The most that its files may be together.
const UNZIPPED_MAX_BYTES: u64 = 262_144_000;
/// The most that a request may be, its code in base64.
const REQUEST_MAX_BYTES: usize = 70_167_211;
/// The most that the variables of a function may be, written as JSON.
const ENVIRONMENT_MAX_BYTES: usize = 4096;

/// Code that was received and laid by.
pub struct StoredFunctionCode {
    sha256: String,
    size: u64,
}

/// Unpacks, weighs and keeps the code that `input` holds, for the operation that was asked.
///
/// # Errors
/// Refuses what is no bundle, as Lambda does, and says why the code can't be kept.
pub fn store_uploaded_function_code(
    world: &Sandbox,
    operation: &str,
    input: &Value,
) -> Result<StoredFunctionCode, SandboxAwsError> {
    let Some(text) = input["ZipFile"].as_str() else {
        return Err(build_lambda_invalid_parameter_error("Please provide a source for function code."));
    };
    let unreadable = || {
        build_lambda_invalid_parameter_error(
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        )
    };
    if text.len() > REQUEST_MAX_BYTES {
        return Err(SandboxAwsError::new(
            413,
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {REQUEST_MAX_BYTES} bytes for the {operation} operation"),
        ));
    }
    let bytes = STANDARD.decode(text).map_err(|_| unreadable())?;
    if bytes.len() > UPLOAD_MAX_BYTES {
        return Err(SandboxAwsError::new(
            413,
            "RequestEntityTooLargeException",
            format!("Zipped size must be smaller than {UPLOAD_MAX_BYTES} bytes"),
        ));
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|_| unreadable())?;
    if archive.is_empty() {
        return Err(build_lambda_invalid_parameter_error("Uploaded file must be a non-empty zip"));
    }
    let unzipped: u64 =
        (0..archive.len()).filter_map(|at| archive.by_index_raw(at).ok().map(|file| file.size())).sum();
    if unzipped > UNZIPPED_MAX_BYTES {
        return Err(build_lambda_invalid_parameter_error(format!(
            "Unzipped size must be smaller than {UNZIPPED_MAX_BYTES} bytes"
        )));
    }
    let code =
        StoredFunctionCode { sha256: STANDARD.encode(Sha256::digest(&bytes)), size: bytes.len() as u64 };
    let kept =
        code::build_sandbox_function_code_path(world.sandbox_dir(), &code.sha256).ok_or_else(unreadable)?;
    let keep = || {
        // The same code may come twice at once.
        let fresh = kept.with_extension(format!("{:016x}.new", fastrand::u64(..)));
        private_files::create_private_dir(&world.sandbox_dir().join("lambda"))?;
        private_files::write_private_file(&fresh, &bytes)?;
        std::fs::rename(fresh, &kept)
    };
    match keep() {
        Ok(()) => Ok(code),
        Err(error) => Err(SandboxAwsError::new(
            500,
            "ServiceException",
            format!("the sandbox can't keep the code: {error}"),
        )),
    }
}

/// Checks what Lambda checks of a creation before it looks at anything else.
///
/// # Errors
/// Refuses as Lambda does.
pub fn check_function_request(ask: &SandboxLambdaApiCall<'_>) -> Result<(), SandboxAwsError> {
    names::read_new_function_name(ask.require_request_text_field("FunctionName")?)?;
    let architectures: Vec<&str> =
        ask.input["Architectures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let constraint = if architectures.len() > 1 {
        "Member must have length less than or equal to 1"
    } else if architectures.iter().any(|one| !["x86_64", "arm64"].contains(one)) {
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    } else {
        return Ok(());
    };
    let said = format!("[{}]", architectures.join(", "));
    let broken = describe_broken_constraint(said, "architectures", constraint);
    Err(build_broken_constraints_error("ValidationException", &[broken]))
}

/// Answers CreateFunction.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_create_function(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
    code: &StoredFunctionCode,
) -> SandboxLambdaResult {
    let name = names::read_new_function_name(ask.require_request_text_field("FunctionName")?)?;
    let arn = format_lambda_function_arn(&name);
    let tags = functions::parse_json_string_map(&ask.input["Tags"]);
    let context = add_request_tag_condition_keys(ask.caller.build_caller_condition_context(), &tags);
    ask.caller.authorize_caller(state, SandboxService::Lambda, "lambda:CreateFunction", &arn, &context)?;
    if !tags.is_empty() {
        ask.caller.authorize_caller(state, SandboxService::Lambda, "lambda:TagResource", &arn, &context)?;
    }
    ask.require_request_text_field("Runtime")?;
    ask.require_request_text_field("Handler")?;
    ask.require_request_text_field("Role")?;
    functions::check_function_tag_count(&tags)?;
    if state.lambda.functions.contains_key(&name) {
        return Err(SandboxAwsError::new(
            409,
            "ResourceConflictException",
            format!("Function already exist: {name}"),
        ));
    }
    let mut latest = SandboxFunctionConfiguration {
        memory: 128,
        timeout: 3,
        ephemeral: 512,
        architecture: "x86_64".into(),
        tracing: "PassThrough".into(),
        sha256: code.sha256.clone(),
        size: code.size,
        ..SandboxFunctionConfiguration::default()
    };
    update_sandbox_function_configuration(&mut latest, ask)?;
    validate_sandbox_execution_role(state, ask, &latest.role)?;
    renew_sandbox_function_revision(&mut latest, ask);
    let function = SandboxFunction {
        name: name.clone(),
        latest,
        created: ask.clock.now,
        tags,
        ..SandboxFunction::default()
    };
    let answer = functions::render_sandbox_latest_function_json(&function, ask.clock, false);
    state.lambda.functions.insert(name.clone(), function);
    if ask.input["Publish"] == true {
        return Ok((201, versions::publish_sandbox_version_if_changed(state, ask, &name, None)?));
    }
    Ok((201, answer))
}

/// Answers UpdateFunctionCode.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_update_function_code(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
    code: &StoredFunctionCode,
) -> SandboxLambdaResult {
    functions::find_updatable_sandbox_function(state, ask)?;
    let clock = ask.clock;
    let function =
        state.lambda.functions.get_mut(&ask.name).ok_or_else(|| {
            super::build_sandbox_function_missing_error(&format_lambda_function_arn(&ask.name))
        })?;
    let mut changed = function.latest.clone();
    changed.sha256.clone_from(&code.sha256);
    changed.size = code.size;
    if let Some(architecture) = ask.input["Architectures"][0].as_str() {
        architecture.clone_into(&mut changed.architecture);
    }
    if ask.input["DryRun"] == true {
        let dry = SandboxFunction { latest: changed, ..function.clone() };
        return Ok((200, functions::render_sandbox_latest_function_json(&dry, clock, false)));
    }
    renew_sandbox_function_revision(&mut changed, ask);
    function.latest = changed;
    if ask.input["Publish"] == true {
        return Ok((200, versions::publish_sandbox_version_if_changed(state, ask, &ask.name, None)?));
    }
    Ok((200, functions::render_sandbox_latest_function_json(function, clock, false)))
}

/// Answers UpdateFunctionConfiguration.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_update_function_configuration(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    let function = functions::find_updatable_sandbox_function(state, ask)?;
    let mut changed = function.latest.clone();
    update_sandbox_function_configuration(&mut changed, ask)?;
    if ask.read_request_text_field("Role").is_some() {
        validate_sandbox_execution_role(state, ask, &changed.role)?;
    }
    renew_sandbox_function_revision(&mut changed, ask);
    let function =
        state.lambda.functions.get_mut(&ask.name).ok_or_else(|| {
            super::build_sandbox_function_missing_error(&format_lambda_function_arn(&ask.name))
        })?;
    function.latest = changed;
    Ok((200, functions::render_sandbox_latest_function_json(function, ask.clock, false)))
}

fn renew_sandbox_function_revision(
    configuration: &mut SandboxFunctionConfiguration,
    ask: &SandboxLambdaApiCall<'_>,
) {
    configuration.changed = ask.clock.now;
    configuration.revisions = [generate_random_uuid(), generate_random_uuid()];
}

/// Takes over what the request says; what it leaves out stays.
fn update_sandbox_function_configuration(
    configuration: &mut SandboxFunctionConfiguration,
    ask: &SandboxLambdaApiCall<'_>,
) -> Result<(), SandboxAwsError> {
    let input = &ask.input;
    for (field, place) in [
        ("Description", &mut configuration.description),
        ("Role", &mut configuration.role),
        ("Handler", &mut configuration.handler),
        ("Runtime", &mut configuration.runtime),
    ] {
        if let Some(text) = input[field].as_str() {
            text.clone_into(place);
        }
    }
    validate_sandbox_lambda_runtime(&configuration.runtime)?;
    let number = |value: &Value, name: &str, low: u64, high: u64| match value.as_u64() {
        None => Ok(None),
        Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
        Some(number) => Err(build_lambda_invalid_parameter_error(format!(
            "'{name}' value {number} failed to satisfy constraint: between {low} and {high}"
        ))),
    };
    configuration.memory =
        number(&input["MemorySize"], "MemorySize", 128, 10_240)?.unwrap_or(configuration.memory);
    configuration.timeout = number(&input["Timeout"], "Timeout", 1, 900)?.unwrap_or(configuration.timeout);
    configuration.ephemeral = number(&input["EphemeralStorage"]["Size"], "EphemeralStorage", 512, 10_240)?
        .unwrap_or(configuration.ephemeral);
    let list = |value: &Value| {
        value
            .as_array()
            .map(|many| many.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect::<Vec<_>>())
    };
    if input["Environment"]["Variables"].is_object() {
        check_environment_size(&input["Environment"]["Variables"])?;
        configuration.environment =
            Some(functions::parse_json_string_map(&input["Environment"]["Variables"]));
    }
    configuration.layers = list(&input["Layers"]).unwrap_or_else(|| configuration.layers.clone());
    configuration.subnets =
        list(&input["VpcConfig"]["SubnetIds"]).unwrap_or_else(|| configuration.subnets.clone());
    if let Some(architecture) = input["Architectures"][0].as_str() {
        architecture.clone_into(&mut configuration.architecture);
    }
    if let Some(mode) = input["TracingConfig"]["Mode"].as_str() {
        mode.clone_into(&mut configuration.tracing);
    }
    if let Some(target) = input["DeadLetterConfig"]["TargetArn"].as_str() {
        configuration.dead_letter = Some(target.to_owned()).filter(|target| !target.is_empty());
    }
    Ok(())
}

fn check_environment_size(variables: &Value) -> Result<(), SandboxAwsError> {
    let measured = variables.to_string();
    if measured.len() <= ENVIRONMENT_MAX_BYTES {
        return Ok(());
    }
    Err(build_lambda_invalid_parameter_error(format!(
        "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
    )))
}

fn validate_sandbox_lambda_runtime(runtime: &str) -> Result<(), SandboxAwsError> {
    const RETIRED_RUNTIMES: [&str; 11] = [
        "nodejs12.x",
        "nodejs14.x",
        "nodejs16.x",
        "nodejs18.x",
        "python3.7",
        "python3.8",
        "java8",
        "go1.x",
        "provided",
        "ruby2.7",
        "dotnetcore3.1",
    ];
    /// In the order in which Lambda names them.
    const RUNTIMES: &str = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2";
    if RETIRED_RUNTIMES.contains(&runtime) {
        return Err(build_lambda_invalid_parameter_error(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if RUNTIMES.split(", ").any(|known| known == runtime) {
        Ok(())
    } else {
        Err(build_lambda_invalid_parameter_error(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{RUNTIMES}] or be a valid ARN"
        )))
    }
}

fn validate_sandbox_execution_role(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
    role: &str,
) -> Result<(), SandboxAwsError> {
    if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
        const PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
        let broken = describe_broken_pattern(role, "role", PATTERN);
        return Err(build_broken_constraints_error("ValidationException", &[broken]));
    }
    let context = ask
        .caller
        .build_caller_condition_context()
        .add_condition_key_value("iam:PassedToService", "lambda.amazonaws.com");
    ask.caller.authorize_caller(state, SandboxService::Lambda, "iam:PassRole", role, &context)?;
    if iam::can_service_assume_sandbox_role(&state.iam, ask.clock, role, "lambda.amazonaws.com") {
        Ok(())
    } else {
        Err(build_lambda_invalid_parameter_error(
            "The role defined for the function cannot be assumed by Lambda.",
        ))
    }
}
