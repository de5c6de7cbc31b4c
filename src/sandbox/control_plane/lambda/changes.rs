//! A function made, and its code or configuration changed.
//!
//! The role must be one that Lambda can assume by now, and that the caller may pass.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    Ask, Configuration, Function, Outcome, Progress, Refusal, Value, World, arn, functions, iam, invalid,
    request_id, store, versions, with_tags,
};

/// Code that was received and laid by.
pub struct Code {
    sha256: String,
    size: u64,
}

/// Unpacks, weighs and keeps the code of a request.
///
/// # Errors
/// AWS's refusal of what is no bundle.
pub fn received_code(world: &World, input: &Value) -> Result<Code, Refusal> {
    let Some(text) = input["ZipFile"].as_str() else {
        return Err(invalid("Please provide a source for function code."));
    };
    let unreadable =
        || invalid("Could not unzip uploaded file. Please check your file, then try to upload again.");
    let bytes = STANDARD.decode(text).map_err(|_| unreadable())?;
    if bytes.len() > 50 * 1024 * 1024 {
        return Err(Refusal::new(
            413,
            "RequestEntityTooLargeException",
            "Request must be smaller than 69905067 bytes for the CreateFunction operation",
        ));
    }
    let archive = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|_| unreadable())?;
    if archive.is_empty() {
        return Err(invalid("Uploaded file must be a non-empty zip"));
    }
    let code = Code { sha256: STANDARD.encode(Sha256::digest(&bytes)), size: bytes.len() as u64 };
    let kept = functions::code_path(world.dir(), &code.sha256).ok_or_else(unreadable)?;
    let keep = || {
        let fresh = kept.with_extension("new");
        std::fs::create_dir_all(world.dir().join("lambda"))?;
        std::fs::write(&fresh, &bytes)?;
        std::fs::rename(fresh, &kept)
    };
    match keep() {
        Ok(()) => Ok(code),
        Err(error) => {
            Err(Refusal::new(500, "ServiceException", format!("the sandbox can't keep the code: {error}")))
        }
    }
}

pub fn create(state: &mut store::State, ask: &Ask<'_>, code: &Code) -> Outcome {
    let name = ask.need("FunctionName")?.rsplit(':').next().unwrap_or_default().to_owned();
    let arn = arn(&name);
    let tags = functions::tags_of(&ask.input["Tags"]);
    let context = with_tags(ask.caller.context(), &tags);
    ask.may(state, "lambda:CreateFunction", &arn, &context)?;
    if !tags.is_empty() {
        ask.may(state, "lambda:TagResource", &arn, &context)?;
    }
    ask.need("Runtime")?;
    ask.need("Handler")?;
    ask.need("Role")?;
    if state.lambda.functions.contains_key(&name) {
        return Err(Refusal::new(
            409,
            "ResourceConflictException",
            format!("Function already exist: {name}"),
        ));
    }
    let mut latest = Configuration {
        memory: 128,
        timeout: 3,
        ephemeral: 512,
        architecture: "x86_64".into(),
        tracing: "PassThrough".into(),
        sha256: code.sha256.clone(),
        size: code.size,
        ..Configuration::default()
    };
    configure(&mut latest, ask)?;
    check_role(state, ask, &latest.role)?;
    touch(&mut latest, ask);
    let function =
        Function { name: name.clone(), latest, created: ask.clock.now, tags, ..Function::default() };
    let answer = functions::latest(&function, ask.clock, false);
    state.lambda.functions.insert(name.clone(), function);
    if ask.input["Publish"] == true {
        return Ok((201, versions::publish_now(state, ask, &name, None)?));
    }
    Ok((201, answer))
}

