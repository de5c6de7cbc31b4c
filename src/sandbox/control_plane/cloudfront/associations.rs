//! Which functions may stand at a distribution's edge, and in what words the others are refused.
//!
//! The checks are CloudFront's own: a numbered, active version, a role that the edge may assume, nothing that a replica lacks,
//! and a caller who may replicate it.

use super::{
    SandboxAwsError, SandboxCloudFrontApiCall, SandboxService, SandboxState, XmlElement, config, iam, lambda,
};

/// The most that a replica's code may be, viewer and origin triggered alike (aws-facts section 1).
const EDGE_CODE_MAX_BYTES: u64 = 50 * 1024 * 1024;
/// The longest timeout that a replica may have (aws-facts section 1).
const EDGE_TIMEOUT_MAX_SECONDS: u64 = 30;
/// The services that an association makes roles for, and the roles' names.
const SERVICE_LINKED_ROLES: [(&str, &str); 2] = [
    ("replicator.lambda.amazonaws.com", "AWSServiceRoleForLambdaReplicator"),
    ("logger.cloudfront.amazonaws.com", "AWSServiceRoleForCloudFrontLogger"),
];

fn build_invalid_association_error(message: impl Into<String>) -> SandboxAwsError {
    SandboxAwsError::new(400, "InvalidLambdaFunctionAssociation", message)
}

/// Lists every function version that a configuration names.
pub fn list_sandbox_config_function_arns(config: &XmlElement) -> Vec<String> {
    let mut arns: Vec<String> = config::list_config_behaviors(config)
        .into_iter()
        .flat_map(|behavior| behavior.list_items_at_path("LambdaFunctionAssociations"))
        .filter_map(|association| association.find_text_at_path("LambdaFunctionARN").map(ToOwned::to_owned))
        .collect();
    arns.sort();
    arns.dedup();
    arns
}

/// Checks the functions that a configuration puts at the edge.
///
/// # Errors
/// Refuses one that can't stand there, or whose caller may not put it there, as CloudFront does.
pub fn validate_sandbox_function_associations(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
    config: &XmlElement,
) -> Result<(), SandboxAwsError> {
    for behavior in config::list_config_behaviors(config) {
        let mut events: Vec<&str> = Vec::new();
        for association in behavior.list_items_at_path("LambdaFunctionAssociations") {
            let event = association.find_text_at_path("EventType").unwrap_or_default();
            if !["viewer-request", "viewer-response", "origin-request", "origin-response"].contains(&event) {
                return Err(build_invalid_association_error(format!("The event type {event} is not valid.")));
            }
            if events.contains(&event) {
                return Err(build_invalid_association_error(format!(
                    "Only one Lambda function can be associated with the event type {event}."
                )));
            }
            events.push(event);
        }
    }
    list_sandbox_config_function_arns(config)
        .iter()
        .try_for_each(|arn| validate_sandbox_edge_function_arn(state, ask, arn))
}

