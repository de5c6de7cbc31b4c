//! What one process remembers of a sandbox beside its state on the disk: the objects' index, and the edge's cache.
//!
//! Nothing here outlives the process: what must is in the state, or in the store's journals.

use std::{path::Path, sync::Mutex};

use super::{
    control_plane::{
        cloudfront::SandboxDeployedDistributionMemory, lambda::SandboxFunctionInstances,
        s3::SandboxObjectStore,
    },
    edge_location::SandboxEdgeResponseCache,
    edge_traffic::EdgeTrafficCounter,
};
use crate::model::packagecloud::path_cache::PathSpellingReading;

/// What this process remembers.
pub struct SandboxInMemoryState {
    /// The index of the objects, over their journals.
    pub objects: SandboxObjectStore,
    pub cache: Mutex<SandboxEdgeResponseCache>,
    /// How the edges read a path before they compare it with the behaviors' patterns.
    pub path_reading: Mutex<PathSpellingReading>,
    pub functions: SandboxFunctionInstances,
    pub deployed_distributions: Mutex<SandboxDeployedDistributionMemory>,
    /// What the edge served.
    pub traffic: Mutex<EdgeTrafficCounter>,
    /// Held by whoever does the jobs' work that is due.
    pub jobs: Mutex<()>,
}

impl SandboxInMemoryState {
    /// Makes an empty memory over the objects in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            objects: SandboxObjectStore::new(dir),
            cache: Mutex::default(),
            path_reading: Mutex::default(),
            functions: Mutex::default(),
            deployed_distributions: Mutex::default(),
            traffic: Mutex::new(EdgeTrafficCounter::new(dir)),
            jobs: Mutex::default(),
        }
    }
}
