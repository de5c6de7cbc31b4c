//! What an operator who looks elsewhere is told: the terminal's title, a bell with a notification, and the progress that a
//! tab or a task bar shows.
//!
//! What is told is decided here, of the wizard alone; the bytes are made here too, and sent by `terminal.rs`.

use std::time::Duration;

use crate::{
    model::run::{event::StageEnd, goal::RunStage},
    wizard::{
        Wizard,
        screen::{ScreenOverlay, WizardScreen},
    },
};

/// The end of a wait rings only where it was this long: whoever just pressed a key still looks.
const RINGS_AFTER: Duration = Duration::from_secs(3);
const PROGRAM_NAME: &str = "packagecloud-cloudfront";

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TurnState {
    /// The program works, with how much of it is done in percent, where that is known.
    Working(Option<u8>),
    /// A question is open that only the operator can answer.
    Asking,
    /// Something failed.
    Failed,
    /// The operator's keys are waited for.
    Idle,
}

/// What the title and the tab show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionState {
    turn: TurnState,
    /// What it is about: a stage's title.
    about: &'static str,
    /// Since when the program works without a stop, as the wizard counts time.
    works_since: Option<Duration>,
    sandbox: bool,
}

impl AttentionState {
    /// Reads it off the wizard; `before` says how long it works already.
    #[must_use]
    pub fn read_wizard_attention(wizard: &Wizard, before: Option<&Self>) -> Self {
        let turn = find_turn_state(wizard);
        let works_since = matches!(turn, TurnState::Working(_))
            .then(|| before.and_then(|before| before.works_since).unwrap_or(wizard.now));
        Self { turn, about: name_what_it_is_about(wizard), works_since, sandbox: wizard.init.sandbox }
    }

    /// Returns the title: what goes on first, since a tab shows a title's beginning alone.
    #[must_use]
    pub fn render_title(&self) -> String {
        let about = self.about;
        let what = match self.turn {
            TurnState::Working(Some(percent)) => format!("{about} {percent} % - "),
            TurnState::Working(None) => format!("{about}, running - "),
            TurnState::Asking => format!("{about}: a question - "),
            TurnState::Failed => format!("{about}: failed - "),
            TurnState::Idle if about.is_empty() => String::new(),
            TurnState::Idle => format!("{about}: your turn - "),
        };
        let sandbox = if self.sandbox { " (sandbox)" } else { "" };
        format!("{what}{PROGRAM_NAME}{sandbox}")
    }

    /// Returns the state and the percentage that OSC 9;4 takes: 0 hides it, 1 is a percentage, 2 an error, 3 a progress
    /// without one, 4 a pause.
    fn progress_codes(&self) -> (u8, u8) {
        match self.turn {
            TurnState::Working(Some(percent)) => (1, percent),
            TurnState::Working(None) => (3, 0),
            TurnState::Asking => (4, 100),
            TurnState::Failed => (2, 100),
            TurnState::Idle => (0, 0),
        }
    }

    /// Returns what a notification says where the operator's turn has come by itself since `before`; none where it hasn't,
    /// or where a key of the operator's did it.
    #[must_use]
    pub fn find_call_for_operator(&self, before: &Self, by_key: bool, now: Duration) -> Option<String> {
        let worked_since = before.works_since?;
        if by_key {
            return None;
        }
        let about = self.about;
        match self.turn {
            TurnState::Working(_) => None,
            TurnState::Asking => Some(format!("{PROGRAM_NAME}: {about} has a question for you")),
            TurnState::Failed => {
                Some(format!("{PROGRAM_NAME}: {about} failed; the screen says what to do next"))
            }
            TurnState::Idle if now.saturating_sub(worked_since) < RINGS_AFTER => None,
            TurnState::Idle => Some(format!("{PROGRAM_NAME}: {about} is done; it waits for you")),
        }
    }
}

fn find_turn_state(wizard: &Wizard) -> TurnState {
    let asks = matches!(wizard.overlay, Some(ScreenOverlay::Ask(_) | ScreenOverlay::TakeOver));
    if asks || wizard.running_stage_credential_wait().is_some() {
        return TurnState::Asking;
    }
    if wizard.busy.is_some() {
        return TurnState::Working(find_progress_percent(wizard));
    }
    let WizardScreen::Stage(stage) = wizard.screen else { return TurnState::Idle };
    let failed = wizard
        .find_stage_progress(stage)
        .is_some_and(|progress| progress.end == Some(StageEnd::Failed) || progress.failure.is_some());
    if failed { TurnState::Failed } else { TurnState::Idle }
}

/// The share of what runs on the screen that is done, where a total is known.
fn find_progress_percent(wizard: &Wizard) -> Option<u8> {
    let pace = wizard.find_stage_progress(wizard.stage_applied_in_foreground()?)?.pace.as_ref()?;
    let total = pace.total.filter(|total| *total > 0)?;
    u8::try_from((pace.done? * 100 / total).min(100)).ok()
}

fn name_what_it_is_about(wizard: &Wizard) -> &'static str {
    let shown = match wizard.screen {
        WizardScreen::Stage(stage) => Some(stage),
        _ => None,
    };
    wizard.stage_applied_in_foreground().or(shown).map_or("", RunStage::stage_title)
}

/// What a terminal makes of what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalAbilities {
    /// It takes the sequences that begin with `ESC ]` as such, and the title's stack.
    pub takes_sequences: bool,
    /// It shows a progress, or ignores it, and never takes it for a notification.
    pub takes_progress: bool,
}

