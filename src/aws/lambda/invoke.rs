//! A version invoked: what it gave or threw, asked again while its role, its key's policy or Lambda has no room for it yet.
//!
//! Lambda answers 200 whatever the function did: the error of a function is in a header of its own.

use std::sync::{Mutex, PoisonError};

use aws_sdk_lambda::{
    operation::invoke::{InvokeError, InvokeOutput},
    primitives::Blob,
    types::{LogType, ThrottleReason},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::format_lambda_function_label;
use crate::aws::{AwsClients, WaitProgressReporter, error, retry};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::names::ResourceNames,
    failure::{Failure, FailureKind},
};

/// A fresh role's rights, and a fresh key policy, are known everywhere only after a while.
const FUNCTION_ANSWER_WAIT: retry::PollLimits = retry::PollLimits::new("the function to answer", 120, 3);
/// What the function answers as long as it can check no link.
const UNAVAILABLE_STATUS: &str = "503";

/// What came of an Invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionInvocation {
    /// The function gave this, and logged these lines.
    Answered { payload: Value, log: Vec<String> },
    /// It doesn't load, threw, or took too long: the error's type and message.
    Failed { kind: String, message: String },
    /// Lambda didn't run it, and that says nothing of the function: why.
    NotRun(String),
}

/// One Invoke: settled, or what it is if it stays so.
enum InvokeAttempt {
    Settled(FunctionInvocation),
    NotYet(Result<FunctionInvocation, Failure>),
}

impl AwsClients {
    /// Invokes a version by its ARN with `event`; asks again for two minutes where it can't decrypt yet, its role can't be
    /// assumed yet, or Lambda holds the request back.
    ///
    /// # Errors
    /// Where nothing may run by the function's own reservation, its role stays one that Lambda can't assume, or Lambda doesn't answer.
    pub async fn invoke_function_version(
        &self,
        names: &ResourceNames,
        arn: &str,
        event: &Value,
        say: WaitProgressReporter<'_>,
    ) -> Result<FunctionInvocation, Failure> {
        let last = Mutex::new(None);
        let settled = retry::poll_for_a_while(FUNCTION_ANSWER_WAIT, say, || async {
            match self.invoke_function_version_once(names, arn, event).await? {
                InvokeAttempt::Settled(invocation) => Ok(Some(invocation)),
                InvokeAttempt::NotYet(so_far) => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(so_far);
                    Ok(None)
                }
            }
        })
        .await?;
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (settled, last) {
            (Some(invocation), _) => Ok(invocation),
            (None, Some(last)) => last,
            (None, None) => Ok(FunctionInvocation::NotRun("it was not asked".to_owned())),
        }
    }

    /// Invokes a version once, whatever comes: for an AWS that isn't AWS, in which nothing gets better by waiting.
    ///
    /// # Errors
    /// Where nothing may run by the function's own reservation, or Lambda doesn't answer.
    pub async fn invoke_function_version_without_waiting(
        &self,
        names: &ResourceNames,
        arn: &str,
        event: &Value,
    ) -> Result<FunctionInvocation, Failure> {
        Ok(match self.invoke_function_version_once(names, arn, event).await? {
            InvokeAttempt::Settled(invocation) | InvokeAttempt::NotYet(Ok(invocation)) => invocation,
            InvokeAttempt::NotYet(Err(failure)) => FunctionInvocation::NotRun(failure.why),
        })
    }

    async fn invoke_function_version_once(
        &self,
        names: &ResourceNames,
        arn: &str,
        event: &Value,
    ) -> Result<InvokeAttempt, Failure> {
        let asked = self
            .lambda
            .invoke()
            .function_name(arn)
            .log_type(LogType::Tail)
            .payload(Blob::new(event.to_string()))
            .send()
            .await;
        let (reason, failure) = match asked {
            Ok(reply) => return Ok(judge_invoke_reply(&reply)),
            Err(asked) => {
                let reason = match asked.as_service_error() {
                    Some(InvokeError::TooManyRequestsException(held)) => held.reason().cloned(),
                    _ => None,
                };
                (reason, error::build_aws_action_failure("lambda:InvokeFunction", arn)(asked))
            }
        };
        if reason == Some(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded)
            && self.read_reserved_concurrency(names).await == Some(0)
        {
            return Err(build_reserved_to_zero_failure(names));
        }
        classify_invoke_failure(reason.as_ref(), failure)
    }

    /// What is reserved for the function; none where nothing is, or it can't be asked.
    async fn read_reserved_concurrency(&self, names: &ResourceNames) -> Option<i32> {
        let found =
            self.lambda.get_function().function_name(names.lambda_function_name()).send().await.ok()?;
        found.concurrency?.reserved_concurrent_executions
    }

    /// Reads where a version's code is to be fetched, for the next ten minutes; the address is a secret.
    ///
    /// # Errors
    /// Where Lambda refuses or doesn't answer.
    pub async fn read_function_code_location(&self, arn: &str) -> Result<String, Failure> {
        let asked = self.lambda.get_function().function_name(arn).send().await;
        let found = asked.map_err(error::build_aws_action_failure("lambda:GetFunction", arn))?;
        found.code.and_then(|code| code.location).ok_or_else(|| {
            error::build_missing_response_part_failure("lambda:GetFunction", arn, "the place of the code")
        })
    }
}