pub fn update_code(state: &mut store::State, ask: &Ask<'_>, code: &Code) -> Outcome {
    changeable(state, ask)?;
    let clock = ask.clock;
    let function =
        state.lambda.functions.get_mut(&ask.name).ok_or_else(|| super::missing(&arn(&ask.name)))?;
    let mut changed = function.latest.clone();
    changed.sha256.clone_from(&code.sha256);
    changed.size = code.size;
    if let Some(architecture) = ask.input["Architectures"][0].as_str() {
        architecture.clone_into(&mut changed.architecture);
    }
    if ask.input["DryRun"] == true {
        let dry = Function { latest: changed, ..function.clone() };
        return Ok((200, functions::latest(&dry, clock, false)));
    }
    touch(&mut changed, ask);
    function.latest = changed;
    if ask.input["Publish"] == true {
        return Ok((200, versions::publish_now(state, ask, &ask.name, None)?));
    }
    Ok((200, functions::latest(function, clock, false)))
}

pub fn update_configuration(state: &mut store::State, ask: &Ask<'_>) -> Outcome {
    let function = changeable(state, ask)?;
    let mut changed = function.latest.clone();
    configure(&mut changed, ask)?;
    if ask.text("Role").is_some() {
        check_role(state, ask, &changed.role)?;
    }
    touch(&mut changed, ask);
    let function =
        state.lambda.functions.get_mut(&ask.name).ok_or_else(|| super::missing(&arn(&ask.name)))?;
    function.latest = changed;
    Ok((200, functions::latest(function, ask.clock, false)))
}

/// The function, where nothing is in progress and its revision is the one expected.
pub fn changeable<'a>(state: &'a store::State, ask: &Ask<'_>) -> Result<&'a Function, Refusal> {
    let function = ask.function(state)?;
    let conflict = |why: &str| {
        let message = format!("The operation cannot be performed at this time. {why}");
        Err(Refusal::new(409, "ResourceConflictException", message))
    };
    let progress = function.progress(ask.clock);
    match progress {
        Progress::Creating => return conflict("The function is currently in the following state: Pending"),
        Progress::Updating => {
            return conflict(&format!("An update is in progress for resource: {}", function.arn()));
        }
        Progress::Settled => {}
    }
    if let Some(expected) = ask.text("RevisionId")
        && expected != function.latest.revisions[1]
    {
        return Err(Refusal::new(
            412,
            "PreconditionFailedException",
            "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API operation to retrieve the latest RevisionId for your resource.",
        ));
    }
    Ok(function)
}

fn touch(configuration: &mut Configuration, ask: &Ask<'_>) {
    configuration.changed = ask.clock.now;
    configuration.revisions = [request_id(), request_id()];
}

/// Takes over what the request says; what it leaves out stays.
fn configure(configuration: &mut Configuration, ask: &Ask<'_>) -> Result<(), Refusal> {
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
    check_runtime(&configuration.runtime)?;
    let number = |value: &Value, name: &str, low: u64, high: u64| match value.as_u64() {
        None => Ok(None),
        Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
        Some(number) => Err(invalid(format!(
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
        configuration.environment = functions::tags_of(&input["Environment"]["Variables"]);
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

fn check_runtime(runtime: &str) -> Result<(), Refusal> {
    const GONE: [&str; 6] =
        ["nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x", "python3.7", "python3.8"];
    if GONE.contains(&runtime) {
        return Err(invalid(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    let known = ["nodejs20.x", "nodejs22.x", "nodejs24.x"].contains(&runtime)
        || runtime
            .strip_prefix("python3.")
            .and_then(|minor| minor.parse().ok())
            .is_some_and(|minor: u8| (9..=14).contains(&minor));
    if known {
        Ok(())
    } else {
        Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set or be a valid ARN"
        )))
    }
}

fn check_role(state: &store::State, ask: &Ask<'_>, role: &str) -> Result<(), Refusal> {
    if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
        return Err(Refusal::new(
            400,
            "ValidationException",
            format!(
                "1 validation error detected: Value '{role}' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{{12}}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
            ),
        ));
    }
    let context = ask.caller.context().with("iam:PassedToService", "lambda.amazonaws.com");
    ask.may(state, "iam:PassRole", role, &context)?;
    if iam::assumable(&state.iam, ask.clock, role, "lambda.amazonaws.com") {
        Ok(())
    } else {
        Err(invalid("The role defined for the function cannot be assumed by Lambda."))
    }
}
