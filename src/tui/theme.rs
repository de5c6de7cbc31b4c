//! Colours and marks: one accent, green, yellow, red and a grey, read well on dark and on light; nothing is said by colour alone.
//!
//! Of 256 colours those are taken that every terminal shows alike (from 16 on). Of the sixteen, whose look is each terminal's
//! own, only those that are read well in every common palette; the attribute "dim" is used nowhere, since nobody knows how
//! dim it is.

use ratatui::style::{Color, Modifier, Style};

use super::colour_contrast::{RgbColour, relative_luminance};
use crate::model::display_charset::DisplayCharset;

/// How many colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourDepth {
    None,
    Sixteen,
    TwoHundredFiftySix,
}

/// What the colours are drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalBackground {
    Dark,
    Light,
}

impl TerminalBackground {
    /// Returns the one whose colours are read better on `background`: the luminance at which black and white text are read alike well.
    #[must_use]
    pub fn from_background_colour(background: RgbColour) -> Self {
        // (L + 0.05) / 0.05 = 1.05 / (L + 0.05)
        if relative_luminance(background) > 0.179 { Self::Light } else { Self::Dark }
    }
}

/// The styles of everything that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub plain: Style,
    pub dim: Style,
    pub strong: Style,
    pub accent: Style,
    pub title: Style,
    /// What is done, seen, added.
    pub good: Style,
    /// What needs a person, or becomes another.
    pub warn: Style,
    /// What failed.
    pub failed: Style,
    /// What is taken away.
    pub removed: Style,
    /// The banner, and what a cursor stands on.
    pub banner: Style,
    pub depth: ColourDepth,
    pub background: TerminalBackground,
    /// Which letters the terminal shows.
    pub charset: DisplayCharset,
}

/// The colours of one set; none where no colour of the set is read well.
struct ThemeColours {
    accent: Option<Color>,
    good: Option<Color>,
    warn: Option<Color>,
    failed: Option<Color>,
    dim: Option<Color>,
    /// Whether bold text keeps its colour: many terminals show a bold one of the first eight as one of the second eight.
    bold: bool,
}

impl ThemeColours {
    fn choose_theme_colours(depth: ColourDepth, background: TerminalBackground) -> Self {
        let indexed = |[accent, good, warn, failed, dim]: [u8; 5]| Self {
            accent: Some(Color::Indexed(accent)),
            good: Some(Color::Indexed(good)),
            warn: Some(Color::Indexed(warn)),
            failed: Some(Color::Indexed(failed)),
            dim: Some(Color::Indexed(dim)),
            bold: true,
        };
        match (depth, background) {
            (ColourDepth::None, _) => {
                Self { accent: None, good: None, warn: None, failed: None, dim: None, bold: true }
            }
            (ColourDepth::TwoHundredFiftySix, TerminalBackground::Dark) => indexed([81, 114, 221, 210, 249]),
            (ColourDepth::TwoHundredFiftySix, TerminalBackground::Light) => indexed([24, 22, 94, 124, 240]),
            (ColourDepth::Sixteen, TerminalBackground::Dark) => Self {
                accent: Some(Color::LightCyan),
                good: Some(Color::LightGreen),
                warn: Some(Color::LightYellow),
                failed: Some(Color::LightRed),
                dim: Some(Color::Gray),
                bold: true,
            },
            (ColourDepth::Sixteen, TerminalBackground::Light) => Self {
                accent: Some(Color::Blue),
                // Green, yellow and grey of the sixteen are too pale on white.
                good: None,
                warn: None,
                failed: Some(Color::Red),
                dim: None,
                bold: false,
            },
        }
    }
}

impl Theme {
    /// Makes the styles for a terminal.
    #[must_use]
    pub fn for_terminal(depth: ColourDepth, background: TerminalBackground, charset: DisplayCharset) -> Self {
        let colours = ThemeColours::choose_theme_colours(depth, background);
        let plain = Style::new();
        let strong = plain.add_modifier(Modifier::BOLD);
        let coloured = |colour: Option<Color>| colour.map_or(plain, |colour| plain.fg(colour));
        let emphasized = |colour: Option<Color>| match colour {
            Some(colour) if colours.bold => strong.fg(colour),
            Some(colour) => plain.fg(colour),
            None => strong,
        };
        Self {
            plain,
            dim: coloured(colours.dim),
            strong,
            accent: if colours.accent.is_some() { coloured(colours.accent) } else { strong },
            title: emphasized(colours.accent),
            good: coloured(colours.good),
            warn: emphasized(colours.warn),
            failed: emphasized(colours.failed),
            removed: coloured(colours.failed),
            banner: emphasized(colours.accent).add_modifier(Modifier::REVERSED),
            depth,
            background,
            charset,
        }
    }

