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
    /// Makes the styles; without colour where NO_COLOR asks for that: <https://no-color.org>.
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

    /// Makes the styles that the environment asks for.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }
}

pub const DONE_MARK: &str = "✓";
pub const FAILED_MARK: &str = "✗";
pub const UNKNOWN_MARK: &str = "?";
pub const HERE_MARK: &str = "▸";
pub const TODO_MARK: &str = "·";
pub const SKIPPED_MARK: &str = "–";

/// Returns one frame of the sign that something runs, by how long it has run.
#[must_use]
pub fn spinner_frame(elapsed: std::time::Duration) -> &'static str {
    const SPINNER_FRAMES: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"];
    SPINNER_FRAMES[(elapsed.as_millis() / 100 % 8) as usize]
}
