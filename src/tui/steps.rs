//! The stages of a set-up as a board: a line each, which says what came of it; or all of them folded into one line.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::{
    layout::BodySize,
    text,
    theme::{DONE_MARK, FAILED_MARK, HERE_MARK, SKIPPED_MARK, TODO_MARK, Theme, spinner_frame},
};
use crate::{
    model::run::{event::StageEnd, goal::RunStage},
    wizard::{
        Wizard, WizardJobKind, copy,
        log::{StageProgress, StageStepState},
    },
};

/// How wide a stage's name is on the board.
const NAME_WIDTH: usize = 16;
/// The mark of a stage that was gone past although something failed.
const PASSED_DESPITE_FAILURE_MARK: &str = "!";

/// Lists the stages of the board: those that change something, verify, and access where it was gone past on purpose; the
/// reindex comes last, since nothing waits for it.
#[must_use]
pub fn list_board_stages(wizard: &Wizard) -> Vec<RunStage> {
    let Some(goal) = wizard.chosen_goal() else { return Vec::new() };
    let all = goal.stages_of_goal();
    let is_on_board = |stage: &RunStage| match stage {
        RunStage::Access => wizard.was_stage_passed_despite_failure(*stage),
        RunStage::Overview | RunStage::Reindex => false,
        _ => true,
    };
    let mut stages: Vec<RunStage> = all.iter().copied().filter(is_on_board).collect();
    stages.extend(all.iter().copied().filter(|stage| *stage == RunStage::Reindex));
    stages
}

/// Returns whether a stage's screen shows the board.
#[must_use]
pub fn has_stage_board(wizard: &Wizard, stage: RunStage) -> bool {
    wizard.is_setup_goal() && list_board_stages(wizard).contains(&stage) && stage != RunStage::Access
}

/// Renders these stages, a line each.
pub fn render_board_rows(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    stages: &[RunStage],
) {
    for stage in stages {
        let (mark, style) = find_stage_mark(wizard, theme, *stage);
        let name = if *stage == RunStage::Reindex { "Reindex beside" } else { stage.stage_title() };
        let took = find_stage_time(wizard, *stage).map(text::format_elapsed).unwrap_or_default();
        let room = size.width.saturating_sub(NAME_WIDTH + 4 + took.chars().count());
        let said = text::truncate_text(&describe_stage_state(wizard, *stage), room);
        let is_pending = mark == TODO_MARK;
        let left = vec![
            Span::styled(format!("{mark} "), style),
            Span::styled(
                text::pad_or_truncate_to_width(name, NAME_WIDTH),
                if is_pending { theme.dim } else { theme.plain },
            ),
            Span::styled(said, theme.dim),
        ];
        lines.push(text::align_left_and_right(left, vec![Span::styled(took, theme.dim)], size.width));
    }
}

/// Renders all stages folded: each with its mark, in as few lines as there is room for.
pub fn render_folded_board(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    here: RunStage,
) {
    let mut line: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for stage in list_board_stages(wizard) {
        let (mark, style) = find_stage_mark(wizard, theme, stage);
        let (mark, style) =
            if stage == here && mark == TODO_MARK { (HERE_MARK, theme.accent) } else { (mark, style) };
        let progress = match stage {
            RunStage::Reindex if wizard.stage_being_applied() == Some(stage) => {
                render_background_reindex(wizard)
            }
            _ => String::new(),
        };
        let name = format!("{} {progress}", stage.stage_title()).trim_end().to_owned();
        let width = name.chars().count() + 4;
        if used + width > size.width && !line.is_empty() {
            lines.push(Line::from(std::mem::take(&mut line)));
            used = 0;
        }
        used += width;
        let named = if stage == here { theme.title } else { theme.dim };
        line.extend([Span::styled(format!("{mark} "), style), Span::styled(name, named), Span::raw("  ")]);
    }
    lines.push(Line::from(line));
}

