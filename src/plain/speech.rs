//! What the plain face has said and asked: a screen is printed once, then what is new on it; a question stands below all of it.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{
    events::EventNarrator,
    form,
    menu::PlainMenu,
    page::{PlainPage, describe_request_path},
    terminal::PlainTerminal,
};
use crate::{
    model::run::{event::StageEvent, goal::RunStage, other_run::WatchedRunEvent},
    tui::{text::wrap_text, theme::Theme},
    wizard::{
        Wizard, WizardInput, WizardJobKind,
        form::InputForm,
        screen::{ScreenOverlay, WizardScreen},
    },
};

/// What runs for so long is told of, with what can be done meanwhile.
const RUNNING_NOTE_AFTER: Duration = Duration::from_secs(2);
/// While nothing happens it is said now and then that it still goes on.
const STILL_RUNNING_INTERVAL: Duration = Duration::from_secs(15);
/// Progress of what runs beside the question interrupts whoever types an answer: seldom.
const PROGRESS_BESIDE_PROMPT_INTERVAL: Duration = Duration::from_mins(1);

/// Where the question is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PromptState {
    Absent,
    /// It is asked then, since the wizard began.
    Due(Duration),
    /// It stands, with the cursor behind it.
    Open(String),
}

/// What runs and was told of.
#[derive(Debug)]
struct RunningNote {
    kind: WizardJobKind,
    since: Instant,
    told_keys: bool,
}

/// What was said so far, and the terminal on which.
pub(super) struct PlainSpeech<'t, T> {
    terminal: &'t mut T,
    theme: Theme,
    narrator: EventNarrator,
    title: String,
    overlay: Option<&'static str>,
    /// The lines of this screen that were printed.
    printed_lines: HashSet<String>,
    question: Vec<String>,
    choices: Vec<String>,
    notice: Option<String>,
    place: String,
    road: String,
    menu: Option<PlainMenu>,
    form_title: Option<String>,
    is_typing_hidden: bool,
    prompt: PromptState,
    /// Something came in that may have changed the screen.
    may_be_new: bool,
    running: Option<RunningNote>,
    spoke_at: Instant,
    ends_in_blank_line: bool,
}

impl<'t, T: PlainTerminal> PlainSpeech<'t, T> {
    pub(super) fn new_silent_speech(terminal: &'t mut T) -> Self {
        Self {
            terminal,
            theme: Theme::new(false),
            narrator: EventNarrator::default(),
            title: String::new(),
            overlay: None,
            printed_lines: HashSet::new(),
            road: String::new(),
            question: Vec::new(),
            choices: Vec::new(),
            notice: None,
            place: String::new(),
            menu: None,
            form_title: None,
            is_typing_hidden: false,
            prompt: PromptState::Absent,
            may_be_new: true,
            running: None,
            spoke_at: Instant::now(),
            ends_in_blank_line: true,
        }
    }

    /// Says what this is, and how it is answered.
    pub(super) fn print_introduction(&mut self, wizard: &Wizard) {
        self.print_line(&format!("packagecloud-cloudfront {}, plain mode.", env!("CARGO_PKG_VERSION")));
        if wizard.init.sandbox {
            self.print_line("SANDBOX: nothing here touches a real account or host.");
        }
        self.print_line("Each question stands on the last line, with what Enter alone answers in brackets.");
        self.print_line(
            "Type ? then Enter at a question for help. Ctrl-C stops what runs; where nothing runs it leaves.",
        );
    }

    /// Prints a line where no question stands any more; one that is too long goes on below itself.
    pub(super) fn print_line(&mut self, line: &str) {
        self.close_prompt();
        self.spoke_at = Instant::now();
        self.ends_in_blank_line = line.is_empty();
        let columns = self.terminal.line_columns();
        if line.chars().count() <= columns {
            self.terminal.print_line(line);
            return;
        }
        let indent = line.len() - line.trim_start().len();
        let space = " ".repeat(indent);
        for (index, part) in wrap_text(line, columns.saturating_sub(indent + 2)).iter().enumerate() {
            let more = if index == 0 { "" } else { "  " };
            self.terminal.print_line(&format!("{space}{more}{part}"));
        }
    }

