//! The left column: the goal's stages with the state of each, so that one look says how far it is.

use ratatui::text::{Line, Span};

use super::{
    text,
    theme::{DONE, FAILED, HERE, SKIPPED, TODO, Theme, spinner},
};
use crate::{
    model::run::{event::End, goal::Stage},
    wizard::{Doing, Wizard, copy, screen::Screen},
};

pub fn lines(wizard: &Wizard, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let chosen =
        (wizard.screen == Screen::Welcome).then(|| Wizard::GOALS.get(wizard.choice).copied()).flatten();
    let aside = match wizard.screen {
        Screen::Stage(stage) => Some(stage),
        Screen::Welcome | Screen::Identity | Screen::Bucket | Screen::Backups | Screen::Watch => None,
    };
    let goal = chosen.or_else(|| wizard.goal());
    let stages = goal.map_or(&[][..], |goal| goal.stages());
    let here = match wizard.screen {
        Screen::Identity | Screen::Bucket => Some(Stage::Access),
        Screen::Backups => Some(Stage::RollBack),
        Screen::Watch => wizard.other_run().and_then(|run| run.stage),
        Screen::Welcome | Screen::Stage(_) => aside,
    };
    let mut lines = Vec::new();
    let title = match (aside, goal) {
        (Some(stage), _) if !stages.contains(&stage) => stage.title(),
        (_, Some(goal)) => copy::goal(goal).0,
        (_, None) => "Steps",
    };
    lines.push(Line::from(Span::styled(format!(" {title}"), theme.strong)));
    lines.push(Line::default());
    let listed: Vec<Stage> = match aside {
        Some(stage) if !stages.contains(&stage) => vec![stage],
        _ => stages.to_vec(),
    };
    for stage in listed {
        lines.push(line(wizard, theme, stage, here == Some(stage), width));
    }
    lines
}

/// Whether the stage was looked at, and that is all it asks for.
fn passed(wizard: &Wizard, stage: Stage) -> bool {
    let plan = wizard.leg(stage).and_then(|leg| leg.plan.as_ref());
    plan.is_some_and(|plan| plan.unchanged() || matches!(stage, Stage::Access | Stage::Overview))
}

fn line(wizard: &Wizard, theme: &Theme, stage: Stage, here: bool, width: usize) -> Line<'static> {
    let leg = wizard.leg(stage);
    let busy = [wizard.busy, wizard.beside]
        .into_iter()
        .flatten()
        .find(|busy| matches!(busy.doing, Doing::Look(at) | Doing::Apply(at) if at == stage));
    let (mark, style) = if let Some(busy) = busy {
        (if busy.paused { "‖" } else { spinner(wizard.now.saturating_sub(busy.since)) }, theme.accent)
    } else {
        match leg.map(|leg| (leg.end, leg.skipped, leg.failure.is_some())) {
            Some((Some(End::Failed), ..) | (None, _, true)) => (FAILED, theme.failed),
            Some((_, true, _)) => (SKIPPED, theme.dim),
            Some((Some(End::Applied | End::Unchanged), ..)) => (DONE, theme.accent),
            Some((Some(End::Stopped), ..)) => (SKIPPED, theme.accent),
            _ if here => (HERE, theme.accent),
            // passed without anything to apply
            Some((None, false, false)) if passed(wizard, stage) => (DONE, theme.accent),
            _ => (TODO, theme.dim),
        }
    };
    let name = if here {
        theme.title
    } else if mark == TODO {
        theme.dim
    } else {
        theme.plain
    };
    let left = vec![
        Span::styled(format!(" {mark} "), style),
        Span::styled(text::cut(stage.title(), width.saturating_sub(4)), name),
    ];
    let took = match busy {
        Some(busy) => Some(wizard.now.saturating_sub(busy.since)),
        None => leg.filter(|leg| leg.end.is_some()).and_then(|leg| {
            let from = leg.lines.iter().map(|line| line.since).min()?;
            let to = leg.lines.iter().filter_map(|line| Some(line.since + line.took?)).max()?;
            Some(to.saturating_sub(from))
        }),
    };
    match took {
        Some(took) if width >= 26 => {
            text::apart(left, vec![Span::styled(format!("{} ", text::elapsed(took)), theme.dim)], width)
        }
        _ => Line::from(left),
    }
}
