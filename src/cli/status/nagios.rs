//! `status --format nagios`: one line with performance data, and an exit code by the plugins' convention (Monitoring Plugins guidelines:
//! 0 ok, 1 warning, 2 critical, 3 unknown).

use crate::model::status::{FindingSeverity, InstallStatus, StatusVerdict};

/// Returns 0 ok, 1 ends soon or changed, 2 customers are or will be refused, 3 couldn't be told.
pub(super) fn map_status_to_nagios_code(status: &InstallStatus) -> u8 {
    match (status.judge_status(), status.list_findings().first()) {
        (StatusVerdict::Unseen, _) => 3,
        (_, None) => 0,
        (_, Some((FindingSeverity::Exposed | FindingSeverity::Refused, _))) => 2,
        (_, Some((FindingSeverity::Drifted | FindingSeverity::Ending, _))) => 1,
    }
}

/// Renders the line: the state, the worst finding with its next move, then what can be drawn.
pub(super) fn render_nagios_line(status: &InstallStatus) -> String {
    let findings = status.list_findings();
    let state = match map_status_to_nagios_code(status) {
        0 => "OK",
        1 => "WARNING",
        2 => "CRITICAL",
        _ => "UNKNOWN",
    };
    let unknown = status.list_unknown_parts();
    let text = if let Some((severity, check)) = findings.first() {
        let more = match findings.len() {
            1 => String::new(),
            many => format!(" ({} more)", many - 1),
        };
        format!(
            "{}: {}: {}{more}. Next: {}",
            severity.describe_severity(),
            check.name,
            check.detail,
            check.next
        )
    } else {
        let first = unknown.first().map(|check| format!(" {}: {}", check.name, check.detail));
        format!("{}{}", status.render_status_summary(), first.unwrap_or_default())
    };
    // What stands behind a bar is performance data, and a second line is no part of it.
    let text = text.replace(['|', '\n', '\r'], " ");
    format!("PACKAGECLOUD CLOUDFRONT {state} - {text} | {}", render_performance_data(status))
}

/// `label=value[unit];[warn];[crit];[min]`, each behind a space.
fn render_performance_data(status: &InstallStatus) -> String {
    let count = |severity| status.list_findings().iter().filter(|(one, _)| *one == severity).count();
    let mut data: Vec<String> = FindingSeverity::ALL
        .into_iter()
        .map(|severity| {
            let limits = match severity {
                FindingSeverity::Exposed | FindingSeverity::Refused => ";;0;0",
                FindingSeverity::Drifted | FindingSeverity::Ending => ";0;;0",
            };
            format!("{}={}{limits}", severity.severity_name(), count(severity))
        })
        .collect();
    data.push(format!("unknown={};;;0", status.list_unknown_parts().len()));
    if let Some(traffic) = &status.traffic {
        data.push(format!("requests={:.0};;;0", traffic.requests));
        data.extend(traffic.bytes.map(|bytes| format!("downloaded={bytes:.0}B;;;0")));
        let percent = |name: &str, ratio: Option<f64>| {
            ratio.map(|ratio| format!("{name}={:.2}%;;;0;100", ratio * 100.0))
        };
        data.extend(percent("client_errors", traffic.client_error_ratio));
        data.extend(percent("server_errors", traffic.server_error_ratio));
        data.extend(percent("hits", traffic.hit_ratio));
    }
    data.extend(status.cost.map(|dollars| format!("dollars={dollars:.2};;;0")));
    for end in &status.ends {
        let left = end.at.cast_signed() - status.seen_at.cast_signed();
        data.push(format!("{}_ends={left}s", end.part.replace('-', "_")));
    }
    data.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::check::CheckResult;

    #[test]
    fn the_worst_finding_says_the_state_and_a_bar_stands_once() {
        let seen = InstallStatus { is_redirect_seen: true, ..InstallStatus::default() };
        let with = |severities: &[FindingSeverity]| {
            let mut status = seen.clone();
            for (nth, severity) in severities.iter().enumerate() {
                let next = format!("run: a{nth} | b");
                status.add_part(CheckResult::new_failed_check("part", "it broke\nhere", next), *severity);
            }
            status
        };
        for (severities, code, words) in [
            (&[][..], 0, "PACKAGECLOUD CLOUDFRONT OK - All is well: "),
            (&[FindingSeverity::Ending], 1, "WARNING - ENDS: part: it broke here. Next: run: a0   b | "),
            (&[FindingSeverity::Drifted], 1, "WARNING - CHANGED"),
            (
                &[FindingSeverity::Ending, FindingSeverity::Refused],
                2,
                "CRITICAL - CUSTOMERS REFUSED: part: it broke here (1 more).",
            ),
            (&[FindingSeverity::Exposed], 2, "CRITICAL - PACKAGES ARE OPEN"),
        ] {
            let status = with(severities);
            let line = render_nagios_line(&status);
            assert_eq!(map_status_to_nagios_code(&status), code, "{line}");
            assert!(line.contains(words), "{words}: {line}");
            assert!(line.matches('|').count() == 1 && !line.contains('\n'), "{line}");
        }
        let unseen = InstallStatus::default();
        assert_eq!(map_status_to_nagios_code(&unseen), 3);
        assert!(render_nagios_line(&unseen).contains(" UNKNOWN - Neither"));
    }
}
