//! What a key means, before it is known what comes of it: the wizard takes intents, never key codes.

use tui_input::InputRequest;

/// What the operator wants. Which key says it is `tui::keys`'s business, whether it is possible now and what it does is the table of intents' (`intent_table`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIntent {
    /// Goes on; applies what the screen shows.
    Next,
    Back,
    /// Looks again.
    Again,
    Skip,
    Pause,
    /// The stages after the reindex, while it runs on beside them.
    Ahead,
    /// Opens the chosen line, or closes it.
    Open,
    /// One stage at a time, each with its own Enter.
    Stepwise,
    Disable,
    Log,
    Explain,
    Copy,
    /// Goes on in spite of a failed check.
    Anyway,
    /// Why do clients get 403?
    Diagnose403,
    /// packagecloud's own reindex beside ours, on or off.
    ToggleVendorReindex,
    /// The whole file rather than the four values, on or off.
    ToggleWholeFile,
    /// A download URL of packagecloud, by which its redirect can be seen.
    Probe,
    /// Credentials for what stands still for want of them.
    Credentials,
    Yes,
    No,
    /// Another run shall end, and this one go on.
    TakeOver,
    Help,
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Stops this process until the shell continues it.
    Suspend,
    /// Draws the whole screen anew.
    Redraw,
    Move(CursorMove),
    /// Chooses this line of the list, from 0.
    Choose(usize),
    /// Looks for a text on a page.
    Find,
    /// The next place where the page has the text, or the one before.
    FindNext,
    FindPrevious,
    NextField,
    PreviousField,
    /// A change to the field that has the cursor.
    Edit(InputRequest),
}

impl UserIntent {
    /// Whether it may consent to a change: such a key is not heard before the screen has settled.
    #[must_use]
    pub fn can_intent_confirm_change(self) -> bool {
        matches!(self, Self::Next | Self::Yes | Self::Anyway | Self::Skip | Self::Stepwise)
    }
}

/// Through a list, or through a text that is longer than the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorMove {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// The wheel: it scrolls on a list too.
    ScrollUp,
    ScrollDown,
}

/// Which part of the key table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WizardInputMode {
    Browse,
    /// A yes or a no is awaited.
    Ask,
    /// Letters are text.
    Text,
}

/// Whether an intent is possible now, and what the footer calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIntentAvailability {
    Hidden,
    /// Under the table's own words.
    Usual,
    As(&'static str),
}
