//! What a terminal is sent for cells: where the cursor goes, how they look, what they say.
//!
//! The sixteen colours go by their own short codes: a terminal that knows no others takes `38;5;9` for "blink, crossed out".

use std::io::{self, Write};

use ratatui::{
    buffer::Cell,
    layout::Position,
    style::{Color, Modifier},
};

/// How one cell looks.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CellLook {
    foreground: Color,
    background: Color,
    modifier: Modifier,
}

const PLAIN_LOOK: CellLook =
    CellLook { foreground: Color::Reset, background: Color::Reset, modifier: Modifier::empty() };

const MODIFIER_CODES: [(Modifier, u8); 5] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::REVERSED, 7),
];

/// Writes cells with the links among them: `link_at` says where a cell leads to. What was set is reset at the end.
///
/// # Errors
/// Fails where `out` does.
pub fn write_cell_sequences<'cells, 'links>(
    out: &mut impl Write,
    content: impl Iterator<Item = (u16, u16, &'cells Cell)>,
    link_at: impl Fn(Position) -> Option<&'links str>,
) -> io::Result<()> {
    let mut look = PLAIN_LOOK;
    let mut link: Option<&str> = None;
    let mut next: Option<Position> = None;
    for (x, y, cell) in content {
        let place = Position { x, y };
        if next != Some(place) {
            write!(out, "\x1b[{};{}H", y + 1, x + 1)?;
        }
        next = Some(Position { x: x + 1, y });
        let linked = link_at(place);
        if linked != link {
            write_link_start(out, linked)?;
            link = linked;
        }
        let wanted = CellLook { foreground: cell.fg, background: cell.bg, modifier: cell.modifier };
        if wanted != look {
            write_cell_look(out, wanted)?;
            look = wanted;
        }
        out.write_all(cell.symbol().as_bytes())?;
    }
    if link.is_some() {
        write_link_start(out, None)?;
    }
    if look != PLAIN_LOOK {
        out.write_all(b"\x1b[0m")?;
    }
    Ok(())
}

/// Begins a link (OSC 8), or ends the one that is open.
fn write_link_start(out: &mut impl Write, link: Option<&str>) -> io::Result<()> {
    write!(out, "\x1b]8;;{}\x1b\\", link.unwrap_or_default())
}

fn write_cell_look(out: &mut impl Write, look: CellLook) -> io::Result<()> {
    out.write_all(b"\x1b[0")?;
    for (modifier, code) in MODIFIER_CODES {
        if look.modifier.contains(modifier) {
            write!(out, ";{code}")?;
        }
    }
    write_colour_code(out, look.foreground, 30)?;
    write_colour_code(out, look.background, 40)?;
    out.write_all(b"m")
}

/// Writes the code of a colour; `base` is 30 for the foreground, 40 for the background.
fn write_colour_code(out: &mut impl Write, colour: Color, base: u8) -> io::Result<()> {
    let short = match colour {
        Color::Reset => return Ok(()),
        Color::Indexed(index) => return write!(out, ";{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => return write!(out, ";{};2;{red};{green};{blue}", base + 8),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
    };
    write!(out, ";{}", base + short)
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    /// What is written for these cells, ESC as `⎋`.
    fn written(cells: &[(u16, u16, &str, Style)], link: Option<(u16, &'static str)>) -> String {
        let cells: Vec<(u16, u16, Cell)> = cells
            .iter()
            .map(|(x, y, text, style)| {
                let mut cell = Cell::default();
                cell.set_symbol(text).set_style(*style);
                (*x, *y, cell)
            })
            .collect();
        let mut out = Vec::new();
        let link_at = |place: Position| link.filter(|(x, _)| *x == place.x).map(|(_, url)| url);
        write_cell_sequences(&mut out, cells.iter().map(|(x, y, cell)| (*x, *y, cell)), link_at).unwrap();
        String::from_utf8(out).unwrap().replace('\x1b', "⎋")
    }

    #[test]
    fn cells_beside_each_other_are_written_in_one_go_and_the_look_is_reset() {
        let plain = Style::new();
        let red = plain.fg(Color::LightRed).add_modifier(Modifier::BOLD);
        assert_eq!(
            written(&[(0, 0, "a", plain), (1, 0, "b", red), (2, 0, "c", plain), (0, 2, "d", plain)], None),
            "⎋[1;1Ha⎋[0;1;91mb⎋[0mc⎋[3;1Hd"
        );
        assert_eq!(written(&[(4, 1, "✓", plain.fg(Color::Indexed(114)))], None), "⎋[2;5H⎋[0;38;5;114m✓⎋[0m");
        assert_eq!(written(&[(4, 1, "日", plain), (6, 1, "x", plain)], None), "⎋[2;5H日⎋[2;7Hx");
    }

    #[test]
    fn the_sixteen_go_by_their_short_codes() {
        for (colour, code) in
            [(Color::Red, "31"), (Color::Gray, "37"), (Color::LightCyan, "96"), (Color::White, "97")]
        {
            assert_eq!(
                written(&[(0, 0, "a", Style::new().fg(colour))], None),
                format!("⎋[1;1H⎋[0;{code}ma⎋[0m")
            );
        }
        assert!(written(&[(0, 0, "a", Style::new().bg(Color::LightRed))], None).contains("⎋[0;101m"));
    }

    #[test]
    fn a_link_is_closed_where_it_ends() {
        let plain = Style::new();
        let cells = [(0, 0, "a", plain), (1, 0, "b", plain), (2, 0, "c", plain)];
        assert_eq!(
            written(&cells, Some((1, "https://a.example/"))),
            "⎋[1;1Ha⎋]8;;https://a.example/⎋\\b⎋]8;;⎋\\c"
        );
        assert!(written(&cells, Some((2, "https://a.example/"))).ends_with("c⎋]8;;⎋\\"));
    }
}
