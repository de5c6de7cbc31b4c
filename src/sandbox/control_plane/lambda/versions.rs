//! Published versions: numbered, never changed, listed and (hardly) deleted.
//!
//! What hasn't changed isn't published again: the version that has it is given.

use super::{
    SandboxAwsError, SandboxFunctionVersion, SandboxLambdaApiCall, SandboxLambdaResult, SandboxState, Value,
    build_lambda_invalid_parameter_error, build_sandbox_function_missing_error, format_lambda_function_arn,
    functions, generate_random_uuid,
};

/// Answers PublishVersion.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_publish_version(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    let function = functions::find_updatable_sandbox_function(state, ask)?;
    if let Some(expected) = ask.read_request_text_field("CodeSha256")
        && expected != function.latest.sha256
    {
        return Err(build_lambda_invalid_parameter_error(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 in $LATEST.",
            function.latest.sha256
        )));
    }
    let shown = publish_sandbox_version_if_changed(
        state,
        ask,
        &ask.name,
        ask.read_request_text_field("Description"),
    )?;
    Ok((201, shown))
}

/// Publishes `$LATEST` where it has changed since the last version; shows the version that has it.
///
/// # Errors
/// Refuses where there is no such function.
pub fn publish_sandbox_version_if_changed(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
    name: &str,
    description: Option<&str>,
) -> Result<Value, SandboxAwsError> {
    let function = state
        .lambda
        .functions
        .get_mut(name)
        .ok_or_else(|| build_sandbox_function_missing_error(&format_lambda_function_arn(name)))?;
    let unchanged = function
        .versions
        .last()
        .is_some_and(|version| is_sandbox_function_unchanged(version, &function.latest));
    if !unchanged {
        let mut configuration = function.latest.clone();
        if let Some(description) = description {
            description.clone_into(&mut configuration.description);
        }
        let revision = generate_random_uuid();
        configuration.revisions = [revision.clone(), revision];
        let number = function.versions.last().map_or(1, |version| version.number + 1);
        let of = function.latest.clone();
        function.versions.push(SandboxFunctionVersion {
            number,
            configuration,
            of,
            published: ask.clock.now,
            came_with_code: ask.operation != "PublishVersion",
            replicated: false,
        });
    }
    let version = function
        .versions
        .last()
        .ok_or_else(|| build_sandbox_function_missing_error(&format_lambda_function_arn(name)))?;
    Ok(functions::render_function_version(function, version, ask.clock))
}

/// Whether code and configuration are those that were published, however often they were sent.
fn is_sandbox_function_unchanged(
    version: &SandboxFunctionVersion,
    latest: &super::SandboxFunctionConfiguration,
) -> bool {
    let mut of = version.of.clone();
    of.changed = latest.changed;
    of.revisions.clone_from(&latest.revisions);
    of == *latest
}

/// Answers ListVersionsByFunction.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_list_versions_by_function(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    let function = ask.find_authorized_function(state)?;
    let mut all = vec![functions::render_sandbox_latest_function_json(function, ask.clock, true)];
    all.extend(
        function
            .versions
            .iter()
            .map(|version| functions::render_function_version(function, version, ask.clock)),
    );
    Ok((200, functions::render_function_page(ask, "Versions", all)))
}

/// Answers DeleteFunction.
///
/// # Errors
/// Refuses as Lambda does.
pub fn handle_delete_function(
    state: &mut SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> SandboxLambdaResult {
    match ask.qualifier.as_deref() {
        Some("$LATEST") => {
            return Err(build_lambda_invalid_parameter_error(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(alias) if !alias.contains('$') && alias.parse::<u64>().is_err() => {
            return Err(build_lambda_invalid_parameter_error(
                "Deletion of aliases is not currently supported.",
            ));
        }
        _ => {}
    }
    let function = ask.find_authorized_function(state)?;
    let meant = |version: &&SandboxFunctionVersion| {
        ask.qualifier.as_ref().is_none_or(|number| version.number.to_string() == *number)
    };
    if let Some(version) = function.versions.iter().filter(meant).find(|version| version.replicated) {
        return Err(build_lambda_invalid_parameter_error(format!(
            "Lambda was unable to delete {}:{} because it is a replicated function. Please see our documentation for Deleting Lambda@Edge Functions and Replicas.",
            function.build_sandbox_unqualified_arn(),
            version.number
        )));
    }
    match &ask.qualifier {
        None => {
            state.lambda.functions.remove(&ask.name);
        }
        Some(number) => {
            if let Some(function) = state.lambda.functions.get_mut(&ask.name) {
                function.versions.retain(|version| version.number.to_string() != *number);
            }
        }
    }
    Ok((204, Value::Null))
}
