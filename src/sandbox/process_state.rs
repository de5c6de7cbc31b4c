//! What one process remembers of a world beside its state on the disk: the objects' index, and the edge's cache.
//!
//! Nothing here outlives the process: what must is in the state, or in the store's journals.

use std::{path::Path, sync::Mutex};

use super::{
    control_plane::s3::ObjectStore,
    edge_location::{EdgeCache, FunctionInstances},
};

pub struct ProcessState {
    pub objects: ObjectStore,
    pub cache: Mutex<EdgeCache>,
    pub functions: FunctionInstances,
    /// Held by whoever does the jobs' work that is due.
    pub jobs: Mutex<()>,
}

impl ProcessState {
    pub fn new(dir: &Path) -> Self {
        Self {
            objects: ObjectStore::new(dir),
            cache: Mutex::default(),
            functions: Mutex::default(),
            jobs: Mutex::default(),
        }
    }
}
