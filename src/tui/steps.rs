//! The left column: the goal's stages with the state of each, so that one look says how far it is.

use ratatui::text::{Line, Span};

use super::{
    text,
    theme::{DONE_MARK, FAILED_MARK, HERE_MARK, SKIPPED_MARK, TODO_MARK, Theme, spinner_frame},
};
use crate::{
    model::run::{event::StageEnd, goal::RunStage},
    wizard::{Wizard, WizardJobKind, copy, screen::WizardScreen},
};

/// Renders the goal's stages, or the one stage that belongs to no goal.
pub fn render_stage_list(wizard: &Wizard, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let chosen = (wizard.screen == WizardScreen::Welcome)
        .then(|| Wizard::OFFERED_GOALS.get(wizard.choice).copied())
        .flatten();
    let shown_stage = match wizard.screen {
        WizardScreen::Stage(stage) => Some(stage),
        WizardScreen::Welcome
        | WizardScreen::Identity
        | WizardScreen::Bucket
        | WizardScreen::Backups
        | WizardScreen::Watch => None,
    };
    let goal = chosen.or_else(|| wizard.chosen_goal());
    let stages = goal.map_or(&[][..], |goal| goal.stages_of_goal());
    let here = match wizard.screen {
        WizardScreen::Identity | WizardScreen::Bucket => Some(RunStage::Access),
        WizardScreen::Backups => Some(RunStage::RollBack),
        WizardScreen::Watch => wizard.detected_other_run().and_then(|run| run.stage),
        WizardScreen::Welcome | WizardScreen::Stage(_) => shown_stage,
    };
    let mut lines = Vec::new();
    let title = match (shown_stage, goal) {
        (Some(stage), _) if !stages.contains(&stage) => stage.stage_title(),
        (_, Some(goal)) => copy::describe_goal(goal).0,
        (_, None) => "Steps",
    };
    lines.push(Line::from(Span::styled(format!(" {title}"), theme.strong)));
    lines.push(Line::default());
    let listed: Vec<RunStage> = match shown_stage {
        Some(stage) if !stages.contains(&stage) => vec![stage],
        _ => stages.to_vec(),
    };
    for stage in listed {
        lines.push(render_stage_row(wizard, theme, stage, here == Some(stage), width));
    }
    lines
}

/// Whether the stage was looked at, and that is all it asks for.
fn has_stage_nothing_to_do(wizard: &Wizard, stage: RunStage) -> bool {
    let plan = wizard.find_stage_progress(stage).and_then(|progress| progress.plan.as_ref());
    plan.is_some_and(|plan| {
        plan.is_plan_without_changes() || matches!(stage, RunStage::Access | RunStage::Overview)
    })
}

fn render_stage_row(
    wizard: &Wizard,
    theme: &Theme,
    stage: RunStage,
    here: bool,
    width: usize,
) -> Line<'static> {
    let progress = wizard.find_stage_progress(stage);
    let busy = [wizard.busy, wizard.background]
        .into_iter()
        .flatten()
        .find(|busy| matches!(busy.kind, WizardJobKind::Look(at) | WizardJobKind::Apply(at) if at == stage));
    let (mark, style) = if let Some(busy) = busy {
        (if busy.paused { "‖" } else { spinner_frame(wizard.now.saturating_sub(busy.since)) }, theme.accent)
    } else {
        match progress.map(|progress| (progress.end, progress.skipped, progress.failure.is_some())) {
            Some((Some(StageEnd::Failed), ..) | (None, _, true)) => (FAILED_MARK, theme.failed),
            Some((_, true, _)) => (SKIPPED_MARK, theme.dim),
            Some((Some(StageEnd::Applied | StageEnd::Unchanged), ..)) => (DONE_MARK, theme.accent),
            Some((Some(StageEnd::Stopped), ..)) => (SKIPPED_MARK, theme.accent),
            _ if here => (HERE_MARK, theme.accent),
            // passed without anything to apply
            Some((None, false, false)) if has_stage_nothing_to_do(wizard, stage) => (DONE_MARK, theme.accent),
            _ => (TODO_MARK, theme.dim),
        }
    };
    let name = if here {
        theme.title
    } else if mark == TODO_MARK {
        theme.dim
    } else {
        theme.plain
    };
    let left = vec![
        Span::styled(format!(" {mark} "), style),
        Span::styled(text::truncate_text(stage.stage_title(), width.saturating_sub(4)), name),
    ];
    let took = match busy {
        Some(busy) => Some(wizard.now.saturating_sub(busy.since)),
        None => progress.filter(|progress| progress.end.is_some()).and_then(|progress| {
            let from = progress.steps.iter().map(|line| line.since).min()?;
            let to = progress.steps.iter().filter_map(|line| Some(line.since + line.took?)).max()?;
            Some(to.saturating_sub(from))
        }),
    };
    match took {
        Some(took) if width >= 26 => text::align_left_and_right(
            left,
            vec![Span::styled(format!("{} ", text::format_elapsed(took)), theme.dim)],
            width,
        ),
        _ => Line::from(left),
    }
}
