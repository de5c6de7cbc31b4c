//! Colours and marks: one accent, red for what failed, and nothing that is said by colour alone.

use ratatui::style::{Color, Modifier, Style};

/// The styles of everything that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub plain: Style,
    pub dim: Style,
    pub strong: Style,
    pub accent: Style,
    pub title: Style,
    pub failed: Style,
    /// The banner, and what a cursor stands on.
    pub banner: Style,
}

impl Theme {
    /// Without colour where NO_COLOR asks for that: <https://no-color.org>.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        let plain = Style::new();
        let strong = plain.add_modifier(Modifier::BOLD);
        let (accent, failed) = if colour {
            (plain.fg(Color::Cyan), plain.fg(Color::Red).add_modifier(Modifier::BOLD))
        } else {
            (strong, strong)
        };
        Self {
            plain,
            dim: plain.add_modifier(Modifier::DIM),
            strong,
            accent,
            title: accent.add_modifier(Modifier::BOLD),
            failed,
            banner: accent.add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// As the environment wants it.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }
}

pub const DONE: &str = "✓";
pub const FAILED: &str = "✗";
pub const UNKNOWN: &str = "?";
pub const HERE: &str = "▸";
pub const TODO: &str = "·";
pub const SKIPPED: &str = "–";

/// One frame of the sign that something runs, by how long it has run.
#[must_use]
pub fn spinner(elapsed: std::time::Duration) -> &'static str {
    const FRAMES: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"];
    FRAMES[(elapsed.as_millis() / 100 % 8) as usize]
}
