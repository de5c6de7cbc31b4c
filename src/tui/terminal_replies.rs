//! The terminal's answer to OSC 11, taken out from among the keys that it comes as.
//!
//! The answer comes when it comes, over a slow line after the first keys. To crossterm it is Alt-] and letters, of which some
//! are keys of the wizard. So whatever begins as the answer does is held until it is known to be one; what isn't goes on as
//! it was typed.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::{colour_contrast::RgbColour, terminal_colours::parse_background_reply};

/// The longest answer, with room: `11;rgba:ffff/ffff/ffff/ffff`.
const REPLY_LETTERS_MAX: usize = 40;
const REPLY_BEGINNINGS: [&str; 2] = ["11;rgb:", "11;rgba:"];

/// What comes of an event.
#[derive(Debug, PartialEq)]
pub enum FilteredInput {
    /// These are for the wizard, in this order; none where one is held.
    Events(Vec<Event>),
    /// The terminal named its background.
    Background(RgbColour),
}

/// Holds what may be the answer.
#[derive(Debug, Default)]
pub struct BackgroundReplyFilter {
    held: Vec<Event>,
    letters: String,
}

impl BackgroundReplyFilter {
    /// Takes the next event, and says what is known by now.
    pub fn filter_terminal_event(&mut self, event: Event) -> FilteredInput {
        let Event::Key(key) = &event else { return self.release_held_events(Some(event)) };
        if self.held.is_empty() {
            if !is_key_with(key, ']', KeyModifiers::ALT) {
                return FilteredInput::Events(vec![event]);
            }
            self.held.push(event);
            return FilteredInput::Events(Vec::new());
        }
        // ESC \ or BEL
        if is_key_with(key, '\\', KeyModifiers::ALT) || is_key_with(key, 'g', KeyModifiers::CONTROL) {
            if let Some(colour) = parse_background_reply(&self.letters) {
                self.held.clear();
                self.letters.clear();
                return FilteredInput::Background(colour);
            }
            return self.release_held_events(Some(event));
        }
        let KeyCode::Char(letter) = key.code else { return self.release_held_events(Some(event)) };
        self.letters.push(letter);
        self.held.push(event);
        let letters = self.letters.as_str();
        let may_be_one = letters.len() <= REPLY_LETTERS_MAX
            && REPLY_BEGINNINGS.iter().any(|start| start.starts_with(letters) || letters.starts_with(start));
        if may_be_one { FilteredInput::Events(Vec::new()) } else { self.release_held_events(None) }
    }

    fn release_held_events(&mut self, last: Option<Event>) -> FilteredInput {
        self.letters.clear();
        let mut events = std::mem::take(&mut self.held);
        events.extend(last);
        FilteredInput::Events(events)
    }
}

fn is_key_with(key: &KeyEvent, letter: char, modifiers: KeyModifiers) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers == modifiers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events that crossterm makes of these letters: `⎋` is Alt with the next letter, `⌃` Control.
    fn type_letters(text: &str) -> Vec<Event> {
        let mut modifiers = KeyModifiers::NONE;
        let mut events = Vec::new();
        for letter in text.chars() {
            match letter {
                '⎋' => modifiers = KeyModifiers::ALT,
                '⌃' => modifiers = KeyModifiers::CONTROL,
                _ => {
                    let with = std::mem::replace(&mut modifiers, KeyModifiers::NONE);
                    events.push(Event::Key(KeyEvent::new(KeyCode::Char(letter), with)));
                }
            }
        }
        events
    }

    fn filter_letters(text: &str) -> (Vec<Event>, Option<RgbColour>) {
        let mut filter = BackgroundReplyFilter::default();
        let (mut passed, mut background) = (Vec::new(), None);
        for event in type_letters(text) {
            match filter.filter_terminal_event(event) {
                FilteredInput::Events(events) => passed.extend(events),
                FilteredInput::Background(colour) => background = Some(colour),
            }
        }
        (passed, background)
    }

    #[test]
    fn the_answer_is_no_key_and_whatever_isnt_one_goes_on_as_it_was_typed() {
        let white = Some(RgbColour(255, 255, 255));
        for (typed, passes, background) in [
            ("⎋]11;rgb:ffff/ffff/ffff⎋\\", "", white),
            ("⎋]11;rgb:ffff/ffff/ffff⌃g", "", white),
            ("ab⎋]11;rgb:ff/ff/ff⎋\\cd", "abcd", white),
            ("⎋]x", "⎋]x", None),
            ("⎋]11;q", "⎋]11;q", None),
            ("⎋]11;rgb:zz⎋\\D", "⎋]11;rgb:zz⎋\\D", None),
            ("D", "D", None),
        ] {
            assert_eq!(filter_letters(typed), (type_letters(passes), background), "{typed}");
        }
        let endless = format!("⎋]11;rgb:{}", "f".repeat(99));
        assert_eq!(filter_letters(&endless).0, type_letters(&endless), "nothing is held for ever");
    }

    #[test]
    fn a_resize_in_its_midst_is_not_held_back() {
        let mut filter = BackgroundReplyFilter::default();
        for event in type_letters("⎋]11") {
            assert_eq!(filter.filter_terminal_event(event), FilteredInput::Events(Vec::new()));
        }
        let FilteredInput::Events(events) = filter.filter_terminal_event(Event::Resize(80, 24)) else {
            panic!("a resize is no answer")
        };
        assert_eq!(events.len(), 4);
    }
}
