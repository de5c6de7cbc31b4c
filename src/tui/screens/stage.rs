//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, overview, parts, reindex};
use crate::{
    model::{
        aws::rotation::SecretRotationKind,
        failure::{Failure, FailureKind},
        run::{
            event::StageEnd,
            goal::{RunStage, StageStep},
            plan::{PlannedChange, ResourceChangeKind, StagePlan},
        },
    },
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, steps, text,
        theme::{DONE_MARK, FAILED_MARK, SKIPPED_MARK, Theme},
    },
    wizard::{
        Wizard, WizardJobKind, copy,
        log::{CredentialWait, StageProgress, StageStepState},
    },
};

/// Renders a stage's screen: the board of the stages where the goal is to set up, the stage itself open on it.
pub fn render_stage_screen(wizard: &Wizard, theme: &Theme, size: BodySize, stage: RunStage) -> ScreenBody {
    if let (RunStage::Overview, Some(progress)) = (stage, wizard.find_stage_progress(stage)) {
        return overview::render_plan_screen(wizard, theme, size, progress);
    }
    let has_board = steps::has_stage_board(wizard, stage);
    let mut body = ScreenBody::default();
    let title = match wizard.name_begun_goal() {
        goal if has_board && !goal.is_empty() => format!("{goal}: {}", stage.stage_title()),
        _ => stage.stage_title().to_owned(),
    };
    body.head = Some(render_screen_heading(wizard, theme, size, &title));
    let is_running = has_board && is_stage_under_way(wizard, stage);
    let open = if is_running {
        Some(render_running_board(&mut body.lines, wizard, theme, size, stage))
    } else {
        if has_board {
            steps::render_folded_board(&mut body.lines, wizard, theme, size, stage);
        }
        render_open_stage(&mut body.lines, wizard, theme, size, stage)
    };
    // The step that runs stays in view, until the operator scrolls; what it stands still for stands at the head.
    let is_waiting =
        wizard.find_stage_progress(stage).is_some_and(|progress| progress.credential_wait.is_some());
    body.keep_visible = open.filter(|_| wizard.scroll.is_none() && !is_waiting);
    body
}

/// Whether the stage runs, or is looked at on the way to its run.
fn is_stage_under_way(wizard: &Wizard, stage: RunStage) -> bool {
    wizard.busy.is_some_and(|busy| match busy.kind {
        WizardJobKind::Apply(at) => at == stage,
        WizardJobKind::Look(at) => at == stage && wizard.has_plan_consent(),
        _ => false,
    })
}

/// Renders the board with the stage that runs open on it; returns the last line of the step that runs.
fn render_running_board(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    stage: RunStage,
) -> usize {
    let stages = steps::list_board_stages(wizard);
    let here = stages.iter().position(|known| *known == stage).map_or(stages.len(), |index| index + 1);
    steps::render_board_rows(lines, wizard, theme, size, &stages[..here]);
    let inner = BodySize { width: size.width.saturating_sub(4), ..size };
    let mut open = Vec::new();
    let running = wizard
        .find_stage_progress(stage)
        .and_then(|progress| render_stage_on_board(&mut open, wizard, progress, stage, theme, inner));
    let above = lines.len();
    lines.extend(open.into_iter().map(|mut line| {
        line.spans.insert(0, Span::raw("  "));
        line
    }));
    let last_open = lines.len().saturating_sub(1);
    steps::render_board_rows(lines, wizard, theme, size, &stages[here..]);
    running.map_or(last_open, |line| line + above)
}

/// Renders what the stage is doing: what it is paused for, its figures, its steps, and the checks that failed; returns the last
/// line of the step that runs.
fn render_stage_on_board(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    stage: RunStage,
    theme: &Theme,
    size: BodySize,
) -> Option<usize> {
    if let Some(wait) = &progress.credential_wait {
        render_waiting_for_credentials(lines, wait, theme, size);
    }
    if stage == RunStage::Reindex && progress.pace.is_some() {
        reindex::render_reindex_progress_figures(lines, wizard, progress, theme, size);
    }
    let changes = progress.plan.as_ref().map_or(&[][..], |plan| &plan.changes);
    let is_due = |change: &&PlannedChange| change.verb != ResourceChangeKind::Keep;
    let due: Vec<PlannedChange> = changes.iter().filter(is_due).cloned().collect();
    let mut steps = Vec::new();
    let running =
        plan_lines::render_plan_with_step_outcomes(&mut steps, wizard.now, progress, theme, size, &due);
    let (steps, running) =
        if size.is_body_wide() { (steps, running) } else { keep_one_line_each(steps, running, size.width) };
    let running = running.map(|line| line + lines.len());
    lines.extend(steps);
    parts::render_failed_checks(lines, progress, theme, size);
    running
}

