//! Status: the summary, what needs attention with its next move, what could not be asked, what is well as a count.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::{
    model::{run::check::CheckVerdict, status::InstallStatus},
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::{DONE_MARK, FAILED_MARK, Theme},
    },
    wizard::{Loadable, Wizard},
};

/// Renders what was seen of the install.
pub fn render_status_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody {
        head: Some(render_screen_heading(wizard, theme, size, "Status")),
        ..ScreenBody::default()
    };
    let lines = &mut body.lines;
    match &wizard.status {
        Loadable::Loading => text::render_paragraph(
            lines,
            "Asks every node, the edge and AWS once. It changes nothing, and takes at most a minute.",
            theme.dim,
            size.max_prose_width(),
        ),
        Loadable::Failed(failure) => parts::render_failure(lines, failure, theme, size),
        Loadable::Loaded(status) => render_install_status(lines, status, theme, size),
    }
    body
}

fn render_install_status(
    lines: &mut Vec<Line<'static>>,
    status: &InstallStatus,
    theme: &Theme,
    size: BodySize,
) {
    let findings = status.list_findings();
    let (mark, style) =
        if findings.is_empty() { (DONE_MARK, theme.accent) } else { (FAILED_MARK, theme.failed) };
    text::render_hanging_text(
        lines,
        vec![Span::styled(format!("{mark} "), style)],
        &status.render_status_summary(),
        theme.strong,
        size.max_prose_width(),
    );
    for (severity, check) in findings {
        text::ensure_blank_line(lines);
        let first = vec![
            Span::styled(format!("{FAILED_MARK} "), theme.failed),
            Span::styled(format!("{}: ", severity.describe_severity()), theme.failed),
        ];
        let said = format!("{}: {}", check.name, check.detail);
        text::render_hanging_text(lines, first, &said, theme.plain, size.width);
        if !check.next.is_empty() {
            let next = vec![Span::styled("  → ", theme.accent)];
            text::render_hanging_text(lines, next, &check.next, theme.plain, size.width);
        }
    }
    let unknown = status.list_unknown_parts();
    if !unknown.is_empty() {
        text::ensure_blank_line(lines);
        parts::render_check_results(lines, &unknown, theme, size);
    }
    text::ensure_blank_line(lines);
    let passed = status.checks.iter().filter(|one| one.check.result == CheckVerdict::Pass).count();
    parts::render_passed_count(lines, passed, theme, size);
    for end in &status.ends {
        let first = vec![Span::styled("· ", theme.accent)];
        let said = end.describe_ending_part();
        text::render_hanging_text(lines, first, &said, theme.plain, size.max_prose_width());
    }
    for fact in &status.facts {
        text::render_hanging_text(
            lines,
            vec![Span::styled(format!("{}: ", fact.topic), theme.strong)],
            &fact.text,
            theme.plain,
            size.max_prose_width(),
        );
    }
}
