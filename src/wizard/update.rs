//! The one way in which the wizard changes: a message in, at most one effect out.

use super::{
    Doing, Effect, Found, Msg, News, Wizard,
    screen::{Over, Screen},
};
use crate::model::run::{
    event::{End, Event},
    failure::Failure,
    goal::{Goal, Stage},
    plan::Plan,
    welcome::Welcome,
};

impl Wizard {
    /// Hears one message. Nothing else changes the wizard, and nothing here waits, reads a clock or touches the world.
    pub fn update(&mut self, msg: Msg) -> Option<Effect> {
        self.now = self.now.max(msg.at);
        match msg.news {
            News::Start => Some(match self.beginning.goal {
                // disabling asks AWS nothing, and waits for nothing
                Some(Goal::Disable) => self.enter_aside(Stage::Disable),
                _ => self.look_around(),
            }),
            News::Key(intent) => self.key(intent),
            News::Paste(text) => {
                if let (Some(form), None) = (&mut self.form, &self.over) {
                    form.paste(&text);
                }
                None
            }
            News::Resize | News::Tick => None,
            News::Drawn(extent) => {
                self.extent = extent;
                self.scroll = self.scroll.min(extent.lines.saturating_sub(extent.rows));
                None
            }
            News::Hangup => Some(self.hang_up()),
            News::TakenOver(by) => self.taken_over(by),
            News::Watched(Ok(seen)) => self.watched(seen),
            News::Watched(Err(failure)) => {
                self.unwatched(failure);
                None
            }
            News::Welcome(found) => self.welcomed(found),
            News::Identified(found) => self.told_who(found),
            News::Looked(stage, plan) => self.looked(stage, plan),
            News::Event(event) => self.event(&event),
            News::Copied(copied) => {
                self.notice = Some(match copied {
                    Ok(path) => format!("Copied, and kept in {path}"),
                    Err(failure) => format!("{failure}; {}", failure.next),
                });
                None
            }
        }
    }

    pub(super) fn doing(&self) -> Option<Doing> {
        self.busy.map(|busy| busy.doing)
    }

    fn welcomed(&mut self, found: Result<Box<Welcome>, Failure>) -> Option<Effect> {
        if self.doing() != Some(Doing::Welcome) {
            return None;
        }
        self.busy = None;
        self.welcome = match found {
            Ok(welcome) => Found::There(welcome),
            Err(failure) => Found::Failed(failure),
        };
        if self.screen == Screen::Welcome {
            let over = self.over.take();
            self.show(Screen::Welcome);
            self.over = over;
            if let (Some(Goal::RollBack), Found::There(_)) = (self.beginning.goal, &self.welcome) {
                return self.choose_goal();
            }
        }
        None
    }

    fn looked(&mut self, stage: Stage, plan: Result<Box<Plan>, Failure>) -> Option<Effect> {
        if self.doing() != Some(Doing::Look(stage)) {
            return None;
        }
        self.busy = None;
        self.stood = self.now;
        let mut passes = false;
        match plan {
            Ok(plan) => {
                let makes =
                    matches!(stage, Stage::Reindex | Stage::Secret | Stage::Bootstrap | Stage::Distribution);
                passes = self.onward && makes && plan.unchanged() && plan.asks.is_empty();
                self.leg_mut(stage).plan = Some(plan);
            }
            Err(failure) => self.leg_mut(stage).failure = Some(failure),
        }
        if passes && !self.leg(stage).is_some_and(super::log::Leg::any_failed_check) {
            self.leg_mut(stage).end = Some(End::Unchanged);
            if let Some(next) = self.next_stage(stage) {
                self.notice = Some(format!("{}: nothing to do, all of it stands", stage.title()));
                return Some(self.enter(next, true));
            }
        }
        // verifying changes nothing: it needs no consent, and is what the screen is for
        if stage == Stage::Verify && self.leg(stage).is_some_and(|leg| leg.plan.is_some()) {
            return self.apply(stage);
        }
        None
    }

    fn event(&mut self, event: &Event) -> Option<Effect> {
        let stage = event.stage();
        self.log.fold(self.now, event);
        let now = self.now;
        self.leg_mut(stage).fold(now, event);
        if matches!(event, Event::Check { .. }) && self.applying() != Some(stage) {
            // it changes what Enter means
            self.stood = self.now;
        }
        let Event::Ended { end, .. } = event else { return None };
        if stage == Stage::Reindex && self.beside.is_some() {
            return self.ended_beside(*end);
        }
        if self.applying() != Some(stage) {
            return None;
        }
        self.busy = None;
        self.stood = self.now;
        self.form.take_if(|form| form.renews);
        if self.over == Some(Over::Quit) {
            self.over = None;
        }
        if let Some(code) = self.leaving {
            return self.beside.is_none().then(|| self.leave(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip();
        }
        if self.leg(stage).is_some_and(super::log::Leg::drifted) {
            let effect = self.enter(stage, false);
            self.notice = Some("Something changed since it was shown; this is how it stands now.".to_owned());
            return Some(effect);
        }
        None
    }

    /// The reindex came to its end while the screen was at a later stage.
    fn ended_beside(&mut self, end: End) -> Option<Effect> {
        self.beside = None;
        self.form.take_if(|form| form.renews);
        if self.over == Some(Over::Quit) && self.applying().is_none() {
            self.over = None;
            self.stood = self.now;
        }
        if let Some(code) = self.leaving {
            return self.applying().is_none().then(|| self.leave(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip();
        }
        let waited = self.screen == Screen::Stage(Stage::GoLive)
            && self.applying().is_none()
            && self.over.is_none()
            && self.form.is_none();
        // what Enter means is another thing now: that is looked at, and shown, before it is pressed
        let effect = waited.then(|| self.enter(Stage::GoLive, false));
        self.notice = Some(match end {
            End::Applied | End::Unchanged => "The reindex is done.".to_owned(),
            End::Stopped => "The reindex has stopped. Going live waits for it.".to_owned(),
            End::Failed => "The reindex failed. Going live waits for it; its screen says why.".to_owned(),
        });
        effect
    }

    fn hang_up(&mut self) -> Effect {
        if self.stop() {
            self.leaving = Some(130);
            return Effect::Stop;
        }
        self.leave(130)
    }
}
