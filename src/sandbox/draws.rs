//! `--sandbox-seed`: every draw comes from one seed, and the clock begins at one moment.
//!
//! All draws of this program and of the SDK are made by the calling thread's `fastrand`, which is seeded when the sandbox is
//! opened. So whoever wants the same draws again runs on one thread.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::store::DOCUMENT_FILE;

/// When the clock of a fresh sandbox with a seed begins: 2026-11-23 20:00:00 UTC.
pub(super) const SEEDED_EPOCH: Duration = Duration::from_hours(498_740);
/// Runs lie as far apart in the generator's states as its states can lie: 2^64 by the golden ratio.
const RUN_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is kept of the seed between runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxDraws {
    pub seed: u64,
    /// How often the sandbox was opened: each run has draws of its own, and repeats none.
    pub runs: u64,
}

impl SandboxDraws {
    /// Counts one more run, and seeds the draws of the calling thread for it.
    pub(super) fn begin_seeded_run(&mut self) {
        self.runs += 1;
        let start = self.seed.wrapping_add(self.runs.wrapping_mul(RUN_STRIDE));
        // One draw stirs the bits, so that neighbouring seeds have nothing in common.
        fastrand::seed(fastrand::Rng::with_seed(start).u64(..));
    }
}

/// The part of the document that holds the seed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SeedInDocument {
    draws: Option<SandboxDraws>,
}

/// Reads the seed that is kept in a sandbox's directory; none where there is no sandbox, or it has none.
#[must_use]
pub fn read_kept_sandbox_seed(dir: &Path) -> Option<u64> {
    let document = std::fs::read(dir.join(DOCUMENT_FILE)).ok()?;
    serde_json::from_slice::<SeedInDocument>(&document).ok()?.draws.map(|draws| draws.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{SandboxOptions, open_or_seed_sandbox};

    fn draw_after_opening(dir: &Path, seed: Option<u64>) -> (u64, Duration) {
        let options = SandboxOptions { dir: dir.to_owned(), seed, ..SandboxOptions::default() };
        let world = open_or_seed_sandbox(&options).unwrap();
        (fastrand::u64(..), world.sandbox_unix_time_now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_is_kept_gives_the_same_draws_in_a_fresh_directory_and_none_twice() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let drawn = dirs.each_ref().map(|dir| {
            assert_eq!(read_kept_sandbox_seed(dir.path()), None);
            let first = draw_after_opening(dir.path(), Some(7));
            assert_eq!(read_kept_sandbox_seed(dir.path()), Some(7));
            assert_eq!(first.1, SEEDED_EPOCH);
            // It needs no option from then on.
            [first.0, draw_after_opening(dir.path(), None).0, draw_after_opening(dir.path(), Some(7)).0]
        });
        assert_eq!(drawn[0], drawn[1]);
        assert!(drawn[0][0] != drawn[0][1] && drawn[0][1] != drawn[0][2], "{drawn:?}");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(draw_after_opening(other.path(), Some(8)).0, drawn[0][0]);
        let unseeded = tempfile::tempdir().unwrap();
        draw_after_opening(unseeded.path(), None);
        assert_eq!(read_kept_sandbox_seed(unseeded.path()), None);
    }
}
