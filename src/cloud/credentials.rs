//! Which AWS identities there are, in the order of contract section 4, each with how it was found; and the configuration of one.
//!
//! A key that was typed or read from packagecloud.rb stays a `Secret`: it reaches the SDK's provider and nothing else.

use aws_config::SdkConfig;

use crate::model::{failure::Failure, secret::Secret};

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Profile(String),
    /// Typed by the operator.
    Typed(Keys),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// packagecloud.rb's `aws_access_key` and `aws_secret_key`.
    Packagecloud(Keys),
    /// The rest of AWS's chain: default profile, web identity, container, instance.
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub access: String,
    pub secret: Secret,
    pub session: Option<Secret>,
}

/// One identity that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub source: Source,
    /// How it was found: `profile work`, `AWS_ACCESS_KEY_ID in the environment`.
    pub found: String,
}

/// What is known where candidates are looked for.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub profile: Option<String>,
    pub typed: Option<Keys>,
    /// The profile that the last run used.
    pub last_profile: Option<String>,
    pub packagecloud: Option<Keys>,
}

/// The candidates, the first that is given first.
#[must_use]
pub fn candidates(known: &Known) -> Vec<Candidate> {
    todo!()
}

/// The names of the profiles in AWS's configuration files, sorted.
#[must_use]
pub fn profiles() -> Vec<String> {
    todo!()
}

/// The configuration for one candidate.
pub async fn load(
    candidate: &Candidate,
    region: Option<&str>,
    endpoint_url: Option<&str>,
) -> Result<SdkConfig, Failure> {
    todo!()
}
