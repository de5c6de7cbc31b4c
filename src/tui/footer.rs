//! The keys at the foot of the screen: as many rows as they need, so that none disappears; and which of them a click meets.

use ratatui::text::{Line, Span};

use super::{
    keys::{self, OfferedKey},
    theme::Theme,
};
use crate::{
    model::display_charset::render_in_display_charset,
    wizard::{Wizard, intent::UserIntent},
};

/// Between two keys.
const KEY_GAP_COLUMNS: usize = 2;

/// One key where it stands: the column that it begins at, and how it is written.
struct PlacedKey {
    column: usize,
    key: String,
    label: String,
    intent: UserIntent,
}

impl PlacedKey {
    fn end_column(&self) -> usize {
        self.column + measure_key(&self.key, &self.label)
    }
}

fn measure_key(key: &str, label: &str) -> usize {
    Span::raw(key).width() + 1 + Span::raw(label).width()
}

/// Renders the rows, at most `rows_max`: keys that find no place in those are left out, the last of the left ones first.
#[must_use]
pub fn render_key_footer(
    wizard: &Wizard,
    theme: &Theme,
    width: usize,
    rows_max: usize,
) -> Vec<Line<'static>> {
    place_footer_keys(wizard, theme, width, rows_max)
        .into_iter()
        .map(|row| {
            let mut spans = Vec::new();
            let mut used = 0;
            for placed in row {
                spans.push(Span::raw(" ".repeat(placed.column.saturating_sub(used))));
                used = placed.end_column();
                spans.push(Span::styled(placed.key, theme.accent));
                spans.push(Span::raw(format!(" {}", placed.label)));
            }
            Line::from(spans)
        })
        .collect()
}

/// Finds the key that stands at a column of a row.
#[must_use]
pub fn find_footer_key_at(
    wizard: &Wizard,
    theme: &Theme,
    width: usize,
    rows_max: usize,
    place: (usize, usize),
) -> Option<UserIntent> {
    let (column, row) = place;
    let rows = place_footer_keys(wizard, theme, width, rows_max);
    let met = rows.get(row)?.iter().find(|key| (key.column..key.end_column()).contains(&column))?;
    Some(met.intent)
}

/// Puts the keys of the left one after the other, into as many rows as they need, and those of the right to the end of the
/// last row, or of one more where that has no room.
fn place_footer_keys(wizard: &Wizard, theme: &Theme, width: usize, rows_max: usize) -> Vec<Vec<PlacedKey>> {
    let shown = |text: &str| render_in_display_charset(text, theme.charset).into_owned();
    let place = |offered: &OfferedKey, column: usize| PlacedKey {
        column,
        key: shown(offered.key),
        label: shown(offered.label),
        intent: offered.intent,
    };
    let offered = keys::list_offered_keys(wizard);
    let mut rows: Vec<Vec<PlacedKey>> = vec![Vec::new()];
    for key in offered.iter().filter(|key| !key.right) {
        let last = rows.last_mut().expect("one row was put there first");
        let column = last.last().map_or(1, |before| before.end_column() + KEY_GAP_COLUMNS);
        let placed = place(key, column);
        if placed.end_column() > width && !last.is_empty() {
            rows.push(vec![place(key, 1)]);
        } else {
            last.push(placed);
        }
    }
    let mut right: Vec<PlacedKey> = Vec::new();
    for key in offered.iter().filter(|key| key.right) {
        let column = right.last().map_or(0, |before| before.end_column() + KEY_GAP_COLUMNS);
        right.push(place(key, column));
    }
    let Some(right_width) = right.last().map(PlacedKey::end_column) else { return rows };
    let fits_behind = |row: &[PlacedKey]| {
        row.last().map_or(0, |last| last.end_column() + KEY_GAP_COLUMNS) + right_width < width
    };
    if !rows.last().is_some_and(|row| fits_behind(row)) {
        rows.push(Vec::new());
    }
    // What is always the same stays where it is; keys of the left give way to it.
    while rows.len() > rows_max.max(1) {
        rows.remove(rows.len() - 2);
    }
    let start = width.saturating_sub(right_width + 1);
    let last = rows.last_mut().expect("one row is left");
    last.retain(|key| key.end_column() < start);
    last.extend(right.into_iter().map(|key| PlacedKey { column: start + key.column, ..key }));
    rows
}
