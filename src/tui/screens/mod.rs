//! The body of every screen as lines of text: one file a screen, one signature, and nothing but reading the wizard.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::{
    draw::{BodySize, ScreenBody},
    text,
    theme::{Theme, spinner_frame},
};
use crate::{
    model::run::goal::Stage,
    wizard::{
        JobKind, Wizard,
        screen::{Overlay, Screen},
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
pub fn render_screen_body(wizard: &Wizard, theme: &Theme, room: BodySize) -> ScreenBody {
    let mut body = match &wizard.overlay {
        Some(Overlay::Help) => help::render_help(wizard, theme, room),
        Some(Overlay::Log) => log::render_log(wizard, theme, room),
        Some(Overlay::Explain) => explain::render_explain(wizard, theme, room),
        Some(Overlay::Ask(_) | Overlay::TakeOver | Overlay::Quit) | None => match wizard.screen {
            Screen::Welcome => welcome::render_welcome(wizard, theme, room),
            Screen::Identity => choose::render_identity_choice(wizard, theme, room),
            Screen::Bucket => choose::render_bucket_choice(wizard, theme, room),
            Screen::Backups => choose::render_backup_choice(wizard, theme, room),
            Screen::Watch => watch::render_watch(wizard, theme, room),
            Screen::Stage(stage) => stage::render_stage(wizard, theme, room, stage),
        },
    };
    match &wizard.overlay {
        Some(Overlay::Ask(ask)) => pinned::render_confirmation(&mut body, wizard, theme, room, ask),
        Some(Overlay::TakeOver) => pinned::render_take_over_question(&mut body, wizard, theme, room),
        Some(Overlay::Quit) => pinned::render_quit_question(&mut body, wizard, theme, room),
        Some(_) => {}
        None => {
            if let Some(form) = &wizard.form {
                pinned::render_form(&mut body, form, theme, room);
            }
        }
    }
    body
}

/// A heading, and at its right what is under way.
fn render_heading(wizard: &Wizard, theme: &Theme, room: BodySize, title: &str) -> Line<'static> {
    let right = wizard.busy.map_or_else(Vec::new, |busy| {
        let ran: Duration = wizard.now.saturating_sub(busy.since);
        let what = match busy.kind {
            _ if busy.stopping => "stopping",
            _ if busy.paused => "paused",
            JobKind::Welcome => "looking around",
            JobKind::Apply(stage) if is_waiting_for_credentials(wizard, stage) => "waiting for credentials",
            JobKind::Identify | JobKind::Code => "asking AWS",
            JobKind::Look(_) => "looking",
            JobKind::Watch => "watching",
            JobKind::Apply(_) => "running",
        };
        let still = matches!(busy.kind, JobKind::Apply(stage) if is_waiting_for_credentials(wizard, stage));
        let sign = if busy.paused || still { "‖" } else { spinner_frame(ran) };
        vec![
            Span::styled(format!("{sign} {what}"), theme.accent),
            Span::styled(format!("  {}", text::format_elapsed(ran)), theme.dim),
        ]
    });
    let right = match wizard.background {
        Some(beside) if right.is_empty() => {
            let sign = if beside.paused || is_waiting_for_credentials(wizard, Stage::Reindex) {
                "‖"
            } else {
                spinner_frame(wizard.now.saturating_sub(beside.since))
            };
            vec![Span::styled(
                format!("{sign} reindex {}", reindex::render_reindex_summary(wizard)),
                theme.accent,
            )]
        }
        _ => right,
    };
    let left = vec![Span::styled(title.to_owned(), theme.title)];
    text::align_left_and_right(left, right, room.width)
}

/// Whether it stands still for want of credentials.
fn is_waiting_for_credentials(wizard: &Wizard, stage: Stage) -> bool {
    wizard.stage_progress(stage).is_some_and(|leg| leg.credential_wait.is_some())
}
