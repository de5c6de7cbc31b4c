//! The command `status`: what was seen of an install, for a person, as JSON, for Nagios or for Prometheus (contract section 11).

mod document;
mod human;
mod nagios;
mod out_file;
mod prometheus;

use std::path::Path;

use super::{CommandInvocation, EXIT_DONE, EXIT_FAILED, EXIT_PENDING, EXIT_USAGE, json};
use crate::args::StatusFormat;
use crate::engine::status::read_install_status;
use crate::model::{
    failure::{Failure, FailureKind},
    run::check::{CheckResult, CheckVerdict},
    status::{FindingSeverity, InstallStatus, StatusVerdict},
};

/// Looks at all of it, and says it in the format that was asked for.
///
/// # Errors
/// Fails where the file that was named can't be written.
pub async fn run_status_command(
    invocation: &CommandInvocation,
    format: Option<StatusFormat>,
    out: Option<&Path>,
) -> Result<u8, Failure> {
    let status = read_install_status(&invocation.session, &invocation.answers).await;
    if format.is_none() && out.is_none() && invocation.is_json_output() {
        status
            .list_checks_in_order()
            .iter()
            .for_each(|check| json::print_json_line(&json::render_check_result_json(check)));
        json::print_json_line(&json::render_check_result_json(&build_verdict_check(&status)));
        return Ok(map_status_to_exit_code(&status, StatusFormat::Human));
    }
    print_install_status(&status, format.unwrap_or(StatusFormat::Human), out)
}

/// Says, in the format that was asked for, that nothing could be looked at: a monitor takes no other answer for one.
pub fn report_status_not_begun(format: Option<StatusFormat>, out: Option<&Path>, failure: &Failure) -> u8 {
    errln!("packagecloud-cloudfront: {}", super::plain::render_failure(failure));
    let format = match format {
        Some(format @ (StatusFormat::Nagios | StatusFormat::Prometheus)) => format,
        _ if matches!(failure.kind, FailureKind::Usage | FailureKind::Consent) => return EXIT_USAGE,
        _ => return EXIT_FAILED,
    };
    let seen_at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut status = InstallStatus { seen_at: seen_at.as_secs(), ..InstallStatus::default() };
    let check = CheckResult::new_unknown_check("start", failure.to_string());
    status.add_part(check, FindingSeverity::Refused);
    print_install_status(&status, format, out).unwrap_or(EXIT_FAILED)
}

/// Prints it, or writes it to the file that was named.
fn print_install_status(
    status: &InstallStatus,
    format: StatusFormat,
    out: Option<&Path>,
) -> Result<u8, Failure> {
    let text = match format {
        StatusFormat::Human => human::render_human_status(status),
        StatusFormat::Json => document::render_status_document(status),
        StatusFormat::Nagios => nagios::render_nagios_line(status),
        StatusFormat::Prometheus => prometheus::render_prometheus_text(status),
    };
    match out {
        Some(path) => out_file::replace_status_file(path, &format!("{text}\n"))?,
        None => outln!("{text}"),
    }
    Ok(map_status_to_exit_code(status, format))
}

/// The exit code, which Nagios has its own of (contract section 11).
fn map_status_to_exit_code(status: &InstallStatus, format: StatusFormat) -> u8 {
    if format == StatusFormat::Nagios {
        return nagios::map_status_to_nagios_code(status);
    }
    match status.judge_status() {
        StatusVerdict::Well => EXIT_DONE,
        StatusVerdict::Attention => EXIT_PENDING,
        StatusVerdict::Unseen => EXIT_FAILED,
    }
}

/// The last check line: what all of it comes to, with the first finding's next move.
fn build_verdict_check(status: &InstallStatus) -> CheckResult {
    let summary = status.render_status_summary();
    let next = status.list_findings().first().map(|(_, check)| check.next.clone()).unwrap_or_default();
    let result = match status.judge_status() {
        StatusVerdict::Well => CheckVerdict::Pass,
        StatusVerdict::Attention => CheckVerdict::Fail,
        StatusVerdict::Unseen => CheckVerdict::Unknown,
    };
    CheckResult { name: "verdict".to_owned(), result, detail: summary.trim_end_matches('.').to_owned(), next }
}
