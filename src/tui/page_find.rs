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
    let found = find_in_lines(&body.lines, &wanted);
    let first = found.iter().position(|place| place[0].line >= find.from_line).unwrap_or(0).cast_signed();
    let place = |count: usize| (first + find.place).rem_euclid(count.cast_signed()).cast_unsigned();
    let shown = (!found.is_empty()).then(|| place(found.len()));
    for (index, parts) in found.iter().enumerate() {
        let style = if shown == Some(index) {
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::UNDERLINED)
        };
        for part in parts {
            let line = std::mem::take(&mut body.lines[part.line]);
            body.lines[part.line] = mark_letters(line, part, style);
        }
    }
    if let Some(line) = shown.and_then(|shown| found.get(shown)).map(|parts| parts[0].line) {
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

/// The part of a found text that stands in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FoundPart {
    line: usize,
    /// How many letters stand before it.
    before: usize,
    letters: usize,
}

/// A letter of the page, and where it stands; none where a line ends, which may stand for a blank or for nothing.
type PlacedLetter = (char, Option<(usize, usize)>);

/// Lists the letters of the page from its beginning to its end: without the blanks around the end of a line, so that a text is
/// found that goes on in the next one. Between what an empty line separates nothing is found.
fn list_placed_letters(lines: &[Line<'_>]) -> Vec<PlacedLetter> {
    const PARAGRAPH_END: char = '\n';
    let mut all: Vec<PlacedLetter> = Vec::new();
    for (line, text) in lines.iter().enumerate() {
        let letters: Vec<char> = text.spans.iter().flat_map(|span| fold_letters(&span.content)).collect();
        let end = letters.iter().rposition(|letter| !letter.is_whitespace()).map_or(0, |at| at + 1);
        let begin = letters[..end].iter().position(|letter| !letter.is_whitespace()).unwrap_or(0);
        let of_line = (begin..end).map(|at| (letters[at], Some((line, at))));
        all.extend(of_line);
        all.push((if end == 0 { PARAGRAPH_END } else { ' ' }, None));
    }
    all
}

/// Finds the places of `wanted`, each by its parts in one line or in several.
fn find_in_lines(lines: &[Line<'_>], wanted: &[char]) -> Vec<Vec<FoundPart>> {
    let Some(begin) = wanted.iter().position(|letter| !letter.is_whitespace()) else { return Vec::new() };
    let wanted = &wanted[begin..];
    let letters = list_placed_letters(lines);
    let mut places = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        match match_letters_at(&letters[at..], wanted) {
            Some(count) => {
                places.push(collect_found_parts(&letters[at..at + count]));
                at += count;
            }
            None => at += 1,
        }
    }
    places
}

/// Returns how many letters `wanted` takes from the beginning on; none where it doesn't stand there.
fn match_letters_at(letters: &[PlacedLetter], wanted: &[char]) -> Option<usize> {
    let mut at = 0;
    for (index, letter) in wanted.iter().enumerate() {
        // A word that is longer than a line is broken without a blank.
        if index > 0 && *letter != ' ' && letters.get(at) == Some(&(' ', None)) {
            at += 1;
        }
        if letters.get(at)?.0 != *letter {
            return None;
        }
        at += 1;
    }
    letters[0].1.is_some().then_some(at)
}

fn collect_found_parts(letters: &[PlacedLetter]) -> Vec<FoundPart> {
    let mut parts: Vec<FoundPart> = Vec::new();
    for (line, before) in letters.iter().filter_map(|letter| letter.1) {
        match parts.last_mut() {
            Some(last) if last.line == line => last.letters += 1,
            _ => parts.push(FoundPart { line, before, letters: 1 }),
        }
    }
    parts
}

/// Adds a style to a part of a line.
fn mark_letters(line: Line<'static>, part: &FoundPart, style: Style) -> Line<'static> {
    let is_marked = |at: usize| (part.before..part.before + part.letters).contains(&at);
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

    /// Line, letters before, letters: of each part of each place.
    fn find_parts(lines: &[Line<'_>], wanted: &str) -> Vec<Vec<(usize, usize, usize)>> {
        let places = find_in_lines(lines, &fold_letters(wanted));
        places
            .iter()
            .map(|parts| parts.iter().map(|part| (part.line, part.before, part.letters)).collect())
            .collect()
    }

    #[test]
    fn a_text_is_found_across_spans_and_whatever_its_capitals() {
        let line = Line::from(vec![Span::raw("S3 (Head"), Span::raw("Bucket) head")]);
        let lines = [line.clone()];
        assert_eq!(find_parts(&lines, "headb"), [[(0, 4, 5)]]);
        assert_eq!(find_parts(&lines, "HEAD"), [[(0, 4, 4)], [(0, 16, 4)]]);
        let part = FoundPart { line: 0, before: 4, letters: 5 };
        let marked = mark_letters(line, &part, Style::new().add_modifier(Modifier::BOLD));
        let parts: Vec<(&str, bool)> = marked
            .spans
            .iter()
            .map(|span| (span.content.as_ref(), span.style.add_modifier.contains(Modifier::BOLD)))
            .collect();
        assert_eq!(parts, [("S3 (", false), ("Head", true), ("B", true), ("ucket) head", false)]);
    }

    #[test]
    fn a_text_is_found_that_goes_on_in_the_next_line() {
        let lines = [
            Line::raw("  ? clock   AWS denies  "),
            Line::raw("            this; arn:aws:iam::1:"),
            Line::raw("            role/edge"),
            Line::raw(""),
            Line::raw("next paragraph"),
        ];
        assert_eq!(find_parts(&lines, "denies this"), [[(0, 16, 6), (1, 12, 4)]]);
        assert_eq!(find_parts(&lines, "iam::1:role"), [[(1, 26, 7), (2, 12, 4)]], "a broken word");
        assert_eq!(find_parts(&lines, "edge next"), Vec::<Vec<_>>::new(), "not over an empty line");
        assert_eq!(find_parts(&lines, " "), Vec::<Vec<_>>::new());
    }
}
