//! Which AWS identities there are, in the order of contract section 4, each with how it was found; and the configuration of one.
//!
//! A key that was typed or read from packagecloud.rb stays a `Secret`: it reaches the SDK's provider and nothing else.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    meta::region::RegionProviderChain, provider_config::ProviderConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::{profiles, shared::SharedCredentials};
use crate::model::{
    aws::names::EDGE_REGION,
    failure::{Failure, FailureKind},
    secret::Secret,
};

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    Profile(String),
    /// Of a profile whose role wants the code of a device: the session that a code gave.
    Session {
        profile: String,
        keys: AccessKeys,
    },
    /// Typed by the operator.
    Typed(AccessKeys),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// packagecloud.rb's `aws_access_key` and `aws_secret_key`.
    Packagecloud(AccessKeys),
    /// The rest of AWS's chain: default profile, web identity, container, instance.
    Chain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeys {
    pub access: String,
    pub secret: Secret,
    pub session: Option<Secret>,
}

impl AccessKeys {
    /// For one client's provider: they stay as they are for as long as it lives.
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

/// What is known where candidates are looked for.
#[derive(Debug, Clone, Default)]
pub struct CredentialHints {
    /// `--profile`.
    pub profile: Option<String>,
    pub typed: Option<AccessKeys>,
    /// The profile that the last run used.
    pub last_profile: Option<String>,
    pub packagecloud: Option<AccessKeys>,
}

/// The candidates, the first that is given first.
#[must_use]
pub fn find_credential_candidates(known: &CredentialHints) -> Vec<CredentialCandidate> {
    order_credential_candidates(known, |name| std::env::var(name).ok())
}

fn order_credential_candidates(
    known: &CredentialHints,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<CredentialCandidate> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut all: Vec<CredentialCandidate> = Vec::new();
    let mut add = |source: CredentialSource, found: String| {
        if !all.iter().any(|one| one.source == source) {
            all.push(CredentialCandidate { source, found });
        }
    };
    if let Some(name) = &known.profile {
        add(CredentialSource::Profile(name.clone()), format!("profile {name}, by --profile"));
    }
    if let Some(keys) = &known.typed {
        add(CredentialSource::Typed(keys.clone()), format!("access key {}, typed", keys.access));
    }
    if set("AWS_ACCESS_KEY_ID").is_some() && set("AWS_SECRET_ACCESS_KEY").is_some() {
        add(CredentialSource::Environment, "AWS_ACCESS_KEY_ID in the environment".to_owned());
    }
    if let Some(name) = set("AWS_PROFILE") {
        let found = format!("profile {name}, by AWS_PROFILE in the environment");
        add(CredentialSource::Profile(name), found);
    }
    if let Some(name) = &known.last_profile {
        add(CredentialSource::Profile(name.clone()), format!("profile {name}, as in the last run"));
    }
    if let Some(keys) = &known.packagecloud {
        add(
            CredentialSource::Packagecloud(keys.clone()),
            format!("access key {} in packagecloud.rb", keys.access),
        );
    }
    let chain = "AWS's own search: default profile, web identity, container or instance role";
    add(CredentialSource::Chain, chain.to_owned());
    all
}

/// The configuration for one candidate, and the credentials that its clients hold. Whether they are good shows `Cloud::caller`.
pub async fn load_sdk_config(
    client: &SharedHttpClient,
    candidate: &CredentialCandidate,
    region: Option<&str>,
    endpoint_url: Option<&str>,
) -> Result<(SdkConfig, SharedCredentials), Failure> {
    let given = region.map(|name| Region::new(name.to_owned()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_mins(1))
                .build(),
        );
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader = match &candidate.source {
        CredentialSource::Profile(name) => {
            let known = profiles::read_profile_names();
            if !known.contains(name) {
                let next = if known.is_empty() {
                    "make it with `aws configure --profile NAME`, or give keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
                } else {
                    format!("choose one of {}", known.join(", "))
                };
                return Err(Failure::new(
                    FailureKind::Credentials,
                    format!("profile {name}"),
                    "AWS's configuration files have no such profile",
                    next,
                ));
            }
            // What a profile's credentials are fetched from, STS and SSO, is reached as everything else is.
            let reached = ProviderConfig::without_region()
                .with_http_client(client.clone())
                .with_region(Some(given.clone().unwrap_or(Region::new(EDGE_REGION))));
            let provider = aws_config::profile::ProfileFileCredentialsProvider::builder()
                .configure(&reached)
                .profile_name(name)
                .build();
            loader.profile_name(name).credentials_provider(provider)
        }
        CredentialSource::Typed(keys)
        | CredentialSource::Packagecloud(keys)
        | CredentialSource::Session { keys, .. } => loader.credentials_provider(keys.to_sdk_credentials()),
        CredentialSource::Environment => {
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new())
        }
        CredentialSource::Chain => loader,
    };
    let regions =
        RegionProviderChain::first_try(given).or_default_provider().or_else(Region::new(EDGE_REGION));
    let held = SharedCredentials::from_candidate(candidate);
    Ok((held.load_config(loader.region(regions)).await, held))
}

/// The failure with the profile's own name in the command to type.
#[must_use]
pub fn insert_profile_name(failure: Failure, candidate: &CredentialCandidate) -> Failure {
    match &candidate.source {
        CredentialSource::Profile(name) | CredentialSource::Session { profile: name, .. } => {
            Failure { next: failure.next.replace("--profile NAME", &format!("--profile {name}")), ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_access_keys(access: &str) -> AccessKeys {
        AccessKeys { access: access.into(), secret: Secret::new("s3cret"), session: None }
    }

    #[test]
    fn candidates_come_in_the_order_of_the_contract_each_once() {
        let known = CredentialHints {
            profile: Some("work".into()),
            typed: Some(test_access_keys("AKTYPED")),
            last_profile: Some("work".into()),
            packagecloud: Some(test_access_keys("AKPC")),
        };
        let environment = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
            "AWS_PROFILE" => Some("other".to_owned()),
            _ => None,
        };
        let all = order_credential_candidates(&known, environment);
        let found: Vec<&str> = all.iter().map(|one| one.found.as_str()).collect();
        assert_eq!(
            found,
            [
                "profile work, by --profile",
                "access key AKTYPED, typed",
                "AWS_ACCESS_KEY_ID in the environment",
                "profile other, by AWS_PROFILE in the environment",
                "access key AKPC in packagecloud.rb",
                "AWS's own search: default profile, web identity, container or instance role",
            ]
        );
        assert!(!format!("{all:?}").contains("s3cret"));
        let half = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "x".to_owned());
        assert_eq!(
            order_credential_candidates(&CredentialHints::default(), half).len(),
            1,
            "a key without its secret is none"
        );
    }
}
