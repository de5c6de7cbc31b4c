//! The log: every event as a line, with the time since the wizard began.

use ratatui::text::{Line, Span};

use super::heading;
use crate::{
    tui::{
        draw::{Body, Room},
        text,
        theme::{DONE, FAILED, HERE, Theme},
    },
    wizard::{Wizard, log::Mark},
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let mut body = Body { head: Some(heading(wizard, theme, room, "Log")), ..Body::default() };
    if wizard.log.lines.is_empty() {
        body.lines.push(Line::styled("Nothing has happened yet.", theme.dim));
    }
    for line in &wizard.log.lines {
        let (mark, style) = match line.mark {
            Mark::Started => (HERE, theme.accent),
            Mark::Goes => (" ", theme.dim),
            Mark::Done => (DONE, theme.accent),
            Mark::Failed => (FAILED, theme.failed),
        };
        let seconds = line.at.as_secs();
        let mut first = vec![Span::styled(format!("{:>3}:{:02} ", seconds / 60, seconds % 60), theme.dim)];
        if room.wide() {
            first.push(Span::styled(text::column(line.stage.title(), 15), theme.dim));
        }
        first.push(Span::styled(format!("{mark} "), style));
        let said = if line.mark == Mark::Failed { theme.strong } else { theme.plain };
        text::hang(&mut body.lines, first, &line.text, said, room.width);
    }
    body
}
