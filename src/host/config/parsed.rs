//! packagecloud.rb parsed: the same bytes once, off the tasks that hear signals, and not for ever.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::host::{
    blocking_work::{AbandonedWorkFlag, run_work_off_tasks},
    files::sha256_hex,
};
use crate::model::packagecloud::config_file::{ConfigFile, ConfigReadProblem};

/// After this a file is refused; 5,000 lines take a hundredth of it.
const PARSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many contents are kept: the file, as edited, and the backups that are looked at.
const PARSED_FILES_MAX: usize = 4;

/// A file, and the hash of its bytes.
type ParsedConfig = (String, Arc<ConfigFile>);

/// The files that were parsed last, by the hash of their bytes. Clones share them.
#[derive(Clone, Default)]
pub struct ParsedConfigCache(Arc<Mutex<VecDeque<ParsedConfig>>>);

impl std::fmt::Debug for ParsedConfigCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParsedConfigCache")
    }
}

impl ParsedConfigCache {
    /// Parses the bytes, unless they were among the last.
    pub(super) async fn parse_config_once(&self, bytes: &[u8]) -> Arc<ConfigFile> {
        let hash = sha256_hex(bytes);
        if let Some(file) = self.find_parsed_config(&hash) {
            return file;
        }
        let bytes = bytes.to_vec();
        let (flag, waiter) = AbandonedWorkFlag::new_with_waiter();
        let parsed = run_blocking(move || {
            let until = Instant::now() + PARSE_TIMEOUT;
            ConfigFile::parse_packagecloud_rb_while(&bytes, &mut || {
                !flag.is_work_abandoned() && Instant::now() < until
            })
        })
        .await;
        drop(waiter);
        // A busy moment says nothing of the file: the next look reads it again.
        if parsed.read_problem() == Some(ConfigReadProblem::TooSlow) {
            return Arc::new(parsed);
        }
        self.keep_parsed_config(parsed)
    }

    fn find_parsed_config(&self, hash: &str) -> Option<Arc<ConfigFile>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(one, _)| one == hash).map(|(_, file)| Arc::clone(file))
    }

    /// Keeps a file that is parsed.
    pub(super) fn keep_parsed_config(&self, file: ConfigFile) -> Arc<ConfigFile> {
        let (hash, file) = (sha256_hex(file.config_file_bytes()), Arc::new(file));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(one, _)| *one != hash);
        known.push_front((hash, Arc::clone(&file)));
        known.truncate(PARSED_FILES_MAX);
        file
    }
}

/// Runs what needs the processor for a while where no task waits behind it.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match run_work_off_tasks(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
