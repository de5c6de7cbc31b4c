//! Connects to AWS by one identity: with the real credentials of a candidate, or as the one user of a sandbox.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    imds::region::ImdsRegionProvider,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
    retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::{
    chain::find_profile_in_environment,
    profiles::{AwsConfigFiles, DEFAULT_PROFILE, name_for_sdk},
    shared::SharedCredentials,
    source::{CredentialCandidate, CredentialSource, check_credential_source_keys},
};
use crate::aws::{AwsClients, network, web::WebClient};
use crate::model::{
    aws::names::EDGE_REGION,
    failure::{Failure, FailureKind},
};

/// How long one attempt of a call to AWS may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a call to AWS is sent at most, the first time among them.
const ATTEMPTS_MAX: u32 = 5;

/// How the AWS identity is found.
#[derive(Clone)]
pub enum FixedOrDiscoveredAwsIdentity {
    /// There is one: a sandbox's.
    Fixed(Box<SdkConfig>),
    /// As contract section 4 orders them; asked for over this client.
    Found(SharedHttpClient),
}

impl FixedOrDiscoveredAwsIdentity {
    /// Opens a client for requests that AWS doesn't sign, over the same network; `edge` is `--edge-url`.
    #[must_use]
    pub fn build_unsigned_http_client(&self, edge: Option<String>) -> WebClient {
        match self {
            Self::Fixed(config) => WebClient::from_sdk_config(config, edge),
            Self::Found(client) => WebClient::new(client.clone(), SharedTimeSource::default(), edge),
        }
    }

    /// Connects by a candidate's credentials. Whether they are good is told by the first call.
    ///
    /// # Errors
    /// Where keys or AWS's configuration files hold what can't be used, the files have no such profile, or a sandbox is
    /// asked for one.
    pub async fn connect_aws_clients(
        &self,
        candidate: &CredentialCandidate,
        region: Option<&str>,
        endpoint_url: Option<&str>,
    ) -> Result<AwsClients, Failure> {
        check_credential_source_keys(&candidate.source)?;
        match self {
            Self::Fixed(config) => {
                Ok(AwsClients::new_sandbox_clients(&sandbox_config_for_identity(config, &candidate.source)?))
            }
            Self::Found(client) => {
                let (config, held) =
                    load_candidate_sdk_config(client, candidate, region, endpoint_url).await?;
                Ok(AwsClients::new(&config, None).clone_with_shared_credentials(held))
            }
        }
    }
}

/// Returns the sandbox as another identity: it judges keys that are typed, and knows nobody else's.
fn sandbox_config_for_identity(config: &SdkConfig, source: &CredentialSource) -> Result<SdkConfig, Failure> {
    match source {
        CredentialSource::Typed(keys)
        | CredentialSource::Packagecloud(keys)
        | CredentialSource::Session { keys, .. } => {
            let keys = SharedCredentialsProvider::new(keys.to_sdk_credentials());
            Ok(config.to_builder().credentials_provider(keys).build())
        }
        CredentialSource::Profile(name) => Err(Failure::new(
            FailureKind::Credentials,
            format!("profile {name}"),
            "a sandbox reads no profiles: it has one user, and no real credentials come near it",
            "choose the sandbox's one user",
        )),
        CredentialSource::Environment | CredentialSource::Chain => Ok(config.clone()),
    }
}

/// Loads the configuration for one candidate, and the credentials that its clients hold.
async fn load_candidate_sdk_config(
    client: &SharedHttpClient,
    candidate: &CredentialCandidate,
    region: Option<&str>,
    endpoint_url: Option<&str>,
) -> Result<(SdkConfig, SharedCredentials), Failure> {
    let given = region.map(|name| Region::new(name.to_owned()));
    let (profile, files) = read_profile_of_candidate(&candidate.source)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(network::CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        );
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader = match &candidate.source {
        CredentialSource::Profile(_) => {
            let provider = build_profile_credentials_provider(client, &profile, &files, given.clone());
            loader.credentials_provider(provider)
        }
        CredentialSource::Typed(keys)
        | CredentialSource::Packagecloud(keys)
        | CredentialSource::Session { keys, .. } => loader.credentials_provider(keys.to_sdk_credentials()),
        CredentialSource::Environment => {
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new())
        }
        CredentialSource::Chain => loader,
    };
    // An instance's metadata service speaks plain HTTP and is reached by no proxy.
    let metadata = ProviderConfig::without_region().with_http_client(Builder::new().build_http());
    let of_profile =
        ProfileFileRegionProvider::builder().profile_name(&profile).profile_files(files.clone()).build();
    let loader = loader.profile_name(profile).profile_files(files);
    let regions = RegionProviderChain::first_try(given)
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile)
        .or_else(ImdsRegionProvider::builder().configure(&metadata).build())
        .or_else(Region::new(EDGE_REGION));
    let held = SharedCredentials::from_credential_candidate(candidate);
    Ok((held.load_config_with_swappable_credentials(loader.region(regions)).await, held))
}

/// Returns the profile by which a candidate's settings are found, and AWS's files, both as the SDK takes them.
///
/// # Errors
/// Where they can't be read, or the profile can't be used, and the credentials come from it.
fn read_profile_of_candidate(source: &CredentialSource) -> Result<(String, EnvConfigFiles), Failure> {
    let files = match (AwsConfigFiles::read_aws_config_files(), source) {
        (Ok(files), _) => files,
        (Err(failure), CredentialSource::Profile(_) | CredentialSource::Chain) => return Err(failure),
        // Keys that were given need none of them.
        (Err(_), _) => AwsConfigFiles::default(),
    };
    let profile = match source {
        CredentialSource::Profile(name) => {
            files.check_profile_can_be_used(name)?;
            name.clone()
        }
        CredentialSource::Session { profile, .. } => profile.clone(),
        CredentialSource::Chain => DEFAULT_PROFILE.to_owned(),
        CredentialSource::Typed(_) | CredentialSource::Environment | CredentialSource::Packagecloud(_) => {
            find_profile_in_environment().unwrap_or_else(|| DEFAULT_PROFILE.to_owned())
        }
    };
    let text = files.render_config_for_sdk();
    let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, text).build();
    Ok((name_for_sdk(&profile), files))
}

/// Builds the provider of a profile.
fn build_profile_credentials_provider(
    client: &SharedHttpClient,
    profile: &str,
    files: &EnvConfigFiles,
    given: Option<Region>,
) -> ProfileFileCredentialsProvider {
    // What a profile's credentials are fetched from, STS and SSO, is reached as everything else is.
    let reached = ProviderConfig::without_region()
        .with_http_client(client.clone())
        .with_region(Some(given.unwrap_or(Region::new(EDGE_REGION))));
    ProfileFileCredentialsProvider::builder()
        .configure(&reached)
        .profile_name(profile)
        .profile_files(files.clone())
        .build()
}
