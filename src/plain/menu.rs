//! What can be done now: the list of the screen by its numbers, every intent that the wizard offers by its letter, which is the
//! same on each screen; and what a typed line means.

use super::help::is_for_drawn_screens;
use crate::{
    tui::keys::KEY_BINDINGS,
    wizard::{
        Wizard,
        intent::{CursorMove, UserIntent, UserIntentAvailability, WizardInputMode},
        screen::{ScreenOverlay, WizardScreen},
    },
};

/// What can be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PlainMenu {
    /// The texts of the screen's list.
    choices: Vec<String>,
    /// Which of them Enter takes.
    chosen: Option<usize>,
    /// What Enter does; nothing where it answers no question.
    enter: Option<String>,
    rows: Vec<PlainMenuRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PlainMenuRow {
    key: &'static str,
    label: String,
    intent: UserIntent,
}

/// What a typed line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TypedAnswer {
    /// These, one after the other.
    Intents(Vec<UserIntent>),
    /// It is none of what can be done: what is said of it.
    Refused(String),
}

impl PlainMenu {
    /// Lists what the wizard offers now, beside the list of the screen.
    pub(super) fn list_offered_answers(wizard: &Wizard, choices: &[String]) -> Self {
        let mode = wizard.current_wizard_input_mode();
        let mut menu = Self { choices: choices.to_vec(), ..Self::default() };
        for binding in KEY_BINDINGS.iter().filter(|binding| binding.mode == mode && !binding.key.is_empty()) {
            let label = match wizard.intent_availability(binding.intent) {
                UserIntentAvailability::Hidden => continue,
                UserIntentAvailability::Usual if binding.label.is_empty() => continue,
                UserIntentAvailability::Usual => binding.label.to_owned(),
                UserIntentAvailability::As(label) => label.to_owned(),
            };
            match binding.intent {
                UserIntent::Next => menu.enter = Some(label),
                // Ctrl-C is told of apart.
                intent if is_for_drawn_screens(intent) => {}
                // Each line of a list is opened by its number.
                UserIntent::Open if !choices.is_empty() => {}
                intent => menu.rows.push(PlainMenuRow { key: binding.key, label, intent }),
            }
        }
        menu.chosen = (is_list_taken_by_enter(wizard) && menu.enter.is_some()).then_some(wizard.choice);
        menu
    }

    /// Renders the menu, a line for each thing that can be done.
    pub(super) fn render_menu_lines(&self) -> Vec<String> {
        let how = if self.choices.is_empty() { "the letter" } else { "a number of the list or the letter" };
        let mut lines = vec![format!("What you can do now. Type {how}, then Enter:")];
        if let Some(enter) = &self.enter {
            let taken = self.chosen.and_then(|chosen| self.choices.get(chosen));
            let what = taken.map_or_else(String::new, |text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                format!(", with {}: {}", self.chosen.unwrap_or_default() + 1, words.join(" "))
            });
            lines.push(format!("  Enter alone: {enter}{what}"));
        }
        match self.choices.len() {
            0 => {}
            1 => lines.push("  1: the line of the list above".to_owned()),
            count => lines.push(format!("  1 to {count}: that line of the list above")),
        }
        lines.extend(self.rows.iter().map(|row| format!("  {}: {}", row.key, row.label)));
        lines
    }

    /// Renders in one line what can be done while something runs.
    pub(super) fn render_short_menu(&self) -> String {
        let keys: Vec<String> = self.rows.iter().map(|row| format!("{} {}", row.key, row.label)).collect();
        format!("While this runs you can type, then Enter: {}. Ctrl-C stops it.", keys.join(", "))
    }

    /// Renders the prompt: what is asked, and what Enter alone answers.
    pub(super) fn render_prompt(&self) -> String {
        if let Some(enter) = &self.enter {
            return format!("Your answer [{enter}]: ");
        }
        let answers = |row: &&PlainMenuRow| matches!(row.intent, UserIntent::Yes | UserIntent::No);
        let keys: Vec<&str> = self.rows.iter().filter(answers).map(|row| row.key).collect();
        if keys.is_empty() {
            return "Your answer: ".to_owned();
        }
        format!("Your answer, {}: ", keys.join(" or "))
    }

    /// Tells what a typed line means.
    pub(super) fn read_typed_answer(&self, wizard: &Wizard, typed: &str) -> TypedAnswer {
        let line = typed.trim_end_matches(['\n', '\r']);
        // The key itself, which a terminal sends as a blank: nobody who pressed it meant Enter alone.
        let typed = if line.trim().is_empty() && line.contains('\t') { "Tab" } else { line.trim() };
        if typed.is_empty() && !line.is_empty() {
            return TypedAnswer::Refused(format!("A blank is no answer. {}", self.describe_answers()));
        }
        if typed.is_empty() {
            return match self.enter {
                Some(_) => TypedAnswer::Intents(vec![UserIntent::Next]),
                None => TypedAnswer::Refused(format!(
                    "Enter alone answers nothing here. {}",
                    self.describe_answers()
                )),
            };
        }
        if let Ok(number) = typed.parse::<usize>() {
            return self.read_typed_number(wizard, number);
        }
        let by_key = self.rows.iter().find(|row| row.key == typed);
        let fits = |row: &&PlainMenuRow| {
            row.key.eq_ignore_ascii_case(typed) || row.label.eq_ignore_ascii_case(typed)
        };
        if let Some(row) = by_key.or_else(|| self.rows.iter().find(fits)) {
            return TypedAnswer::Intents(vec![row.intent]);
        }
        TypedAnswer::Refused(format!(
            "\"{typed}\" is nothing that can be done here. {}",
            self.describe_answers()
        ))
    }

    fn read_typed_number(&self, wizard: &Wizard, number: usize) -> TypedAnswer {
        let Some(index) = number.checked_sub(1) else {
            return TypedAnswer::Refused(format!("There is no 0. {}", self.describe_answers()));
        };
        if index < self.choices.len() {
            let mut intents = vec![UserIntent::Move(CursorMove::Home)];
            intents.extend(std::iter::repeat_n(UserIntent::Move(CursorMove::Down), index));
            // Where Enter is for the whole screen, a line of it is opened and nothing else.
            intents.push(if is_list_taken_by_enter(wizard) { UserIntent::Next } else { UserIntent::Open });
            return TypedAnswer::Intents(intents);
        }
        TypedAnswer::Refused(format!("There is no {number}. {}", self.describe_answers()))
    }

    fn describe_answers(&self) -> String {
        let number = match self.choices.len() {
            0 => String::new(),
            1 => "1, ".to_owned(),
            count => format!("a number from 1 to {count}, "),
        };
        let enter = if self.enter.is_some() { ", or Enter alone" } else { "" };
        format!("Type {number}a letter of the list above{enter}.")
    }
}

