//! The terminal face: owns the loop, performs the wizard's effects, draws what it says.
//!
//! Everything comes in through one `select!`, keys first; the loop takes what waits before it draws, for 16 ms at most, and
//! never waits itself: whatever takes time is a [`job`]. It is generic over the backend, the key stream and the performer of
//! effects, so that tests drive this very loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossterm::event::Event as TerminalEvent;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use ratatui::{Terminal, backend::Backend, layout::Rect};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

pub mod attention;
mod cell_sequences;
pub mod charset;
pub mod colour_contrast;
pub mod draw;
mod footer;
mod job;
pub mod job_control;
pub mod job_set;
pub mod keys;
pub mod layout;
mod log_column;
mod notice;
mod page_find;
pub mod perform;
mod places;
mod plan_lines;
mod request_path;
mod screen_links;
pub mod screens;
mod steps;
pub mod terminal;
mod terminal_backend;
mod terminal_colours;
mod terminal_events;
mod terminal_replies;
mod terminfo;
pub mod text;
pub mod theme;

use attention::AttentionState;
use colour_contrast::RgbColour;
pub use job::EffectJobContext;
use job_control::StoppedProcesses;
use job_set::WizardJobSet;
use terminal::{TerminalControl, TerminalOptions};
use terminal_colours::choose_theme_for_environment;
use theme::{TerminalBackground, Theme};

use crate::{
    model::failure::Failure,
    wizard::{
        END_OF_PAGE, ScrollExtent, TimedInput, Wizard, WizardEffect, WizardInput, WizardOutcome,
        WizardStartOptions,
    },
};

/// Events are drawn at most this often; a key is drawn at once.
const FRAME_INTERVAL: Duration = Duration::from_millis(16);
/// How often something that moves is drawn anew.
const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// How late the terminal may name its background and still change colours: later they would change under somebody's eyes.
const BACKGROUND_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long leaving waits for an answer that is still on its way: the shell would take it for something typed.
const LATE_ANSWER_WAIT: Duration = Duration::from_millis(100);
/// What no frame ever shows.
const UNKNOWN_CELL: &str = "\u{10fffd}";
/// All of the screen is written again at most this often for a key: over a slow line each takes its time.
const REPAINT_INTERVAL: Duration = Duration::from_millis(250);
/// How long what runs may take to stop once the terminal is gone.
const HANGUP_GRACE: Duration = Duration::from_secs(10);

/// Runs the wizard on this process's terminal, which is as before when this returns. `taken_over` says who asks it to end.
///
/// # Errors
/// Fails where there is no terminal, or where it can't be set up.
pub async fn run_wizard<F>(
    init: WizardStartOptions,
    options: TerminalOptions,
    effects: F,
    taken_over: impl Future<Output = String>,
) -> Result<WizardOutcome, Failure>
where
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let (mut guard, mut terminal) = terminal::init_terminal(options)?;
    let taken_over = taken_over.map(TuiRequest::TakenOver);
    let (keys, told) = terminal_events::stream_terminal_events();
    // Asked before the first frame, which doesn't wait for the answer.
    let background = Arc::new(BackgroundAnswer::note_question(guard.ask_for_background()));
    let noted = Arc::clone(&background);
    let told = told.inspect(move |_| noted.note_answer());
    let requests = stream::select(
        stream::select(terminal_events::stream_terminal_requests()?, told),
        Box::pin(stream::once(taken_over)),
    );
    let mut wizard = Wizard::new(init);
    let theme = choose_theme_for_environment(|name| std::env::var(name).ok());
    let outcome =
        run_wizard_event_loop(&mut terminal, &mut guard, keys, requests, &mut wizard, &theme, effects).await;
    background.wait_for_late_answer().await;
    if terminal.show_cursor().is_err() {
        // Its drop would complain on a terminal that is gone, and panic for want of one.
        std::mem::forget(terminal);
    }
    Ok(outcome)
}

/// Whether the terminal was asked for its background, and has answered.
struct BackgroundAnswer {
    asked_at: Option<Instant>,
    is_answered: AtomicBool,
}

impl BackgroundAnswer {
    fn note_question(asked: bool) -> Self {
        Self { asked_at: asked.then(Instant::now), is_answered: AtomicBool::new(false) }
    }

