//! Lines as the terminal can show them: where that is ASCII alone, marks and bars by the one table, and letters from
//! outside written out, each line still as wide as its place.

use std::borrow::Cow;

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthChar as _;

use super::layout::ScreenBody;
use crate::model::display_charset::{DisplayCharset, render_in_display_charset};

/// Where a line goes on that became too long.
const CONTINUED_INDENT: usize = 4;

/// Writes a body with the letters that the terminal shows. A line that becomes longer than `width` goes on in the next.
#[must_use]
pub fn convert_body_to_charset(mut body: ScreenBody, charset: DisplayCharset, width: usize) -> ScreenBody {
    if charset == DisplayCharset::Unicode {
        return body;
    }
    body.head = body.head.map(|head| convert_line_to_charset(head, charset));
    let (lines, places) = convert_and_break_lines(body.lines, charset, width);
    let place_of = |line: usize| places.get(line).copied().unwrap_or(line);
    body.keep_visible = body.keep_visible.map(place_of);
    body.choice_lines.iter_mut().for_each(|(line, _)| *line = place_of(*line));
    body.lines = lines;
    let (pinned, places) = convert_and_break_lines(body.pinned, charset, width);
    body.cursor = body.cursor.map(|(x, y)| (x, places.get(y as usize).map_or(y, |place| *place as u16)));
    body.pinned = pinned;
    body
}

/// Writes lines with the letters that the terminal shows; what becomes longer is cut where it is drawn.
#[must_use]
pub fn convert_lines_to_charset(lines: Vec<Line<'static>>, charset: DisplayCharset) -> Vec<Line<'static>> {
    lines.into_iter().map(|line| convert_line_to_charset(line, charset)).collect()
}

/// Converts lines; returns where each stands now, too.
fn convert_and_break_lines(
    lines: Vec<Line<'static>>,
    charset: DisplayCharset,
    width: usize,
) -> (Vec<Line<'static>>, Vec<usize>) {
    let mut converted = Vec::with_capacity(lines.len());
    let mut places = Vec::with_capacity(lines.len());
    for line in lines {
        places.push(converted.len());
        break_long_line(&mut converted, convert_line_to_charset(line, charset), width);
    }
    (converted, places)
}

/// Writes one line with the letters that the terminal shows; it may become longer.
#[must_use]
pub fn convert_line_to_charset(line: Line<'static>, charset: DisplayCharset) -> Line<'static> {
    let convert = |span: Span<'static>| {
        let converted = render_in_display_charset(&span.content, charset);
        match converted {
            Cow::Borrowed(_) => span,
            Cow::Owned(text) => Span::styled(text, span.style),
        }
    };
    if charset == DisplayCharset::Unicode {
        line
    } else {
        Line { spans: line.spans.into_iter().map(convert).collect(), ..line }
    }
}

fn break_long_line(lines: &mut Vec<Line<'static>>, line: Line<'static>, width: usize) {
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    let columns = |text: &str| text.chars().filter_map(char::width).sum::<usize>();
    if columns(text.trim_end()) <= width || width <= CONTINUED_INDENT {
        lines.push(line);
        return;
    }
    let mut current: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for span in line.spans {
        let mut part = String::new();
        for letter in span.content.chars() {
            let wide = letter.width().unwrap_or(0);
            if used + wide > width {
                current.push(Span::styled(std::mem::take(&mut part), span.style));
                lines.push(Line::from(std::mem::take(&mut current)).style(line.style));
                current.push(Span::raw(" ".repeat(CONTINUED_INDENT)));
                used = CONTINUED_INDENT;
            }
            used += wide;
            part.push(letter);
        }
        current.push(Span::styled(part, span.style));
    }
    lines.push(Line::from(current).style(line.style));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_grows_goes_on_below_and_what_points_at_lines_moves_with_them() {
        let body = ScreenBody {
            lines: vec![Line::from("bucket  Zürich-pakete"), Line::from("✓ next"), Line::from("⠋ runs")],
            pinned: vec![Line::from("Zürich Zürich Zürich"), Line::from("field")],
            cursor: Some((2, 1)),
            keep_visible: Some(2),
            ..ScreenBody::default()
        };
        let shown = convert_body_to_charset(body, DisplayCharset::Ascii, 24);
        let text: Vec<String> = shown.lines.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["bucket  Z\\u00fcrich-pake", "    te", "v next", "| runs"]);
        assert_eq!(shown.keep_visible, Some(3));
        assert_eq!(shown.cursor, Some((2, 2)), "{:?}", shown.pinned);
        assert!(shown.pinned.iter().all(|line| line.width() <= 24));
    }
}
