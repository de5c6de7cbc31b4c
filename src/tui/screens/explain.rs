//! What is behind each line of a plan: the whole document that it writes, the calls that it makes, and the manual step that
//! it replaces.

use ratatui::text::{Line, Span};

use super::{
    heading::render_screen_heading,
    parts::{describe_copy, render_verbatim_text},
};
use crate::{
    model::run::plan::PlannedChange,
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::Theme,
    },
    wizard::{Wizard, screen::WizardScreen},
};

/// What stands before a step in packagecloud's own manual set-up.
const MANUAL_STEP_PREFIX: &str = "by hand: ";
const INDENT: &str = "    ";

/// Renders each change with what it writes and what is behind it.
pub fn render_plan_explanation_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    let WizardScreen::Stage(at) = wizard.screen else { return body };
    let title = format!("{}: documents, calls, manual steps", at.stage_title());
    body.head = Some(render_screen_heading(wizard, theme, size, &title));
    lines.push(Line::default());
    let explained = wizard.list_explained_changes();
    if explained.is_empty() {
        lines.push(Line::styled("This stage changes nothing; it only looks.", theme.plain));
    }
    let copied = wizard.next_explained_document_place();
    let changes: Vec<PlannedChange> = explained.iter().map(|(change, _)| (*change).clone()).collect();
    let columns = plan_lines::PlanColumnWidths::measure_plan_columns(&changes, size);
    for (place, (change, document)) in explained.iter().enumerate() {
        plan_lines::render_planned_change(lines, change, theme, size, columns);
        if !size.is_body_wide() && !change.target.is_empty() {
            let first = vec![Span::raw(INDENT)];
            text::render_hanging_text(lines, first, &change.target, theme.plain, size.width);
        }
        if let Some(document) = document {
            render_change_document(lines, document, copied == Some(place), theme, size);
        }
        render_calls_and_manual_step(lines, change, theme, size);
        lines.push(Line::default());
    }
    body
}

/// Renders a document as it is written; of a difference each line by its sign.
fn render_change_document(
    lines: &mut Vec<Line<'static>>,
    document: &str,
    copied: bool,
    theme: &Theme,
    size: BodySize,
) {
    let copy = if copied { vec![describe_copy(document, theme)] } else { Vec::new() };
    let heading = vec![Span::styled(format!("{INDENT}What is written"), theme.strong)];
    lines.push(text::align_left_and_right(heading, copy, size.max_prose_width()));
    // A new document is JSON as a whole, a difference has hunks or signs.
    let is_difference = document.lines().any(|line| line.starts_with("@@ "))
        || document.lines().all(|line| line.starts_with(['+', '-', ' ']));
    for line in document.lines() {
        let style = match line.as_bytes().first() {
            _ if !is_difference => theme.plain,
            Some(b'+') => theme.good,
            Some(b'-') => theme.removed,
            Some(b'@') => theme.dim,
            _ => theme.plain,
        };
        render_verbatim_text(lines, &line.replace('\t', INDENT), style, size);
    }
}

fn render_calls_and_manual_step(
    lines: &mut Vec<Line<'static>>,
    change: &PlannedChange,
    theme: &Theme,
    size: BodySize,
) {
    let (manual, calls): (Vec<&String>, Vec<&String>) =
        change.calls.iter().partition(|call| call.starts_with(MANUAL_STEP_PREFIX));
    if !calls.is_empty() {
        lines.push(Line::styled(format!("{INDENT}What is called"), theme.strong));
    }
    for call in calls {
        let first = vec![Span::styled(format!("{INDENT}· "), theme.accent)];
        text::render_hanging_text(lines, first, call, theme.plain, size.width);
    }
    for step in manual {
        let first = vec![Span::styled(format!("{INDENT}By hand  "), theme.strong)];
        let step = step.trim_start_matches(MANUAL_STEP_PREFIX);
        text::render_hanging_text(lines, first, step, theme.plain, size.width);
    }
}
