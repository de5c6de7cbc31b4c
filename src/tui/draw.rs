//! One frame: header, path, body, keys. Drawing reads the wizard and never changes it.
//!
//! ```text
//! header   where we are, and the SANDBOX banner
//! path     the parts that a request passes, lit as they stand
//! body  │ log      what lies over the body takes its place; a question or a field is pinned below it
//! footer   the keys, printed from the one table, in as many rows as they need
//! ```

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span, Text},
};

use super::{
    charset::{convert_body_to_charset, convert_lines_to_charset},
    footer,
    layout::{BodySize, ScreenBody},
    log_column, request_path, screens, text,
    theme::Theme,
};
use crate::{
    model::{
        display_charset::{DisplayCharset, render_in_display_charset},
        display_text::is_display_control,
    },
    wizard::{
        ScrollExtent, Wizard,
        intent::{CursorMove, UserIntent},
    },
};

/// Below this, a plain message.
pub const MIN_WINDOW_SIZE: (u16, u16) = (40, 10);

/// Draws one frame; returns how long the body's text is, and how much of it is seen.
pub fn draw_wizard(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme) -> ScrollExtent {
    let extent = draw_screen_parts(frame, wizard, theme);
    remove_display_controls(frame);
    if theme.charset == DisplayCharset::Ascii {
        remove_other_letters(frame);
    }
    extent
}

/// Writes `?` for what is left that the terminal doesn't show: every line was converted before, so that is what no line is.
fn remove_other_letters(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        if !cell.symbol().is_ascii() {
            let shown = render_in_display_charset(cell.symbol(), DisplayCharset::Ascii).into_owned();
            cell.set_symbol(if shown.len() == 1 { &shown } else { "?" });
        }
    }
}

/// Returns what a click or the wheel says: a click on a key at the foot presses it, the wheel moves.
#[must_use]
pub fn find_intent_of_mouse(
    wizard: &Wizard,
    theme: &Theme,
    area: Rect,
    mouse: MouseEvent,
) -> Option<UserIntent> {
    match mouse.kind {
        MouseEventKind::ScrollUp => Some(UserIntent::Move(CursorMove::Up)),
        MouseEventKind::ScrollDown => Some(UserIntent::Move(CursorMove::Down)),
        MouseEventKind::Down(MouseButton::Left) => {
            let (width, rows_max) = (area.width as usize, footer_rows_max(area.height));
            let rows = footer::render_key_footer(wizard, theme, width, rows_max).len() as u16;
            let row = mouse.row.checked_sub(area.bottom().saturating_sub(rows))?;
            footer::find_footer_key_at(wizard, theme, width, rows_max, (mouse.column.into(), row.into()))
        }
        _ => None,
    }
}

/// How many rows the keys may take of a window of this height.
fn footer_rows_max(height: u16) -> usize {
    usize::from(height / 8).clamp(1, 4)
}

/// Takes out what would steer the terminal, or turn the direction of reading, whichever screen it came from.
fn remove_display_controls(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        if !cell.symbol().is_ascii() && cell.symbol().chars().any(is_display_control) {
            let kept: String = cell.symbol().chars().filter(|letter| !is_display_control(*letter)).collect();
            cell.set_symbol(if kept.is_empty() { " " } else { &kept });
        }
    }
}

fn draw_screen_parts(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme) -> ScrollExtent {
    let area = frame.area();
    if area.width < MIN_WINDOW_SIZE.0 || area.height < MIN_WINDOW_SIZE.1 {
        return draw_small_window_notice(frame, wizard, area);
    }
    let tall = area.height >= 18;
    let path_rows = match (tall, area.width >= 120 && area.height >= 36) {
        (_, true) => 4,
        (true, false) => 2,
        (false, false) => 0,
    };
    let notice = render_last_notice(wizard, theme, area);
    let width = area.width as usize;
    let keys = footer::render_key_footer(wizard, theme, width, footer_rows_max(area.height));
    let [head, rule, path_area, middle, notice_area, rule_below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(path_rows),
        Constraint::Min(1),
        Constraint::Length(notice.len() as u16),
        Constraint::Length(1),
        Constraint::Length(keys.len() as u16),
    ])
    .areas(area);
    frame.render_widget(render_wizard_header_bar(wizard, theme, width), head);
    for rule in [rule, rule_below] {
        frame.render_widget(Line::styled("─".repeat(rule.width as usize), theme.dim), rule);
    }
    if path_rows > 0 {
        frame.render_widget(
            Text::from(convert_lines_to_charset(
                request_path::render_request_path_diagram(
                    &wizard.build_request_path(),
                    theme,
                    width,
                    path_rows,
                ),
                theme.charset,
            )),
            path_area,
        );
    }
    frame.render_widget(Text::from(notice), notice_area);
    frame.render_widget(Text::from(keys), foot);

    draw_middle_columns(frame, wizard, theme, middle)
}

/// Draws the body, and the log beside it where there is room for both.
fn draw_middle_columns(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme, middle: Rect) -> ScrollExtent {
    let log_width = log_column::measure_log_column(wizard, middle.width, middle.width.saturating_sub(2));
    let [_, inner, _, log_bar, log] = Layout::horizontal([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(2 * u16::from(log_width > 0)),
        Constraint::Length(log_width.saturating_sub(2)),
    ])
    .areas(middle);
    if log_width > 0 {
        let bars = vec![Line::styled("│", theme.dim); log_bar.height as usize];
        frame.render_widget(Text::from(convert_lines_to_charset(bars, theme.charset)), log_bar);
        let lines = log_column::render_log_column(wizard, theme, log.width as usize, log.height as usize);
        frame.render_widget(Text::from(convert_lines_to_charset(lines, theme.charset)), log);
    }
    draw_body(frame, wizard, theme, inner)
}

