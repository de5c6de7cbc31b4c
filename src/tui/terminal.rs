//! The terminal itself: taken over on entering, and given back as it was, however the wizard ends.
//!
//! After a normal end and after Ctrl-C the guard is dropped; a panic in the loop unwinds through it; SIGTERM, SIGHUP
//! and SIGINT are inputs that the loop ends on. While this process is stopped the terminal is the shell's. What a panic
//! says is kept until the screen is the shell's again.

use std::{
    io::{self, IsTerminal as _, Write as _, stdout},
    panic::PanicHookInfo,
    sync::Mutex,
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{Terminal, buffer::Buffer};

use super::{
    attention::{AttentionState, TerminalAbilities},
    job_control::{
        StoppedProcesses, can_process_be_continued, is_this_process_in_foreground, stop_this_process,
    },
    screen_links::find_console_links,
    terminal_backend::{SharedScreenLinks, TerminalBackend},
    terminal_colours::may_answer_background_query,
};
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    display_text::escape_display_controls,
    failure::{Failure, FailureKind},
};

/// What panics said while the screen was ours.
static PANIC_MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What panics said before the screen was ours.
type PanicHook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// What is asked of the terminal beside its screen.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminalOptions {
    /// The wheel scrolls, a click chooses; text is then marked with Shift held down.
    pub mouse: bool,
    /// Names of AWS resources lead to the console: they stand for nothing on a sandbox.
    pub links: bool,
}

/// While it lives, the terminal is ours.
#[must_use]
pub struct TerminalGuard {
    panic_hook_before: Option<PanicHook>,
    options: TerminalOptions,
    abilities: TerminalAbilities,
    /// What the terminal was told last.
    attention: Option<AttentionState>,
    links: SharedScreenLinks,
}

/// How the loop gives its terminal back for a while, and takes it again; and what it tells the terminal beside the screen.
pub trait TerminalControl {
    /// Gives the terminal back as it was and stops this process; it goes on with SIGCONT. False, and nothing is done,
    /// where nobody could continue it.
    fn suspend_process(&mut self, stopped: StoppedProcesses) -> bool;

    /// Takes the terminal over again, whatever was done to it meanwhile.
    ///
    /// # Errors
    /// Fails where the terminal is gone.
    fn retake_terminal(&mut self) -> io::Result<()>;

    /// Shows in the title and in the tab what goes on, and calls the operator where `call` says why.
    fn show_attention(&mut self, state: &AttentionState, call: Option<&str>);

    /// Notes the links of a frame that is about to be drawn.
    fn note_screen_links(&mut self, frame: &Buffer);
}

impl TerminalControl for TerminalGuard {
    fn suspend_process(&mut self, stopped: StoppedProcesses) -> bool {
        if !can_process_be_continued() {
            return false;
        }
        self.give_terminal_back();
        stop_this_process(stopped).is_ok()
    }

    fn retake_terminal(&mut self) -> io::Result<()> {
        // Raw mode may have been taken from us, and crossterm wouldn't know.
        disable_raw_mode()?;
        self.take_terminal_over()?;
        if let Some(state) = &self.attention {
            return write_to_terminal(&self.abilities.render_attention(None, state, None));
        }
        Ok(())
    }

    fn show_attention(&mut self, state: &AttentionState, call: Option<&str>) {
        // A terminal that is gone is noticed where the frame is drawn.
        let _ = write_to_terminal(&self.abilities.render_attention(self.attention.as_ref(), state, call));
        self.attention = Some(state.clone());
    }

    fn note_screen_links(&mut self, frame: &Buffer) {
        if self.options.links
            && self.abilities.takes_sequences
            && let Ok(mut links) = self.links.lock()
        {
            *links = find_console_links(frame);
        }
    }
}

impl TerminalGuard {
    fn take_terminal_over(&self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if self.options.mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        write_to_terminal(self.abilities.render_attention_start())
    }

    fn give_terminal_back(&self) {
        // nothing can be done about a terminal that is gone already
        let _ = execute!(stdout(), EndSynchronizedUpdate);
        let _ = write_to_terminal(self.abilities.render_attention_end());
        if self.options.mouse {
            let _ = execute!(stdout(), DisableMouseCapture);
        }
        // a panic may have left a frame open
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }

    /// Asks the terminal for its background (OSC 11); the answer comes among the keys. False where it may not be asked: in
    /// the background the answer would be another program's, and some terminals show the question.
    pub fn ask_for_background(&self) -> bool {
        let term = std::env::var("TERM").unwrap_or_default();
        may_answer_background_query(&term)
            && is_this_process_in_foreground()
            && write_to_terminal("\x1b]11;?\x1b\\").is_ok()
    }
}

/// Writes a sequence that is no part of a frame.
fn write_to_terminal(sequence: &str) -> io::Result<()> {
    if sequence.is_empty() {
        return Ok(());
    }
    let mut out = stdout().lock();
    out.write_all(sequence.as_bytes())?;
    out.flush()
}

/// Builds the failure of a terminal that no wizard can run on; it names the commands.
pub(super) fn build_unusable_terminal_failure(error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Usage,
        "the terminal",
        error.to_string(),
        format!(
            "use the commands instead: enable, disable, check, plan, verify; this lists them: {}",
            render_proposed_command("--help", &[])
        ),
    )
}

/// Sets raw mode, the alternate screen and bracketed paste, until the guard is dropped.
///
/// # Errors
/// Fails where there is no terminal, or where it refuses one of these.
pub fn init_terminal(
    options: TerminalOptions,
) -> Result<(TerminalGuard, Terminal<TerminalBackend>), Failure> {
    if !stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new_usage_failure(
            "the wizard",
            "there is no terminal to show it on",
            format!(
                "use the commands instead: enable, disable, check, plan, verify; this lists them: {}",
                render_proposed_command("--help", &[])
            ),
        ));
    }
    // from here on, whatever fails gives the terminal back
    let links = SharedScreenLinks::default();
    let guard = TerminalGuard {
        panic_hook_before: Some(capture_panic_messages()),
        options,
        abilities: TerminalAbilities::from_environment(|name| std::env::var(name).ok()),
        attention: None,
        links: SharedScreenLinks::clone(&links),
    };
    guard.take_terminal_over().map_err(|error| build_unusable_terminal_failure(&error))?;
    let terminal = Terminal::new(TerminalBackend::new(links))
        .map_err(|error| build_unusable_terminal_failure(&error))?;
    Ok((guard, terminal))
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        self.give_terminal_back();
        // a panicking job is shown as that stage's failure; only the loop's own panic ends here
        if std::thread::panicking() {
            // the hook can't be changed by a thread that panics: what it kept is said here, and never by a print that
            // would panic in its turn where the terminal is gone
            let messages =
                PANIC_MESSAGES.lock().map(|mut messages| std::mem::take(&mut *messages)).unwrap_or_default();
            for text in messages {
                let _ = writeln!(io::stderr(), "{}", escape_display_controls(&text));
            }
        } else if let Some(hook) = self.panic_hook_before.take() {
            std::panic::set_hook(hook);
        }
    }
}

/// Keeps what panics say, and returns the hook before.
fn capture_panic_messages() -> PanicHook {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let trace = std::backtrace::Backtrace::capture();
        let mut text = info.to_string();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            text.push('\n');
            text.push_str(&trace.to_string());
        }
        if let Ok(mut messages) = PANIC_MESSAGES.lock() {
            messages.push(text);
        }
    }));
    before
}
