//! The one table of keys: which key says which intent, and what the footer and the help call it; the footer is printed from it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::InputRequest;

use crate::wizard::{
    Wizard,
    intent::{Intent, Mode, Move, Offer},
};

/// One row of the table.
pub struct Binding {
    pub mode: Mode,
    pub codes: &'static [KeyCode],
    /// With the control key.
    pub control: bool,
    pub intent: Intent,
    /// As the footer and the help print the key; empty is printed nowhere.
    pub key: &'static str,
    /// What the footer calls it where the screen has no word of its own.
    pub label: &'static str,
    /// What the help says of it.
    pub help: &'static str,
    /// In the footer, at its right end.
    pub right: bool,
}

const fn row(
    mode: Mode,
    codes: &'static [KeyCode],
    intent: Intent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding { mode, codes, control: false, intent, key, label, help, right: false }
}

const fn right(
    mode: Mode,
    codes: &'static [KeyCode],
    intent: Intent,
    key: &'static str,
    label: &'static str,
    help: &'static str,
) -> Binding {
    Binding { mode, codes, control: false, intent, key, label, help, right: true }
}

const fn hidden(mode: Mode, codes: &'static [KeyCode], control: bool, intent: Intent) -> Binding {
    Binding { mode, codes, control, intent, key: "", label: "", help: "", right: false }
}

use KeyCode::{
    BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};
use Mode::{Ask, Browse, Text};

/// In the order of the footer: what does not fit at the left is left out from its end.
#[rustfmt::skip] // a row a line: it is read as a table
pub const TABLE: &[Binding] = &[
    row(Browse, &[Enter], Intent::Next, "Enter", "go on", "goes on; applies what the screen shows"),
    row(Browse, &[Char('a')], Intent::Anyway, "a", "go on anyway", "goes on in spite of a failed check"),
    row(Browse, &[Char('s')], Intent::Skip, "s", "skip", "skips, where that is safe"),
    row(Browse, &[Char('p')], Intent::Pause, "p", "pause", "pauses, or goes on"),
    row(Browse, &[Char('g')], Intent::Ahead, "g", "go ahead", "goes ahead with the next stages while the reindex runs on"),
    row(Browse, &[Char('b'), Esc], Intent::Back, "b", "back", "back; Esc does the same"),
    row(Browse, &[Up, Char('k')], Intent::Move(Move::Up), "↑↓", "scroll", "arrows, PgUp, PgDn, Home, End choose or scroll"),
    row(Browse, &[Char('v')], Intent::Vendor, "v", "vendor's too", "packagecloud's own reindex-everything too, yes or no"),
    row(Browse, &[Char('w')], Intent::Whole, "w", "whole file", "restores the whole file, or the four values alone"),
    row(Browse, &[Char('u')], Intent::Probe, "u", "URL", "a download URL of packagecloud, to see its redirect by"),
    row(Browse, &[Char('i')], Intent::Credentials, "i", "credentials", "a code or other keys, where AWS no longer accepts the credentials"),
    row(Browse, &[Char('t')], Intent::TakeOver, "t", "take over", "lets another run on this host end, to go on from what it left"),
    row(Browse, &[Char('r')], Intent::Again, "r", "again", "looks again"),
    row(Browse, &[Char('c')], Intent::Copy, "c", "copy", "copies what is to be copied, to the clipboard and to a file"),
    row(Browse, &[Char('x')], Intent::Why, "x", "why 403?", "finds out why clients get 403, by verifying all of it"),
    row(Browse, &[Char('e')], Intent::Explain, "e", "explain", "the manual step and the calls behind each line"),
    row(Browse, &[Char('l')], Intent::Log, "l", "log", "all that happened"),
    hidden(Browse, &[Down, Char('j')], false, Intent::Move(Move::Down)),
    hidden(Browse, &[PageUp], false, Intent::Move(Move::PageUp)),
    hidden(Browse, &[PageDown, Char(' ')], false, Intent::Move(Move::PageDown)),
    hidden(Browse, &[Home], false, Intent::Move(Move::Home)),
    hidden(Browse, &[End], false, Intent::Move(Move::End)),
    right(Browse, &[Char('D')], Intent::Disable, "D", "disable", "shows how CloudFront is switched off, and does it on Enter"),
    right(Browse, &[Char('?')], Intent::Help, "?", "help", "this page"),
    right(Browse, &[Char('q')], Intent::Quit, "q", "leave", "leaves; asks first while something runs"),
    hidden(Browse, &[Char('c')], true, Intent::Interrupt),
    row(Ask, &[Char('y')], Intent::Yes, "y", "yes", "yes"),
    row(Ask, &[Char('n')], Intent::No, "n", "no", "no"),
    hidden(Ask, &[Char('b'), Esc], false, Intent::Back),
    hidden(Ask, &[Up], false, Intent::Move(Move::Up)),
    hidden(Ask, &[Down], false, Intent::Move(Move::Down)),
    hidden(Ask, &[PageUp], false, Intent::Move(Move::PageUp)),
    hidden(Ask, &[PageDown], false, Intent::Move(Move::PageDown)),
    right(Ask, &[Char('D')], Intent::Disable, "D", "disable", ""),
    right(Ask, &[Char('q')], Intent::Quit, "q", "leave", ""),
    hidden(Ask, &[Char('c')], true, Intent::Interrupt),
    row(Text, &[Enter], Intent::Next, "Enter", "done", "takes what was typed"),
    row(Text, &[Tab, Down], Intent::NextField, "Tab", "next field", "next field; letters are text, a paste goes into the field"),
    hidden(Text, &[BackTab, Up], false, Intent::PreviousField),
    row(Text, &[Esc], Intent::Back, "Esc", "back", "closes the field"),
    hidden(Text, &[Char('c')], true, Intent::Interrupt),
    hidden(Text, &[Left], true, Intent::Edit(InputRequest::GoToPrevWord)),
    hidden(Text, &[Right], true, Intent::Edit(InputRequest::GoToNextWord)),
    hidden(Text, &[Left], false, Intent::Edit(InputRequest::GoToPrevChar)),
    hidden(Text, &[Right], false, Intent::Edit(InputRequest::GoToNextChar)),
    hidden(Text, &[Home], false, Intent::Edit(InputRequest::GoToStart)),
    hidden(Text, &[End], false, Intent::Edit(InputRequest::GoToEnd)),
    hidden(Text, &[Char('a')], true, Intent::Edit(InputRequest::GoToStart)),
    hidden(Text, &[Char('e')], true, Intent::Edit(InputRequest::GoToEnd)),
    hidden(Text, &[Backspace], false, Intent::Edit(InputRequest::DeletePrevChar)),
    hidden(Text, &[Delete], false, Intent::Edit(InputRequest::DeleteNextChar)),
    hidden(Text, &[Char('w'), Backspace], true, Intent::Edit(InputRequest::DeletePrevWord)),
    hidden(Text, &[Char('u')], true, Intent::Edit(InputRequest::DeleteLine)),
    hidden(Text, &[Char('k')], true, Intent::Edit(InputRequest::DeleteTillEnd)),
];

