//! The backend of the wizard's screen: each frame is one write and shown whole; on terminals that don't know their size or
//! don't answer.

use std::{
    io::{self, Write as _, stdout},
    sync::{Arc, Mutex, PoisonError},
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    queue,
    terminal::{self, BeginSynchronizedUpdate, Clear, EndSynchronizedUpdate},
};
use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};

use super::{cell_sequences::write_cell_sequences, screen_links::ScreenLink};

/// What a terminal is taken for that says 0 by 0: a serial line, `docker exec`, `expect`. Shells do the same.
const UNKNOWN_TERMINAL_SIZE: Size = Size { width: 80, height: 24 };

/// The links of the frame that is drawn.
pub type SharedScreenLinks = Arc<Mutex<Vec<ScreenLink>>>;

/// Draws on stdout, and asks the terminal for its size alone.
pub struct TerminalBackend {
    /// What is written when the frame ends.
    pending: Vec<u8>,
    /// Where the cursor was put last. Asking the terminal would take its answer from among the keys, and wait for it.
    cursor: Position,
    /// Whether a frame has begun that the terminal holds back until its end.
    is_frame_open: bool,
    links: SharedScreenLinks,
}

impl TerminalBackend {
    /// Makes the backend that draws on stdout; `links` are those of each frame.
    pub fn new(links: SharedScreenLinks) -> Self {
        Self { pending: Vec::new(), cursor: Position::ORIGIN, is_frame_open: false, links }
    }

    /// Asks the terminal to show nothing until [`Backend::flush`]: over a slow line, nobody sees half a frame. A terminal
    /// that doesn't know the request (DEC private mode 2026) ignores it.
    fn begin_frame(&mut self) -> io::Result<()> {
        if self.is_frame_open {
            return Ok(());
        }
        self.is_frame_open = true;
        queue!(self.pending, BeginSynchronizedUpdate)
    }

    /// Writes at once what belongs to no frame.
    fn flush_outside_frame(&mut self) -> io::Result<()> {
        if self.is_frame_open { Ok(()) } else { self.flush() }
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
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        write_cell_sequences(&mut self.pending, content, |place| {
            links.iter().find(|link| link.covers_cell(place)).map(|link| link.url.as_str())
        })
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        queue!(self.pending, Hide)?;
        self.flush_outside_frame()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        queue!(self.pending, Show)?;
        self.flush_outside_frame()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        queue!(self.pending, MoveTo(self.cursor.x, self.cursor.y))?;
        self.flush_outside_frame()
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.begin_frame()?;
        queue!(
            self.pending,
            Clear(match clear_type {
                ClearType::All => terminal::ClearType::All,
                ClearType::AfterCursor => terminal::ClearType::FromCursorDown,
                ClearType::BeforeCursor => terminal::ClearType::FromCursorUp,
                ClearType::CurrentLine => terminal::ClearType::CurrentLine,
                ClearType::UntilNewLine => terminal::ClearType::UntilNewLine,
            })
        )
    }

    fn size(&self) -> io::Result<Size> {
        let (width, height) = terminal::size()?;
        Ok(assume_size_where_unknown(Size { width, height }))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = terminal::window_size()?;
        Ok(WindowSize {
            columns_rows: assume_size_where_unknown(Size { width: size.columns, height: size.rows }),
            pixels: Size { width: size.width, height: size.height },
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_frame_open) {
            queue!(self.pending, EndSynchronizedUpdate)?;
        }
        let pending = std::mem::take(&mut self.pending);
        let mut out = stdout().lock();
        out.write_all(&pending)?;
        out.flush()
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
