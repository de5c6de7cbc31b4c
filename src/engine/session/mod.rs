//! What the engine stands on: the host, AWS by the identity that was chosen, and the web; and what is known once about them.
//!
//! Nothing is looked up before it is needed: disabling never waits for AWS.

mod account;
pub mod account_cache;
mod bucket;
mod identity;
mod random_bytes;
mod redirect;
mod renewal;
pub mod retry_on_expiry;
pub mod run_lock;
mod run_places;
pub mod target;

pub(super) use bucket::ReindexBucket;
pub(super) use identity::map_credentials_to_identity_source;
pub use random_bytes::RandomByteSource;
pub(super) use redirect::PROBE_TOKEN_ADVICE;
pub(super) use renewal::{choose_credential_renewal_wait, render_credential_renewal_advice};
pub use target::AwsTarget;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::{run_lock::RunLock, target::AwsTargetInputs};
use crate::aws::{
    change_log::take_confirmed_changes,
    credentials::{lookup::FixedOrDiscoveredAwsIdentity, source::AwsAccessKeys},
    web::WebClient,
};
use crate::host::{Host, PackagecloudCtlRunner};
use crate::model::{run::aws_change::render_change_for_log, secret::Secret};

/// What a session starts from: what the command line says, and what a sandbox gives in place of the real.
pub struct SessionSettings {
    pub identities: FixedOrDiscoveredAwsIdentity,
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    /// The bucket where nothing tells which it is, and why it is this one.
    pub default_bucket: Option<(String, String)>,
    /// Where packagecloud answers without `--probe-url`: `https://packagecloud.sandbox`.
    pub packagecloud_url: Option<String>,
    /// How long a wait lasts, as a factor of the real one: 1, or less in a sandbox.
    pub wait_factor: f64,
    /// Where a new secret's bytes come from.
    pub random_bytes: RandomByteSource,
    /// Requests for objects that may be in flight at once, where those are fewer than S3 takes.
    pub object_requests_max: Option<usize>,
    /// A read token of packagecloud, for probes.
    pub probe_token: Option<Secret>,
    /// The account and bucket of the last run on this host.
    pub last: Option<(String, String)>,
    /// The profile of the last run.
    pub last_profile: Option<String>,
}

impl SessionSettings {
    /// Returns the settings of a command without options, before any other run.
    #[must_use]
    pub fn new(identities: FixedOrDiscoveredAwsIdentity) -> Self {
        Self {
            identities,
            region: None,
            endpoint_url: None,
            default_bucket: None,
            packagecloud_url: None,
            wait_factor: 1.0,
            random_bytes: RandomByteSource::OperatingSystem,
            object_requests_max: None,
            probe_token: None,
            last: None,
            last_profile: None,
        }
    }
}

/// What is known of how S3 answers a link as packagecloud makes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum S3LinkAnswer {
    /// It was never asked, or gave no answer that tells.
    #[default]
    Unknown,
    Accepted,
    /// Why, as a sentence's beginning.
    Refused(String),
}

/// Cheap to clone; clones share what was found.
#[derive(Clone)]
pub struct Session {
    /// Where packagecloud.rb is; of several web nodes the first, which goes live alone.
    pub host: Host,
    /// The other web nodes.
    others: Arc<[Host]>,
    pub web: WebClient,
    pub settings: Arc<SessionSettings>,
    typed: Arc<Mutex<Option<AwsAccessKeys>>>,
    /// The code of a device that the operator typed, and the session that it gave.
    mfa: Arc<tokio::sync::Mutex<identity::MfaSession>>,
    /// Told when keys or a code were typed.
    credentials_typed: Arc<tokio::sync::Notify>,
    target: Arc<tokio::sync::Mutex<Option<(AwsTargetInputs, AwsTarget)>>>,
    /// The bucket and S3 by itself, where nothing else could be asked.
    objects_bucket: Arc<tokio::sync::Mutex<Option<(AwsTargetInputs, ReindexBucket)>>>,
    pub(super) run_lock: RunLock,
    /// What S3 said to a link as packagecloud makes them, where it was asked before switching off.
    s3_link_answer: Arc<Mutex<S3LinkAnswer>>,
}

impl Session {
    /// Makes a session on one host, in which nothing is looked up yet.
    #[must_use]
    pub fn new(host: Host, web: WebClient, settings: SessionSettings) -> Self {
        Self {
            host,
            others: Arc::default(),
            web,
            settings: Arc::new(settings),
            typed: Arc::default(),
            mfa: Arc::default(),
            credentials_typed: Arc::default(),
            target: Arc::default(),
            objects_bucket: Arc::default(),
            run_lock: RunLock::default(),
            s3_link_answer: Arc::default(),
        }
    }

