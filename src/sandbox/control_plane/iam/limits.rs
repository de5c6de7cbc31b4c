//! What holds an identity back beside its own policies: the organization's service control policies, and a boundary.
//!
//! Neither grants anything; an action needs all three.

use serde_json::Value;

use crate::sandbox::control_plane::{
    Identity,
    access::{self, Context, Decision},
};
use crate::sandbox::store;

/// What all of an identity's policies say together, and whether the two limits allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    pub decision: Decision,
    pub organization: bool,
    pub boundary: bool,
    /// Which kind of policy denies, where one does explicitly.
    pub denied_by: &'static str,
}

/// Weighs `documents`, the identity's own policies, within the limits.
pub fn weigh(
    state: &store::State,
    identity: &Identity,
    documents: &[Value],
    (action, resource): (&str, &str),
    context: &Context,
) -> Weighed {
    let ask = |documents: &[Value]| access::identity_allows(documents, action, resource, context);
    let own = ask(documents);
    let limit = |policies: &[Value]| if policies.is_empty() { Decision::Allow } else { ask(policies) };
    let organization = limit(&state.iam.organization);
    let boundary = match identity {
        Identity::User(_) => limit(state.iam.user.boundary.as_slice()),
        Identity::Role(_) => Decision::Allow,
    };
    let all = [
        (organization, "a service control policy"),
        (boundary, "a permissions boundary"),
        (own, "an identity-based policy"),
    ];
    let denied_by = all
        .iter()
        .find(|(decision, _)| *decision == Decision::ExplicitDeny)
        .or_else(|| all.iter().find(|(decision, _)| *decision == Decision::ImplicitDeny))
        .map_or("", |(_, kind)| kind);
    Weighed {
        decision: own.min(organization).min(boundary),
        organization: organization == Decision::Allow,
        boundary: boundary == Decision::Allow,
        denied_by,
    }
}
