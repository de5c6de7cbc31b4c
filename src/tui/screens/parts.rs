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
    wizard::{Wizard, copy, log::StageProgress},
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
            // A permission's name is never cut: one that is too long pushes what is said of it aside.
            Span::styled(format!("{:name_width$}", format!("{}  ", check.name)), theme.plain),
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

/// Renders the checks that failed, first how many of how many and which; nothing where none did.
pub fn render_failed_checks(
    lines: &mut Vec<Line<'static>>,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
) {
    let all = progress.latest_checks();
    let failed: Vec<&CheckResult> = all.iter().copied().filter(|check| check.has_failed()).collect();
    if failed.is_empty() {
        return;
    }
    let names: Vec<&str> = failed.iter().map(|check| check.name.as_str()).collect();
    let checks = if all.len() == 1 { "check" } else { "checks" };
    let said = format!("{} of {} {checks} failed: {}", failed.len(), all.len(), names.join(", "));
    let mark = vec![Span::styled(format!("{FAILED_MARK} "), theme.failed)];
    text::render_hanging_text(lines, mark, &said, theme.strong, size.max_prose_width());
    render_check_results(lines, &failed, theme, size);
    text::ensure_blank_line(lines);
}

/// Renders the checks that could not be asked, then those that passed: as a count, or each where that was opened.
pub fn render_unknown_and_passed_checks(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
) {
    let all = progress.latest_checks();
    let of_verdict = |verdict| -> Vec<&CheckResult> {
        all.iter().copied().filter(|check| check.result == verdict).collect()
    };
    let (unknown, passed) = (of_verdict(CheckVerdict::Unknown), of_verdict(CheckVerdict::Pass));
    if unknown.is_empty() && passed.is_empty() {
        return;
    }
    text::ensure_blank_line(lines);
    render_check_results(lines, &unknown, theme, size);
    if wizard.shows_passed_checks {
        render_check_results(lines, &passed, theme, size);
    } else {
        render_passed_count(lines, passed.len(), theme, size);
    }
}

/// Renders how many checks passed, in one line.
pub fn render_passed_count(lines: &mut Vec<Line<'static>>, passed: usize, theme: &Theme, size: BodySize) {
    let said = match passed {
        0 => return,
        1 => "1 check passed".to_owned(),
        many => format!("{many} checks passed"),
    };
    let mark = vec![Span::styled(format!("{DONE_MARK} "), theme.accent)];
    text::render_hanging_text(lines, mark, &said, theme.dim, size.max_prose_width());
}

/// Renders a titled text as it stands, and whether the next `c` copies it; of a diff, what goes and what comes are told apart.
pub fn render_plan_document(
    lines: &mut Vec<Line<'static>>,
    document: &PlanAttachment,
    copied: bool,
    theme: &Theme,
    size: BodySize,
) {
    let copy = if copied { vec![describe_copy(&document.lines.join("\n"), theme)] } else { Vec::new() };
    lines.push(text::align_left_and_right(
        vec![Span::styled(document.title.clone(), theme.strong)],
        copy,
        size.max_prose_width(),
    ));
    for line in &document.lines {
        let style = if line.starts_with('+') {
            theme.good
        } else if line.starts_with('-') {
            theme.removed
        } else {
            theme.plain
        };
        render_verbatim_text(lines, &line.replace('\t', "    "), style, size);
    }
}

/// Says beside a text what `c` copies: where the text hides the secret, the copy doesn't.
pub fn describe_copy(text: &str, theme: &Theme) -> Span<'static> {
    if copy::is_secret_hidden_in(text) {
        Span::styled("c copies it, the secret in clear", theme.accent)
    } else {
        Span::styled("c copies it", theme.dim)
    }
}

/// Renders text that must not be reflowed: a long line goes on below itself.
pub fn render_verbatim_text(lines: &mut Vec<Line<'static>>, line: &str, style: Style, size: BodySize) {
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
