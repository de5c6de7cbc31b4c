//! What a screen says as lines of text: the same bodies that the terminal face draws, their marks as words, their lists numbered.

use ratatui::text::Line;

use super::help;
use crate::{
    tui::{
        layout::{BodySize, ScreenBody},
        screens::render_screen_body,
        text::wrap_text,
        theme::{HERE_MARK, Theme},
    },
    wizard::{
        Wizard,
        request_path::{RequestPath, RequestPathHop, RequestPathSight},
        screen::ScreenOverlay,
    },
};

/// Rows that no body is cut to: everything is printed.
const UNBOUNDED_ROWS: usize = 10_000;

/// Columns that a number of a list and the word of a mark take more than the signs in their place.
const NUMBER_COLUMNS: usize = 7;

/// A screen as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PlainPage {
    pub title: String,
    /// What stands on it, between empty lines.
    pub blocks: Vec<Vec<String>>,
    /// The question that lies over it, whole.
    pub question: Vec<String>,
    /// The lines of its list, as they are numbered in its blocks or its question.
    pub choices: Vec<String>,
}

impl PlainPage {
    /// Renders what the wizard shows now, `width` columns wide.
    pub(super) fn render_wizard_page(wizard: &mut Wizard, theme: &Theme, width: usize) -> Self {
        let has_numbers = wizard.count_screen_list_lines() > 0;
        let room = if has_numbers { NUMBER_COLUMNS } else { 0 };
        let size = BodySize { width: width.saturating_sub(room), height: UNBOUNDED_ROWS };
        let choices = list_choice_lines(wizard, theme, size);
        let ScreenBody { head, lines, pinned, .. } = render_screen_body(wizard, theme, size);
        let title = head.map(|head| render_plain_line(&head)).unwrap_or_default();
        // What is under way stands at the right end of the heading, far from the title.
        let title = title.trim().split("   ").next().unwrap_or_default().to_owned();
        let mut numbering = ChoiceNumbering { choices: &choices, next: 0 };
        let mut blocks = vec![Vec::new()];
        if wizard.overlay == Some(ScreenOverlay::Help) {
            blocks[0] = help::render_help_lines(width);
        }
        // The keys of the drawn page stand in the lines above, the promises below them.
        let skipped = if blocks[0].is_empty() { 0 } else { count_lines_of_first_block(&lines) };
        for line in &lines[skipped..] {
            let text = numbering.number_choice_line(&render_plain_line(line));
            if text.trim().is_empty() {
                blocks.push(Vec::new());
            } else if !is_rule(&text) {
                let block = blocks.last_mut().expect("one block was put there first");
                match replace_marks_of_board(&text) {
                    Some(said) => block.extend(wrap_text(&said, width)),
                    None => block.push(replace_mark_by_word(&text)),
                }
            }
        }
        blocks.retain(|block| !block.is_empty());
        // A form is asked field by field.
        let shows_question = matches!(
            wizard.overlay,
            Some(ScreenOverlay::Ask(_) | ScreenOverlay::TakeOver | ScreenOverlay::Quit)
        );
        let question = pinned
            .iter()
            .filter(|_| shows_question)
            .map(|line| numbering.number_choice_line(&render_plain_line(line)))
            .filter(|text| !text.trim().is_empty() && !is_rule(text) && !text.starts_with("y "))
            .collect();
        Self { title, blocks, question, choices }
    }
}

/// Says which road packages take now, and how each part of it is known.
pub(super) fn describe_request_path(path: &RequestPath) -> String {
    let describe = |hop: &RequestPathHop| {
        let sight = match hop.sight {
            RequestPathSight::Seen => "seen",
            RequestPathSight::ByFile => "packagecloud.rb says so, not seen",
            RequestPathSight::Absent => "not in use",
            RequestPathSight::Unknown => "can't be told",
        };
        let known: Vec<&str> =
            [hop.detail.as_str(), sight].into_iter().filter(|part| !part.is_empty()).collect();
        format!("{} ({})", hop.name, known.join("; "))
    };
    let road: Vec<String> = path.hops.iter().map(describe).collect();
    let beside: Vec<String> = path.idle.iter().map(describe).collect();
    let mut said = format!("Packages go from the package manager to {}.", road.join(", then "));
    if !beside.is_empty() {
        said.push_str(&format!(" Beside that road: {}.", beside.join(", ")));
    }
    said
}

/// Lists the lines of the screen's list, without the sign of the one that is chosen: each is drawn as the chosen one once.
fn list_choice_lines(wizard: &mut Wizard, theme: &Theme, size: BodySize) -> Vec<String> {
    let chosen = wizard.choice;
    let mut found = Vec::new();
    for choice in 0..wizard.count_screen_list_lines() {
        wizard.choice = choice;
        let ScreenBody { lines, pinned, .. } = render_screen_body(wizard, theme, size);
        let line = lines.iter().chain(&pinned).map(render_plain_line);
        found.extend(line.into_iter().find_map(|line| strip_choice_sign(&line).map(str::to_owned)));
    }
    wizard.choice = chosen;
    found
}