    fn print_blank_line(&mut self) {
        if !self.ends_in_blank_line {
            self.print_line("");
        }
    }

    /// Prints lines that fit already.
    fn print_block(&mut self, block: &[String]) {
        for line in block {
            self.close_prompt();
            self.terminal.print_line(line);
        }
        self.spoke_at = Instant::now();
        self.ends_in_blank_line = false;
    }

    /// Prints what came from a job, as far as it is told as lines.
    pub(super) fn print_job_input(&mut self, now: Duration, input: &WizardInput) {
        let event = match input {
            WizardInput::Event(event) | WizardInput::Watched(Ok(WatchedRunEvent::Event(event, _))) => event,
            WizardInput::Watched(Ok(WatchedRunEvent::Run(run, _))) => {
                if self.running.as_ref().is_some_and(|note| !note.told_keys) {
                    self.print_line(&run.describe_concurrent_run());
                }
                return;
            }
            WizardInput::Watched(Ok(WatchedRunEvent::StopRequested)) => {
                self.print_line("The other run was asked to end.");
                return;
            }
            WizardInput::AwsSilent(silent) => {
                if let Some(line) = self.narrator.narrate_aws_silence(now, silent.as_deref()) {
                    self.print_line(&line);
                }
                return;
            }
            _ => {
                self.may_be_new = true;
                return;
            }
        };
        let is_progress = matches!(event, StageEvent::Progress { .. });
        self.may_be_new |= !is_progress;
        let is_asked = matches!(self.prompt, PromptState::Open(_));
        if is_asked && is_progress && self.spoke_at.elapsed() < PROGRESS_BESIDE_PROMPT_INTERVAL {
            return;
        }
        for line in self.narrator.narrate_stage_event(now, event) {
            self.print_line(&line);
        }
    }

    /// Prints the screen, or what is new on it; returns whether the question is to be asked anew.
    pub(super) fn print_screen(&mut self, wizard: &mut Wizard) -> bool {
        self.running = None;
        if !std::mem::take(&mut self.may_be_new) {
            return self.prompt == PromptState::Absent;
        }
        let page = PlainPage::render_wizard_page(wizard, &self.theme, self.terminal.line_columns());
        let overlay = wizard.overlay.as_ref().map(name_overlay);
        let is_other_screen = page.title != self.title && overlay.is_none();
        let is_page_over_screen = matches!(overlay, Some("help" | "log" | "explain"));
        let mut printed = false;
        if is_other_screen {
            self.printed_lines.clear();
            self.print_heading(&describe_screen_place(wizard, &page.title));
            self.title.clone_from(&page.title);
            self.print_place(wizard);
            printed = true;
        } else if overlay != self.overlay {
            printed = true;
            match overlay {
                Some(_) if is_page_over_screen => self.print_heading(&page.title),
                Some(_) => {}
                None => self.print_heading(&format!("Back to: {}", page.title)),
            }
        }
        if overlay != self.overlay || is_other_screen {
            self.menu = None;
            self.question.clear();
        }
        for block in &page.blocks {
            let new = if is_other_screen || is_page_over_screen && overlay != self.overlay {
                &block[..]
            } else if is_page_over_screen {
                &[]
            } else {
                self.find_new_lines(block)
            };
            if !new.is_empty() {
                self.print_blank_line();
                self.print_block(new);
                printed = true;
            }
        }
        if !is_page_over_screen {
            self.printed_lines.extend(page.blocks.iter().flatten().cloned());
        }
        if page.question != self.question && !page.question.is_empty() {
            self.print_blank_line();
            self.print_block(&page.question);
            printed = true;
        }
        (self.overlay, self.question, self.choices) = (overlay, page.question, page.choices);
        printed |= self.print_notice(wizard);
        printed || self.prompt == PromptState::Absent
    }

