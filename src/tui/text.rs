//! Text that fits: wrapping, cutting, columns, and numbers as people read them; widths are terminal columns.

use std::time::Duration;

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A space that holds words together: it is drawn as any other.
const NO_BREAK_SPACE: char = '\u{a0}';

/// Makes `text` one word for [`wrap_text`]: a number stays with its unit.
#[must_use]
pub fn make_text_unbreakable(text: &str) -> String {
    text.replace(' ', &NO_BREAK_SPACE.to_string())
}

/// Breaks `text` into lines of at most `width` columns, at spaces where there are any.
#[must_use]
pub fn wrap_text(text: &str, width: usize) -> Vec<String> {
    wrap_text_with_room(text, width, width).into_iter().map(|(_, line)| line).collect()
}

/// The same, where a word that is longer than `width` may have a line of its own of `room` columns: such lines are marked, and so
/// is all that follows, which stands below it.
fn wrap_text_with_room(text: &str, width: usize, room: usize) -> Vec<(bool, String)> {
    let width = width.max(1);
    let mut lines = vec![(false, String::new())];
    let mut used = 0;
    let breaks = |letter: char| letter.is_whitespace() && letter != NO_BREAK_SPACE;
    for word in text.split(breaks).filter(|word| !word.is_empty()) {
        let word = word.replace(NO_BREAK_SPACE, " ");
        let wide = word.width();
        let has_room = lines.last().is_some_and(|(is_wide, _)| *is_wide);
        if used > 0 && used + 1 + wide <= if has_room { room } else { width } {
            let last = lines.last_mut().expect("one line was put there first");
            last.1.push(' ');
            last.1.push_str(&word);
            used += 1 + wide;
            continue;
        }
        // What leads to a long word, and has just begun a line, stands before it there.
        if used > 0 && !has_room && lines.len() > 1 && wide > width && used + 1 + wide <= room {
            let last = lines.last_mut().expect("one line was put there first");
            last.0 = true;
            last.1.push(' ');
            last.1.push_str(&word);
            used += 1 + wide;
            continue;
        }
        if used > 0 {
            lines.push((has_room, String::new()));
        }
        // a word longer than a line, such as an ARN, gets a line of its own, or is broken behind a sign in it
        let is_wide = has_room || wide > width && room > width;
        let parts = break_long_word(&word, if is_wide { room } else { width });
        used = parts.last().map_or(0, |part| part.width());
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                lines.push((is_wide, part));
            } else if let Some(last) = lines.last_mut() {
                *last = (is_wide, part);
            }
        }
    }
    lines
}

/// Breaks a word that is longer than a line: behind the last of the signs by which paths, names and ARNs are read, else where the
/// line ends.
fn break_long_word(word: &str, width: usize) -> Vec<String> {
    const SIGNS: [char; 9] = ['/', ':', ',', '-', '_', '.', '=', '&', '?'];
    let mut parts = Vec::new();
    let mut rest = word;
    while rest.width() > width {
        let mut used = 0;
        let mut fits = |letter: char| {
            used += letter.width().unwrap_or(0);
            used <= width
        };
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end =
            rest.chars().take_while(|letter| fits(*letter)).map(char::len_utf8).sum::<usize>().max(first);
        // A break near the beginning would leave most of the line empty.
        let is_far = |at: &usize| rest[..*at].width() * 3 > width;
        let behind = |signs: &[char]| rest[..end].rfind(signs).map(|at| at + 1).filter(is_far);
        let at = behind(&SIGNS[..1]).or_else(|| behind(&SIGNS)).unwrap_or(end);
        let (part, left) = rest.split_at(at);
        parts.push(part.to_owned());
        rest = left;
    }
    parts.push(rest.to_owned());
    parts
}

