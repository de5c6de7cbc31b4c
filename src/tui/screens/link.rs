//! A customer's link: the verdict with its next move first, then what was found.

use ratatui::text::{Line, Span};

use super::{heading::render_screen_heading, parts};
use crate::{
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::Theme,
    },
    wizard::{Loadable, Wizard},
};

/// Renders what was found of the pasted link.
pub fn render_link_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody {
        head: Some(render_screen_heading(wizard, theme, size, "A customer's link")),
        ..ScreenBody::default()
    };
    let lines = &mut body.lines;
    match &wizard.link {
        Loadable::Loading => text::render_paragraph(
            lines,
            "Asks the edge, the bucket and packagecloud. It changes nothing, and takes ten seconds where AWS doesn't answer.",
            theme.dim,
            size.max_prose_width(),
        ),
        Loadable::Failed(failure) => parts::render_failure(lines, failure, theme, size),
        Loadable::Loaded(explained) => {
            let verdict = &explained.verdict;
            parts::render_check_results(lines, &[verdict], theme, size);
            if !verdict.has_failed() && !verdict.next.is_empty() {
                let next = vec![Span::styled("  → ", theme.accent)];
                text::render_hanging_text(lines, next, &verdict.next, theme.plain, size.width);
            }
            lines.push(Line::default());
            for (label, said) in &explained.findings {
                let first = vec![Span::styled(text::pad_or_truncate_to_width(label, 14), theme.dim)];
                text::render_hanging_text(lines, first, said, theme.plain, size.width);
            }
        }
    }
    body
}
