//! The body of every screen as lines of text: one file a screen, one signature, and nothing but reading the wizard.

use super::{
    layout::{BodySize, ScreenBody},
    page_find,
    theme::Theme,
};
use crate::wizard::{
    Wizard,
    screen::{ScreenOverlay, WizardScreen},
};

mod choose;
mod explain;
mod heading;
mod help;
mod home;
mod link;
mod log;
mod overview;
mod parts;
mod pinned;
mod reindex;
mod stage;
mod status;
mod watch;

pub use log::{render_log_line, render_utc_clock_time};

/// Renders what stands in the body now.
#[must_use]
pub fn render_screen_body(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = match &wizard.overlay {
        Some(ScreenOverlay::Help) => help::render_help_screen(wizard, theme, size),
        Some(ScreenOverlay::Log) => log::render_log_screen(wizard, theme, size),
        Some(ScreenOverlay::Explain) => explain::render_plan_explanation_screen(wizard, theme, size),
        Some(ScreenOverlay::Ask(_) | ScreenOverlay::TakeOver | ScreenOverlay::Quit) | None => {
            match wizard.screen {
                WizardScreen::Home => home::render_home_screen(wizard, theme, size),
                WizardScreen::Identity => choose::render_aws_identity_screen(wizard, theme, size),
                WizardScreen::Bucket => choose::render_bucket_choice(wizard, theme, size),
                WizardScreen::Backups => choose::render_backup_choice(wizard, theme, size),
                WizardScreen::Status => status::render_status_screen(wizard, theme, size),
                WizardScreen::Link => link::render_link_screen(wizard, theme, size),
                WizardScreen::Watch => watch::render_other_run_screen(wizard, theme, size),
                WizardScreen::Stage(stage) => stage::render_stage_screen(wizard, theme, size, stage),
            }
        }
    };
    match &wizard.overlay {
        Some(ScreenOverlay::Ask(confirmation)) => {
            pinned::render_confirmation_question(&mut body, wizard, theme, size, confirmation);
        }
        Some(ScreenOverlay::TakeOver) => pinned::render_take_over_question(&mut body, wizard, theme, size),
        Some(ScreenOverlay::Quit) => pinned::render_quit_question(&mut body, wizard, theme, size),
        Some(_) => {
            if let Some(find) = &wizard.page_find {
                page_find::show_found_places(&mut body, find, theme, size);
            }
        }
        None => {
            if let Some(form) = &wizard.form {
                pinned::render_input_form(&mut body, form, theme, size);
            }
        }
    }
    body
}
