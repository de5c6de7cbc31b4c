//! The body of every screen as lines of text: one file a screen, one signature, and nothing but reading the wizard.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::{
    draw::{Body, Room},
    text,
    theme::{Theme, spinner},
};
use crate::{
    model::run::goal::Stage,
    wizard::{
        Doing, Wizard,
        screen::{Over, Screen},
    },
};

mod choose;
mod explain;
mod help;
mod log;
mod overview;
mod parts;
mod pinned;
mod reindex;
mod stage;
mod watch;
mod welcome;

/// What stands in the body now.
#[must_use]
pub fn body(wizard: &Wizard, theme: &Theme, room: Room) -> Body {
    let mut body = match &wizard.over {
        Some(Over::Help) => help::body(wizard, theme, room),
        Some(Over::Log) => log::body(wizard, theme, room),
        Some(Over::Explain) => explain::body(wizard, theme, room),
        Some(Over::Ask(_) | Over::TakeOver | Over::Quit) | None => match wizard.screen {
            Screen::Welcome => welcome::body(wizard, theme, room),
            Screen::Identity => choose::identity(wizard, theme, room),
            Screen::Bucket => choose::bucket(wizard, theme, room),
            Screen::Backups => choose::backups(wizard, theme, room),
            Screen::Watch => watch::body(wizard, theme, room),
            Screen::Stage(stage) => stage::body(wizard, theme, room, stage),
        },
    };
    match &wizard.over {
        Some(Over::Ask(ask)) => pinned::ask(&mut body, wizard, theme, room, ask),
        Some(Over::TakeOver) => pinned::take_over(&mut body, wizard, theme, room),
        Some(Over::Quit) => pinned::quit(&mut body, wizard, theme, room),
        Some(_) => {}
        None => {
            if let Some(form) = &wizard.form {
                pinned::form(&mut body, form, theme, room);
            }
        }
    }
    body
}

/// A heading, and at its right what is under way.
fn heading(wizard: &Wizard, theme: &Theme, room: Room, title: &str) -> Line<'static> {
    let right = wizard.busy.map_or_else(Vec::new, |busy| {
        let ran: Duration = wizard.now.saturating_sub(busy.since);
        let what = match busy.doing {
            _ if busy.stopping => "stopping",
            _ if busy.paused => "paused",
            Doing::Welcome => "looking around",
            Doing::Apply(stage) if waits(wizard, stage) => "waiting for credentials",
            Doing::Identify | Doing::Code => "asking AWS",
            Doing::Look(_) => "looking",
            Doing::Watch => "watching",
            Doing::Apply(_) => "running",
        };
        let still = matches!(busy.doing, Doing::Apply(stage) if waits(wizard, stage));
        let sign = if busy.paused || still { "‖" } else { spinner(ran) };
        vec![
            Span::styled(format!("{sign} {what}"), theme.accent),
            Span::styled(format!("  {}", text::elapsed(ran)), theme.dim),
        ]
    });
    let right = match wizard.beside {
        Some(beside) if right.is_empty() => {
            let sign = if beside.paused || waits(wizard, Stage::Reindex) {
                "‖"
            } else {
                spinner(wizard.now.saturating_sub(beside.since))
            };
            vec![Span::styled(format!("{sign} reindex {}", reindex::standing(wizard)), theme.accent)]
        }
        _ => right,
    };
    let left = vec![Span::styled(title.to_owned(), theme.title)];
    text::apart(left, right, room.width)
}

/// Whether it stands still for want of credentials.
fn waits(wizard: &Wizard, stage: Stage) -> bool {
    wizard.leg(stage).is_some_and(|leg| leg.waits.is_some())
}
