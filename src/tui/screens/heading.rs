//! The first line of a body: the screen's title, and at its right what is under way.

use std::time::Duration;

use ratatui::text::{Line, Span};

use super::reindex;
use crate::{
    model::run::goal::Stage,
    tui::{
        layout::BodySize,
        text,
        theme::{Theme, spinner_frame},
    },
    wizard::{JobKind, Wizard},
};

/// Renders the title, and at its right what is under way.
pub fn render_heading(wizard: &Wizard, theme: &Theme, size: BodySize, title: &str) -> Line<'static> {
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
        Some(job) if right.is_empty() => {
            let sign = if job.paused || is_waiting_for_credentials(wizard, Stage::Reindex) {
                "‖"
            } else {
                spinner_frame(wizard.now.saturating_sub(job.since))
            };
            vec![Span::styled(
                format!("{sign} reindex {}", reindex::render_reindex_summary(wizard)),
                theme.accent,
            )]
        }
        _ => right,
    };
    let left = vec![Span::styled(title.to_owned(), theme.title)];
    text::align_left_and_right(left, right, size.width)
}

/// Whether it stands still for want of credentials.
fn is_waiting_for_credentials(wizard: &Wizard, stage: Stage) -> bool {
    wizard.stage_progress(stage).is_some_and(|progress| progress.credential_wait.is_some())
}
