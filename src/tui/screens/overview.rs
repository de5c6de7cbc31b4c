//! The overview's lines under the stage that makes each, with how many of each verb.

use ratatui::text::{Line, Span};

use crate::{
    model::run::plan::{PlannedChange, ResourceChangeKind, StagePlan},
    tui::{layout::BodySize, plan_lines, text, theme::Theme},
};

/// Renders the notes, then how long, what it costs, what customers notice, how to undo it: before the lines, since they are
/// what is decided by.
pub fn render_plan_summary_facts(
    lines: &mut Vec<Line<'static>>,
    plan: &StagePlan,
    theme: &Theme,
    room: BodySize,
) {
    for note in &plan.notes {
        text::render_hanging_text(
            lines,
            vec![Span::styled("· ", theme.accent)],
            note,
            theme.plain,
            room.max_prose_width(),
        );
    }
    let mut facts: Vec<(&str, String)> =
        plan.facts.iter().map(|fact| (fact.topic, fact.text.clone())).collect();
    facts.extend(plan.documents.iter().map(|exhibit| (exhibit.title.as_str(), exhibit.lines.join(" "))));
    if !facts.is_empty() && !plan.notes.is_empty() {
        lines.push(Line::default());
    }
    let width = facts.iter().map(|(about, _)| about.chars().count()).max().unwrap_or(0) + 2;
    for (about, said) in &facts {
        let first = vec![Span::styled(text::pad_or_truncate_to_width(about, width), theme.strong)];
        text::render_hanging_text(lines, first, said, theme.plain, room.max_prose_width());
    }
    lines.push(Line::default());
}

/// Renders how many changes of each kind there are, then each change under the stage that makes it.
pub fn render_changes_by_stage(
    lines: &mut Vec<Line<'static>>,
    changes: &[PlannedChange],
    theme: &Theme,
    room: BodySize,
) {
    let counts: Vec<String> = [
        ResourceChangeKind::Create,
        ResourceChangeKind::Update,
        ResourceChangeKind::Attach,
        ResourceChangeKind::Run,
        ResourceChangeKind::Keep,
    ]
    .into_iter()
    .filter_map(|verb| match changes.iter().filter(|change| change.verb == verb).count() {
        0 => None,
        count => Some(format!("{count} to {}", verb.change_kind_name())),
    })
    .collect();
    if !counts.is_empty() {
        text::render_paragraph(lines, &counts.join(" · "), theme.strong, room.max_prose_width());
    }
    let columns = plan_lines::PlanColumnWidths::measure_plan_columns(changes, room);
    let mut last = None;
    for change in changes {
        if last != Some(change.stage) {
            lines.push(Line::default());
            lines.push(Line::from(Span::styled(change.stage.stage_title(), theme.strong)));
            last = Some(change.stage);
        }
        plan_lines::render_planned_change(lines, change, theme, room, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{aws::evidence::StageEvidence, run::goal::StageStep};

    #[test]
    fn each_change_stands_under_the_stage_that_makes_it() {
        let mut reindex = StagePlan::new(StageEvidence::Reindex(Box::default()));
        reindex.add_planned_change(
            StageStep::Objects,
            ResourceChangeKind::Update,
            "bucket",
            "each gets its headers",
        );
        reindex.add_planned_change(
            StageStep::Role,
            ResourceChangeKind::Create,
            "batch role",
            "jobs run as it",
        );
        reindex.add_planned_change(
            StageStep::BatchJobs,
            ResourceChangeKind::Run,
            "S3 Batch Operations",
            "a job for each set",
        );
        let mut bootstrap = StagePlan::new(StageEvidence::Bootstrap(Box::default()));
        bootstrap.add_planned_change(
            StageStep::Role,
            ResourceChangeKind::Create,
            "edge role",
            "the function runs as it",
        );
        let changes = [reindex.changes, bootstrap.changes].concat();
        let mut lines = Vec::new();
        let room = BodySize { width: 120, height: 40 };
        render_changes_by_stage(&mut lines, &changes, &Theme::new(false), room);
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let headings: Vec<&str> =
            text.iter().map(String::as_str).filter(|line| ["Reindex", "Bootstrap"].contains(line)).collect();
        assert_eq!(headings, ["Reindex", "Bootstrap"], "{text:#?}");
    }
}
