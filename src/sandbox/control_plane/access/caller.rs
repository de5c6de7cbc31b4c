//! The caller of a request: a user or a role's session, held to his policies.

use bytes::Bytes;
use http::Request;

use super::{
    PolicyConditionContext, PolicyDecision, SandboxCallerPrincipalNames,
    identity::{SandboxIamIdentity, list_sandbox_identity_policies},
    limits::{self, SandboxPolicyEvaluation},
};
use crate::sandbox::{
    SandboxState,
    control_plane::{
        ACCOUNT_ID, REGION, SandboxAwsError, build_access_denied_error, format_sandbox_role_arn,
    },
    service::SandboxService,
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
    pub fn build_caller_principal_arn(&self) -> String {
        match &self.identity {
            SandboxIamIdentity::User(_) => self.arn.clone(),
            SandboxIamIdentity::Role(name) => format_sandbox_role_arn(name),
        }
    }

    /// Returns him as resource policies may name him.
    pub fn caller_to_policy_principal(&self) -> SandboxCallerPrincipalNames {
        SandboxCallerPrincipalNames::new_account_identity_principal(
            &self.build_caller_principal_arn(),
            &[&self.arn, &self.id],
        )
    }

    /// Returns what every request of his carries for conditions.
    pub fn build_caller_condition_context(&self) -> PolicyConditionContext {
        let context = PolicyConditionContext::default()
            .add_condition_key_value("aws:PrincipalArn", self.build_caller_principal_arn())
            .add_condition_key_value("aws:PrincipalAccount", ACCOUNT_ID)
            .add_condition_key_value("aws:RequestedRegion", REGION)
            .add_condition_key_value("aws:SecureTransport", "true")
            .add_condition_key_value("aws:userid", &self.id);
        match &self.identity {
            SandboxIamIdentity::User(name) => context.add_condition_key_value("aws:username", name),
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
    ) -> SandboxPolicyEvaluation {
        let own = list_sandbox_identity_policies(state, &self.identity);
        limits::evaluate_policies_within_guardrails(state, &self.identity, &own, (action, resource), context)
    }

    /// Holds him to his identity policies.
    ///
    /// # Errors
    /// Refuses as `service` does, where they don't allow it.
    pub fn authorize_caller(
        &self,
        state: &SandboxState,
        service: SandboxService,
        action: &str,
        resource: &str,
        context: &PolicyConditionContext,
    ) -> Result<(), SandboxAwsError> {
        let weighed = self.evaluate_caller_policies(state, action, resource, context);
        let by = weighed.denied_by;
        let why = match weighed.decision {
            PolicyDecision::Allow | PolicyDecision::Delegated => return Ok(()),
            PolicyDecision::ExplicitDeny => format!("with an explicit deny in {by}"),
            PolicyDecision::ImplicitDeny => {
                let kind = by.split_once(' ').map_or(by, |(_, kind)| kind);
                format!("because no {kind} allows the {action} action")
            }
        };
        let message = self.format_access_denial_message(action, resource, &why);
        Err(build_access_denied_error(service, message))
    }

    /// Writes AWS's message that he may not, and `why`.
    pub fn format_access_denial_message(&self, action: &str, resource: &str, why: &str) -> String {
        format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", self.arn)
    }
}

/// Adds a request's tags to what it carries for conditions.
pub fn add_request_tag_condition_keys<'a>(
    context: PolicyConditionContext,
    tags: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> PolicyConditionContext {
    tags.into_iter().fold(context, |context, (key, value)| {
        context
            .add_condition_key_value(&format!("aws:RequestTag/{key}"), value)
            .add_condition_key_value("aws:TagKeys", key)
    })
}

/// Returns who signed a request, as the router found it.
///
/// # Errors
/// Refuses what came round the router.
pub fn get_request_signed_caller(request: &Request<Bytes>) -> Result<SignedCaller, SandboxAwsError> {
    request.extensions().get::<SignedCaller>().cloned().ok_or_else(|| {
        SandboxAwsError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })
}
