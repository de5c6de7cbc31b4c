//! The sandbox's world: every service's state in one document, kept in DIR, safe to kill at any instant and to share between processes.
//!
//! A change is on the disk, whole, before its answer is given.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::model::{failure::Failure, token::Construction};

use super::{aws, memory::Memory, packagecloud};

/// How a sandbox is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub dir: PathBuf,
    /// A fresh one has an empty bucket instead of small repositories.
    pub empty: bool,
    /// How its packagecloud signs; kept in DIR.
    pub construction: Option<Construction>,
    /// `--sandbox-fault`, as given.
    pub faults: Vec<String>,
}

/// Every service's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Grows with each change.
    pub generation: u64,
    pub sts: aws::sts::State,
    pub iam: aws::iam::State,
    pub kms: aws::kms::State,
    pub lambda: aws::lambda::State,
    pub cloudfront: aws::cloudfront::State,
    /// Buckets and their settings; objects lie beside, in files of their own.
    pub s3: aws::s3::State,
    pub packagecloud: packagecloud::State,
}

/// A handle on the world; clones share it.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    memory: Memory,
    state: Mutex<State>,
    /// The wall clock at `started`, on tokio's clock: with tokio's clock paused time is free.
    epoch: Duration,
    started: tokio::time::Instant,
}

impl World {
    /// Opens the world in `options.dir`, or makes one.
    ///
    /// # Errors
    /// Where the directory can't be made or read.
    pub fn open(options: &Options) -> Result<Self, Failure> {
        std::fs::create_dir_all(&options.dir).map_err(|error| {
            Failure::other(
                format!("sandbox {}", options.dir.display()),
                error.to_string(),
                "choose another directory with --sandbox=DIR",
            )
        })?;
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            dir: options.dir.clone(),
            memory: Memory::new(&options.dir),
            state: Mutex::new(State::default()),
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

    /// What this process remembers beside the state.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Reads the state as it is on the disk now.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state; what `change` did is on the disk when this returns.
    pub fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.generation += 1;
        change(&mut state)
    }
}
