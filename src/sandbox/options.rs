//! How a sandbox is opened, and how long its states take.
//!
//! The delays are of AWS's order, shortened so that a run of the wizard can be watched.

use std::{path::PathBuf, time::Duration};

use crate::model::url::token::UrlTokenConstruction;

/// How a sandbox is opened.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    pub dir: PathBuf,
    /// A fresh one has an empty bucket instead of small repositories.
    pub empty: bool,
    /// How its packagecloud signs; kept in DIR.
    pub construction: Option<UrlTokenConstruction>,
    /// `--sandbox-fault`, as given.
    pub faults: Vec<String>,
    /// How long its states take; [`SandboxPropagationDelays::default`] where none is said.
    pub delays: Option<SandboxPropagationDelays>,
    /// `--sandbox-seed`: what every draw comes from; kept in DIR.
    pub seed: Option<u64>,
    /// Added to each call.
    pub latency: Duration,
    /// And up to as much more, drawn for each call.
    pub latency_spread: Duration,
}

/// How long AWS takes to make true what it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxPropagationDelays {
    /// Until the other services know a role, or its new trust.
    pub role: Duration,
    /// Until S3 knows an origin access identity.
    pub identity: Duration,
    /// A function or a version Pending; an update in progress.
    pub function: Duration,
    /// A certificate waiting for its validation.
    pub certificate: Duration,
    /// A distribution InProgress.
    pub distribution: Duration,
    /// Until a listing, or KMS's other hosts, show what was made.
    pub listing: Duration,
    /// Until a key's tags count in authorization: "up to five minutes" by KMS's guide on ABAC, which shows them before.
    pub tags: Duration,
    /// One resource of a reconfigure.
    pub resource: Duration,
    /// One service of a restart.
    pub service: Duration,
    /// One state of a job of S3 Batch Operations.
    pub job: Duration,
}

impl Default for SandboxPropagationDelays {
    fn default() -> Self {
        Self {
            role: Duration::from_secs(4),
            identity: Duration::from_secs(3),
            function: Duration::from_secs(3),
            certificate: Duration::from_secs(8),
            distribution: Duration::from_secs(8),
            listing: Duration::from_millis(700),
            tags: Duration::from_secs(30),
            resource: Duration::from_millis(60),
            service: Duration::from_millis(400),
            job: Duration::from_millis(1500),
        }
    }
}

impl SandboxPropagationDelays {
    /// No delay at all: for benches.
    pub const NONE: Self = Self {
        role: Duration::ZERO,
        identity: Duration::ZERO,
        function: Duration::ZERO,
        certificate: Duration::ZERO,
        distribution: Duration::ZERO,
        listing: Duration::ZERO,
        tags: Duration::ZERO,
        resource: Duration::ZERO,
        service: Duration::ZERO,
        job: Duration::ZERO,
    };

    /// Multiplies every delay by `factor`.
    #[must_use]
    pub fn scale_delays(self, factor: f64) -> Self {
        let paced = |delay: Duration| delay.mul_f64(factor);
        Self {
            role: paced(self.role),
            identity: paced(self.identity),
            function: paced(self.function),
            certificate: paced(self.certificate),
            distribution: paced(self.distribution),
            listing: paced(self.listing),
            tags: paced(self.tags),
            resource: paced(self.resource),
            service: paced(self.service),
            job: paced(self.job),
        }
    }
}
