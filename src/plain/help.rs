//! The help page in plain mode: what can be typed, without the keys that only move through a drawn screen.

use crate::{
    tui::{keys::KEY_BINDINGS, text::wrap_text},
    wizard::intent::{UserIntent, WizardInputMode},
};

/// Returns whether an intent is for drawn screens alone: everything is printed here, so that nothing is scrolled, looked for or
/// drawn again.
pub(super) fn is_for_drawn_screens(intent: UserIntent) -> bool {
    matches!(
        intent,
        UserIntent::Move(_)
            | UserIntent::Find
            | UserIntent::FindNext
            | UserIntent::FindPrevious
            | UserIntent::Redraw
            | UserIntent::Suspend
            | UserIntent::Interrupt
    )
}

/// Renders what can be typed, `width` columns wide.
pub(super) fn render_help_lines(width: usize) -> Vec<String> {
    let mut lines = vec![
        "Below each question stands what you can type there. A number chooses a line of the list.".to_owned(),
        "A letter means the same everywhere, and works where it is listed:".to_owned(),
    ];
    let rows = KEY_BINDINGS.iter().filter(|row| {
        row.mode == WizardInputMode::Browse && !row.help.is_empty() && !is_for_drawn_screens(row.intent)
    });
    lines.extend(rows.map(|row| format!("  {}: {}", row.key, row.help)));
    lines.iter().flat_map(|line| wrap_help_line(line, width)).collect()
}

/// Breaks a line; what goes on below it is indented by more than it is.
fn wrap_help_line(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let wrapped = wrap_text(line, width.saturating_sub(indent + 4));
    let begin = |(index, part): (usize, &String)| {
        format!("{}{part}", " ".repeat(if index == 0 { indent } else { indent + 4 }))
    };
    wrapped.iter().enumerate().map(begin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_what_can_be_typed_and_no_key_of_a_drawn_screen() {
        let lines = render_help_lines(80);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        for key in ["Enter", "D", "?", "q", "x", "i"] {
            assert!(lines.iter().any(|line| line.starts_with(&format!("  {key}: "))), "{key}: {lines:#?}");
        }
        for key in ["/", "n", "N", "↑↓", "Ctrl-L", "Ctrl-Z"] {
            assert!(!lines.iter().any(|line| line.starts_with(&format!("  {key}: "))), "{key}: {lines:#?}");
        }
    }
}
