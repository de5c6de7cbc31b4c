//! Which lines of a page hold the text that is looked for: they are marked, and one of them is brought into view.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    layout::{BodySize, ScreenBody},
    text,
    theme::Theme,
};
use crate::wizard::page_find::PageFind;

/// Marks every place of the text, brings the chosen one into view, and pins what is looked for below the page.
pub fn show_found_places(body: &mut ScreenBody, find: &PageFind, theme: &Theme, size: BodySize) {
    let wanted = fold_letters(find.input.value());
    let has_text = |at: &usize| !wanted.is_empty() && !find_in_line(&body.lines[*at], &wanted).is_empty();
    let found: Vec<usize> = (0..body.lines.len()).filter(has_text).collect();
    let first = found.iter().position(|line| *line >= find.from_line).unwrap_or(0).cast_signed();
    let place = |count: usize| (first + find.place).rem_euclid(count.cast_signed()).cast_unsigned();
    let shown = (!found.is_empty()).then(|| place(found.len()));
    for (index, line) in found.iter().enumerate() {
        let style = if shown == Some(index) {
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::UNDERLINED)
        };
        let places = find_in_line(&body.lines[*line], &wanted);
        body.lines[*line] =
            mark_letters(std::mem::take(&mut body.lines[*line]), &places, wanted.len(), style);
    }
    if let Some(line) = shown.and_then(|shown| found.get(shown)) {
        // In the middle: what stands around it is read too.
        body.keep_visible = Some((line + size.height / 2).min(body.lines.len().saturating_sub(1)));
    }
    let said = match (wanted.is_empty(), shown) {
        (true, _) => "type what to find".to_owned(),
        (false, None) => "not found".to_owned(),
        (false, Some(shown)) => format!("{} of {}", shown + 1, found.len()),
    };
    let typed = text::truncate_text(find.input.value(), size.width.saturating_sub(said.width() + 4));
    if find.is_typing {
        let before: String = typed.chars().take(find.input.cursor()).collect();
        body.cursor = Some((1 + before.width() as u16, body.pinned.len() as u16));
    }
    body.pinned.push(text::align_left_and_right(
        vec![Span::styled("/", theme.accent), Span::styled(typed, theme.strong)],
        vec![Span::styled(said, if wanted.is_empty() || shown.is_some() { theme.dim } else { theme.failed })],
        size.width,
    ));
}

/// Takes capitals for small letters, one for one.
fn fold_letters(text: &str) -> Vec<char> {
    text.chars().map(|letter| letter.to_lowercase().next().unwrap_or(letter)).collect()
}

/// Finds the places of `wanted` in a line, as counts of letters before each.
fn find_in_line(line: &Line<'_>, wanted: &[char]) -> Vec<usize> {
    let letters: Vec<char> = line.spans.iter().flat_map(|span| fold_letters(&span.content)).collect();
    let mut places = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= letters.len() {
        if letters[at..at + wanted.len()] == *wanted {
            places.push(at);
            at += wanted.len();
        } else {
            at += 1;
        }
    }
    places
}

/// Adds a style to `count` letters from each of these places on.
fn mark_letters(line: Line<'static>, places: &[usize], count: usize, style: Style) -> Line<'static> {
    let is_marked = |at: usize| places.iter().any(|place| (*place..place + count).contains(&at));
    let mut at = 0;
    let mut spans: Vec<Span<'static>> = Vec::new();
    for span in line.spans {
        let letters: Vec<(char, bool)> = span
            .content
            .chars()
            .map(|letter| {
                at += 1;
                (letter, is_marked(at - 1))
            })
            .collect();
        for part in letters.chunk_by(|one, next| one.1 == next.1) {
            let text: String = part.iter().map(|(letter, _)| *letter).collect();
            let of_part = if part[0].1 { span.style.patch(style) } else { span.style };
            spans.push(Span::styled(text, of_part));
        }
    }
    Line { spans, style: line.style, alignment: line.alignment }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_spans_and_whatever_its_capitals() {
        let line = Line::from(vec![Span::raw("S3 (Head"), Span::raw("Bucket) head")]);
        assert_eq!(find_in_line(&line, &fold_letters("headb")), [4]);
        assert_eq!(find_in_line(&line, &fold_letters("HEAD")), [4, 16]);
        let marked = mark_letters(line, &[4], 5, Style::new().add_modifier(Modifier::BOLD));
        let parts: Vec<(&str, bool)> = marked
            .spans
            .iter()
            .map(|span| (span.content.as_ref(), span.style.add_modifier.contains(Modifier::BOLD)))
            .collect();
        assert_eq!(parts, [("S3 (", false), ("Head", true), ("B", true), ("ucket) head", false)]);
    }
}
