//! The log: every event as a line with its time in UTC, and where the file lies that has them all.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::heading::render_screen_heading;
use crate::{
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::{DONE_MARK, FAILED_MARK, HERE_MARK, Theme},
    },
    wizard::{
        Wizard,
        log::{LogLine, LogLineMark},
    },
};

/// Renders the log, the oldest line first.
pub fn render_log_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody {
        head: Some(render_screen_heading(wizard, theme, size, "Log, times in UTC")),
        ..ScreenBody::default()
    };
    if wizard.log.lines.is_empty() {
        body.lines.push(Line::styled("Nothing has happened yet.", theme.dim));
    }
    for line in &wizard.log.lines {
        let time = render_utc_clock_time(wizard.init.begins_at + line.at);
        render_log_line(&mut body.lines, line, &time, theme, size.width, size.is_body_wide());
    }
    if !wizard.init.log_path.is_empty() {
        body.lines.push(Line::default());
        let first = vec![Span::styled("The log file: ", theme.dim)];
        text::render_hanging_text(&mut body.lines, first, &wizard.init.log_path, theme.plain, size.width);
    }
    body
}

/// Renders the time of day in UTC as `15:26:43`, of a time since 1970-01-01 00:00:00 UTC.
pub fn render_utc_clock_time(time: Duration) -> String {
    let seconds = time.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Renders one line of the log, which came at `time`, with its stage's title where `names_stage` asks for it.
pub fn render_log_line(
    lines: &mut Vec<Line<'static>>,
    line: &LogLine,
    time: &str,
    theme: &Theme,
    width: usize,
    names_stage: bool,
) {
    let (mark, style) = match line.mark {
        LogLineMark::Started => (HERE_MARK, theme.accent),
        LogLineMark::Progress => (" ", theme.dim),
        LogLineMark::Done => (DONE_MARK, theme.good),
        LogLineMark::Failed => (FAILED_MARK, theme.failed),
    };
    let mut first = vec![Span::styled(format!("{time} "), theme.dim)];
    if names_stage {
        first.push(Span::styled(text::pad_or_truncate_to_width(line.stage.stage_title(), 15), theme.dim));
    }
    first.push(Span::styled(format!("{mark} "), style));
    let text_style = if line.mark == LogLineMark::Failed { theme.strong } else { theme.plain };
    text::render_hanging_text(lines, first, &line.text, text_style, width);
}
