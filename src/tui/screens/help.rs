//! Help: every key, from the same table as the footer, and what may be relied on.

use ratatui::text::{Line, Span};

use super::heading::render_screen_heading;
use crate::{
    tui::{
        keys,
        layout::{BodySize, ScreenBody},
        text,
        theme::Theme,
    },
    wizard::{Wizard, copy, intent::WizardInputMode},
};

const HELP_PROMISES: [&str; 6] = [
    "Home explains a customer's link: paste it there to learn why it works or is refused.",
    "Nothing is written until a screen has shown it and you have pressed Enter there.",
    "Nothing in AWS is ever deleted. What this program did not create is changed only after your yes.",
    "You can stop it at any time and start it again: it looks at what is there and continues.",
    "D shows how CloudFront is switched off, on every screen where nothing is typed and nothing runs. It needs no AWS.",
    "Ctrl-C stops what runs after the request in flight; a second one leaves at once.",
];

/// Renders the keys and the promises.
pub fn render_help_screen(wizard: &Wizard, theme: &Theme, size: BodySize) -> ScreenBody {
    let mut body = ScreenBody::default();
    let lines = &mut body.lines;
    body.head = Some(render_screen_heading(wizard, theme, size, "Help"));
    lines.push(Line::default());
    for row in
        keys::KEY_BINDINGS.iter().filter(|row| row.mode != WizardInputMode::Ask && !row.help.is_empty())
    {
        // Enter stands in the table once for screens, once for fields
        let key = if row.mode == WizardInputMode::Text {
            format!("{} (field)", row.key)
        } else {
            row.key.to_owned()
        };
        let first = vec![Span::styled(text::pad_or_truncate_to_width(&key, 15), theme.accent)];
        text::render_hanging_text(lines, first, row.help, theme.plain, size.max_prose_width());
    }
    lines.push(Line::default());
    for promise in HELP_PROMISES {
        text::render_hanging_text(
            lines,
            vec![Span::styled("· ", theme.accent)],
            promise,
            theme.plain,
            size.max_prose_width(),
        );
    }
    let support = format!("packagecloud's own support: {}", copy::SUPPORT_EMAIL);
    text::render_hanging_text(
        lines,
        vec![Span::styled("· ", theme.accent)],
        &support,
        theme.plain,
        size.max_prose_width(),
    );
    body
}
