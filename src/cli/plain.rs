//! The same in sentences, for a person at a pipe or in a log: stdout holds results, stderr what goes on.

use crate::model::{
    failure::Failure,
    packagecloud::settings::CloudFrontSettingValues,
    run::{
        check::{CheckResult, CheckVerdict, sort_checks_worst_first},
        event::{ProgressStats, StageEnd, StageEvent},
        plan::{PlanAttachment, ResourceChangeKind, StagePlan},
        proposed_command::render_same_command_again,
    },
};

/// Renders an event as a line; some have none.
#[must_use]
pub fn render_stage_event_line(event: &StageEvent) -> Option<String> {
    Some(match event {
        StageEvent::Started { text, .. } => format!("  …  {text}"),
        StageEvent::Progress { text, pace, .. } => match pace {
            Some(pace) => format!("     {text} {}", self::render_progress_pace(pace)),
            None => format!("     {text}"),
        },
        StageEvent::Waiting { text, .. } => format!("     {text}"),
        StageEvent::Finished { text, .. } => format!("  ✓  {text}"),
        StageEvent::Failed { failure, .. } => format!("  ✗  {}", self::render_failure(failure)),
        StageEvent::Check { check, .. } => self::render_check_result(check),
        StageEvent::Ended { stage, end, text, .. } => match end {
            StageEnd::Applied => format!("{}: done{}", stage.stage_title(), render_event_detail_suffix(text)),
            StageEnd::Unchanged => {
                format!("{}: nothing to do{}", stage.stage_title(), render_event_detail_suffix(text))
            }
            StageEnd::Stopped => {
                format!("{}: stopped{}", stage.stage_title(), render_event_detail_suffix(text))
            }
            // The step that failed has said why already.
            StageEnd::Failed => format!("{}: failed", stage.stage_title()),
        },
    })
}

fn render_event_detail_suffix(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" — {text}") }
}

fn render_progress_pace(pace: &ProgressStats) -> String {
    let mut parts = Vec::new();
    if let Some(done) = pace.done {
        parts.push(pace.total.map_or_else(|| format!("{done} done"), |total| format!("{done} of {total}")));
    }
    if let Some(rate) = pace.per_second {
        parts.push(format!("{rate:.0}/s"));
    }
    if let Some(skipped) = pace.skipped.filter(|&skipped| skipped > 0) {
        parts.push(format!("{skipped} skipped"));
    }
    if let Some(slow) = pace.slow_downs.filter(|&slow| slow > 0) {
        parts.push(format!("{slow} SlowDown"));
    }
    parts.join(" · ")
}

/// Renders a failure, with its next move on a line of its own.
#[must_use]
pub fn render_failure(failure: &Failure) -> String {
    let id = failure.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
    format!("{}: {}{id}\n     next: {}", failure.what, failure.why, failure.next)
}

/// Renders a check, with its next move on a line of its own.
#[must_use]
pub fn render_check_result(check: &CheckResult) -> String {
    let mut text = render_check_without_next_move(check);
    if !check.next.is_empty() {
        text.push('\n');
        text.push_str(&render_next_move(&check.next));
    }
    text
}

/// Renders checks for a person, worst first: what failed with its next move, what could not be asked, what passed as one
/// count (each of them where `list_passed`), and a summary with the first next move as the last line. `conclusion` says
/// what it means that none failed.
#[must_use]
pub fn render_checks_worst_first(
    checks: &[CheckResult],
    list_passed: bool,
    conclusion: Option<&str>,
) -> Vec<String> {
    let sorted = sort_checks_worst_first(checks);
    let mut lines = Vec::new();
    for group in sorted.group_failed_by_next_move() {
        lines.extend(group.iter().map(|check| render_check_without_next_move(check)));
        lines.extend(
            group.first().filter(|check| !check.next.is_empty()).map(|check| render_next_move(&check.next)),
        );
    }
    lines.extend(sorted.unknown.iter().map(|check| render_check_result(check)));
    if list_passed {
        lines.extend(sorted.passed.iter().map(|check| render_check_result(check)));
    } else if !sorted.passed.is_empty() {
        let listed = render_same_command_again(&["--all"]);
        lines.push(format!("  ✓  {} passed; to list them: {listed}", sorted.passed.len()));
    }
    let mut summary = sorted.summarize_checks();
    if sorted.failed.is_empty() {
        summary.extend(conclusion.map(|conclusion| format!(" · {conclusion}")));
    } else if let Some(next) = sorted.first_next_move() {
        summary.push_str(&format!(" · next: {next}"));
    }
    lines.push(summary);
    lines
}

