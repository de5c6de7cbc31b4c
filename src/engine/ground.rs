//! What the engine stands on: the host, AWS by the identity that was chosen, and the web; and what is known once about them.
//!
//! Nothing is looked up before it is needed: disabling never waits for AWS.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;

use crate::cloud::{
    Cloud,
    credentials::{self, Candidate, Keys, Known, Source},
    web::Web,
};
use crate::host::{Ctl, Host};
use crate::model::{
    answers::Answers,
    failure::{Failure, Kind},
    names::Names,
    object,
    secret::Secret,
    seen::{BucketSeen, Caller, Ownership},
    welcome::Source as Found,
};

/// How the AWS identity is found.
#[derive(Clone)]
pub enum Identities {
    /// There is one: a sandbox's.
    Fixed(Box<SdkConfig>),
    /// As contract section 4 orders them.
    Found,
}

/// What only a sandbox knows without being told.
#[derive(Debug, Clone)]
pub struct SandboxFacts {
    pub bucket: String,
    /// Where its packagecloud answers: `https://packagecloud.sandbox`.
    pub packagecloud: String,
    /// How long its states take, as a factor.
    pub pace: f64,
}

/// How the ground is laid; what the command line says of it.
pub struct Settings {
    pub identities: Identities,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub sandbox: Option<SandboxFacts>,
    /// A read token of packagecloud, for `--probe-url`.
    pub probe_token: Option<Secret>,
    /// The account and bucket of the last run on this host.
    pub last: Option<(String, String)>,
    /// The profile of the last run.
    pub last_profile: Option<String>,
}

/// Cheap to clone; clones share what was found.
#[derive(Clone)]
pub struct Ground {
    pub host: Host,
    pub web: Web,
    pub settings: Arc<Settings>,
    typed: Arc<Mutex<Option<Keys>>>,
    scene: Arc<tokio::sync::Mutex<Option<(Asked, Scene)>>>,
    pub(super) hold: super::hold::Hold,
}

/// What a scene depends on of the answers.
#[derive(Clone, PartialEq)]
struct Asked {
    profile: Option<String>,
    source: Option<Found>,
    bucket: Option<String>,
    suffix: crate::model::names::Suffix,
    typed: Option<Keys>,
}

/// Who we are, and the bucket: found once, the same for every stage.
#[derive(Clone)]
pub struct Scene {
    /// With S3 in the bucket's region.
    pub cloud: Cloud,
    pub caller: Caller,
    pub account: String,
    /// How the credentials were found.
    pub found: String,
    pub names: Names,
    /// As first read; the distribution stage reads its policy again.
    pub bucket: BucketSeen,
    /// Why this bucket.
    pub evidence: String,
    /// How many keys of a first page look like packagecloud's, of how many.
    pub sampled: (usize, usize),
}

impl Ground {
    #[must_use]
    pub fn new(host: Host, web: Web, settings: Settings) -> Self {
        Self {
            host,
            web,
            settings: Arc::new(settings),
            typed: Arc::default(),
            scene: Arc::default(),
            hold: super::hold::Hold::default(),
        }
    }

    /// Whether reconfigure and restart are left to the operator: `--ctl none`.
    #[must_use]
    pub fn without_ctl(&self) -> bool {
        matches!(self.host.ctl, Ctl::None)
    }

    /// As long as `real` where packagecloud is real; in a sandbox at its pace.
    #[must_use]
    pub(super) fn patience(&self, real: Duration) -> Duration {
        self.settings.sandbox.as_ref().map_or(real, |sandbox| real.mul_f64(sandbox.pace.min(1.0)))
    }

    /// A text with the secret where `(hidden)` stands: for what the operator asked to have copied.
    pub async fn reveal(&self, text: &str) -> String {
        let secret = self.host.read_config().await.ok().and_then(|config| config.seen.values.secret);
        secret.map_or_else(|| text.to_owned(), |secret| text.replace("(hidden)", secret.expose()))
    }

    /// One line in the log, secrets hidden.
    pub fn log(&self, line: &str) {
        self.host.state.log(self.host.clock.now(), &self.host.redactor, line);
    }

