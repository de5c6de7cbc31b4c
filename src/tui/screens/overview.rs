//! The overview's lines under the stage that makes each, with how many of each verb.

use ratatui::text::{Line, Span};

use super::stage;
use crate::{
    model::run::{
        goal::{Stage, Step},
        plan::{Change, Plan, Verb},
    },
    tui::{draw::Room, text, theme::Theme},
};

/// The stage in which a step is done.
fn stage_of(step: Step) -> Stage {
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
pub fn facts(lines: &mut Vec<Line<'static>>, plan: &Plan, theme: &Theme, room: Room) {
    let mut facts: Vec<(&str, String)> = Vec::new();
    for note in &plan.notes {
        match note.split_once(": ").filter(|(about, _)| about.len() <= 22 && about.contains(' ')) {
            Some((about, said)) => facts.push((about, said.to_owned())),
            None => {
                text::hang(lines, vec![Span::styled("· ", theme.accent)], note, theme.plain, room.prose());
            }
        }
    }
    facts.extend(plan.exhibit.iter().map(|exhibit| (exhibit.title.as_str(), exhibit.lines.join(" "))));
    if !facts.is_empty() && !plan.notes.is_empty() {
        lines.push(Line::default());
    }
    let width = facts.iter().map(|(about, _)| about.chars().count()).max().unwrap_or(0) + 2;
    for (about, said) in &facts {
        let first = vec![Span::styled(text::column(about, width), theme.strong)];
        text::hang(lines, first, said, theme.plain, room.prose());
    }
    lines.push(Line::default());
}

pub fn changes(lines: &mut Vec<Line<'static>>, changes: &[Change], theme: &Theme, room: Room) {
    let counts: Vec<String> = [Verb::Create, Verb::Update, Verb::Attach, Verb::Run, Verb::Keep]
        .into_iter()
        .filter_map(|verb| match changes.iter().filter(|change| change.verb == verb).count() {
            0 => None,
            count => Some(format!("{count} to {}", verb.name())),
        })
        .collect();
    if !counts.is_empty() {
        text::prose(lines, &counts.join(" · "), theme.strong, room.prose());
    }
    let columns = stage::Columns::of(changes, room);
    let mut last = None;
    for change in changes {
        let stage = stage_of(change.step);
        if last != Some(stage) {
            lines.push(Line::default());
            lines.push(Line::from(Span::styled(stage.title(), theme.strong)));
            last = Some(stage);
        }
        stage::planned(lines, change, theme, room, columns);
    }
}
