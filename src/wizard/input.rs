//! What comes of a key: refused where it isn't offered, unheard where it would consent before the screen has settled.

use super::{
    Doing, Effect, Extent, Found, Wizard,
    form::{Form, Purpose},
    intent::{Intent, Move, Offer},
    screen::{Over, Screen},
};
use crate::model::run::{event::End, goal::Stage};

impl Wizard {
    pub(super) fn key(&mut self, intent: Intent) -> Option<Effect> {
        if intent == Intent::Interrupt {
            return Some(self.interrupt());
        }
        if self.offers(intent) == Offer::Hidden {
            return None;
        }
        let consents = matches!(intent, Intent::Next | Intent::Yes | Intent::Anyway | Intent::Skip);
        let typing = self.form.as_ref().is_some_and(|form| form.purpose != Purpose::ConfirmBucket);
        if consents && !typing && !self.settled() {
            return None;
        }
        if let Some(over) = self.over.clone() {
            return self.key_over(&over, intent);
        }
        if self.form.is_some() {
            return self.key_form(intent);
        }
        match intent {
            Intent::Next => {
                self.notice = None;
                match self.screen {
                    Screen::Welcome => match &self.welcome {
                        Found::There(_) if self.beside_another() => self.watch(false),
                        Found::There(_) => self.choose_goal(),
                        _ => Some(self.look_around()),
                    },
                    Screen::Identity => self.choose_identity(),
                    Screen::Bucket => self.choose_bucket(),
                    Screen::Backups => self.choose_backup(),
                    Screen::Watch => self.watch(false),
                    Screen::Stage(stage) => self.go_on(stage),
                }
            }
            Intent::Back => self.back(),
            Intent::Again => {
                self.notice = None;
                match self.screen {
                    Screen::Stage(stage) => Some(self.enter(stage, false)),
                    _ => Some(self.look_around()),
                }
            }
            Intent::Anyway => {
                self.anyway = true;
                let Screen::Stage(stage) = self.screen else { return None };
                if self.leg(stage).is_some_and(|leg| matches!(leg.end, Some(End::Stopped | End::Failed))) {
                    return Some(match self.next_stage(stage) {
                        Some(next) => self.enter(next, true),
                        None => self.leave(1),
                    });
                }
                self.go_on(stage)
            }
            Intent::Skip if self.running().is_some() => {
                self.skipping = true;
                self.stop();
                Some(Effect::Stop)
            }
            Intent::Skip => self.skip(),
            Intent::Pause => {
                let busy = self.busy.as_mut()?;
                busy.paused = !busy.paused;
                Some(Effect::Pause(busy.paused))
            }
            Intent::Ahead => self.go_ahead(),
            Intent::Copy => self.copy(),
            Intent::Why => {
                self.origin = Some(Screen::Welcome);
                Some(self.enter(Stage::Verify, false))
            }
            Intent::Vendor => {
                self.answers.reindex.vendor = !self.answers.reindex.vendor;
                Some(self.enter(Stage::Reindex, false))
            }
            Intent::Whole => {
                self.answers.roll_back.whole_file = !self.answers.roll_back.whole_file;
                Some(self.enter(Stage::RollBack, false))
            }
            Intent::Credentials => {
                self.form = self.asked_to_renew();
                None
            }
            Intent::TakeOver => {
                self.asks_to_take_over();
                None
            }
            Intent::Probe => {
                self.form = Some(Form::new(Purpose::Probe));
                None
            }
            Intent::Move(step) => {
                self.step(step);
                None
            }
            _ => self.key_anywhere(intent),
        }
    }

    /// Keys that mean the same over a screen and on it.
    fn key_anywhere(&mut self, intent: Intent) -> Option<Effect> {
        let over = match intent {
            Intent::Disable => return Some(self.enter_aside(Stage::Disable)),
            Intent::Quit if self.running().is_some() => Over::Quit,
            Intent::Quit => return Some(self.leave(self.quit_code())),
            Intent::Log => Over::Log,
            Intent::Explain => Over::Explain,
            Intent::Help => Over::Help,
            _ => return None,
        };
        // the log's newest lines are what it is opened for; `Drawn` brings this back to what there is
        self.scroll = if over == Over::Log { usize::MAX } else { 0 };
        self.stood = self.now;
        self.over = Some(over);
        None
    }

