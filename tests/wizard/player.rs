//! Somebody at the keyboard: types into the real loop on a backend in memory, and waits for what the screen says.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use futures::{Stream, channel::mpsc};
use packagecloud_cloudfront::{
    tui::{
        self, EffectJobContext, TuiRequest, attention::AttentionState, job_control::StoppedProcesses,
        terminal::TerminalControl, theme::Theme,
    },
    wizard::{Wizard, WizardEffect, WizardOutcome, WizardStartOptions},
};
use ratatui::{
    Terminal,
    backend::{Backend, ClearType, TestBackend, WindowSize},
    buffer::{Buffer, Cell},
    layout::{Position, Size},
    style::{Color, Modifier},
};
use tokio::{task::JoinHandle, time::sleep};

/// A backend whose screen can be looked at while the loop owns it.
#[derive(Clone)]
struct SharedBackend(Arc<Mutex<TestBackend>>);

fn to_io_result<T>(result: Result<T, std::convert::Infallible>) -> io::Result<T> {
    result.map_err(|never| match never {})
}

impl Backend for SharedBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        to_io_result(self.0.lock().unwrap().draw(content))
    }
    fn hide_cursor(&mut self) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().hide_cursor())
    }
    fn show_cursor(&mut self) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().show_cursor())
    }
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        to_io_result(self.0.lock().unwrap().get_cursor_position())
    }
    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().set_cursor_position(position))
    }
    fn clear(&mut self) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().clear())
    }
    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().clear_region(clear_type))
    }
    fn size(&self) -> io::Result<Size> {
        to_io_result(self.0.lock().unwrap().size())
    }
    fn window_size(&mut self) -> io::Result<WindowSize> {
        to_io_result(self.0.lock().unwrap().window_size())
    }
    fn flush(&mut self) -> io::Result<()> {
        to_io_result(self.0.lock().unwrap().flush())
    }
}

/// A terminal that is given back and taken over again, as it was asked to; and what it was told beside the screen.
#[derive(Clone, Default)]
pub struct ScriptedTerminal(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>);

impl TerminalControl for ScriptedTerminal {
    fn suspend_process(&mut self, stopped: StoppedProcesses) -> bool {
        self.0.lock().unwrap().push(format!("stop {stopped:?}"));
        true
    }

    fn retake_terminal(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().push("take again".to_owned());
        Ok(())
    }

    fn show_attention(&mut self, state: &AttentionState, call: Option<&str>) {
        let mut told = self.1.lock().unwrap();
        told.push(state.render_title());
        told.extend(call.map(|call| format!("call: {call}")));
    }

    fn note_screen_links(&mut self, _: &Buffer) {}
}

/// The screen and the keyboard.
#[derive(Clone)]
pub struct ScreenPlayer {
    glass: SharedBackend,
    keys: mpsc::UnboundedSender<Event>,
    requests: mpsc::UnboundedSender<TuiRequest>,
    control: ScriptedTerminal,
    key_count: Arc<AtomicUsize>,
}

impl ScreenPlayer {
    /// How many keys were pressed so far.
    pub fn count_pressed_keys(&self) -> usize {
        self.key_count.load(Ordering::Relaxed)
    }

    /// What the screen shows, without the blanks at the ends of lines.
    pub fn screen_text(&self) -> String {
        let backend = self.glass.0.lock().unwrap();
        let buffer = backend.buffer();
        buffer
            .content
            .chunks(buffer.area.width as usize)
            .map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Waits until the screen says `text`.
    pub async fn wait_for_text(&self, text: &str) {
        for _ in 0..6000 {
            if self.screen_text().contains(text) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{text:?} did not come up on\n{}", self.screen_text());
    }

    pub fn is_showing(&self, text: &str) -> bool {
        self.screen_text().contains(text)
    }

    /// Presses a key once the screen has settled.
    pub async fn press_key(&self, code: KeyCode) {
        sleep(Duration::from_millis(400)).await;
        self.send_key(code, KeyModifiers::NONE);
        sleep(Duration::from_millis(20)).await;
    }

    /// Presses a key at once.
    pub fn send_key(&self, code: KeyCode, modifiers: KeyModifiers) {
        self.key_count.fetch_add(1, Ordering::Relaxed);
        let _ = self.keys.unbounded_send(Event::Key(KeyEvent::new(code, modifiers)));
    }

    pub async fn press_letter(&self, letter: char) {
        self.press_key(KeyCode::Char(letter)).await;
    }

    pub async fn press_enter(&self) {
        self.press_key(KeyCode::Enter).await;
    }

    pub fn press_ctrl_c(&self) {
        self.send_key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    }

    /// Turns the wheel towards the operator: what is below comes up.
    pub async fn turn_wheel_down(&self) {
        let wheel = MouseEvent {
            kind: MouseEventKind::ScrollDown,
            column: 10,
            row: 8,
            modifiers: KeyModifiers::NONE,
        };
        let _ = self.keys.unbounded_send(Event::Mouse(wheel));
        sleep(Duration::from_millis(20)).await;
    }

    /// Types a text, a key a letter.
    pub async fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.send_key(KeyCode::Char(letter), KeyModifiers::NONE);
        }
        sleep(Duration::from_millis(20)).await;
    }

