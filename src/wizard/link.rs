//! A customer's link that is pasted on Home: explained by a job, shown on a screen of its own.

use super::{Loadable, Wizard, WizardEffect, WizardJobKind, screen::WizardScreen};
use crate::model::{failure::Failure, run::link_explanation::LinkExplanation};

impl Wizard {
    /// Takes what was pasted where no field is open: on Home, and on the screen of a link, a link is explained.
    pub(super) fn explain_pasted_link(&mut self, text: &str) -> Option<WizardEffect> {
        if !self.is_pasted_link_taken(text) {
            return None;
        }
        let link = find_pasted_link(text)?;
        self.return_screen = Some(WizardScreen::Home);
        self.show_screen(WizardScreen::Link);
        self.pasted_link = Some(link.to_owned());
        self.ask_for_link_explanation()
    }

    /// Whether `text` is a link, and the screen explains one.
    #[must_use]
    pub fn is_pasted_link_taken(&self, text: &str) -> bool {
        let takes_links = matches!(self.screen, WizardScreen::Home | WizardScreen::Link);
        takes_links && self.overlay.is_none() && !self.has_other_run() && find_pasted_link(text).is_some()
    }

    /// Has the link explained, once more where it was before.
    pub(super) fn ask_for_link_explanation(&mut self) -> Option<WizardEffect> {
        let link = self.pasted_link.clone()?;
        self.link = Loadable::Loading;
        self.start_wizard_job(WizardJobKind::Link);
        Some(WizardEffect::ExplainLink(link, self.answers.clone()))
    }

    /// Takes what was found of the link.
    pub(super) fn handle_link_explanation(&mut self, explained: Result<Box<LinkExplanation>, Failure>) {
        if self.active_job_kind() != Some(WizardJobKind::Link) {
            return;
        }
        self.busy = None;
        self.shown_at = self.now;
        self.link = match explained {
            Ok(explained) => Loadable::Loaded(explained),
            Err(failure) => Loadable::Failed(failure),
        };
    }
}

/// Finds the link in what was pasted: quotes, and a mail's angle brackets, may stand around it.
fn find_pasted_link(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "<>\"'`".contains(c));
    let mut links = words.filter(|word| word.starts_with("https://") || word.starts_with("http://"));
    links.next()
}

#[cfg(test)]
mod tests {
    use super::find_pasted_link;

    #[test]
    fn a_link_is_found_in_what_people_paste() {
        let link = "https://d1.cloudfront.net/7/8/a.deb?t=1_2";
        for text in
            [link.to_owned(), format!(" {link}\n"), format!("'{link}'"), format!("see <{link}>, it fails")]
        {
            assert_eq!(find_pasted_link(&text), Some(link), "{text:?}");
        }
        assert_eq!(find_pasted_link("d1.cloudfront.net/a"), None);
    }
}
