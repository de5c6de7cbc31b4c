//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, overview, parts, reindex};
use crate::{
    model::{
        failure::{Failure, FailureKind},
        run::{
            event::StageEnd,
            goal::{RunStage, StageStep},
            plan::StagePlan,
        },
    },
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::{DONE_MARK, FAILED_MARK, SKIPPED_MARK, Theme},
    },
    wizard::{
        Wizard, copy,
        log::{CredentialWait, StageProgress, StageStepState},
    },
};

/// Renders a stage's screen.
pub fn render_stage_screen(wizard: &Wizard, theme: &Theme, size: BodySize, stage: RunStage) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    body.head = Some(render_screen_heading(wizard, theme, size, stage.stage_title()));
    text::render_paragraph(lines, copy::describe_stage_purpose(stage), theme.dim, size.max_prose_width());
    lines.push(Line::default());
    let Some(progress) = wizard.find_stage_progress(stage) else { return body };
    if let Some(wait) = &progress.credential_wait {
        render_waiting_for_credentials(lines, wait, theme, size);
    }
    render_stage_outcome(lines, wizard, progress, stage, theme, size);
    if stage == RunStage::Reindex && progress.pace.is_some() {
        reindex::render_reindex_progress_figures(lines, wizard, progress, theme, size);
    }
    if stage == RunStage::GoLive && progress.end.is_none() && wizard.is_reindex_left_open() {
        reindex::render_waiting_for_reindex(lines, wizard, theme, size);
        text::ensure_blank_line(lines);
    }
    let running = if let Some(plan) = &progress.plan {
        render_stage_plan(lines, wizard, progress, plan, stage, theme, size)
    } else {
        let running =
            plan_lines::render_plan_with_step_outcomes(lines, wizard.now, progress, theme, size, &[]);
        parts::render_stage_checks(lines, progress, theme, size);
        running
    };
    // The step that runs stays in view, until the operator scrolls; what it stands still for stands at the head.
    let follows = wizard.scroll.is_none() && progress.credential_wait.is_none();
    body.keep_visible = running.filter(|_| follows);
    body
}

/// Renders why the stage stands still.
fn render_waiting_for_credentials(
    lines: &mut Vec<Line<'static>>,
    wait: &CredentialWait,
    theme: &Theme,
    size: BodySize,
) {
    let still = "Stands still: AWS no longer accepts the credentials. What is done stands; nothing is lost.";
    text::render_hanging_text(
        lines,
        vec![Span::styled("‖ ", theme.accent)],
        still,
        theme.strong,
        size.max_prose_width(),
    );
    parts::render_failure(lines, &wait.failure, theme, size);
    text::ensure_blank_line(lines);
}

/// Renders what the stage would do, with what came of it, what was checked and what there is to read; returns the last line
/// of the step that runs.
fn render_stage_plan(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    plan: &StagePlan,
    stage: RunStage,
    theme: &Theme,
    size: BodySize,
) -> Option<usize> {
    if progress.end.is_none()
        && wizard.stage_applied_in_foreground() != Some(stage)
        && wizard.overlay.is_none()
    {
        render_open_confirmations(lines, wizard, plan, theme, size);
    }
    // what clients must be told comes before what would be done to them
    let first =
        stage == RunStage::GoLive && progress.end.is_none() && wizard.stage_applied_in_foreground().is_none();
    if first {
        render_plan_documents(lines, wizard, plan, theme, size);
        text::ensure_blank_line(lines);
    }
    // what a plan said of what was to come is over once it has ended; what verify says is for afterwards
    let ended = progress.end.is_some();
    match stage {
        RunStage::Overview => {}
        RunStage::Verify if !ended => {}
        RunStage::Verify => render_plan_notes(lines, plan, theme, size),
        _ if ended && progress.end != Some(StageEnd::Unchanged) => {}
        _ => render_plan_notes(lines, plan, theme, size),
    }
    text::ensure_blank_line(lines);
    let mut running = None;
    if stage == RunStage::Overview {
        overview::render_plan_summary_facts(lines, plan, theme, size);
        overview::render_changes_by_stage(lines, &plan.changes, theme, size);
    } else if stage != RunStage::Verify || progress.end.is_none() {
        let changes = &plan.changes;
        running =
            plan_lines::render_plan_with_step_outcomes(lines, wizard.now, progress, theme, size, changes);
    }
    // the final block is what the whole journey was for; its checks may be scrolled to where none failed
    let block = stage == RunStage::Verify && progress.end == Some(StageEnd::Applied);
    if block {
        render_plan_documents(lines, wizard, plan, theme, size);
    }
    parts::render_stage_checks(lines, progress, theme, size);
    if stage != RunStage::Overview && !first && !block {
        render_plan_documents(lines, wizard, plan, theme, size);
    }
    running
}

