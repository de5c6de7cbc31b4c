//! Performs the wizard's effects by calling the engine's verbs: the one place where the wizard's wishes meet the engine.

use std::sync::Arc;

use crossterm::{clipboard::CopyToClipboard, execute};
use tokio::task::JoinHandle;

use super::JobSender;
use crate::{
    engine::{self, Attended, Ground, Run, welcome},
    model::run::{event::Event, failure::Failure, goal::Stage},
    wizard::{Copied, Credentials, Effect, News},
};

/// The performer that [`super::run`] wants, on this ground; `line` is how the log has an event.
pub fn performer(
    ground: Ground,
    line: fn(&Event) -> Option<String>,
) -> impl Fn(Effect, JobSender) -> JoinHandle<()> {
    let ground = Arc::new(ground);
    move |effect, sender| {
        let ground = ground.clone();
        tokio::spawn(async move {
            if let Some(news) = perform(&ground, line, effect, &sender).await {
                // A wizard that has been left hears nothing.
                let _ = sender.news.send(news);
            }
        })
    }
}

async fn perform(
    ground: &Arc<Ground>,
    line: fn(&Event) -> Option<String>,
    effect: Effect,
    sender: &JobSender,
) -> Option<News> {
    let logged = ground.clone();
    let run = Run::new(sender.events.clone(), sender.stop.clone(), sender.pause.clone())
        .attended(Attended::Typing)
        .witnessed(move |event| line(event).iter().for_each(|line| logged.log(line)));
    match effect {
        Effect::Welcome(answers) => {
            ground.forget().await;
            Some(News::Welcome(Ok(Box::new(welcome::welcome(ground, &answers).await))))
        }
        Effect::Identify(Credentials::Profile(name), answers) => {
            Some(News::Identified(Ok(welcome::identify(ground, Some(&name), None, &answers).await)))
        }
        Effect::Identify(Credentials::Keys(keys), answers) => {
            Some(News::Identified(Ok(welcome::identify(ground, None, Some(&keys), &answers).await)))
        }
        Effect::Identify(Credentials::Code { profile, code }, answers) => {
            ground.give_code(code).await;
            Some(News::Identified(Ok(welcome::identify(ground, Some(&profile), None, &answers).await)))
        }
        Effect::Renew(credentials) => {
            match credentials {
                Credentials::Keys(keys) => welcome::take_keys(ground, &keys).await,
                Credentials::Code { code, .. } => ground.give_code(code).await,
                // A profile is renewed where it lies.
                Credentials::Profile(_) => {}
            }
            None
        }
        Effect::Look(stage, answers) | Effect::LookBeside(stage, answers) => {
            ground.mean_it().await;
            ground.look_afresh().await;
            let looked = engine::look(ground, stage, &answers).await;
            if let Err(failure) = &looked {
                ground.log(&format!("{}: {failure}; next: {}", stage.title(), failure.next));
            }
            let disabling = stage == Stage::Disable && looked.is_ok();
            let _ = sender.news.send(News::Looked(stage, looked.map(Box::new)));
            if disabling {
                engine::stages::disable::would_help_said(ground, &run).await;
            }
            None
        }
        Effect::Apply(plan, answers) => {
            engine::apply(ground, &plan, &answers, &run).await;
            None
        }
        Effect::Watch { take_over } => {
            let say = |seen| drop(sender.news.send(News::Watched(Ok(seen))));
            engine::watch::watch(ground, take_over, say)
                .await
                .err()
                .map(|failure| News::Watched(Err(failure)))
        }
        Effect::Copy(copied) => Some(News::Copied(copy(ground, &copied).await)),
        Effect::BringBack | Effect::Stop | Effect::Pause(_) | Effect::Leave(_) => None,
    }
}

/// To the terminal's clipboard (OSC 52), and to a file that only its owner reads, since not every terminal obeys; with
/// the secret that the screen hides.
async fn copy(ground: &Ground, copied: &Copied) -> Result<String, Failure> {
    let text = ground.reveal(&copied.text).await;
    let path = ground.host.state.clipboard(&text)?;
    let _ = execute!(std::io::stdout(), CopyToClipboard::to_clipboard_from(&text));
    let clear = if text == copied.text { "" } else { ", the secret in clear" };
    Ok(format!("{}{clear}: {}", path.display(), copied.title))
}
