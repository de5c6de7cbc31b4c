//! Which AWS identity is used: contract section 4's order, and the first that AWS knows.

use super::{IdentityLookup, Session};
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::aws::{
    AwsClients,
    credentials::{
        mfa,
        shared::SharedCredentials,
        source::{self, AccessKeys, CredentialCandidate, CredentialHints, CredentialSource},
    },
};
use crate::host::environment::sudo;
use crate::model::{
    aws::account::CallerIdentity,
    failure::{Failure, FailureKind},
    run::{answers::Answers, welcome::IdentitySource as Found},
    secret::Secret,
};

impl Session {
    /// The identities that may be used, the first that is given first.
    #[must_use]
    pub async fn list_credential_candidates(&self, answers: &Answers) -> Vec<CredentialCandidate> {
        let config = self.host.read_config().await.ok();
        let known = CredentialHints {
            profile: answers.profile.clone(),
            typed: self.typed_keys(),
            last_profile: self.settings.last_profile.clone(),
            packagecloud: config
                .and_then(|config| config.file.find_aws_keys())
                .map(|(access, secret)| AccessKeys { access, secret, session: None }),
        };
        source::find_credential_candidates(&known)
    }

    /// The first identity that AWS knows, and how it was found. One that was asked for must be it; so must one from
    /// the environment.
    pub async fn resolve_identity(
        &self,
        answers: &Answers,
    ) -> Result<(AwsClients, CallerIdentity, String), Failure> {
        if let IdentityLookup::Fixed(config) = &self.settings.identities {
            let typed = self.typed_keys().filter(|_| answers.source == Some(Found::Typed));
            let (config, found) = match typed {
                Some(keys) => {
                    let found = format!("access key {}, typed", keys.access);
                    (sandbox_config_as(config, &CredentialSource::Typed(keys))?, found)
                }
                None => (config.as_ref().clone(), "the sandbox's one user".to_owned()),
            };
            let cloud = AwsClients::new(&config, None);
            let caller = cloud.read_caller_identity().await?;
            return Ok((cloud, caller, found));
        }
        let mut last = None;
        let mut candidates = self.list_credential_candidates(answers).await;
        if let Some(chosen) = &answers.source {
            candidates.retain(|candidate| to_identity_source(&candidate.source) == *chosen);
        }
        for candidate in candidates {
            let result = self.try_candidate(&candidate).await;
            match result {
                Ok((cloud, caller)) => {
                    let found = cloud
                        .shared_credentials()
                        .map_or(candidate.found, SharedCredentials::source_description);
                    return Ok((cloud, caller, found));
                }
                Err(failure)
                    if !matches!(failure.kind, FailureKind::Credentials | FailureKind::Denied)
                        || matches!(
                            candidate.source,
                            CredentialSource::Profile(_)
                                | CredentialSource::Typed(_)
                                | CredentialSource::Environment
                        ) =>
                {
                    return Err(self.with_sudo_advice(failure));
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(self.with_sudo_advice(last.unwrap_or_else(no_credentials_failure)))
    }

    /// What sudo left out on the way to root, where it may be why an identity wasn't found.
    pub(in crate::engine) fn dropped_by_sudo(&self) -> Option<sudo::DroppedBySudo> {
        sudo::find_dropped_by_sudo().filter(|_| matches!(self.settings.identities, IdentityLookup::Found(_)))
    }

    /// A failure to find credentials, with what sudo may have to do with it.
    fn with_sudo_advice(&self, failure: Failure) -> Failure {
        match self.dropped_by_sudo() {
            Some(dropped) if failure.kind == FailureKind::Credentials => {
                Failure { next: format!("{}; {}", dropped.render_advice(), failure.next), ..failure }
            }
            _ => failure,
        }
    }

    pub(in crate::engine) async fn try_candidate(
        &self,
        candidate: &CredentialCandidate,
    ) -> Result<(AwsClients, CallerIdentity), Failure> {
        let client = match &self.settings.identities {
            IdentityLookup::Found(client) => client,
            IdentityLookup::Fixed(config) => {
                let cloud = AwsClients::new(&sandbox_config_as(config, &candidate.source)?, None);
                let caller = cloud.read_caller_identity().await?;
                return Ok((cloud, caller));
            }
        };
        let session = match &candidate.source {
            CredentialSource::Profile(name) => self.open_mfa_session(client, name, candidate).await?,
            _ => None,
        };
        let candidate = session.as_ref().unwrap_or(candidate);
        let (config, held) = self.load_credentials(client, candidate).await?;
        let cloud = AwsClients::new(&config, None).with_credentials(held.clone());
        match cloud.read_caller_identity().await {
            Ok(caller) => {
                held.set_account(&caller.account);
                Ok((cloud, caller))
            }
            Err(failure) => {
                if session.is_some() && failure.kind == FailureKind::Credentials {
                    self.code.lock().await.end_session();
                }
                Err(source::insert_profile_name(failure, candidate))
            }
        }
    }

    async fn load_credentials(
        &self,
        client: &SharedHttpClient,
        candidate: &CredentialCandidate,
    ) -> Result<(SdkConfig, SharedCredentials), Failure> {
        let settings = &self.settings;
        source::load_sdk_config(
            client,
            candidate,
            settings.region.as_deref(),
            settings.endpoint_url.as_deref(),
        )
        .await
    }

    /// A code of the device that a profile's role wants: it is used once, by the next look.
    pub async fn set_mfa_code(&self, code: Secret) {
        self.code.lock().await.typed = Some(code);
        self.given.notify_one();
    }

    /// The device whose code is wanted before these credentials can be had; none where none is, or one was given.
    pub(in crate::engine) async fn needed_mfa_serial(&self, source: &CredentialSource) -> Option<String> {
        if let IdentityLookup::Fixed(_) = self.settings.identities {
            return None;
        }
        let CredentialSource::Profile(profile) = source else { return None };
        let code = self.code.lock().await;
        mfa::read_mfa_profile(profile)
            .filter(|_| code.profile != *profile && code.typed.is_none())
            .map(|wanted| wanted.serial)
    }

    /// Whether a code was typed that wasn't used yet: the session before it is at its end.
    pub(super) async fn end_session_if_code_typed(&self) -> bool {
        let mut code = self.code.lock().await;
        if code.typed.is_some() {
            code.end_session();
        }
        code.typed.is_some()
    }

    /// The session in place of a profile whose role wants a code; none where it wants none.
    async fn open_mfa_session(
        &self,
        client: &SharedHttpClient,
        profile: &str,
        candidate: &CredentialCandidate,
    ) -> Result<Option<CredentialCandidate>, Failure> {
        let Some(wanted) = mfa::read_mfa_profile(profile) else { return Ok(None) };
        let mut code = self.code.lock().await;
        if code.profile != profile {
            let typed = code.typed.take().ok_or_else(|| mfa::missing_mfa_code_failure(profile, &wanted))?;
            let source = CredentialSource::Profile(wanted.source_profile.clone());
            let (source, _) =
                self.load_credentials(client, &CredentialCandidate { source, found: String::new() }).await?;
            code.keys = Some(mfa::assume_role_with_mfa(&wanted, &typed, &source).await?);
            profile.clone_into(&mut code.profile);
        }
        let session = |keys| CredentialSource::Session { profile: profile.to_owned(), keys };
        Ok(code
            .keys
            .clone()
            .map(|keys| CredentialCandidate { source: session(keys), found: candidate.found.clone() }))
    }

    /// S3 by the first identity, unasked whose it is: for a named bucket where nothing but S3 can be asked.
    pub(super) async fn connect_s3_only(&self, answers: &Answers) -> Result<AwsClients, Failure> {
        let region = answers.region.as_deref();
        let client = match &self.settings.identities {
            IdentityLookup::Found(client) => client,
            IdentityLookup::Fixed(config) => return Ok(AwsClients::new(config, region)),
        };
        let candidates = self.list_credential_candidates(answers).await;
        let first = candidates.first().ok_or_else(no_credentials_failure)?;
        let endpoint = self.settings.endpoint_url.as_deref();
        let (config, held) = source::load_sdk_config(client, first, region, endpoint).await?;
        Ok(AwsClients::new(&config, region).with_credentials(held))
    }
}

/// A code, until it is used; then the session that it gave, and for which profile.
#[derive(Default)]
pub(super) struct MfaSession {
    typed: Option<Secret>,
    profile: String,
    keys: Option<AccessKeys>,
}

impl MfaSession {
    /// The session is at its end: the next one wants a code.
    fn end_session(&mut self) {
        self.profile.clear();
        self.keys = None;
    }
}

fn no_credentials_failure() -> Failure {
    Failure::new(
        FailureKind::Credentials,
        "AWS credentials",
        "none were found",
        "give a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
}

/// The sandbox as another identity: it judges keys that are typed, and knows nobody else's.
fn sandbox_config_as(config: &SdkConfig, source: &CredentialSource) -> Result<SdkConfig, Failure> {
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

/// A candidate's source, without its keys.
pub fn to_identity_source(source: &CredentialSource) -> Found {
    match source {
        CredentialSource::Profile(name) | CredentialSource::Session { profile: name, .. } => {
            Found::Profile(name.clone())
        }
        CredentialSource::Typed(_) => Found::Typed,
        CredentialSource::Environment => Found::Environment,
        CredentialSource::Packagecloud(_) => Found::Config,
        CredentialSource::Chain => Found::Chain,
    }
}

/// Lambda@Edge is only where `arn:aws:` is.
pub fn refuse_other_partition(caller: &CallerIdentity) -> Result<(), Failure> {
    let partition = caller.arn.split(':').nth(1).unwrap_or_default();
    if partition == "aws" {
        return Ok(());
    }
    Err(Failure::other_failure(
        caller.arn.clone(),
        format!("it is in partition {partition}, where there is no Lambda@Edge"),
        "use an account of the partition aws; nothing was made",
    ))
}
