//! The sandbox's world: every service's state in one document, kept in DIR, safe to kill at any instant and to share between processes.
//!
//! A change is on the disk, whole, before its answer is given; whoever reads sees the last change of any process.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::model::{failure::Failure, url::token::TokenConstruction};

use super::{
    control_plane,
    faults::{Fault, FaultRules},
    ledger::{CallLedger, LedgerEntry},
    packagecloud,
    process_state::ProcessState,
};

/// How a sandbox is opened.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    pub dir: PathBuf,
    /// A fresh one has an empty bucket instead of small repositories.
    pub empty: bool,
    /// How its packagecloud signs; kept in DIR.
    pub construction: Option<TokenConstruction>,
    /// `--sandbox-fault`, as given.
    pub faults: Vec<String>,
    /// How long its states take; [`Delays::default`] where none is said.
    pub delays: Option<SandboxDelays>,
    /// Added to each call.
    pub latency: Duration,
}

/// How long AWS takes to make true what it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxDelays {
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

impl Default for SandboxDelays {
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

impl SandboxDelays {
    /// Everything at once: for benches.
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

    /// Everything so many times as long.
    #[must_use]
    pub fn scale_by(self, factor: f64) -> Self {
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

/// Every service's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxState {
    /// Grows with each change.
    pub generation: u64,
    /// The unix time of the last change: a world that is opened again never lies before it.
    pub changed: Duration,
    pub sts: control_plane::sts::StsState,
    pub iam: control_plane::iam::IamState,
    pub acm: control_plane::acm::AcmState,
    pub kms: control_plane::kms::KmsState,
    pub lambda: control_plane::lambda::LambdaState,
    pub cloudfront: control_plane::cloudfront::CloudFrontState,
    /// Buckets and their settings; objects lie beside, in files of their own.
    pub s3: control_plane::s3::S3State,
    pub s3control: control_plane::s3control::S3ControlState,
    pub packagecloud: packagecloud::PackagecloudState,
}

/// A handle on the world; clones share it.
#[derive(Clone)]
pub struct Sandbox(Arc<SandboxInner>);

/// A handle that doesn't keep the world: for what the world itself holds.
#[derive(Clone)]
pub struct WeakSandbox(Weak<SandboxInner>);

impl WeakSandbox {
    #[must_use]
    pub fn upgrade(&self) -> Option<Sandbox> {
        self.0.upgrade().map(Sandbox)
    }
}

struct SandboxInner {
    dir: PathBuf,
    memory: ProcessState,
    kept: Mutex<StateDocument>,
    delays: SandboxDelays,
    pub(super) latency: Duration,
    faults: Mutex<FaultRules>,
    ledger: Mutex<CallLedger>,
    /// The wall clock at `started`, on tokio's clock: with tokio's clock paused time is free.
    epoch: Duration,
    started: tokio::time::Instant,
}

/// The document as last read or written here, and the stamp that stood in the lock file then.
struct StateDocument {
    state: SandboxState,
    lock: Arc<File>,
    stamp: u64,
    /// Why the last change couldn't be kept.
    storage_error: Option<String>,
}

/// The lock on the document, until this is dropped.
struct StateLockGuard(Arc<File>);

impl Drop for StateLockGuard {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("World").field(&self.0.dir).finish()
    }
}

impl Sandbox {
    /// Opens the world in `options.dir`, or makes one.
    ///
    /// # Errors
    /// Where the directory can't be made or read, its document is damaged, or a fault can't be read.
    pub fn open_without_seed(options: &SandboxOptions) -> Result<Self, Failure> {
        let faults = FaultRules::parse_fault_rules(&options.faults)?;
        let wrong = |error: io::Error| {
            Failure::other_failure(
                format!("sandbox {}", options.dir.display()),
                error.to_string(),
                "choose another directory with --sandbox=DIR",
            )
        };
        std::fs::create_dir_all(&options.dir).map_err(wrong)?;
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(options.dir.join("world.lock"))
            .map_err(wrong)?;
        let mut kept = StateDocument {
            state: SandboxState::default(),
            lock: Arc::new(lock),
            stamp: u64::MAX,
            storage_error: None,
        };
        kept.lock.lock_shared().map_err(wrong)?;
        kept.reload_from_disk(&options.dir).map_err(wrong)?;
        kept.lock.unlock().map_err(wrong)?;
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().max(kept.state.changed);
        Ok(Self(Arc::new(SandboxInner {
            dir: options.dir.clone(),
            memory: ProcessState::new(&options.dir),
            kept: Mutex::new(kept),
            delays: options.delays.unwrap_or_default(),
            latency: options.latency,
            faults: Mutex::new(faults),
            ledger: Mutex::new(CallLedger::default()),
            epoch,
            started: tokio::time::Instant::now(),
        })))
    }

