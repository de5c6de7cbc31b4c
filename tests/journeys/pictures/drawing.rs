//! A terminal's cells as SVG: one screen as a picture, or many as an animation in which a row that comes again is drawn once.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use vt100::{Color, Screen};

/// The width and height of a cell, and the space around all of them, in pixels.
const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 14.0;
/// Where a row's letters stand below its upper edge.
const BASELINE: f32 = 13.5;

/// What a terminal's colours look like.
pub struct TerminalPalette {
    pub name: &'static str,
    pub background: &'static str,
    pub foreground: &'static str,
    /// The 16 colours of ANSI.
    pub sixteen: [&'static str; 16],
}

pub const DARK_PALETTE: TerminalPalette = TerminalPalette {
    name: "dark",
    background: "#15181d",
    foreground: "#d7dae0",
    sixteen: [
        "#15181d", "#f0716b", "#5fc56d", "#d9a94a", "#6ba6f0", "#c58af0", "#39c5cf", "#d7dae0", "#8a929d",
        "#ff8f89", "#7fdc8b", "#f0c46b", "#8fbdf7", "#d8a9f7", "#65dbe3", "#ffffff",
    ],
};
pub const LIGHT_PALETTE: TerminalPalette = TerminalPalette {
    name: "light",
    background: "#fdfdfb",
    foreground: "#24282e",
    sixteen: [
        "#24282e", "#b3261e", "#1a7f37", "#8a5a00", "#0b57b3", "#7a2fb3", "#0b7285", "#8a929d", "#5c646e",
        "#b3261e", "#1a7f37", "#8a5a00", "#0b57b3", "#7a2fb3", "#0b7285", "#fdfdfb",
    ],
};

impl TerminalPalette {
    fn find_colour(&self, colour: Color, usual: &str) -> String {
        match colour {
            Color::Default => usual.to_owned(),
            Color::Idx(index) => self
                .sixteen
                .get(usize::from(index))
                .map_or_else(|| find_colour_of_256(index), |colour| (*colour).to_owned()),
            Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

/// Returns one of the 256 colours of xterm beyond the first 16: a cube of six steps, then greys.
fn find_colour_of_256(index: u8) -> String {
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return format!("#{grey:02x}{grey:02x}{grey:02x}");
    }
    let step = |part: u8| if part == 0 { 0 } else { 55 + part * 40 };
    let (red, green, blue) = ((index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6);
    format!("#{:02x}{:02x}{:02x}", step(red), step(green), step(blue))
}

/// How a run of cells looks.
#[derive(Clone, PartialEq)]
struct CellStyle {
    foreground: String,
    background: Option<String>,
    is_bold: bool,
    is_dim: bool,
    is_underlined: bool,
}

fn read_cell_style(cell: &vt100::Cell, palette: &TerminalPalette) -> CellStyle {
    let mut foreground = palette.find_colour(cell.fgcolor(), palette.foreground);
    let mut background = palette.find_colour(cell.bgcolor(), palette.background);
    if cell.inverse() {
        std::mem::swap(&mut foreground, &mut background);
    }
    CellStyle {
        foreground,
        background: (background != palette.background).then_some(background),
        is_bold: cell.bold(),
        is_dim: cell.dim(),
        is_underlined: cell.underline(),
    }
}

fn escape_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns how many rows and columns a screen has.
pub fn read_screen_size(screen: &Screen) -> (u16, u16) {
    let (rows, columns) = screen.size();
    (rows.get(), columns.get())
}

/// Draws one row at the top of the picture.
fn render_row(screen: &Screen, row: u16, palette: &TerminalPalette) -> String {
    let (_, columns) = read_screen_size(screen);
    let mut runs: Vec<(u16, String, u16, CellStyle)> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let wide = 1 + u16::from(cell.is_wide());
        let style = read_cell_style(cell, palette);
        match runs.last_mut() {
            Some((_, run, cells, of)) if *of == style => {
                run.push_str(text);
                *cells += wide;
            }
            _ => runs.push((column, text.to_owned(), wide, style)),
        }
    }
    let mut drawn = String::new();
    for (column, text, cells, style) in runs {
        let (x, width) = (f32::from(column).mul_add(CELL_WIDTH, MARGIN), f32::from(cells) * CELL_WIDTH);
        if let Some(background) = &style.background {
            let _ = write!(
                drawn,
                r#"<rect x="{x:.1}" width="{width:.1}" height="{CELL_HEIGHT}" fill="{background}"/>"#
            );
        }
        let blank = text.chars().take_while(|letter| *letter == ' ').count();
        let (lead, shown) = (u16::try_from(blank).unwrap_or_default(), text.trim());
        if shown.is_empty() {
            continue;
        }
        let length = u16::try_from(text.trim_end().chars().count()).unwrap_or_default() - lead;
        let x = f32::from(lead).mul_add(CELL_WIDTH, x);
        let weight = if style.is_bold { r#" font-weight="bold""# } else { "" };
        let opacity = if style.is_dim { r#" opacity="0.75""# } else { "" };
        let line = if style.is_underlined { r#" text-decoration="underline""# } else { "" };
        let _ = write!(
            drawn,
            r#"<text x="{x:.1}" y="{BASELINE}" fill="{}"{weight}{opacity}{line} textLength="{:.1}" lengthAdjust="spacingAndGlyphs">{}</text>"#,
            style.foreground,
            f32::from(length) * CELL_WIDTH,
            escape_text(shown),
        );
    }
    drawn
}

/// Draws every row, each as it stands at the top of the picture.
pub fn render_rows(screen: &Screen, palette: &TerminalPalette) -> Vec<String> {
    (0..read_screen_size(screen).0).map(|row| render_row(screen, row, palette)).collect()
}

fn render_frame_of_picture(size: (u16, u16), palette: &TerminalPalette, inner: &str) -> String {
    let margin = 2.0 * MARGIN;
    let width = f32::from(size.1).mul_add(CELL_WIDTH, margin);
    let height = f32::from(size.0).mul_add(CELL_HEIGHT, margin);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n{inner}</g>\n</svg>\n",
        palette.background
    )
}

fn place_row(row: usize, drawn: &str) -> String {
    let y = (row as f32).mul_add(CELL_HEIGHT, MARGIN);
    format!("<g transform=\"translate(0 {y})\">{drawn}</g>\n")
}

/// Draws one screen.
pub fn render_picture(screen: &Screen, palette: &TerminalPalette) -> String {
    let rows = render_rows(screen, palette);
    let inner: String = rows
        .iter()
        .enumerate()
        .filter(|(_, drawn)| !drawn.is_empty())
        .map(|(row, drawn)| place_row(row, drawn))
        .collect();
    render_frame_of_picture(read_screen_size(screen), palette, &inner)
}

/// Draws screens one after the other, each for its time, again and again.
pub fn render_animation(
    frames: &[(Vec<String>, Duration)],
    size: (u16, u16),
    palette: &TerminalPalette,
) -> String {
    let whole: f32 = frames.iter().map(|(_, time)| time.as_secs_f32()).sum();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut rows, mut styles, mut shown) = (String::new(), String::new(), String::new());
    let mut begins = 0.0;
    for (place, (frame, time)) in frames.iter().enumerate() {
        let (from, to) = (100.0 * begins / whole, 100.0 * (begins + time.as_secs_f32()) / whole);
        begins += time.as_secs_f32();
        let _ = writeln!(
            styles,
            "@keyframes k{place}{{0%{{visibility:hidden}}{from:.2}%{{visibility:visible}}{to:.2}%{{visibility:hidden}}}}\
             .f{place}{{visibility:hidden;animation:k{place} {whole:.1}s step-end infinite}}"
        );
        let _ = writeln!(shown, "<g class=\"f{place}\">");
        for (row, drawn) in frame.iter().enumerate().filter(|(_, drawn)| !drawn.is_empty()) {
            let count = known.len();
            let id = *known.entry(drawn).or_insert_with(|| {
                let _ = writeln!(rows, "<g id=\"r{count}\">{drawn}</g>");
                count
            });
            let y = (row as f32).mul_add(CELL_HEIGHT, MARGIN);
            let _ = write!(shown, "<use href=\"#r{id}\" y=\"{y}\"/>");
        }
        shown.push_str("</g>\n");
    }
    render_frame_of_picture(
        size,
        palette,
        &format!("<style>{styles}</style>\n<defs>\n{rows}</defs>\n{shown}"),
    )
}
