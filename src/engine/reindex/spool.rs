//! What is to be handed to S3 Batch Operations: a file for each set of attributes, its lines a manifest's.
//!
//! A line is written before its key counts as done, so that whoever is killed may write a key twice and never not at
//! all. Losing the files costs looking at their objects again, and nothing else.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

pub(crate) use crate::aws::{batch::BatchCopyAttributes, s3::fast::ObjectAttributes};
use crate::model::failure::Failure;
use crate::model::run::proposed_command::render_same_command_again;

/// Sets that are told apart while objects are looked at; what belongs to further ones is copied from here.
const SETS_MAX: usize = 200;
/// A manifest's bytes at most: S3 takes 5 GB in one request.
const MANIFEST_MAX_BYTES: u64 = 1 << 30;
/// A manifest's keys are URL-encoded.
const KEY_ENCODE_SET: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What holds for all of a run's jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSpoolRunInfo {
    /// The run's own name, in its manifests' keys.
    pub run: String,
    /// S3's time (Unix seconds) after which an object has changed since it was looked at; none before the first look.
    pub before: Option<i64>,
}

/// One manifest that is ready to be written to the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledBatchManifest {
    /// `<set's digest>-<part>`.
    pub name: String,
    pub path: PathBuf,
    pub set: BatchCopyAttributes,
    pub objects: u64,
}

/// Takes packages, from many workers at once.
#[derive(Debug)]
pub struct BatchManifestWriter {
    dir: PathBuf,
    bucket: String,
    inner: Mutex<ManifestSpoolState>,
}

#[derive(Debug)]
struct ManifestSpoolState {
    about: ManifestSpoolRunInfo,
    open: HashMap<BatchCopyAttributes, OpenManifest>,
}

/// The file that a set's lines go to now.
#[derive(Debug)]
struct OpenManifest {
    digest: String,
    number: usize,
    file: File,
    bytes: u64,
}

fn build_file_write_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new_generic_failure(
        path.display().to_string(),
        error.to_string(),
        format!("make room or give another --state-dir, then run: {}", render_same_command_again(&[])),
    )
}

