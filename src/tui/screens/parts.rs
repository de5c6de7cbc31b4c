//! What several screens are made of: failures, checks, exhibits and labelled facts.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{
        failure::Failure,
        run::{
            check::{CheckResult, CheckVerdict},
            plan::PlanAttachment,
        },
    },
    tui::{
        layout::BodySize,
        text,
        theme::{DONE_MARK, FAILED_MARK, Theme, UNKNOWN_MARK},
    },
    wizard::log::StageProgress,
};

/// Renders the thing, the reason, the next move.
pub fn render_failure(lines: &mut Vec<Line<'static>>, failure: &Failure, theme: &Theme, size: BodySize) {
    let mark = vec![Span::styled(format!("{FAILED_MARK} "), theme.failed)];
    text::render_hanging_text(lines, mark, &failure.to_string(), theme.strong, size.max_prose_width());
    let next = vec![Span::styled("  → ", theme.accent)];
    text::render_hanging_text(lines, next, &failure.next, theme.plain, size.max_prose_width());
    let said: Vec<String> = [("AWS said", &failure.code), ("request", &failure.request_id)]
        .into_iter()
        .filter_map(|(label, value)| value.as_ref().map(|value| format!("{label} {value}")))
        .collect();
    if !said.is_empty() {
        text::render_hanging_text(
            lines,
            vec![Span::raw("    ")],
            &said.join(", "),
            theme.dim,
            size.max_prose_width(),
        );
    }
}

/// Renders each check with its result; the next move below one that failed.
pub fn render_check_results(
    lines: &mut Vec<Line<'static>>,
    checks: &[&CheckResult],
    theme: &Theme,
    size: BodySize,
) {
    let longest = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let name_width = (longest + 2).min(if size.is_body_wide() { 40 } else { 24 });
    for check in checks {
        let (mark, style) = match check.result {
            CheckVerdict::Pass => (DONE_MARK, theme.accent),
            CheckVerdict::Fail => (FAILED_MARK, theme.failed),
            CheckVerdict::Unknown => (UNKNOWN_MARK, theme.dim),
        };
        let first = vec![
            Span::styled(format!("{mark} "), style),
            Span::styled(text::pad_or_truncate_to_width(&check.name, name_width), theme.plain),
        ];
        let detail = if check.has_failed() { theme.strong } else { theme.dim };
        text::render_hanging_text(lines, first, &check.detail, detail, size.width);
        if check.has_failed() && !check.next.is_empty() {
            text::render_hanging_text(
                lines,
                vec![Span::styled("  → ", theme.accent)],
                &check.next,
                theme.plain,
                size.width,
            );
        }
    }
}

/// Renders the checks of a stage, where it has any, below an empty line.
pub fn render_stage_checks(
    lines: &mut Vec<Line<'static>>,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
) {
    let all = progress.latest_checks();
    if !all.is_empty() {
        text::ensure_blank_line(lines);
        render_check_results(lines, &all, theme, size);
    }
}

/// Renders a titled text as it stands, and whether the next `c` copies it; of a diff, what goes and what comes are told apart.
pub fn render_plan_document(
    lines: &mut Vec<Line<'static>>,
    document: &PlanAttachment,
    copied: bool,
    theme: &Theme,
    size: BodySize,
) {
    let copy = if copied { vec![Span::styled("c copies it", theme.dim)] } else { Vec::new() };
    lines.push(text::align_left_and_right(
        vec![Span::styled(document.title.clone(), theme.strong)],
        copy,
        size.max_prose_width(),
    ));
    for line in &document.lines {
        let style = if line.starts_with('+') {
            theme.accent
        } else if line.starts_with('-') {
            theme.dim
        } else {
            theme.plain
        };
        render_verbatim_text(lines, &line.replace('\t', "    "), style, size);
    }
}

/// Text that must not be reflowed: a long line goes on below itself.
fn render_verbatim_text(lines: &mut Vec<Line<'static>>, line: &str, style: Style, size: BodySize) {
    let mut rest = line;
    let mut indent = 2;
    loop {
        let width = size.width.saturating_sub(indent).max(8);
        let mut used = 0;
        let end = rest
            .char_indices()
            .find(|(_, letter)| {
                used += unicode_width::UnicodeWidthChar::width(*letter).unwrap_or(0);
                used > width
            })
            .map_or(rest.len(), |(index, letter)| index.max(letter.len_utf8()));
        // it goes on behind a space where it has one past its first third
        let end = match rest[..end].rfind(' ') {
            Some(space) if end < rest.len() && space > end / 3 => space + 1,
            _ => end,
        };
        let (part, after) = rest.split_at(end);
        lines.push(Line::from(vec![Span::raw(" ".repeat(indent)), Span::styled(part.to_owned(), style)]));
        if after.is_empty() {
            return;
        }
        rest = after;
        indent = 6;
    }
}

/// Renders `label   text`, the text wrapped beside the label.
pub fn render_labelled_fact(
    lines: &mut Vec<Line<'static>>,
    label: &str,
    said: &str,
    style: Style,
    theme: &Theme,
    size: BodySize,
) {
    let first = vec![Span::styled(text::pad_or_truncate_to_width(label, 17), theme.dim)];
    text::render_hanging_text(lines, first, said, style, size.width);
}

/// Renders what is good to know below a fact in one line, its end cut where it is too long.
pub fn render_truncated_detail_line(
    lines: &mut Vec<Line<'static>>,
    said: &str,
    theme: &Theme,
    size: BodySize,
) {
    let said = text::truncate_text(said, size.width.saturating_sub(17));
    lines.push(Line::from(vec![Span::raw(" ".repeat(17)), Span::styled(said, theme.dim)]));
}

/// Renders a line of a list, with the sign where it is chosen.
pub fn render_selectable_line(
    lines: &mut Vec<Line<'static>>,
    chosen: bool,
    spans: Vec<Span<'static>>,
    theme: &Theme,
) {
    let sign = if chosen { format!("{} ", crate::tui::theme::HERE_MARK) } else { "  ".to_owned() };
    let mut line = vec![Span::styled(sign, theme.accent)];
    line.extend(spans);
    lines.push(Line::from(line));
}
