//! The plain face: the same wizard as lines and questions that are written once, for screen readers, serial lines and consoles.
//!
//! It is another loop over the very same [`Wizard`]: its inputs and effects, the bodies of its screens, its table of
//! intents. So no question stands in one face alone. Nothing is drawn anew, and no control sequence is written.

use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

mod events;
mod form;
mod help;
mod menu;
mod page;
mod speech;
pub mod terminal;

use speech::PlainSpeech;
use terminal::{PlainRequest, PlainTerminal, ProcessTerminal, TypedLine};

use crate::{
    model::failure::Failure,
    tui::{EffectJobContext, job_set::WizardJobSet},
    wizard::{
        INPUT_ACCEPTED_AFTER, TimedInput, Wizard, WizardEffect, WizardInput, WizardOutcome,
        WizardStartOptions,
        intent::{UserIntent, UserIntentAvailability, WizardInputMode},
        screen::ScreenOverlay,
    },
};
use form::FieldAnswer;
use menu::{PlainMenu, TypedAnswer};

/// How often the wizard is told that time passes.
const TICK_INTERVAL: Duration = Duration::from_secs(1);
/// How long what runs may take to stop once the terminal is gone.
const HANGUP_GRACE: Duration = Duration::from_secs(10);

/// Runs the wizard as lines on this process's terminal. `taken_over` says who asks it to end.
///
/// # Errors
/// Fails where the system refuses a signal's handler.
pub async fn run_plain_wizard<F>(
    init: WizardStartOptions,
    effects: F,
    taken_over: impl Future<Output = String>,
) -> Result<WizardOutcome, Failure>
where
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let taken_over = stream::once(taken_over.map(PlainRequest::TakenOver));
    let requests = stream::select(terminal::stream_signal_requests()?, Box::pin(taken_over));
    let mut terminal = ProcessTerminal::open_process_terminal();
    let mut wizard = Wizard::new(init);
    let typed = terminal::stream_typed_lines();
    Ok(run_plain_wizard_loop(&mut terminal, typed, requests, &mut wizard, effects).await)
}

/// Runs the loop until the wizard is left or the terminal is gone; `requests` ask it to end, to stop and to go on.
pub async fn run_plain_wizard_loop<T, L, R, F>(
    terminal: &mut T,
    typed: L,
    requests: R,
    wizard: &mut Wizard,
    effects: F,
) -> WizardOutcome
where
    T: PlainTerminal,
    L: Stream<Item = TypedLine> + Unpin,
    R: Stream<Item = PlainRequest> + Unpin,
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let mut app = PlainApp {
        started_at: Instant::now(),
        speech: PlainSpeech::new_silent_speech(terminal),
        wizard,
        jobs: WizardJobSet::new_idle_job_set(effects),
        typed: typed.fuse(),
        requests: requests.fuse(),
        ticked_at: Instant::now(),
        terminal_gone_at: None,
        menu: None,
        ended_input_before: false,
    };
    app.speech.print_introduction(app.wizard);
    if let Some(outcome) = app.update_wizard_and_perform(WizardInput::Start) {
        return outcome;
    }
    loop {
        app.print_what_is_new();
        let incoming = app.wait_for_next_incoming().await;
        if let Some(outcome) = app.handle_incoming(incoming) {
            app.speech.close_prompt();
            return outcome;
        }
    }
}

/// What comes in.
enum PlainIncoming {
    Typed(Option<TypedLine>),
    Request(PlainRequest),
    Job(Box<WizardInput>),
    Tick,
    /// The question may be asked: what stands above it has stood for long enough.
    PromptDue,
    GraceOver,
}

struct PlainApp<'w, T, L, R, F> {
    started_at: Instant,
    wizard: &'w mut Wizard,
    speech: PlainSpeech<'w, T>,
    jobs: WizardJobSet<F>,
    typed: futures::stream::Fuse<L>,
    requests: futures::stream::Fuse<R>,
    ticked_at: Instant,
    /// Since when the terminal is gone.
    terminal_gone_at: Option<Instant>,
    /// What was offered last, by which a typed number is read.
    menu: Option<PlainMenu>,
    /// The line before this one was a Ctrl-D.
    ended_input_before: bool,
}

