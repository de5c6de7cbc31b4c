//! The sandbox: an AWS, a CloudFront and a packagecloud that live in this process, with AWS's own rules, kept in a directory.
//!
//! Nothing outside main, the tests and the `sandbox` command plugs it in; it never reads real credentials or the network.
//! This file puts it together: [`Sandbox`] holds the state of every service over a [`store::SandboxStateStore`] that knows none,
//! the clock, the faults and the ledger. `router` brings a request to its service; a service has the sandbox handed to it.

mod content_type;
pub mod control_plane;
mod draws;
pub mod edge_location;
pub mod edge_traffic;
pub mod faults;
pub mod forward;
pub mod import;
pub mod ledger;
mod options;
pub mod packagecloud;
mod private_files;
mod process_state;
pub mod refusals;
pub mod router;
pub mod seed;
pub mod serve;
pub mod service;
mod store;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use self::{
    faults::{SandboxFault, SandboxFaultRules, SandboxFaultTarget},
    ledger::{SandboxApiCallRecord, SandboxCallLedger},
    process_state::SandboxInMemoryState,
    store::SandboxStateStore,
};
use crate::model::failure::Failure;

pub use draws::{SandboxDraws, read_kept_sandbox_seed};
pub use options::{SandboxOptions, SandboxPropagationDelays};
pub use seed::open_or_seed_sandbox;

/// Every service's state; the names of the fields are those in the document on the disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxState {
    /// Grows with each change.
    pub generation: u64,
    /// The unix time of the last change: a sandbox that is opened again never lies before it.
    pub changed: Duration,
    pub sts: control_plane::sts::SandboxStsState,
    pub iam: control_plane::iam::SandboxIamState,
    pub acm: control_plane::acm::SandboxAcmState,
    pub kms: control_plane::kms::SandboxKmsState,
    pub lambda: control_plane::lambda::SandboxLambdaState,
    pub cloudfront: control_plane::cloudfront::SandboxCloudFrontState,
    /// Buckets and their settings; objects lie beside, in files of their own.
    pub s3: control_plane::s3::SandboxS3State,
    pub s3control: control_plane::s3control::SandboxS3ControlState,
    pub cloudwatch: control_plane::cloudwatch::SandboxCloudWatchState,
    pub logs: control_plane::logs::SandboxLogsState,
    pub pricing_plans: control_plane::pricing_plans::SandboxPricingPlanState,
    pub packagecloud: packagecloud::SandboxPackagecloudState,
    /// What every draw comes from, where the sandbox has a seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<SandboxDraws>,
}

/// Sees each call of a sandbox when it has ended.
pub type SandboxCallObserver = Arc<dyn Fn(&Sandbox, &SandboxApiCallRecord) + Send + Sync>;

/// A handle on the sandbox; clones share it.
#[derive(Clone)]
pub struct Sandbox(Arc<SandboxInner>);

/// A handle that doesn't keep the sandbox alive: for what the sandbox itself holds.
#[derive(Clone)]
pub struct WeakSandbox(Weak<SandboxInner>);

impl WeakSandbox {
    /// Returns the sandbox, where any other handle still keeps it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sandbox> {
        self.0.upgrade().map(Sandbox)
    }
}

struct SandboxInner {
    dir: PathBuf,
    store: SandboxStateStore<SandboxState>,
    process_state: SandboxInMemoryState,
    delays: SandboxPropagationDelays,
    latency: Duration,
    latency_spread: Duration,
    is_seeded: bool,
    faults: Mutex<SandboxFaultRules>,
    ledger: Mutex<SandboxCallLedger>,
    observer: Mutex<Option<SandboxCallObserver>>,
    /// The wall clock at `started`, on tokio's clock: with tokio's clock paused time is free.
    epoch: Duration,
    started: tokio::time::Instant,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sandbox").field(&self.0.dir).finish()
    }
}

