//! The one table of keys: which key says which intent, and what the footer and the help call it; the footer is printed from it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::InputRequest;

use crate::wizard::{
    Wizard,
    intent::{CursorMove, InputMode, IntentAvailability, UserIntent},
};

/// One row of the table.
pub struct KeyBinding {
    pub mode: InputMode,
    pub codes: &'static [KeyCode],
    /// With the control key.
    pub control: bool,
    pub intent: UserIntent,
    /// As the footer and the help print the key; empty is printed nowhere.
    pub key: &'static str,
    /// What the footer calls it where the screen has no word of its own.
    pub label: &'static str,
    /// What the help says of it.
    pub help: &'static str,
    /// In the footer, at its right end.
    pub right: bool,
}

const fn left_footer_binding(
    mode: InputMode,
    codes: &'static [KeyCode],
    intent: UserIntent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> KeyBinding {
    KeyBinding { mode, codes, control: false, intent, key, label, help, right: false }
}

const fn right_footer_binding(
    mode: InputMode,
    codes: &'static [KeyCode],
    intent: UserIntent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> KeyBinding {
    KeyBinding { mode, codes, control: false, intent, key, label, help, right: true }
}

const fn hidden_key_binding(
    mode: InputMode,
    codes: &'static [KeyCode],
    control: bool,
    intent: UserIntent,
) -> KeyBinding {
    KeyBinding { mode, codes, control, intent, key: "", label: "", help: "", right: false }
}

use InputMode::{Ask, Browse, Text};
use KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};

/// In the order of the footer: what does not fit at the left is left out from its end.
#[rustfmt::skip] // a row a line: it is read as a table
pub const KEY_BINDINGS: &[KeyBinding] = &[
    left_footer_binding(Browse, &[Enter], UserIntent::Next, "Enter", "go on", "goes on; applies what the screen shows"),
    left_footer_binding(Browse, &[Char('a')], UserIntent::Anyway, "a", "go on anyway", "goes on in spite of a failed check"),
    left_footer_binding(Browse, &[Char('s')], UserIntent::Skip, "s", "skip", "skips, where that is safe"),
    left_footer_binding(Browse, &[Char('p')], UserIntent::Pause, "p", "pause", "pauses, or goes on"),
    left_footer_binding(Browse, &[Char('g')], UserIntent::Ahead, "g", "go ahead", "goes ahead with the next stages while the reindex runs on"),
    left_footer_binding(Browse, &[Char('b'), Esc], UserIntent::Back, "b", "back", "back; Esc does the same"),
    left_footer_binding(Browse, &[Up, Char('k')], UserIntent::Move(CursorMove::Up), "↑↓", "scroll", "arrows, PgUp, PgDn, Home, End choose or scroll"),
    left_footer_binding(Browse, &[Char('v')], UserIntent::ToggleVendorReindex, "v", "vendor's too", "packagecloud's own reindex-everything too, yes or no"),
    left_footer_binding(Browse, &[Char('w')], UserIntent::ToggleWholeFile, "w", "whole file", "restores the whole file, or the four values alone"),
    left_footer_binding(Browse, &[Char('u')], UserIntent::Probe, "u", "URL", "a download URL of packagecloud, to see its redirect by"),
    left_footer_binding(Browse, &[Char('i')], UserIntent::Credentials, "i", "credentials", "a code or other keys, where AWS no longer accepts the credentials"),
    left_footer_binding(Browse, &[Char('t')], UserIntent::TakeOver, "t", "take over", "lets another run on this host end, to go on from what it left"),
    left_footer_binding(Browse, &[Char('r')], UserIntent::Again, "r", "again", "looks again"),
    left_footer_binding(Browse, &[Char('c')], UserIntent::Copy, "c", "copy", "copies what is to be copied, to the clipboard and to a file"),
    left_footer_binding(Browse, &[Char('x')], UserIntent::Diagnose403, "x", "why 403?", "finds out why clients get 403, by verifying all of it"),
    left_footer_binding(Browse, &[Char('e')], UserIntent::Explain, "e", "explain", "the manual step and the calls behind each line"),
    left_footer_binding(Browse, &[Char('l')], UserIntent::Log, "l", "log", "all that happened"),
    hidden_key_binding(Browse, &[Down, Char('j')], false, UserIntent::Move(CursorMove::Down)),
    hidden_key_binding(Browse, &[PageUp], false, UserIntent::Move(CursorMove::PageUp)),
    hidden_key_binding(Browse, &[PageDown, Char(' ')], false, UserIntent::Move(CursorMove::PageDown)),
    hidden_key_binding(Browse, &[Home], false, UserIntent::Move(CursorMove::Home)),
    hidden_key_binding(Browse, &[End], false, UserIntent::Move(CursorMove::End)),
    right_footer_binding(Browse, &[Char('D')], UserIntent::Disable, "D", "disable", "shows how CloudFront is switched off, and does it on Enter"),
    right_footer_binding(Browse, &[Char('?')], UserIntent::Help, "?", "help", "this page"),
    right_footer_binding(Browse, &[Char('q')], UserIntent::Quit, "q", "leave", "leaves; asks first while something runs"),
    hidden_key_binding(Browse, &[Char('c')], true, UserIntent::Interrupt),
    left_footer_binding(Ask, &[Char('y')], UserIntent::Yes, "y", "yes", "yes"),
    left_footer_binding(Ask, &[Char('n')], UserIntent::No, "n", "no", "no"),
    hidden_key_binding(Ask, &[Char('b'), Esc], false, UserIntent::Back),
    hidden_key_binding(Ask, &[Up], false, UserIntent::Move(CursorMove::Up)),
    hidden_key_binding(Ask, &[Down], false, UserIntent::Move(CursorMove::Down)),
    hidden_key_binding(Ask, &[PageUp], false, UserIntent::Move(CursorMove::PageUp)),
    hidden_key_binding(Ask, &[PageDown], false, UserIntent::Move(CursorMove::PageDown)),
    right_footer_binding(Ask, &[Char('D')], UserIntent::Disable, "D", "disable", ""),
    right_footer_binding(Ask, &[Char('q')], UserIntent::Quit, "q", "leave", ""),
    hidden_key_binding(Ask, &[Char('c')], true, UserIntent::Interrupt),
    left_footer_binding(Text, &[Enter], UserIntent::Next, "Enter", "done", "takes what was typed"),
    left_footer_binding(Text, &[Tab, Down], UserIntent::NextField, "Tab", "next field", "next field; letters are text, a paste goes into the field"),
    hidden_key_binding(Text, &[BackTab, Up], false, UserIntent::PreviousField),
    left_footer_binding(Text, &[Esc], UserIntent::Back, "Esc", "back", "closes the field"),
    hidden_key_binding(Text, &[Char('c')], true, UserIntent::Interrupt),
    hidden_key_binding(Text, &[Left], true, UserIntent::Edit(InputRequest::GoToPrevWord)),
    hidden_key_binding(Text, &[Right], true, UserIntent::Edit(InputRequest::GoToNextWord)),
    hidden_key_binding(Text, &[Left], false, UserIntent::Edit(InputRequest::GoToPrevChar)),
    hidden_key_binding(Text, &[Right], false, UserIntent::Edit(InputRequest::GoToNextChar)),
    hidden_key_binding(Text, &[Home], false, UserIntent::Edit(InputRequest::GoToStart)),
    hidden_key_binding(Text, &[End], false, UserIntent::Edit(InputRequest::GoToEnd)),
    hidden_key_binding(Text, &[Char('a')], true, UserIntent::Edit(InputRequest::GoToStart)),
    hidden_key_binding(Text, &[Char('e')], true, UserIntent::Edit(InputRequest::GoToEnd)),
    hidden_key_binding(Text, &[Backspace], false, UserIntent::Edit(InputRequest::DeletePrevChar)),
    hidden_key_binding(Text, &[Delete], false, UserIntent::Edit(InputRequest::DeleteNextChar)),
    hidden_key_binding(Text, &[Char('w'), Backspace], true, UserIntent::Edit(InputRequest::DeletePrevWord)),
    hidden_key_binding(Text, &[Char('u')], true, UserIntent::Edit(InputRequest::DeleteLine)),
    hidden_key_binding(Text, &[Char('k')], true, UserIntent::Edit(InputRequest::DeleteTillEnd)),
];

/// Returns what a key means in this mode.
#[must_use]
pub fn intent_from_key(mode: InputMode, key: KeyEvent) -> Option<UserIntent> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META);
    // shift is in the letter already
    let found = KEY_BINDINGS
        .iter()
        .find(|row| row.mode == mode && row.control == control && !alt && row.codes.contains(&key.code))
        .map(|row| row.intent);
    match (found, key.code) {
        (None, Char(letter)) if mode == Text && !control && !alt => {
            Some(UserIntent::Edit(InputRequest::InsertChar(letter)))
        }
        (found, _) => found,
    }
}

