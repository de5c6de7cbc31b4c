//! A document in a directory: safe to kill at any instant, shared between processes, whatever it holds.
//!
//! A change is on the disk, whole, before [`SandboxStateStore::update_and_save_sandbox_state`] returns; whoever reads sees the last
//! change of any process. A document in memory alone belongs to its one process, and costs no disk.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use super::private_files::{build_private_file_options, create_private_dir, write_private_file};

pub(super) const DOCUMENT_FILE: &str = "world.json";
/// Where the next document is written whole, before it takes the other's name.
const NEXT_DOCUMENT_FILE: &str = "world.json.new";
/// Holds the lock and, in its first eight bytes, the stamp of the document.
const LOCK_FILE: &str = "world.lock";
/// The stamp of what must be read again; none on the disk is as high.
const STALE_STAMP: u64 = u64::MAX;

/// The document of a directory; `S` is what it holds.
pub struct SandboxStateStore<S> {
    dir: PathBuf,
    document: Mutex<SandboxStateDocument<S>>,
}

/// The document as last read or written here, and the stamp that stood in the lock file then.
struct SandboxStateDocument<S> {
    state: S,
    /// None where it is in memory alone.
    lock: Option<Arc<File>>,
    stamp: u64,
    /// Why the last change couldn't be kept.
    storage_error: Option<String>,
}

/// The lock on the document, until this is dropped.
struct SandboxStateLock(Arc<File>);

impl Drop for SandboxStateLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl<S: Default + Serialize + DeserializeOwned> SandboxStateStore<S> {
    /// Opens the document in `dir`; makes the directory, and starts from the default, where there is none.
    ///
    /// # Errors
    /// Says why the directory can't be made or read, or that the document is damaged.
    pub fn open_sandbox_state_dir(dir: &Path) -> io::Result<Self> {
        create_private_dir(dir)?;
        let lock = build_private_file_options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK_FILE))?;
        let mut document =
            SandboxStateDocument { state: S::default(), lock: None, stamp: STALE_STAMP, storage_error: None };
        lock.lock_shared()?;
        document.reload_sandbox_state_from_disk(dir, &lock)?;
        lock.unlock()?;
        document.lock = Some(Arc::new(lock));
        Ok(Self { dir: dir.to_owned(), document: Mutex::new(document) })
    }

    /// Makes a document in memory alone, which holds `state`; `dir` holds nothing of it.
    pub fn new_in_memory(dir: &Path, state: S) -> Self {
        let document = SandboxStateDocument { state, lock: None, stamp: STALE_STAMP, storage_error: None };
        Self { dir: dir.to_owned(), document: Mutex::new(document) }
    }

    /// Reads the state as it is on the disk now.
    pub fn read_sandbox_store_state<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = document.lock.clone() {
            let fresh = lock.lock_shared().and_then(|()| document.reload_state_if_changed(&self.dir, &lock));
            if let Err(error) = fresh {
                document.storage_error = Some(error.to_string());
            }
            let _ = lock.unlock();
        }
        look(&document.state)
    }

    /// Changes the state; what `change` did is on the disk when this returns.
    ///
    /// Where the disk refuses, the change is undone, and [`Self::pop_sandbox_write_error`] says so.
    pub fn update_and_save_sandbox_state<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lock) = document.lock.clone() else { return change(&mut document.state) };
        if let Err(error) = lock.lock().and_then(|()| document.reload_state_if_changed(&self.dir, &lock)) {
            document.storage_error = Some(error.to_string());
        }
        // Should `change` panic half-way, the lock is given back, and the next look reads the disk again.
        let _held = SandboxStateLock(Arc::clone(&lock));
        let stamp = std::mem::replace(&mut document.stamp, STALE_STAMP);
        let outcome = change(&mut document.state);
        if let Err(error) = document.write_state_to_disk(&self.dir, &lock, stamp) {
            document.storage_error = Some(error.to_string());
        }
        outcome
    }

    /// Takes why a change couldn't be kept; it is given once.
    pub fn pop_sandbox_write_error(&self) -> Option<String> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner).storage_error.take()
    }
}

impl<S: Default + Serialize + DeserializeOwned> SandboxStateDocument<S> {
    /// Reads again where another process has changed the document; the lock is held by the caller.
    fn reload_state_if_changed(&mut self, dir: &Path, lock: &File) -> io::Result<()> {
        if read_sandbox_state_counter(lock)? == self.stamp {
            Ok(())
        } else {
            self.reload_sandbox_state_from_disk(dir, lock)
        }
    }

    fn reload_sandbox_state_from_disk(&mut self, dir: &Path, lock: &File) -> io::Result<()> {
        let stamp = read_sandbox_state_counter(lock)?;
        self.state = match std::fs::read(dir.join(DOCUMENT_FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::other(format!("{DOCUMENT_FILE}: {error}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => S::default(),
            Err(error) => return Err(error),
        };
        self.stamp = stamp;
        Ok(())
    }

    /// Writes the document. The stamp moves before it: whoever dies between the two costs the others one reading, never a change.
    fn write_state_to_disk(&mut self, dir: &Path, lock: &File, stamp: u64) -> io::Result<()> {
        let bytes = serde_json::to_vec(&self.state)?;
        let fresh = dir.join(NEXT_DOCUMENT_FILE);
        write_private_file(&fresh, &bytes)?;
        let last = if stamp == STALE_STAMP { read_sandbox_state_counter(lock)? } else { stamp };
        let next = last.wrapping_add(1) % (STALE_STAMP - 1);
        lock.write_all_at(&next.to_le_bytes(), 0)?;
        std::fs::rename(fresh, dir.join(DOCUMENT_FILE))?;
        self.stamp = next;
        Ok(())
    }
}

fn read_sandbox_state_counter(lock: &File) -> io::Result<u64> {
    let mut stamp = [0; 8];
    let read = lock.read_at(&mut stamp, 0)?;
    Ok(if read == stamp.len() { u64::from_le_bytes(stamp) } else { 0 })
}
