//! The terminal face: owns the loop, performs the wizard's effects, draws what it says.
//!
//! Everything comes in through one `select!`, keys first; the loop draws only when nothing else waits, and never
//! waits itself: whatever takes time is a [`job`]. It is generic over the backend, the key stream and the performer of
//! effects, so that tests drive this very loop.

use std::time::Duration;

use crossterm::event::Event as TerminalEvent;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use ratatui::{Terminal, backend::Backend};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

pub mod draw;
mod job;
pub mod keys;
pub mod perform;
mod screens;
mod steps;
pub mod terminal;
pub mod text;
pub mod theme;

use job::Job;
pub use job::JobSender;
use theme::Theme;

use crate::{
    model::run::failure::Failure,
    wizard::{Beginning, Effect, Msg, News, Outcome, Wizard},
};

/// Events are drawn at most this often; a key is drawn at once.
const FRAME: Duration = Duration::from_millis(16);
/// How often something that moves is drawn anew.
const TICK: Duration = Duration::from_millis(100);
/// How long what runs may take to stop once the terminal is gone.
const GRACE: Duration = Duration::from_secs(10);

/// The wizard on this process's terminal, which is as before when this returns. `taken_over` says who asks it to end.
pub async fn run<F>(
    beginning: Beginning,
    effects: F,
    taken_over: impl Future<Output = String>,
) -> Result<Outcome, Failure>
where
    F: Fn(Effect, JobSender) -> JoinHandle<()>,
{
    let (_taken, mut terminal) = terminal::take()?;
    let hangups = terminal::hangups()?.map(|()| News::Hangup);
    let taken_over = Box::pin(stream::once(taken_over.map(News::TakenOver)));
    let ends = stream::select(hangups, taken_over);
    let mut wizard = Wizard::new(beginning);
    let outcome =
        drive(&mut terminal, terminal::keys(), ends, &mut wizard, &Theme::of_environment(), effects).await;
    if terminal.show_cursor().is_err() {
        // Its drop would complain on a terminal that is gone, and panic for want of one.
        std::mem::forget(terminal);
    }
    Ok(outcome)
}

/// The loop: until the wizard is left, or the terminal is gone; `ends` are the news that ask it to end.
pub async fn drive<B, K, H, F>(
    terminal: &mut Terminal<B>,
    keys: K,
    ends: H,
    wizard: &mut Wizard,
    theme: &Theme,
    effects: F,
) -> Outcome
where
    B: Backend,
    K: Stream<Item = TerminalEvent> + Unpin,
    H: Stream<Item = News> + Unpin,
    F: Fn(Effect, JobSender) -> JoinHandle<()>,
{
    let mut face = Face {
        began: Instant::now(),
        wizard,
        effects,
        keys: keys.fuse(),
        ends: ends.fuse(),
        job: None,
        beside: None,
        aside: None,
        ticked: Instant::now(),
        gone: None,
    };
    // the first frame stands before anything is looked up
    face.show(terminal, theme);
    let mut drawn = Instant::now();
    if let Some(outcome) = face.hear(News::Start) {
        return outcome;
    }
    let mut stale = true;
    let mut urgent = true;
    loop {
        // what waits already is heard before the next frame, as long as that frame isn't late
        let until = Instant::now() + FRAME;
        while Instant::now() < until {
            let Some(heard) = face.next().now_or_never() else { break };
            urgent |= heard.urgent;
            stale = true;
            if let Some(outcome) = heard.news.and_then(|news| face.hear(news)) {
                return outcome;
            }
        }
        if stale && (urgent || drawn.elapsed() >= FRAME) {
            if !face.show(terminal, theme)
                && let Some(outcome) = face.hear(News::Hangup)
            {
                return outcome;
            }
            drawn = Instant::now();
            (stale, urgent) = (false, false);
        }
        tokio::select! {
            biased;
            heard = face.next() => {
                urgent |= heard.urgent;
                stale = true;
                if let Some(outcome) = heard.news.and_then(|news| face.hear(news)) {
                    return outcome;
                }
            }
            () = sleep_until(drawn + FRAME), if stale => {}
        }
    }
}