impl<T, L, R, F> PlainApp<'_, T, L, R, F>
where
    T: PlainTerminal,
    L: Stream<Item = TypedLine> + Unpin,
    R: Stream<Item = PlainRequest> + Unpin,
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    fn elapsed_time(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Waits for the next that comes in; dropping this before it is ready loses nothing.
    async fn wait_for_next_incoming(&mut self) -> PlainIncoming {
        let is_here = self.terminal_gone_at.is_none();
        // Switching off takes the time that it takes.
        let gone = self.terminal_gone_at.filter(|_| !self.wizard.is_switching_off());
        let last_grace = gone.map(|gone| gone + HANGUP_GRACE);
        let prompt_at = self.speech.prompt_due_at().map(|due| self.started_at + due);
        tokio::select! {
            biased;
            Some(request) = self.requests.next() => PlainIncoming::Request(request),
            line = self.typed.next(), if is_here => PlainIncoming::Typed(line),
            () = sleep_until(last_grace.unwrap_or(self.started_at)), if last_grace.is_some() => PlainIncoming::GraceOver,
            input = self.jobs.receive_next_job_input() => PlainIncoming::Job(Box::new(input)),
            () = sleep_until(prompt_at.unwrap_or(self.started_at)), if prompt_at.is_some() && is_here => PlainIncoming::PromptDue,
            () = sleep_until(self.ticked_at + TICK_INTERVAL), if self.wizard.has_running_job() && is_here => PlainIncoming::Tick,
        }
    }

    /// Handles what came in; the outcome is the loop's end.
    fn handle_incoming(&mut self, incoming: PlainIncoming) -> Option<WizardOutcome> {
        match incoming {
            PlainIncoming::Typed(Some(TypedLine::Text(line))) => {
                self.ended_input_before = false;
                self.handle_typed_line(&line)
            }
            PlainIncoming::Typed(Some(TypedLine::EndOfInput)) => self.handle_end_of_input(),
            PlainIncoming::Typed(None) | PlainIncoming::Request(PlainRequest::Hangup) => {
                self.terminal_gone_at.get_or_insert_with(Instant::now);
                self.update_wizard_and_perform(WizardInput::Hangup)
            }
            PlainIncoming::GraceOver => self.update_wizard_and_perform(WizardInput::Hangup),
            PlainIncoming::Request(PlainRequest::Interrupt) => {
                self.speech.close_prompt();
                self.update_wizard_and_perform(WizardInput::Key(UserIntent::Interrupt))
            }
            PlainIncoming::Request(PlainRequest::TakenOver(by)) => {
                self.update_wizard_and_perform(WizardInput::TakenOver(by))
            }
            PlainIncoming::Request(PlainRequest::Suspend) => {
                self.speech.suspend_process();
                None
            }
            PlainIncoming::Request(PlainRequest::Continued) => {
                self.speech.repeat_prompt();
                self.update_wizard_and_perform(WizardInput::Resumed)
            }
            PlainIncoming::Job(input) => {
                let now = self.elapsed_time();
                self.speech.print_job_input(now, &input);
                self.update_wizard_and_perform(*input)
            }
            PlainIncoming::Tick => {
                self.ticked_at = Instant::now();
                self.update_wizard_and_perform(WizardInput::Tick)
            }
            PlainIncoming::PromptDue => {
                self.ask_next_question();
                None
            }
        }
    }

    /// Prints what the wizard shows by now and did not before.
    fn print_what_is_new(&mut self) {
        if self.terminal_gone_at.is_some() {
            return;
        }
        let now = self.elapsed_time();
        if is_waiting_for_operator(self.wizard) {
            let is_new = self.speech.print_screen(self.wizard);
            if is_new {
                let accepted_at = self.wizard.shown_at + INPUT_ACCEPTED_AFTER;
                self.speech.schedule_prompt(now.max(accepted_at));
            }
        } else {
            self.menu = None;
            self.speech.print_running_state(self.wizard, now);
        }
    }

    /// Asks what the wizard waits for. What was typed before that is not taken: it was typed for something else.
    fn ask_next_question(&mut self) {
        let mut dropped = false;
        while let Some(Some(TypedLine::Text(_))) = self.typed.next().now_or_never() {
            dropped = true;
        }
        // The wizard's clock moves by inputs alone, and what is offered depends on it.
        let at = self.elapsed_time();
        let _ = self.wizard.update_wizard(TimedInput { at, input: WizardInput::Tick });
        if dropped {
            self.speech.print_line("What was typed before this question is not taken.");
        }
        if self.wizard.current_wizard_input_mode() == WizardInputMode::Text
            && let Some(form) = &self.wizard.form
        {
            self.menu = None;
            self.speech.ask_form_field(form);
            return;
        }
        let menu = PlainMenu::list_offered_answers(self.wizard, self.speech.shown_choices());
        self.speech.ask_menu_question(&menu);
        self.menu = Some(menu);
    }

    fn handle_typed_line(&mut self, line: &str) -> Option<WizardOutcome> {
        self.speech.note_line_typed();
        if self.wizard.current_wizard_input_mode() == WizardInputMode::Text {
            return self.handle_form_line(line);
        }
        let menu = match self.menu.take() {
            Some(menu) => menu,
            // Nothing is asked and nothing is numbered meanwhile: letters alone are heard.
            None if line.trim().is_empty() || line.trim().parse::<usize>().is_ok() => return None,
            None => PlainMenu::list_offered_answers(self.wizard, &[]),
        };
        match menu.read_typed_answer(self.wizard, line) {
            // A customer's link is no answer: it is explained, as one that is pasted on the drawn screen.
            TypedAnswer::Refused(_) if self.wizard.is_pasted_link_taken(line) => {
                let outcome = self.update_wizard_and_perform(WizardInput::Paste(line.to_owned()));
                self.speech.expect_new_screen();
                outcome
            }
            TypedAnswer::Refused(why) => {
                self.speech.print_refusal(&why, self.elapsed_time());
                self.menu = Some(menu);
                None
            }
            TypedAnswer::Intents(intents) => self.perform_intents(&intents),
        }
    }

    fn perform_intents(&mut self, intents: &[UserIntent]) -> Option<WizardOutcome> {
        for intent in intents {
            let is_move = matches!(intent, UserIntent::Move(_));
            if !is_move && self.wizard.intent_availability(*intent) == UserIntentAvailability::Hidden {
                self.speech.print_refusal("That can't be done here now.", self.elapsed_time());
                return None;
            }
            let outcome = self.update_wizard_and_perform(WizardInput::Key(*intent));
            if outcome.is_some() {
                return outcome;
            }
        }
        self.speech.expect_new_screen();
        None
    }

    fn handle_form_line(&mut self, line: &str) -> Option<WizardOutcome> {
        let at = self.elapsed_time();
        let send = |wizard: &mut Wizard, input| {
            // Typing into a form asks for no effect.
            let _ = wizard.update_wizard(TimedInput { at, input });
        };
        let asked_field = self.wizard.form.as_ref().map(|form| form.focus);
        match form::answer_form_field(self.wizard, line, send) {
            FieldAnswer::Continue => {
                self.speech.print_taken_value(self.wizard.form.as_ref(), asked_field);
                self.speech.schedule_prompt(at);
                None
            }
            FieldAnswer::AskAgain(why) => {
                self.speech.print_refusal(&why, at);
                None
            }
            FieldAnswer::Close => {
                self.speech.end_form();
                let outcome = self.update_wizard_and_perform(WizardInput::Key(UserIntent::Back));
                self.speech.print_line("Nothing was taken.");
                self.speech.expect_new_screen();
                outcome
            }
            FieldAnswer::Submit => {
                let outcome = self.update_wizard_and_perform(WizardInput::Key(UserIntent::Next));
                if let Some(why) = form::find_focused_complaint(self.wizard) {
                    self.speech.print_refusal(&why, at);
                } else {
                    self.speech.end_form();
                    self.speech.expect_new_screen();
                }
                outcome
            }
        }
    }

    /// Ctrl-D: closes the form or the question, else leaves as `q` does; a second one ends as a terminal that goes does.
    fn handle_end_of_input(&mut self) -> Option<WizardOutcome> {
        self.speech.close_prompt();
        if std::mem::replace(&mut self.ended_input_before, true) {
            return self.update_wizard_and_perform(WizardInput::Hangup);
        }
        let is_form = self.wizard.current_wizard_input_mode() == WizardInputMode::Text;
        if is_form {
            self.speech.end_form();
        }
        let asks = is_form || self.wizard.overlay.as_ref().is_some_and(ScreenOverlay::is_yes_no_question);
        let intent = if asks { UserIntent::Back } else { UserIntent::Quit };
        let outcome = self.update_wizard_and_perform(WizardInput::Key(intent));
        self.speech.expect_new_screen();
        outcome
    }

    /// Tells the wizard, and performs what it asks for; the outcome is the loop's end.
    fn update_wizard_and_perform(&mut self, input: WizardInput) -> Option<WizardOutcome> {
        let at = self.elapsed_time();
        let effect = self.wizard.update_wizard(TimedInput { at, input })?;
        match self.jobs.perform_job_effect(effect)? {
            WizardEffect::Leave(outcome) => Some(outcome),
            WizardEffect::Suspend => {
                self.speech.suspend_process();
                None
            }
            // There is nothing to draw anew.
            _ => None,
        }
    }
}

/// Whether nothing goes on that the screen waits for: it is read, and answered.
fn is_waiting_for_operator(wizard: &Wizard) -> bool {
    wizard.overlay.is_some() || wizard.form.is_some() || wizard.busy.is_none_or(|busy| busy.paused)
}