fn validate_sandbox_edge_function_arn(
    state: &SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
    arn: &str,
) -> Result<(), SandboxAwsError> {
    let region = arn.split(':').nth(3).unwrap_or_default();
    if region != crate::sandbox::control_plane::REGION {
        return Err(build_invalid_association_error(format!(
            "The function must be in region 'us-east-1'. ARN: {arn}"
        )));
    }
    let numbered = arn.split(':').nth(7).is_some_and(|version| version.parse::<u64>().is_ok());
    if !numbered {
        return Err(build_invalid_association_error(format!(
            "The function ARN must reference a specific function version. (The ARN must end with the version number.) ARN: {arn}"
        )));
    }
    for action in ["lambda:GetFunction", "lambda:EnableReplication*"] {
        if ask
            .caller
            .authorize_caller(
                state,
                SandboxService::CloudFront,
                action,
                arn,
                &ask.caller.build_caller_condition_context(),
            )
            .is_err()
        {
            return Err(build_invalid_association_error(if action == "lambda:GetFunction" {
                format!(
                    "Lambda@Edge cannot retrieve the specified Lambda function. Update the IAM policy to add permission: {action} for resource: {arn}"
                )
            } else {
                format!(
                    "Lambda@Edge cannot enable replication for the specified Lambda function. Update the IAM policy to add permission: {action} for resource: {arn}"
                )
            }));
        }
    }
    let version = lambda::find_function_version(&state.lambda, arn).ok_or_else(|| {
        build_invalid_association_error(format!(
            "The specified Lambda function does not exist. Function: {arn}"
        ))
    })?;
    if !version.is_sandbox_version_active(ask.clock) {
        return Err(build_invalid_association_error(format!(
            "The function must be in an Active state. The current state for function {arn} is Pending"
        )));
    }
    let function = &version.configuration;
    for service in ["lambda.amazonaws.com", "edgelambda.amazonaws.com"] {
        if !iam::can_service_assume_sandbox_role(&state.iam, ask.clock, &function.role, service) {
            return Err(build_invalid_association_error(format!(
                "The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: {}",
                function.role
            )));
        }
    }
    validate_sandbox_edge_function(function, arn)
}

/// Checks that a function has nothing that a replica lacks.
fn validate_sandbox_edge_function(
    function: &lambda::SandboxFunctionConfiguration,
    arn: &str,
) -> Result<(), SandboxAwsError> {
    let forbidden = [
        (
            function.environment.as_ref().is_some_and(|all| !all.is_empty()),
            "The function cannot have environment variables.",
        ),
        (!function.layers.is_empty(), "The function cannot have layers."),
        (!function.subnets.is_empty(), "The function cannot have a VPC configuration."),
        (function.dead_letter.is_some(), "The function cannot have a dead letter queue."),
        (function.tracing == "Active", "The function cannot have active tracing."),
        (function.ephemeral > 512, "The function cannot have more than 512 MB of ephemeral storage."),
        (
            function.architecture == "arm64",
            "Lambda@Edge does not support functions with an architecture of arm64.",
        ),
    ];
    if let Some((_, why)) = forbidden.iter().find(|(has, _)| *has) {
        return Err(build_invalid_association_error(format!("{why} Function: {arn}")));
    }
    for (what, has, most) in [
        ("code size", function.size, EDGE_CODE_MAX_BYTES),
        ("timeout", function.timeout, EDGE_TIMEOUT_MAX_SECONDS),
    ] {
        if has > most {
            return Err(build_invalid_association_error(format!(
                "The function {what} is larger than the maximum allowed size for functions that are triggered by a CloudFront event: {has} Max allowed: {most} Function: {arn}"
            )));
        }
    }
    Ok(())
}

/// Makes the two service-linked roles of an account's first association, and marks the functions as replicated.
///
/// # Errors
/// Refuses a caller who may not make the roles.
pub fn ensure_sandbox_replication_roles(
    state: &mut SandboxState,
    ask: &SandboxCloudFrontApiCall<'_>,
    config: &XmlElement,
) -> Result<(), SandboxAwsError> {
    let arns = list_sandbox_config_function_arns(config);
    if arns.is_empty() {
        return Ok(());
    }
    for (service, name) in SERVICE_LINKED_ROLES {
        if state.iam.roles.contains_key(name) {
            continue;
        }
        let role = iam::build_service_linked_role(service, name, ask.clock.now);
        let context = ask
            .caller
            .build_caller_condition_context()
            .add_condition_key_value("iam:AWSServiceName", service);
        ask.caller.authorize_caller(
            state,
            SandboxService::CloudFront,
            "iam:CreateServiceLinkedRole",
            &role.arn,
            &context,
        )?;
        state.iam.roles.insert(name.to_owned(), role);
    }
    for arn in arns {
        lambda::mark_function_version_replicated(&mut state.lambda, &arn);
    }
    Ok(())
}