impl BatchManifestWriter {
    /// Creates an empty one in `dir`; what lay there is gone.
    ///
    /// # Errors
    /// Fails where the directory can't be written.
    pub fn create_empty_manifest_spool(dir: &Path, bucket: &str) -> Result<Self, Failure> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(build_file_write_failure(dir, &error));
            }
            _ => {}
        }
        std::fs::create_dir_all(dir).map_err(|error| build_file_write_failure(dir, &error))?;
        let spool = Self::new(
            dir,
            bucket,
            ManifestSpoolRunInfo { run: format!("{:016x}", fastrand::u64(..)), before: None },
        );
        spool.save_manifest_spool_info(&spool.manifest_run_info())?;
        Ok(spool)
    }

    /// Opens the one that an interrupted run left; none where it can't be read.
    pub fn open_existing_manifest_spool(dir: &Path, bucket: &str) -> Option<Self> {
        let about = serde_json::from_slice(&std::fs::read(dir.join("about.json")).ok()?).ok()?;
        Some(Self::new(dir, bucket, about))
    }

    fn new(dir: &Path, bucket: &str, about: ManifestSpoolRunInfo) -> Self {
        let inner = Mutex::new(ManifestSpoolState { about, open: HashMap::new() });
        Self { dir: dir.to_owned(), bucket: bucket.to_owned(), inner }
    }

    /// Returns what holds for all of the run's jobs.
    pub fn manifest_run_info(&self) -> ManifestSpoolRunInfo {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).about.clone()
    }

    fn save_manifest_spool_info(&self, about: &ManifestSpoolRunInfo) -> Result<(), Failure> {
        let path = self.dir.join("about.json");
        let text = serde_json::to_vec(about).unwrap_or_default();
        replace_file_atomically(&path, &text).map_err(|error| build_file_write_failure(&path, &error))
    }

    /// Takes the object where a job can copy it and lose nothing; false where it is left to a copy from here.
    ///
    /// # Errors
    /// Fails where its file can't be written.
    pub fn try_add_object_to_manifest(
        &self,
        key: &str,
        head: &ObjectAttributes,
        cache_control: &str,
    ) -> Result<bool, Failure> {
        let Ok(set) = BatchCopyAttributes::batch_attributes_from_object(head, cache_control) else {
            return Ok(false);
        };
        let (Some(now), Some(modified)) =
            (parse_object_date_header(head, "date"), parse_object_date_header(head, "last-modified"))
        else {
            return Ok(false);
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if let Some(before) = inner.about.before {
            before
        } else {
            // Dates have whole seconds: what is written in this second might be written again within it.
            let about = ManifestSpoolRunInfo { before: Some(now - 1), ..inner.about.clone() };
            self.save_manifest_spool_info(&about)?;
            inner.about = about;
            now - 1
        };
        if modified > before || before >= now {
            return Ok(false);
        }
        let sets = inner.open.len();
        let part = match inner.open.entry(set) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if sets >= SETS_MAX => return Ok(false),
            std::collections::hash_map::Entry::Vacant(place) => {
                let part = self.open_manifest_for_copy_attributes(place.key())?;
                place.insert(part)
            }
        };
        let line = format!("{},{}\n", self.bucket, utf8_percent_encode(key, KEY_ENCODE_SET));
        if part.bytes > 0 && part.bytes + line.len() as u64 > MANIFEST_MAX_BYTES {
            *part = self.open_manifest_file_for_append(part.digest.clone(), part.number + 1)?;
        }
        part.file.write_all(line.as_bytes()).map_err(|error| build_file_write_failure(&self.dir, &error))?;
        part.bytes += line.len() as u64;
        Ok(true)
    }

    /// The files of a set: its own words first, then the lines, where an earlier run left some after those.
    fn open_manifest_for_copy_attributes(&self, set: &BatchCopyAttributes) -> Result<OpenManifest, Failure> {
        let text = serde_json::to_vec(set).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(&text))[..16].to_owned();
        let path = self.dir.join(format!("{digest}.json"));
        replace_file_atomically(&path, &text).map_err(|error| build_file_write_failure(&path, &error))?;
        let mut number = 0;
        while self.build_manifest_path(&digest, number + 1).exists() {
            number += 1;
        }
        self.open_manifest_file_for_append(digest, number)
    }

    fn open_manifest_file_for_append(&self, digest: String, number: usize) -> Result<OpenManifest, Failure> {
        let path = self.build_manifest_path(&digest, number);
        let opened = || {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            let bytes = find_last_line_end_offset(&path)?;
            // A line that was torn is cut off: its key doesn't count as done.
            file.set_len(bytes)?;
            file.flush()?;
            Ok((file, bytes))
        };
        let (file, bytes) = opened().map_err(|error: io::Error| build_file_write_failure(&path, &error))?;
        Ok(OpenManifest { digest, number, file, bytes })
    }

    fn build_manifest_path(&self, digest: &str, number: usize) -> PathBuf {
        self.dir.join(format!("{digest}-{number}.csv"))
    }

    /// Collects the manifests, the longest first.
    ///
    /// # Errors
    /// Fails where a file can't be written to its end.
    pub fn collect_ready_batch_manifests(&self) -> Result<Vec<SpooledBatchManifest>, Failure> {
        let wrong = |error: io::Error| build_file_write_failure(&self.dir, &error);
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let Some((digest, _)) = name.split_once('-') else { continue };
            let set = std::fs::read(self.dir.join(format!("{digest}.json"))).ok();
            let Some(set) = set.and_then(|text| serde_json::from_slice(&text).ok()) else { continue };
            let bytes = find_last_line_end_offset(&path).map_err(wrong)?;
            OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(bytes)).map_err(wrong)?;
            let objects = count_file_lines(&path).map_err(wrong)?;
            if objects > 0 {
                all.push(SpooledBatchManifest { name, path, set, objects });
            }
        }
        all.sort_by(|one, other| (other.objects, &one.name).cmp(&(one.objects, &other.name)));
        Ok(all)
    }
}

