//! SimulatePrincipalPolicy in its present form: one result an action, the resources' own decisions beneath.
//!
//! It sees identity policies, the boundary and the organization's policies, and gives fewer results than asked for,
//! with a Marker.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Ask, Outcome, element, no_such, policies_of, role, user_arn, weigh};
use crate::sandbox::control_plane::{
    Identity, Refusal,
    access::{self, Context, Decision},
};
use crate::sandbox::store::State;

/// AWS may give fewer than MaxItems: a caller that doesn't turn the page is found out.
const PAGE: usize = 20;

pub fn simulate(state: &State, ask: &Ask<'_>) -> Outcome {
    let source = ask.form.need("PolicySourceArn")?;
    let identity = identity_of(state, source)?;
    ask.may_plainly(state, source)?;
    let mut documents = policies_of(state, &identity);
    for extra in ask.form.members("PolicyInputList") {
        documents.push(
            serde_json::from_str(extra)
                .map_err(|_| Refusal::new(400, "InvalidInput", "Policy document is malformed"))?,
        );
    }
    let context = context(ask);
    let actions = ask.form.members("ActionNames");
    if let Some(odd) = actions.iter().find(|action| !action.contains(':')) {
        return Err(Refusal::new(400, "ValidationError", format!("Invalid Action: {odd}")));
    }
    let resources = ask.form.members("ResourceArns");
    let from: usize = ask
        .form
        .get("Marker")
        .map_or(Ok(0), str::parse)
        .map_err(|_| Refusal::new(400, "InvalidInput", "Invalid marker"))?;
    let most: usize = ask.form.get("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(100);
    let to = actions.len().min(from + most.min(PAGE));
    let results: String = actions
        .get(from..to)
        .unwrap_or_default()
        .iter()
        .map(|action| result(state, &identity, &documents, action, &resources, &context))
        .collect();
    let more = if to < actions.len() {
        format!("<IsTruncated>true</IsTruncated>{}", element("Marker", &to.to_string()))
    } else {
        "<IsTruncated>false</IsTruncated>".into()
    };
    Ok(Some(format!("<EvaluationResults>{results}</EvaluationResults>{more}")))
}

fn identity_of(state: &State, arn: &str) -> Result<Identity, Refusal> {
    if arn == user_arn(&state.iam) {
        return Ok(Identity::User(state.iam.user.name.clone()));
    }
    if let Some(role) = role(&state.iam, arn) {
        return Ok(Identity::Role(role.name.clone()));
    }
    if arn.starts_with("arn:aws:iam::") && (arn.contains(":role/") || arn.contains(":user/")) {
        return Err(no_such(&format!("The entity with ARN {arn} cannot be found.")));
    }
    Err(Refusal::new(
        400,
        "InvalidInput",
        format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."),
    ))
}

/// Only what the caller of the simulation says is known.
fn context(ask: &Ask<'_>) -> Context {
    let mut context = Context::default();
    for at in 1.. {
        let Some(key) = ask.form.get(&format!("ContextEntries.member.{at}.ContextKeyName")) else { break };
        for value in ask.form.members(&format!("ContextEntries.member.{at}.ContextKeyValues")) {
            context = context.with(key, value);
        }
    }
    context
}

fn result(
    state: &State,
    identity: &Identity,
    documents: &[Value],
    action: &str,
    resources: &[&str],
    context: &Context,
) -> String {
    let mut missing = BTreeSet::new();
    let bounded = state.iam.user.boundary.is_some();
    let within = |allowed: bool| {
        let allowed = element("AllowedByPermissionsBoundary", &allowed.to_string());
        format!("<PermissionsBoundaryDecisionDetail>{allowed}</PermissionsBoundaryDecisionDetail>")
    };
    let mut specific = String::new();
    let mut worst = Decision::Allow;
    let (mut organization, mut boundary) = (true, true);
    let asked: &[&str] = if resources.is_empty() { &["*"] } else { resources };
    for resource in asked {
        let weighed = weigh(state, identity, documents, (action, resource), context);
        let decision = weighed.decision;
        organization &= weighed.organization;
        boundary &= weighed.boundary;
        let lacking = access::missing_context(documents, action, resource, context);
        worst = worst.min(decision);
        if !resources.is_empty() {
            specific.extend([
                "<member>",
                &element("EvalResourceName", resource),
                &element("EvalResourceDecision", spelt(decision)),
                "<MatchedStatements/>",
                &names(&lacking),
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
        let allowed = element("AllowedByOrganizations", &organization.to_string());
        limits.push_str(&format!("<OrganizationsDecisionDetail>{allowed}</OrganizationsDecisionDetail>"));
    }
    if bounded {
        limits.push_str(&within(boundary));
    }
    let template = if resources.is_empty() || resources == ["*"] { "*" } else { template(action) };
    format!(
        "<member>{}{}{}<MatchedStatements/>{}{limits}<ResourceSpecificResults>{specific}</ResourceSpecificResults></member>",
        element("EvalActionName", action),
        element("EvalResourceName", template),
        element("EvalDecision", spelt(worst)),
        names(&missing)
    )
}

fn names(keys: &BTreeSet<String>) -> String {
    let members: String = keys.iter().map(|key| element("member", key)).collect();
    format!("<MissingContextValues>{members}</MissingContextValues>")
}

fn spelt(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow | Decision::Delegated => "allowed",
        Decision::ExplicitDeny => "explicitDeny",
        Decision::ImplicitDeny => "implicitDeny",
    }
}

/// The resource type that an action works on, as a template.
fn template(action: &str) -> &'static str {
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
