//! What was said last, above the keys: what came of a key, or which call of AWS has no answer.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{text, theme::Theme};
use crate::{
    model::display_charset::render_in_display_charset,
    wizard::{Wizard, screen::WizardScreen},
};

/// Renders what was said last, whole where a fifth of the window holds it: a failure's next move stands at its end.
pub fn render_last_notice(wizard: &Wizard, theme: &Theme, area: Rect) -> Vec<Line<'static>> {
    // On Home it stands first, with what can be pressed.
    let is_said_above = wizard.screen == WizardScreen::Home && wizard.overlay.is_none();
    let silent = wizard.silent_aws_call.as_ref().filter(|_| wizard.has_running_job() && !is_said_above);
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