impl Sandbox {
    /// Opens the sandbox in `options.dir`, or makes an empty one.
    ///
    /// # Errors
    /// Says why the directory can't be made or read, that its document is damaged, or which fault can't be read.
    pub fn open_sandbox_unseeded(options: &SandboxOptions) -> Result<Self, Failure> {
        let faults = SandboxFaultRules::parse_fault_rules(&options.faults)?;
        let wrong = |error: io::Error| {
            Failure::new_generic_failure(
                format!("sandbox {}", options.dir.display()),
                error.to_string(),
                "choose another directory with --sandbox=DIR",
            )
        };
        let store = SandboxStateStore::<SandboxState>::open_sandbox_state_dir(&options.dir).map_err(wrong)?;
        Ok(Self::begin_sandbox_process(options, store, faults))
    }

    /// Opens a sandbox whose state is `state` and in memory alone; objects, packagecloud.rb and the like lie in `options.dir`.
    ///
    /// # Errors
    /// Says which fault can't be read.
    pub fn open_in_memory_sandbox(options: &SandboxOptions, state: SandboxState) -> Result<Self, Failure> {
        let faults = SandboxFaultRules::parse_fault_rules(&options.faults)?;
        let store = SandboxStateStore::new_in_memory(&options.dir, state);
        Ok(Self::begin_sandbox_process(options, store, faults))
    }

    fn begin_sandbox_process(
        options: &SandboxOptions,
        store: SandboxStateStore<SandboxState>,
        faults: SandboxFaultRules,
    ) -> Self {
        let (changed, kept) = store.read_sandbox_store_state(|state| (state.changed, state.draws));
        let draws = match (options.seed, kept) {
            (Some(seed), None) => Some(SandboxDraws { seed, runs: 0 }),
            (Some(seed), Some(kept)) => Some(SandboxDraws { seed, ..kept }),
            (None, kept) => kept,
        };
        let epoch = if let Some(mut draws) = draws {
            draws.begin_seeded_run();
            store.update_and_save_sandbox_state(|state| state.draws = Some(draws));
            changed.max(draws::SEEDED_EPOCH)
        } else {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().max(changed)
        };
        Self(Arc::new(SandboxInner {
            dir: options.dir.clone(),
            store,
            process_state: SandboxInMemoryState::new(&options.dir),
            delays: options.delays.unwrap_or_default(),
            latency: options.latency,
            latency_spread: options.latency_spread,
            is_seeded: draws.is_some(),
            faults: Mutex::new(faults),
            ledger: Mutex::new(SandboxCallLedger::default()),
            observer: Mutex::default(),
            epoch,
            started: tokio::time::Instant::now(),
        }))
    }

    /// Returns the unix time, on tokio's clock.
    #[must_use]
    pub fn sandbox_unix_time_now(&self) -> Duration {
        self.0.epoch + self.0.started.elapsed()
    }

    /// Returns the directory that it is kept in.
    #[must_use]
    pub fn sandbox_dir(&self) -> &Path {
        &self.0.dir
    }

