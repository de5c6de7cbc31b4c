//! What is behind each line of a plan: the manual step that it replaces, and the calls that it makes.

use ratatui::text::{Line, Span};

use super::heading::render_screen_heading;
use crate::{
    tui::{
        layout::{BodySize, ScreenBody},
        plan_lines, text,
        theme::Theme,
    },
    wizard::{Wizard, screen::WizardScreen},
};

/// Renders each change with the calls behind it.
pub fn render_plan_explanation_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    let WizardScreen::Stage(at) = wizard.screen else { return body };
    body.head = Some(render_screen_heading(
        wizard,
        theme,
        size,
        &format!("{}: what is behind each line", at.stage_title()),
    ));
    lines.push(Line::default());
    let changes = wizard
        .find_stage_progress(at)
        .and_then(|progress| progress.plan.as_ref())
        .map_or(&[][..], |plan| &plan.changes);
    if changes.is_empty() {
        lines.push(Line::styled("This stage changes nothing; it only looks.", theme.plain));
    }
    let columns = plan_lines::PlanColumnWidths::measure_plan_columns(changes, size);
    for change in changes {
        plan_lines::render_planned_change(lines, change, theme, size, columns);
        if !size.is_body_wide() && !change.target.is_empty() {
            text::render_hanging_text(
                lines,
                vec![Span::raw("    ")],
                &change.target,
                theme.plain,
                size.width,
            );
        }
        for call in &change.calls {
            text::render_hanging_text(
                lines,
                vec![Span::styled("    · ", theme.accent)],
                call,
                theme.dim,
                size.width,
            );
        }
        lines.push(Line::default());
    }
    body
}
