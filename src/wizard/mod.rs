//! The wizard: a pure value that hears news and asks for effects; it knows no key, no terminal, no engine and no clock of its own.
//!
//! `update(Msg) -> Option<Effect>` is the only way in which it changes. What it hears is [`Msg`], what it may ask for
//! is [`Effect`]; `offers` says which intents are possible now, and `update` refuses every other.

pub mod availability;
pub mod copy;
pub mod input;
pub mod navigation;
pub mod request_path;

use std::{collections::BTreeMap, time::Duration};

mod choose;
pub mod form;
pub mod intent;
pub mod log;
mod msg;
pub mod screen;
mod update;
pub mod watch;

#[cfg(test)]
mod tests;

use form::Form;
use log::{Leg, Log, Waits};
pub use msg::{Copied, Credentials, Effect, Extent, Msg, News, Outcome};
use screen::{Over, Screen};
use watch::Watching;

use crate::model::{
    aws::evidence::Seen,
    run::{
        answers::Answers,
        event::End,
        failure::Failure,
        goal::{Goal, Stage},
        welcome::{IdentityFound, Source, Welcome},
    },
};

/// How long a screen stands before a key on it may consent to anything (contract section 2).
pub const SETTLED: Duration = Duration::from_millis(300);

/// What is known before anything is looked up.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    pub answers: Answers,
    /// Given by `--goal`.
    pub goal: Option<Goal>,
    pub sandbox: bool,
    /// packagecloud.rb's path.
    pub config: String,
}

/// Something that is looked up.
#[derive(Debug)]
pub enum Found<T> {
    Looking,
    There(Box<T>),
    Failed(Failure),
}

impl<T> Found<T> {
    #[must_use]
    pub fn there(&self) -> Option<&T> {
        match self {
            Self::There(found) => Some(found),
            Self::Looking | Self::Failed(_) => None,
        }
    }
}

/// The job that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    pub doing: Doing,
    pub since: Duration,
    /// It was asked to stop after the request in flight.
    pub stopping: bool,
    pub paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Welcome,
    Identify,
    /// A code is being tried.
    Code,
    Look(Stage),
    Watch,
    Apply(Stage),
}

#[derive(Debug)]
pub struct Wizard {
    pub beginning: Beginning,
    pub answers: Answers,
    /// When the last news came.
    pub now: Duration,
    /// Since when the screen is as it is.
    pub stood: Duration,
    pub screen: Screen,
    pub over: Option<Over>,
    pub form: Option<Form>,
    pub welcome: Found<Welcome>,
    pub busy: Option<Busy>,
    /// The reindex, where it runs on while the screen is at a later stage.
    pub beside: Option<Busy>,
    pub log: Log,
    /// The other run, while it is watched.
    pub watching: Option<Watching>,
    /// One line that says what just came of a key.
    pub notice: Option<String>,
    /// Which line of a list is chosen.
    pub choice: usize,
    /// How many lines of the body's text are above its first row.
    pub scroll: usize,
    pub extent: Extent,
    legs: BTreeMap<Stage, Leg>,
    /// Where `b` leads from disable, roll-back and `x`.
    origin: Option<Screen>,
    /// With this exit code, once what runs has stopped.
    leaving: Option<u8>,
    /// The identity that is asked about, before it is used.
    chosen: Option<IdentityFound>,
    /// Who goes on in its place.
    taken_over_by: Option<String>,
    /// Whether stages that have nothing to do are passed by themselves.
    onward: bool,
    /// The reindex was stopped in order to skip it.
    skipping: bool,
    /// The plan goes on in spite of failed checks.
    anyway: bool,
    /// How often something was copied on this screen: each time the next of what can be.
    copies: usize,
}

impl Wizard {
    #[must_use]
    pub fn new(beginning: Beginning) -> Self {
        Self {
            answers: beginning.answers.clone(),
            beginning,
            now: Duration::ZERO,
            stood: Duration::ZERO,
            screen: Screen::Welcome,
            over: None,
            form: None,
            welcome: Found::Looking,
            busy: None,
            beside: None,
            log: Log::default(),
            watching: None,
            notice: None,
            choice: 0,
            scroll: 0,
            extent: Extent::default(),
            legs: BTreeMap::new(),
            origin: None,
            leaving: None,
            chosen: None,
            taken_over_by: None,
            onward: true,
            skipping: false,
            anyway: false,
            copies: 0,
        }
    }

    #[must_use]
    pub fn leg(&self, stage: Stage) -> Option<&Leg> {
        self.legs.get(&stage)
    }

