//! Which AWS identity is used: contract section 4's order, and the first that AWS knows.

use super::Session;
use crate::aws::{
    AwsClients,
    credentials::{
        chain::{self, CredentialSearchHints},
        explain::explain_credential_failure,
        lookup::FixedOrDiscoveredAwsIdentity,
        mfa,
        shared::SharedCredentials,
        source::{AwsAccessKeys, CredentialCandidate, CredentialSource},
    },
};
use crate::host::environment::sudo;
use crate::model::{
    aws::account::CallerIdentity,
    failure::{Failure, FailureKind},
    run::{answers::OperatorAnswers, welcome::AwsIdentitySource},
    secret::Secret,
};

/// The identity that is used.
pub struct ResolvedAwsIdentity {
    pub cloud: AwsClients,
    pub caller: CallerIdentity,
    pub source: AwsIdentitySource,
    /// How it was found: `profile work`.
    pub found: String,
}

impl Session {
    /// Lists the identities that may be used, the first that is given first.
    #[must_use]
    pub async fn list_credential_candidates(&self, answers: &OperatorAnswers) -> Vec<CredentialCandidate> {
        let config = self.host.read_packagecloud_config().await.ok();
        let known = CredentialSearchHints {
            profile: answers.profile.clone(),
            typed: self.typed_access_keys(),
            last_profile: self.settings.last_profile.clone(),
            packagecloud: config
                .and_then(|config| config.file.find_config_aws_keys())
                .map(|(access, secret)| AwsAccessKeys { access, secret, session: None }),
        };
        chain::find_credential_candidates(&known)
    }

