//! A stage's screen: what it is for, what came of it, what it would change, what was checked, what there is to read.

use ratatui::text::{Line, Span};

use super::{heading::render_heading, overview, parts, reindex};
use crate::{
    model::{
        failure::{Failure, FailureKind},
        run::{
            event::StageEnd,
            goal::{Stage, Step},
            plan::Plan,
        },
    },
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::{DONE_MARK, FAILED_MARK, SKIPPED_MARK, Theme},
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
        text::ensure_blank_line(lines);
    }
    render_stage_outcome(lines, wizard, leg, stage, theme, room);
    if stage == Stage::Reindex && leg.pace.is_some() {
        reindex::render_reindex_pace(lines, wizard, leg, theme, room);
    }
    if stage == Stage::GoLive && leg.end.is_none() && wizard.is_reindex_pending() {
        reindex::render_reindex_wait(lines, wizard, theme, room);
        text::ensure_blank_line(lines);
    }
    let Some(plan) = &leg.plan else {
        plan_lines::render_step_report(lines, wizard.now, leg, theme, room, &[]);
        parts::render_stage_checks(lines, leg, theme, room);
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
        text::ensure_blank_line(lines);
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
    text::ensure_blank_line(lines);
    if stage == Stage::Overview {
        overview::render_plan_facts(lines, plan, theme, room);
        overview::render_changes_by_stage(lines, &plan.changes, theme, room);
    } else if stage != Stage::Verify || leg.end.is_none() {
        plan_lines::render_step_report(lines, wizard.now, leg, theme, room, &plan.changes);
    }
    // the final block is what the whole journey was for; its checks may be scrolled to where none failed
    let block = stage == Stage::Verify && leg.end == Some(StageEnd::Applied);
    if block {
        render_attachments(lines, wizard, plan, theme, room);
    }
    parts::render_stage_checks(lines, leg, theme, room);
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
        text::ensure_blank_line(lines);
        parts::render_attachment(lines, exhibit, wizard.attachment_to_copy() == Some(exhibit), theme, room);
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
        text::ensure_blank_line(lines);
        text::render_paragraph(lines, way_out.trim(), theme.dim, room.prose_width());
    }
    text::ensure_blank_line(lines);
}
