//! SimulatePrincipalPolicy in its present form: one result an action, the resources' own decisions beneath.
//!
//! It sees identity policies, the boundary and the organization's policies, and gives fewer results than asked for,
//! with a Marker.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    SandboxIamApiCall, SandboxIamResult, build_no_such_entity_error, find_sandbox_role,
    format_sandbox_user_arn, render_xml_element,
};
use crate::sandbox::SandboxState;
use crate::sandbox::control_plane::{
    SandboxAwsError, SandboxIamIdentity,
    access::{
        self, PolicyConditionContext, PolicyDecision, evaluate_policies_within_guardrails,
        list_sandbox_identity_policies,
    },
};

/// AWS may give fewer than MaxItems: a caller that doesn't turn the page is found out.
const RESULTS_PAGE_MAX: usize = 20;

/// Answers SimulatePrincipalPolicy.
///
/// # Errors
/// Refuses as IAM does.
pub fn handle_simulate_principal_policy(
    state: &SandboxState,
    ask: &SandboxIamApiCall<'_>,
) -> SandboxIamResult {
    let source = ask.form.require_form_field("PolicySourceArn")?;
    let identity = find_sandbox_iam_identity(state, source)?;
    ask.authorize_iam_action(state, source)?;
    let mut documents = list_sandbox_identity_policies(state, &identity);
    for extra in ask.form.list_aws_query_members("PolicyInputList") {
        documents.push(
            serde_json::from_str(extra)
                .map_err(|_| SandboxAwsError::new(400, "InvalidInput", "Policy document is malformed"))?,
        );
    }
    let context = parse_simulation_context(ask);
    let actions = ask.form.list_aws_query_members("ActionNames");
    if let Some(odd) = actions.iter().find(|action| !action.contains(':')) {
        return Err(SandboxAwsError::new(400, "ValidationError", format!("Invalid Action: {odd}")));
    }
    let resources = ask.form.list_aws_query_members("ResourceArns");
    let from: usize = ask
        .form
        .find_form_field("Marker")
        .map_or(Ok(0), str::parse)
        .map_err(|_| SandboxAwsError::new(400, "InvalidInput", "Invalid marker"))?;
    let most: usize = ask.form.find_form_field("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
    let to = actions.len().min(from + most.min(RESULTS_PAGE_MAX));
    let results: String = actions
        .get(from..to)
        .unwrap_or_default()
        .iter()
        .map(|action| {
            render_policy_simulation_result(state, &identity, &documents, action, &resources, &context)
        })
        .collect();
    let more = if to < actions.len() {
        format!("<IsTruncated>true</IsTruncated>{}", render_xml_element("Marker", &to.to_string()))
    } else {
        "<IsTruncated>false</IsTruncated>".into()
    };
    Ok(Some(format!("<EvaluationResults>{results}</EvaluationResults>{more}")))
}

fn find_sandbox_iam_identity(state: &SandboxState, arn: &str) -> Result<SandboxIamIdentity, SandboxAwsError> {
    if arn == format_sandbox_user_arn(&state.iam) {
        return Ok(SandboxIamIdentity::User(state.iam.user.name.clone()));
    }
    if let Some(role) = find_sandbox_role(&state.iam, arn) {
        return Ok(SandboxIamIdentity::Role(role.name.clone()));
    }
    if arn.starts_with("arn:aws:iam::") && (arn.contains(":role/") || arn.contains(":user/")) {
        return Err(build_no_such_entity_error(&format!("The entity with ARN {arn} cannot be found.")));
    }
    Err(SandboxAwsError::new(
        400,
        "InvalidInput",
        format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."),
    ))
}

/// Only what the caller of the simulation says is known.
fn parse_simulation_context(ask: &SandboxIamApiCall<'_>) -> PolicyConditionContext {
    let mut context = PolicyConditionContext::default();
    for at in 1.. {
        let Some(key) = ask.form.find_form_field(&format!("ContextEntries.member.{at}.ContextKeyName"))
        else {
            break;
        };
        for value in ask.form.list_aws_query_members(&format!("ContextEntries.member.{at}.ContextKeyValues"))
        {
            context = context.add_condition_key_value(key, value);
        }
    }
    context
}

fn render_policy_simulation_result(
    state: &SandboxState,
    identity: &SandboxIamIdentity,
    documents: &[Value],
    action: &str,
    resources: &[&str],
    context: &PolicyConditionContext,
) -> String {
    let mut missing = BTreeSet::new();
    let bounded = state.iam.user.boundary.is_some();
    let within = |allowed: bool| {
        let allowed = render_xml_element("AllowedByPermissionsBoundary", &allowed.to_string());
        format!("<PermissionsBoundaryDecisionDetail>{allowed}</PermissionsBoundaryDecisionDetail>")
    };
    let mut specific = String::new();
    let mut worst = PolicyDecision::Allow;
    let (mut organization, mut boundary) = (true, true);
    let asked: &[&str] = if resources.is_empty() { &["*"] } else { resources };
    for resource in asked {
        let weighed =
            evaluate_policies_within_guardrails(state, identity, documents, (action, resource), context);
        let decision = weighed.decision;
        organization &= weighed.organization;
        boundary &= weighed.boundary;
        let lacking = access::find_missing_context_keys(documents, action, resource, context);
        worst = worst.min(decision);
        if !resources.is_empty() {
            specific.extend([
                "<member>",
                &render_xml_element("EvalResourceName", resource),
                &render_xml_element("EvalResourceDecision", format_simulated_decision(decision)),
                "<MatchedStatements/>",
                &render_missing_context_keys(&lacking),
            ]);
            if bounded {
                specific.push_str(&within(weighed.boundary));
            }
            specific.push_str("</member>");
        }
        missing.extend(lacking);
    }
    let mut limits = String::new();
    if !state.iam.organization.is_empty() {
        let allowed = render_xml_element("AllowedByOrganizations", &organization.to_string());
        limits.push_str(&format!("<OrganizationsDecisionDetail>{allowed}</OrganizationsDecisionDetail>"));
    }
    if bounded {
        limits.push_str(&within(boundary));
    }
    let template =
        if resources.is_empty() || resources == ["*"] { "*" } else { find_action_resource_template(action) };
    format!(
        "<member>{}{}{}<MatchedStatements/>{}{limits}<ResourceSpecificResults>{specific}</ResourceSpecificResults></member>",
        render_xml_element("EvalActionName", action),
        render_xml_element("EvalResourceName", template),
        render_xml_element("EvalDecision", format_simulated_decision(worst)),
        render_missing_context_keys(&missing)
    )
}

fn render_missing_context_keys(keys: &BTreeSet<String>) -> String {
    let members: String = keys.iter().map(|key| render_xml_element("member", key)).collect();
    format!("<MissingContextValues>{members}</MissingContextValues>")
}

fn format_simulated_decision(decision: PolicyDecision) -> &'static str {
    match decision {
        PolicyDecision::Allow | PolicyDecision::Delegated => "allowed",
        PolicyDecision::ExplicitDeny => "explicitDeny",
        PolicyDecision::ImplicitDeny => "implicitDeny",
    }
}

/// The resource type that an action works on, as a template.
fn find_action_resource_template(action: &str) -> &'static str {
    let (service, name) = action.split_once(':').unwrap_or(("", action));
    match service {
        "s3" if name.contains("Object") || name.contains("Multipart") => {
            "arn:${Partition}:s3:::${BucketName}/${KeyName}"
        }
        "s3" if name.contains("Bucket") => "arn:${Partition}:s3:::${BucketName}",
        "iam" if name.contains("Role") => "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}",
        "kms" if name.contains("Alias") => "arn:${Partition}:kms:${Region}:${Account}:alias/${Alias}",
        "kms" if !name.starts_with("List") && name != "CreateKey" => {
            "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"
        }
        "lambda" => "arn:${Partition}:lambda:${Region}:${Account}:function:${FunctionName}",
        "cloudfront" if name.contains("Distribution") => {
            "arn:${Partition}:cloudfront::${Account}:distribution/${DistributionId}"
        }
        _ => "*",
    }
}