/// Cuts `text` to at most `width` columns, and marks its end where it was cut.
#[must_use]
pub fn truncate_text(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let columns = letter.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Fits `text` into exactly `width` columns, with at least one space behind it.
#[must_use]
pub fn pad_or_truncate_to_width(text: &str, width: usize) -> String {
    let mut text = truncate_text(text, width.saturating_sub(1));
    let gap = width.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', gap));
    text
}

/// How far a long word's own line is indented, where the text beside it leaves no room.
const LONG_WORD_INDENT: usize = 4;

/// Joins a value with what is good to know of it, as far as `width` columns hold it; the value itself is always whole.
#[must_use]
pub fn join_fitting_parts(parts: &[String], width: usize) -> String {
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    while parts.len() > 1 && parts.join(" · ").width() > width {
        parts.pop();
    }
    parts.join(" · ")
}

/// Cuts `text` to at most `width` columns behind a whole word, and marks its end where it was cut.
#[must_use]
pub fn truncate_at_word(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let cut = truncate_text(text, width.saturating_sub(1));
    let whole =
        cut.trim_end_matches('…').rfind(' ').map(|at| cut[..at].trim_end_matches([',', '·', ' ', ':']));
    whole
        .filter(|whole| whole.width() * 2 > width)
        .map_or_else(|| truncate_text(text, width), |whole| format!("{whole} …"))
}

/// Renders wrapped lines behind `first`, the following ones indented by its width. A word that has no room beside `first` gets a
/// line of its own, so that a path or an ARN is whole wherever the window holds it.
pub fn render_hanging_text(
    lines: &mut Vec<Line<'static>>,
    first: Vec<Span<'static>>,
    text: &str,
    style: Style,
    width: usize,
) {
    let indent: usize = first.iter().map(Span::width).sum();
    let mut first = Some(first);
    let beside = width.saturating_sub(indent).max(8);
    let room = if indent > LONG_WORD_INDENT { width.saturating_sub(LONG_WORD_INDENT) } else { beside };
    for (is_wide, part) in wrap_text_with_room(text, beside, room.max(beside)) {
        let taken = if is_wide { LONG_WORD_INDENT } else { indent };
        match first.take() {
            Some(mut spans) if !is_wide => {
                spans.push(Span::styled(part, style));
                lines.push(Line::from(spans));
                continue;
            }
            // what stands before the text keeps its line
            Some(spans) => lines.push(Line::from(spans)),
            None => {}
        }
        lines.push(Line::from(vec![Span::raw(" ".repeat(taken)), Span::styled(part, style)]));
    }
}

/// Renders a paragraph.
pub fn render_paragraph(lines: &mut Vec<Line<'static>>, text: &str, style: Style, width: usize) {
    lines.extend(wrap_text(text, width).into_iter().map(|part| Line::styled(part, style)));
}

/// Adds an empty line, unless there is one already.
pub fn ensure_blank_line(lines: &mut Vec<Line<'static>>) {
    if lines.last().is_some_and(|line| line.width() > 0) {
        lines.push(Line::default());
    }
}

/// Puts `left` at the start of the line and `right` at its end.
#[must_use]
pub fn align_left_and_right(
    mut left: Vec<Span<'static>>,
    right: Vec<Span<'static>>,
    width: usize,
) -> Line<'static> {
    let mut used: usize = left.iter().chain(&right).map(Span::width).sum();
    // what stands at the right is short and says what is going on: the left gives way
    while used >= width
        && let Some(span) = left.pop()
    {
        let most = (span.width() + width).saturating_sub(used + 1);
        used -= span.width();
        if most > 1 {
            let kept = Span::styled(truncate_text(&span.content, most), span.style);
            used += kept.width();
            left.push(kept);
            break;
        }
    }
    left.push(Span::raw(" ".repeat(width.saturating_sub(used))));
    left.extend(right);
    Line::from(left)
}

/// Formats a time as `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`.
#[must_use]
pub fn format_elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Formats an estimate as `12 s`, `3 min`, `2 h 07 min`.
#[must_use]
pub fn format_estimated_duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format_elapsed(time),
    }
}

/// Formats a count as `1,234,567`.
#[must_use]
pub fn format_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a size as `1.2 GB`.
#[must_use]
pub fn format_bytes(number: u64) -> String {
    const BYTE_UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut size = number as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < BYTE_UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} bytes") } else { format!("{size:.1} {}", BYTE_UNITS[unit]) }
}

