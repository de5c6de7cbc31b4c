//! What is pinned below the body: a question, the question before leaving, a form with its cursor.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::parts;
use crate::{
    model::run::plan::{PlanConfirmationQuestion, RequiredConsent},
    tui::{
        layout::{BodySize, ScreenBody},
        text,
        theme::Theme,
    },
    wizard::{
        Wizard,
        form::{FormFieldKind, InputForm},
    },
};

fn render_horizontal_rule(theme: &Theme, size: BodySize) -> Line<'static> {
    Line::styled("─".repeat(size.width), theme.accent)
}

/// Renders the question of a consent, with its two answers.
pub fn render_confirmation_question(
    body: &mut ScreenBody,
    wizard: &Wizard,
    theme: &Theme,
    size: BodySize,
    confirmation: &PlanConfirmationQuestion,
) {
    let lines = &mut body.pinned;
    lines.push(render_horizontal_rule(theme, size));
    text::render_paragraph(lines, &confirmation.question, theme.strong, size.max_prose_width());
    if confirmation.consent == RequiredConsent::Managed {
        let choices = [
            "Wait: show the values, and continue once they are in the file",
            "Write now: pause that tool first, or it overwrites this",
        ];
        for (index, label) in choices.into_iter().enumerate() {
            let chosen = index == wizard.choice;
            let style = if chosen { theme.title } else { theme.plain };
            let label = text::truncate_text(label, size.width.saturating_sub(2));
            body.pinned_choice_lines.push((lines.len(), index));
            parts::render_selectable_line(lines, chosen, vec![Span::styled(label, style)], theme);
        }
        return;
    }
    lines.push(render_yes_no_keys(theme, "yes, do it", "no, do nothing"));
}

/// Renders the question whether the other run shall end.
pub fn render_take_over_question(body: &mut ScreenBody, wizard: &Wizard, theme: &Theme, size: BodySize) {
    let lines = &mut body.pinned;
    lines.push(render_horizontal_rule(theme, size));
    let who = wizard.detected_other_run().map_or("the other run", |run| run.who.as_str());
    let question = format!(
        "Ask {who} to end? It stops after the request in flight and says who took over; this wizard continues from what it left."
    );
    text::render_paragraph(lines, &question, theme.strong, size.max_prose_width());
    lines.push(render_yes_no_keys(theme, "take over", "leave it alone"));
}

/// Renders the question whether to leave while something runs.
pub fn render_quit_question(body: &mut ScreenBody, wizard: &Wizard, theme: &Theme, size: BodySize) {
    let stage = wizard.stage_being_applied().map_or("It", |stage| stage.stage_title());
    let lines = &mut body.pinned;
    lines.push(render_horizontal_rule(theme, size));
    let question =
        format!("{stage} is running. Stop it after the request in flight, and leave? You can resume later.");
    text::render_paragraph(lines, &question, theme.strong, size.max_prose_width());
    lines.push(render_yes_no_keys(theme, "stop and leave", "stay"));
}

fn render_yes_no_keys(theme: &Theme, yes: &'static str, no: &'static str) -> Line<'static> {
    Line::from(vec![
        Span::styled("y ", theme.accent),
        Span::raw(yes),
        Span::styled("    n ", theme.accent),
        Span::raw(no),
    ])
}

/// Renders a form with its cursor, and beside each field its hint or its complaint.
pub fn render_input_form(body: &mut ScreenBody, form: &InputForm, theme: &Theme, size: BodySize) {
    let lines = &mut body.pinned;
    lines.push(render_horizontal_rule(theme, size));
    text::render_paragraph(lines, &form.title, theme.strong, size.max_prose_width());
    let label_width = form.fields.iter().map(|field| field.label.len()).max().unwrap_or(0) + 2;
    for (index, field) in form.fields.iter().enumerate() {
        let here = index == form.focus;
        let label = Span::styled(
            text::pad_or_truncate_to_width(field.label, label_width),
            if here { theme.accent } else { theme.dim },
        );
        let space = size.width.saturating_sub(label_width + 1).max(1);
        let (shown, cursor) = match field.kind {
            FormFieldKind::Toggle(on) => (format!("[{}] {}", if on { "x" } else { " " }, field.hint), 1),
            _ if field.is_field_masked() => {
                let mask = "•".repeat(field.input.value().chars().count());
                crop_around_cursor(&mask, field.input.cursor(), space)
            }
            _ => crop_around_cursor(field.input.value(), field.input.cursor(), space),
        };
        let (shown, style) = if shown.is_empty() && !here {
            (text::truncate_text(field.hint, space), theme.dim)
        } else {
            (shown, theme.plain)
        };
        if here {
            body.cursor = Some(((label_width + cursor) as u16, lines.len() as u16));
        }
        lines.push(Line::from(vec![label, Span::styled(shown, style)]));
        if let Some(why) = field.complaint {
            let first = vec![Span::raw(" ".repeat(label_width))];
            text::render_hanging_text(
                lines,
                first,
                &format!("{} {why}", field.label),
                theme.failed,
                size.width,
            );
        } else if here && !matches!(field.kind, FormFieldKind::Toggle(_)) {
            let hint = text::truncate_text(field.hint, space);
            lines.push(Line::from(vec![Span::raw(" ".repeat(label_width)), Span::styled(hint, theme.dim)]));
        }
    }
}

/// The part of a long value around the cursor, and the cursor's column in it.
fn crop_around_cursor(value: &str, cursor: usize, width: usize) -> (String, usize) {
    let before: String = value.chars().take(cursor).collect();
    let mut start = 0;
    let letters: Vec<char> = value.chars().collect();
    let columns = |from: usize| letters[from.min(cursor)..cursor].iter().collect::<String>().width();
    while columns(start) >= width && start < cursor {
        start += 1;
    }
    let mut shown = String::new();
    for letter in &letters[start.min(letters.len())..] {
        let mut next = shown.clone();
        next.push(*letter);
        if next.width() > width {
            break;
        }
        shown = next;
    }
    let column = if start == 0 { before.width() } else { columns(start) };
    (shown, column)
}
