//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::{overview, parts, reindex, render_heading};
use crate::{
    model::{
        failure::{Failure, FailureKind},
        run::{
            event::StageEnd,
            goal::{Stage, Step},
            plan::{ChangeKind, Plan, PlannedChange},
        },
    },
    tui::{
        draw::{BodySize, ScreenBody},
        text,
        theme::{DONE_MARK, FAILED_MARK, SKIPPED_MARK, Theme, spinner_frame},
    },
    wizard::{
        Wizard, copy,
        log::{StageProgress, StepState},
    },
};

pub fn render_stage(wizard: &Wizard, theme: &Theme, room: BodySize, stage: Stage) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    body.head = Some(render_heading(wizard, theme, room, stage.title()));
    text::render_paragraph(lines, copy::describe_stage_purpose(stage), theme.dim, room.prose_width());
    lines.push(Line::default());
    let Some(leg) = wizard.stage_progress(stage) else { return body };
    if let Some(waits) = &leg.credential_wait {
        let still =
            "Stands still: AWS no longer accepts the credentials. What is done stands; nothing is lost.";
        text::render_hanging_text(
            lines,
            vec![Span::styled("‖ ", theme.accent)],
            still,
            theme.strong,
            room.prose_width(),
        );
        parts::render_failure(lines, &waits.failure, theme, room);
        ensure_blank_line(lines);
    }
    render_stage_outcome(lines, wizard, leg, stage, theme, room);
    if stage == Stage::Reindex && leg.pace.is_some() {
        reindex::render_reindex_pace(lines, wizard, leg, theme, room);
    }
    if stage == Stage::GoLive && leg.end.is_none() && wizard.is_reindex_pending() {
        reindex::render_reindex_wait(lines, wizard, theme, room);
        ensure_blank_line(lines);
    }
    let Some(plan) = &leg.plan else {
        render_step_report(lines, wizard.now, leg, theme, room, &[]);
        render_stage_checks(lines, leg, theme, room);
        return body;
    };
    if leg.end.is_none() && wizard.applying_stage() != Some(stage) && wizard.overlay.is_none() {
        for ask in &plan.confirmations {
            if !wizard.answers.consents.has_consent(ask.consent, wizard.bucket_name()) {
                let mark = vec![Span::styled("! ", theme.accent)];
                text::render_hanging_text(
                    lines,
                    mark,
                    &format!("Will be asked: {}", ask.question),
                    theme.strong,
                    room.prose_width(),
                );
            }
        }
    }
    // what clients must be told comes before what would be done to them
    let first = stage == Stage::GoLive && leg.end.is_none() && wizard.applying_stage().is_none();
    if first {
        render_attachments(lines, wizard, plan, theme, room);
        ensure_blank_line(lines);
    }
    // what a plan said of what was to come is over once it has ended; what verify says is for afterwards
    let ended = leg.end.is_some();
    match stage {
        Stage::Overview => {}
        Stage::Verify if !ended => {}
        Stage::Verify => render_notes(lines, plan, theme, room),
        _ if ended && leg.end != Some(StageEnd::Unchanged) => {}
        _ => render_notes(lines, plan, theme, room),
    }
    ensure_blank_line(lines);
    if stage == Stage::Overview {
        overview::render_plan_facts(lines, plan, theme, room);
        overview::render_changes_by_stage(lines, &plan.changes, theme, room);
    } else if stage != Stage::Verify || leg.end.is_none() {
        render_step_report(lines, wizard.now, leg, theme, room, &plan.changes);
    }
    // the final block is what the whole journey was for; its checks may be scrolled to where none failed
    let block = stage == Stage::Verify && leg.end == Some(StageEnd::Applied);
    if block {
        render_attachments(lines, wizard, plan, theme, room);
    }
    render_stage_checks(lines, leg, theme, room);
    if stage != Stage::Overview && !first && !block {
        render_attachments(lines, wizard, plan, theme, room);
    }
    body
}