/// Renders a curve of `values`, the newest at the right, `rows` lines high and at most `width` wide.
#[must_use]
pub fn render_sparkline(
    values: impl DoubleEndedIterator<Item = u64>,
    width: usize,
    rows: usize,
) -> Vec<String> {
    const BLOCK_EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut newest: Vec<u64> = values.rev().take(width).collect();
    newest.reverse();
    let top = newest.iter().copied().max().unwrap_or(0).max(1);
    (0..rows)
        .rev()
        .map(|row| {
            newest
                .iter()
                .map(|value| {
                    // whole eighths over all rows, at least one so that a slow moment is seen
                    let eighths = (value * rows as u64 * 8).div_ceil(top).max(u64::from(row == 0));
                    BLOCK_EIGHTHS[eighths.saturating_sub(row as u64 * 8).min(8) as usize]
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_behind_a_sign() {
        assert_eq!(wrap_text("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap_text("arn:aws:iam::1", 5), ["arn:", "aws:", "iam::", "1"]);
        assert_eq!(wrap_text("a arn:aws", 5), ["a", "arn:", "aws"]);
        assert_eq!(wrap_text("/srv/pkgs/packagecloud.rb.bak", 20), ["/srv/pkgs/", "packagecloud.rb.bak"]);
        assert_eq!(wrap_text("abcdefgh", 5), ["abcde", "fgh"]);
        assert_eq!(wrap_text("", 5), [""]);
        assert_eq!(wrap_text("日本語", 4), ["日本", "語"]);
    }

    #[test]
    fn a_word_that_has_no_room_beside_gets_a_line_of_its_own() {
        let mut lines = Vec::new();
        let text = "kept in /srv/packagecloud/packagecloud.rb as before";
        render_hanging_text(&mut lines, vec![Span::raw("updated      ")], text, Style::default(), 40);
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["updated      kept in", "    /srv/packagecloud/packagecloud.rb as", "    before"]);
        lines.clear();
        let text = "the value is false; backup: /srv/packagecloud.rb.bak";
        render_hanging_text(&mut lines, vec![Span::raw("updated           ")], text, Style::default(), 40);
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["updated           the value is false;", "    backup: /srv/packagecloud.rb.bak"]);
        assert_eq!(truncate_at_word("role, KMS key, KMS alias", 18), "role, KMS key …");
        assert_eq!(truncate_at_word("an-arn-without-a-space", 10), "an-arn-wi…");
    }

    #[test]
    fn what_is_cut_says_so_and_columns_never_touch() {
        assert_eq!(truncate_text("acme-packages", 8), "acme-pa…");
        assert_eq!(pad_or_truncate_to_width("role", 6), "role  ");
        assert_eq!(pad_or_truncate_to_width("KMS key policy", 6), "KMS … ");
        assert_eq!(truncate_text("x", 0), "");
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!(format_count(1_234_567), "1,234,567");
        assert_eq!(format_count(12), "12");
        assert_eq!(format_bytes(999), "999 bytes");
        assert_eq!(format_bytes(1_240_000_000), "1.2 GB");
        assert_eq!(
            wrap_text(&format!("the function · {}", make_text_unbreakable("3 min 05 s")), 18),
            ["the function ·", "3 min 05 s"]
        );
        assert_eq!(format_elapsed(Duration::from_millis(450)), "0.4 s");
        assert_eq!(format_elapsed(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(format_elapsed(Duration::from_mins(127)), "2 h 07 min");
    }

    #[test]
    fn a_curve_is_as_high_as_its_highest_value() {
        assert_eq!(render_sparkline([0, 4, 8].into_iter(), 9, 1), ["▁▄█"]);
        assert_eq!(render_sparkline([4, 8].into_iter(), 9, 2), [" █", "██"]);
        assert_eq!(render_sparkline([1, 2, 8].into_iter(), 1, 1), ["█"], "the newest is kept");
    }
}