    /// Keeps what S3 said to a link as packagecloud makes them.
    pub(super) fn remember_s3_link_answer(&self, answer: S3LinkAnswer) {
        *self.s3_link_answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Returns what S3 said to such a link when it was last asked.
    pub(super) fn last_s3_link_answer(&self) -> S3LinkAnswer {
        self.s3_link_answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds other web nodes behind the same name.
    #[must_use]
    pub fn add_other_web_hosts(self, others: Vec<Host>) -> Self {
        Self { others: others.into(), ..self }
    }

    /// Returns each of the other web nodes, as a session of its own.
    pub fn list_other_node_sessions(&self) -> Vec<Self> {
        self.others.iter().map(|host| self.clone_session_with_host(host)).collect()
    }

    /// Returns every web node, the first one first, as a session of its own.
    #[must_use]
    pub fn list_all_node_sessions(&self) -> Vec<Self> {
        std::iter::once(&self.host)
            .chain(self.others.iter())
            .map(|host| self.clone_session_with_host(host))
            .collect()
    }

    /// Returns a session of the same nodes, with the one in this place first.
    #[must_use]
    pub(super) fn clone_session_with_node_first(&self, place: usize) -> Self {
        let mut hosts: Vec<Host> = std::iter::once(&self.host).chain(self.others.iter()).cloned().collect();
        if place >= hosts.len() {
            return self.clone();
        }
        let host = hosts.remove(place);
        Self { host, others: hosts.into(), ..self.clone() }
    }

    /// Returns a session of these nodes alone, by their places; none where there are none.
    #[must_use]
    pub fn clone_session_with_nodes(&self, places: &[usize]) -> Option<Self> {
        let all: Vec<Host> = std::iter::once(&self.host).chain(self.others.iter()).cloned().collect();
        let mut hosts: Vec<Host> = places.iter().filter_map(|place| all.get(*place).cloned()).collect();
        if hosts.is_empty() {
            return None;
        }
        let host = hosts.remove(0);
        Some(Self { host, others: hosts.into(), ..self.clone() })
    }

    fn clone_session_with_host(&self, host: &Host) -> Self {
        Self { host: host.clone(), others: Arc::default(), ..self.clone() }
    }

    /// Returns whether reconfigure and restart are left to the operator: `--ctl none`.
    #[must_use]
    pub fn is_packagecloud_ctl_disabled(&self) -> bool {
        matches!(self.host.ctl, PackagecloudCtlRunner::None)
    }

    /// Returns whether packagecloud-ctl is a program that can be asked for its services.
    #[must_use]
    pub(super) fn can_ask_service_statuses(&self) -> bool {
        matches!(self.host.ctl, PackagecloudCtlRunner::Command(_))
    }

    /// Returns how long a wait lasts that lasts `real` on a real host.
    #[must_use]
    pub(super) fn scale_wait_for_sandbox(&self, real: Duration) -> Duration {
        real.mul_f64(self.settings.wait_factor)
    }

    /// Returns a text with the secret where `(hidden)` stands: for what the operator asked to have copied.
    pub async fn replace_hidden_with_secret(&self, text: &str) -> String {
        let secret =
            self.host.read_packagecloud_config().await.ok().and_then(|config| config.seen.values.secret);
        secret.map_or_else(|| text.to_owned(), |secret| text.replace("(hidden)", secret.expose_secret()))
    }

    /// Writes one line to the log, secrets hidden; before it what AWS has confirmed since the last one.
    pub fn write_log_line(&self, line: &str) {
        self.log_confirmed_aws_changes();
        self.host.state.append_log_line(self.host.clock.read_host_clock(), &self.host.redactor, line);
    }

    /// Writes to the log what was changed in AWS since it was last written: each call with its request id.
    pub(super) fn log_confirmed_aws_changes(&self) {
        let changes = take_confirmed_changes();
        if changes.is_empty() {
            return;
        }
        // While the target is looked for nobody changes anything of it.
        let held = self.target.try_lock().ok();
        let target = held.as_ref().and_then(|held| held.as_ref()).map(|(_, target)| target);
        let bucket = target.map_or("", |target| target.names.bucket_name());
        let by = target.map_or("", |target| target.caller.arn.as_str());
        let now = self.host.clock.read_host_clock();
        for change in changes {
            let line = render_change_for_log(&change.call, &change.request_id, bucket, by);
            self.host.state.append_log_line(now, &self.host.redactor, &line);
        }
    }

    /// Credentials that the operator typed: the next look uses them.
    pub fn set_typed_access_keys(&self, keys: AwsAccessKeys) {
        *self.typed.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
        self.credentials_typed.notify_one();
    }

    fn typed_access_keys(&self) -> Option<AwsAccessKeys> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether checks of delivery can't be made: AWS is elsewhere, and nothing was said of the distribution.
    #[must_use]
    pub fn is_edge_unreachable_for_checks(&self) -> bool {
        self.settings.endpoint_url.is_some() && !self.web.has_edge_address_override()
    }
}
