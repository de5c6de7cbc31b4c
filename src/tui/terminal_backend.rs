//! The backend of the wizard's screen: crossterm's, on terminals that don't know their size or don't answer, with each
//! frame shown whole.

use std::io::{self, Stdout, stdout};

use crossterm::{
    queue,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};

/// What a terminal is taken for that says 0 by 0: a serial line, `docker exec`, `expect`. Shells do the same.
const UNKNOWN_TERMINAL_SIZE: Size = Size { width: 80, height: 24 };

/// Crossterm's backend, which asks a terminal for its size alone.
pub struct TerminalBackend {
    crossterm: CrosstermBackend<Stdout>,
    /// Where the cursor was put last. Asking the terminal would take its answer from among the keys, and wait for it.
    cursor: Position,
    /// Whether a frame has begun that the terminal holds back until its end.
    is_frame_open: bool,
}

impl TerminalBackend {
    /// Makes the backend that draws on stdout.
    pub fn new() -> Self {
        Self { crossterm: CrosstermBackend::new(stdout()), cursor: Position::ORIGIN, is_frame_open: false }
    }

    /// Asks the terminal to show nothing until [`Backend::flush`]: over a slow line, nobody sees half a frame. A terminal
    /// that doesn't know the request (DEC private mode 2026) ignores it.
    fn begin_frame(&mut self) -> io::Result<()> {
        if self.is_frame_open {
            return Ok(());
        }
        self.is_frame_open = true;
        queue!(self.crossterm, BeginSynchronizedUpdate)
    }
}

/// Returns the size to draw at.
fn assume_size_where_unknown(size: Size) -> Size {
    let or = |said: u16, assumed: u16| if said == 0 { assumed } else { said };
    Size::new(or(size.width, UNKNOWN_TERMINAL_SIZE.width), or(size.height, UNKNOWN_TERMINAL_SIZE.height))
}

impl Backend for TerminalBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.begin_frame()?;
        self.crossterm.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.crossterm.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.crossterm.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.crossterm.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.begin_frame()?;
        self.crossterm.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.begin_frame()?;
        self.crossterm.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(assume_size_where_unknown(self.crossterm.size()?))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = self.crossterm.window_size()?;
        Ok(WindowSize { columns_rows: assume_size_where_unknown(size.columns_rows), ..size })
    }

    fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_frame_open) {
            queue!(self.crossterm, EndSynchronizedUpdate)?;
        }
        Backend::flush(&mut self.crossterm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_does_not_know_its_size_is_80_by_24() {
        for (said, taken) in [
            ((0, 0), (80, 24)),
            ((0, 50), (80, 50)),
            ((132, 0), (132, 24)),
            ((1, 1), (1, 1)),
            ((100, 30), (100, 30)),
        ] {
            assert_eq!(assume_size_where_unknown(said.into()), taken.into());
        }
    }
}
