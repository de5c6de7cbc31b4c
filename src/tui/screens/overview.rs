//! The overview's lines under the stage that makes each, with how many of each verb.

use ratatui::text::{Line, Span};

use super::stage;
use crate::{
    model::run::{
        goal::{Stage, Step},
        plan::{ChangeKind, Plan, PlannedChange},
    },
    tui::{draw::BodySize, text, theme::Theme},
};

/// The stage in which a step is done.
fn stage_from_step(step: Step) -> Stage {
    match step {
        Step::Identity | Step::Bucket | Step::Permissions | Step::Host => Stage::Access,
        Step::Objects | Step::BatchJobs | Step::Remainder | Step::VendorReindex => Stage::Reindex,
        Step::Secret => Stage::Secret,
        Step::Role
        | Step::RolePolicy
        | Step::Key
        | Step::KeyAlias
        | Step::KeyPolicy
        | Step::SelfTest
        | Step::Function
        | Step::FunctionVersion
        | Step::OriginAccess => Stage::Bootstrap,
        Step::CachePolicy
        | Step::Certificate
        | Step::Distribution
        | Step::Authenticator
        | Step::Deployed
        | Step::ObjectsKey
        | Step::BucketPolicy => Stage::Distribution,
        Step::Configuration => Stage::Configuration,
        Step::Gate | Step::Switch | Step::Reconfigure | Step::Restart | Step::Proof | Step::TakeBack => {
            Stage::GoLive
        }
        Step::Checks => Stage::Verify,
    }
}

/// How long, what it costs, what customers notice, how to undo it: before the lines, since they are what is decided by.
/// A note is such a fact where it begins with what it is about: `How long: …`.
pub fn render_plan_facts(lines: &mut Vec<Line<'static>>, plan: &Plan, theme: &Theme, room: BodySize) {
    let mut facts: Vec<(&str, String)> = Vec::new();
    for note in &plan.notes {
        match note.split_once(": ").filter(|(about, _)| about.len() <= 22 && about.contains(' ')) {
            Some((about, said)) => facts.push((about, said.to_owned())),
            None => {
                text::render_hanging_text(
                    lines,
                    vec![Span::styled("· ", theme.accent)],
                    note,
                    theme.plain,
                    room.prose_width(),
                );
            }
        }
    }
    facts.extend(plan.attachments.iter().map(|exhibit| (exhibit.title.as_str(), exhibit.lines.join(" "))));
    if !facts.is_empty() && !plan.notes.is_empty() {
        lines.push(Line::default());
    }
    let width = facts.iter().map(|(about, _)| about.chars().count()).max().unwrap_or(0) + 2;
    for (about, said) in &facts {
        let first = vec![Span::styled(text::fit_column(about, width), theme.strong)];
        text::render_hanging_text(lines, first, said, theme.plain, room.prose_width());
    }
    lines.push(Line::default());
}

pub fn render_changes_by_stage(
    lines: &mut Vec<Line<'static>>,
    changes: &[PlannedChange],
    theme: &Theme,
    room: BodySize,
) {
    let counts: Vec<String> =
        [ChangeKind::Create, ChangeKind::Update, ChangeKind::Attach, ChangeKind::Run, ChangeKind::Keep]
            .into_iter()
            .filter_map(|verb| match changes.iter().filter(|change| change.verb == verb).count() {
                0 => None,
                count => Some(format!("{count} to {}", verb.name())),
            })
            .collect();
    if !counts.is_empty() {
        text::render_paragraph(lines, &counts.join(" · "), theme.strong, room.prose_width());
    }
    let columns = stage::PlanColumns::from_changes(changes, room);
    let mut last = None;
    for change in changes {
        let stage = stage_from_step(change.step);
        if last != Some(stage) {
            lines.push(Line::default());
            lines.push(Line::from(Span::styled(stage.title(), theme.strong)));
            last = Some(stage);
        }
        stage::render_planned_change(lines, change, theme, room, columns);
    }
}
