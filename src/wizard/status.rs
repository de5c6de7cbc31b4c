//! Status from Home: asked once on entering, looked at again on `r`.

use super::{Loadable, Wizard, WizardEffect, WizardJobKind, screen::WizardScreen};
use crate::model::{failure::Failure, status::InstallStatus};

impl Wizard {
    /// Shows the status, and asks for it.
    pub(super) fn show_status_screen(&mut self) -> WizardEffect {
        self.return_screen = Some(WizardScreen::Home);
        self.show_screen(WizardScreen::Status);
        self.status = Loadable::Loading;
        self.start_wizard_job(WizardJobKind::Status);
        WizardEffect::Status(self.answers.clone())
    }

    /// Takes what was seen of the install.
    pub(super) fn handle_install_status(&mut self, status: Result<Box<InstallStatus>, Failure>) {
        if self.active_job_kind() != Some(WizardJobKind::Status) {
            return;
        }
        self.busy = None;
        self.shown_at = self.now;
        self.status = match status {
            Ok(status) => Loadable::Loaded(status),
            Err(failure) => Loadable::Failed(failure),
        };
    }
}