    /// Credentials that the operator typed: the next look uses them.
    pub fn type_keys(&self, keys: Keys) {
        *self.typed.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    fn typed(&self) -> Option<Keys> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether checks of delivery can't be made: AWS is elsewhere, and nothing was said of the distribution.
    #[must_use]
    pub fn delivery_is_out_of_reach(&self) -> bool {
        self.settings.endpoint_url.is_some() && !self.web.elsewhere()
    }

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
        credentials::candidates(&known)
    }

    /// The first identity that AWS knows, and how it was found. One that was asked for must be it; so must one from
    /// the environment.
    pub async fn identity(&self, answers: &Answers) -> Result<(Cloud, Caller, String), Failure> {
        if let Identities::Fixed(config) = &self.settings.identities {
            let cloud = Cloud::new(config, None);
            let caller = cloud.caller().await?;
            return Ok((cloud, caller, "the sandbox's one user".to_owned()));
        }
        let mut last = None;
        let mut candidates = self.candidates(answers).await;
        if let Some(chosen) = &answers.source {
            candidates.retain(|candidate| source(&candidate.source) == *chosen);
        }
        for candidate in candidates {
            let result = self.try_candidate(&candidate).await;
            match result {
                Ok((cloud, caller)) => return Ok((cloud, caller, candidate.found)),
                Err(failure)
                    if !matches!(failure.kind, Kind::Credentials | Kind::Denied)
                        || matches!(
                            candidate.source,
                            Source::Profile(_) | Source::Typed(_) | Source::Environment
                        ) =>
                {
                    return Err(failure);
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(no_credentials))
    }

    pub(super) async fn try_candidate(&self, candidate: &Candidate) -> Result<(Cloud, Caller), Failure> {
        let settings = &self.settings;
        let config =
            credentials::load(candidate, settings.region.as_deref(), settings.endpoint_url.as_deref())
                .await?;
        let cloud = Cloud::new(&config, None);
        let caller = cloud.caller().await?;
        Ok((cloud, caller))
    }

    /// S3 by the first identity, unasked whose it is: for a named bucket where nothing but S3 can be asked.
    async fn s3_alone(&self, answers: &Answers) -> Result<Cloud, Failure> {
        let region = answers.region.as_deref();
        if let Identities::Fixed(config) = &self.settings.identities {
            return Ok(Cloud::new(config, region));
        }
        let candidates = self.candidates(answers).await;
        let first = candidates.first().ok_or_else(no_credentials)?;
        let endpoint = self.settings.endpoint_url.as_deref();
        Ok(Cloud::new(&credentials::load(first, region, endpoint).await?, region))
    }

    /// The objects' bucket, and S3 in its region. A bucket that was named needs S3 alone: where AWS doesn't say whose
    /// the credentials are, what isn't known of the bucket is unknown and stops nothing.
    pub(super) async fn objects(&self, answers: &Answers) -> Result<ObjectsFound, Failure> {
        let bucket = match (self.identity(answers).await, &answers.bucket) {
            (Err(failure), Some(bucket)) if failure.kind != Kind::Credentials => bucket.clone(),
            _ => {
                let scene = self.scene(answers).await?;
                return Ok(ObjectsFound {
                    cloud: scene.cloud,
                    name: scene.bucket.name.clone(),
                    bucket: Some(scene.bucket),
                });
            }
        };
        Ok(ObjectsFound { cloud: self.s3_alone(answers).await?, name: bucket, bucket: None })
    }

    /// Who we are and which bucket it is; found once for the same answers.
    pub async fn scene(&self, answers: &Answers) -> Result<Scene, Failure> {
        let asked = Asked {
            profile: answers.profile.clone(),
            source: answers.source.clone(),
            bucket: answers.bucket.clone(),
            suffix: answers.suffix.clone(),
            typed: self.typed(),
        };
        let mut held = self.scene.lock().await;
        if let Some((of, scene)) = held.as_ref()
            && *of == asked
        {
            return Ok(scene.clone());
        }
        let scene = self.set(answers).await?;
        *held = Some((asked, scene.clone()));
        Ok(scene)
    }

    /// Who we are and which bucket it is, where that was found already.
    pub(super) fn known_scene(&self) -> Option<Scene> {
        self.scene.try_lock().ok()?.as_ref().map(|(_, scene)| scene.clone())
    }

    /// Forgets what was found: the next look asks again.
    pub async fn forget(&self) {
        *self.scene.lock().await = None;
    }

    async fn set(&self, answers: &Answers) -> Result<Scene, Failure> {
        let (cloud, caller, found) = self.identity(answers).await?;
        refuse_partition(&caller)?;
        let (name, evidence) = self.bucket(&cloud, answers).await?;
        let bucket = cloud
            .bucket(&name, &caller.account)
            .await
            .map_err(|failure| blamed_on_clock(failure, &caller))?;
        let cloud = cloud.in_region(&bucket.region);
        let keys = cloud.sample_keys(&name, 1000).await?;
        let known = keys.iter().filter(|key| object::in_layout(key)).count();
        Ok(Scene {
            names: Names::new(&name, &answers.suffix),
            account: caller.account.clone(),
            sampled: (known, keys.len()),
            cloud,
            caller,
            found,
            bucket,
            evidence,
        })
    }

    /// Which bucket, and why: contract section 4's order.
    async fn bucket(&self, cloud: &Cloud, answers: &Answers) -> Result<(String, String), Failure> {
        if let Some(name) = &answers.bucket {
            return Ok((name.clone(), "you named it, now or for the last run".to_owned()));
        }
        let unnamed = Names::new("", &answers.suffix);
        if let Ok(Some(function)) = cloud.function(&unnamed).await
            && let Ownership::Other(name) = function.ownership
        {
            return Ok((name, format!("the function {} is marked with it", unnamed.function())));
        }
        // A packagecloud that doesn't answer tells nothing of the bucket; what asks it next says so.
        if let Ok(Some(redirect)) = super::probe::redirect(self, answers, None).await
            && let Some(name) = redirect.bucket()
        {
            return Ok((name, "packagecloud's own redirect points at it".to_owned()));
        }
        if let Ok(config) = self.host.read_config().await
            && let Some((key, name)) = config.file.bucket()
        {
            return Ok((name.to_owned(), format!("packagecloud_rails['{key}'] in {}", config.seen.path)));
        }
        if let Some(sandbox) = &self.settings.sandbox {
            return Ok((sandbox.bucket.clone(), "a sandbox has one".to_owned()));
        }
        // Without the file nobody can tell: that is what has to be seen to first.
        self.host.read_config().await?;
        Err(Failure::usage(
            "the bucket",
            "neither packagecloud.rb nor AWS tells which one holds the packages",
            "name it with --bucket NAME",
        ))
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

/// What the reindex works on.
pub(super) struct ObjectsFound {
    /// With S3 in the bucket's region.
    pub cloud: Cloud,
    pub name: String,
    /// `None` where nothing but S3 could be asked.
    pub bucket: Option<BucketSeen>,
}

/// S3's refusal of a request without a body tells no reason: a clock that is far off is the likelier one.
fn blamed_on_clock(failure: Failure, caller: &Caller) -> Failure {
    // S3 takes a quarter of an hour.
    const BORNE: i64 = 15 * 60;
    match caller.clock_ahead {
        Some(ahead) if ahead.abs() > BORNE => Failure::new(
            Kind::Credentials,
            "this machine's clock",
            format!(
                "it is {} s {} AWS's, and S3 refuses such requests",
                ahead.abs(),
                if ahead > 0 { "ahead of" } else { "behind" }
            ),
            "set the clock (chronyc makestep, or timedatectl set-ntp true), then try again",
        ),
        _ => failure,
    }
}

/// A candidate's source, without its keys.
pub(super) fn source(source: &Source) -> Found {
    match source {
        Source::Profile(name) => Found::Profile(name.clone()),
        Source::Typed(_) => Found::Typed,
        Source::Environment => Found::Environment,
        Source::Packagecloud(_) => Found::Config,
        Source::Chain => Found::Chain,
    }
}

/// Lambda@Edge is only where `arn:aws:` is.
fn refuse_partition(caller: &Caller) -> Result<(), Failure> {
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