fn draw_body(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme, area: Rect) -> ScrollExtent {
    let size = BodySize { width: area.width as usize, height: area.height as usize };
    let body = screens::render_screen_body(wizard, theme, size);
    let ScreenBody { head, lines, mut pinned, cursor, keep_visible } =
        convert_body_to_charset(body, theme.charset, size.width);
    let area = match head {
        Some(head) if area.height > 3 => {
            frame.render_widget(head, Rect { height: 1, ..area });
            Rect { y: area.y + 1, height: area.height - 1, ..area }
        }
        _ => area,
    };
    // a question must be read whole; where the screen is too low for both, the body gives way
    let pinned_rows_max = area.height.saturating_sub(2).max(1);
    let pinned_rows = (pinned.len() as u16).min(pinned_rows_max);
    let rows = area.height - pinned_rows;
    let mut extent = ScrollExtent { lines: lines.len(), rows: rows as usize, top: 0 };
    let last = extent.lines.saturating_sub(extent.rows);
    let mut top = wizard.scroll.unwrap_or_default().min(last);
    if let Some(keep_visible) = keep_visible {
        top = top.max((keep_visible + 1).saturating_sub(extent.rows)).min(keep_visible).min(last);
    }
    extent.top = top;
    let above = Rect { height: rows, ..area };
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(extent.rows).collect();
    frame.render_widget(Text::from(shown), above);
    if last > 0 && area.width > 4 {
        draw_more_text_marks(frame, theme, above, top > 0, top < last);
    }
    if pinned_rows > 0 {
        let below = Rect { y: area.y + rows, height: pinned_rows, ..area };
        let hidden = pinned.len().saturating_sub(pinned_rows as usize);
        frame.render_widget(Text::from(pinned.split_off(hidden)), below);
        if let Some((x, y)) = cursor {
            let y = (y as usize).saturating_sub(hidden) as u16;
            frame.set_cursor_position(Position {
                x: (below.x + x).min(area.right().saturating_sub(1)),
                y: (below.y + y).min(area.bottom().saturating_sub(1)),
            });
        }
    }
    extent
}

/// Small signs that there is more above or below.
fn draw_more_text_marks(frame: &mut Frame<'_>, theme: &Theme, area: Rect, up: bool, down: bool) {
    let x = area.right();
    let buffer = frame.buffer_mut();
    if x >= buffer.area.right() || area.height == 0 {
        return;
    }
    if up {
        buffer.set_string(x, area.y, "↑", theme.accent);
    }
    if down {
        buffer.set_string(x, area.bottom() - 1, "↓", theme.accent);
    }
}

/// What was said last, whole where a fifth of the window holds it: a failure's next move stands at its end.
fn render_last_notice(wizard: &Wizard, theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    let silent = wizard.silent_aws_call.as_ref().filter(|_| wizard.has_running_job());
    let Some(notice) = silent.or(wizard.notice.as_ref()) else { return Vec::new() };
    let width = area.width.saturating_sub(4) as usize;
    let rows = (area.height / 5).max(1) as usize;
    let mut parts = text::wrap_text(&render_in_display_charset(notice, theme.charset), width);
    if parts.len() > rows {
        let rest = parts.split_off(rows - 1).join(" ");
        parts.push(text::truncate_text(&rest, width));
    }
    let line = |(index, part): (usize, String)| {
        let sign = if index == 0 { " » " } else { "   " };
        Line::from(vec![Span::styled(sign, theme.accent), Span::styled(part, theme.strong)])
    };
    parts.into_iter().enumerate().map(line).collect()
}

fn render_wizard_header_bar(wizard: &Wizard, theme: &Theme, width: usize) -> Line<'static> {
    let mut right = Vec::new();
    if wizard.init.sandbox {
        right.push(Span::styled(" SANDBOX ", theme.banner));
        right.push(Span::raw(" "));
    }
    let mut left = vec![Span::styled(" packagecloud-cloudfront", theme.strong)];
    let place: Vec<&str> = [wizard.account_id(), wizard.bucket_region(), wizard.bucket_name()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let used: usize = left.iter().chain(&right).map(Span::width).sum();
    if !place.is_empty() {
        let place = render_in_display_charset(&place.join(" · "), theme.charset).into_owned();
        let place = text::truncate_text(&place, width.saturating_sub(used + 3));
        left.push(Span::styled(format!("  {place}"), theme.dim));
    }
    text::align_left_and_right(left, right, width)
}

/// The least that a small window is owed: what it is, what runs, and the way out.
fn draw_small_window_notice(frame: &mut Frame<'_>, wizard: &Wizard, area: Rect) -> ScrollExtent {
    let runs = wizard
        .stage_being_applied()
        .map_or("Nothing runs.".to_owned(), |stage| format!("{} runs.", stage.stage_title()));
    let message = format!(
        "This window is {}x{}; {}x{} is the least. {runs} Make it larger; q leaves.",
        area.width, area.height, MIN_WINDOW_SIZE.0, MIN_WINDOW_SIZE.1
    );
    let lines: Vec<Line<'static>> =
        text::wrap_text(&message, area.width as usize).into_iter().map(Line::from).collect();
    frame.render_widget(Text::from(lines), area);
    wizard.extent
}