    /// Returns the part of a block from its first line that wasn't printed to its last.
    fn find_new_lines<'b>(&self, block: &'b [String]) -> &'b [String] {
        let is_new = |line: &String| !self.printed_lines.contains(line);
        match (block.iter().position(is_new), block.iter().rposition(is_new)) {
            (Some(first), Some(last)) => &block[first..=last],
            _ => &[],
        }
    }

    fn print_heading(&mut self, heading: &str) {
        self.print_blank_line();
        self.print_line(heading);
        self.print_line("");
    }

    /// Prints what was said last, where it wasn't yet.
    fn print_notice(&mut self, wizard: &Wizard) -> bool {
        let is_new = wizard.notice.is_some() && wizard.notice != self.notice;
        self.notice.clone_from(&wizard.notice);
        if is_new && let Some(notice) = &wizard.notice {
            self.print_blank_line();
            self.print_line(notice);
        }
        is_new
    }

    /// Prints on which account and bucket it works and which road packages take, where that changed.
    fn print_place(&mut self, wizard: &Wizard) {
        let parts: Vec<String> = [
            ("account", wizard.account_id()),
            ("region", wizard.bucket_region()),
            ("bucket", wizard.bucket_name()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| format!("{label} {value}"))
        .collect();
        let place = parts.join(", ");
        if place != self.place && !place.is_empty() {
            self.print_line(&format!("Working on: {place}"));
        }
        self.place = place;
        let road = describe_request_path(&wizard.build_request_path());
        let is_known = wizard.known_findings().is_some();
        if road != self.road && is_known {
            self.print_line(&road);
            self.road = road;
        }
    }

    /// Says what runs, what can be done meanwhile, and now and then that it still does.
    pub(super) fn print_running_state(&mut self, wizard: &Wizard, now: Duration) {
        self.close_prompt();
        self.prompt = PromptState::Absent;
        let Some(busy) = wizard.busy else { return };
        if self.running.as_ref().is_none_or(|note| note.kind != busy.kind) {
            self.running = Some(RunningNote { kind: busy.kind, since: Instant::now(), told_keys: false });
            self.may_be_new = true;
            if let WizardJobKind::Apply(stage) = busy.kind {
                self.print_blank_line();
                self.print_line(&format!("{} is running.", describe_stage_place(wizard, stage)));
            }
        }
        let Some(note) = &mut self.running else { return };
        if !note.told_keys && note.since.elapsed() >= RUNNING_NOTE_AFTER {
            note.told_keys = true;
            let menu = PlainMenu::list_offered_answers(wizard, &[]);
            if !matches!(busy.kind, WizardJobKind::Apply(_)) {
                self.print_line(&format!("{} ...", describe_job(wizard, busy.kind)));
            }
            self.print_line(&menu.render_short_menu());
        } else if self.spoke_at.elapsed() >= STILL_RUNNING_INTERVAL {
            let seconds = now.saturating_sub(busy.since).as_secs();
            self.print_line(&format!("Still running: {}, {seconds} s.", describe_job(wizard, busy.kind)));
        }
    }

    /// Returns the lines of the list that was printed last.
    pub(super) fn shown_choices(&self) -> &[String] {
        &self.choices
    }

    /// Returns when the question is due, since the wizard began.
    pub(super) fn prompt_due_at(&self) -> Option<Duration> {
        match self.prompt {
            PromptState::Due(at) => Some(at),
            PromptState::Absent | PromptState::Open(_) => None,
        }
    }

    /// Has the question asked then, in the place of the one that stands.
    pub(super) fn schedule_prompt(&mut self, at: Duration) {
        self.close_prompt();
        self.prompt = PromptState::Due(at);
    }

    /// Asks the field of a form that has its turn.
    pub(super) fn ask_form_field(&mut self, form: &InputForm) {
        if self.form_title.as_ref() != Some(&form.title) {
            self.form_title = Some(form.title.clone());
            self.print_blank_line();
            self.print_line(&form.title);
        }
        self.set_typing_hidden(form::is_form_hidden(form));
        self.open_prompt(form::render_field_prompt(form));
    }

    /// Asks what shall be done, below all that can be where that isn't printed yet.
    pub(super) fn ask_menu_question(&mut self, menu: &PlainMenu) {
        if self.menu.as_ref() != Some(menu) {
            self.print_blank_line();
            menu.render_menu_lines().iter().for_each(|line| self.print_line(line));
            self.menu = Some(menu.clone());
        }
        self.open_prompt(menu.render_prompt());
    }

    fn open_prompt(&mut self, prompt: String) {
        self.terminal.discard_typed_bytes();
        self.terminal.print_prompt(&prompt);
        self.spoke_at = Instant::now();
        self.ends_in_blank_line = false;
        self.prompt = PromptState::Open(prompt);
    }

    /// Prints the question once more, where it stood: what came between has covered it.
    pub(super) fn repeat_prompt(&mut self) {
        if let PromptState::Open(prompt) = self.prompt.clone() {
            self.terminal.print_line("");
            self.open_prompt(prompt);
        }
    }

    /// Ends the line of the question that stands.
    pub(super) fn close_prompt(&mut self) {
        if matches!(self.prompt, PromptState::Open(_)) {
            self.prompt = PromptState::Absent;
            self.terminal.print_line("");
        }
    }

    /// Takes note that a line was typed, whose end stands on the screen unless typing is hidden.
    pub(super) fn note_line_typed(&mut self) {
        if self.is_typing_hidden {
            self.terminal.print_line("");
        }
        self.prompt = PromptState::Absent;
        self.ends_in_blank_line = false;
    }

    /// Says why the line that was typed isn't taken, and has the question asked again.
    pub(super) fn print_refusal(&mut self, why: &str, now: Duration) {
        self.print_line(why);
        self.schedule_prompt(now);
    }

    /// Says what was typed where it wasn't shown and may be.
    pub(super) fn print_taken_value(&mut self, form: Option<&InputForm>, field: Option<usize>) {
        if let (Some(form), Some(field)) = (form, field)
            && let Some(value) = form::find_shown_value(form, field)
        {
            self.print_line(&value);
        }
    }

    /// Shows again what is typed: the form is done.
    pub(super) fn end_form(&mut self) {
        self.form_title = None;
        self.set_typing_hidden(false);
    }

    fn set_typing_hidden(&mut self, hidden: bool) {
        self.is_typing_hidden = hidden;
        self.terminal.set_typing_shown(!hidden);
    }

    /// Has the screen looked at again: what was typed may have changed it.
    pub(super) fn expect_new_screen(&mut self) {
        self.may_be_new = true;
    }

    /// Stops this process until it is continued.
    pub(super) fn suspend_process(&mut self) {
        self.terminal.suspend_process();
    }
}

