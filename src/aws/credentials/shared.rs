//! Credentials that all clients of one identity hold together, so that fresh ones take the old ones' place under all of them.
//!
//! Nothing is made anew by an exchange: what waits, and what runs beside it, goes on with the fresh ones.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aws_config::{ConfigLoader, SdkConfig, identity::IdentityCache};
use aws_credential_types::{
    Credentials,
    credential_feature::AwsCredentialFeature,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_smithy_runtime_api::client::{
    identity::{IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::config_bag::ConfigBag;

use super::source::{CredentialCandidate, find_access_key_fault};

/// Clones are the same.
#[derive(Debug, Clone)]
pub struct SharedCredentials(Arc<SharedCredentialsInner>);

#[derive(Debug)]
struct SharedCredentialsInner {
    /// Where they come from.
    candidate: CredentialCandidate,
    /// Whose they are, once AWS has said it.
    account: OnceLock<String>,
    provider: RwLock<Option<SharedCredentialsProvider>>,
    cache: RwLock<SharedIdentityCache>,
    /// What the rest of AWS's chain found, once it was asked.
    kind: RwLock<Option<&'static str>>,
}

impl SharedCredentials {
    /// Returns the credentials of a candidate, not yet loaded.
    #[must_use]
    pub(crate) fn from_credential_candidate(candidate: &CredentialCandidate) -> Self {
        Self(Arc::new(SharedCredentialsInner {
            candidate: candidate.clone(),
            account: OnceLock::new(),
            provider: RwLock::new(None),
            cache: RwLock::new(IdentityCache::lazy().build()),
            kind: RwLock::new(None),
        }))
    }

    /// Loads a configuration whose clients hold these, from where `loader` finds them.
    pub(super) async fn load_config_with_swappable_credentials(&self, loader: ConfigLoader) -> SdkConfig {
        let config = loader.load().await;
        store_locked_value(&self.0.provider, config.credentials_provider());
        let provider = SharedCredentialsProvider::new(self.clone());
        config.into_builder().credentials_provider(provider).identity_cache(self.clone()).build()
    }

    /// Returns where they come from.
    #[must_use]
    pub fn current_credential_candidate(&self) -> &CredentialCandidate {
        &self.0.candidate
    }

    /// Records whose they are; the first that is said holds.
    pub fn remember_credentials_account_id(&self, account: &str) {
        let _ = self.0.account.set(account.to_owned());
    }

    /// Returns whose they are, once AWS has said it.
    #[must_use]
    pub fn find_credentials_account_id(&self) -> Option<&str> {
        self.0.account.get().map(String::as_str)
    }

    /// Takes the fresh ones in place of those held until now.
    pub fn replace_shared_credentials(&self, fresh: &Self) {
        store_locked_value(&self.0.provider, clone_locked_value(&fresh.0.provider));
        store_locked_value(&self.0.cache, IdentityCache::lazy().build());
    }

    /// Returns how they were found: of AWS's own search what it came upon.
    #[must_use]
    pub fn describe_credential_source(&self) -> String {
        match clone_locked_value(&self.0.kind) {
            Some(kind) if self.0.candidate.source == super::source::CredentialSource::Chain => {
                format!("{kind}, by AWS's own search")
            }
            _ => self.0.candidate.found.clone(),
        }
    }

    fn record_credential_source(&self, features: Option<&Vec<AwsCredentialFeature>>) {
        use AwsCredentialFeature as Feature;
        let kind = features.and_then(|all| all.last()).map(|last| match last {
            Feature::CredentialsImds => "the instance's role, from its metadata service",
            Feature::CredentialsHttp => "the container's role, from its credentials endpoint",
            Feature::CredentialsEnvVarsStsWebIdToken
            | Feature::CredentialsProfileStsWebIdToken
            | Feature::CredentialsStsAssumeRoleWebId => "a role by web identity token",
            _ => "the default profile",
        });
        store_locked_value(&self.0.kind, kind);
    }
}

/// Takes away what stands around keys, whoever gave them, and refuses those that no request could be signed with: the SDK
/// breaks off there.
fn trim_credentials(given: Credentials) -> Result<Credentials, CredentialsError> {
    let parts = [given.access_key_id(), given.secret_access_key(), given.session_token().unwrap_or_default()];
    if let Some(fault) = parts.iter().find_map(|text| find_access_key_fault(text.trim())) {
        return Err(CredentialsError::invalid_configuration(format!("one of the keys {fault}")));
    }
    if parts.iter().all(|text| text.trim() == *text) {
        return Ok(given);
    }
    let [access, secret, session] = parts.map(str::trim);
    let mut trimmed = Credentials::builder()
        .access_key_id(access)
        .secret_access_key(secret)
        .provider_name("packagecloud-cloudfront");
    trimmed.set_session_token(Some(session.to_owned()).filter(|token| !token.is_empty()));
    trimmed.set_expiry(given.expiry());
    trimmed.set_account_id(given.account_id().cloned());
    let mut trimmed = trimmed.build();
    if let Some(features) = given.get_property::<Vec<AwsCredentialFeature>>() {
        trimmed.set_property(features.clone());
    }
    Ok(trimmed)
}

fn clone_locked_value<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn store_locked_value<T>(lock: &RwLock<T>, value: T) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = value;
}

impl ProvideCredentials for SharedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let provider = clone_locked_value(&self.0.provider)
                .ok_or_else(|| CredentialsError::not_loaded("there is no source"))?;
            let given = trim_credentials(provider.provide_credentials().await?)?;
            self.record_credential_source(given.get_property());
            Ok(given)
        })
    }
}

impl ResolveCachedIdentity for SharedCredentials {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = clone_locked_value(&self.0.cache);
        IdentityFuture::new(async move { cache.resolve_cached_identity(resolver, components, config).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_keys_goes_and_keys_that_sign_nothing_are_refused() {
        let until = std::time::UNIX_EPOCH;
        let keys = |access: &str, session: Option<&str>| {
            Credentials::new(access, "s", session.map(str::to_owned), Some(until), "process")
        };
        let trimmed = trim_credentials(keys(" AKIA\r\n", Some("t\n"))).unwrap();
        assert_eq!((trimmed.access_key_id(), trimmed.session_token()), ("AKIA", Some("t")));
        assert_eq!(trimmed.expiry(), Some(until));
        assert_eq!(trim_credentials(keys("AKIA", Some(" "))).unwrap().session_token(), None);
        let refused = trim_credentials(keys("AK\nIA", None)).unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains("a blank or a line end") && !why.contains("IA"), "{why}");
    }
}