    fn note_answer(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Waits where the question is so fresh that the answer may be on its way.
    async fn wait_for_late_answer(&self) {
        let Some(asked_at) = self.asked_at else { return };
        while !self.is_answered.load(Ordering::Relaxed) && asked_at.elapsed() < LATE_ANSWER_WAIT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What is asked of the loop from elsewhere than the keyboard.
#[derive(Debug)]
pub enum TuiRequest {
    /// To end: the terminal is gone, or a signal says so.
    Hangup,
    /// To end: who goes on in its place.
    TakenOver(String),
    /// To draw at the size that the terminal has now.
    Resized,
    /// To stop this process, with the terminal given back.
    Suspend,
    /// This process was stopped, and goes on.
    Continued,
    /// The terminal named its background.
    BackgroundTold(RgbColour),
}

/// Runs the loop until the wizard is left or the terminal is gone; `requests` ask it to end, to stop and to go on.
pub async fn run_wizard_event_loop<B, C, K, R, F>(
    terminal: &mut Terminal<B>,
    control: &mut C,
    keys: K,
    requests: R,
    wizard: &mut Wizard,
    theme: &Theme,
    effects: F,
) -> WizardOutcome
where
    B: Backend,
    C: TerminalControl,
    K: Stream<Item = TerminalEvent> + Unpin,
    R: Stream<Item = TuiRequest> + Unpin,
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let mut app = TuiApp::new_idle_app(control, keys.fuse(), requests.fuse(), wizard, *theme, effects);
    // the first frame stands before anything is looked up
    app.draw_frame(terminal);
    let mut drawn_at = Instant::now();
    if let Some(outcome) = app.update_wizard_and_perform(WizardInput::Start) {
        return outcome;
    }
    let mut needs_frame = true;
    let mut urgent = true;
    loop {
        // what waits already is taken before the next frame, as long as that frame isn't late
        let until = Instant::now() + FRAME_INTERVAL;
        while Instant::now() < until {
            let Some(incoming) = app.wait_for_next_input().now_or_never() else { break };
            urgent |= incoming.urgent;
            needs_frame = true;
            if let Some(outcome) = incoming.input.and_then(|input| app.update_wizard_and_perform(input)) {
                return outcome;
            }
        }
        if needs_frame && (urgent || drawn_at.elapsed() >= FRAME_INTERVAL) {
            if !app.draw_frame(terminal)
                && let Some(outcome) = app.update_wizard_and_perform(WizardInput::Hangup)
            {
                return outcome;
            }
            drawn_at = Instant::now();
            (needs_frame, urgent) = (false, false);
        }
        tokio::select! {
            biased;
            incoming = app.wait_for_next_input() => {
                urgent |= incoming.urgent;
                needs_frame = true;
                if let Some(outcome) = incoming.input.and_then(|input| app.update_wizard_and_perform(input)) {
                    return outcome;
                }
            }
            () = sleep_until(drawn_at + FRAME_INTERVAL), if needs_frame => {}
        }
    }
}

struct TuiApp<'w, C, K, R, F> {
    started_at: Instant,
    wizard: &'w mut Wizard,
    control: &'w mut C,
    jobs: WizardJobSet<F>,
    keys: futures::stream::Fuse<K>,
    requests: futures::stream::Fuse<R>,
    ticked_at: Instant,
    /// Since when the terminal is gone.
    terminal_gone_at: Option<Instant>,
    /// The terminal is the shell's until this process is continued.
    suspended: bool,
    /// What stands on the screen isn't known: all of it is drawn, not what changed.
    needs_whole_frame: bool,
    /// A key was pressed: what another program wrote on the screen is written over.
    needs_repaint: bool,
    repainted_at: Option<Instant>,
    theme: Theme,
    /// What was drawn on last.
    frame_area: Rect,
    /// What the terminal was told last beside the screen.
    attention: Option<AttentionState>,
}

impl<'w, C, K, R, F> TuiApp<'w, C, K, R, F>
where
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    fn new_idle_app(
        control: &'w mut C,
        keys: futures::stream::Fuse<K>,
        requests: futures::stream::Fuse<R>,
        wizard: &'w mut Wizard,
        theme: Theme,
        effects: F,
    ) -> Self {
        Self {
            control,
            started_at: Instant::now(),
            wizard,
            jobs: WizardJobSet::new_idle_job_set(effects),
            keys,
            requests,
            ticked_at: Instant::now(),
            terminal_gone_at: None,
            suspended: false,
            needs_whole_frame: false,
            needs_repaint: false,
            repainted_at: None,
            theme,
            frame_area: Rect::ZERO,
            attention: None,
        }
    }
}