    /// Finds the first identity that AWS knows. One that was asked for must be it; so must one from the environment.
    ///
    /// # Errors
    /// Fails where AWS knows none, or doesn't accept the one that must be it.
    pub async fn find_accepted_aws_identity(
        &self,
        answers: &OperatorAnswers,
    ) -> Result<ResolvedAwsIdentity, Failure> {
        if let FixedOrDiscoveredAwsIdentity::Fixed(_) = self.settings.identities {
            return self.resolve_typed_or_sandbox_identity(answers).await;
        }
        let mut last = None;
        let mut candidates = self.list_credential_candidates(answers).await;
        if let Some(chosen) = &answers.source {
            candidates.retain(|candidate| map_credentials_to_identity_source(&candidate.source) == *chosen);
        }
        for candidate in candidates {
            let result = self.try_aws_credential_candidate(&candidate).await;
            match result {
                Ok((cloud, caller)) => {
                    let source = map_credentials_to_identity_source(&candidate.source);
                    let found = cloud
                        .shared_credentials()
                        .map_or(candidate.found, SharedCredentials::describe_credential_source);
                    return Ok(ResolvedAwsIdentity { cloud, caller, source, found });
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
                    return Err(self.add_sudo_advice_to_failure(failure));
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(self.add_sudo_advice_to_failure(last.unwrap_or_else(build_no_credentials_failure)))
    }

    /// Returns what sudo left out on the way to root, where it may be why an identity wasn't found.
    pub(in crate::engine) fn find_variables_dropped_by_sudo(&self) -> Option<sudo::SudoDroppedEnvironment> {
        sudo::find_sudo_dropped_environment()
            .filter(|_| matches!(self.settings.identities, FixedOrDiscoveredAwsIdentity::Found(_)))
    }

    /// A failure to find credentials, with what sudo may have to do with it.
    fn add_sudo_advice_to_failure(&self, failure: Failure) -> Failure {
        match self.find_variables_dropped_by_sudo() {
            Some(dropped) if failure.kind == FailureKind::Credentials => {
                Failure { next: format!("{}; {}", dropped.render_sudo_advice(), failure.next), ..failure }
            }
            _ => failure,
        }
    }

    /// Resolves the one identity of a sandbox, or the keys that were typed where those were chosen.
    async fn resolve_typed_or_sandbox_identity(
        &self,
        answers: &OperatorAnswers,
    ) -> Result<ResolvedAwsIdentity, Failure> {
        let typed = self.typed_access_keys().filter(|_| answers.source == Some(AwsIdentitySource::Typed));
        let candidate = match typed {
            Some(keys) => {
                let found = format!("access key {}, typed", keys.access);
                CredentialCandidate { source: CredentialSource::Typed(keys), found }
            }
            None => CredentialCandidate::new_sandbox_user_candidate(),
        };
        let cloud = self.connect_aws_with_candidate(&candidate).await?;
        let caller = cloud.read_caller_identity().await?;
        let source = map_credentials_to_identity_source(&candidate.source);
        Ok(ResolvedAwsIdentity { cloud, caller, source, found: candidate.found })
    }

    /// Connects by a candidate, and asks AWS whose its credentials are.
    ///
    /// # Errors
    /// Where AWS doesn't know them, or a code of a device is wanted first.
    pub(in crate::engine) async fn try_aws_credential_candidate(
        &self,
        candidate: &CredentialCandidate,
    ) -> Result<(AwsClients, CallerIdentity), Failure> {
        let session = match (&self.settings.identities, &candidate.source) {
            (FixedOrDiscoveredAwsIdentity::Found(_), CredentialSource::Profile(name)) => {
                self.open_mfa_session(name, candidate).await?
            }
            _ => None,
        };
        let candidate = session.as_ref().unwrap_or(candidate);
        let cloud = self.connect_aws_with_candidate(candidate).await?;
        match cloud.read_caller_identity().await {
            Ok(caller) => {
                if let Some(held) = cloud.shared_credentials() {
                    held.remember_credentials_account_id(&caller.account);
                }
                Ok((cloud, caller))
            }
            Err(failure) => {
                if session.is_some() && failure.kind == FailureKind::Credentials {
                    self.mfa.lock().await.end_mfa_session();
                }
                Err(explain_credential_failure(failure, candidate))
            }
        }
    }

    async fn connect_aws_with_candidate(
        &self,
        candidate: &CredentialCandidate,
    ) -> Result<AwsClients, Failure> {
        let settings = &self.settings;
        let (region, endpoint) = (settings.region.as_deref(), settings.endpoint_url.as_deref());
        settings.identities.connect_aws_clients(candidate, region, endpoint).await
    }

    /// Takes a code of the device that a profile's role wants: it is used once, by the next look.
    pub async fn store_typed_mfa_code(&self, code: Secret) {
        self.mfa.lock().await.typed = Some(code);
        self.credentials_typed.notify_one();
    }

    /// Returns the device whose code is wanted before these credentials can be had; none where none is, or one was given.
    pub(in crate::engine) async fn find_needed_mfa_serial(
        &self,
        source: &CredentialSource,
    ) -> Option<String> {
        if let FixedOrDiscoveredAwsIdentity::Fixed(_) = self.settings.identities {
            return None;
        }
        let CredentialSource::Profile(profile) = source else { return None };
        let code = self.mfa.lock().await;
        mfa::read_mfa_profile(profile)
            .filter(|_| code.profile != *profile && code.typed.is_none())
            .map(|wanted| wanted.serial)
    }

    /// Ends the session where a code was typed that wasn't used yet, and returns whether one was.
    pub(super) async fn end_mfa_session_on_code(&self) -> bool {
        let mut code = self.mfa.lock().await;
        if code.typed.is_some() {
            code.end_mfa_session();
        }
        code.typed.is_some()
    }

    /// The session in place of a profile whose role wants a code; none where it wants none.
    async fn open_mfa_session(
        &self,
        profile: &str,
        candidate: &CredentialCandidate,
    ) -> Result<Option<CredentialCandidate>, Failure> {
        let Some(wanted) = mfa::read_mfa_profile(profile) else { return Ok(None) };
        let mut code = self.mfa.lock().await;
        if code.profile != profile {
            let typed =
                code.typed.take().ok_or_else(|| mfa::build_missing_mfa_code_failure(profile, &wanted))?;
            let source = CredentialSource::Profile(wanted.source_profile.clone());
            let candidate = CredentialCandidate { source, found: String::new() };
            let source = self.connect_aws_with_candidate(&candidate).await?;
            let assumed = source.assume_role_with_mfa(&wanted, &typed).await;
            code.keys = Some(assumed.map_err(|failure| explain_credential_failure(failure, &candidate))?);
            profile.clone_into(&mut code.profile);
        }
        let session = |keys| CredentialSource::Session { profile: profile.to_owned(), keys };
        Ok(code
            .keys
            .clone()
            .map(|keys| CredentialCandidate { source: session(keys), found: candidate.found.clone() }))
    }

    /// Connects to S3 by the first identity, unasked whose it is: for a named bucket where nothing but S3 can be asked.
    ///
    /// # Errors
    /// Fails where there are no credentials.
    pub(super) async fn connect_s3_only(&self, answers: &OperatorAnswers) -> Result<AwsClients, Failure> {
        let first = match self.settings.identities {
            FixedOrDiscoveredAwsIdentity::Fixed(_) => CredentialCandidate::new_sandbox_user_candidate(),
            FixedOrDiscoveredAwsIdentity::Found(_) => {
                let candidates = self.list_credential_candidates(answers).await;
                candidates.into_iter().next().ok_or_else(build_no_credentials_failure)?
            }
        };
        let (region, endpoint) = (answers.region.as_deref(), self.settings.endpoint_url.as_deref());
        let cloud = self.settings.identities.connect_aws_clients(&first, region, endpoint).await?;
        Ok(region.map_or_else(|| cloud.clone(), |region| cloud.clone_with_bucket_region(region)))
    }
}

/// A code, until it is used; then the session that it gave, and for which profile.
#[derive(Default)]
pub(super) struct MfaSession {
    typed: Option<Secret>,
    profile: String,
    keys: Option<AwsAccessKeys>,
}

impl MfaSession {
    /// The session is at its end: the next one wants a code.
    fn end_mfa_session(&mut self) {
        self.profile.clear();
        self.keys = None;
    }
}

fn build_no_credentials_failure() -> Failure {
    Failure::new(
        FailureKind::Credentials,
        "AWS credentials",
        "none were found",
        "give a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
}

/// Returns a candidate's source, without its keys.
pub fn map_credentials_to_identity_source(source: &CredentialSource) -> AwsIdentitySource {
    match source {
        CredentialSource::Profile(name) | CredentialSource::Session { profile: name, .. } => {
            AwsIdentitySource::Profile(name.clone())
        }
        CredentialSource::Typed(_) => AwsIdentitySource::Typed,
        CredentialSource::Environment => AwsIdentitySource::Environment,
        CredentialSource::Packagecloud(_) => AwsIdentitySource::Config,
        CredentialSource::Chain => AwsIdentitySource::Chain,
    }
}

/// Refuses an account of another partition: Lambda@Edge is only where `arn:aws:` is.
///
/// # Errors
/// Fails with the partition that it is in.
pub fn refuse_other_aws_partition(caller: &CallerIdentity) -> Result<(), Failure> {
    let partition = caller.arn.split(':').nth(1).unwrap_or_default();
    if partition == "aws" {
        return Ok(());
    }
    Err(Failure::new_generic_failure(
        caller.arn.clone(),
        format!("it is in partition {partition}, where there is no Lambda@Edge"),
        "use an account of the partition aws; nothing was made",
    ))
}
