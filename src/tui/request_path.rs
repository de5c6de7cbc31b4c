//! The parts that a request for a package passes, drawn in one line, or in two where there is room for their names.

use ratatui::text::{Line, Span};

use super::{text, theme::Theme};
use crate::wizard::request_path::RequestPathHop;

/// Renders the five parts, lit as they stand; with `rows` above two also what each is called here.
pub fn render_request_path_diagram(
    parts: &[RequestPathHop; 5],
    theme: &Theme,
    width: usize,
    rows: u16,
) -> Vec<Line<'static>> {
    const MIN_GAP_COLUMNS: usize = 3;
    let style = |part: &RequestPathHop| if part.in_place { theme.accent } else { theme.dim };
    let detailed = rows > 2;
    // As wide as what stands below the names, where there is room for it; else as the names, and what is below is cut.
    let last = parts[4].detail.chars().count().min(32).max(parts[4].name.len()) + 2;
    let names: [usize; 4] = std::array::from_fn(|index| parts[index].name.len() + 2);
    let whole: [usize; 4] =
        std::array::from_fn(|index| names[index].max(parts[index].detail.chars().count() + 2));
    let gap = |cells: &[usize; 4]| width.saturating_sub(cells.iter().sum::<usize>() + last + 2) / 4;
    let cells = if detailed && gap(&whole) >= MIN_GAP_COLUMNS { whole } else { names };
    let gap = gap(&cells).clamp(MIN_GAP_COLUMNS, 16);
    let left_for_last = width.saturating_sub(cells.iter().sum::<usize>() + 4 * gap + 3);
    let mut first = vec![Span::raw(" ")];
    let mut second = vec![Span::raw(" ")];
    for (index, part) in parts.iter().enumerate() {
        let sign = if part.in_place { "● " } else { "○ " };
        first.push(Span::styled(format!("{sign}{}", part.name), style(part)));
        let Some(next) = parts.get(index + 1) else {
            second.push(Span::styled(
                format!("  {}", text::truncate_text(&part.detail, left_for_last)),
                theme.dim,
            ));
            break;
        };
        let lit = part.in_place && next.in_place;
        let arrow_columns = cells[index] - names[index] + gap;
        let arrow = if arrow_columns < 5 {
            format!(" →{}", " ".repeat(arrow_columns - 2))
        } else {
            format!(" {}▸ ", "─".repeat(arrow_columns - 3))
        };
        first.push(Span::styled(arrow, if lit { theme.accent } else { theme.dim }));
        second.push(Span::styled(
            text::pad_or_truncate_to_width(&format!("  {}", part.detail), cells[index] + gap),
            theme.dim,
        ));
    }
    let rule = Line::styled("─".repeat(width), theme.dim);
    if detailed {
        vec![Line::default(), Line::from(first), Line::from(second), rule]
    } else {
        vec![Line::from(first), rule]
    }
}