/// What came in, and whether somebody waits to see what comes of it.
struct NextWizardInput {
    input: Option<WizardInput>,
    urgent: bool,
}

impl<C, K, R, F> TuiApp<'_, C, K, R, F>
where
    C: TerminalControl,
    K: Stream<Item = TerminalEvent> + Unpin,
    R: Stream<Item = TuiRequest> + Unpin,
    F: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    /// Waits for the next input; dropping this before it is ready loses nothing.
    async fn wait_for_next_input(&mut self) -> NextWizardInput {
        let not_urgent = |input| NextWizardInput { input: Some(input), urgent: false };
        // Switching off takes the time that it takes.
        let gone = self.terminal_gone_at.filter(|_| !self.wizard.is_switching_off());
        let last_grace = gone.map(|gone| gone + HANGUP_GRACE);
        tokio::select! {
            biased;
            key = self.keys.next(), if self.terminal_gone_at.is_none() => NextWizardInput { input: self.convert_terminal_event(key), urgent: true },
            Some(request) = self.requests.next() => NextWizardInput { input: self.handle_tui_request(request), urgent: true },
            () = sleep_until(last_grace.unwrap_or(self.started_at)), if last_grace.is_some() => not_urgent(WizardInput::Hangup),
            input = self.jobs.receive_next_job_input() => not_urgent(input),
            () = sleep_until(self.ticked_at + TICK_INTERVAL), if self.wizard.has_running_job() && self.terminal_gone_at.is_none() => {
                self.ticked_at = Instant::now();
                not_urgent(WizardInput::Tick)
            }
        }
    }

    fn handle_tui_request(&mut self, request: TuiRequest) -> Option<WizardInput> {
        match request {
            TuiRequest::Hangup => {
                self.terminal_gone_at.get_or_insert_with(Instant::now);
                Some(WizardInput::Hangup)
            }
            TuiRequest::TakenOver(by) => Some(WizardInput::TakenOver(by)),
            TuiRequest::Resized => {
                // Whatever changed the terminal's size may have written on it.
                self.needs_whole_frame = true;
                Some(WizardInput::Resize)
            }
            TuiRequest::BackgroundTold(colour) => {
                if self.started_at.elapsed() < BACKGROUND_ANSWER_TIMEOUT {
                    self.theme = self.theme.on_background(TerminalBackground::from_background_colour(colour));
                }
                None
            }
            TuiRequest::Suspend => {
                self.suspend_until_continued(StoppedProcesses::ThisOne);
                None
            }
            TuiRequest::Continued => {
                self.suspended = false;
                self.needs_whole_frame = true;
                if self.terminal_gone_at.is_none() && self.control.retake_terminal().is_err() {
                    self.terminal_gone_at = Some(Instant::now());
                    return Some(WizardInput::Hangup);
                }
                Some(WizardInput::Resumed)
            }
        }
    }

    /// Stops this process, unless it is stopping already; where it can't, the screen is drawn anew.
    fn suspend_until_continued(&mut self, stopped: StoppedProcesses) {
        if self.suspended || self.terminal_gone_at.is_some() {
            return;
        }
        self.suspended = self.control.suspend_process(stopped);
        self.needs_whole_frame = true;
    }

    fn convert_terminal_event(&mut self, event: Option<TerminalEvent>) -> Option<WizardInput> {
        match event {
            Some(TerminalEvent::Key(key)) => {
                keys::find_intent_for_key(self.wizard.current_wizard_input_mode(), key).map(WizardInput::Key)
            }
            Some(TerminalEvent::Paste(text)) => Some(WizardInput::Paste(text)),
            Some(TerminalEvent::Mouse(mouse)) => {
                places::find_intent_of_mouse(self.wizard, &self.theme, self.frame_area, mouse)
                    .map(WizardInput::Key)
            }
            Some(TerminalEvent::Resize(..)) => Some(WizardInput::Resize),
            Some(_) => None,
            None => {
                self.terminal_gone_at.get_or_insert_with(Instant::now);
                Some(WizardInput::Hangup)
            }
        }
    }

    /// Tells the wizard, and performs what it asks for; the outcome is the loop's end.
    fn update_wizard_and_perform(&mut self, input: WizardInput) -> Option<WizardOutcome> {
        let by_key = matches!(input, WizardInput::Key(_) | WizardInput::Paste(_));
        self.needs_repaint |= by_key;
        let page_before = (self.wizard.screen, self.wizard.overlay.clone());
        let effect = self.wizard.update_wizard(TimedInput { at: self.started_at.elapsed(), input });
        // What another program wrote on the screen may not stand on a page that is entered.
        self.needs_whole_frame |= page_before != (self.wizard.screen, self.wizard.overlay.clone());
        let outcome = effect.and_then(|effect| self.perform_effect(effect));
        self.update_attention(by_key);
        outcome
    }

    /// Tells the terminal whose turn it is, where that changed.
    fn update_attention(&mut self, by_key: bool) {
        let before = self.attention.take();
        let state = AttentionState::read_wizard_attention(self.wizard, before.as_ref());
        let call = before.as_ref().and_then(|b| state.find_call_for_operator(b, by_key, self.wizard.now));
        let is_seen = self.terminal_gone_at.is_none() && !self.suspended;
        if is_seen && (call.is_some() || before.as_ref() != Some(&state)) {
            self.control.show_attention(&state, call.as_deref());
        }
        self.attention = Some(state);
    }

    fn perform_effect(&mut self, effect: WizardEffect) -> Option<WizardOutcome> {
        match self.jobs.perform_job_effect(effect)? {
            WizardEffect::Leave(outcome) => return Some(outcome),
            WizardEffect::Suspend => self.suspend_until_continued(StoppedProcesses::WholeJob),
            // only a redraw is left
            _ => self.needs_whole_frame = true,
        }
        None
    }

    /// Draws a frame, unless nobody sees it any more; false where the terminal turns out to be gone.
    fn draw_frame<B: Backend>(&mut self, terminal: &mut Terminal<B>) -> bool {
        if self.terminal_gone_at.is_some() || self.suspended {
            return true;
        }
        let cleared = if std::mem::take(&mut self.needs_whole_frame) {
            // What the next frame would write over is gone with this one.
            (self.needs_repaint, self.repainted_at) = (false, Some(Instant::now()));
            terminal.clear()
        } else {
            self.repaint_after_key(terminal);
            Ok(())
        };
        let drawn = cleared.and_then(|()| self.draw_frame_parts(terminal));
        let Ok(extent) = drawn else {
            self.terminal_gone_at = Some(Instant::now());
            return false;
        };
        let is_beyond = |scroll: usize| scroll > extent.lines && scroll != END_OF_PAGE;
        if extent != self.wizard.extent || self.wizard.scroll.is_some_and(is_beyond) {
            let effect = self.wizard.update_wizard(TimedInput {
                at: self.started_at.elapsed(),
                input: WizardInput::Drawn(extent),
            });
            debug_assert!(effect.is_none(), "a frame asks for nothing");
            // whether there is anything to scroll is known only now, and stands in the footer
            if self.draw_frame_parts(terminal).is_err() {
                self.terminal_gone_at = Some(Instant::now());
                return false;
            }
        }
        true
    }

    /// Has the next frame write every cell, without clearing the screen before: nothing flickers.
    fn repaint_after_key<B: Backend>(&mut self, terminal: &mut Terminal<B>) {
        let is_due = self.repainted_at.is_none_or(|at| at.elapsed() >= REPAINT_INTERVAL);
        if !is_due || !std::mem::take(&mut self.needs_repaint) {
            return;
        }
        self.repainted_at = Some(Instant::now());
        // A frame that shows this in no cell stands for what isn't known: each cell differs from it.
        for cell in &mut terminal.current_buffer_mut().content {
            cell.set_symbol(UNKNOWN_CELL);
        }
        terminal.swap_buffers();
    }

    fn draw_frame_parts<B: Backend>(&mut self, terminal: &mut Terminal<B>) -> Result<ScrollExtent, B::Error> {
        let mut extent = self.wizard.extent;
        terminal.draw(|frame| {
            self.frame_area = frame.area();
            extent = draw::draw_wizard(frame, self.wizard, &self.theme);
            self.control.note_screen_links(frame.buffer_mut());
        })?;
        Ok(extent)
    }
}
