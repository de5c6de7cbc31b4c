//! Where a reindex was left: a small file that saves time and nothing else.
//!
//! Losing it costs a HEAD an object. It is replaced whole, never written in place, and one that can't be read, or was
//! written under other rules, is as good as none.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::model::run::proposed_command::render_same_command_again;
use crate::model::{
    failure::Failure,
    packagecloud::{object::ObjectCacheClass, unlinkable::UnlinkableKeys},
    run::{answers::ReindexAnswers, tally::CountsByName},
};

/// A part of the bucket's keys: those after `after`, up to and with `until`. All up to `after` are done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectKeyRange {
    pub after: String,
    pub until: Option<String>,
}

/// What was done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReindexCounts {
    /// Objects looked at to the end: the sum of the next five.
    pub done: u64,
    pub kept: u64,
    pub changed: u64,
    pub skipped: u64,
    pub gone: u64,
    /// Left to S3 Batch Operations.
    #[serde(default)]
    pub handed_over: u64,
    /// Bytes of the objects that were changed: copied inside S3, never moved through this machine.
    pub bytes: u64,
    /// Skipped objects by reason.
    pub reasons: CountsByName,
    /// Access control lists that this identity may not read: their objects' are the bucket owner's alone now.
    #[serde(default)]
    pub acls_denied: u64,
    /// Keys that are not of packagecloud's layout, by what stands before their first `/`.
    pub foreign: CountsByName,
    /// Of packagecloud's keys, those that no link can carry.
    #[serde(default)]
    pub unlinkable: UnlinkableKeys,
}

impl ReindexCounts {
    /// Finds why a run that went through all objects made none of them right, where none was: the commonest reason, and
    /// of how many objects it is one.
    #[must_use]
    pub fn find_reason_why_nothing_changed(&self) -> Option<(&str, u64)> {
        let right = self.kept + self.changed + self.handed_over;
        if right > 0 || self.skipped == 0 {
            return None;
        }
        self.reasons.most_frequent_names(1).0.first().copied()
    }
}

/// Which objects a listing of the bucket is for: repository metadata comes first, since it is what may be served stale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReindexPart {
    /// All in one: a cursor of a release that knew no parts.
    #[default]
    Whole,
    Metadata,
    Packages,
}

impl ReindexPart {
    /// Returns whether an object of `class` is of this part. What isn't packagecloud's is counted once.
    #[must_use]
    pub fn is_class_of_part(self, class: ObjectCacheClass) -> bool {
        match self {
            Self::Whole => true,
            Self::Metadata => class != ObjectCacheClass::Package,
            Self::Packages => class == ObjectCacheClass::Package,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReindexCursor {
    /// What the keys were classed by: another bucket or other options start over.
    pub rules: String,
    #[serde(default)]
    pub part: ReindexPart,
    pub counts: ReindexCounts,
    pub ranges: Vec<ObjectKeyRange>,
    /// Keys before their range's `after` that are not done.
    pub undone: Vec<String>,
    /// Copies in parts that were begun: key and upload id.
    pub uploads: Vec<(String, String)>,
}

/// Renders what a cursor is valid for.
pub fn render_reindex_cursor_scope(bucket: &str, answers: &ReindexAnswers) -> String {
    serde_json::json!([
        1,
        bucket,
        answers.all_keys,
        answers.package_globs,
        answers.metadata_globs,
        answers.no_acl
    ])
    .to_string()
}

impl ReindexCursor {
    /// Loads the cursor at `path`; `None` where there is none, or one of other rules.
    pub fn load_reindex_cursor(path: &Path, rules: &str) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        serde_json::from_slice(&text).ok().filter(|cursor: &Self| cursor.rules == rules)
    }

    /// Copies in parts that an earlier run on `bucket` began and didn't end, under whatever rules.
    pub fn read_unfinished_uploads_from_file(path: &Path, bucket: &str) -> Vec<(String, String)> {
        let left = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let of = |cursor: &Self| {
            serde_json::from_str::<serde_json::Value>(&cursor.rules).is_ok_and(|rules| rules[1] == bucket)
        };
        left.filter(of).map(|cursor| cursor.uploads).unwrap_or_default()
    }

    /// Saves it at `path` in one step.
    ///
    /// # Errors
    /// Fails where the file can't be written.
    pub fn save_reindex_cursor(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec(self).map_err(io::Error::other);
        text.and_then(|text| replace_file_atomically(path, &text))
            .map_err(|error| build_file_write_failure(path, &error))
    }

    /// Removes the file where there is one.
    ///
    /// # Errors
    /// Fails where it is there and can't be removed.
    pub fn remove_reindex_cursor_file(path: &Path) -> Result<(), Failure> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(build_file_write_failure(path, &error))
            }
            _ => Ok(()),
        }
    }
}

/// Says that a file of the reindex can't be written, and what to do.
pub fn build_file_write_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new_generic_failure(
        path.display().to_string(),
        error.to_string(),
        format!("make room or give another --state-dir, then run: {}", render_same_command_again(&[])),
    )
}

/// Replaces the file in one step, so that a kill leaves the old one or the new one.
///
/// # Errors
/// Fails where the file can't be written.
pub fn replace_file_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_in_vain_where_nothing_was_right_and_nothing_could_be_made_so() {
        let counted = |kept, changed, handed_over, skipped: &[&str]| {
            let mut counts = ReindexCounts { kept, changed, handed_over, ..ReindexCounts::default() };
            for reason in skipped {
                counts.skipped += 1;
                counts.reasons.increment_name_count(reason);
            }
            counts.find_reason_why_nothing_changed().map(|(reason, count)| (reason.to_owned(), count))
        };
        let (often, once) = ("its key is disabled", "archived");
        assert_eq!(counted(0, 0, 0, &[once, often, often]), Some((often.to_owned(), 2)));
        assert_eq!(counted(0, 0, 0, &[]), None, "an empty bucket");
        // A stray object among many never stands in the way.
        for (kept, changed, handed_over) in [(9, 0, 0), (0, 1, 0), (0, 0, 1)] {
            assert_eq!(counted(kept, changed, handed_over, &[often]), None);
        }
    }

    #[test]
    fn a_cursor_is_read_back_only_under_its_own_rules() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cursor.json");
        let answers = ReindexAnswers::default();
        let cursor = ReindexCursor {
            rules: render_reindex_cursor_scope("b", &answers),
            ranges: vec![ObjectKeyRange { after: "7/8/ä\n".to_owned(), until: None }],
            undone: vec!["k".to_owned()],
            ..ReindexCursor::default()
        };
        cursor.save_reindex_cursor(&path).unwrap();
        assert_eq!(
            ReindexCursor::load_reindex_cursor(&path, &render_reindex_cursor_scope("b", &answers)),
            Some(cursor)
        );
        assert_eq!(
            ReindexCursor::load_reindex_cursor(&path, &render_reindex_cursor_scope("c", &answers)),
            None
        );
        let other = ReindexAnswers { package_globs: vec!["*".to_owned()], ..answers.clone() };
        assert_eq!(
            ReindexCursor::load_reindex_cursor(&path, &render_reindex_cursor_scope("b", &other)),
            None
        );
        std::fs::write(&path, "{").unwrap();
        assert_eq!(
            ReindexCursor::load_reindex_cursor(&path, &render_reindex_cursor_scope("b", &answers)),
            None,
            "half a file"
        );
        ReindexCursor::remove_reindex_cursor_file(&path).unwrap();
        ReindexCursor::remove_reindex_cursor_file(&path).unwrap();
    }
}