fn judge_invoke_reply(reply: &InvokeOutput) -> InvokeAttempt {
    let payload: Value = reply
        .payload()
        .and_then(|payload| serde_json::from_slice(payload.as_ref()).ok())
        .unwrap_or(Value::Null);
    if reply.function_error().is_some() {
        let text = |member: &str| payload[member].as_str().unwrap_or("without a reason").to_owned();
        let (kind, message) = (text("errorType"), text("errorMessage"));
        return InvokeAttempt::Settled(FunctionInvocation::Failed { kind, message });
    }
    let not_yet = payload["status"] == UNAVAILABLE_STATUS;
    let log = reply.log_result().map(extract_logged_lines).unwrap_or_default();
    let answered = FunctionInvocation::Answered { payload, log };
    if not_yet { InvokeAttempt::NotYet(Ok(answered)) } else { InvokeAttempt::Settled(answered) }
}

/// What the function itself logged, of the log's end in base64: without Lambda's own lines, and its columns.
fn extract_logged_lines(log_result: &str) -> Vec<String> {
    let text = STANDARD.decode(log_result).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split_once("\tERROR\t"))
        .map(|(_, said)| said.trim().to_owned())
        .collect()
}

/// What an Invoke that Lambda refused says of the function: mostly nothing.
fn classify_invoke_failure(
    reason: Option<&ThrottleReason>,
    failure: Failure,
) -> Result<InvokeAttempt, Failure> {
    // A version that was Inactive is woken by the first Invoke.
    const WAKING_CODES: [&str; 2] = ["ResourceConflictException", "ResourceNotReadyException"];
    // By its message alone a role that isn't there yet differs from a caller who may not.
    const ROLE_MESSAGE: &str = "The role defined for the function cannot be assumed by Lambda";
    if error::is_throttling_failure(&failure) {
        let reason = reason.map_or("without a reason", ThrottleReason::as_str);
        return Ok(InvokeAttempt::NotYet(Ok(FunctionInvocation::NotRun(format!(
            "Lambda throttles lambda:InvokeFunction ({reason})"
        )))));
    }
    if WAKING_CODES.iter().any(|code| error::has_aws_error_code(&failure, code)) {
        return Ok(InvokeAttempt::NotYet(Ok(FunctionInvocation::NotRun(failure.why))));
    }
    if failure.kind == FailureKind::Denied && failure.why.contains(ROLE_MESSAGE) {
        return Ok(InvokeAttempt::NotYet(Err(Failure::new_generic_failure(
            failure.what,
            ROLE_MESSAGE.to_lowercase(),
            format!(
                "this repairs the role: {}; then try again; no distribution was given this version",
                render_proposed_command("bootstrap-cloudfront", &[])
            ),
        ))));
    }
    if failure.kind == FailureKind::Denied {
        return Ok(InvokeAttempt::Settled(FunctionInvocation::NotRun(failure.why)));
    }
    Err(failure)
}

