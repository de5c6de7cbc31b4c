//! Which screen has the focus, and what lies over it: one at a time, so that a `match` is the whole component system.

use crate::model::run::{
    goal::RunStage,
    plan::{PlanConfirmationQuestion, RequiredConsent},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WizardScreen {
    /// The road, what is so, and what can be done now.
    Home,
    /// Whose AWS credentials are used.
    Identity,
    Bucket,
    /// Which backup is restored.
    Backups,
    /// Another run on the host, as it goes on.
    Watch,
    /// Whether all of an install is well.
    Status,
    /// A customer's link, explained.
    Link,
    Stage(RunStage),
}

/// What lies over the screen until it is answered or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScreenOverlay {
    Help,
    Log,
    Explain,
    /// A consent that the plan needs, of those that are left.
    Ask(PlanConfirmationQuestion),
    /// Shall the other run end?
    TakeOver,
    /// Leave while something runs?
    Quit,
}

impl ScreenOverlay {
    /// Whether keys answer it rather than go through it.
    #[must_use]
    pub fn is_yes_no_question(&self) -> bool {
        match self {
            Self::Ask(confirmation) => confirmation.consent != RequiredConsent::Managed,
            Self::Quit | Self::TakeOver => true,
            Self::Help | Self::Log | Self::Explain => false,
        }
    }
}
