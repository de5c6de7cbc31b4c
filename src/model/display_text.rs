//! Text from outside as it may be shown: nothing in it steers a terminal, or turns the direction in which it is read.

use std::borrow::Cow;

/// Tells whether a character does something to the screen instead of being shown: a control character, a mark that
/// turns the direction of reading, a line separator that isn't a newline.
#[must_use]
pub fn is_display_control(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        )
}

/// Writes every such character as `\uXXXX`, which JSON reads as the same character. Newlines and tabs stay, and a
/// carriage return before a newline goes.
#[must_use]
pub fn escape_display_controls(text: &str) -> Cow<'_, str> {
    let passes = |letter: char| matches!(letter, '\n' | '\t') || !is_display_control(letter);
    if text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if passes(letter) {
            shown.push(letter);
        } else if letter != '\r' || letters.peek() != Some(&'\n') {
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out_and_nothing_else_is() {
        for (text, shown) in [
            ("plain ✓ 日本語 é\n\tnext", "plain ✓ 日本語 é\n\tnext"),
            ("x\u{1b}]52;c;ZXZpbA==\u{7}", "x\\u001b]52;c;ZXZpbA==\\u0007"),
            ("a\u{9b}2Jb\u{7f}", "a\\u009b2Jb\\u007f"),
            ("gpj.\u{202e}exe\u{2069}\u{200f}\u{61c}", "gpj.\\u202eexe\\u2069\\u200f\\u061c"),
            ("one\r\ntwo\rthree", "one\ntwo\\u000dthree"),
            ("a\u{2028}b", "a\\u2028b"),
        ] {
            assert_eq!(escape_display_controls(text), shown);
        }
        assert!(matches!(escape_display_controls("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_json_line_stays_the_same_json() {
        let value = serde_json::json!({"why": "a\u{1b}[2J\u{9b}\u{7f}\u{202e}b\r\n"});
        let line = value.to_string();
        let shown = escape_display_controls(&line);
        assert!(!shown.chars().any(is_display_control), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
