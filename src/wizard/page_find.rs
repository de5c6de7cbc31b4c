//! Finding a text on a page that is longer than the screen: what is typed, and which place of it is shown.
//!
//! The wizard knows no line of a page: which lines hold the text is found where they are drawn.

use tui_input::{Input, InputRequest};

use super::{Wizard, WizardEffect, credential_paste::PastedCredentials, screen::ScreenOverlay};

/// How many letters may be looked for.
const LETTERS_MAX: usize = 200;

/// What is looked for on a page.
#[derive(Debug, Clone, Default)]
pub struct PageFind {
    pub input: Input,
    /// It is still being typed.
    pub is_typing: bool,
    /// How many places after the first one, which is the first from `from_line` on; those before it are below 0.
    pub place: isize,
    /// Which line was at the top when it began.
    pub from_line: usize,
}

impl Wizard {
    /// Whether the page that is open can be searched.
    pub(super) fn can_find_on_page(&self) -> bool {
        matches!(self.overlay, Some(ScreenOverlay::Help | ScreenOverlay::Log | ScreenOverlay::Explain))
    }

    /// Whether letters go to the text that is looked for.
    #[must_use]
    pub fn is_typing_text_to_find(&self) -> bool {
        self.can_find_on_page() && self.page_find.as_ref().is_some_and(|find| find.is_typing)
    }

    /// Whether there is a text whose next place can be shown.
    pub(super) fn has_text_to_find(&self) -> bool {
        self.page_find.as_ref().is_some_and(|find| !find.input.value().is_empty())
    }

    /// `/`: begins to look for a text.
    pub(super) fn begin_text_search(&mut self) -> Option<WizardEffect> {
        let from_line = self.extent.top;
        self.page_find = Some(PageFind { is_typing: true, from_line, ..PageFind::default() });
        self.scroll = Some(from_line);
        None
    }

    /// Changes the text; the first place from where the page stood is shown.
    pub(super) fn edit_text_to_find(&mut self, request: InputRequest) -> Option<WizardEffect> {
        let find = self.page_find.as_mut()?;
        let is_taken = match request {
            InputRequest::InsertChar(letter) => {
                !letter.is_control() && find.input.value().chars().count() < LETTERS_MAX
            }
            _ => true,
        };
        if is_taken {
            find.input.handle(request);
        }
        find.place = 0;
        // Where nothing is looked for, the page stays as it was.
        self.scroll = find.input.value().is_empty().then_some(find.from_line);
        None
    }

    /// A paste while the text is typed: its first line, unless it looks like a secret, since the text is shown.
    pub(super) fn paste_text_to_find(&mut self, text: &str) {
        if PastedCredentials::read_pasted_credentials(text).holds_secret() {
            self.notice = Some("What was pasted looks like a secret, and is not shown here.".to_owned());
            return;
        }
        for letter in text.lines().next().unwrap_or_default().chars() {
            self.edit_text_to_find(InputRequest::InsertChar(letter));
        }
    }

    /// Enter: the text is whole, and letters are keys again.
    pub(super) fn accept_text_to_find(&mut self) -> Option<WizardEffect> {
        let find = self.page_find.as_mut()?;
        find.is_typing = false;
        if find.input.value().is_empty() {
            return self.cancel_text_search();
        }
        None
    }

    /// Esc: looks for nothing any more; the page stays where it is.
    pub(super) fn cancel_text_search(&mut self) -> Option<WizardEffect> {
        self.page_find = None;
        self.scroll = Some(self.extent.top);
        None
    }

    /// `n` and `N`: shows the next place, or the one before.
    pub(super) fn show_next_found(&mut self, forward: bool) -> Option<WizardEffect> {
        let find = self.page_find.as_mut()?;
        find.place += if forward { 1 } else { -1 };
        self.scroll = None;
        None
    }
}
