//! The objects on the disk: contents by their SHA-256, and a journal a bucket, one JSON line a change; the last word on a key counts.
//!
//! A change is one appended line, so that a copy onto itself writes no content again, and whoever is killed leaves
//! whole lines and at most a torn last one, which the next writer cuts off. Processes that share the directory take
//! turns by a lock on the journal, and read on where the others wrote.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::object::SandboxObject;
use crate::sandbox::private_files::{build_private_file_options, create_private_dir, write_private_file};

/// Every key with its versions, the newest last.
pub type ObjectVersionsByKey = BTreeMap<String, Vec<SandboxObject>>;

/// One change of a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum BucketJournalChange {
    /// The object takes the place of the version with its id.
    Put(Box<SandboxObject>),
    /// That version is gone for good.
    Forget { key: String, version: String },
}

#[derive(Default)]
struct SandboxBucketContents {
    objects: ObjectVersionsByKey,
    /// How far the journal was read.
    read: u64,
}

/// A directory of journals and contents.
pub struct SandboxObjectStore {
    dir: PathBuf,
    buckets: Mutex<HashMap<String, SandboxBucketContents>>,
}

impl SandboxObjectStore {
    /// Makes the store of the objects in the sandbox's directory.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.join("s3"), buckets: Mutex::default() }
    }

    /// Reads a bucket as it is on the disk now.
    ///
    /// # Errors
    /// Says why the bucket's journal can't be read.
    pub fn read_sandbox_bucket_from_disk<T>(
        &self,
        bucket: &str,
        look: impl FnOnce(&ObjectVersionsByKey) -> T,
    ) -> io::Result<T> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.entry(bucket.to_owned()).or_default();
        match File::open(self.build_bucket_journal_path(bucket)) {
            Ok(mut file) => {
                known.replay_new_bucket_journal_lines(&mut file)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(look(&known.objects))
    }

    /// Changes a bucket: `decide` sees it as it is, and nothing moves between its decision and the change.
    ///
    /// # Errors
    /// Gives what `decide` refuses with, or why the journal can't be read or written.
    pub fn change_stored_bucket<T, E: From<io::Error>>(
        &self,
        bucket: &str,
        decide: impl FnOnce(&ObjectVersionsByKey) -> Result<(Vec<BucketJournalChange>, T), E>,
    ) -> Result<T, E> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.entry(bucket.to_owned()).or_default();
        let path = self.build_bucket_journal_path(bucket);
        let mut file = open_sandbox_bucket_journal(&path)?;
        file.lock()?;
        let whole = known.replay_new_bucket_journal_lines(&mut file)?;
        let (changes, out) = decide(&known.objects)?;
        if !changes.is_empty() {
            file.set_len(whole)?;
            let mut lines = Vec::new();
            for change in &changes {
                serde_json::to_writer(&mut lines, change).map_err(io::Error::from)?;
                lines.push(b'\n');
            }
            file.seek(SeekFrom::Start(whole))?;
            file.write_all(&lines)?;
            known.read = whole + lines.len() as u64;
            for change in changes {
                known.apply_journal_change(change);
            }
        }
        Ok(out)
    }

    /// Keeps a content, and returns its name.
    ///
    /// # Errors
    /// Says why it can't be written.
    pub fn store_object_content(&self, content: &[u8]) -> io::Result<String> {
        let digest = hex::encode(Sha256::digest(content));
        let path = self.build_object_content_path(&digest);
        if !path.exists() {
            let folder = path.parent().unwrap_or(&self.dir);
            create_private_dir(folder)?;
            let fresh = folder.join(format!(".{digest}.{:016x}", fastrand::u64(..)));
            write_private_file(&fresh, content)?;
            std::fs::rename(&fresh, &path)?;
        }
        Ok(digest)
    }

    /// Reads a content by its name.
    ///
    /// # Errors
    /// Says why it can't be read.
    pub fn read_sandbox_object_content(&self, digest: &str) -> io::Result<Bytes> {
        std::fs::read(self.build_object_content_path(digest)).map(Bytes::from)
    }

    fn build_object_content_path(&self, digest: &str) -> PathBuf {
        self.dir.join("contents").join(&digest[..2.min(digest.len())]).join(digest)
    }

    fn build_bucket_journal_path(&self, bucket: &str) -> PathBuf {
        self.dir.join(format!("{bucket}.journal"))
    }
}