/// Renders the questions that Enter will ask before anything is done.
fn render_open_confirmations(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    theme: &Theme,
    size: BodySize,
) {
    for confirmation in &plan.confirmations {
        if !wizard.answers.consents.has_consent(confirmation.consent, wizard.bucket_name()) {
            let mark = vec![Span::styled("! ", theme.accent)];
            let question = format!("Will be asked: {}", confirmation.question);
            text::render_hanging_text(lines, mark, &question, theme.strong, size.max_prose_width());
        }
    }
}

fn render_plan_notes(lines: &mut Vec<Line<'static>>, plan: &StagePlan, theme: &Theme, size: BodySize) {
    for note in &plan.notes {
        text::render_hanging_text(
            lines,
            vec![Span::styled("· ", theme.accent)],
            note,
            theme.plain,
            size.max_prose_width(),
        );
    }
}

fn render_plan_documents(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    theme: &Theme,
    size: BodySize,
) {
    for document in &plan.documents {
        text::ensure_blank_line(lines);
        parts::render_plan_document(
            lines,
            document,
            wizard.next_document_to_copy() == Some(document),
            theme,
            size,
        );
    }
}

/// How it ended, in one line; a failure with its next move, and the way out.
fn render_stage_outcome(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    stage: RunStage,
    theme: &Theme,
    size: BodySize,
) {
    let (mark, style, usual) = match progress.end {
        Some(StageEnd::Applied) => (DONE_MARK, theme.accent, "Done."),
        Some(StageEnd::Unchanged) => (DONE_MARK, theme.accent, "Nothing to do: all of it stands."),
        Some(StageEnd::Stopped) => {
            (SKIPPED_MARK, theme.accent, "Stopped. Nothing is broken; r goes on from what is there.")
        }
        Some(StageEnd::Failed) => (FAILED_MARK, theme.failed, "Failed."),
        None => ("", theme.plain, ""),
    };
    // what failed speaks for itself
    if progress.end.is_some()
        && !(progress.end == Some(StageEnd::Failed) && progress.latest_stage_failure().is_some())
    {
        let text = if progress.text.is_empty() { usual } else { &progress.text };
        text::render_hanging_text(
            lines,
            vec![Span::styled(format!("{mark} "), style)],
            text,
            theme.strong,
            size.max_prose_width(),
        );
    }
    let failed = if matches!(progress.end, None | Some(StageEnd::Failed)) {
        progress.latest_stage_failure()
    } else {
        None
    };
    if let Some(failure) = failed {
        // The stage's end may say more than the step that failed: that what it had changed is taken back.
        let more = progress.text.strip_prefix(&failure.to_string()).unwrap_or_default();
        let failure = Failure { why: format!("{}{more}", failure.why), ..failure.clone() };
        parts::render_failure(lines, &failure, theme, size);
        if failure.kind == FailureKind::Credentials || failure.kind == FailureKind::Denied {
            text::render_paragraph(
                lines,
                "  b leads back to the identity.",
                theme.dim,
                size.max_prose_width(),
            );
        }
    }
    if progress.end == Some(StageEnd::Failed) && wizard.stage_applied_in_foreground().is_none() {
        let taken_back = progress
            .find_started_step(StageStep::TakeBack)
            .is_some_and(|line| line.state == StageStepState::Done);
        let way_out = if stage == RunStage::Disable || taken_back {
            format!("  Enter looks again. If it does not work out, write to {}.", copy::SUPPORT_EMAIL)
        } else {
            format!(
                "  Enter looks again and goes on from what is there. D switches CloudFront off. If neither helps, write to {}.",
                copy::SUPPORT_EMAIL
            )
        };
        text::ensure_blank_line(lines);
        text::render_paragraph(lines, way_out.trim(), theme.dim, size.max_prose_width());
    }
    text::ensure_blank_line(lines);
}
