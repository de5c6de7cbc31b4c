//! The one way in which the wizard changes: a message in, at most one effect out.

use super::{
    Effect, Input, JobKind, Loadable, TimedInput, Wizard,
    screen::{Overlay, Screen},
};
use crate::model::{
    failure::Failure,
    run::{
        event::{Event, StageEnd},
        goal::{Goal, Stage},
        plan::Plan,
        welcome::WelcomeFindings,
    },
};

impl Wizard {
    /// Takes one input. Nothing else changes the wizard, and nothing here waits, reads a clock or touches the world.
    pub fn update(&mut self, msg: TimedInput) -> Option<Effect> {
        self.now = self.now.max(msg.at);
        match msg.input {
            Input::Start => Some(match self.init.goal {
                // disabling asks AWS nothing, and waits for nothing
                Some(Goal::Disable) => self.enter_stage_with_return(Stage::Disable),
                _ => self.load_welcome(),
            }),
            Input::Key(intent) => self.handle_intent(intent),
            Input::Paste(text) => {
                if let (Some(form), None) = (&mut self.form, &self.overlay) {
                    form.paste_text(&text);
                }
                None
            }
            Input::Resize | Input::Tick => None,
            Input::Drawn(extent) => {
                self.extent = extent;
                self.scroll = self.scroll.min(extent.lines.saturating_sub(extent.rows));
                None
            }
            Input::Hangup => Some(self.handle_hangup()),
            Input::TakenOver(by) => self.handle_taken_over(by),
            Input::Watched(Ok(event)) => self.handle_watch_event(event),
            Input::Watched(Err(failure)) => {
                self.handle_watch_failure(failure);
                None
            }
            Input::Welcome(found) => self.handle_welcome(found),
            Input::Identified(found) => self.handle_identity(found),
            Input::Looked(stage, plan) => self.handle_plan(stage, plan),
            Input::Event(event) => self.handle_event(&event),
            Input::Copied(copied) => {
                self.notice = Some(match copied {
                    Ok(path) => format!("Copied, and kept in {path}"),
                    Err(failure) => format!("{failure}; {}", failure.next),
                });
                None
            }
        }
    }

    pub(super) fn active_job_kind(&self) -> Option<JobKind> {
        self.busy.map(|busy| busy.kind)
    }

    fn handle_welcome(&mut self, found: Result<Box<WelcomeFindings>, Failure>) -> Option<Effect> {
        if self.active_job_kind() != Some(JobKind::Welcome) {
            return None;
        }
        self.busy = None;
        self.welcome = match found {
            Ok(welcome) => Loadable::Loaded(welcome),
            Err(failure) => Loadable::Failed(failure),
        };
        if self.screen == Screen::Welcome {
            let overlay = self.overlay.take();
            self.show_screen(Screen::Welcome);
            self.overlay = overlay;
            if let (Some(Goal::RollBack), Loadable::Loaded(_)) = (self.init.goal, &self.welcome) {
                return self.choose_goal();
            }
        }
        None
    }

    fn handle_plan(&mut self, stage: Stage, plan: Result<Box<Plan>, Failure>) -> Option<Effect> {
        if self.active_job_kind() != Some(JobKind::Look(stage)) {
            return None;
        }
        self.busy = None;
        self.shown_at = self.now;
        let mut passes = false;
        match plan {
            Ok(plan) => {
                let may_be_passed =
                    matches!(stage, Stage::Reindex | Stage::Secret | Stage::Bootstrap | Stage::Distribution);
                passes = self.auto_advance
                    && may_be_passed
                    && plan.is_unchanged()
                    && plan.confirmations.is_empty();
                self.stage_progress_mut(stage).plan = Some(plan);
            }
            Err(failure) => self.stage_progress_mut(stage).failure = Some(failure),
        }
        if passes && !self.stage_progress(stage).is_some_and(super::log::StageProgress::has_failed_check) {
            self.stage_progress_mut(stage).end = Some(StageEnd::Unchanged);
            if let Some(next) = self.next_stage(stage) {
                self.notice = Some(format!("{}: nothing to do, all of it stands", stage.title()));
                return Some(self.enter_stage(next, true));
            }
        }
        // verifying changes nothing: it needs no consent, and is what the screen is for
        if stage == Stage::Verify
            && self.stage_progress(stage).is_some_and(|progress| progress.plan.is_some())
        {
            return self.confirm_or_apply(stage);
        }
        None
    }

    fn handle_event(&mut self, event: &Event) -> Option<Effect> {
        let stage = event.stage();
        self.log.record_event(self.now, event);
        let now = self.now;
        self.stage_progress_mut(stage).record_event(now, event);
        if matches!(event, Event::Check { .. }) && self.applying_stage() != Some(stage) {
            // it changes what Enter means
            self.shown_at = self.now;
        }
        let Event::Ended { end, .. } = event else { return None };
        if stage == Stage::Reindex && self.background.is_some() {
            return self.handle_background_end(*end);
        }
        if self.applying_stage() != Some(stage) {
            return None;
        }
        self.busy = None;
        self.shown_at = self.now;
        self.form.take_if(|form| form.renews);
        if self.overlay == Some(Overlay::Quit) {
            self.overlay = None;
        }
        if let Some(code) = self.pending_exit_code {
            return self.background.is_none().then(|| self.leave_with_code(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        if self.stage_progress(stage).is_some_and(super::log::StageProgress::has_drifted) {
            let effect = self.enter_stage(stage, false);
            self.notice = Some("Something changed since it was shown; this is how it stands now.".to_owned());
            return Some(effect);
        }
        None
    }

    /// The reindex came to its end while the screen was at a later stage.
    fn handle_background_end(&mut self, end: StageEnd) -> Option<Effect> {
        self.background = None;
        self.form.take_if(|form| form.renews);
        if self.overlay == Some(Overlay::Quit) && self.applying_stage().is_none() {
            self.overlay = None;
            self.shown_at = self.now;
        }
        if let Some(code) = self.pending_exit_code {
            return self.applying_stage().is_none().then(|| self.leave_with_code(code));
        }
        if std::mem::take(&mut self.skipping) {
            return self.skip_reindex();
        }
        let shows_go_live = self.screen == Screen::Stage(Stage::GoLive)
            && self.applying_stage().is_none()
            && self.overlay.is_none()
            && self.form.is_none();
        // what Enter means is another thing now: that is looked at, and shown, before it is pressed
        let effect = shows_go_live.then(|| self.enter_stage(Stage::GoLive, false));
        self.notice = Some(match end {
            StageEnd::Applied | StageEnd::Unchanged => "The reindex is done.".to_owned(),
            StageEnd::Stopped => "The reindex has stopped. Going live waits for it.".to_owned(),
            StageEnd::Failed => {
                "The reindex failed. Going live waits for it; its screen says why.".to_owned()
            }
        });
        effect
    }

    fn handle_hangup(&mut self) -> Effect {
        if self.stop_running_jobs() {
            self.pending_exit_code = Some(130);
            return Effect::Stop;
        }
        self.leave_with_code(130)
    }
}
