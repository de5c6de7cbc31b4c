//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::{heading, overview, parts, reindex};
use crate::{
    model::run::{
        event::End,
        failure::{Failure, Kind},
        goal::{Stage, Step},
        plan::{Change, Plan, Verb},
    },
    tui::{
        draw::{Body, Room},
        text,
        theme::{DONE, FAILED, SKIPPED, Theme, spinner},
    },
    wizard::{
        Wizard, copy,
        log::{Leg, LineState},
    },
};

pub fn body(wizard: &Wizard, theme: &Theme, room: Room, stage: Stage) -> Body {
    let mut body = Body::default();
    let lines = &mut body.lines;
    body.head = Some(heading(wizard, theme, room, stage.title()));
    text::prose(lines, copy::purpose(stage), theme.dim, room.prose());
    lines.push(Line::default());
    let Some(leg) = wizard.leg(stage) else { return body };
    if let Some(waits) = &leg.waits {
        let still =
            "Stands still: AWS no longer accepts the credentials. What is done stands; nothing is lost.";
        text::hang(lines, vec![Span::styled("‖ ", theme.accent)], still, theme.strong, room.prose());
        parts::failure(lines, &waits.failure, theme, room);
        space(lines);
    }
    outcome(lines, wizard, leg, stage, theme, room);
    if stage == Stage::Reindex && leg.pace.is_some() {
        reindex::pace(lines, wizard, leg, theme, room);
    }
    if stage == Stage::GoLive && leg.end.is_none() && wizard.reindex_pending() {
        reindex::awaited(lines, wizard, theme, room);
        space(lines);
    }
    let Some(plan) = &leg.plan else {
        report(lines, wizard.now, leg, theme, room, &[]);
        checks(lines, leg, theme, room);
        return body;
    };
    if leg.end.is_none() && wizard.applying() != Some(stage) && wizard.over.is_none() {
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
    // what clients must be told comes before what would be done to them
    let first = stage == Stage::GoLive && leg.end.is_none() && wizard.applying().is_none();
    if first {
        exhibits(lines, wizard, plan, theme, room);
        space(lines);
    }
    // what a plan said of what was to come is over once it has ended; what verify says is for afterwards
    let ended = leg.end.is_some();
    match stage {
        Stage::Overview => {}
        Stage::Verify if !ended => {}
        Stage::Verify => notes(lines, plan, theme, room),
        _ if ended && leg.end != Some(End::Unchanged) => {}
        _ => notes(lines, plan, theme, room),
    }
    space(lines);
    if stage == Stage::Overview {
        overview::facts(lines, plan, theme, room);
        overview::changes(lines, &plan.changes, theme, room);
    } else if stage != Stage::Verify || leg.end.is_none() {
        report(lines, wizard.now, leg, theme, room, &plan.changes);
    }
    // the final block is what the whole journey was for; its checks may be scrolled to where none failed
    let block = stage == Stage::Verify && leg.end == Some(End::Applied);
    if block {
        exhibits(lines, wizard, plan, theme, room);
    }
    checks(lines, leg, theme, room);
    if stage != Stage::Overview && !first && !block {
        exhibits(lines, wizard, plan, theme, room);
    }
    body
}

fn notes(lines: &mut Vec<Line<'static>>, plan: &Plan, theme: &Theme, room: Room) {
    for note in &plan.notes {
        text::hang(lines, vec![Span::styled("· ", theme.accent)], note, theme.plain, room.prose());
    }
}

fn exhibits(lines: &mut Vec<Line<'static>>, wizard: &Wizard, plan: &Plan, theme: &Theme, room: Room) {
    for exhibit in &plan.exhibit {
        space(lines);
        parts::exhibit(lines, exhibit, wizard.to_copy() == Some(exhibit), theme, room);
    }
}

pub fn checks(lines: &mut Vec<Line<'static>>, leg: &Leg, theme: &Theme, room: Room) {
    let all = leg.all_checks();
    if !all.is_empty() {
        space(lines);
        parts::checks(lines, &all, theme, room);
    }
}

/// One empty line, and never two.
pub fn space(lines: &mut Vec<Line<'static>>) {
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
    // what failed speaks for itself
    if leg.end.is_some() && !(leg.end == Some(End::Failed) && leg.failed().is_some()) {
        let said = if leg.text.is_empty() { usual } else { &leg.text };
        text::hang(lines, vec![Span::styled(format!("{mark} "), style)], said, theme.strong, room.prose());
    }
    let failed = if matches!(leg.end, None | Some(End::Failed)) { leg.failed() } else { None };
    if let Some(failure) = failed {
        // The stage's end may say more than the step that failed: that what it had changed is taken back.
        let more = leg.text.strip_prefix(&failure.to_string()).unwrap_or_default();
        let failure = Failure { why: format!("{}{more}", failure.why), ..failure.clone() };
        parts::failure(lines, &failure, theme, room);
        if failure.kind == Kind::Credentials || failure.kind == Kind::Denied {
            text::prose(lines, "  b leads back to the identity.", theme.dim, room.prose());
        }
    }
    if leg.end == Some(End::Failed) && wizard.applying().is_none() {
        let taken_back = leg.line(Step::TakeBack).is_some_and(|line| line.state == LineState::Done);
        let way_out = if stage == Stage::Disable || taken_back {
            format!("  Enter looks again. If it does not work out, write to {}.", copy::SUPPORT)
        } else {
            format!(
                "  Enter looks again and goes on from what is there. D switches CloudFront off. If neither helps, write to {}.",
                copy::SUPPORT
            )
        };
        space(lines);
        text::prose(lines, way_out.trim(), theme.dim, room.prose());
    }
    space(lines);
}

/// The plan's lines, each with what came of it; then steps that no line of the plan named.
pub fn report(
    lines: &mut Vec<Line<'static>>,
    now: Duration,
    leg: &Leg,
    theme: &Theme,
    room: Room,
    changes: &[Change],
) {
    let columns = Columns::of(changes, room);
    let view = View { now, leg, theme, room, columns };
    for change in changes {
        let ran = leg.line(change.step).is_some();
        if ran {
            step(lines, &view, change.step, Some(change));
        } else {
            planned(lines, change, theme, room, columns);
        }
    }
    for line in &leg.lines {
        if !changes.iter().any(|change| change.step == line.step) {
            step(lines, &view, line.step, None);
        }
    }
}

/// `+ create  KMS key   …`: where there is room with its target, else with the reason alone.
pub fn planned(lines: &mut Vec<Line<'static>>, change: &Change, theme: &Theme, room: Room, columns: Columns) {
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
        Span::styled(text::column(change.step.title(), columns.title), named),
    ];
    if room.wide() {
        first.push(Span::styled(text::column(&change.target, columns.target), named));
    }
    text::hang(lines, first, &change.why, theme.dim, room.width);
}