    fn key_over(&mut self, over: &Over, intent: Intent) -> Option<Effect> {
        match (over, intent) {
            (Over::Ask(ask), Intent::Next | Intent::Yes) => return self.consented(ask.consent),
            (Over::Ask(ask), Intent::No | Intent::Back) => self.refused(ask),
            (Over::TakeOver, Intent::Yes) => {
                self.over = None;
                return self.watch(true);
            }
            (Over::Quit, Intent::Yes) => {
                self.over = None;
                self.leaving = Some(130);
                self.stop();
                return Some(Effect::Stop);
            }
            (Over::Help | Over::Log | Over::Explain, Intent::Next) | (_, Intent::No | Intent::Back) => {
                self.over = None;
                self.scroll = 0;
                self.stood = self.now;
            }
            (_, Intent::Move(step)) => self.step(step),
            _ => return self.key_anywhere(intent),
        }
        None
    }

    fn key_form(&mut self, intent: Intent) -> Option<Effect> {
        let form = self.form.as_mut()?;
        match intent {
            Intent::Edit(request) => form.edit(request),
            Intent::NextField => form.turn(true),
            Intent::PreviousField => form.turn(false),
            Intent::Back => {
                self.form = None;
                self.stood = self.now;
            }
            Intent::Next => return self.submit(),
            _ => {}
        }
        None
    }

    /// Whatever runs, on the screen and beside it, stops after the request in flight; false where nothing has to be told.
    pub(super) fn stop(&mut self) -> bool {
        let mut told = false;
        let applying = self.busy.as_mut().filter(|busy| matches!(busy.doing, Doing::Apply(_)));
        for busy in applying.into_iter().chain(&mut self.beside) {
            told |= !std::mem::replace(&mut busy.stopping, true);
            busy.paused = false;
        }
        told
    }

    pub(super) fn skip(&mut self) -> Option<Effect> {
        self.answers.reindex.skip = true;
        let leg = self.leg_mut(Stage::Reindex);
        leg.skipped = true;
        // where going live waited for it, that is looked at again
        let next = match self.screen {
            Screen::Stage(stage) if stage != Stage::Reindex => stage,
            _ => self.next_stage(Stage::Reindex)?,
        };
        let effect = self.enter(next, true);
        self.notice = Some(
            "Reindex skipped: correct, but what is in S3 now is not cached until it is done.".to_owned(),
        );
        Some(effect)
    }

    /// Ctrl-C: the first stops what runs after the request in flight, the second leaves at once.
    fn interrupt(&mut self) -> Effect {
        if self.stop() {
            self.over = None;
            self.form.take_if(|form| form.renews);
            self.notice =
                Some("Stopping after the request in flight. Ctrl-C again leaves at once.".to_owned());
            return Effect::Stop;
        }
        self.leave(130)
    }

    /// Leaving in the middle is no mistake; leaving after a failure that nothing mended is.
    fn quit_code(&self) -> u8 {
        let Screen::Stage(stage) = self.screen else { return 0 };
        u8::from(self.leg(stage).is_some_and(|leg| leg.end == Some(End::Failed) || leg.failure.is_some()))
    }

    fn step(&mut self, step: Move) {
        let list = self.list_len();
        let over_list = self.over.is_none() || self.choosing().is_some();
        if list > 1 && over_list {
            match step {
                Move::Up => self.choice = self.choice.saturating_sub(1),
                Move::Down => self.choice = (self.choice + 1).min(list - 1),
                Move::Home => self.choice = 0,
                Move::End => self.choice = list - 1,
                Move::PageUp | Move::PageDown => {}
            }
            return;
        }
        let Extent { lines, rows } = self.extent;
        let last = lines.saturating_sub(rows);
        let page = rows.saturating_sub(1).max(1);
        self.scroll = match step {
            Move::Up => self.scroll.min(last).saturating_sub(1),
            Move::Down => self.scroll.saturating_add(1),
            Move::PageUp => self.scroll.min(last).saturating_sub(page),
            Move::PageDown => self.scroll.saturating_add(page),
            Move::Home => 0,
            Move::End => last,
        }
        .min(last);
    }
}
