//! From one screen to the next: what Enter leads to, how a stage is entered, looked at, applied and left.

use super::{
    Busy, Copied, Doing, Effect, Found, Outcome, Wizard,
    form::{Form, Purpose},
    log::Leg,
    screen::{Over, Screen},
};
use crate::model::run::{
    answers::Managed,
    event::End,
    failure::Kind,
    goal::{Goal, Stage, Step},
    plan::{Ask, Consent, Exhibit},
};

/// What Enter does on a stage's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// Something runs.
    Nowhere,
    Again,
    Apply,
    Next(Stage),
    /// Going live waits for the reindex: its screen.
    Reindex,
    /// The goal is reached.
    Finish,
}

impl Wizard {
    /// The screen is another one from now on: keys typed before it settles consent to nothing.
    pub(super) fn show(&mut self, screen: Screen) {
        self.screen = screen;
        self.over = None;
        self.chosen = None;
        self.form = None;
        self.choice = 0;
        self.scroll = 0;
        self.anyway = false;
        self.copies = 0;
        self.stood = self.now;
        self.choice = self.first_choice();
    }

    fn first_choice(&self) -> usize {
        let welcome = self.welcome.there();
        match self.screen {
            Screen::Welcome => {
                let goal = self.goal().or_else(|| welcome.and_then(|w| w.goal.as_ref()).map(|goal| goal.0));
                Self::GOALS.iter().position(|offered| Some(*offered) == goal).unwrap_or(0)
            }
            Screen::Bucket => welcome
                .and_then(|w| {
                    w.buckets.iter().position(|found| Some(&found.name) == self.answers.bucket.as_ref())
                })
                .unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn start(&mut self, doing: Doing) {
        self.busy = Some(Busy { doing, since: self.now, stopping: false, paused: false });
    }

    pub(super) fn look_around(&mut self) -> Effect {
        self.welcome = Found::Looking;
        self.start(Doing::Welcome);
        Effect::Welcome(self.answers.clone())
    }

    /// Back to the first screen, which looks around anew.
    pub(super) fn begin_again(&mut self) -> Effect {
        // what runs beside is still told of
        self.legs.retain(|stage, _| self.beside.is_some() && *stage == Stage::Reindex);
        self.origin = None;
        self.onward = true;
        self.answers.goal = None;
        self.show(Screen::Welcome);
        self.look_around()
    }

    /// Shows a stage, and looks at what it would do. Coming from the stage before it, a stage that has nothing to do
    /// is passed by itself; coming back to it, it stays.
    pub(super) fn enter(&mut self, stage: Stage, onward: bool) -> Effect {
        self.onward = onward;
        self.skipping = false;
        self.show(Screen::Stage(stage));
        if let Some(beside) = self.beside.take_if(|_| stage == Stage::Reindex) {
            self.busy = Some(beside);
            return Effect::BringBack;
        }
        self.leg_mut(stage).forget();
        self.start(Doing::Look(stage));
        Effect::Look(stage, self.answers.clone())
    }

    /// The stage after the reindex, which runs on beside it.
    pub(super) fn go_ahead(&mut self) -> Option<Effect> {
        let next = self.next_stage(Stage::Reindex)?;
        self.beside = self.busy.take();
        let looking = self.enter(next, true);
        self.notice =
            Some("The reindex runs on. Only going live waits for it; b leads back to it.".to_owned());
        match looking {
            Effect::Look(stage, answers) => Some(Effect::LookBeside(stage, answers)),
            other => Some(other),
        }
    }

    /// Disabling and rolling back start from any screen and lead back to it.
    pub(super) fn enter_aside(&mut self, stage: Stage) -> Effect {
        if !matches!(self.screen, Screen::Stage(Stage::Disable | Stage::RollBack)) {
            self.origin = Some(self.screen);
        }
        self.enter(stage, false)
    }

    pub(super) fn stages(&self) -> &'static [Stage] {
        self.goal().map_or(&[], Goal::stages)
    }

    pub(super) fn next_stage(&self, stage: Stage) -> Option<Stage> {
        if self.origin.is_some() {
            return None;
        }
        let stages = self.stages();
        stages.iter().position(|known| *known == stage).and_then(|index| stages.get(index + 1)).copied()
    }

    /// What Enter does on this stage's screen as it stands.
    #[must_use]
    pub fn onward_from(&self, stage: Stage) -> Onward {
        if self.busy.is_some() {
            return Onward::Nowhere;
        }
        let Some(leg) = self.leg(stage) else { return Onward::Again };
        // a restored file that says on is made true behind go-live's gate, not by the restoring
        let restored_on = stage == Stage::RollBack
            && leg.end == Some(End::Applied)
            && leg.plan.as_ref().is_some_and(|plan| plan.changes.iter().any(|c| c.step == Step::Switch));
        let next = if restored_on { Some(Stage::GoLive) } else { self.next_stage(stage) };
        let on = next.map_or(Onward::Finish, Onward::Next);
        if leg.any_failed_check() && !self.anyway {
            return Onward::Again;
        }
        let waits = stage == Stage::GoLive && leg.plan.as_ref().is_some_and(|plan| !plan.unchanged());
        if waits && leg.end.is_none() && self.reindex_pending() {
            return Onward::Reindex;
        }
        match (leg.end, &leg.plan) {
            (Some(End::Applied | End::Unchanged), _) => on,
            (Some(End::Stopped | End::Failed), _) | (None, None) => Onward::Again,
            (None, Some(plan)) => {
                // the overview names what the stages after it will ask
                if stage != Stage::Overview && !self.needs(stage).is_empty() {
                    return Onward::Apply;
                }
                let only_looks = matches!(stage, Stage::Access | Stage::Overview);
                if only_looks || plan.unchanged() && stage != Stage::Verify { on } else { Onward::Apply }
            }
        }
    }

    /// Enter, or `a`, on a stage's screen.
    pub(super) fn go_on(&mut self, stage: Stage) -> Option<Effect> {
        match self.onward_from(stage) {
            Onward::Nowhere => None,
            Onward::Again => Some(self.enter(stage, false)),
            Onward::Apply => self.apply(stage),
            Onward::Next(next) => Some(self.enter(next, true)),
            Onward::Reindex => Some(self.enter(Stage::Reindex, false)),
            Onward::Finish if stage == Stage::Verify && self.origin.is_none() => Some(self.leave(0)),
            Onward::Finish => Some(self.begin_again()),
        }
    }

    /// Asks for what the plan still needs, one consent after the other; then applies exactly that plan.
    pub(super) fn apply(&mut self, stage: Stage) -> Option<Effect> {
        if let Some(ask) = self.needs(stage).first().copied().cloned() {
            self.ask(ask);
            return None;
        }
        if let Onward::Next(next) = self.onward_from(stage) {
            return Some(self.enter(next, true));
        }
        let leg = self.leg_mut(stage);
        let plan = leg.plan.clone()?;
        leg.begin();
        self.scroll = 0;
        self.stood = self.now;
        self.notice = None;
        self.start(Doing::Apply(stage));
        Some(Effect::Apply(plan, self.answers.clone()))
    }

    fn ask(&mut self, ask: Ask) {
        self.stood = self.now;
        self.choice = 0;
        if ask.consent == Consent::ConfirmBucket {
            self.form = Some(Form::new(Purpose::ConfirmBucket));
        } else {
            self.over = Some(Over::Ask(ask));
        }
    }

    /// The answer yes, or the choice; the next consent is asked for, or the stage looked at as it is now.
    pub(super) fn consented(&mut self, consent: Consent) -> Option<Effect> {
        if let Some(identity) = self.chosen.take() {
            self.answers.consents.other_bucket = true;
            self.over = None;
            self.identified(&identity);
            return None;
        }
        let Screen::Stage(stage) = self.screen else { return None };
        let consents = &mut self.answers.consents;
        match consent {
            Consent::Adopt => consents.adopt = true,
            Consent::AdoptBucketKey => consents.adopt_bucket_key = true,
            Consent::NewSecret => consents.new_secret = true,
            Consent::Unproven => consents.unproven = true,
            Consent::OverrideExpression => consents.override_expression = true,
            Consent::OtherBucket => consents.other_bucket = true,
            Consent::Managed => {
                consents.managed = Some(if self.choice == 0 { Managed::Wait } else { Managed::Write });
            }
            Consent::ConfirmBucket => consents.confirm_bucket.clone_from(&self.answers.bucket),
        }
        self.over = None;
        if let Some(ask) = self.needs(stage).first().copied().cloned() {
            self.ask(ask);
            return None;
        }
        // a consent may change what would be done: that is shown before it is
        let effect = self.enter(stage, false);
        self.notice = Some("Your yes is noted. This is what Enter does now.".to_owned());
        Some(effect)
    }

    pub(super) fn refused(&mut self, ask: &Ask) {
        self.over = None;
        self.chosen = None;
        self.stood = self.now;
        self.notice = Some(format!("Nothing was done: that needs your yes ({}).", ask.consent.flag()));
    }

    /// `b`: to the screen before this one.
    pub(super) fn back(&mut self) -> Option<Effect> {
        self.notice = None;
        let Screen::Stage(stage) = self.screen else {
            return match self.screen {
                Screen::Bucket => {
                    self.drop_look();
                    self.show(Screen::Identity);
                    // An identity that was refused since is another one than was found.
                    let refused = |leg: &Leg| leg.failed().is_some_and(|f| f.kind == Kind::Credentials);
                    self.legs.values().any(refused).then(|| self.look_around())
                }
                Screen::Backups if self.welcome.there().is_some() => {
                    self.origin = None;
                    self.answers.goal = None;
                    self.show(Screen::Welcome);
                    None
                }
                Screen::Watch => Some(self.begin_again()),
                _ if self.welcome.there().is_none() || self.origin.is_some() => Some(self.begin_again()),
                _ => {
                    self.drop_look();
                    self.show(Screen::Welcome);
                    None
                }
            };
        };
        if stage == Stage::RollBack && self.welcome.there().is_some() {
            self.drop_look();
            self.show(Screen::Backups);
            return None;
        }
        if let Some(origin) = self.origin.take() {
            return match origin {
                Screen::Stage(stage) => Some(self.enter(stage, false)),
                screen if self.welcome.there().is_some() => {
                    if screen == Screen::Welcome {
                        self.answers.goal = None;
                    }
                    self.drop_look();
                    self.show(screen);
                    None
                }
                _ => Some(self.begin_again()),
            };
        }
        let stages = self.stages();
        match stages.iter().position(|known| *known == stage) {
            Some(index) if index > 0 => Some(self.enter(stages[index - 1], false)),
            _ => {
                self.drop_look();
                self.show(Screen::Bucket);
                None
            }
        }
    }

    /// What is still being looked at is of no use any more; its job ends with the next one, its news are not heard.
    fn drop_look(&mut self) {
        if self.applying().is_none() {
            self.busy = None;
        }
    }

    /// Leaves with `code`, saying what a shell's user should know.
    pub(super) fn leave(&self, code: u8) -> Effect {
        let mut last_words = Vec::new();
        if let Some(by) = &self.taken_over_by {
            last_words.push(format!("{by} took over, and goes on from what is there. Nothing is lost."));
        } else if let Some(stage) = self.applying() {
            last_words.push(format!(
                "{} was left in the middle: {} may be half done. Nothing is lost; start again, and it goes on from what is there.",
                stage.title(),
                self.leg(stage)
                    .and_then(|leg| leg.lines.iter().rev().find(|line| line.took.is_none()))
                    .map_or("its last step", |line| line.step.title()),
            ));
        } else if self.beside.is_some() {
            last_words.push(
                "The reindex was left before its end. Nothing is lost; start again, and it goes on where it was."
                    .to_owned(),
            );
        } else if self.sets_up() && code != 0 {
            last_words
                .push("Start again at any time: it looks again and goes on from what is there.".to_owned());
        }
        Effect::Leave(Outcome { code, last_words })
    }

    /// What `c` copies: of what the screen shows as copyable, one after the other.
    #[must_use]
    pub fn to_copy(&self) -> Option<&Exhibit> {
        let Screen::Stage(stage) = self.screen else { return None };
        let plan = self.leg(stage)?.plan.as_ref()?;
        let copyable: Vec<_> = plan.exhibit.iter().filter(|exhibit| exhibit.copy).collect();
        copyable.get(self.copies % copyable.len().max(1)).copied()
    }

    pub(super) fn copy(&mut self) -> Option<Effect> {
        let exhibit = self.to_copy()?;
        let mut text = exhibit.lines.join("\n");
        text.push('\n');
        let copied = Copied { title: exhibit.title.clone(), text };
        self.copies += 1;
        Some(Effect::Copy(copied))
    }
}