fn name_overlay(overlay: &ScreenOverlay) -> &'static str {
    match overlay {
        ScreenOverlay::Help => "help",
        ScreenOverlay::Log => "log",
        ScreenOverlay::Explain => "explain",
        ScreenOverlay::Ask(_) => "ask",
        ScreenOverlay::TakeOver => "take over",
        ScreenOverlay::Quit => "quit",
    }
}

/// Names a screen, and where in the goal it stands.
fn describe_screen_place(wizard: &Wizard, title: &str) -> String {
    match wizard.screen {
        WizardScreen::Stage(stage) => describe_place_in_goal(wizard, stage, title),
        _ => title.to_owned(),
    }
}

fn describe_stage_place(wizard: &Wizard, stage: RunStage) -> String {
    describe_place_in_goal(wizard, stage, stage.stage_title())
}

fn describe_place_in_goal(wizard: &Wizard, stage: RunStage, title: &str) -> String {
    let stages = wizard.chosen_goal().map_or(&[][..], |goal| goal.stages_of_goal());
    match stages.iter().position(|one| *one == stage) {
        Some(index) if stages.len() > 1 => format!("{title} (stage {} of {})", index + 1, stages.len()),
        _ => title.to_owned(),
    }
}

fn describe_job(wizard: &Wizard, kind: WizardJobKind) -> String {
    match kind {
        WizardJobKind::Welcome => "Looking at packagecloud.rb, at AWS and at what stands there".to_owned(),
        WizardJobKind::Identify | WizardJobKind::Code => "Asking AWS whose credentials these are".to_owned(),
        WizardJobKind::Look(stage) => format!("Looking at {}", describe_stage_place(wizard, stage)),
        WizardJobKind::Watch => "Watching the other run".to_owned(),
        WizardJobKind::Link => "Asking the edge, the bucket and packagecloud about the link".to_owned(),
        WizardJobKind::Status => "Asking every node, the edge and AWS for the status".to_owned(),
        WizardJobKind::Apply(stage) => describe_stage_place(wizard, stage),
    }
}