fn render_notes(lines: &mut Vec<Line<'static>>, plan: &Plan, theme: &Theme, room: BodySize) {
    for note in &plan.notes {
        text::render_hanging_text(
            lines,
            vec![Span::styled("· ", theme.accent)],
            note,
            theme.plain,
            room.prose_width(),
        );
    }
}

fn render_attachments(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &Plan,
    theme: &Theme,
    room: BodySize,
) {
    for exhibit in &plan.attachments {
        ensure_blank_line(lines);
        parts::render_attachment(lines, exhibit, wizard.attachment_to_copy() == Some(exhibit), theme, room);
    }
}

pub fn render_stage_checks(
    lines: &mut Vec<Line<'static>>,
    leg: &StageProgress,
    theme: &Theme,
    room: BodySize,
) {
    let all = leg.latest_checks();
    if !all.is_empty() {
        ensure_blank_line(lines);
        parts::render_checks(lines, &all, theme, room);
    }
}

/// One empty line, and never two.
pub fn ensure_blank_line(lines: &mut Vec<Line<'static>>) {
    if lines.last().is_some_and(|line| line.width() > 0) {
        lines.push(Line::default());
    }
}

/// How it ended, in one line; a failure with its next move, and the way out.
fn render_stage_outcome(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    leg: &StageProgress,
    stage: Stage,
    theme: &Theme,
    room: BodySize,
) {
    let (mark, style, usual) = match leg.end {
        Some(StageEnd::Applied) => (DONE_MARK, theme.accent, "Done."),
        Some(StageEnd::Unchanged) => (DONE_MARK, theme.accent, "Nothing to do: all of it stands."),
        Some(StageEnd::Stopped) => {
            (SKIPPED_MARK, theme.accent, "Stopped. Nothing is broken; r goes on from what is there.")
        }
        Some(StageEnd::Failed) => (FAILED_MARK, theme.failed, "Failed."),
        None => ("", theme.plain, ""),
    };
    // what failed speaks for itself
    if leg.end.is_some() && !(leg.end == Some(StageEnd::Failed) && leg.last_failure().is_some()) {
        let said = if leg.text.is_empty() { usual } else { &leg.text };
        text::render_hanging_text(
            lines,
            vec![Span::styled(format!("{mark} "), style)],
            said,
            theme.strong,
            room.prose_width(),
        );
    }
    let failed = if matches!(leg.end, None | Some(StageEnd::Failed)) { leg.last_failure() } else { None };
    if let Some(failure) = failed {
        // The stage's end may say more than the step that failed: that what it had changed is taken back.
        let more = leg.text.strip_prefix(&failure.to_string()).unwrap_or_default();
        let failure = Failure { why: format!("{}{more}", failure.why), ..failure.clone() };
        parts::render_failure(lines, &failure, theme, room);
        if failure.kind == FailureKind::Credentials || failure.kind == FailureKind::Denied {
            text::render_paragraph(lines, "  b leads back to the identity.", theme.dim, room.prose_width());
        }
    }
    if leg.end == Some(StageEnd::Failed) && wizard.applying_stage().is_none() {
        let taken_back = leg.find_step(Step::TakeBack).is_some_and(|line| line.state == StepState::Done);
        let way_out = if stage == Stage::Disable || taken_back {
            format!("  Enter looks again. If it does not work out, write to {}.", copy::SUPPORT_EMAIL)
        } else {
            format!(
                "  Enter looks again and goes on from what is there. D switches CloudFront off. If neither helps, write to {}.",
                copy::SUPPORT_EMAIL
            )
        };
        ensure_blank_line(lines);
        text::render_paragraph(lines, way_out.trim(), theme.dim, room.prose_width());
    }
    ensure_blank_line(lines);
}

/// The plan's lines, each with what came of it; then steps that no line of the plan named.
pub fn render_step_report(
    lines: &mut Vec<Line<'static>>,
    now: Duration,
    leg: &StageProgress,
    theme: &Theme,
    room: BodySize,
    changes: &[PlannedChange],
) {
    let columns = PlanColumns::from_changes(changes, room);
    let view = ReportView { now, leg, theme, room, columns };
    for change in changes {
        let ran = leg.find_step(change.step).is_some();
        if ran {
            render_step(lines, &view, change.step, Some(change));
        } else {
            render_planned_change(lines, change, theme, room, columns);
        }
    }
    for line in &leg.steps {
        if !changes.iter().any(|change| change.step == line.step) {
            render_step(lines, &view, line.step, None);
        }
    }
}

