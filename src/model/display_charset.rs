//! Which letters a terminal shows: all of Unicode, or ASCII alone; and the one table of what stands for a mark, a bar or a
//! rule where only ASCII is shown.

use std::borrow::Cow;

/// What may be written to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DisplayCharset {
    #[default]
    Unicode,
    /// No byte over 126.
    Ascii,
}

/// What stands for each symbol of this program where only ASCII is shown; the longer symbol first.
///
/// Signs of a state stay one column wide and differ from each other. What is longer takes its columns from the blanks
/// behind it.
const ASCII_SYMBOLS: &[(&str, &str)] = &[
    ("↑↓", "arrows"),
    ("─▸", "->"),
    ("✓", "v"),
    ("✗", "x"),
    ("▸", ">"),
    ("»", ">"),
    ("●", "*"),
    ("◐", "%"),
    ("○", "o"),
    ("‖", "="),
    ("·", "."),
    ("–", "-"),
    ("—", "-"),
    ("−", "-"),
    ("…", "..."),
    ("→", "->"),
    ("←", "<-"),
    ("↑", "^"),
    ("↓", "v"),
    ("↳", "`"),
    ("─", "-"),
    ("━", "="),
    ("│", "|"),
    ("├", "|"),
    ("└", "`"),
    ("┌", ","),
    ("┐", "."),
    ("┘", "'"),
    ("┴", "-"),
    ("┬", "-"),
    ("•", "*"),
    ("×", "x"),
    ("≥", ">="),
    ("≤", "<="),
    ("≈", "~"),
    ("“", "\""),
    ("”", "\""),
    ("„", "\""),
    ("‘", "'"),
    ("’", "'"),
    ("\u{a0}", " "),
    ("⠋", "|"),
    ("⠙", "/"),
    ("⠹", "-"),
    ("⠸", "\\"),
    ("⠼", "|"),
    ("⠴", "/"),
    ("⠦", "-"),
    ("⠧", "\\"),
    ("▁", "_"),
    ("▂", "."),
    ("▃", "-"),
    ("▄", "="),
    ("▅", "+"),
    ("▆", "*"),
    ("▇", "%"),
    ("█", "#"),
];

/// Tells what a terminal shows by the variables that say so: `LC_ALL`, `LC_CTYPE` and `LANG`, of which the first that isn't
/// empty counts, and `TERM`. Linux's own console has a font of 512 glyphs at most, without most of the marks.
#[must_use]
pub fn choose_display_charset(variable: impl Fn(&str) -> Option<String>) -> DisplayCharset {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    let is_linux_console = variable("TERM").is_some_and(|term| term == "linux" || term.starts_with("linux-"));
    if is_utf8 && !is_linux_console { DisplayCharset::Unicode } else { DisplayCharset::Ascii }
}

/// Writes text with the letters that are shown: symbols by the one table, every other letter as `\uXXXX`, which JSON reads
/// as the same letter.
#[must_use]
pub fn render_in_display_charset(text: &str, charset: DisplayCharset) -> Cow<'_, str> {
    if charset == DisplayCharset::Unicode || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    // Columns that a symbol's longer name has taken, and that the blanks behind it give back.
    let mut borrowed = 0_usize;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        if spaces > 0 {
            let given_back = borrowed.min(spaces - 1);
            shown.extend(std::iter::repeat_n(' ', spaces - given_back));
            borrowed -= given_back;
            rest = &rest[spaces..];
        } else if letter.is_ascii() {
            shown.push(letter);
            rest = &rest[1..];
        } else if let Some((symbol, ascii)) =
            ASCII_SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol))
        {
            // Between words it is a dash; before them it is the sign of what is still to come.
            let separates =
                *symbol == "·" && !shown.trim_end_matches(' ').is_empty() && rest.starts_with("· ");
            let separates = separates && shown.ends_with(' ') && !shown.ends_with("  ");
            shown.push_str(if separates { "-" } else { ascii });
            borrowed += ascii.len() - symbol.chars().count().min(ascii.len());
            rest = &rest[symbol.len()..];
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_and_the_linux_console_say_what_is_shown() {
        use DisplayCharset::{Ascii, Unicode};
        for (variables, expected) in [
            (&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")][..], Unicode),
            (&[("LANG", "C.utf8")], Unicode),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], Unicode),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], Ascii),
            (&[("LC_CTYPE", "de_DE.ISO-8859-1"), ("LANG", "en_US.UTF-8")], Ascii),
            (&[("LANG", "en_US.UTF-8"), ("TERM", "linux")], Ascii),
            (&[("LANG", "en_US.UTF-8"), ("TERM", "linux-16color")], Ascii),
            (&[], Ascii),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(choose_display_charset(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn ascii_has_no_byte_over_126_and_keeps_columns_where_there_are_blanks() {
        for (text, shown) in [
            ("✓ Secret · new", "v Secret - new"),
            ("   · bucket policy", "   . bucket policy"),
            ("acme-pa…   us-east-1", "acme-pa... us-east-1"),
            ("a → b", "a -> b"),
            ("Zürich 日本 😀", "Z\\u00fcrich \\u65e5\\u672c \\ud83d\\ude00"),
            ("━━━───", "===---"),
            ("plain", "plain"),
        ] {
            assert_eq!(render_in_display_charset(text, DisplayCharset::Ascii), shown);
            assert_eq!(render_in_display_charset(text, DisplayCharset::Unicode), text);
        }
        assert!(ASCII_SYMBOLS.iter().all(|(_, ascii)| ascii.bytes().all(|byte| (32..127).contains(&byte))));
    }

    #[test]
    fn what_is_escaped_is_the_same_to_json() {
        let shown = render_in_display_charset("\"Zürich 😀\"", DisplayCharset::Ascii);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), "Zürich 😀");
    }
}
