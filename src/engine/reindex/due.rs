//! Whether the reindex of this host's bucket is due: what earlier runs left, and what a first look at the bucket shows.

use std::path::PathBuf;

use super::{estimate_bucket_objects, read_reindex_progress};
use crate::engine::session::Session;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    failure::Failure,
    packagecloud::object::ObjectClassifier,
    run::{answers::OperatorAnswers, goal::OperatorGoal},
};

/// Pages of a thousand keys that are listed to say what it would cost, one in each part of the bucket; past them it says
/// "at least".
pub(crate) const SURVEY_PAGES_MAX: usize = 4;

/// Returns where the cursor of this state directory is kept.
pub(crate) fn build_reindex_cursor_path(session: &Session) -> PathBuf {
    session.host.state.state_dir_path().join("reindex.cursor")
}

/// Stops going live on an upgrade whose reindex was neither done nor knowingly skipped.
///
/// # Errors
/// Fails with what of it is missing, or where the bucket can't be listed.
pub(crate) async fn require_reindex_done(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<(), Failure> {
    let chosen = &answers.reindex;
    if answers.goal != Some(OperatorGoal::Upgrade) || chosen.skip {
        return Ok(());
    }
    let found = session.find_and_connect_objects_bucket(answers).await?;
    let standing = read_reindex_progress(&found.name, chosen, &build_reindex_cursor_path(session));
    if standing.finished {
        return Ok(());
    }
    let classes = ObjectClassifier::new(chosen.all_keys, &chosen.package_globs, &chosen.metadata_globs)?;
    let survey = estimate_bucket_objects(
        &found.cloud.open_object_client(&found.name).await?,
        &classes,
        SURVEY_PAGES_MAX,
    )
    .await?;
    if !survey.more && survey.total_surveyed_object_count() == 0 {
        return Ok(());
    }
    let why = match standing.resumes {
        Some(done) => format!("it broke off after {done} objects"),
        None => "it was not run to its end".to_owned(),
    };
    Err(Failure::new_generic_failure(
        "the reindex",
        format!("{why}; nothing was switched on"),
        format!(
            "run it to its end (it goes on where it was): {} — or skip it knowingly: s in the wizard, else --skip-reindex",
            render_proposed_command("reindex-everything", &[])
        ),
    ))
}