    pub async fn click_at(&self, column: u16, row: u16) {
        sleep(Duration::from_millis(400)).await;
        let kind = MouseEventKind::Down(MouseButton::Left);
        let click = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let _ = self.keys.unbounded_send(Event::Mouse(click));
        sleep(Duration::from_millis(20)).await;
    }

    /// What the screen shows with how it looks: each part in another look than the plain one as `‹look|text›`.
    pub fn styled_screen_text(&self) -> String {
        let backend = self.glass.0.lock().unwrap();
        let buffer = backend.buffer();
        let look = |cell: &Cell| {
            let colour = match cell.fg {
                Color::Reset => String::new(),
                Color::Indexed(index) => index.to_string(),
                named => named.to_string().to_lowercase(),
            };
            let modifiers =
                [(Modifier::BOLD, "bold"), (Modifier::REVERSED, "reversed"), (Modifier::DIM, "dim")];
            let names = modifiers.iter().filter(|(modifier, _)| cell.modifier.contains(*modifier));
            let parts: Vec<&str> = std::iter::once(colour.as_str())
                .filter(|colour| !colour.is_empty())
                .chain(names.map(|(_, name)| *name))
                .collect();
            parts.join(" ")
        };
        let mut text = String::new();
        for row in buffer.content.chunks(buffer.area.width as usize) {
            let mut line = String::new();
            for part in row.chunk_by(|one, next| look(one) == look(next)) {
                let shown: String = part.iter().map(Cell::symbol).collect();
                match look(&part[0]) {
                    plain if plain.is_empty() => line.push_str(&shown),
                    look => line.push_str(&format!("‹{look}|{shown}›")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Whether anything is drawn in this colour.
    pub fn has_colour(&self, colour: Color) -> bool {
        self.glass.0.lock().unwrap().buffer().content.iter().any(|cell| cell.fg == colour)
    }

    /// Where `text` stands: column and row.
    pub fn find_text_place(&self, text: &str) -> (u16, u16) {
        let screen = self.screen_text();
        let (row, line) = screen
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains(text))
            .unwrap_or_else(|| panic!("{text:?} isn't on\n{screen}"));
        let column = line[..line.find(text).unwrap()].chars().count();
        (column as u16, row as u16)
    }

    pub async fn paste_text(&self, text: &str) {
        let _ = self.keys.unbounded_send(Event::Paste(text.to_owned()));
        sleep(Duration::from_millis(20)).await;
    }

    pub fn hang_up(&self) {
        let _ = self.requests.unbounded_send(TuiRequest::Hangup);
    }

    /// What was asked of the terminal so far.
    pub fn terminal_calls(&self) -> Vec<String> {
        self.control.0.lock().unwrap().clone()
    }

    /// The titles that were shown so far, and the calls for the operator among them.
    pub fn titles_and_calls(&self) -> Vec<String> {
        self.control.1.lock().unwrap().clone()
    }

    pub async fn send_request(&self, request: TuiRequest) {
        let _ = self.requests.unbounded_send(request);
        sleep(Duration::from_millis(20)).await;
    }

    /// Writes over the screen behind the wizard's back, as a broadcast or another program does.
    pub fn scribble_on_screen(&self, text: &str) {
        let mut backend = self.glass.0.lock().unwrap();
        let cells: Vec<Cell> = text.chars().map(Cell::from).collect();
        let _ = backend.draw(cells.iter().enumerate().map(|(x, cell)| (x as u16, 5, cell)));
    }

    /// Gives the loop the time that it takes to draw.
    pub async fn wait_for_change(&self) {
        sleep(Duration::from_millis(20)).await;
    }

    pub async fn resize_screen(&self, width: u16, height: u16) {
        self.glass.0.lock().unwrap().resize(width, height);
        let _ = self.keys.unbounded_send(Event::Resize(width, height));
        sleep(Duration::from_millis(20)).await;
    }
}

/// Plays `part` against the real loop with this performer of effects; it must leave the wizard.
pub async fn play_with_effects<P, F, E>(
    beginning: WizardStartOptions,
    size: (u16, u16),
    effects: E,
    part: P,
) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
    E: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    play_with_theme(beginning, size, Theme::new(true), effects, part).await
}

/// The same in other colours or letters.
pub async fn play_with_theme<P, F, E>(
    beginning: WizardStartOptions,
    size: (u16, u16),
    theme: Theme,
    effects: E,
    part: P,
) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
    E: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let glass = SharedBackend(Arc::new(Mutex::new(TestBackend::new(size.0, size.1))));
    let mut terminal = Terminal::new(glass.clone()).unwrap();
    let (keys, typed) = mpsc::unbounded();
    let (requests, asked) = mpsc::unbounded();
    let mut control = ScriptedTerminal::default();
    let player = ScreenPlayer { glass, keys, requests, control: control.clone(), key_count: Arc::default() };
    let mut wizard = Wizard::new(beginning);
    let typed: std::pin::Pin<Box<dyn Stream<Item = Event>>> = Box::pin(typed);
    let last = player.clone();
    let played = async move {
        let playing = part(player);
        playing.await;
        // the wizard must have been left by now, or be about to
        sleep(Duration::from_mins(1)).await;
        panic!("the wizard was not left:\n{}", last.screen_text());
    };
    tokio::select! {
        outcome = tui::run_wizard_event_loop(&mut terminal, &mut control, typed, asked, &mut wizard, &theme, effects) => outcome,
        () = played => unreachable!("it panics first"),
    }
}