/// Drops what a narrow board has no room for: of each line that went on below itself the rest, but for the step that runs, whose
/// last line is `running`. All of it stands in the log.
fn keep_one_line_each(
    lines: Vec<Line<'static>>,
    running: Option<usize>,
    width: usize,
) -> (Vec<Line<'static>>, Option<usize>) {
    let is_rest = |line: &Line<'_>| line.spans.first().is_some_and(|first| first.content.trim().is_empty());
    let runs_from = running.map(|last| (0..=last).rev().find(|at| !is_rest(&lines[*at])).unwrap_or(last));
    let (mut kept, mut kept_running) = (Vec::new(), None);
    for (index, line) in lines.into_iter().enumerate() {
        let is_running = runs_from.zip(running).is_some_and(|(from, last)| (from..=last).contains(&index));
        if is_running || !is_rest(&line) {
            kept.push(line);
        } else if let Some(cut) = kept
            .last_mut()
            .filter(|cut: &&mut Line<'_>| cut.spans.last().is_some_and(|last| last.content != CUT_MARK))
        {
            mark_line_as_cut(cut, width);
        }
        if Some(index) == running {
            kept_running = kept.len().checked_sub(1);
        }
    }
    (kept, kept_running)
}

/// What stands behind a line whose rest was dropped.
const CUT_MARK: &str = " …";
/// Columns that the mark takes, in ASCII too.
const CUT_MARK_COLUMNS: usize = 4;

/// Marks a line whose rest was dropped; its last words give way to the mark.
fn mark_line_as_cut(line: &mut Line<'static>, width: usize) {
    let over = (line.width() + CUT_MARK_COLUMNS).saturating_sub(width);
    if let Some(last) = line.spans.last_mut().filter(|_| over > 0) {
        let room = last.width().saturating_sub(over);
        let kept: String = last.content.chars().take(room).collect();
        let whole = kept.rfind(' ').map_or(kept.as_str(), |at| &kept[..at]).to_owned();
        last.content = whole.into();
    }
    line.spans.push(Span::raw(CUT_MARK));
}

/// Renders the stage by itself: what came of it, what it would change, what was checked, what there is to read; returns the
/// last line of the step that runs.
fn render_open_stage(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    stage: RunStage,
) -> Option<usize> {
    let progress = wizard.find_stage_progress(stage);
    let is_ended = progress.is_some_and(|progress| {
        progress.end.is_some() || progress.latest_stage_failure().is_some() || progress.has_failed_check()
    });
    if !is_ended {
        let is_finish = stage == RunStage::Rotate && wizard.answers.rotation == SecretRotationKind::Finish;
        let purpose =
            if is_finish { copy::FINISH_ROTATION_PURPOSE } else { copy::describe_stage_purpose(stage) };
        text::render_paragraph(lines, purpose, theme.dim, size.max_prose_width());
        lines.push(Line::default());
    }
    let progress = progress?;
    if let Some(wait) = &progress.credential_wait {
        render_waiting_for_credentials(lines, wait, theme, size);
    }
    render_verdict(lines, progress, stage, theme, size);
    // Where nothing could be checked, the check that says so comes first: it has the next move, too.
    let is_said_by_check = is_end_said_by_check(progress);
    if is_said_by_check {
        parts::render_failed_checks(lines, progress, theme, size);
    }
    render_stage_outcome(lines, wizard, progress, stage, theme, size);
    if wizard.is_goal_reached_here() {
        render_ways_from_reached_goal(lines, wizard, theme, size);
    }
    if !is_said_by_check {
        parts::render_failed_checks(lines, progress, theme, size);
    }
    if stage == RunStage::Reindex && progress.pace.is_some() {
        reindex::render_reindex_progress_figures(lines, wizard, progress, theme, size);
    }
    if stage == RunStage::GoLive && progress.end.is_none() && wizard.is_reindex_left_open() {
        reindex::render_waiting_for_reindex(lines, wizard, theme, size);
        text::ensure_blank_line(lines);
    }
    let Some(plan) = &progress.plan else {
        let running =
            plan_lines::render_plan_with_step_outcomes(lines, wizard.now, progress, theme, size, &[]);
        parts::render_unknown_and_passed_checks(lines, wizard, progress, theme, size);
        return running;
    };
    render_stage_plan(lines, wizard, progress, plan, stage, theme, size)
}

/// Renders what verify comes to, before its checks.
fn render_verdict(
    lines: &mut Vec<Line<'static>>,
    progress: &StageProgress,
    stage: RunStage,
    theme: &Theme,
    size: BodySize,
) {
    let verdict = progress.latest_checks().into_iter().find(|check| check.name == "verdict");
    let Some(verdict) = verdict.filter(|check| stage == RunStage::Verify && !check.has_failed()) else {
        return;
    };
    let mark = vec![Span::styled(format!("{DONE_MARK} "), theme.accent)];
    text::render_hanging_text(lines, mark, &verdict.detail, theme.title, size.max_prose_width());
}

/// Renders what Enter and `b` lead to where the goal is reached, and what runs on.
fn render_ways_from_reached_goal(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
) {
    let said = match wizard.background {
        None => "Enter leaves this program; what is set up stays as it is. b leads to Home.",
        Some(_) => {
            "The reindex still runs. Enter asks, then stops it and leaves; the next start resumes it. b leads to Home, and it runs on."
        }
    };
    text::render_paragraph(lines, said, theme.dim, size.max_prose_width());
    text::ensure_blank_line(lines);
}

/// Renders why the stage stands still.
fn render_waiting_for_credentials(
    lines: &mut Vec<Line<'static>>,
    wait: &CredentialWait,
    theme: &Theme,
    size: BodySize,
) {
    let still = "Paused: AWS no longer accepts the credentials. What is done stays; nothing is lost.";
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
        render_final_block(lines, wizard, plan, theme, size);
        text::ensure_blank_line(lines);
    }
    // what a plan said of what was to come is over once it has ended; what verify says is for afterwards
    let ended = progress.end.is_some();
    match stage {
        RunStage::Verify if !ended => {}
        RunStage::Verify => render_plan_notes(lines, plan, theme, size),
        _ if ended && progress.end != Some(StageEnd::Unchanged) => {}
        _ => render_plan_notes(lines, plan, theme, size),
    }
    text::ensure_blank_line(lines);
    let mut running = None;
    if stage != RunStage::Verify || progress.end.is_none() {
        let changes = &plan.changes;
        running =
            plan_lines::render_plan_with_step_outcomes(lines, wizard.now, progress, theme, size, changes);
    }
    // the final block is what the whole journey was for; its checks may be scrolled to where none failed
    let block = stage == RunStage::Verify && progress.end == Some(StageEnd::Applied);
    if block {
        render_plan_documents(lines, wizard, plan, theme, size);
    }
    parts::render_unknown_and_passed_checks(lines, wizard, progress, theme, size);
    if !first && !block {
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

/// Renders what configuration has to read and to copy, where the stages ran without a stop and going live shows it first.
fn render_final_block(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    plan: &StagePlan,
    theme: &Theme,
    size: BodySize,
) {
    let configuration = wizard
        .find_stage_progress(RunStage::Configuration)
        .and_then(|progress| progress.plan.as_ref())
        .filter(|_| !wizard.is_stepwise());
    let documents = configuration.map_or(&[][..], |plan| &plan.documents);
    let is_shown = |title: &str| plan.documents.iter().any(|shown| shown.title == title);
    for document in documents.iter().filter(|document| document.copy && !is_shown(&document.title)) {
        text::ensure_blank_line(lines);
        parts::render_plan_document(lines, document, false, theme, size);
    }
}

/// Whether a failed check says just what the stage's end says.
fn is_end_said_by_check(progress: &StageProgress) -> bool {
    progress.latest_checks().iter().any(|check| check.has_failed() && check.detail == progress.text)
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
        Some(StageEnd::Unchanged) => {
            (DONE_MARK, theme.accent, "Nothing to change: everything is already there.")
        }
        Some(StageEnd::Stopped) => {
            (SKIPPED_MARK, theme.accent, "Stopped. Nothing is broken; r continues from what is there.")
        }
        Some(StageEnd::Failed) => (FAILED_MARK, theme.failed, "Failed."),
        None => ("", theme.plain, ""),
    };
    // what failed speaks for itself
    let is_verdict_said = stage == RunStage::Verify && progress.end == Some(StageEnd::Applied);
    let is_failure_said = progress.end == Some(StageEnd::Failed) && progress.latest_stage_failure().is_some();
    let is_said = is_verdict_said || is_failure_said || is_end_said_by_check(progress);
    if progress.end.is_some() && !is_said {
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
                "  b leads back to the bucket, and from there to the identity.",
                theme.dim,
                size.max_prose_width(),
            );
        }
    }
    render_way_out(lines, wizard, progress, stage, theme, size);
    text::ensure_blank_line(lines);
}

/// Renders what can be done where a stage failed, beside the failure's own next move.
fn render_way_out(
    lines: &mut Vec<Line<'static>>,
    wizard: &Wizard,
    progress: &StageProgress,
    stage: RunStage,
    theme: &Theme,
    size: BodySize,
) {
    if progress.end == Some(StageEnd::Failed) && wizard.stage_applied_in_foreground().is_none() {
        let taken_back = progress
            .find_started_step(StageStep::TakeBack)
            .is_some_and(|line| line.state == StageStepState::Done);
        let way_out = if stage == RunStage::Disable || taken_back {
            format!("  Enter looks again. If it does not work out, write to {}.", copy::SUPPORT_EMAIL)
        } else {
            format!(
                "  Enter looks again and continues from what is there. D switches CloudFront off, or shows how. If neither helps, write to {}.",
                copy::SUPPORT_EMAIL
            )
        };
        text::ensure_blank_line(lines);
        text::render_paragraph(lines, way_out.trim(), theme.dim, size.max_prose_width());
    }
}