    /// Makes the styles of a dark terminal with 256 colours, or those without colour.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        let depth = if colour { ColourDepth::TwoHundredFiftySix } else { ColourDepth::None };
        Self::for_terminal(depth, TerminalBackground::Dark, DisplayCharset::Unicode)
    }

    /// Returns the same on another background.
    #[must_use]
    pub fn on_background(self, background: TerminalBackground) -> Self {
        Self::for_terminal(self.depth, background, self.charset)
    }
}

pub const DONE_MARK: &str = "✓";
pub const FAILED_MARK: &str = "✗";
pub const UNKNOWN_MARK: &str = "?";
/// What needs a person.
pub const ATTENTION_MARK: &str = "!";
pub const HERE_MARK: &str = "▸";
pub const TODO_MARK: &str = "·";
pub const SKIPPED_MARK: &str = "–";
pub const PAUSED_MARK: &str = "‖";

/// Returns one frame of the sign that something runs, by how long it has run.
#[must_use]
pub fn spinner_frame(elapsed: std::time::Duration) -> &'static str {
    const SPINNER_FRAMES: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"];
    SPINNER_FRAMES[(elapsed.as_millis() / 100 % 8) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::display_charset::render_in_display_charset,
        tui::colour_contrast::{contrast_ratio, indexed_colour_to_rgb},
    };

    /// What WCAG asks of text (criterion 1.4.3).
    const LEAST_CONTRAST: f64 = 4.5;

    /// Backgrounds that terminals and their common colour schemes have: xterm, Windows Terminal, VS Code, gruvbox, Dracula,
    /// Solarized, Nord, Ubuntu; then white, One Light, Solarized, Catppuccin Latte, gruvbox.
    const DARK_BACKGROUNDS: [u32; 8] =
        [0x00_0000, 0x0c_0c0c, 0x1e_1e1e, 0x28_2828, 0x28_2a36, 0x00_2b36, 0x2e_3440, 0x30_0a24];
    const LIGHT_BACKGROUNDS: [u32; 5] = [0xff_ffff, 0xfa_fafa, 0xfd_f6e3, 0xef_f1f5, 0xfb_f1c7];

    /// The sixteen colours as xterm, the Linux console and Windows Terminal (Campbell) show them; black and white first of all
    /// are what is drawn on.
    const SIXTEEN_COLOURS: [[u32; 16]; 3] = [
        [
            0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5,
            0x7f_7f7f, 0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
        ],
        [
            0x00_0000, 0xaa_0000, 0x00_aa00, 0xaa_5500, 0x00_00aa, 0xaa_00aa, 0x00_aaaa, 0xaa_aaaa,
            0x55_5555, 0xff_5555, 0x55_ff55, 0xff_ff55, 0x55_55ff, 0xff_55ff, 0x55_ffff, 0xff_ffff,
        ],
        [
            0x0c_0c0c, 0xc5_0f1f, 0x13_a10e, 0xc1_9c00, 0x00_37da, 0x88_1798, 0x3a_96dd, 0xcc_cccc,
            0x76_7676, 0xe7_4856, 0x16_c60c, 0xf9_f1a5, 0x3b_78ff, 0xb4_009e, 0x61_d6d6, 0xf2_f2f2,
        ],
    ];

    fn rgb(hex: u32) -> RgbColour {
        let [_, red, green, blue] = hex.to_be_bytes();
        RgbColour(red, green, blue)
    }

    fn named_styles(theme: &Theme) -> [(&'static str, Style); 10] {
        [
            ("plain", theme.plain),
            ("dim", theme.dim),
            ("strong", theme.strong),
            ("accent", theme.accent),
            ("title", theme.title),
            ("good", theme.good),
            ("warn", theme.warn),
            ("failed", theme.failed),
            ("removed", theme.removed),
            ("banner", theme.banner),
        ]
    }

    /// The place of one of the sixteen, as it is shown: a bold one of the first eight is often shown as one of the second.
    fn shown_places(style: Style) -> Vec<usize> {
        let place = match style.fg {
            Some(Color::Red) => 1,
            Some(Color::Blue) => 4,
            Some(Color::Gray) => 7,
            Some(Color::LightRed) => 9,
            Some(Color::LightGreen) => 10,
            Some(Color::LightYellow) => 11,
            Some(Color::LightCyan) => 14,
            Some(other) => panic!("{other:?} was never measured"),
            None => return Vec::new(),
        };
        let is_bold = style.add_modifier.contains(Modifier::BOLD);
        if is_bold && place < 8 { vec![place, place + 8] } else { vec![place] }
    }

    #[test]
    fn every_pair_of_colours_is_read_well() {
        let backgrounds = [
            (TerminalBackground::Dark, &DARK_BACKGROUNDS[..]),
            (TerminalBackground::Light, &LIGHT_BACKGROUNDS[..]),
        ];
        for (background, colours) in backgrounds {
            let theme =
                Theme::for_terminal(ColourDepth::TwoHundredFiftySix, background, DisplayCharset::Unicode);
            for (name, style) in named_styles(&theme) {
                assert_eq!(style.bg, None, "{name} is drawn on the terminal's own background");
                let Some(Color::Indexed(index)) = style.fg else {
                    assert_eq!(
                        style.fg, None,
                        "{name} is the terminal's own colour, or one that all show alike"
                    );
                    continue;
                };
                let colour =
                    indexed_colour_to_rgb(index).expect("terminals show the first sixteen each in their way");
                for on in colours {
                    let ratio = contrast_ratio(colour, rgb(*on));
                    assert!(ratio >= LEAST_CONTRAST, "{background:?} {name} on {on:06x}: {ratio:.2}");
                }
            }
            let theme = Theme::for_terminal(ColourDepth::Sixteen, background, DisplayCharset::Unicode);
            for palette in SIXTEEN_COLOURS {
                let on = if background == TerminalBackground::Dark { palette[0] } else { 0xff_ffff };
                for (name, style) in named_styles(&theme) {
                    assert_eq!(style.bg, None, "{name} is drawn on the terminal's own background");
                    for place in shown_places(style) {
                        let ratio = contrast_ratio(rgb(palette[place]), rgb(on));
                        assert!(
                            ratio >= LEAST_CONTRAST,
                            "{background:?} {name} {place} on {on:06x}: {ratio:.2}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_drawn_dim_and_without_colour_there_is_none() {
        for depth in [ColourDepth::None, ColourDepth::Sixteen, ColourDepth::TwoHundredFiftySix] {
            for background in [TerminalBackground::Dark, TerminalBackground::Light] {
                let theme = Theme::for_terminal(depth, background, DisplayCharset::Unicode);
                for (name, style) in named_styles(&theme) {
                    assert!(!style.add_modifier.contains(Modifier::DIM), "{depth:?} {name}");
                    assert!(depth != ColourDepth::None || style.fg.is_none(), "{name} has a colour");
                }
            }
        }
    }

    #[test]
    fn every_state_has_a_sign_of_its_own_in_either_charset() {
        let signs = [
            DONE_MARK,
            FAILED_MARK,
            UNKNOWN_MARK,
            ATTENTION_MARK,
            HERE_MARK,
            TODO_MARK,
            SKIPPED_MARK,
            PAUSED_MARK,
        ];
        for charset in [DisplayCharset::Unicode, DisplayCharset::Ascii] {
            let mut shown: Vec<_> =
                signs.iter().map(|sign| render_in_display_charset(sign, charset)).collect();
            assert!(shown.iter().all(|sign| sign.chars().count() == 1), "{shown:?}");
            shown.sort();
            shown.dedup();
            assert_eq!(shown.len(), signs.len(), "{shown:?}");
        }
    }

    #[test]
    fn a_background_gets_the_colours_that_are_read_better_on_it() {
        for (hex, expected) in [
            (0x00_0000, TerminalBackground::Dark),
            (0x2e_3440, TerminalBackground::Dark),
            (0xfd_f6e3, TerminalBackground::Light),
            (0xff_ffff, TerminalBackground::Light),
        ] {
            assert_eq!(TerminalBackground::from_background_colour(rgb(hex)), expected, "{hex:06x}");
        }
    }
}
