//! What is handed over of an install that stands: Terraform's import blocks, and the report.

mod report;
mod terraform_import;

use std::path::PathBuf;

use futures::FutureExt as _;

use self::report::ReportFacts;
use super::{Session, resources::install::observe_aws_install};
use crate::model::{
    failure::Failure,
    run::{answers::OperatorAnswers, aws_change::parse_logged_changes},
};

/// The report in the state directory.
pub(crate) const REPORT_FILE: &str = "report.md";

/// Renders the `import` blocks of what stands of this install.
///
/// # Errors
/// Fails where AWS does not answer, or nothing of it stands.
pub async fn render_terraform_imports(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<String, Failure> {
    let install = observe_aws_install(session, answers).boxed().await?;
    let batch_role = install.target.cloud.read_batch_role(&install.target.names).boxed().await;
    terraform_import::render_install_imports(&install, &batch_role)
}

/// Renders the hand-over of what stands, as Markdown; it holds no secret.
///
/// # Errors
/// Fails where AWS does not answer, or nothing of it stands.
pub async fn render_report(session: &Session, answers: &OperatorAnswers) -> Result<String, Failure> {
    let install = observe_aws_install(session, answers).boxed().await?;
    terraform_import::refuse_empty_install(&install)?;
    let mut configs = Vec::new();
    for node in session.list_all_node_sessions() {
        configs.extend(node.host.read_packagecloud_config().await.ok().map(|config| config.seen));
    }
    session.log_confirmed_aws_changes();
    let bucket = install.target.names.bucket_name();
    let mut changes = parse_logged_changes(&session.host.state.read_log_text());
    changes.retain(|change| change.bucket.is_empty() || change.bucket == bucket);
    Ok(report::render_install_report(&ReportFacts { session, install: &install, configs, changes }))
}

/// Writes the report to the state directory, and returns where it is.
///
/// # Errors
/// Fails where it can't be made, or the disk refuses it.
pub(crate) async fn write_report_file(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<PathBuf, Failure> {
    let text = render_report(session, answers).await?;
    session.host.state.write_state_dir_file(REPORT_FILE, text.as_bytes())
}
