//! Watching another run on the host, and taking over from it; and being taken over from.

use std::time::Duration;

use super::{
    Busy, Doing, Effect, Found, Wizard,
    log::Leg,
    screen::{Over, Screen},
};
use crate::model::run::{
    event::Event,
    failure::Failure,
    goal::Stage,
    other_run::{OtherRun, Watched},
};

/// What is known of the run that is watched.
#[derive(Debug)]
pub struct Watching {
    pub run: OtherRun,
    /// What it says of the stage that it is in.
    pub stage: Option<Stage>,
    pub leg: Leg,
    /// Since when it is asked to end.
    pub asked: Option<Duration>,
    /// Why it can't be asked.
    pub failure: Option<Failure>,
    /// Its host's Unix time when this wizard began: its events say when they came by that.
    epoch: Duration,
}

impl Watching {
    fn of(run: OtherRun) -> Self {
        Self { run, stage: None, leg: Leg::default(), asked: None, failure: None, epoch: Duration::ZERO }
    }

    /// Its time now.
    #[must_use]
    pub fn now(&self, wizard: &Wizard) -> Duration {
        self.epoch + wizard.now
    }

    fn hear(&mut self, event: &Event, at: Duration) {
        if self.stage != Some(event.stage()) {
            self.stage = Some(event.stage());
            self.leg = Leg::default();
        }
        self.leg.fold(at, event);
    }
}

impl Wizard {
    /// The other run that the first screen shows, or that is watched.
    #[must_use]
    pub fn other_run(&self) -> Option<&OtherRun> {
        match self.screen {
            Screen::Welcome => self.welcome.there()?.other_run.as_ref(),
            Screen::Watch => self.watching.as_ref().map(|watching| &watching.run),
            _ => None,
        }
    }

    /// Whether it may be asked to end.
    pub(super) fn can_take_over(&self) -> bool {
        let asked = self.watching.as_ref().is_some_and(|watching| watching.asked.is_some());
        self.other_run().is_some() && !(self.screen == Screen::Watch && asked)
    }

    /// Shows the other run; `take_over` asks it to end.
    pub(super) fn watch(&mut self, take_over: bool) -> Option<Effect> {
        let run = self.other_run()?.clone();
        self.notice = None;
        self.show(Screen::Watch);
        self.watching = Some(Watching::of(run));
        self.start(Doing::Watch);
        Some(Effect::Watch { take_over })
    }

    pub(super) fn watched(&mut self, seen: Watched) -> Option<Effect> {
        if !matches!(self.busy, Some(Busy { doing: Doing::Watch, .. })) {
            return None;
        }
        let now = self.now;
        let watching = self.watching.as_mut()?;
        match seen {
            Watched::Run(run, at) => {
                if run.who != watching.run.who || run.on != watching.run.on {
                    *watching = Watching::of(run);
                    self.stood = now;
                } else {
                    watching.run = run;
                }
                watching.epoch = at.saturating_sub(now);
            }
            Watched::Anew => (watching.stage, watching.leg) = (None, Leg::default()),
            Watched::Event(event, at) => watching.hear(&event, at),
            Watched::Asked => watching.asked = Some(now),
            Watched::Over => {
                let (who, asked) = (watching.run.who.clone(), watching.asked.is_some());
                let effect = self.begin_again();
                let how = if asked { "It has ended as asked" } else { "The other run has ended" };
                self.notice =
                    Some(format!("{how} ({who}). This is what it left; this wizard goes on from there."));
                return Some(effect);
            }
        }
        None
    }

    /// It can't be watched, or not be asked to end.
    pub(super) fn unwatched(&mut self, failure: Failure) {
        if let Some(watching) = &mut self.watching {
            self.busy = None;
            watching.failure = Some(failure);
        }
    }

    /// Somebody goes on in this wizard's place: it ends after the request in flight.
    pub(super) fn taken_over(&mut self, by: String) -> Option<Effect> {
        self.over = None;
        self.form = None;
        self.notice = Some(format!("{by} takes over: this ends after the request in flight."));
        self.taken_over_by = Some(by);
        if self.stop() {
            self.leaving = Some(130);
            return Some(Effect::Stop);
        }
        // Where it stops already, it leaves once it has.
        if self.running().is_some() {
            self.leaving = Some(130);
            return None;
        }
        Some(self.leave(130))
    }

    /// `t`: asked first.
    pub(super) fn asks_to_take_over(&mut self) {
        self.stood = self.now;
        self.over = Some(Over::TakeOver);
    }

    /// Whether something of another run stands on the first screen.
    pub(super) fn beside_another(&self) -> bool {
        matches!(&self.welcome, Found::There(welcome) if welcome.other_run.is_some())
    }
}
