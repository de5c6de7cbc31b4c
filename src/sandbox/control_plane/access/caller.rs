//! The caller of a request: a user or a role's session, held to his policies.

use bytes::Bytes;
use http::Request;

use super::{
    PolicyConditionContext, PolicyDecision, PolicyPrincipal,
    identity::{SandboxIamIdentity, list_identity_policies},
    limits::{self, PolicyEvaluation},
};
use crate::sandbox::{
    SandboxState,
    control_plane::{ACCOUNT_ID, REGION, SandboxAwsError, sandbox_role_arn},
};

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCaller {
    /// As STS says it: a user, or an assumed role's session.
    pub arn: String,
    pub id: String,
    pub identity: SandboxIamIdentity,
}

impl SignedCaller {
    /// Returns the ARN that policies know him by.
    pub fn principal_arn(&self) -> String {
        match &self.identity {
            SandboxIamIdentity::User(_) => self.arn.clone(),
            SandboxIamIdentity::Role(name) => sandbox_role_arn(name),
        }
    }

    /// Returns him as resource policies may name him.
    pub fn to_principal(&self) -> PolicyPrincipal {
        PolicyPrincipal::for_account_identity(&self.principal_arn(), &[&self.arn, &self.id])
    }

    /// Returns what every request of his carries for conditions.
    pub fn caller_condition_context(&self) -> PolicyConditionContext {
        let context = PolicyConditionContext::default()
            .with_condition_key("aws:PrincipalArn", self.principal_arn())
            .with_condition_key("aws:PrincipalAccount", ACCOUNT_ID)
            .with_condition_key("aws:RequestedRegion", REGION)
            .with_condition_key("aws:SecureTransport", "true")
            .with_condition_key("aws:userid", &self.id);
        match &self.identity {
            SandboxIamIdentity::User(name) => context.with_condition_key("aws:username", name),
            SandboxIamIdentity::Role(_) => context,
        }
    }

    /// Weighs his identity policies, within what his boundary and the organization allow.
    pub fn decide_identity_access(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> PolicyDecision {
        self.evaluate_caller_policies(state, action, resource, context).decision
    }

    fn evaluate_caller_policies(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> PolicyEvaluation {
        let own = list_identity_policies(state, &self.identity);
        limits::evaluate_policies_with_limits(state, &self.identity, &own, (action, resource), context)
    }

    /// Holds him to his identity policies.
    ///
    /// # Errors
    /// Gives AWS's message, where they don't allow it.
    pub fn authorize_caller(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), String> {
        let weighed = self.evaluate_caller_policies(state, action, resource, context);
        let by = weighed.denied_by;
        match weighed.decision {
            PolicyDecision::Allow | PolicyDecision::Delegated => Ok(()),
            PolicyDecision::ExplicitDeny => {
                Err(self.access_denial_message(action, resource, &format!("with an explicit deny in {by}")))
            }
            PolicyDecision::ImplicitDeny => {
                let kind = by.split_once(' ').map_or(by, |(_, kind)| kind);
                Err(self.access_denial_message(
                    action,
                    resource,
                    &format!("because no {kind} allows the {action} action"),
                ))
            }
        }
    }

    /// Writes AWS's message that he may not, and `why`.
    pub fn access_denial_message(&self, action: &str, resource: &str, why: &str) -> String {
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", self.arn)
    }
}

/// Adds a request's tags to what it carries for conditions.
pub fn add_request_tags<'a>(
    context: PolicyConditionContext,
    tags: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> PolicyConditionContext {
    tags.into_iter().fold(context, |context, (key, value)| {
        context
            .with_condition_key(&format!("aws:RequestTag/{key}"), value)
            .with_condition_key("aws:TagKeys", key)
    })
}

/// Returns who signed a request, as the router found it.
///
/// # Errors
/// Refuses what came round the router.
pub fn request_signed_caller(request: &Request<Bytes>) -> Result<SignedCaller, SandboxAwsError> {
    request.extensions().get::<SignedCaller>().cloned().ok_or_else(|| {
        SandboxAwsError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })
}