/// A header's date as Unix seconds.
fn parse_object_date_header(head: &ObjectAttributes, name: &str) -> Option<i64> {
    let text = head.object_header_value(name)?.replace("GMT", "+0000");
    OffsetDateTime::parse(&text, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

/// Bytes up to the end of the last whole line.
fn find_last_line_end_offset(path: &Path) -> io::Result<u64> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let tail = length.min(8 << 10);
    file.seek(SeekFrom::End(-(tail.cast_signed())))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let torn = bytes.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
    Ok(length - torn)
}

fn count_file_lines(path: &Path) -> io::Result<u64> {
    use std::io::BufRead as _;
    let (mut file, mut count) = (io::BufReader::new(File::open(path)?), 0);
    while file.skip_until(b'\n')? > 0 {
        count += 1;
    }
    Ok(count)
}

/// Replaces the file in one step.
///
/// # Errors
/// Fails where the file can't be written.
pub fn replace_file_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn example_head(modified: &str, kind: &str) -> ObjectAttributes {
        let map: HeaderMap = [
            ("content-length", "3"),
            ("etag", "\"e\""),
            ("date", "Thu, 26 Nov 2026 10:00:10 GMT"),
            ("last-modified", modified),
            ("content-type", kind),
        ]
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
        ObjectAttributes::from_head_response_headers(map).unwrap()
    }

    const OLD_DATE: &str = "Wed, 25 Nov 2026 10:00:00 GMT";

    #[test]
    fn a_manifest_for_each_set_and_a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let spool = BatchManifestWriter::create_empty_manifest_spool(dir.path(), "pkgs").unwrap();
        for (key, kind) in [("1/2/a+b c.deb", "a/deb"), ("1/2/x,\"ä\n.rpm", "a/rpm"), ("1/2/y.rpm", "a/rpm")]
        {
            assert!(
                spool.try_add_object_to_manifest(key, &example_head(OLD_DATE, kind), "x").unwrap(),
                "{key}"
            );
        }
        assert!(
            !spool
                .try_add_object_to_manifest(
                    "1/2/new",
                    &example_head("Thu, 26 Nov 2026 10:00:10 GMT", "a/rpm"),
                    "x"
                )
                .unwrap()
        );
        let filled = spool.collect_ready_batch_manifests().unwrap();
        assert_eq!(filled.iter().map(|one| one.objects).collect::<Vec<_>>(), [2, 1]);
        let text = std::fs::read_to_string(&filled[0].path).unwrap();
        assert_eq!(text, "pkgs,1/2/x%2C%22%C3%A4%0A.rpm\npkgs,1/2/y.rpm\n");
        assert_eq!(std::fs::read_to_string(&filled[1].path).unwrap(), "pkgs,1/2/a%2Bb%20c.deb\n");

        std::fs::write(&filled[0].path, format!("{text}pkgs,1/2/to")).unwrap();
        let again = BatchManifestWriter::open_existing_manifest_spool(dir.path(), "pkgs").unwrap();
        assert_eq!(again.manifest_run_info(), spool.manifest_run_info());
        assert!(
            again.try_add_object_to_manifest("1/2/torn.rpm", &example_head(OLD_DATE, "a/rpm"), "x").unwrap()
        );
        let refilled =
            std::fs::read_to_string(&again.collect_ready_batch_manifests().unwrap()[0].path).unwrap();
        assert_eq!(refilled, format!("{text}pkgs,1/2/torn.rpm\n"));
        assert!(
            BatchManifestWriter::create_empty_manifest_spool(dir.path(), "pkgs")
                .unwrap()
                .collect_ready_batch_manifests()
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn more_sets_than_are_told_apart_are_left_to_copies_from_here() {
        let dir = tempfile::tempdir().unwrap();
        let spool = BatchManifestWriter::create_empty_manifest_spool(dir.path(), "pkgs").unwrap();
        let taken = (0..SETS_MAX + 5).filter(|number| {
            spool
                .try_add_object_to_manifest("k", &example_head(OLD_DATE, &format!("a/{number}")), "x")
                .unwrap()
        });
        assert_eq!(taken.count(), SETS_MAX);
    }
}
