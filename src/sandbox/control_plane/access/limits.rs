//! What holds an identity back beside its own policies: the organization's service control policies, and a boundary.
//!
//! Neither grants anything; an action needs all three.

use serde_json::Value;

use super::{
    PolicyConditionContext, PolicyDecision, evaluate_identity_policies, identity::SandboxIamIdentity,
};
use crate::sandbox::SandboxState;

/// What all of an identity's policies say together, and whether the two limits allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxPolicyEvaluation {
    pub decision: PolicyDecision,
    pub organization: bool,
    pub boundary: bool,
    /// Which kind of policy denies, where one does explicitly.
    pub denied_by: &'static str,
}

/// Weighs `documents`, the identity's own policies, within the limits.
pub fn evaluate_policies_within_guardrails(
    state: &SandboxState,
    identity: &SandboxIamIdentity,
    documents: &[Value],
    (action, resource): (&str, &str),
    context: &PolicyConditionContext,
) -> SandboxPolicyEvaluation {
    let ask = |documents: &[Value]| evaluate_identity_policies(documents, action, resource, context);
    let own = ask(documents);
    let limit = |policies: &[Value]| if policies.is_empty() { PolicyDecision::Allow } else { ask(policies) };
    let organization = limit(&state.iam.organization);
    let boundary = match identity {
        SandboxIamIdentity::User(_) => limit(state.iam.user.boundary.as_slice()),
        SandboxIamIdentity::Role(_) => PolicyDecision::Allow,
    };
    let all = [
        (organization, "a service control policy"),
        (boundary, "a permissions boundary"),
        (own, "an identity-based policy"),
    ];
    let denied_by = all
        .iter()
        .find(|(decision, _)| *decision == PolicyDecision::ExplicitDeny)
        .or_else(|| all.iter().find(|(decision, _)| *decision == PolicyDecision::ImplicitDeny))
        .map_or("", |(_, kind)| kind);
    SandboxPolicyEvaluation {
        decision: own.min(organization).min(boundary),
        organization: organization == PolicyDecision::Allow,
        boundary: boundary == PolicyDecision::Allow,
        denied_by,
    }
}