fn find_stage_mark(wizard: &Wizard, theme: &Theme, stage: RunStage) -> (&'static str, ratatui::style::Style) {
    let progress = wizard.find_stage_progress(stage);
    let busy = [wizard.busy, wizard.background]
        .into_iter()
        .flatten()
        .find(|busy| matches!(busy.kind, WizardJobKind::Look(at) | WizardJobKind::Apply(at) if at == stage));
    if let Some(busy) = busy {
        let still = busy.paused || progress.is_some_and(|progress| progress.credential_wait.is_some());
        let sign = if still { "‖" } else { spinner_frame(wizard.now.saturating_sub(busy.since)) };
        return (sign, theme.accent);
    }
    if wizard.was_stage_passed_despite_failure(stage) {
        return (PASSED_DESPITE_FAILURE_MARK, theme.failed);
    }
    match progress.map(|progress| (progress.end, progress.skipped, progress.failure.is_some())) {
        Some((Some(StageEnd::Failed), ..) | (None, _, true)) => (FAILED_MARK, theme.failed),
        Some((_, true, _)) => (SKIPPED_MARK, theme.dim),
        Some((Some(StageEnd::Applied | StageEnd::Unchanged), ..)) => (DONE_MARK, theme.accent),
        Some((Some(StageEnd::Stopped), ..)) => (SKIPPED_MARK, theme.accent),
        _ => (TODO_MARK, theme.dim),
    }
}

/// Says what a stage is at, or what came of it: what it made, what it will.
fn describe_stage_state(wizard: &Wizard, stage: RunStage) -> String {
    let Some(progress) = wizard.find_stage_progress(stage) else {
        return copy::describe_pending_stage(stage);
    };
    if stage == RunStage::Reindex && wizard.background.is_some() {
        let far = render_background_reindex(wizard);
        return if far.is_empty() { "starting".to_owned() } else { far };
    }
    if progress.skipped {
        return "skipped".to_owned();
    }
    match progress.end {
        Some(StageEnd::Unchanged) => "nothing to change".to_owned(),
        Some(StageEnd::Applied) => describe_done_stage(progress),
        Some(StageEnd::Stopped) => "stopped; it can continue from what is there".to_owned(),
        Some(StageEnd::Failed) => {
            progress.latest_stage_failure().map_or_else(|| progress.text.clone(), ToString::to_string)
        }
        None => match &progress.failure {
            Some(failure) => failure.to_string(),
            None => copy::describe_pending_stage(stage),
        },
    }
}

/// What a stage that is done says of itself, else what it did.
fn describe_done_stage(progress: &StageProgress) -> String {
    if !progress.text.is_empty() {
        return progress.text.clone();
    }
    let done = progress.steps.iter().filter(|step| step.state == StageStepState::Done);
    let titles: Vec<&str> = done.map(|step| step.step.step_title()).collect();
    if titles.is_empty() { "done".to_owned() } else { titles.join(", ") }
}

/// How long a stage has run, or ran.
fn find_stage_time(wizard: &Wizard, stage: RunStage) -> Option<Duration> {
    let runs = [wizard.busy, wizard.background]
        .into_iter()
        .flatten()
        .find(|busy| busy.kind == WizardJobKind::Apply(stage));
    if let Some(busy) = runs {
        return Some(wizard.now.saturating_sub(busy.since));
    }
    let progress = wizard.find_stage_progress(stage).filter(|progress| progress.end.is_some())?;
    let from = progress.steps.iter().map(|line| line.since).min()?;
    let to = progress.steps.iter().filter_map(|line| Some(line.since + line.took?)).max()?;
    Some(to.saturating_sub(from))
}

/// Renders how far the reindex is, in few words: for where it runs on beside another stage.
pub fn render_background_reindex(wizard: &Wizard) -> String {
    let progress = wizard.find_stage_progress(RunStage::Reindex);
    if progress.is_some_and(|progress| progress.credential_wait.is_some()) {
        return "waits for credentials".to_owned();
    }
    let Some(pace) = progress.and_then(|progress| progress.pace.as_ref()) else { return String::new() };
    let done = pace.done.unwrap_or(0);
    let far = match pace.total.filter(|total| *total > 0) {
        Some(total) => format!("{} %", u128::from(done.min(total)) * 100 / u128::from(total)),
        None => text::format_count(done),
    };
    match pace.seconds_left {
        Some(seconds) => {
            format!("{far}, {} left", text::format_estimated_duration(Duration::from_secs(seconds)))
        }
        None => far,
    }
}