fn build_reserved_to_zero_failure(names: &ResourceNames) -> Failure {
    let name = names.lambda_function_name();
    Failure::new_generic_failure(
        format_lambda_function_label(names),
        "its reserved concurrency is 0, so it never runs",
        format!(
            "take that off: aws lambda delete-function-concurrency --region us-east-1 --function-name {name}; then try again: no distribution was given this version"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(payload: &Value, error: Option<&str>, log: &str) -> InvokeOutput {
        InvokeOutput::builder()
            .status_code(200)
            .payload(Blob::new(payload.to_string()))
            .set_function_error(error.map(str::to_owned))
            .log_result(STANDARD.encode(log))
            .build()
    }

    #[test]
    fn the_function_error_is_read_and_not_the_status() {
        let log =
            "START RequestId: 1 Version: 3\n2026-11-30T01:00:00Z\t1\tERROR\trefused: KMS\nEND RequestId: 1\n";
        for (payload, error, is_settled, expected) in [
            (
                json!({"uri": "/a", "querystring": ""}),
                None,
                true,
                FunctionInvocation::Answered {
                    payload: json!({"uri": "/a", "querystring": ""}),
                    log: vec!["refused: KMS".to_owned()],
                },
            ),
            (
                json!({"status": "503"}),
                None,
                false,
                FunctionInvocation::Answered {
                    payload: json!({"status": "503"}),
                    log: vec!["refused: KMS".to_owned()],
                },
            ),
            (
                json!({"errorType": "Runtime.ImportModuleError", "errorMessage": "Cannot find module"}),
                Some("Unhandled"),
                true,
                FunctionInvocation::Failed {
                    kind: "Runtime.ImportModuleError".to_owned(),
                    message: "Cannot find module".to_owned(),
                },
            ),
            // An answer that looks like one of the function's is none, where the header says so.
            (
                json!({"status": "503"}),
                Some("Unhandled"),
                true,
                FunctionInvocation::Failed {
                    kind: "without a reason".to_owned(),
                    message: "without a reason".to_owned(),
                },
            ),
        ] {
            let (settled, found) = match judge_invoke_reply(&reply(&payload, error, log)) {
                InvokeAttempt::Settled(found) => (true, found),
                InvokeAttempt::NotYet(found) => (false, found.unwrap()),
            };
            assert_eq!((settled, found), (is_settled, expected), "{payload}");
        }
    }

    #[test]
    fn a_refused_invoke_says_nothing_of_the_function_but_for_its_role() {
        let failure = |kind, code: &str, why: &str| {
            Failure::new(kind, "arn", why, "next").add_aws_error_code(Some(code.to_owned()), None)
        };
        let denied = failure(FailureKind::Denied, "AccessDeniedException", "lambda:InvokeFunction is denied");
        let Ok(InvokeAttempt::Settled(FunctionInvocation::NotRun(why))) =
            classify_invoke_failure(None, denied)
        else {
            panic!("a denied Invoke is unknown, at once")
        };
        assert!(why.contains("denied"), "{why}");

        let role =
            "lambda:InvokeFunction is denied: The role defined for the function cannot be assumed by Lambda";
        let role = failure(FailureKind::Denied, "AccessDeniedException", role);
        let Ok(InvokeAttempt::NotYet(Err(role))) = classify_invoke_failure(None, role) else {
            panic!("a fresh role is waited for, and then a failure")
        };
        assert!(role.next.contains("bootstrap-cloudfront"), "{role:?}");

        let held = failure(FailureKind::Other, "TooManyRequestsException", "AWS throttles it");
        let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
        let Ok(InvokeAttempt::NotYet(Ok(FunctionInvocation::NotRun(why)))) =
            classify_invoke_failure(Some(&reason), held)
        else {
            panic!("what is held back is asked again, and then unknown")
        };
        assert!(why.contains("ConcurrentInvocationLimitExceeded"), "{why}");

        let gone = failure(FailureKind::Missing, "ResourceNotFoundException", "it is not there");
        assert!(classify_invoke_failure(None, gone).is_err());
    }
}
