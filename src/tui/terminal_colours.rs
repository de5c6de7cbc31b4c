//! Which colours the terminal has: how many, by the environment and its description, and whether on dark or on light, by
//! its answer to OSC 11 or by `COLORFGBG`.

use super::{
    colour_contrast::RgbColour,
    terminfo::read_terminfo_colour_count,
    theme::{ColourDepth, TerminalBackground, Theme},
};
use crate::model::display_charset::choose_display_charset;

/// Terminals that show 256 colours, by the beginning of their TERM: over ssh their description is often not installed.
const TERMS_WITH_256_COLOURS: [&str; 8] =
    ["xterm-kitty", "xterm-ghostty", "ghostty", "alacritty", "foot", "wezterm", "contour", "rio"];

/// Makes the theme that the environment asks for: no colour with NO_COLOR (<https://no-color.org>), sixteen where nothing
/// promises more, and dark until the terminal says otherwise.
#[must_use]
pub fn choose_theme_for_environment(variable: impl Fn(&str) -> Option<String> + Copy) -> Theme {
    let background =
        variable("COLORFGBG").and_then(|value| parse_colorfgbg(&value)).unwrap_or(TerminalBackground::Dark);
    Theme::for_terminal(choose_colour_depth(variable), background, choose_display_charset(variable))
}

fn choose_colour_depth(variable: impl Fn(&str) -> Option<String> + Copy) -> ColourDepth {
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return ColourDepth::None;
    }
    let term = variable("TERM").unwrap_or_default();
    let promises_true_colour =
        variable("COLORTERM").is_some_and(|value| matches!(value.as_str(), "truecolor" | "24bit"));
    let by_name = term.ends_with("256color")
        || term.ends_with("-direct")
        || TERMS_WITH_256_COLOURS.iter().any(|name| term.starts_with(name));
    if promises_true_colour || by_name {
        return ColourDepth::TwoHundredFiftySix;
    }
    match read_terminfo_colour_count(&term, variable) {
        Some(256..) => ColourDepth::TwoHundredFiftySix,
        None if term.is_empty() || term == "dumb" || term.starts_with("vt") => ColourDepth::None,
        // Eight are told of terminals that have long had sixteen, and of none that can't show bold.
        _ => ColourDepth::Sixteen,
    }
}

/// Reads `15;0` or `15;default;0`, which rxvt and Konsole set: the last is the background's place among the sixteen.
fn parse_colorfgbg(value: &str) -> Option<TerminalBackground> {
    match value.rsplit(';').next()?.parse::<u8>().ok()? {
        7 | 9..=15 => Some(TerminalBackground::Light),
        0..=6 | 8 => Some(TerminalBackground::Dark),
        _ => None,
    }
}

/// Reads what a terminal answers to OSC 11, without what frames it: `11;rgb:1e1e/1e1e/1e1e`, with one to four digits a part.
#[must_use]
pub fn parse_background_reply(reply: &str) -> Option<RgbColour> {
    let parts = reply.strip_prefix("11;rgb:").or_else(|| reply.strip_prefix("11;rgba:"))?;
    let mut colours = parts.split('/').map(|part| {
        let value = u32::from_str_radix(part, 16).ok().filter(|_| (1..=4).contains(&part.len()))?;
        let highest = (1_u32 << (4 * part.len())) - 1;
        u8::try_from(value * 255 / highest).ok()
    });
    let colour = RgbColour(colours.next()??, colours.next()??, colours.next()??);
    Some(colour)
}

/// Tells whether a terminal may be asked for its background: the Linux console and plain hardware terminals take the question
/// for something else.
#[must_use]
pub fn may_answer_background_query(term: &str) -> bool {
    !(term.is_empty()
        || ["dumb", "linux", "vt", "ansi", "cons", "screen.linux", "sun", "wyse"]
            .iter()
            .any(|name| term.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::display_charset::DisplayCharset;

    #[test]
    fn the_environment_says_how_many_colours() {
        use ColourDepth::{None, Sixteen, TwoHundredFiftySix};
        for (variables, expected) in [
            (&[("TERM", "xterm-256color")][..], TwoHundredFiftySix),
            (&[("TERM", "xterm-ghostty")], TwoHundredFiftySix),
            (&[("TERM", "nothing-known"), ("COLORTERM", "truecolor")], TwoHundredFiftySix),
            (&[("TERM", "nothing-known")], Sixteen),
            (&[("TERM", "nothing-known"), ("COLORTERM", "yes")], Sixteen),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], None),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], TwoHundredFiftySix),
            (&[("TERM", "dumb")], None),
            (&[], None),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(choose_colour_depth(variable), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_background_is_dark_until_something_says_light() {
        for (value, expected) in [
            (Some("0;15"), TerminalBackground::Light),
            (Some("0;default;15"), TerminalBackground::Light),
            (Some("15;0"), TerminalBackground::Dark),
            (Some("12;8"), TerminalBackground::Dark),
            (Some("default;default"), TerminalBackground::Dark),
            (None, TerminalBackground::Dark),
        ] {
            let variable = |name: &str| (name == "COLORFGBG").then_some(value?.to_owned());
            let theme = choose_theme_for_environment(variable);
            assert_eq!((theme.background, theme.charset), (expected, DisplayCharset::Ascii), "{value:?}");
        }
    }

    #[test]
    fn a_terminals_answer_is_read_in_each_of_its_forms() {
        for (reply, expected) in [
            ("11;rgb:1e1e/2020/ffff", Some(RgbColour(0x1e, 0x20, 0xff))),
            ("11;rgb:1e/20/ff", Some(RgbColour(0x1e, 0x20, 0xff))),
            ("11;rgba:ffff/ffff/ffff/8080", Some(RgbColour(255, 255, 255))),
            ("11;rgb:fff/000/f", Some(RgbColour(255, 0, 255))),
            ("11;rgb:fffff/0/0", None),
            ("11;rgb:ff/ff", None),
            ("10;rgb:ff/ff/ff", None),
            ("11;?", None),
        ] {
            assert_eq!(parse_background_reply(reply), expected, "{reply}");
        }
        for (term, asked) in
            [("xterm-256color", true), ("tmux", true), ("linux", false), ("vt220", false), ("", false)]
        {
            assert_eq!(may_answer_background_query(term), asked, "{term}");
        }
    }
}
