//! The body of every screen as lines of text: one file a screen, one signature, and nothing but reading the wizard.

use super::{
    layout::{BodySize, ScreenBody},
    theme::Theme,
};
use crate::wizard::{
    Wizard,
    screen::{Overlay, Screen},
};

mod choose;
mod explain;
mod heading;
mod help;
mod log;
mod overview;
mod parts;
mod pinned;
mod reindex;
mod stage;
mod watch;
mod welcome;

/// Renders what stands in the body now.
#[must_use]
pub fn render_screen_body(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = match &wizard.overlay {
        Some(Overlay::Help) => help::render_help(wizard, theme, size),
        Some(Overlay::Log) => log::render_log(wizard, theme, size),
        Some(Overlay::Explain) => explain::render_explain(wizard, theme, size),
        Some(Overlay::Ask(_) | Overlay::TakeOver | Overlay::Quit) | None => match wizard.screen {
            Screen::Welcome => welcome::render_welcome(wizard, theme, size),
            Screen::Identity => choose::render_identity_choice(wizard, theme, size),
            Screen::Bucket => choose::render_bucket_choice(wizard, theme, size),
            Screen::Backups => choose::render_backup_choice(wizard, theme, size),
            Screen::Watch => watch::render_watch(wizard, theme, size),
            Screen::Stage(stage) => stage::render_stage(wizard, theme, size, stage),
        },
    };
    match &wizard.overlay {
        Some(Overlay::Ask(confirmation)) => {
            pinned::render_confirmation(&mut body, wizard, theme, size, confirmation)
        }
        Some(Overlay::TakeOver) => pinned::render_take_over_question(&mut body, wizard, theme, size),
        Some(Overlay::Quit) => pinned::render_quit_question(&mut body, wizard, theme, size),
        Some(_) => {}
        None => {
            if let Some(form) = &wizard.form {
                pinned::render_form(&mut body, form, theme, size);
            }
        }
    }
    body
}
