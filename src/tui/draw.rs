//! One frame: header, path, body, keys. Drawing reads the wizard and never changes it.
//!
//! ```text
//! header   where we are, and the SANDBOX banner
//! path     the parts that a request passes, lit as they stand
//! body  │ log      what lies over the body takes its place; a question or a field is pinned below it
//! footer   the keys, printed from the one table, in as many rows as they need
//! ```

use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span, Text},
};

use super::{
    charset::convert_lines_to_charset,
    footer,
    layout::ScreenBody,
    log_column, notice,
    places::{MIN_WINDOW_SIZE, PlacedBody, ScreenPlaces, footer_rows_max},
    request_path, text,
    theme::Theme,
};
use crate::{
    model::{
        display_charset::{DisplayCharset, render_in_display_charset},
        display_text::is_display_control,
    },
    wizard::{ScrollExtent, Wizard},
};

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
    let Some(places) = ScreenPlaces::place_screen_parts(wizard, theme, area) else {
        return draw_small_window_notice(frame, wizard, area);
    };
    let width = area.width as usize;
    frame.render_widget(render_wizard_header_bar(wizard, theme, width), places.header);
    for rule in [places.rule, places.rule_below] {
        frame.render_widget(Line::styled("─".repeat(rule.width as usize), theme.dim), rule);
    }
    if places.road.height > 0 {
        let path = wizard.build_request_path();
        let road = request_path::render_request_path_diagram(&path, theme, width, places.road.height);
        frame.render_widget(Text::from(convert_lines_to_charset(road, theme.charset)), places.road);
    }
    frame.render_widget(Text::from(notice::render_last_notice(wizard, theme, area)), places.notice);
    let keys = footer::render_key_footer(wizard, theme, width, footer_rows_max(area.height));
    frame.render_widget(Text::from(keys), places.footer);
    let log = places.log;
    if log.width > 0 {
        let bars = vec![Line::styled("│", theme.dim); places.log_bar.height as usize];
        frame.render_widget(Text::from(convert_lines_to_charset(bars, theme.charset)), places.log_bar);
        let lines = log_column::render_log_column(wizard, theme, log.width as usize, log.height as usize);
        frame.render_widget(Text::from(convert_lines_to_charset(lines, theme.charset)), log);
    }
    draw_body(frame, wizard, theme, places.body)
}

fn draw_body(frame: &mut Frame<'_>, wizard: &Wizard, theme: &Theme, area: Rect) -> ScrollExtent {
    let PlacedBody { body, text: above, pinned: below, extent } =
        PlacedBody::place_screen_body(wizard, theme, area);
    let ScreenBody { head, lines, mut pinned, cursor, .. } = body;
    if let Some(head) = head.filter(|_| above.y > area.y) {
        frame.render_widget(head, Rect { height: 1, ..area });
    }
    let top = extent.top;
    let last = extent.lines.saturating_sub(extent.rows);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(extent.rows).collect();
    frame.render_widget(Text::from(shown), above);
    if last > 0 && area.width > 4 {
        draw_more_text_marks(frame, theme, above, top > 0, top < last);
    }
    if below.height > 0 {
        let hidden = pinned.len().saturating_sub(below.height as usize);
        frame.render_widget(Text::from(pinned.split_off(hidden)), below);
        if let Some((x, y)) = cursor {
            let y = (y as usize).saturating_sub(hidden) as u16;
            frame.set_cursor_position(Position {
                x: (below.x + x).min(below.right().saturating_sub(1)),
                y: (below.y + y).min(below.bottom().saturating_sub(1)),
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
