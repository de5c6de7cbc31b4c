//! The first line of a body: the screen's title, and at its right what is under way.

use std::time::Duration;

use ratatui::text::{Line, Span};

use crate::{
    model::run::goal::RunStage,
    tui::{
        layout::BodySize,
        steps, text,
        theme::{Theme, spinner_frame},
    },
    wizard::{Wizard, WizardJobKind},
};

/// Renders the title, and at its right what is under way.
pub fn render_screen_heading(wizard: &Wizard, theme: &Theme, size: BodySize, title: &str) -> Line<'static> {
    let right = wizard.busy.map_or_else(Vec::new, |busy| {
        let ran: Duration = wizard.now.saturating_sub(busy.since);
        let what = match busy.kind {
            _ if busy.stopping => "stopping",
            _ if busy.paused => "paused",
            WizardJobKind::Welcome => "looking around",
            WizardJobKind::Apply(stage) if is_stage_waiting_for_credentials(wizard, stage) => {
                "waiting for credentials"
            }
            WizardJobKind::Identify | WizardJobKind::Code => "asking AWS",
            WizardJobKind::Look(_) => "looking",
            WizardJobKind::Watch => "watching",
            WizardJobKind::Status | WizardJobKind::Link => "asking AWS, packagecloud and the edge",
            WizardJobKind::Apply(_) => "running",
        };
        let still =
            matches!(busy.kind, WizardJobKind::Apply(stage) if is_stage_waiting_for_credentials(wizard, stage));
        let sign = if busy.paused || still { "‖" } else { spinner_frame(ran) };
        vec![
            Span::styled(format!("{sign} {what}"), theme.accent),
            Span::styled(format!("  {}", text::format_elapsed(ran)), theme.dim),
        ]
    });
    let right = match wizard.background {
        Some(job) if right.is_empty() => {
            let sign = if job.paused || is_stage_waiting_for_credentials(wizard, RunStage::Reindex) {
                "‖"
            } else {
                spinner_frame(wizard.now.saturating_sub(job.since))
            };
            vec![Span::styled(
                format!("{sign} reindex {}", steps::render_background_reindex(wizard)),
                theme.accent,
            )]
        }
        _ => right,
    };
    let left = vec![Span::styled(title.to_owned(), theme.title)];
    text::align_left_and_right(left, right, size.width)
}

/// Whether it stands still for want of credentials.
fn is_stage_waiting_for_credentials(wizard: &Wizard, stage: RunStage) -> bool {
    wizard.find_stage_progress(stage).is_some_and(|progress| progress.credential_wait.is_some())
}
