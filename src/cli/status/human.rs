//! `status` for a person: a line each finding, the worst first, with its next move; where all is well the summary alone.

use crate::model::status::InstallStatus;

/// Renders what needs attention, the summary, and below it what is good to know and what couldn't be asked.
pub(super) fn render_human_status(status: &InstallStatus) -> String {
    let findings = status.list_findings().into_iter().map(|(severity, check)| {
        format!("{}: {}: {}. Next: {}", severity.describe_severity(), check.name, check.detail, check.next)
    });
    let facts = status.facts.iter().map(|fact| format!("  {fact}"));
    let unknown = status.list_unknown_parts();
    let unknown = unknown.iter().map(|check| {
        let next = if check.next.is_empty() { String::new() } else { format!(". Next: {}", check.next) };
        format!("  Not asked: {}: {}{next}", check.name, check.detail)
    });
    let summary = std::iter::once(status.render_status_summary());
    findings.chain(summary).chain(facts).chain(unknown).collect::<Vec<_>>().join("\n")
}
