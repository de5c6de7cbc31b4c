//! Which functions may stand at a distribution's edge, and in what words the others are refused.
//!
//! The checks are CloudFront's own: a numbered, active version, a role that the edge may assume, nothing that a replica lacks,
//! and a caller who may replicate it.

use super::{Ask, Node, Refusal, config, iam, lambda, store};

/// What a replica may have at most, viewer and origin triggered alike.
const CODE_MOST: u64 = 50 * 1024 * 1024;
const TIMEOUT_MOST: u64 = 30;
const SERVICE_LINKED: [(&str, &str); 2] = [
    ("replicator.lambda.amazonaws.com", "AWSServiceRoleForLambdaReplicator"),
    ("logger.cloudfront.amazonaws.com", "AWSServiceRoleForCloudFrontLogger"),
];

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidLambdaFunctionAssociation", message)
}

/// Every function version that a configuration names.
pub fn functions(config: &Node) -> Vec<String> {
    let mut arns: Vec<String> = config::behaviors(config)
        .into_iter()
        .flat_map(|behavior| behavior.items("LambdaFunctionAssociations"))
        .filter_map(|association| association.text_at("LambdaFunctionARN").map(ToOwned::to_owned))
        .collect();
    arns.sort();
    arns.dedup();
    arns
}

/// # Errors
/// AWS's refusal of a function at the edge.
pub fn check(state: &store::State, ask: &Ask<'_>, config: &Node) -> Result<(), Refusal> {
    for behavior in config::behaviors(config) {
        let mut events: Vec<&str> = Vec::new();
        for association in behavior.items("LambdaFunctionAssociations") {
            let event = association.text_at("EventType").unwrap_or_default();
            if !["viewer-request", "viewer-response", "origin-request", "origin-response"].contains(&event) {
                return Err(invalid(format!("The event type {event} is not valid.")));
            }
            if events.contains(&event) {
                return Err(invalid(format!(
                    "Only one Lambda function can be associated with the event type {event}."
                )));
            }
            events.push(event);
        }
    }
    functions(config).iter().try_for_each(|arn| check_function(state, ask, arn))
}

fn check_function(state: &store::State, ask: &Ask<'_>, arn: &str) -> Result<(), Refusal> {
    let region = arn.split(':').nth(3).unwrap_or_default();
    if region != crate::sandbox::control_plane::REGION {
        return Err(invalid(format!("The function must be in region 'us-east-1'. ARN: {arn}")));
    }
    let numbered = arn.split(':').nth(7).is_some_and(|version| version.parse::<u64>().is_ok());
    if !numbered {
        return Err(invalid(format!(
            "The function ARN must reference a specific function version. (The ARN must end with the version number.) ARN: {arn}"
        )));
    }
    for action in ["lambda:GetFunction", "lambda:EnableReplication*"] {
        if ask.caller.may(state, action, arn, &ask.caller.context()).is_err() {
            return Err(invalid(if action == "lambda:GetFunction" {
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
    let version = lambda::version(&state.lambda, arn)
        .ok_or_else(|| invalid(format!("The specified Lambda function does not exist. Function: {arn}")))?;
    if !version.active(ask.clock) {
        return Err(invalid(format!(
            "The function must be in an Active state. The current state for function {arn} is Pending"
        )));
    }
    let function = &version.configuration;
    for service in ["lambda.amazonaws.com", "edgelambda.amazonaws.com"] {
        if !iam::assumable(&state.iam, ask.clock, &function.role, service) {
            return Err(invalid(format!(
                "The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: {}",
                function.role
            )));
        }
    }
    let forbidden = [
        (!function.environment.is_empty(), "The function cannot have environment variables."),
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
        return Err(invalid(format!("{why} Function: {arn}")));
    }
    for (what, has, most) in
        [("code size", function.size, CODE_MOST), ("timeout", function.timeout, TIMEOUT_MOST)]
    {
        if has > most {
            return Err(invalid(format!(
                "The function {what} is larger than the maximum allowed size for functions that are triggered by a CloudFront event: {has} Max allowed: {most} Function: {arn}"
            )));
        }
    }
    Ok(())
}

/// The first association of an account makes two service-linked roles, where the caller may.
///
/// # Errors
/// Where he may not.
pub fn link(state: &mut store::State, ask: &Ask<'_>, config: &Node) -> Result<(), Refusal> {
    let arns = functions(config);
    if arns.is_empty() {
        return Ok(());
    }
    for (service, name) in SERVICE_LINKED {
        if state.iam.roles.contains_key(name) {
            continue;
        }
        let role = iam::service_linked(service, name, ask.clock.now);
        let context = ask.caller.context().with("iam:AWSServiceName", service);
        ask.caller
            .may(state, "iam:CreateServiceLinkedRole", &role.arn, &context)
            .map_err(|message| super::access_denied("cloudfront", message))?;
        state.iam.roles.insert(name.to_owned(), role);
    }
    for arn in arns {
        lambda::replicate(&mut state.lambda, &arn);
    }
    Ok(())
}