fn render_next_move(next: &str) -> String {
    format!("     next: {next}")
}

fn render_check_without_next_move(check: &CheckResult) -> String {
    let mark = match check.result {
        CheckVerdict::Pass => "✓",
        CheckVerdict::Fail => "✗",
        CheckVerdict::Unknown => "?",
    };
    format!("  {mark}  {:<28} {}", check.name, check.detail)
}

/// Plans as lines: each its title, its notes, and verb, step, target, why of each change. What would be shown twice,
/// or belongs to a stage that changes nothing, is left out.
#[must_use]
pub fn render_plans_as_lines<'a>(plans: impl IntoIterator<Item = &'a StagePlan>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown: Vec<&PlanAttachment> = Vec::new();
    for plan in plans {
        lines.push(plan.run_stage_of_plan().stage_title().to_owned());
        lines.extend(plan.notes.iter().map(|note| format!("  {note}")));
        lines.extend(plan.facts.iter().map(|fact| format!("  {fact}")));
        let wide = plan.changes.iter().map(|change| change.target.chars().count()).max().unwrap_or(0).min(44);
        for change in &plan.changes {
            let mark = if change.verb == ResourceChangeKind::Keep { "=" } else { "+" };
            lines.push(format!(
                "  {mark} {:<7} {:<22} {:<wide$}  {}",
                change.verb.change_kind_name(),
                change.step.step_title(),
                change.target,
                change.why
            ));
        }
        if plan.is_plan_without_changes() {
            continue;
        }
        for document in &plan.documents {
            if shown.contains(&document) {
                continue;
            }
            shown.push(document);
            lines.push(String::new());
            lines.push(format!("  {}", document.title));
            lines.extend(document.lines.iter().map(|line| format!("    {line}")));
        }
    }
    lines
}

/// Renders the block as it stands in packagecloud.rb.
#[must_use]
pub fn render_cloudfront_config_block(values: &CloudFrontSettingValues, show_secret: bool) -> String {
    let shown = if show_secret { values.clone() } else { values.redact_cloudfront_secret() };
    shown.render_setting_assignments().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_end_in_a_summary_and_begin_with_the_worst() {
        let checks = [
            CheckResult::new_passed_check("identity", "it is known"),
            CheckResult::new_unknown_check("objects", "not asked"),
            CheckResult::new_failed_check("clock", "two minutes slow", "set it"),
            CheckResult::new_failed_check("iam:CreateRole", "denied", "attach it"),
            CheckResult::new_failed_check("kms:CreateKey", "denied", "attach it"),
        ];
        let lines = render_checks_worst_first(&checks, false, Some("all is well"));
        assert_eq!(
            lines,
            [
                "  ✗  clock                        two minutes slow",
                "     next: set it",
                "  ✗  iam:CreateRole               denied",
                "  ✗  kms:CreateKey                denied",
                "     next: attach it",
                "  ?  objects                      not asked",
                "  ✓  1 passed; to list them: packagecloud-cloudfront --all",
                "3 of 5 checks failed: clock, iam:CreateRole, kms:CreateKey · 1 could not be asked · next: set it",
            ]
        );
        let lines = render_checks_worst_first(&checks[..1], true, Some("all is well"));
        assert_eq!(
            lines,
            ["  ✓  identity                     it is known", "1 of 1 checks passed · all is well"]
        );
    }
}
