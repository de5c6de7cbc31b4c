//! The identities of IAM: the user and the roles, with the policies that speak for them.

use serde_json::Value;

use crate::sandbox::SandboxState;

/// What of IAM's a caller is, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxIamIdentity {
    User(String),
    Role(String),
}

/// Returns the policies that speak for an identity: its own, which the limits hold back.
pub fn list_sandbox_identity_policies(state: &SandboxState, identity: &SandboxIamIdentity) -> Vec<Value> {
    match identity {
        SandboxIamIdentity::User(_) => vec![state.iam.user.policy.clone()],
        SandboxIamIdentity::Role(name) => state
            .iam
            .roles
            .get(name)
            .into_iter()
            .flat_map(|role| role.policies.values())
            .filter_map(|document| serde_json::from_str(document).ok())
            .collect(),
    }
}