/// `+ create  KMS key   …`: where there is room with its target, else with the reason alone.
pub fn render_planned_change(
    lines: &mut Vec<Line<'static>>,
    change: &PlannedChange,
    theme: &Theme,
    room: BodySize,
    columns: PlanColumns,
) {
    let (mark, style) = match change.verb {
        ChangeKind::Keep => ("=", theme.dim),
        ChangeKind::Create => ("+", theme.accent),
        ChangeKind::Update => ("~", theme.accent),
        ChangeKind::Attach => ("&", theme.accent),
        ChangeKind::Run => ("»", theme.accent),
    };
    let named = if change.verb == ChangeKind::Keep { theme.dim } else { theme.plain };
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::fit_column(change.verb.name(), 8), style),
        Span::styled(text::fit_column(change.step.title(), columns.title), named),
    ];
    if room.is_wide() {
        first.push(Span::styled(text::fit_column(&change.target, columns.target), named));
    }
    text::render_hanging_text(lines, first, &change.why, theme.dim, room.width);
}

/// How wide the columns of a plan's lines are: as wide as what stands in them, and no wider.
#[derive(Debug, Clone, Copy)]
pub struct PlanColumns {
    title: usize,
    target: usize,
}

impl PlanColumns {
    pub fn from_changes(changes: &[PlannedChange], room: BodySize) -> Self {
        let longest = |text: fn(&PlannedChange) -> &str| {
            changes.iter().map(|change| text(change).chars().count()).max().unwrap_or(0) + 2
        };
        let title = longest(|change| change.step.title()).max(16);
        let rest = room.width.saturating_sub(10 + title);
        Self { title, target: longest(|change| &change.target).min((rest / 2).max(30)) }
    }
}

/// What all lines of a report are drawn by.
struct ReportView<'a> {
    now: Duration,
    leg: &'a StageProgress,
    theme: &'a Theme,
    room: BodySize,
    columns: PlanColumns,
}

fn render_step(
    lines: &mut Vec<Line<'static>>,
    view: &ReportView<'_>,
    step: Step,
    change: Option<&PlannedChange>,
) {
    let ReportView { now, leg, theme, room, columns } = *view;
    let Some(line) = leg.find_step(step) else { return };
    let ran = line.took.unwrap_or_else(|| now.saturating_sub(line.since));
    let (mark, style) = match &line.state {
        StepState::Running => (spinner_frame(ran), theme.accent),
        StepState::Done => (DONE_MARK, theme.accent),
        StepState::Failed(_) => (FAILED_MARK, theme.failed),
    };
    let verb = change.map_or("", |change| change.verb.name());
    let mut first = vec![
        Span::styled(format!("{mark} "), style),
        Span::styled(text::fit_column(verb, 8), theme.dim),
        Span::styled(text::fit_column(step.title(), columns.title), theme.plain),
    ];
    if let (true, Some(change)) = (room.is_wide(), change) {
        first.push(Span::styled(text::fit_column(&change.target, columns.target), theme.plain));
    }
    let show_time = line.took.is_none() || ran.as_millis() >= 1000;
    let took = match (show_time, line.text.is_empty()) {
        (false, _) => String::new(),
        (true, true) => text::format_elapsed(ran),
        (true, false) => format!(" ·{}", text::to_unbreakable(&format!(" {}", text::format_elapsed(ran)))),
    };
    let (said, style) = match &line.state {
        StepState::Running => (&line.text, theme.plain),
        StepState::Done => (&line.text, theme.dim),
        // the failure itself stands at the top, where it is seen
        StepState::Failed(failure) => (&failure.why, theme.plain),
    };
    text::render_hanging_text(lines, first, &format!("{said}{took}"), style, room.width);
}