    /// Returns a handle that doesn't keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakSandbox {
        WeakSandbox(Arc::downgrade(&self.0))
    }

    /// Returns what this process remembers beside the state.
    #[must_use]
    pub fn sandbox_in_memory_state(&self) -> &SandboxInMemoryState {
        &self.0.process_state
    }

    /// Returns how long its states take.
    #[must_use]
    pub fn sandbox_delays(&self) -> SandboxPropagationDelays {
        self.0.delays
    }

    /// Returns what is added to this call: the latency, and a part of its spread that is drawn anew.
    #[must_use]
    pub fn draw_simulated_latency(&self) -> Duration {
        if self.0.latency_spread.is_zero() {
            self.0.latency
        } else {
            self.0.latency + self.0.latency_spread.mul_f64(fastrand::f64())
        }
    }

    /// Lets more go wrong, from now on: their counts begin here.
    ///
    /// # Errors
    /// Says which fault can't be read.
    pub fn add_sandbox_faults(&self, faults: &[String]) -> Result<(), Failure> {
        let more = SandboxFaultRules::parse_fault_rules(faults)?;
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).add_fault_rules(more);
        Ok(())
    }

    /// Takes all faults away.
    pub fn clear_sandbox_faults(&self) {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner) = SandboxFaultRules::default();
    }

    /// Lets `observer` see each call when it has ended, before its caller does.
    pub fn set_sandbox_call_observer(&self, observer: SandboxCallObserver) {
        *self.0.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    /// Returns whether every draw comes from a seed: then nothing here runs on another thread.
    #[must_use]
    pub fn is_sandbox_seeded(&self) -> bool {
        self.0.is_seeded
    }

    /// Reads the state as it is on the disk now.
    pub fn read_sandbox_state_from_disk<T>(&self, look: impl FnOnce(&SandboxState) -> T) -> T {
        self.0.store.read_sandbox_store_state(look)
    }

    /// Changes the state; what `change` did is on the disk when this returns.
    ///
    /// Where the disk refuses, the change is undone, and [`Self::pop_sandbox_write_error`] says so: the caller's answer must not be given.
    pub fn update_sandbox_state_on_disk<T>(&self, change: impl FnOnce(&mut SandboxState) -> T) -> T {
        let now = self.sandbox_unix_time_now();
        self.0.store.update_and_save_sandbox_state(|state| {
            let outcome = change(state);
            state.generation += 1;
            state.changed = now;
            outcome
        })
    }

    /// Takes why a change couldn't be kept; it is given once.
    fn pop_sandbox_write_error(&self) -> Option<String> {
        self.0.store.pop_sandbox_write_error()
    }

    /// Counts what the edge answered.
    fn count_edge_answer(&self, distribution: &str, answer: &http::Response<bytes::Bytes>, how: &str) {
        let now = self.sandbox_unix_time_now();
        let counter = &self.0.process_state.traffic;
        let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        counter.count_answer(distribution, now, answer, how);
    }

    /// Returns what edges of this sandbox served, by whichever process.
    pub fn list_running_edge_traffic(&self) -> edge_traffic::EdgeTrafficByHour {
        self.0.process_state.traffic.lock().unwrap_or_else(PoisonError::into_inner).read_all_traffic()
    }

    /// Does the jobs that are due, packagecloud's and S3's: nothing runs between two requests, so who looks at objects asks for it.
    pub fn run_due_background_jobs(&self) {
        packagecloud::run_due_sandbox_reindex_jobs(self);
        control_plane::s3control::advance_due_batch_jobs(self);
    }

    /// Returns every call since the sandbox was opened here, or its ledger cleared.
    #[must_use]
    pub fn sandbox_recorded_aws_calls(&self) -> Vec<SandboxApiCallRecord> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).recorded_calls().to_vec()
    }

    /// Forgets the calls so far, so that what follows is counted alone.
    pub fn clear_call_ledger(&self) {
        *self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner) = SandboxCallLedger::default();
    }

    fn append_call_to_ledger(&self, call: SandboxApiCallRecord) {
        let observer = self.0.observer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        observer.iter().for_each(|observer| observer(self, &call));
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).append_call_to_ledger(call);
    }

    /// Panics where a fault of the wizard's own loop is asked for.
    ///
    /// # Panics
    /// Then, and never else.
    pub fn panic_on_injected_wizard_fault(&self) {
        let fault = self.pick_fault_for_request(SandboxFaultTarget::Wizard, "");
        assert!(fault.is_none(), "a fault of this program in the wizard's loop, as asked for");
    }

    fn pick_fault_for_request(&self, target: SandboxFaultTarget, operation: &str) -> Option<SandboxFault> {
        self.0
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count_request_and_pick_fault(target, operation)
    }
}

#[cfg(test)]
mod tests;