fn strip_choice_sign(line: &str) -> Option<&str> {
    line.strip_prefix(HERE_MARK)?.strip_prefix(' ')
}

/// Puts numbers in the place of the sign that one line of a list has.
struct ChoiceNumbering<'a> {
    choices: &'a [String],
    next: usize,
}

impl ChoiceNumbering<'_> {
    fn number_choice_line(&mut self, line: &str) -> String {
        let Some(choice) = self.choices.get(self.next) else { return line.to_owned() };
        let text = strip_choice_sign(line).or_else(|| line.strip_prefix("  "));
        if text != Some(choice) {
            return line.to_owned();
        }
        self.next += 1;
        format!("  {}. {}", self.next, replace_mark_by_word(choice))
    }
}

/// Returns a line's text, without what fills it up to its end.
fn render_plain_line(line: &Line<'_>) -> String {
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    text.trim_end().to_owned()
}

/// How many lines stand before the empty line that ends the first block.
fn count_lines_of_first_block(lines: &[Line<'_>]) -> usize {
    let begins = lines.iter().position(|line| line.width() > 0).unwrap_or(0);
    lines[begins..].iter().position(|line| line.width() == 0).map_or(lines.len(), |at| begins + at)
}

fn is_rule(line: &str) -> bool {
    line.chars().all(|letter| matches!(letter, '─' | '━' | '═' | '-' | ' '))
}

/// Says a line of several stages, each with its mark, in words: none where it is another line.
fn replace_marks_of_board(line: &str) -> Option<String> {
    let parts: Vec<&str> = line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect();
    let said = |part: &&str| {
        let (mark, name) = part.split_once(' ')?;
        let word = if mark == "·" { "to do:" } else { find_word_of_mark(mark)? };
        Some(format!("{word} {name}"))
    };
    let said: Vec<String> = parts.iter().map(said).collect::<Option<_>>()?;
    (said.len() > 1).then(|| said.join("; "))
}

/// Finds the word for a mark; none where it is no mark.
fn find_word_of_mark(mark: &str) -> Option<&'static str> {
    let mut letters = mark.chars();
    let word = match letters.next()? {
        '✓' => "ok:",
        '✗' => "FAILED:",
        '?' => "unknown:",
        '–' => "skipped:",
        '→' => "next:",
        '‖' => "paused:",
        '!' => "note:",
        '·' | '»' => "-",
        '▸' => "here:",
        '\u{2801}'..='\u{28ff}' => "running:",
        _ => return None,
    };
    letters.next().is_none().then_some(word)
}

/// Puts a word in the place of the mark at a line's start: a mark alone tells nothing to whoever hears it.
fn replace_mark_by_word(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (space, rest) = line.split_at(indent);
    let Some((mark, after)) = rest.split_once(' ') else { return line.to_owned() };
    match find_word_of_mark(mark) {
        Some(word) => format!("{space}{word} {after}"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wizard::WizardStartOptions;

    #[test]
    fn a_list_is_numbered_and_its_chosen_line_stays_chosen() {
        let mut wizard = Wizard::new(WizardStartOptions::default());
        wizard.choice = 1;
        let page = PlainPage::render_wizard_page(&mut wizard, &Theme::new(false), 80);
        assert_eq!(wizard.choice, 1);
        assert_eq!(page.choices.len(), wizard.count_screen_list_lines());
        let text = page.blocks.concat().join("\n");
        for (index, choice) in page.choices.iter().enumerate() {
            assert!(
                text.contains(&format!("{}. {choice}", index + 1)),
                "{choice:?} has no number in:\n{text}"
            );
        }
        assert!(!text.contains(HERE_MARK), "{text}");
    }

    #[test]
    fn marks_are_words() {
        for (line, said) in [
            ("✓ create  role", "ok: create  role"),
            ("  → attach it", "  next: attach it"),
            ("? clock", "unknown: clock"),
            ("» run  gate", "- run  gate"),
            ("what is this?", "what is this?"),
            ("?!", "?!"),
        ] {
            assert_eq!(replace_mark_by_word(line), said);
        }
        for (line, said) in [
            (
                "✓ Secret  ✓ Bootstrap  ▸ Go live  · Verify",
                Some("ok: Secret; ok: Bootstrap; here: Go live; to do: Verify"),
            ),
            ("✓ Reindex", None),
            ("✓ create  role", None),
        ] {
            assert_eq!(replace_marks_of_board(line).as_deref(), said, "{line}");
        }
    }
}