/// Lists what the footer shows now: key, label, and whether it stands at the right end.
#[must_use]
pub fn footer_entries(wizard: &Wizard) -> Vec<(&'static str, &'static str, bool)> {
    let mode = wizard.input_mode();
    KEY_BINDINGS
        .iter()
        .filter(|row| row.mode == mode && !row.key.is_empty())
        .filter_map(|row| match wizard.intent_availability(row.intent) {
            IntentAvailability::Hidden => None,
            IntentAvailability::Usual => Some((row.key, row.label, row.right)),
            IntentAvailability::As(label) => Some((row.key, label, row.right)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_event(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn letters_are_text_in_a_field_and_intents_outside() {
        assert_eq!(
            intent_from_key(Browse, key_event(Char('D'), KeyModifiers::SHIFT)),
            Some(UserIntent::Disable)
        );
        assert_eq!(
            intent_from_key(Text, key_event(Char('D'), KeyModifiers::SHIFT)),
            Some(UserIntent::Edit(InputRequest::InsertChar('D')))
        );
        assert_eq!(
            intent_from_key(Ask, key_event(Enter, KeyModifiers::NONE)),
            None,
            "Enter answers no question"
        );
        assert_eq!(intent_from_key(Browse, key_event(Char('d'), KeyModifiers::NONE)), None);
        assert_eq!(intent_from_key(Browse, key_event(Char('q'), KeyModifiers::ALT)), None);
        for mode in [Browse, Ask, Text] {
            assert_eq!(
                intent_from_key(mode, key_event(Char('c'), KeyModifiers::CONTROL)),
                Some(UserIntent::Interrupt)
            );
        }
    }

    #[test]
    fn no_key_means_two_things() {
        for (index, row) in KEY_BINDINGS.iter().enumerate() {
            for code in row.codes {
                let again = KEY_BINDINGS[index + 1..].iter().any(|other| {
                    other.mode == row.mode && other.control == row.control && other.codes.contains(code)
                });
                assert!(!again, "{code:?} stands twice");
            }
        }
    }

    #[test]
    fn a_released_key_says_nothing() {
        let released = KeyEvent::new_with_kind(Enter, KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(intent_from_key(Browse, released), None);
    }
}