impl TerminalAbilities {
    /// Reads them off the environment. Before 3.6.6 iTerm2 took each progress for a notification; its name comes over ssh
    /// as `LC_TERMINAL`.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let takes_sequences = super::terminal_colours::may_answer_background_query(&term);
        let is_iterm = variable("LC_TERMINAL").is_some_and(|name| name == "iTerm2")
            || variable("TERM_PROGRAM").is_some_and(|name| name == "iTerm.app");
        let version = variable("LC_TERMINAL_VERSION").or_else(|| variable("TERM_PROGRAM_VERSION"));
        let is_new_iterm = version.is_some_and(|version| {
            let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
            parts.as_slice() >= [3, 6, 6].as_slice()
        });
        Self { takes_sequences, takes_progress: takes_sequences && (!is_iterm || is_new_iterm) }
    }

    /// Renders what tells the terminal of `state`, after `before`, and of a call for the operator. Nothing in it is from
    /// outside of this program.
    #[must_use]
    pub fn render_attention(
        self,
        before: Option<&AttentionState>,
        state: &AttentionState,
        call: Option<&str>,
    ) -> String {
        let mut bytes = String::new();
        let title = state.render_title();
        if self.takes_sequences && before.is_none_or(|before| before.render_title() != title) {
            bytes.push_str(&format!("\x1b]2;{title}\x1b\\"));
        }
        let codes = state.progress_codes();
        let shown_before = before.map_or((0, 0), AttentionState::progress_codes);
        if self.takes_progress && codes != shown_before {
            bytes.push_str(&format!("\x1b]9;4;{};{}\x1b\\", codes.0, codes.1));
        }
        if let Some(call) = call {
            if self.takes_sequences {
                bytes.push_str(&format!("\x1b]9;{call}\x1b\\"));
            }
            bytes.push('\x07');
        }
        bytes
    }

    /// Returns what is sent when the terminal becomes ours: the title that it has is put on its stack.
    #[must_use]
    pub fn render_attention_start(self) -> &'static str {
        if self.takes_sequences { "\x1b[22;2t" } else { "" }
    }

    /// Returns what is sent when the terminal is given back: no progress, and the title of before; none where the terminal has
    /// no such stack.
    #[must_use]
    pub fn render_attention_end(self) -> &'static str {
        match (self.takes_sequences, self.takes_progress) {
            (false, _) => "",
            (true, false) => "\x1b]2;\x1b\\\x1b[23;2t",
            (true, true) => "\x1b]9;4;0;0\x1b\\\x1b]2;\x1b\\\x1b[23;2t",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(turn: TurnState) -> AttentionState {
        let works_since = matches!(turn, TurnState::Working(_)).then_some(Duration::ZERO);
        AttentionState { turn, about: "Distribution", works_since, sandbox: false }
    }

    #[test]
    fn a_wait_that_ends_by_itself_calls_and_a_key_never_does() {
        let working = state(TurnState::Working(None));
        let (long, short) = (Duration::from_mins(1), Duration::from_secs(1));
        for (turn, by_key, after, calls) in [
            (TurnState::Idle, false, long, true),
            (TurnState::Idle, false, short, false),
            (TurnState::Idle, true, long, false),
            (TurnState::Failed, false, short, true),
            (TurnState::Failed, true, long, false),
            (TurnState::Asking, false, short, true),
            (TurnState::Working(Some(7)), false, long, false),
        ] {
            let call = state(turn).find_call_for_operator(&working, by_key, after);
            assert_eq!(call.is_some(), calls, "{turn:?} {by_key} {after:?}");
        }
        assert_eq!(
            state(TurnState::Failed).find_call_for_operator(&state(TurnState::Idle), false, long),
            None
        );
    }

    #[test]
    fn the_terminal_is_told_what_changed_alone() {
        let all = TerminalAbilities { takes_sequences: true, takes_progress: true };
        let (idle, working) = (state(TurnState::Idle), state(TurnState::Working(Some(40))));
        assert_eq!(
            all.render_attention(Some(&idle), &working, None),
            "\x1b]2;Distribution 40 % - packagecloud-cloudfront\x1b\\\x1b]9;4;1;40\x1b\\"
        );
        assert_eq!(all.render_attention(Some(&working), &working, None), "");
        assert_eq!(
            all.render_attention(Some(&working), &idle, Some("it is done")),
            "\x1b]2;Distribution: your turn - packagecloud-cloudfront\x1b\\\x1b]9;4;0;0\x1b\\\x1b]9;it is done\x1b\\\x07"
        );
        let bell = TerminalAbilities { takes_sequences: false, takes_progress: false };
        assert_eq!(bell.render_attention(Some(&working), &idle, Some("it is done")), "\x07");
        assert_eq!((bell.render_attention_start(), bell.render_attention_end()), ("", ""));
    }

    #[test]
    fn a_terminal_that_takes_a_progress_for_a_notification_gets_none() {
        for (variables, sequences, progress) in [
            (&[("TERM", "xterm-256color")][..], true, true),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], true, false),
            (
                &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2"), ("LC_TERMINAL_VERSION", "3.5.11")],
                true,
                false,
            ),
            (
                &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2"), ("LC_TERMINAL_VERSION", "3.6.6")],
                true,
                true,
            ),
            (&[("TERM", "linux")], false, false),
            (&[("TERM", "vt220")], false, false),
            (&[("TERM", "dumb")], false, false),
            (&[], false, false),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
            };
            let expected = TerminalAbilities { takes_sequences: sequences, takes_progress: progress };
            assert_eq!(TerminalAbilities::from_environment(variable), expected, "{variables:?}");
        }
    }
}
