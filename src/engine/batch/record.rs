//! Which jobs a run has made: a small file that is safe to lose, since a job's token follows from its manifest.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::aws::batch::BatchCopyAttributes;
use crate::engine::reindex::spool::{ManifestSpoolRunInfo, SpooledBatchManifest, replace_file_atomically};
use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{failure::Failure, packagecloud::object::BATCH_KEY_PREFIX};

/// One job, made or to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedBatchJob {
    /// `<set's digest>-<part>`, its file's and its manifest's name.
    pub name: String,
    pub set: BatchCopyAttributes,
    pub objects: u64,
    /// The manifest's ETag, once it is written.
    pub etag: Option<String>,
    /// The job's id, once it is made.
    pub job: Option<String>,
}

/// A run's jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The bucket, and what its keys were classed by: under others it is none.
    #[serde(default)]
    pub rules: String,
    pub run: String,
    pub before: i64,
    pub parts: Vec<PlannedBatchJob>,
    /// Whether all of them are over: then only what remains is left.
    pub over: bool,
}

impl BatchRecord {
    /// Makes a record of the longest of `filled`, `most` at most.
    pub fn new_batch_record_from_manifests(
        rules: String,
        about: &ManifestSpoolRunInfo,
        filled: Vec<SpooledBatchManifest>,
        most: usize,
    ) -> Self {
        let part = |one: SpooledBatchManifest| PlannedBatchJob {
            name: one.name,
            set: one.set,
            objects: one.objects,
            etag: None,
            job: None,
        };
        Self {
            rules,
            run: about.run.clone(),
            before: about.before.unwrap_or_default(),
            parts: filled.into_iter().take(most).map(part).collect(),
            over: false,
        }
    }

    /// Loads the record at `path`; `None` where there is none, or one of other rules.
    pub fn load_batch_record(path: &Path, rules: &str) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        serde_json::from_slice(&text).ok().filter(|record: &Self| record.rules == rules)
    }

    /// Saves it at `path` in one step.
    ///
    /// # Errors
    /// Fails where the file can't be written.
    pub fn save_batch_record(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        replace_file_atomically(path, &text).map_err(|error| {
            Failure::new_generic_failure(
                path.display().to_string(),
                error.to_string(),
                format!(
                    "make room or give another --state-dir, then run: {}",
                    render_same_command_again(&[])
                ),
            )
        })
    }

    /// Returns where the run's objects lie in the bucket: no key of packagecloud's begins so.
    pub fn build_batch_run_key_prefix(&self) -> String {
        format!("{BATCH_KEY_PREFIX}batch/{}", self.run)
    }

    /// Returns the key of a job's manifest.
    pub fn build_batch_manifest_key(&self, part: &PlannedBatchJob) -> String {
        format!("{}/{}.csv", self.build_batch_run_key_prefix(), part.name)
    }

    /// Returns where the jobs' reports lie in the bucket.
    pub fn build_batch_reports_key_prefix(&self) -> String {
        format!("{}/reports", self.build_batch_run_key_prefix())
    }
}

/// Derives a job's token: the same manifest in the same bucket is the same job, whoever asks for it and however often.
pub fn derive_batch_request_token(account: &str, bucket: &str, manifest: &str, etag: &str) -> String {
    hex::encode(Sha256::digest(format!("{account}\n{bucket}\n{manifest}\n{etag}")))
}

/// Returns how the description of each of a bucket's jobs begins.
pub fn build_batch_job_description_prefix(bucket: &str) -> String {
    format!("packagecloud-cloudfront {bucket}: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_only_under_its_own_rules() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("batch.jobs");
        let record = BatchRecord { rules: "b".into(), run: "r".into(), ..BatchRecord::default() };
        record.save_batch_record(&path).unwrap();
        assert_eq!(BatchRecord::load_batch_record(&path, "b"), Some(record));
        assert_eq!(BatchRecord::load_batch_record(&path, "another"), None);
    }

    #[test]
    fn a_token_is_another_for_each_manifest_and_fits() {
        let one = derive_batch_request_token("1", "pkgs", "a", "e");
        assert_eq!(one, derive_batch_request_token("1", "pkgs", "a", "e"));
        for other in [
            derive_batch_request_token("2", "pkgs", "a", "e"),
            derive_batch_request_token("1", "pkgs", "b", "e"),
            derive_batch_request_token("1", "pkgs", "a", "f"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.len(), 64, "S3 takes 64 characters");
    }
}
