//! Which AWS identity is used: contract section 4's order, and the first that AWS knows.

use super::{Ground, Identities};
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::aws::{
    Cloud,
    credentials::{
        mfa,
        shared::Held,
        source::{self, Candidate, Keys, Known, Source},
    },
};
use crate::host::environment::sudo;
use crate::model::{
    aws::evidence::Caller,
    run::{
        answers::Answers,
        failure::{Failure, Kind},
        welcome::Source as Found,
    },
    secret::Secret,
};

impl Ground {
    /// The identities that may be used, the first that is given first.
    #[must_use]
    pub async fn candidates(&self, answers: &Answers) -> Vec<Candidate> {
        let config = self.host.read_config().await.ok();
        let known = Known {
            profile: answers.profile.clone(),
            typed: self.typed(),
            last_profile: self.settings.last_profile.clone(),
            packagecloud: config.and_then(|config| config.file.aws_keys()).map(|(access, secret)| Keys {
                access,
                secret,
                session: None,
            }),
        };
        source::candidates(&known)
    }

    /// The first identity that AWS knows, and how it was found. One that was asked for must be it; so must one from
    /// the environment.
    pub async fn identity(&self, answers: &Answers) -> Result<(Cloud, Caller, String), Failure> {
        if let Identities::Fixed(config) = &self.settings.identities {
            let typed = self.typed().filter(|_| answers.source == Some(Found::Typed));
            let (config, found) = match typed {
                Some(keys) => {
                    let found = format!("access key {}, typed", keys.access);
                    (in_sandbox(config, &Source::Typed(keys))?, found)
                }
                None => (config.as_ref().clone(), "the sandbox's one user".to_owned()),
            };
            let cloud = Cloud::new(&config, None);
            let caller = cloud.caller().await?;
            return Ok((cloud, caller, found));
        }
        let mut last = None;
        let mut candidates = self.candidates(answers).await;
        if let Some(chosen) = &answers.source {
            candidates.retain(|candidate| source(&candidate.source) == *chosen);
        }
        for candidate in candidates {
            let result = self.try_candidate(&candidate).await;
            match result {
                Ok((cloud, caller)) => {
                    let found = cloud.held().map_or(candidate.found, Held::found);
                    return Ok((cloud, caller, found));
                }
                Err(failure)
                    if !matches!(failure.kind, Kind::Credentials | Kind::Denied)
                        || matches!(
                            candidate.source,
                            Source::Profile(_) | Source::Typed(_) | Source::Environment
                        ) =>
                {
                    return Err(self.by_sudo(failure));
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(self.by_sudo(last.unwrap_or_else(no_credentials)))
    }

    /// What sudo left out on the way to root, where it may be why an identity wasn't found.
    pub(in crate::engine) fn left_out(&self) -> Option<sudo::Dropped> {
        sudo::dropped().filter(|_| matches!(self.settings.identities, Identities::Found(_)))
    }

    /// A failure to find credentials, with what sudo may have to do with it.
    fn by_sudo(&self, failure: Failure) -> Failure {
        match self.left_out() {
            Some(dropped) if failure.kind == Kind::Credentials => {
                Failure { next: format!("{}; {}", dropped.advice(), failure.next), ..failure }
            }
            _ => failure,
        }
    }

    pub(in crate::engine) async fn try_candidate(
        &self,
        candidate: &Candidate,
    ) -> Result<(Cloud, Caller), Failure> {
        let client = match &self.settings.identities {
            Identities::Found(client) => client,
            Identities::Fixed(config) => {
                let cloud = Cloud::new(&in_sandbox(config, &candidate.source)?, None);
                let caller = cloud.caller().await?;
                return Ok((cloud, caller));
            }
        };
        let session = match &candidate.source {
            Source::Profile(name) => self.by_code(client, name, candidate).await?,
            _ => None,
        };
        let candidate = session.as_ref().unwrap_or(candidate);
        let (config, held) = self.load(client, candidate).await?;
        let cloud = Cloud::new(&config, None).holding(held.clone());
        match cloud.caller().await {
            Ok(caller) => {
                held.belong_to(&caller.account);
                Ok((cloud, caller))
            }
            Err(failure) => {
                if session.is_some() && failure.kind == Kind::Credentials {
                    self.code.lock().await.end();
                }
                Err(source::named(failure, candidate))
            }
        }
    }

    async fn load(
        &self,
        client: &SharedHttpClient,
        candidate: &Candidate,
    ) -> Result<(SdkConfig, Held), Failure> {
        let settings = &self.settings;
        source::load(client, candidate, settings.region.as_deref(), settings.endpoint_url.as_deref()).await
    }

    /// A code of the device that a profile's role wants: it is used once, by the next look.
    pub async fn give_code(&self, code: Secret) {
        self.code.lock().await.typed = Some(code);
        self.given.notify_one();
    }

    /// The device whose code is wanted before these credentials can be had; none where none is, or one was given.
    pub(in crate::engine) async fn wants_code(&self, source: &Source) -> Option<String> {
        if let Identities::Fixed(_) = self.settings.identities {
            return None;
        }
        let Source::Profile(profile) = source else { return None };
        let code = self.code.lock().await;
        mfa::of(profile).filter(|_| code.of != *profile && code.typed.is_none()).map(|wanted| wanted.serial)
    }

    /// Whether a code was typed that wasn't used yet: the session before it is at its end.
    pub(super) async fn code_instead(&self) -> bool {
        let mut code = self.code.lock().await;
        if code.typed.is_some() {
            code.end();
        }
        code.typed.is_some()
    }

    /// The session in place of a profile whose role wants a code; none where it wants none.
    async fn by_code(
        &self,
        client: &SharedHttpClient,
        profile: &str,
        candidate: &Candidate,
    ) -> Result<Option<Candidate>, Failure> {
        let Some(wanted) = mfa::of(profile) else { return Ok(None) };
        let mut code = self.code.lock().await;
        if code.of != profile {
            let typed = code.typed.take().ok_or_else(|| mfa::unasked(profile, &wanted))?;
            let source = Source::Profile(wanted.source_profile.clone());
            let (source, _) = self.load(client, &Candidate { source, found: String::new() }).await?;
            code.keys = Some(mfa::session(&wanted, &typed, &source).await?);
            profile.clone_into(&mut code.of);
        }
        let session = |keys| Source::Session { profile: profile.to_owned(), keys };
        Ok(code.keys.clone().map(|keys| Candidate { source: session(keys), found: candidate.found.clone() }))
    }

    /// S3 by the first identity, unasked whose it is: for a named bucket where nothing but S3 can be asked.
    pub(super) async fn s3_alone(&self, answers: &Answers) -> Result<Cloud, Failure> {
        let region = answers.region.as_deref();
        let client = match &self.settings.identities {
            Identities::Found(client) => client,
            Identities::Fixed(config) => return Ok(Cloud::new(config, region)),
        };
        let candidates = self.candidates(answers).await;
        let first = candidates.first().ok_or_else(no_credentials)?;
        let endpoint = self.settings.endpoint_url.as_deref();
        let (config, held) = source::load(client, first, region, endpoint).await?;
        Ok(Cloud::new(&config, region).holding(held))
    }
}

/// A code, until it is used; then the session that it gave, and for which profile.
#[derive(Default)]
pub(super) struct Code {
    typed: Option<Secret>,
    of: String,
    keys: Option<Keys>,
}

impl Code {
    /// The session is at its end: the next one wants a code.
    fn end(&mut self) {
        self.of.clear();
        self.keys = None;
    }
}

fn no_credentials() -> Failure {
    Failure::new(
        Kind::Credentials,
        "AWS credentials",
        "none were found",
        "give a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
}

/// The sandbox as another identity: it judges keys that are typed, and knows nobody else's.
fn in_sandbox(config: &SdkConfig, source: &Source) -> Result<SdkConfig, Failure> {
    match source {
        Source::Typed(keys) | Source::Packagecloud(keys) | Source::Session { keys, .. } => {
            let keys = SharedCredentialsProvider::new(keys.credentials());
            Ok(config.to_builder().credentials_provider(keys).build())
        }
        Source::Profile(name) => Err(Failure::new(
            Kind::Credentials,
            format!("profile {name}"),
            "a sandbox reads no profiles: it has one user, and no real credentials come near it",
            "choose the sandbox's one user",
        )),
        Source::Environment | Source::Chain => Ok(config.clone()),
    }
}

/// A candidate's source, without its keys.
pub fn source(source: &Source) -> Found {
    match source {
        Source::Profile(name) | Source::Session { profile: name, .. } => Found::Profile(name.clone()),
        Source::Typed(_) => Found::Typed,
        Source::Environment => Found::Environment,
        Source::Packagecloud(_) => Found::Config,
        Source::Chain => Found::Chain,
    }
}

/// Lambda@Edge is only where `arn:aws:` is.
pub fn refuse_partition(caller: &Caller) -> Result<(), Failure> {
    let partition = caller.arn.split(':').nth(1).unwrap_or_default();
    if partition == "aws" {
        return Ok(());
    }
    Err(Failure::other(
        caller.arn.clone(),
        format!("it is in partition {partition}, where there is no Lambda@Edge"),
        "use an account of the partition aws; nothing was made",
    ))
}
