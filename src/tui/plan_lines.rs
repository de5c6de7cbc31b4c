//! The lines of a plan, each with what came of it: on a stage's screen, in the overview, in the explanation, beside another run.

use std::time::Duration;

use ratatui::text::{Line, Span};

use unicode_width::UnicodeWidthStr as _;

use super::{
    layout::BodySize,
    text,
    theme::{DONE_MARK, FAILED_MARK, Theme, spinner_frame},
};
use crate::{
    model::run::{
        goal::StageStep,
        plan::{PlannedChange, ResourceChangeKind},
        usual_wait::find_usual_wait,
    },
    wizard::log::{StageProgress, StageStepState},
};

/// How wide the verbs of a plan's lines are: `attached`, and a gap.
const VERB_WIDTH: usize = 10;
/// A wait is no wait before: what it usually takes would only flicker.
const USUAL_SAID_AFTER: Duration = Duration::from_secs(2);
/// Where the line stands that says what closing does: below the step's title.
const WAIT_ADVICE_INDENT: usize = 10;

/// Renders the plan's lines, each with what came of it; then steps that no line of the plan named. Returns the last line of
/// the step that runs.
pub fn render_plan_with_step_outcomes(
    lines: &mut Vec<Line<'static>>,
    now: Duration,
    progress: &StageProgress,
    theme: &Theme,
    size: BodySize,
    changes: &[PlannedChange],
) -> Option<usize> {
    let columns = PlanColumnWidths::measure_plan_columns(changes, size);
    let mut running = None;
    let view = StepReportView { now, progress, theme, size, columns };
    for change in changes {
        let ran = progress.find_started_step(change.step).is_some();
        if ran {
            running = render_step_progress(lines, &view, change.step, Some(change)).or(running);
        } else {
            render_planned_change(lines, change, theme, size, columns);
        }
    }
    for line in &progress.steps {
        if !changes.iter().any(|change| change.step == line.step) {
            running = render_step_progress(lines, &view, line.step, None).or(running);
        }
    }
    running
}

/// Renders `+ create  KMS key   …`: where there is room with its target, else with the reason alone.
pub fn render_planned_change(
    lines: &mut Vec<Line<'static>>,
    change: &PlannedChange,
    theme: &Theme,
    size: BodySize,
    columns: PlanColumnWidths,
) {
    let (mark, style) = match change.verb {
        ResourceChangeKind::Keep => ("=", theme.dim),
        ResourceChangeKind::Create => ("+", theme.good),
        ResourceChangeKind::Update => ("~", theme.warn),
        ResourceChangeKind::Attach => ("&", theme.accent),
        ResourceChangeKind::Run => ("»", theme.accent),
    };
    let named = if change.verb == ResourceChangeKind::Keep { theme.dim } else { theme.plain };
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::pad_or_truncate_to_width(change.verb.change_kind_name(), VERB_WIDTH), style),
        Span::styled(text::pad_or_truncate_to_width(change.step.step_title(), columns.title), named),
    ];
    let mut why = change.why.clone();
    if size.is_body_wide() && !push_target(&mut first, &change.target, columns, named) {
        why = join_target_and_text(&change.target, &why);
    }
    text::render_hanging_text(lines, first, &why, theme.dim, size.width);
}

/// Puts the target into its column; false where that doesn't hold it whole, so that it stands in the text.
fn push_target(
    first: &mut Vec<Span<'static>>,
    target: &str,
    columns: PlanColumnWidths,
    style: ratatui::style::Style,
) -> bool {
    let fits = target.width() < columns.target;
    if fits {
        first.push(Span::styled(text::pad_or_truncate_to_width(target, columns.target), style));
    }
    fits
}

/// Joins what is said after a target that has no room in its column; either may be empty.
fn join_target_and_text(target: &str, text: &str) -> String {
    [target, text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// How wide the columns of a plan's lines are: as wide as what stands in them, and no wider.
#[derive(Debug, Clone, Copy)]
pub struct PlanColumnWidths {
    title: usize,
    target: usize,
}

impl PlanColumnWidths {
    /// Measures the columns of these changes.
    pub fn measure_plan_columns(changes: &[PlannedChange], size: BodySize) -> Self {
        let longest = |text: fn(&PlannedChange) -> &str| {
            changes.iter().map(|change| text(change).chars().count()).max().unwrap_or(0) + 2
        };
        let title = longest(|change| change.step.step_title()).max(16);
        let rest = size.width.saturating_sub(VERB_WIDTH + 2 + title);
        Self { title, target: longest(|change| &change.target).min((rest / 2).max(30)) }
    }
}

/// What all lines of a report are drawn by.
struct StepReportView<'a> {
    now: Duration,
    progress: &'a StageProgress,
    theme: &'a Theme,
    size: BodySize,
    columns: PlanColumnWidths,
}

/// Renders what came of a step; returns its last line where it runs.
fn render_step_progress(
    lines: &mut Vec<Line<'static>>,
    view: &StepReportView<'_>,
    step: StageStep,
    change: Option<&PlannedChange>,
) -> Option<usize> {
    let StepReportView { now, progress, theme, size, columns } = *view;
    let line = progress.find_started_step(step)?;
    let ran = line.took.unwrap_or_else(|| now.saturating_sub(line.since));
    let (mark, style) = match &line.state {
        StageStepState::Running => (spinner_frame(ran), theme.accent),
        StageStepState::Done => (DONE_MARK, theme.good),
        StageStepState::Failed(_) => (FAILED_MARK, theme.failed),
    };
    let verb = change.map_or("", |change| match line.state {
        StageStepState::Done => change.verb.change_kind_done_name(),
        StageStepState::Running | StageStepState::Failed(_) => change.verb.change_kind_name(),
    });
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::pad_or_truncate_to_width(verb, VERB_WIDTH), theme.dim),
        Span::styled(text::pad_or_truncate_to_width(step.step_title(), columns.title), theme.plain),
    ];
    let mut said = String::new();
    if let (true, Some(change)) = (size.is_body_wide(), change)
        && !push_target(&mut first, &change.target, columns, theme.plain)
    {
        said.clone_from(&change.target);
    }
    let is_running = matches!(line.state, StageStepState::Running);
    let usual = find_usual_wait(step).filter(|_| is_running && ran >= USUAL_SAID_AFTER);
    let time = match usual {
        Some(usual) => format!("{} of usually {}", text::format_elapsed(ran), usual.usually),
        None => text::format_elapsed(ran),
    };
    // What a command's own line says of its time isn't said again.
    let is_time_told = line.took.is_some() && line.text.contains(" took ");
    let show_time = !is_time_told && (line.took.is_none() || ran.as_millis() >= 1000);
    let took = match (show_time, line.text.is_empty()) {
        (false, _) => String::new(),
        (true, true) => time,
        (true, false) => format!(" ·{}", text::make_text_unbreakable(&format!(" {time}"))),
    };
    let (text, style) = match &line.state {
        StageStepState::Running => (&line.text, theme.plain),
        StageStepState::Done => (&line.text, theme.dim),
        // the failure itself stands at the top, where it is seen
        StageStepState::Failed(failure) => (&failure.why, theme.plain),
    };
    let said = join_target_and_text(&said, &format!("{text}{took}"));
    text::render_hanging_text(lines, first, &said, style, size.width);
    if let Some(usual) = usual {
        let first = vec![Span::raw(" ".repeat(WAIT_ADVICE_INDENT))];
        text::render_hanging_text(lines, first, usual.when_closed, theme.dim, size.width);
    }
    is_running.then(|| lines.len() - 1)
}