fn open_sandbox_bucket_journal(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        create_private_dir(folder)?;
    }
    build_private_file_options().read(true).write(true).create(true).truncate(false).open(path)
}

impl SandboxBucketContents {
    /// Reads what was written since; returns where the last whole line ends.
    fn replay_new_bucket_journal_lines(&mut self, file: &mut File) -> io::Result<u64> {
        let length = file.metadata()?.len();
        if length < self.read {
            // The directory was made anew beneath us.
            *self = Self::default();
        }
        if length > self.read {
            file.seek(SeekFrom::Start(self.read))?;
            let mut fresh = Vec::new();
            file.read_to_end(&mut fresh)?;
            let whole = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for line in fresh[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.apply_journal_change(serde_json::from_slice(line)?);
            }
            self.read += whole as u64;
        }
        Ok(self.read)
    }

    fn apply_journal_change(&mut self, change: BucketJournalChange) {
        match change {
            BucketJournalChange::Put(object) => {
                let versions = self.objects.entry(object.key.clone()).or_default();
                // A version is amended where it lies; `null` is written anew, and is the newest then.
                let amended =
                    |old: &&mut SandboxObject| old.version == object.version && old.version != "null";
                if let Some(old) = versions.iter_mut().find(amended) {
                    *old = *object;
                } else {
                    versions.retain(|old| old.version != object.version);
                    versions.push(*object);
                }
            }
            BucketJournalChange::Forget { key, version } => {
                if let Some(versions) = self.objects.get_mut(&key) {
                    versions.retain(|old| old.version != version);
                    if versions.is_empty() {
                        self.objects.remove(&key);
                    }
                }
            }
        }
    }
}

/// Finds the newest version of a key, unless it is deleted.
pub fn find_newest_sandbox_object_version<'o>(
    objects: &'o ObjectVersionsByKey,
    key: &str,
) -> Option<&'o SandboxObject> {
    objects.get(key).and_then(|versions| versions.last()).filter(|object| !object.marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_object(store: &SandboxObjectStore, key: &str, etag: &str) {
        let object = SandboxObject { key: key.to_owned(), etag: etag.to_owned(), ..SandboxObject::default() };
        store
            .change_stored_bucket("b", |_| {
                Ok::<_, io::Error>((vec![BucketJournalChange::Put(Box::new(object))], ()))
            })
            .unwrap();
    }

    #[test]
    fn two_stores_on_one_directory_see_each_other_and_a_torn_line_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (SandboxObjectStore::new(dir.path()), SandboxObjectStore::new(dir.path()));
        let odd = "a+b c%20\u{fc}/\"'\n";
        put_object(&one, odd, "1");
        assert_eq!(
            two.read_sandbox_bucket_from_disk("b", |all| find_newest_sandbox_object_version(all, odd)
                .unwrap()
                .etag
                .clone())
                .unwrap(),
            "1"
        );
        let journal = dir.path().join("s3/b.journal");
        let mut torn = std::fs::read(&journal).unwrap();
        torn.extend_from_slice(b"{\"Put\":{\"key\":\"half");
        std::fs::write(&journal, torn).unwrap();
        assert_eq!(
            SandboxObjectStore::new(dir.path()).read_sandbox_bucket_from_disk("b", BTreeMap::len).unwrap(),
            1
        );
        put_object(&two, odd, "2");
        assert_eq!(
            one.read_sandbox_bucket_from_disk("b", |all| find_newest_sandbox_object_version(all, odd)
                .unwrap()
                .etag
                .clone())
                .unwrap(),
            "2"
        );
        assert_eq!(
            SandboxObjectStore::new(dir.path()).read_sandbox_bucket_from_disk("b", BTreeMap::len).unwrap(),
            1
        );
    }
}