    /// Unix time, on tokio's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.epoch + self.0.started.elapsed()
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    #[must_use]
    pub fn downgrade(&self) -> WeakSandbox {
        WeakSandbox(Arc::downgrade(&self.0))
    }

    /// What this process remembers beside the state.
    #[must_use]
    pub fn process_state(&self) -> &ProcessState {
        &self.0.memory
    }

    #[must_use]
    pub fn delays(&self) -> SandboxDelays {
        self.0.delays
    }

    #[must_use]
    pub fn latency(&self) -> Duration {
        self.0.latency
    }

    /// Reads the state as it is on the disk now.
    pub fn read_state<T>(&self, look: impl FnOnce(&SandboxState) -> T) -> T {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = kept.lock.lock_shared().and_then(|()| kept.reload_if_changed(&self.0.dir)) {
            kept.storage_error = Some(error.to_string());
        }
        let _ = kept.lock.unlock();
        look(&kept.state)
    }

    /// Changes the state; what `change` did is on the disk when this returns.
    ///
    /// Where the disk refuses, the change is undone, and [`World::trouble`] says so: the caller's answer must not be given.
    pub fn write_state<T>(&self, change: impl FnOnce(&mut SandboxState) -> T) -> T {
        let now = self.now();
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = kept.lock.lock().and_then(|()| kept.reload_if_changed(&self.0.dir)) {
            kept.storage_error = Some(error.to_string());
        }
        // Should `change` panic half-way, the lock is given back, and the next look reads the disk again.
        let _held = StateLockGuard(Arc::clone(&kept.lock));
        let stamp = std::mem::replace(&mut kept.stamp, u64::MAX);
        let outcome = change(&mut kept.state);
        kept.state.generation += 1;
        kept.state.changed = now;
        if let Err(error) = kept.write_to_disk(&self.0.dir, stamp) {
            kept.storage_error = Some(error.to_string());
        }
        outcome
    }

    /// Why a change couldn't be kept, once.
    pub(super) fn take_storage_error(&self) -> Option<String> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).storage_error.take()
    }

    /// Every call since the world was opened here.
    #[must_use]
    pub fn ledger_entries(&self) -> Vec<LedgerEntry> {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).ledger_entries().to_vec()
    }

    /// Forgets the calls so far, so that what follows is counted alone.
    pub fn clear_ledger(&self) {
        *self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner) = CallLedger::default();
    }

    pub(super) fn record_call(&self, call: LedgerEntry) {
        self.0.ledger.lock().unwrap_or_else(PoisonError::into_inner).append_entry(call);
    }

    /// Where a fault of the wizard's own loop is asked for, this is it.
    ///
    /// # Panics
    /// Then.
    pub fn panic_on_wizard_fault(&self) {
        let fault = self.next_fault("wizard", "");
        assert!(fault.is_none(), "a fault of this program in the wizard's loop, as asked for");
    }

    pub(super) fn next_fault(&self, service: &str, operation: &str) -> Option<Fault> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).next_fault(service, operation)
    }
}

impl StateDocument {
    /// Reads again where another process has changed the document; the lock is held by the caller.
    fn reload_if_changed(&mut self, dir: &Path) -> io::Result<()> {
        if read_stamp(&self.lock)? == self.stamp { Ok(()) } else { self.reload_from_disk(dir) }
    }

    fn reload_from_disk(&mut self, dir: &Path) -> io::Result<()> {
        let stamp = read_stamp(&self.lock)?;
        self.state = match std::fs::read(dir.join("world.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::other(format!("world.json: {error}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => SandboxState::default(),
            Err(error) => return Err(error),
        };
        self.stamp = stamp;
        Ok(())
    }

    /// The stamp moves before the document: whoever dies between the two costs the others one reading, never a change.
    fn write_to_disk(&mut self, dir: &Path, stamp: u64) -> io::Result<()> {
        let bytes = serde_json::to_vec(&self.state)?;
        let fresh = dir.join("world.json.new");
        std::fs::write(&fresh, bytes)?;
        let next =
            if stamp == u64::MAX { read_stamp(&self.lock)? } else { stamp }.wrapping_add(1) % (u64::MAX - 1);
        self.lock.write_all_at(&next.to_le_bytes(), 0)?;
        std::fs::rename(fresh, dir.join("world.json"))?;
        self.stamp = next;
        Ok(())
    }
}

fn read_stamp(lock: &File) -> io::Result<u64> {
    let mut stamp = [0; 8];
    let read = lock.read_at(&mut stamp, 0)?;
    Ok(if read == stamp.len() { u64::from_le_bytes(stamp) } else { 0 })
}

#[cfg(test)]
mod tests;
