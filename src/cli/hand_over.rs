//! What is handed over of what stands: `report`, `export terraform-import`.

use super::{CommandInvocation, EXIT_DONE};
use crate::{engine, model::failure::Failure};

/// Prints `import` blocks for what stands, and nothing else on stdout.
///
/// # Errors
/// Fails where AWS does not answer, or nothing stands.
pub async fn print_terraform_imports(invocation: &CommandInvocation) -> Result<u8, Failure> {
    let text = engine::hand_over::render_terraform_imports(&invocation.session, &invocation.answers).await?;
    outln!("{}", text.trim_end());
    Ok(EXIT_DONE)
}

/// Prints the report as Markdown, and nothing else on stdout.
///
/// # Errors
/// Fails where AWS does not answer, or nothing stands.
pub async fn print_report(invocation: &CommandInvocation) -> Result<u8, Failure> {
    let text = engine::hand_over::render_report(&invocation.session, &invocation.answers).await?;
    outln!("{}", text.trim_end());
    Ok(EXIT_DONE)
}
