//! Which intents are possible now, and what the footer calls them; `update` refuses every other, so that the footer can't lie.

use super::{
    Doing, Found, Wizard, copy,
    intent::{Intent, Mode, Move, Offer},
    log::Leg,
    navigation::Onward,
    screen::{Over, Screen},
};
use crate::model::run::{
    event::{End, Wants},
    goal::{Goal, Stage},
    plan::Consent,
};

impl Wizard {
    /// Which part of the key table holds.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match &self.over {
            Some(over) if over.asks() => Mode::Ask,
            None if self.form.is_some() => Mode::Text,
            _ => Mode::Browse,
        }
    }

    #[must_use]
    pub fn offers(&self, intent: Intent) -> Offer {
        let usual = |possible: bool| if possible { Offer::Usual } else { Offer::Hidden };
        let covered = self.over.is_some();
        match intent {
            Intent::Interrupt => return Offer::Usual,
            Intent::Quit => return usual(self.mode() != Mode::Text && self.over != Some(Over::Quit)),
            _ => {}
        }
        match self.mode() {
            Mode::Text => {
                return match intent {
                    Intent::Next => Offer::As("done"),
                    Intent::NextField | Intent::PreviousField => {
                        usual(self.form.as_ref().is_some_and(|form| form.fields.len() > 1))
                    }
                    Intent::Back | Intent::Edit(_) => Offer::Usual,
                    _ => Offer::Hidden,
                };
            }
            Mode::Ask => {
                // nothing is typed and nothing runs while a consent is asked for
                if intent == Intent::Disable {
                    return usual(self.applying().is_none());
                }
                return usual(matches!(intent, Intent::Yes | Intent::No | Intent::Back | Intent::Move(_)));
            }
            Mode::Browse => {}
        }
        let stage = match self.screen {
            Screen::Stage(stage) => Some(stage),
            _ => None,
        };
        let applying = self.applying();
        match intent {
            Intent::Next => match &self.over {
                Some(Over::Ask(_)) => Offer::As("choose this"),
                Some(_) => Offer::As("close"),
                None => self.offers_next(),
            },
            Intent::Back if covered => Offer::As("close"),
            Intent::Back => usual(applying.is_none() && self.screen != Screen::Welcome),
            Intent::Again => usual(
                !covered
                    && applying.is_none()
                    && !matches!(
                        self.busy.map(|busy| busy.doing),
                        Some(Doing::Look(_) | Doing::Identify | Doing::Code | Doing::Watch)
                    ),
            ),
            Intent::Skip => {
                let left = |leg: &Leg| !matches!(leg.end, Some(End::Applied | End::Unchanged));
                let can = !covered
                    && (stage == Some(Stage::Reindex) && self.leg(Stage::Reindex).is_none_or(left)
                        || stage == Some(Stage::GoLive) && applying.is_none() && self.reindex_pending())
                    && !self.skipping
                    && (applying.is_none() || !self.busy.is_some_and(|busy| busy.stopping));
                match stage {
                    Some(Stage::GoLive) if can => Offer::As("skip the reindex"),
                    _ => usual(can),
                }
            }
            Intent::Ahead => {
                let runs = applying == Some(Stage::Reindex) && !self.busy.is_some_and(|busy| busy.stopping);
                usual(!covered && runs && self.next_stage(Stage::Reindex).is_some())
            }
            Intent::Pause => match self.busy {
                Some(busy)
                    if !covered
                        && applying == Some(Stage::Reindex)
                        && !busy.stopping
                        && self.waits().is_none() =>
                {
                    if busy.paused {
                        Offer::As("go on")
                    } else {
                        Offer::Usual
                    }
                }
                _ => Offer::Hidden,
            },
            Intent::Disable => {
                usual(applying.is_none() && stage != Some(Stage::Disable) && self.busy_but_looking())
            }
            Intent::Log => usual(self.over != Some(Over::Log)),
            Intent::Explain => usual(
                self.over != Some(Over::Explain)
                    && stage.and_then(|stage| self.leg(stage)).is_some_and(|leg| leg.plan.is_some()),
            ),
            Intent::Help => usual(self.over != Some(Over::Help)),
            Intent::Copy => usual(!covered && self.to_copy().is_some()),
            Intent::Anyway => usual(!covered && self.can_go_anyway()),
            Intent::Why => {
                usual(!covered && self.screen == Screen::Welcome && matches!(self.welcome, Found::There(_)))
            }
            Intent::Vendor if covered || applying.is_some() || stage != Some(Stage::Reindex) => Offer::Hidden,
            Intent::Vendor if self.answers.reindex.vendor => Offer::As("ours alone"),
            Intent::Vendor => Offer::Usual,
            Intent::Whole => usual(!covered && applying.is_none() && stage == Some(Stage::RollBack)),
            Intent::Probe => {
                usual(!covered && applying.is_none() && matches!(stage, Some(Stage::GoLive | Stage::Verify)))
            }
            Intent::TakeOver => usual(!covered && self.can_take_over()),
            Intent::Move(step) => {
                let list =
                    self.list_len() > 1 && matches!(step, Move::Up | Move::Down | Move::Home | Move::End);
                if list { Offer::As("choose") } else { usual(self.extent.lines > self.extent.rows) }
            }
            Intent::Credentials => match self.waits().map(|waits| &waits.wants) {
                Some(Wants::Code(_)) if !covered => Offer::As("type the code"),
                Some(Wants::Keys) if !covered => Offer::As("type other keys"),
                _ => Offer::Hidden,
            },
            Intent::Yes
            | Intent::No
            | Intent::NextField
            | Intent::PreviousField
            | Intent::Edit(_)
            | Intent::Quit
            | Intent::Interrupt => Offer::Hidden,
        }
    }

    /// A look may be left at any time; it writes nothing.
    fn busy_but_looking(&self) -> bool {
        !matches!(self.busy.map(|busy| busy.doing), Some(Doing::Apply(_)))
    }

    fn offers_next(&self) -> Offer {
        match self.screen {
            Screen::Welcome => match &self.welcome {
                Found::Looking => Offer::Hidden,
                Found::Failed(_) => Offer::As("look again"),
                Found::There(welcome) if welcome.other_run.is_some() => Offer::As("watch it"),
                Found::There(welcome) => match (Self::GOALS.get(self.choice), welcome.identities.first()) {
                    (Some(Goal::Install | Goal::Upgrade), Some(first)) if first.device.is_some() => {
                        Offer::As("type the code")
                    }
                    _ => Offer::As("go on"),
                },
            },
            Screen::Watch if self.busy.is_none() => Offer::As("watch it again"),
            Screen::Watch => Offer::Hidden,
            Screen::Identity | Screen::Bucket => {
                if self.busy.is_some() {
                    Offer::Hidden
                } else {
                    Offer::As("use this")
                }
            }
            Screen::Backups => {
                if self.list_len() == 0 {
                    Offer::Hidden
                } else {
                    Offer::As("show what it changes")
                }
            }
            Screen::Stage(stage) => match self.onward_from(stage) {
                Onward::Nowhere => Offer::Hidden,
                Onward::Again => Offer::As("look again"),
                Onward::Apply => Offer::As(copy::apply(stage)),
                Onward::Next(_) => Offer::As("go on"),
                Onward::Reindex => Offer::As("to the reindex"),
                Onward::Finish => Offer::As(if stage == Stage::Verify && self.origin.is_none() {
                    "finish"
                } else {
                    "back to the start"
                }),
            },
        }
    }

    /// Where a failed check or a stop may be passed by on purpose.
    pub(super) fn can_go_anyway(&self) -> bool {
        let Screen::Stage(stage) = self.screen else { return false };
        if self.busy.is_some()
            || stage == Stage::GoLive && self.leg(stage).is_none_or(|leg| leg.end.is_none())
        {
            return false;
        }
        let Some(leg) = self.leg(stage) else { return false };
        match leg.end {
            // going on without the reindex is to skip it, which has a key of its own
            Some(End::Stopped) if stage == Stage::Reindex => false,
            // a go-live that was told not to run packagecloud-ctl stops after the write: that is its end
            Some(End::Stopped) => self.next_stage(stage).is_some(),
            Some(End::Failed) => stage == Stage::Verify && self.origin.is_none(),
            Some(End::Applied | End::Unchanged) => leg.any_failed_check(),
            None => leg.plan.is_some() && leg.any_failed_check(),
        }
    }

    /// The consents that this stage's plan still needs, in order.
    pub(super) fn needs(&self, stage: Stage) -> Vec<&crate::model::run::plan::Ask> {
        let bucket = self.bucket();
        self.leg(stage)
            .and_then(|leg| leg.plan.as_ref())
            .map(|plan| {
                plan.asks.iter().filter(|ask| !self.answers.consents.given(ask.consent, bucket)).collect()
            })
            .unwrap_or_default()
    }

    /// Whether the goal needs the consents of a set-up at all.
    pub(super) fn sets_up(&self) -> bool {
        matches!(self.goal(), Some(Goal::Install | Goal::Upgrade))
    }

    /// Which of the two answers a choice stands on.
    #[must_use]
    pub fn choosing(&self) -> Option<Consent> {
        match &self.over {
            Some(Over::Ask(ask)) if ask.consent == Consent::Managed => Some(ask.consent),
            _ => None,
        }
    }
}
