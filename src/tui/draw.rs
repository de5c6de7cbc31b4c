//! One frame: header, path, body, keys. Drawing reads the wizard and never changes it.
//!
//! ```text
//! header   where we are, and the SANDBOX banner
//! path     the parts that a request passes, lit as they stand
//! body     what lies over it takes its place; a question or a field is pinned below it
//! footer   the keys, printed from the one table
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span, Text},
};

use super::{
    keys,
    layout::{BodySize, ScreenBody},
    request_path, screens, text,
    theme::Theme,
};
use crate::{
    model::display_text::is_display_control,
    wizard::{ScrollExtent, Wizard},
};

/// Below this, a plain message.
pub const MIN_WINDOW_SIZE: (u16, u16) = (40, 10);

/// Draws one frame; returns how long the body's text is, and how much of it is seen.
pub fn draw_wizard(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme) -> ScrollExtent {
    let extent = draw_screen_parts(frame, wizard, theme);
    remove_display_controls(frame);
    extent
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
    let [head, rule, path_area, middle, notice_area, rule_below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(path_rows),
        Constraint::Min(1),
        Constraint::Length(notice.len() as u16),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(render_wizard_header_bar(wizard, theme, area.width as usize), head);
    for rule in [rule, rule_below] {
        frame.render_widget(Line::styled("─".repeat(rule.width as usize), theme.dim), rule);
    }
    if path_rows > 0 {
        frame.render_widget(
            Text::from(request_path::render_request_path_diagram(
                &wizard.build_request_path(),
                theme,
                area.width as usize,
                path_rows,
            )),
            path_area,
        );
    }
    frame.render_widget(Text::from(notice), notice_area);
    frame.render_widget(render_key_footer(wizard, theme, area.width as usize), foot);

    let [_, inner, _] =
        Layout::horizontal([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)]).areas(middle);
    draw_body(frame, wizard, theme, inner)
}

fn draw_body(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme, area: Rect) -> ScrollExtent {
    let size = BodySize { width: area.width as usize, height: area.height as usize };
    let ScreenBody { head, lines, mut pinned, cursor, keep_visible } =
        screens::render_screen_body(wizard, theme, size);
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
    let Some(notice) = &wizard.notice else { return Vec::new() };
    let width = area.width.saturating_sub(4) as usize;
    let rows = (area.height / 5).max(1) as usize;
    let mut parts = text::wrap_text(notice, width);
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
        let place = text::truncate_text(&place.join(" · "), width.saturating_sub(used + 3));
        left.push(Span::styled(format!("  {place}"), theme.dim));
    }
    text::align_left_and_right(left, right, width)
}

fn render_key_footer(wizard: &Wizard, theme: &Theme, width: usize) -> Line<'static> {
    let spans = |key: &'static str, label: &'static str| {
        [Span::styled(key, theme.accent), Span::raw(" "), Span::raw(label), Span::raw("  ")]
    };
    let all = keys::list_footer_keys(wizard);
    let right: Vec<Span<'static>> =
        all.iter().filter(|entry| entry.2).flat_map(|entry| spans(entry.0, entry.1)).collect();
    let mut used: usize = 1 + right.iter().map(Span::width).sum::<usize>();
    let mut left = vec![Span::raw(" ")];
    for (key, label, _) in all.iter().filter(|entry| !entry.2) {
        let entry = spans(key, label);
        used += entry.iter().map(Span::width).sum::<usize>();
        if used > width && left.len() > 1 {
            break;
        }
        left.extend(entry);
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
