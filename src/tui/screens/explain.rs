//! What is behind each line of a plan: the manual step that it replaces, and the calls that it makes.

use ratatui::text::{Line, Span};

use super::{heading, stage};
use crate::{
    tui::{
        draw::{Body, Room},
        text,
        theme::Theme,
    },
    wizard::{Wizard, screen::Screen},
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let mut body = Body::default();
    let lines = &mut body.lines;
    let Screen::Stage(at) = wizard.screen else { return body };
    body.head = Some(heading(wizard, theme, room, &format!("{}: what is behind each line", at.title())));
    lines.push(Line::default());
    let changes = wizard.leg(at).and_then(|leg| leg.plan.as_ref()).map_or(&[][..], |plan| &plan.changes);
    if changes.is_empty() {
        lines.push(Line::styled("This stage changes nothing; it only looks.", theme.plain));
    }
    let columns = stage::Columns::of(changes, room);
    for change in changes {
        stage::planned(lines, change, theme, room, columns);
        if !room.wide() && !change.target.is_empty() {
            text::hang(lines, vec![Span::raw("    ")], &change.target, theme.plain, room.width);
        }
        for call in &change.calls {
            text::hang(lines, vec![Span::styled("    · ", theme.accent)], call, theme.dim, room.width);
        }
        lines.push(Line::default());
    }
    body
}
