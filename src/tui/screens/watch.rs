//! Another run on the host as it goes on: who it is, where it stands, and each of its steps as it says them.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts, reindex};
use crate::{
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::Theme,
    },
    wizard::Wizard,
};

/// Renders the other run: who it is, and how far it is.
pub fn render_other_run_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody {
        head: Some(render_screen_heading(wizard, theme, size, "Watching another run")),
        ..ScreenBody::default()
    };
    let lines = &mut body.lines;
    let Some(watching) = &wizard.watching else { return body };
    let run = &watching.run;
    let who = if run.who.is_empty() { "it has only just begun" } else { &run.who };
    parts::render_labelled_fact(lines, "on", &run.host, theme.plain, theme, size);
    parts::render_labelled_fact(lines, "who", who, theme.plain, theme, size);
    parts::render_labelled_fact(lines, "since", &run.since, theme.plain, theme, size);
    parts::render_labelled_fact(lines, "now", &run.describe_run_stage(), theme.strong, theme, size);
    text::ensure_blank_line(lines);
    if let Some(failure) = &watching.failure {
        parts::render_failure(lines, failure, theme, size);
        text::ensure_blank_line(lines);
    }
    if let Some(since) = watching.stop_requested_at {
        let text = format!(
            "It was asked to end {} ago, and ends after the request in flight. If it hangs, end it where it runs; then this wizard continues by itself.",
            text::format_elapsed(wizard.now.saturating_sub(since))
        );
        text::render_hanging_text(
            lines,
            vec![Span::styled("! ", theme.accent)],
            &text,
            theme.strong,
            size.max_prose_width(),
        );
        text::ensure_blank_line(lines);
    }
    let Some(stage_watched) = watching.stage else {
        lines.push(Line::styled("Nothing has run in it yet.", theme.dim));
        return body;
    };
    lines.push(Line::styled(stage_watched.stage_title(), theme.title));
    if watching.progress.pace.is_some() {
        reindex::render_reindex_progress_figures(lines, wizard, &watching.progress, theme, size);
    }
    let running = plan_lines::render_plan_with_step_outcomes(
        lines,
        watching.convert_to_watched_host_time(wizard.now),
        &watching.progress,
        theme,
        size,
        &[],
    );
    if watching.progress.end.is_some() && !watching.progress.text.is_empty() {
        text::render_paragraph(lines, &watching.progress.text, theme.plain, size.max_prose_width());
    }
    parts::render_failed_checks(lines, &watching.progress, theme, size);
    parts::render_unknown_and_passed_checks(lines, wizard, &watching.progress, theme, size);
    // The step that runs stays in view, else the end, until the operator scrolls; what was asked or failed stands at the head.
    let newest = running.unwrap_or(lines.len().saturating_sub(1));
    let follows =
        wizard.scroll.is_none() && watching.stop_requested_at.is_none() && watching.failure.is_none();
    body.keep_visible = follows.then_some(newest);
    body
}