struct Face<'w, K, H, F> {
    began: Instant,
    wizard: &'w mut Wizard,
    effects: F,
    keys: futures::stream::Fuse<K>,
    ends: futures::stream::Fuse<H>,
    /// The look or the run.
    job: Option<Job>,
    /// A run that goes on while the screen is at a later stage.
    beside: Option<Job>,
    /// The copy.
    aside: Option<Job>,
    ticked: Instant,
    /// Since when the terminal is gone.
    gone: Option<Instant>,
}

/// What came in, and whether somebody waits to see what comes of it.
struct Heard {
    news: Option<News>,
    urgent: bool,
}

impl<K, H, F> Face<'_, K, H, F>
where
    K: Stream<Item = TerminalEvent> + Unpin,
    H: Stream<Item = News> + Unpin,
    F: Fn(Effect, JobSender) -> JoinHandle<()>,
{
    /// The next news; dropping this before it is ready loses nothing.
    async fn next(&mut self) -> Heard {
        async fn said(job: &mut Option<Job>) -> News {
            match job {
                Some(job) => job.next().await,
                None => std::future::pending().await,
            }
        }
        let calm = |news| Heard { news: Some(news), urgent: false };
        let last_grace = self.gone.map(|gone| gone + GRACE);
        tokio::select! {
            biased;
            key = self.keys.next(), if self.gone.is_none() => Heard { news: self.key(key), urgent: true },
            Some(news) = self.ends.next() => {
                if matches!(news, News::Hangup) {
                    self.gone.get_or_insert_with(Instant::now);
                }
                calm(news)
            }
            () = sleep_until(last_grace.unwrap_or(self.began)), if last_grace.is_some() => calm(News::Hangup),
            news = said(&mut self.job) => calm(news),
            news = said(&mut self.beside) => calm(news),
            news = said(&mut self.aside) => calm(news),
            () = sleep_until(self.ticked + TICK), if self.wizard.moves() && self.gone.is_none() => {
                self.ticked = Instant::now();
                calm(News::Tick)
            }
        }
    }

    fn key(&mut self, event: Option<TerminalEvent>) -> Option<News> {
        match event {
            Some(TerminalEvent::Key(key)) => keys::intent(self.wizard.mode(), key).map(News::Key),
            Some(TerminalEvent::Paste(text)) => Some(News::Paste(text)),
            Some(TerminalEvent::Resize(..)) => Some(News::Resize),
            Some(_) => None,
            None => {
                self.gone.get_or_insert_with(Instant::now);
                Some(News::Hangup)
            }
        }
    }

    /// Tells the wizard, and performs what it asks for; the outcome is the loop's end.
    fn hear(&mut self, news: News) -> Option<Outcome> {
        match self.wizard.update(Msg { at: self.began.elapsed(), news })? {
            Effect::Leave(outcome) => return Some(outcome),
            Effect::Stop => self.job.iter().chain(&self.beside).for_each(Job::stop),
            Effect::BringBack => self.job = self.beside.take(),
            Effect::Pause(paused) => {
                if let Some(job) = &self.job {
                    job.pause(paused);
                }
            }
            effect @ Effect::LookBeside(..) => {
                self.beside = self.job.take();
                self.job = Some(Job::start(effect, &self.effects));
            }
            effect @ (Effect::Copy(_) | Effect::Renew(_)) => {
                self.aside = Some(Job::start(effect, &self.effects));
            }
            effect => {
                // a look that nobody waits for any more ends here, with all that it would have said
                self.job = None;
                self.job = Some(Job::start(effect, &self.effects));
            }
        }
        None
    }

    /// Draws a frame, unless nobody sees it any more; false where the terminal turns out to be gone.
    fn show<B: Backend>(&mut self, terminal: &mut Terminal<B>, theme: &Theme) -> bool {
        if self.gone.is_some() {
            return true;
        }
        let mut extent = self.wizard.extent;
        if terminal.draw(|frame| extent = draw::draw(frame, self.wizard, theme)).is_err() {
            self.gone = Some(Instant::now());
            return false;
        }
        if extent != self.wizard.extent || self.wizard.scroll > extent.lines {
            let told = self.wizard.update(Msg { at: self.began.elapsed(), news: News::Drawn(extent) });
            debug_assert!(told.is_none(), "a frame asks for nothing");
            // whether there is anything to scroll is known only now, and stands in the footer
            if terminal.draw(|frame| extent = draw::draw(frame, self.wizard, theme)).is_err() {
                self.gone = Some(Instant::now());
                return false;
            }
        }
        true
    }
}
