//! Another run on the host as it goes on: who it is, where it stands, and each of its steps as it says them.

use ratatui::text::{Line, Span};

use super::{heading, parts, reindex, stage};
use crate::{
    tui::{
        draw::{Body, Room},
        text,
        theme::Theme,
    },
    wizard::Wizard,
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let mut body =
        Body { head: Some(heading(wizard, theme, room, "Watching another run")), ..Body::default() };
    let lines = &mut body.lines;
    let Some(watching) = &wizard.watching else { return body };
    let run = &watching.run;
    let who = if run.who.is_empty() { "it has only just begun" } else { &run.who };
    parts::fact(lines, "on", &run.on, theme.plain, theme, room);
    parts::fact(lines, "who", who, theme.plain, theme, room);
    parts::fact(lines, "since", &run.since, theme.plain, theme, room);
    parts::fact(lines, "stands", &run.place(), theme.strong, theme, room);
    stage::space(lines);
    if let Some(failure) = &watching.failure {
        parts::failure(lines, failure, theme, room);
        stage::space(lines);
    }
    if let Some(since) = watching.asked {
        let text = format!(
            "It was asked to end {} ago, and does so after the request in flight. Where it hangs, end it where it runs; then this goes on by itself.",
            text::elapsed(wizard.now.saturating_sub(since))
        );
        text::hang(lines, vec![Span::styled("! ", theme.accent)], &text, theme.strong, room.prose());
        stage::space(lines);
    }
    let Some(of) = watching.stage else {
        lines.push(Line::styled("Nothing has run in it yet.", theme.dim));
        return body;
    };
    lines.push(Line::styled(of.title(), theme.title));
    if watching.leg.pace.is_some() {
        reindex::pace(lines, wizard, &watching.leg, theme, room);
    }
    stage::report(lines, watching.now(wizard), &watching.leg, theme, room, &[]);
    if watching.leg.end.is_some() && !watching.leg.text.is_empty() {
        text::prose(lines, &watching.leg.text, theme.plain, room.prose());
    }
    stage::checks(lines, &watching.leg, theme, room);
    body
}
