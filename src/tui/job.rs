//! One effect under way: a task, the channels by which it answers, and the ways to stop and pause it.
//!
//! Each job owns fresh channels: dropping it drops what it would still have said. A panic in it becomes its answer,
//! so that no screen waits for ever.

use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::run::{
        event::{End, Event},
        failure::Failure,
        goal::Stage,
    },
    wizard::{Effect, News},
};

/// What an effect's performer is given. It says events while it works, then its answer; `Apply` answers by `Ended` alone.
#[derive(Debug)]
pub struct JobSender {
    pub events: mpsc::UnboundedSender<Event>,
    pub news: mpsc::UnboundedSender<News>,
    /// Stop after the request in flight.
    pub stop: CancellationToken,
    /// Whether it shall stand still for now.
    pub pause: watch::Receiver<bool>,
}

/// What an effect owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owes {
    Welcome,
    Identified,
    Looked(Stage),
    Ended(Stage),
    Copied,
    Nothing,
}

#[derive(Debug)]
pub struct Job {
    events: mpsc::UnboundedReceiver<Event>,
    news: mpsc::UnboundedReceiver<News>,
    stop: CancellationToken,
    pause: watch::Sender<bool>,
    handle: JoinHandle<()>,
    over: bool,
    owes: Owes,
}

impl Job {
    pub fn start(effect: Effect, perform: impl FnOnce(Effect, JobSender) -> JoinHandle<()>) -> Self {
        let owes = match &effect {
            Effect::Welcome(_) => Owes::Welcome,
            Effect::Identify(..) => Owes::Identified,
            Effect::Look(stage, _) | Effect::LookBeside(stage, _) => Owes::Looked(*stage),
            Effect::Apply(plan, _) => Owes::Ended(plan.stage),
            Effect::Copy(_) => Owes::Copied,
            Effect::Renew(_)
            | Effect::Watch { .. }
            | Effect::BringBack
            | Effect::Stop
            | Effect::Pause(_)
            | Effect::Leave(_) => Owes::Nothing,
        };
        let (event_sender, events) = mpsc::unbounded_channel();
        let (news_sender, news) = mpsc::unbounded_channel();
        let (pause, pause_receiver) = watch::channel(false);
        let stop = CancellationToken::new();
        let sender =
            JobSender { events: event_sender, news: news_sender, stop: stop.clone(), pause: pause_receiver };
        let handle = perform(effect, sender);
        Self { events, news, stop, pause, handle, over: false, owes }
    }

    pub fn stop(&self) {
        // what is paused must move in order to stop
        self.pause.send_replace(false);
        self.stop.cancel();
    }

    pub fn pause(&self, paused: bool) {
        self.pause.send_replace(paused);
    }

    /// What it says next. May be dropped and asked again without losing anything.
    pub async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                // its last event stands in the channel when its task is over: the channels come first
                biased;
                Some(event) = self.events.recv() => {
                    if matches!(event, Event::Ended { .. }) && matches!(self.owes, Owes::Ended(_)) {
                        self.owes = Owes::Nothing;
                    }
                    return News::Event(event);
                }
                Some(news) = self.news.recv() => {
                    self.owes = Owes::Nothing;
                    return news;
                }
                ended = &mut self.handle, if !self.over => {
                    self.over = true;
                    if let Some(news) = self.instead(ended) {
                        return news;
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    /// The answer that is still owed when the task is over.
    fn instead(&mut self, ended: Result<(), JoinError>) -> Option<News> {
        let why = match ended {
            Ok(()) => "it broke off without an answer".to_owned(),
            Err(error) if error.is_panic() => {
                let panic = error.into_panic();
                let said = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                format!("this program has a fault: {}", said.unwrap_or("it did not say which"))
            }
            Err(_) => "it was broken off".to_owned(),
        };
        let failure = |what: &str| {
            Failure::other(what, why.clone(), "look again; if it comes back, send the log to the maintainers")
        };
        match std::mem::replace(&mut self.owes, Owes::Nothing) {
            Owes::Nothing => None,
            Owes::Welcome => Some(News::Welcome(Err(failure("looking around")))),
            Owes::Identified => Some(News::Identified(Err(failure("asking AWS who this is")))),
            Owes::Looked(stage) => Some(News::Looked(stage, Err(failure(stage.name())))),
            Owes::Copied => Some(News::Copied(Err(failure("copying")))),
            Owes::Ended(stage) => {
                let text = failure(stage.name()).to_string();
                Some(News::Event(Event::Ended { stage, step: None, end: End::Failed, text }))
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stop.cancel();
        self.handle.abort();
    }
}
