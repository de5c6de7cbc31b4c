//! Where credentials come from, and the keys that were given.
//!
//! A key that was typed or read from packagecloud.rb stays a `Secret`: it reaches the SDK's provider and nothing else.

use aws_credential_types::Credentials;

use crate::model::{failure::Failure, secret::Secret};

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    Profile(String),
    /// Of a profile whose role wants the code of a device: the session that a code gave.
    Session {
        profile: String,
        keys: AwsAccessKeys,
    },
    /// Typed by the operator.
    Typed(AwsAccessKeys),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// packagecloud.rb's `aws_access_key` and `aws_secret_key`.
    Packagecloud(AwsAccessKeys),
    /// The rest of AWS's chain: default profile, web identity, container, instance.
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsAccessKeys {
    pub access: String,
    pub secret: Secret,
    pub session: Option<Secret>,
}

impl AwsAccessKeys {
    /// Returns the keys for one client's provider: they stay as they are for as long as it lives.
    pub fn to_sdk_credentials(&self) -> Credentials {
        let session = self.session.as_ref().map(|token| token.expose_secret().to_owned());
        Credentials::new(&self.access, self.secret.expose_secret(), session, None, "packagecloud-cloudfront")
    }
}

/// One identity that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialCandidate {
    pub source: CredentialSource,
    /// How it was found: `profile work`, `AWS_ACCESS_KEY_ID in the environment`.
    pub found: String,
}

impl CredentialCandidate {
    /// Returns the one identity of a sandbox.
    #[must_use]
    pub fn new_sandbox_user_candidate() -> Self {
        Self { source: CredentialSource::Environment, found: "the sandbox's one user".to_owned() }
    }
}

/// Puts the profile's own name into the command that a failure says.
#[must_use]
pub fn insert_profile_into_failure(failure: Failure, candidate: &CredentialCandidate) -> Failure {
    match &candidate.source {
        CredentialSource::Profile(name) | CredentialSource::Session { profile: name, .. } => {
            Failure { next: failure.next.replace("--profile NAME", &format!("--profile {name}")), ..failure }
        }
        _ => failure,
    }
}
