//! The road that packages take, drawn in one line; where there is room, what each part is called below it.

use ratatui::text::{Line, Span};

use super::theme::Theme;
use crate::wizard::request_path::{RequestPath, RequestPathHop, RequestPathSight};

/// Who asks for packages.
const CLIENTS: &str = "apt, dnf, pip";

/// Renders the road, and beside it what stands idle; with `rows` above two also what each part is called here.
pub fn render_request_path_diagram(
    path: &RequestPath,
    theme: &Theme,
    width: usize,
    rows: u16,
) -> Vec<Line<'static>> {
    let arrow = if width >= 100 { " ───▸ " } else { " ─▸ " };
    let all = || path.hops.iter().chain(&path.idle);
    let columns: usize = all().map(|hop| hop_width(hop, true) + arrow.chars().count()).sum();
    // Where there is no room for what each is called, its name is enough.
    let is_detailed = rows > 2 && columns + CLIENTS.len() < width;
    let mut names = vec![Span::raw(" "), Span::styled(CLIENTS, theme.plain)];
    let mut details = vec![Span::raw(" ".repeat(CLIENTS.len() + 1))];
    for hop in &path.hops {
        names.push(Span::styled(arrow, theme.accent));
        details.push(Span::raw(" ".repeat(arrow.chars().count())));
        push_hop(&mut names, &mut details, hop, theme, is_detailed);
    }
    if !path.idle.is_empty() {
        let used: usize = names.iter().map(Span::width).sum();
        let idle: usize = path.idle.iter().map(|hop| hop_width(hop, is_detailed) + 2).sum();
        // At the right end, apart from the road: packages do not pass it.
        let gap = width.saturating_sub(used + idle).max(2);
        names.push(Span::raw(" ".repeat(gap)));
        details.push(Span::raw(" ".repeat(gap)));
        for hop in &path.idle {
            push_hop(&mut names, &mut details, hop, theme, is_detailed);
            names.push(Span::raw("  "));
            details.push(Span::raw("  "));
        }
    }
    let rule = Line::styled("─".repeat(width), theme.dim);
    if rows > 2 {
        vec![Line::default(), Line::from(names), Line::from(details), rule]
    } else {
        vec![Line::from(names), rule]
    }
}

/// The columns of a part: of its sign and name, and, where both are drawn, of what it is called.
fn hop_width(hop: &RequestPathHop, is_detailed: bool) -> usize {
    let name = hop.name.len() + 2;
    if is_detailed { name.max(hop.detail.chars().count() + 2) } else { name }
}

fn push_hop(
    names: &mut Vec<Span<'static>>,
    details: &mut Vec<Span<'static>>,
    hop: &RequestPathHop,
    theme: &Theme,
    is_detailed: bool,
) {
    let (sign, style) = match hop.sight {
        RequestPathSight::Seen => ("●", theme.accent),
        RequestPathSight::ByFile => ("◐", theme.accent),
        RequestPathSight::Absent => ("○", theme.dim),
        RequestPathSight::Unknown => ("?", theme.strong),
    };
    let width = hop_width(hop, is_detailed);
    names.push(Span::styled(format!("{:width$}", format!("{sign} {}", hop.name)), style));
    let detail = if is_detailed { format!("  {}", hop.detail) } else { String::new() };
    details.push(Span::styled(format!("{detail:width$}"), theme.dim));
}
