//! The newest lines of the log beside the body, where the window is wide enough for both.

use ratatui::text::{Line, Span};

use super::{
    screens::{render_log_line, render_utc_clock_time},
    text,
    theme::Theme,
};
use crate::wizard::{Wizard, screen::ScreenOverlay};

/// From this width on there is a log beside the body.
const LEAST_WINDOW_COLUMNS: u16 = 140;
/// What the body keeps: its text is read in lines of at most a hundred columns.
const BODY_COLUMNS: u16 = 92;
const LOG_COLUMNS_MAX: u16 = 72;
const LOG_COLUMNS_MIN: u16 = 30;

/// Returns how many columns the log gets of those that are left for the body; none where there is nothing to show in them.
#[must_use]
pub fn measure_log_column(wizard: &Wizard, window_columns: u16, body_columns: u16) -> u16 {
    let is_wanted = window_columns >= LEAST_WINDOW_COLUMNS
        && !wizard.log.lines.is_empty()
        && wizard.overlay != Some(ScreenOverlay::Log);
    let columns = body_columns.saturating_sub(BODY_COLUMNS).min(LOG_COLUMNS_MAX);
    if is_wanted && columns >= LOG_COLUMNS_MIN { columns } else { 0 }
}

/// Renders the last lines that fit, the newest at the bottom.
#[must_use]
pub fn render_log_column(wizard: &Wizard, theme: &Theme, width: usize, height: usize) -> Vec<Line<'static>> {
    let mut newest_first: Vec<Vec<Line<'static>>> = Vec::new();
    let mut used = 0;
    for line in wizard.log.lines.iter().rev() {
        if used >= height.saturating_sub(1) {
            break;
        }
        let mut rendered = Vec::new();
        let time = render_utc_clock_time(wizard.init.begins_at + line.at);
        render_log_line(&mut rendered, line, &time, theme, width, false);
        used += rendered.len();
        newest_first.push(rendered);
    }
    let mut lines: Vec<Line<'static>> = newest_first.into_iter().rev().flatten().collect();
    let room = height.saturating_sub(1);
    let hidden = lines.len().saturating_sub(room);
    lines.drain(..hidden);
    let heading = text::align_left_and_right(
        vec![Span::styled("Log, UTC", theme.strong)],
        vec![Span::styled("l opens it", theme.dim)],
        width,
    );
    lines.insert(0, heading);
    lines
}
