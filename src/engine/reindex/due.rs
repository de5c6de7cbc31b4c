//! Where the reindex of this host's bucket is kept, and how much of the bucket is listed to say what it would cost.

use std::path::PathBuf;

use crate::engine::session::Session;

/// Pages of a thousand keys that are listed to say what it would cost, one in each part of the bucket; past them it says
/// "at least".
pub(crate) const SURVEY_PAGES_MAX: usize = 4;

/// Returns where the cursor of this state directory is kept.
pub(crate) fn build_reindex_cursor_path(session: &Session) -> PathBuf {
    session.host.state.state_dir_path().join("reindex.cursor")
}