/// Whether Enter takes the line that is chosen; else it is for the whole screen.
fn is_list_taken_by_enter(wizard: &Wizard) -> bool {
    match (&wizard.overlay, wizard.screen) {
        (Some(ScreenOverlay::Ask(_)), _) => wizard.current_wizard_input_mode() == WizardInputMode::Browse,
        (Some(_), _) | (None, WizardScreen::Stage(_) | WizardScreen::Watch) => false,
        (None, _) => wizard.count_screen_list_lines() > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            failure::Failure,
            run::plan::{PlanConfirmationQuestion, RequiredConsent},
        },
        wizard::{TimedInput, WizardInput, WizardStartOptions},
    };
    use std::time::Duration;

    fn wizard_on_first_screen() -> Wizard {
        let mut wizard = Wizard::new(WizardStartOptions::default());
        for input in [
            WizardInput::Start,
            WizardInput::Welcome(Err(Failure::new_generic_failure("AWS", "no answer", "look again"))),
        ] {
            wizard.update_wizard(TimedInput { at: Duration::ZERO, input });
        }
        wizard
    }

    #[test]
    fn a_letter_and_a_word_mean_the_same_and_numbers_are_of_the_list_alone() {
        let wizard = wizard_on_first_screen();
        let choices = ["one".to_owned(), "two".to_owned()];
        let menu = PlainMenu::list_offered_answers(&wizard, &choices);
        for typed in ["D", "d", " disable "] {
            assert_eq!(
                menu.read_typed_answer(&wizard, typed),
                TypedAnswer::Intents(vec![UserIntent::Disable]),
                "{typed:?}"
            );
        }
        assert!(menu.render_menu_lines().contains(&"  D: disable".to_owned()));
        // A blank, or the key Tab where nothing is offered for it, is never Enter alone.
        for typed in ["\t", " \t\n", " ", "  \r\n"] {
            let answer = menu.read_typed_answer(&wizard, typed);
            assert!(matches!(answer, TypedAnswer::Refused(_)), "{typed:?}: {answer:?}");
        }
        let TypedAnswer::Refused(why) = menu.read_typed_answer(&wizard, "3") else { panic!("3 is taken") };
        assert!(why.contains("from 1 to 2"), "{why}");
        let without_list = PlainMenu::list_offered_answers(&wizard, &[]);
        let TypedAnswer::Refused(why) = without_list.read_typed_answer(&wizard, "1") else {
            panic!("1 is taken where no list stands")
        };
        assert!(!why.contains("number"), "{why}");
    }

    #[test]
    fn the_number_of_a_list_chooses_that_line() {
        let mut wizard = wizard_on_first_screen();
        wizard.screen = WizardScreen::Identity;
        let choices = ["one".to_owned(), "two".to_owned()];
        let menu = PlainMenu::list_offered_answers(&wizard, &choices);
        assert_eq!(
            menu.read_typed_answer(&wizard, "2"),
            TypedAnswer::Intents(vec![
                UserIntent::Move(CursorMove::Home),
                UserIntent::Move(CursorMove::Down),
                UserIntent::Next
            ])
        );
    }

    #[test]
    fn enter_alone_answers_no_question_of_yes_or_no() {
        let mut wizard = wizard_on_first_screen();
        wizard.overlay = Some(ScreenOverlay::Ask(PlanConfirmationQuestion {
            consent: RequiredConsent::Adopt,
            question: "Take it over?".to_owned(),
        }));
        let menu = PlainMenu::list_offered_answers(&wizard, &[]);
        assert!(matches!(menu.read_typed_answer(&wizard, ""), TypedAnswer::Refused(_)));
        assert_eq!(menu.read_typed_answer(&wizard, "y"), TypedAnswer::Intents(vec![UserIntent::Yes]));
        assert_eq!(menu.read_typed_answer(&wizard, "yes"), TypedAnswer::Intents(vec![UserIntent::Yes]));
        assert!(menu.render_prompt().contains("y or n"), "{}", menu.render_prompt());
    }
}
