//! Invoke: a version is run in us-east-1 with its role's rights; the answer holds what it gave or threw, and the log's end.
//!
//! A function that throws, doesn't load or takes too long is answered with 200 all the same: the error is in a header. By
//! Lambda's API reference (Invoke), which has the reasons of a throttling too.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response};

use super::{
    Sandbox, SandboxAwsError, SandboxFunctionError, SandboxFunctionPlace, SandboxFunctionVersion,
    SandboxLambdaApiCall, SandboxState, Value, build_json_response, build_lambda_invalid_parameter_error,
    build_sandbox_function_missing_error, format_lambda_function_arn, generate_random_uuid, iam, json,
    run_sandbox_function_version,
};

/// The end of the log that an answer holds, in bytes.
const LOG_TAIL_BYTES: usize = 4096;

/// Answers Invoke of a numbered version.
///
/// # Errors
/// Refuses as Lambda does.
pub async fn handle_invoke(
    world: &Sandbox,
    ask: &SandboxLambdaApiCall<'_>,
    is_log_wanted: bool,
) -> Result<Response<Bytes>, SandboxAwsError> {
    let version = world.read_sandbox_state_from_disk(|state| find_invokable_version(state, ask))?;
    if let Some(reason) = world.read_sandbox_state_from_disk(|state| find_throttling_reason(state, ask)) {
        return Ok(build_throttled_invoke_response(reason));
    }
    let arn = format!("{}:{}", format_lambda_function_arn(&ask.name), version.number);
    let id = generate_random_uuid();
    let ran =
        run_sandbox_function_version(world, SandboxFunctionPlace::UsEast1, &arn, ask.input.clone()).await;
    let (payload, is_error, log) = match ran {
        Ok(invocation) => match invocation.result {
            Ok(reply) => (reply, false, invocation.log),
            Err(thrown) => (build_function_error_payload(&thrown), true, invocation.log),
        },
        Err(SandboxFunctionError::Unloadable(why)) => (build_function_error_payload(&why), true, vec![why]),
        Err(SandboxFunctionError::TimedOut) => {
            let why = format!("RequestId: {id} Error: Task timed out after 5.00 seconds");
            (json!({"errorType": "Sandbox.Timedout", "errorMessage": why}), true, Vec::new())
        }
        Err(SandboxFunctionError::Invalid(why)) => {
            return Err(SandboxAwsError::new(500, "ServiceException", why));
        }
    };
    let mut response = build_json_response(200, "application/json", &payload);
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", HeaderValue::from(version.number));
    if is_error {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    if is_log_wanted {
        let tail = STANDARD.encode(render_log_tail(&id, version.number, &log));
        headers.insert("x-amz-log-result", HeaderValue::try_from(tail).expect("base64 is header text"));
    }
    Ok(response)
}

/// The version that the request means, where it is Active and its role can be assumed by now.
fn find_invokable_version(
    state: &SandboxState,
    ask: &SandboxLambdaApiCall<'_>,
) -> Result<SandboxFunctionVersion, SandboxAwsError> {
    let function = ask.find_authorized_function(state)?;
    let Some(number) = ask.qualifier.as_deref() else {
        return Err(build_lambda_invalid_parameter_error("the sandbox invokes numbered versions alone"));
    };
    let version = function.versions.iter().find(|version| version.number.to_string() == number);
    let version = version.ok_or_else(|| {
        build_sandbox_function_missing_error(&format!(
            "{}:{number}",
            function.build_sandbox_unqualified_arn()
        ))
    })?;
    if !version.is_sandbox_version_active(ask.clock) {
        return Err(SandboxAwsError::new(
            409,
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        ));
    }
    let role = &version.configuration.role;
    if !iam::can_service_assume_sandbox_role(&state.iam, ask.clock, role, "lambda.amazonaws.com") {
        return Err(SandboxAwsError::new(
            403,
            "AccessDeniedException",
            "The role defined for the function cannot be assumed by Lambda.",
        ));
    }
    Ok(version.clone())
}

/// Why nothing may run: what is reserved for the function, else what the account has left.
fn find_throttling_reason(state: &SandboxState, ask: &SandboxLambdaApiCall<'_>) -> Option<&'static str> {
    match state.lambda.functions.get(&ask.name)?.reserved_concurrency {
        Some(0) => Some("ReservedFunctionConcurrentInvocationLimitExceeded"),
        Some(_) => None,
        None => (state.lambda.concurrency == Some(0)).then_some("ConcurrentInvocationLimitExceeded"),
    }
}

fn build_throttled_invoke_response(reason: &str) -> Response<Bytes> {
    let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
    let mut response = build_json_response(429, "application/json", &body);
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("TooManyRequestsException"));
    response
}

/// What the runtime says of an error: its type is before the colon where it is one of the runtime's own.
fn build_function_error_payload(why: &str) -> Value {
    let (kind, message) = match why.split_once(": ") {
        Some((kind, message)) if kind.starts_with("Runtime.") => (kind, message),
        _ => ("Error", why),
    };
    json!({"errorType": kind, "errorMessage": message, "trace": []})
}

fn render_log_tail(id: &str, number: u64, log: &[String]) -> String {
    let mut text = format!("START RequestId: {id} Version: {number}\n");
    for line in log {
        text.push_str(&format!("{id}\tERROR\t{line}\n"));
    }
    text.push_str(&format!("END RequestId: {id}\nREPORT RequestId: {id}\tMemory Size: 128 MB\n"));
    let start = (text.len().saturating_sub(LOG_TAIL_BYTES)..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    text.split_off(start)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_lambda::{
        Client,
        error::ProvideErrorMetadata,
        primitives::Blob,
        types::{FunctionCode, LogType, Runtime, ThrottleReason},
    };

    use super::*;
    use crate::sandbox::tests::setup::{
        create_service_role, error_code_and_message, open_temporary_sandbox_with_client, zip_bundle,
    };

    const NAME: &str = "packagecloud_cloudfront_auth";

    /// Publishes version 1 of a function of this source.
    async fn publish_source(world: &Sandbox, lambda: &Client, source: &str) {
        let role = create_service_role(world, "edge", &["lambda.amazonaws.com"]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let code = FunctionCode::builder().zip_file(zip_bundle(source)).build();
        let create = lambda.create_function().function_name(NAME).role(role).handler("index.handler");
        create.runtime(Runtime::from("nodejs24.x")).code(code).send().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        lambda.publish_version().function_name(NAME).send().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    fn build_invoke(lambda: &Client) -> aws_sdk_lambda::operation::invoke::builders::InvokeFluentBuilder {
        let arn = format!("{}:1", format_lambda_function_arn(NAME));
        lambda.invoke().function_name(arn).log_type(LogType::Tail).payload(Blob::new(r#"{"given":7}"#))
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_gives_its_result_and_the_end_of_its_log() {
        let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
        let source = "export const handler = async (event) => { console.error('seen'); return { twice: event.given * 2 }; };";
        publish_source(&world, &lambda, source).await;
        let ran = build_invoke(&lambda).send().await.unwrap();
        assert_eq!((ran.status_code(), ran.function_error(), ran.executed_version()), (200, None, Some("1")));
        assert_eq!(ran.payload().unwrap().as_ref(), br#"{"twice":14}"#);
        let log = String::from_utf8(STANDARD.decode(ran.log_result().unwrap()).unwrap()).unwrap();
        assert!(log.starts_with("START RequestId: ") && log.contains("\tERROR\tseen\n"), "{log}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_function_is_no_error_of_the_call() {
        for (source, kind, message) in [
            ("export const handler = async () => { throw new Error('no'); };", "Error", "no"),
            ("export const other = 1;", "Runtime.HandlerNotFound", "undefined or not exported"),
            ("import 'node:child_process';", "Error", "node:child_process"),
        ] {
            let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
            publish_source(&world, &lambda, source).await;
            let ran = build_invoke(&lambda).send().await.unwrap();
            assert_eq!((ran.status_code(), ran.function_error()), (200, Some("Unhandled")), "{source}");
            let payload: Value = serde_json::from_slice(ran.payload().unwrap().as_ref()).unwrap();
            assert_eq!(payload["errorType"], kind, "{payload}");
            assert!(payload["errorMessage"].as_str().unwrap().contains(message), "{payload}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_throttled_denied_or_finds_no_role_as_at_aws() {
        let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
        publish_source(&world, &lambda, "export const handler = async () => ({});").await;
        let reserve = |reserved| {
            world.update_sandbox_state_on_disk(|state| {
                state.lambda.functions.get_mut(NAME).unwrap().reserved_concurrency = reserved;
            });
        };
        reserve(Some(0));
        let held = build_invoke(&lambda).send().await.unwrap_err().into_service_error();
        let aws_sdk_lambda::operation::invoke::InvokeError::TooManyRequestsException(held) = held else {
            panic!("{held:?}")
        };
        let reserved = ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded;
        assert_eq!(held.reason(), Some(&reserved));
        reserve(None);
        world.update_sandbox_state_on_disk(|state| state.lambda.concurrency = Some(0));
        let held = build_invoke(&lambda).send().await.unwrap_err();
        assert_eq!(held.code(), Some("TooManyRequestsException"));
        world.update_sandbox_state_on_disk(|state| state.lambda.concurrency = None);

        world.update_sandbox_state_on_disk(|state| state.iam.roles.clear());
        let roleless = build_invoke(&lambda).send().await.unwrap_err();
        let expected = "The role defined for the function cannot be assumed by Lambda.";
        assert_eq!(error_code_and_message(&roleless), ("AccessDeniedException".into(), expected.into()));

        world.update_sandbox_state_on_disk(|state| {
            state.iam.user.policy =
                json!({"Statement": [{"Effect": "Allow", "Action": "lambda:Get*", "Resource": "*"}]});
        });
        let denied = build_invoke(&lambda).send().await.unwrap_err();
        assert!(
            error_code_and_message(&denied).1.contains(&format!(
                "perform: lambda:InvokeFunction on resource: {}:1",
                format_lambda_function_arn(NAME)
            )),
            "{denied:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_code_is_fetched_from_an_address_that_is_signed_and_ends() {
        let (_dir, world, lambda) = open_temporary_sandbox_with_client(Client::new);
        publish_source(&world, &lambda, "export const handler = async () => ({});").await;
        let found = lambda.get_function().function_name(NAME).qualifier("1").send().await.unwrap();
        let url = found.code.unwrap().location.unwrap();
        let fetch = async |url: &str| {
            let mut request = http::Request::get(url).body(Bytes::new()).unwrap();
            let host = HeaderValue::from_str(request.uri().host().unwrap()).unwrap();
            request.headers_mut().insert("host", host);
            world.handle_sandbox_request(request).await.unwrap()
        };
        let zip = fetch(&url).await;
        let sent = zip_bundle("export const handler = async () => ({});");
        assert_eq!((zip.status().as_u16(), zip.body().as_ref()), (200, sent.as_ref()));
        assert_eq!(fetch(url.split('?').next().unwrap()).await.status().as_u16(), 403);
        tokio::time::sleep(Duration::from_mins(11)).await;
        assert_eq!(fetch(&url).await.status().as_u16(), 403);
    }
}
