//! Where each part of a frame stands, and what a click or the wheel there means.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Constraint, Layout, Position, Rect};

use super::{
    charset::convert_body_to_charset,
    footer,
    layout::{BodySize, ScreenBody},
    log_column,
    notice::render_last_notice,
    screens,
    theme::Theme,
};
use crate::wizard::{
    ScrollExtent, Wizard,
    intent::{CursorMove, UserIntent},
};

/// Below this, a plain message: columns and rows.
pub const MIN_WINDOW_SIZE: (u16, u16) = (40, 10);

/// How many rows the keys may take of a window of this height.
#[must_use]
pub fn footer_rows_max(height: u16) -> usize {
    usize::from(height / 8).clamp(1, 4)
}

/// The places of a frame's parts.
pub struct ScreenPlaces {
    pub header: Rect,
    pub rule: Rect,
    pub road: Rect,
    pub body: Rect,
    pub log_bar: Rect,
    pub log: Rect,
    pub notice: Rect,
    pub rule_below: Rect,
    pub footer: Rect,
}

impl ScreenPlaces {
    /// Places the parts in a window; none where it is too small for them.
    pub fn place_screen_parts(wizard: &Wizard, theme: &Theme, area: Rect) -> Option<Self> {
        if area.width < MIN_WINDOW_SIZE.0 || area.height < MIN_WINDOW_SIZE.1 {
            return None;
        }
        let road_rows = match (area.height >= 18, area.width >= 120 && area.height >= 36) {
            (_, true) => 4,
            (true, false) => 2,
            (false, false) => 0,
        };
        let notice_rows = render_last_notice(wizard, theme, area).len() as u16;
        let rows_max = footer_rows_max(area.height);
        let key_rows = footer::render_key_footer(wizard, theme, area.width as usize, rows_max).len() as u16;
        let [header, rule, road, middle, notice, rule_below, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(road_rows),
            Constraint::Min(1),
            Constraint::Length(notice_rows),
            Constraint::Length(1),
            Constraint::Length(key_rows),
        ])
        .areas(area);
        let log_width = log_column::measure_log_column(wizard, middle.width, middle.width.saturating_sub(2));
        let [_, body, _, log_bar, log] = Layout::horizontal([
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
            Constraint::Length(2 * u16::from(log_width > 0)),
            Constraint::Length(log_width.saturating_sub(2)),
        ])
        .areas(middle);
        Some(Self { header, rule, road, body, log_bar, log, notice, rule_below, footer })
    }
}

/// A body with the places of its text and of what is pinned below it.
pub struct PlacedBody {
    pub body: ScreenBody,
    pub text: Rect,
    pub pinned: Rect,
    pub extent: ScrollExtent,
}

impl PlacedBody {
    /// Renders the body and places its parts; what must be seen is, until the operator scrolls.
    pub fn place_screen_body(wizard: &Wizard, theme: &Theme, area: Rect) -> Self {
        let size = BodySize { width: area.width as usize, height: area.height as usize };
        let body = screens::render_screen_body(wizard, theme, size);
        let body = convert_body_to_charset(body, theme.charset, size.width);
        let below_head = match &body.head {
            Some(_) if area.height > 3 => Rect { y: area.y + 1, height: area.height - 1, ..area },
            _ => area,
        };
        // a question must be read whole; where the screen is too low for both, the body gives way
        let pinned_rows_max = below_head.height.saturating_sub(2).max(1);
        let pinned_rows = (body.pinned.len() as u16).min(pinned_rows_max);
        let rows = below_head.height - pinned_rows;
        let mut extent = ScrollExtent { lines: body.lines.len(), rows: rows as usize, top: 0 };
        let last = extent.lines.saturating_sub(extent.rows);
        extent.top = match (wizard.scroll, body.keep_visible) {
            (Some(scroll), _) => scroll.min(last),
            (None, Some(seen)) => (seen + 1).saturating_sub(extent.rows).min(seen).min(last),
            (None, None) => 0,
        };
        let text = Rect { height: rows, ..below_head };
        let pinned = Rect { y: below_head.y + rows, height: pinned_rows, ..below_head };
        Self { body, text, pinned, extent }
    }
}

/// Returns what a click or the wheel says: a click on a key at the foot presses it, one on a line of a list chooses that line,
/// the wheel scrolls.
#[must_use]
pub fn find_intent_of_mouse(
    wizard: &Wizard,
    theme: &Theme,
    area: Rect,
    mouse: MouseEvent,
) -> Option<UserIntent> {
    match mouse.kind {
        MouseEventKind::ScrollUp => Some(UserIntent::Move(CursorMove::ScrollUp)),
        MouseEventKind::ScrollDown => Some(UserIntent::Move(CursorMove::ScrollDown)),
        MouseEventKind::Down(MouseButton::Left) => {
            let places = ScreenPlaces::place_screen_parts(wizard, theme, area)?;
            let at = Position { x: mouse.column, y: mouse.row };
            if places.footer.contains(at) {
                let (width, rows_max) = (area.width as usize, footer_rows_max(area.height));
                let place = (at.x.into(), (at.y - places.footer.y).into());
                return footer::find_footer_key_at(wizard, theme, width, rows_max, place);
            }
            find_choice_at(wizard, theme, places.body, at).map(UserIntent::Choose)
        }
        _ => None,
    }
}

/// Finds which line of the screen's list stands in this row.
fn find_choice_at(wizard: &Wizard, theme: &Theme, area: Rect, at: Position) -> Option<usize> {
    let placed = PlacedBody::place_screen_body(wizard, theme, area);
    let (line, places) = if placed.text.contains(at) {
        (placed.extent.top + usize::from(at.y - placed.text.y), &placed.body.choice_lines)
    } else if placed.pinned.contains(at) {
        let hidden = placed.body.pinned.len().saturating_sub(placed.pinned.height.into());
        (hidden + usize::from(at.y - placed.pinned.y), &placed.body.pinned_choice_lines)
    } else {
        return None;
    };
    places.iter().find(|(of_choice, _)| *of_choice == line).map(|(_, choice)| *choice)
}
