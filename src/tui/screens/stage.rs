//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use ratatui::text::{Line, Span};

use super::{heading, overview, parts, reindex};
use crate::{
    model::{
        event::End,
        failure::Kind,
        goal::{Stage, Step},
        plan::{Change, Verb},
    },
    tui::{
        draw::{Body, Room},
        text,
        theme::{DONE, FAILED, SKIPPED, Theme, spinner},
    },
    wizard::{
        Wizard,
        log::{Leg, LineState},
        words,
    },
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room, stage: Stage) -> Body {
    let mut body = Body::default();
    let lines = &mut body.lines;
    lines.push(heading(wizard, theme, room, stage.title()));
    text::prose(lines, words::purpose(stage), theme.dim, room.prose());
    lines.push(Line::default());
    let Some(leg) = wizard.leg(stage) else { return body };
    outcome(lines, wizard, leg, stage, theme, room);
    if stage == Stage::Reindex && leg.pace.is_some() {
        reindex::pace(lines, wizard, leg, theme, room);
    }
    let Some(plan) = &leg.plan else {
        report(lines, wizard, leg, theme, room, &[]);
        checks(lines, leg, theme, room);
        return body;
    };
    if leg.end.is_none() && wizard.applying() != Some(stage) {
        for ask in &plan.asks {
            if !wizard.answers.consents.given(ask.consent, wizard.bucket()) {
                let mark = vec![Span::styled("! ", theme.accent)];
                text::hang(
                    lines,
                    mark,
                    &format!("Will be asked: {}", ask.question),
                    theme.strong,
                    room.prose(),
                );
            }
        }
    }
    for note in &plan.notes {
        text::hang(lines, vec![Span::styled("· ", theme.accent)], note, theme.plain, room.prose());
    }
    space(lines);
    if stage == Stage::Overview {
        overview::changes(lines, &plan.changes, theme, room);
    } else {
        report(lines, wizard, leg, theme, room, &plan.changes);
    }
    checks(lines, leg, theme, room);
    for exhibit in &plan.exhibit {
        space(lines);
        parts::exhibit(lines, exhibit, theme, room);
    }
    body
}

fn checks(lines: &mut Vec<Line<'static>>, leg: &Leg, theme: &Theme, room: Room) {
    let all = leg.all_checks();
    if !all.is_empty() {
        space(lines);
        parts::checks(lines, &all, theme, room);
    }
}

/// One empty line, and never two.
fn space(lines: &mut Vec<Line<'static>>) {
    if lines.last().is_some_and(|line| line.width() > 0) {
        lines.push(Line::default());
    }
}

/// How it ended, in one line; a failure with its next move, and the way out.
fn outcome(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    leg: &Leg,
    stage: Stage,
    theme: &Theme,
    room: Room,
) {
    let (mark, style, usual) = match leg.end {
        Some(End::Applied) => (DONE, theme.accent, "Done."),
        Some(End::Unchanged) => (DONE, theme.accent, "Nothing to do: all of it stands."),
        Some(End::Stopped) => {
            (SKIPPED, theme.accent, "Stopped. Nothing is broken; r goes on from what is there.")
        }
        Some(End::Failed) => (FAILED, theme.failed, "Failed."),
        None => ("", theme.plain, ""),
    };
    if leg.end.is_some() {
        let said = if leg.text.is_empty() { usual } else { &leg.text };
        text::hang(lines, vec![Span::styled(format!("{mark} "), style)], said, theme.strong, room.prose());
    }
    // a step that failed shows its failure on its own line; what failed the look has none
    if let Some(failure) = &leg.failure {
        parts::failure(lines, failure, theme, room);
        if failure.kind == Kind::Credentials || failure.kind == Kind::Denied {
            text::prose(lines, "  b leads back to the identity.", theme.dim, room.prose());
        }
    }
    if leg.end == Some(End::Failed) && wizard.applying().is_none() {
        let way_out = if stage == Stage::Disable {
            format!("  Enter looks again. If it does not work out, write to {}.", words::SUPPORT)
        } else {
            format!(
                "  Enter looks again and goes on from what is there. D switches CloudFront off. If neither helps, write to {}.",
                words::SUPPORT
            )
        };
        text::hang(lines, vec![Span::raw("  ")], way_out.trim(), theme.dim, room.prose());
    }
    space(lines);
}

/// The plan's lines, each with what came of it; then steps that no line of the plan named.
fn report(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    leg: &Leg,
    theme: &Theme,
    room: Room,
    changes: &[Change],
) {
    for change in changes {
        let ran = leg.line(change.step).is_some();
        if ran {
            step(lines, wizard, leg, theme, room, change.step, Some(change));
        } else {
            planned(lines, change, theme, room);
        }
    }
    for line in &leg.lines {
        if !changes.iter().any(|change| change.step == line.step) {
            step(lines, wizard, leg, theme, room, line.step, None);
        }
    }
}

/// `+ create  KMS key   …`: where there is room with its target, else with the reason alone.
pub fn planned(lines: &mut Vec<Line<'static>>, change: &Change, theme: &Theme, room: Room) {
    let (mark, style) = match change.verb {
        Verb::Keep => ("=", theme.dim),
        Verb::Create => ("+", theme.accent),
        Verb::Update => ("~", theme.accent),
        Verb::Attach => ("&", theme.accent),
        Verb::Run => ("»", theme.accent),
    };
    let named = if change.verb == Verb::Keep { theme.dim } else { theme.plain };
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::column(change.verb.name(), 8), style),
        Span::styled(text::column(change.step.title(), title_width(room)), named),
    ];
    if room.wide() {
        let width = target_width(room);
        first.push(Span::styled(text::column(&change.target, width), named));
    }
    text::hang(lines, first, &change.why, theme.dim, room.width);
}

fn title_width(room: Room) -> usize {
    if room.wide() { 24 } else { 18 }
}

fn target_width(room: Room) -> usize {
    (room.width.saturating_sub(34) / 2).min(48)
}

fn step(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    leg: &Leg,
    theme: &Theme,
    room: Room,
    step: Step,
    change: Option<&Change>,
) {
    let Some(line) = leg.line(step) else { return };
    let ran = line.took.unwrap_or_else(|| wizard.now.saturating_sub(line.since));
    let (mark, style) = match &line.state {
        LineState::Running => (spinner(ran), theme.accent),
        LineState::Done => (DONE, theme.accent),
        LineState::Failed(_) => (FAILED, theme.failed),
    };
    let verb = change.map_or("", |change| change.verb.name());
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::column(verb, 8), theme.dim),
        Span::styled(text::column(step.title(), title_width(room)), theme.plain),
    ];
    if let (true, Some(change)) = (room.wide(), change) {
        first.push(Span::styled(text::column(&change.target, target_width(room)), theme.plain));
    }
    if let LineState::Failed(failure) = &line.state {
        lines.push(Line::from(first));
        let mut inner = Vec::new();
        let narrower = Room { width: room.width.saturating_sub(2), ..room };
        parts::failure(&mut inner, failure, theme, narrower);
        for mut line in inner {
            line.spans.insert(0, Span::raw("  "));
            lines.push(line);
        }
        return;
    }
    let show_time = line.took.is_none() || ran.as_millis() >= 1000;
    let took = if show_time { format!("  {}", text::elapsed(ran)) } else { String::new() };
    let (said, style) = match &line.state {
        LineState::Running => (&line.text, theme.plain),
        LineState::Done | LineState::Failed(_) => (&line.text, theme.dim),
    };
    text::hang(lines, first, &format!("{said}{took}"), style, room.width);
}