/// How wide the columns of a plan's lines are: as wide as what stands in them, and no wider.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    title: usize,
    target: usize,
}

impl Columns {
    pub fn of(changes: &[Change], room: Room) -> Self {
        let longest = |text: fn(&Change) -> &str| {
            changes.iter().map(|change| text(change).chars().count()).max().unwrap_or(0) + 2
        };
        let title = longest(|change| change.step.title()).max(16);
        let rest = room.width.saturating_sub(10 + title);
        Self { title, target: longest(|change| &change.target).min((rest / 2).max(30)) }
    }
}

/// What all lines of a report are drawn by.
struct View<'a> {
    now: Duration,
    leg: &'a Leg,
    theme: &'a Theme,
    room: Room,
    columns: Columns,
}

fn step(lines: &mut Vec<Line<'static>>, view: &View<'_>, step: Step, change: Option<&Change>) {
    let View { now, leg, theme, room, columns } = *view;
    let Some(line) = leg.line(step) else { return };
    let ran = line.took.unwrap_or_else(|| now.saturating_sub(line.since));
    let (mark, style) = match &line.state {
        LineState::Running => (spinner(ran), theme.accent),
        LineState::Done => (DONE, theme.accent),
        LineState::Failed(_) => (FAILED, theme.failed),
    };
    let verb = change.map_or("", |change| change.verb.name());
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::column(verb, 8), theme.dim),
        Span::styled(text::column(step.title(), columns.title), theme.plain),
    ];
    if let (true, Some(change)) = (room.wide(), change) {
        first.push(Span::styled(text::column(&change.target, columns.target), theme.plain));
    }
    let show_time = line.took.is_none() || ran.as_millis() >= 1000;
    let took = match (show_time, line.text.is_empty()) {
        (false, _) => String::new(),
        (true, true) => text::elapsed(ran),
        (true, false) => format!(" ·{}", text::tied(&format!(" {}", text::elapsed(ran)))),
    };
    let (said, style) = match &line.state {
        LineState::Running => (&line.text, theme.plain),
        LineState::Done => (&line.text, theme.dim),
        // the failure itself stands at the top, where it is seen
        LineState::Failed(failure) => (&failure.why, theme.plain),
    };
    text::hang(lines, first, &format!("{said}{took}"), style, room.width);
}
