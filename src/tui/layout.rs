//! What a screen is given and what it gives back: the room for its body, and the body's parts.

use ratatui::text::Line;

/// What stands in the body.
#[derive(Default)]
pub struct ScreenBody {
    /// Stays at the top.
    pub head: Option<Line<'static>>,
    pub lines: Vec<Line<'static>>,
    /// Lines that stay at the bottom: a question, a form.
    pub pinned: Vec<Line<'static>>,
    /// The cursor, in columns and lines of `pinned`.
    pub cursor: Option<(u16, u16)>,
    /// The line that must be seen, until the operator scrolls.
    pub keep_visible: Option<usize>,
    /// Which lines belong to which line of the screen's list.
    pub choice_lines: Vec<(usize, usize)>,
    /// The same of the lines of `pinned`.
    pub pinned_choice_lines: Vec<(usize, usize)>,
}

/// Room for the body's text.
#[derive(Debug, Clone, Copy)]
pub struct BodySize {
    pub width: usize,
    pub height: usize,
}

impl BodySize {
    /// Whether there is room for what is nice to know.
    #[must_use]
    pub fn is_body_wide(self) -> bool {
        self.width >= 88
    }

    /// Returns the width of prose, which is read in lines of at most a hundred columns.
    #[must_use]
    pub fn max_prose_width(self) -> usize {
        self.width.min(100)
    }
}