/// What a key says in this mode.
#[must_use]
pub fn intent(mode: Mode, key: KeyEvent) -> Option<Intent> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META);
    // shift is in the letter already
    let found = TABLE
        .iter()
        .find(|row| row.mode == mode && row.control == control && !alt && row.codes.contains(&key.code))
        .map(|row| row.intent);
    match (found, key.code) {
        (None, Char(letter)) if mode == Text && !control && !alt => {
            Some(Intent::Edit(InputRequest::InsertChar(letter)))
        }
        (found, _) => found,
    }
}

/// What the footer shows now: key, label, and whether it stands at the right end.
#[must_use]
pub fn footer(wizard: &Wizard) -> Vec<(&'static str, &'static str, bool)> {
    let mode = wizard.mode();
    TABLE
        .iter()
        .filter(|row| row.mode == mode && !row.key.is_empty())
        .filter_map(|row| match wizard.offers(row.intent) {
            Offer::Hidden => None,
            Offer::Usual => Some((row.key, row.label, row.right)),
            Offer::As(label) => Some((row.key, label, row.right)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn letters_are_text_in_a_field_and_intents_outside() {
        assert_eq!(intent(Browse, press(Char('D'), KeyModifiers::SHIFT)), Some(Intent::Disable));
        assert_eq!(
            intent(Text, press(Char('D'), KeyModifiers::SHIFT)),
            Some(Intent::Edit(InputRequest::InsertChar('D')))
        );
        assert_eq!(intent(Ask, press(Enter, KeyModifiers::NONE)), None, "Enter answers no question");
        assert_eq!(intent(Browse, press(Char('d'), KeyModifiers::NONE)), None);
        assert_eq!(intent(Browse, press(Char('q'), KeyModifiers::ALT)), None);
        for mode in [Browse, Ask, Text] {
            assert_eq!(intent(mode, press(Char('c'), KeyModifiers::CONTROL)), Some(Intent::Interrupt));
        }
    }

    #[test]
    fn no_key_means_two_things() {
        for (index, row) in TABLE.iter().enumerate() {
            for code in row.codes {
                let again = TABLE[index + 1..].iter().any(|other| {
                    other.mode == row.mode && other.control == row.control && other.codes.contains(code)
                });
                assert!(!again, "{code:?} stands twice");
            }
        }
    }

    #[test]
    fn a_released_key_says_nothing() {
        let released = KeyEvent::new_with_kind(Enter, KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(intent(Browse, released), None);
    }
}