    pub(crate) fn leg_mut(&mut self, stage: Stage) -> &mut Leg {
        self.legs.entry(stage).or_default()
    }

    /// Whether something changes by itself: only then does time pass for the wizard.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.busy.is_some() || self.beside.is_some()
    }

    /// The stage that is being applied.
    #[must_use]
    pub fn applying(&self) -> Option<Stage> {
        match self.busy {
            Some(Busy { doing: Doing::Apply(stage), .. }) => Some(stage),
            _ => None,
        }
    }

    /// The stage that is being applied, on the screen or beside it.
    #[must_use]
    pub fn running(&self) -> Option<Stage> {
        self.applying().or(self.beside.map(|_| Stage::Reindex))
    }

    /// What the stage that runs, or runs beside, stands still for.
    #[must_use]
    pub fn waits(&self) -> Option<&Waits> {
        let mut running = [self.applying(), self.beside.map(|_| Stage::Reindex)].into_iter().flatten();
        running.find_map(|stage| self.leg(stage)?.waits.as_ref())
    }

    /// Whether going live has to wait: the reindex runs on, or broke off, and was not skipped.
    #[must_use]
    pub fn reindex_pending(&self) -> bool {
        let unfinished = |leg: &Leg| !matches!(leg.end, Some(End::Applied | End::Unchanged));
        self.goal() == Some(Goal::Upgrade)
            && self.origin.is_none()
            && !self.answers.reindex.skip
            && self.leg(Stage::Reindex).is_some_and(unfinished)
    }

    #[must_use]
    pub fn goal(&self) -> Option<Goal> {
        self.answers.goal.or(self.beginning.goal)
    }

    /// Whether keys on this screen may consent already.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.now.saturating_sub(self.stood) >= SETTLED
    }

    /// The bucket, or an empty text where none is chosen yet.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.answers.bucket.as_deref().unwrap_or_else(|| {
            self.welcome
                .there()
                .and_then(|welcome| welcome.buckets.first())
                .map_or("", |bucket| bucket.name.as_str())
        })
    }

    #[must_use]
    pub fn region(&self) -> &str {
        let bucket = self.bucket();
        self.answers.region.as_deref().unwrap_or_else(|| {
            self.welcome
                .there()
                .and_then(|welcome| welcome.buckets.iter().find(|found| found.name == bucket))
                .map_or("", |found| found.region.as_str())
        })
    }

    #[must_use]
    pub fn account(&self) -> &str {
        self.answers.account.as_deref().unwrap_or_else(|| {
            self.welcome
                .there()
                .and_then(|welcome| welcome.identities.first())
                .map_or("", |identity| identity.account.as_str())
        })
    }

    /// The packages domain, as far as it is known.
    #[must_use]
    pub fn domain(&self) -> Option<String> {
        [Stage::Configuration, Stage::GoLive, Stage::Distribution]
            .iter()
            .filter_map(|stage| self.leg(*stage)?.plan.as_ref())
            .find_map(|plan| match &plan.seen {
                Seen::Configuration(seen) => seen.wanted.packages_domain.clone(),
                Seen::Distribution(seen) => seen.distribution.as_ref().map(|found| found.domain.clone()),
                _ => None,
            })
            .or_else(|| self.answers.packages_domain.clone())
    }

    /// The goals that the first screen offers.
    pub const GOALS: [Goal; 4] = [Goal::Install, Goal::Upgrade, Goal::Disable, Goal::RollBack];

    /// How many lines the list of this screen has; none is no list.
    #[must_use]
    pub fn list_len(&self) -> usize {
        let welcome = self.welcome.there();
        match self.over {
            Some(Over::Ask(_)) => return 2,
            // A page that covers the list scrolls.
            Some(_) => return 0,
            None => {}
        }
        match self.screen {
            Screen::Welcome if self.beside_another() => 0,
            Screen::Welcome => Self::GOALS.len(),
            Screen::Identity => welcome.map_or(0, |welcome| welcome.identities.len()) + 2,
            Screen::Bucket => welcome.map_or(0, |welcome| welcome.buckets.len()) + 1,
            Screen::Backups => welcome.map_or(0, |welcome| welcome.backups.len()),
            Screen::Watch | Screen::Stage(_) => 0,
        }
    }

    /// Whether the identity that is used is packagecloud.rb's own: it is never asked to be given more rights.
    #[must_use]
    pub fn uses_config_keys(&self) -> bool {
        self.answers.source == Some(Source::Config)
    }
}
