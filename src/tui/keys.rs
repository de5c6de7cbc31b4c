//! The one table of keys: which key says which intent, and what the footer and the help call it; the footer is printed from it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::InputRequest;

use crate::wizard::{
    Wizard,
    intent::{CursorMove, UserIntent, UserIntentAvailability, WizardInputMode},
};

/// One row of the table.
pub struct KeyBinding {
    pub mode: WizardInputMode,
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

const fn define_footer_key_at_left(
    mode: WizardInputMode,
    codes: &'static [KeyCode],
    intent: UserIntent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> KeyBinding {
    KeyBinding { mode, codes, control: false, intent, key, label, help, right: false }
}

const fn define_footer_key_at_right(
    mode: WizardInputMode,
    codes: &'static [KeyCode],
    intent: UserIntent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> KeyBinding {
    KeyBinding { mode, codes, control: false, intent, key, label, help, right: true }
}

/// A control key that the help names and the footer has no room for.
const fn define_help_key(
    code: &'static [KeyCode],
    intent: UserIntent,
    key: &'static str,
    help: &'static str,
) -> KeyBinding {
    KeyBinding { mode: Browse, codes: code, control: true, intent, key, label: "", help, right: false }
}

const fn define_hidden_key(
    mode: WizardInputMode,
    codes: &'static [KeyCode],
    control: bool,
    intent: UserIntent,
) -> KeyBinding {
    KeyBinding { mode, codes, control, intent, key: "", label: "", help: "", right: false }
}

use KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};
use WizardInputMode::{Ask, Browse, Text};

/// In the order of the footer.
#[rustfmt::skip] // a row a line: it is read as a table
pub const KEY_BINDINGS: &[KeyBinding] = &[
    define_footer_key_at_left(Browse, &[Enter], UserIntent::Next, "Enter", "continue", "continues; applies what the screen shows"),
    define_footer_key_at_left(Browse, &[Char('a')], UserIntent::Anyway, "a", "continue anyway", "continues despite a failed check"),
    define_footer_key_at_left(Browse, &[Char('s')], UserIntent::Skip, "s", "skip", "skips this, where that is safe"),
    define_footer_key_at_left(Browse, &[Char('p')], UserIntent::Pause, "p", "pause", "pauses, or continues"),
    define_footer_key_at_left(Browse, &[Char('g')], UserIntent::Ahead, "g", "go ahead", "shows the next stages; the reindex continues beside them"),
    define_footer_key_at_left(Browse, &[Char('o')], UserIntent::Stepwise, "o", "one by one", "runs one stage at a time, each with its own Enter"),
    define_footer_key_at_left(Browse, &[Char('b'), Esc], UserIntent::Back, "b", "back", "back; Esc does the same"),
    define_footer_key_at_left(Browse, &[Up, Char('k')], UserIntent::Move(CursorMove::Up), "↑↓", "scroll", "arrows, PgUp, PgDn, Home, End choose or scroll"),
    define_footer_key_at_left(Browse, &[Tab], UserIntent::Open, "Tab", "open", "opens the chosen line, or all checks that passed; closes them again"),
    define_footer_key_at_left(Browse, &[Char('v')], UserIntent::ToggleVendorReindex, "v", "vendor's too", "also runs packagecloud's own reindex-everything, yes or no"),
    define_footer_key_at_left(Browse, &[Char('w')], UserIntent::ToggleWholeFile, "w", "whole file", "restores the whole file, or only the four values"),
    define_footer_key_at_left(Browse, &[Char('u')], UserIntent::Probe, "u", "URL", "a download URL of packagecloud, to see where it redirects"),
    define_footer_key_at_left(Browse, &[Char('i')], UserIntent::Credentials, "i", "credentials", "a code or other keys, if AWS no longer accepts the credentials"),
    define_footer_key_at_left(Browse, &[Char('t')], UserIntent::TakeOver, "t", "take over", "asks another run on this host to end, and continues from what it left"),
    define_footer_key_at_left(Browse, &[Char('r')], UserIntent::Again, "r", "again", "looks again"),
    define_footer_key_at_left(Browse, &[Char('c')], UserIntent::Copy, "c", "copy", "copies the marked text to the clipboard and to a file"),
    define_footer_key_at_left(Browse, &[Char('x')], UserIntent::Diagnose403, "x", "why 403?", "finds out why clients get 403, by verifying everything; to explain one link, paste it on Home"),
    define_footer_key_at_left(Browse, &[Char('e')], UserIntent::Explain, "e", "documents", "what each line writes, the calls behind it, and the manual step that it replaces"),
    define_footer_key_at_left(Browse, &[Char('l')], UserIntent::Log, "l", "log", "everything that happened"),
    define_footer_key_at_left(Browse, &[Char('/')], UserIntent::Find, "/", "find", "finds a text on this page: the help, the log, the documents"),
    define_footer_key_at_left(Browse, &[Char('n')], UserIntent::FindNext, "n", "next", "the next place with that text"),
    define_footer_key_at_left(Browse, &[Char('N')], UserIntent::FindPrevious, "N", "previous", "the place before it"),
    define_hidden_key(Browse, &[Down, Char('j')], false, UserIntent::Move(CursorMove::Down)),
    define_hidden_key(Browse, &[PageUp], false, UserIntent::Move(CursorMove::PageUp)),
    define_hidden_key(Browse, &[PageDown, Char(' ')], false, UserIntent::Move(CursorMove::PageDown)),
    define_hidden_key(Browse, &[Home], false, UserIntent::Move(CursorMove::Home)),
    define_hidden_key(Browse, &[End], false, UserIntent::Move(CursorMove::End)),
    define_footer_key_at_right(Browse, &[Char('D')], UserIntent::Disable, "D", "disable", "shows how CloudFront is switched off, and does it on Enter"),
    define_footer_key_at_right(Browse, &[Char('?')], UserIntent::Help, "?", "help", "this page"),
    define_footer_key_at_right(Browse, &[Char('q')], UserIntent::Quit, "q", "leave", "leaves; asks first while something runs"),
    define_help_key(&[Char('l')], UserIntent::Redraw, "Ctrl-L", "draws the screen again"),
    define_help_key(&[Char('z')], UserIntent::Suspend, "Ctrl-Z", "back to the shell for a while; fg returns here"),
    KeyBinding { key: "Ctrl-C", ..define_hidden_key(Browse, &[Char('c')], true, UserIntent::Interrupt) },
    define_footer_key_at_left(Ask, &[Char('y')], UserIntent::Yes, "y", "yes", "yes"),
    define_footer_key_at_left(Ask, &[Char('n')], UserIntent::No, "n", "no", "no"),
    define_hidden_key(Ask, &[Char('b'), Esc], false, UserIntent::Back),
    define_hidden_key(Ask, &[Up], false, UserIntent::Move(CursorMove::Up)),
    define_hidden_key(Ask, &[Down], false, UserIntent::Move(CursorMove::Down)),
    define_hidden_key(Ask, &[PageUp], false, UserIntent::Move(CursorMove::PageUp)),
    define_hidden_key(Ask, &[PageDown], false, UserIntent::Move(CursorMove::PageDown)),
    define_footer_key_at_right(Ask, &[Char('D')], UserIntent::Disable, "D", "disable", ""),
    define_footer_key_at_right(Ask, &[Char('q')], UserIntent::Quit, "q", "leave", ""),
    define_hidden_key(Ask, &[Char('l')], true, UserIntent::Redraw),
    define_hidden_key(Ask, &[Char('z')], true, UserIntent::Suspend),
    define_hidden_key(Ask, &[Char('c')], true, UserIntent::Interrupt),
    define_footer_key_at_left(Text, &[Enter], UserIntent::Next, "Enter", "done", "takes what was typed"),
    define_footer_key_at_left(Text, &[Tab, Down], UserIntent::NextField, "Tab", "next field", "next field; letters are text, a paste goes into the field"),
    define_hidden_key(Text, &[BackTab, Up], false, UserIntent::PreviousField),
    define_footer_key_at_left(Text, &[Esc], UserIntent::Back, "Esc", "back", "closes the field"),
    define_hidden_key(Text, &[Char('l')], true, UserIntent::Redraw),
    define_hidden_key(Text, &[Char('z')], true, UserIntent::Suspend),
    define_hidden_key(Text, &[Char('c')], true, UserIntent::Interrupt),
    define_hidden_key(Text, &[Left], true, UserIntent::Edit(InputRequest::GoToPrevWord)),
    define_hidden_key(Text, &[Right], true, UserIntent::Edit(InputRequest::GoToNextWord)),
    define_hidden_key(Text, &[Left], false, UserIntent::Edit(InputRequest::GoToPrevChar)),
    define_hidden_key(Text, &[Right], false, UserIntent::Edit(InputRequest::GoToNextChar)),
    define_hidden_key(Text, &[Home], false, UserIntent::Edit(InputRequest::GoToStart)),
    define_hidden_key(Text, &[End], false, UserIntent::Edit(InputRequest::GoToEnd)),
    define_hidden_key(Text, &[Char('a')], true, UserIntent::Edit(InputRequest::GoToStart)),
    define_hidden_key(Text, &[Char('e')], true, UserIntent::Edit(InputRequest::GoToEnd)),
    define_hidden_key(Text, &[Backspace], false, UserIntent::Edit(InputRequest::DeletePrevChar)),
    define_hidden_key(Text, &[Delete], false, UserIntent::Edit(InputRequest::DeleteNextChar)),
    define_hidden_key(Text, &[Char('w'), Backspace], true, UserIntent::Edit(InputRequest::DeletePrevWord)),
    define_hidden_key(Text, &[Char('u')], true, UserIntent::Edit(InputRequest::DeleteLine)),
    define_hidden_key(Text, &[Char('k')], true, UserIntent::Edit(InputRequest::DeleteTillEnd)),
];

/// Returns what a key means in this mode.
#[must_use]
pub fn find_intent_for_key(mode: WizardInputMode, key: KeyEvent) -> Option<UserIntent> {
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

/// A key that does something now.
#[derive(Debug, Clone, Copy)]
pub struct OfferedKey {
    pub key: &'static str,
    /// What it does on this screen.
    pub label: &'static str,
    pub intent: UserIntent,
    /// It stands at the right end of the footer.
    pub right: bool,
}

/// Lists the keys that do something now, in the footer's order.
#[must_use]
pub fn list_offered_keys(wizard: &Wizard) -> Vec<OfferedKey> {
    let mode = wizard.current_wizard_input_mode();
    KEY_BINDINGS
        .iter()
        .filter(|row| row.mode == mode && !row.key.is_empty())
        .filter_map(|row| {
            let label = match wizard.intent_availability(row.intent) {
                UserIntentAvailability::Hidden => return None,
                UserIntentAvailability::Usual => row.label,
                UserIntentAvailability::As(label) => label,
            };
            (!label.is_empty()).then_some(OfferedKey {
                key: row.key,
                label,
                intent: row.intent,
                right: row.right,
            })
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
            find_intent_for_key(Browse, key_event(Char('D'), KeyModifiers::SHIFT)),
            Some(UserIntent::Disable)
        );
        assert_eq!(
            find_intent_for_key(Text, key_event(Char('D'), KeyModifiers::SHIFT)),
            Some(UserIntent::Edit(InputRequest::InsertChar('D')))
        );
        assert_eq!(
            find_intent_for_key(Ask, key_event(Enter, KeyModifiers::NONE)),
            None,
            "Enter answers no question"
        );
        assert_eq!(find_intent_for_key(Browse, key_event(Char('d'), KeyModifiers::NONE)), None);
        assert_eq!(find_intent_for_key(Browse, key_event(Char('q'), KeyModifiers::ALT)), None);
        for mode in [Browse, Ask, Text] {
            for (letter, intent) in
                [('c', UserIntent::Interrupt), ('l', UserIntent::Redraw), ('z', UserIntent::Suspend)]
            {
                assert_eq!(
                    find_intent_for_key(mode, key_event(Char(letter), KeyModifiers::CONTROL)),
                    Some(intent)
                );
            }
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
        assert_eq!(find_intent_for_key(Browse, released), None);
    }
}
