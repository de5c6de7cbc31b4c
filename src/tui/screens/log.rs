//! The log: every event as a line, with the time since the wizard began.

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
    let mut body =
        ScreenBody { head: Some(render_screen_heading(wizard, theme, size, "Log")), ..ScreenBody::default() };
    if wizard.log.lines.is_empty() {
        body.lines.push(Line::styled("Nothing has happened yet.", theme.dim));
    }
    for line in &wizard.log.lines {
        render_log_line(&mut body.lines, line, theme, size.width, size.is_body_wide());
    }
    body
}

/// Renders one line of the log, with its stage's title where `names_stage` asks for it.
pub fn render_log_line(
    lines: &mut Vec<Line<'static>>,
    line: &LogLine,
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
    let seconds = line.at.as_secs();
    let mut first = vec![Span::styled(format!("{:>3}:{:02} ", seconds / 60, seconds % 60), theme.dim)];
    if names_stage {
        first.push(Span::styled(text::pad_or_truncate_to_width(line.stage.stage_title(), 15), theme.dim));
    }
    first.push(Span::styled(format!("{mark} "), style));
    let text_style = if line.mark == LogLineMark::Failed { theme.strong } else { theme.plain };
    text::render_hanging_text(lines, first, &line.text, text_style, width);
}
