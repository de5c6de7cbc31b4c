//! Performs the wizard's effects by calling the engine's verbs: the one place where the wizard's wishes meet the engine.

use std::sync::Arc;

use crossterm::{clipboard::CopyToClipboard, execute};
use tokio::task::JoinHandle;

use super::JobContext;
use crate::{
    engine::{self, OperatorPresence, RunContext, Session, welcome},
    model::{
        failure::Failure,
        run::{event::Event, goal::Stage},
    },
    wizard::{ClipboardText, CredentialInput, Effect, Input},
};

/// Makes the performer that [`super::run_wizard`] takes; `line` renders an event for the log.
pub fn effect_performer(
    session: Session,
    line: fn(&Event) -> Option<String>,
) -> impl Fn(Effect, JobContext) -> JoinHandle<()> {
    let session = Arc::new(session);
    move |effect, context| {
        let session = session.clone();
        tokio::spawn(async move {
            if let Some(input) = perform_effect(&session, line, effect, &context).await {
                // A wizard that has been left takes nothing.
                let _ = context.inputs.send(input);
            }
        })
    }
}

async fn perform_effect(
    session: &Arc<Session>,
    line: fn(&Event) -> Option<String>,
    effect: Effect,
    context: &JobContext,
) -> Option<Input> {
    let logged = session.clone();
    let run = RunContext::new(context.events.clone(), context.stop.clone(), context.pause.clone())
        .with_operator_presence(OperatorPresence::Typing)
        .with_listener(move |event| line(event).iter().for_each(|line| logged.log_line(line)));
    match effect {
        Effect::Welcome(answers) => {
            session.invalidate_all().await;
            Some(Input::Welcome(Ok(Box::new(welcome::read_welcome(session, &answers).await))))
        }
        Effect::Identify(CredentialInput::Profile(name), answers) => Some(Input::Identified(Ok(
            welcome::identify_credentials(session, Some(&name), None, &answers).await,
        ))),
        Effect::Identify(CredentialInput::Keys(keys), answers) => Some(Input::Identified(Ok(
            welcome::identify_credentials(session, None, Some(&keys), &answers).await,
        ))),
        Effect::Identify(CredentialInput::Code { profile, code }, answers) => {
            session.set_mfa_code(code).await;
            Some(Input::Identified(Ok(welcome::identify_credentials(
                session,
                Some(&profile),
                None,
                &answers,
            )
            .await)))
        }
        Effect::Renew(credentials) => {
            match credentials {
                CredentialInput::Keys(keys) => welcome::use_typed_keys(session, &keys).await,
                CredentialInput::Code { code, .. } => session.set_mfa_code(code).await,
                // A profile is renewed where it lies.
                CredentialInput::Profile(_) => {}
            }
            None
        }
        Effect::Look(stage, answers) | Effect::LookWhileJobRuns(stage, answers) => {
            session.acknowledge_off_marker().await;
            session.invalidate_reads().await;
            let plan = engine::look(session, stage, &answers).await;
            if let Err(failure) = &plan {
                session.log_line(&format!("{}: {failure}; next: {}", stage.title(), failure.next));
            }
            let disabling = stage == Stage::Disable && plan.is_ok();
            let _ = context.inputs.send(Input::Looked(stage, plan.map(Box::new)));
            if disabling {
                engine::stages::disable::emit_s3_links_check(session, &run).await;
            }
            None
        }
        Effect::Apply(plan, answers) => {
            engine::apply(session, &plan, &answers, &run).await;
            None
        }
        Effect::Watch { take_over } => {
            let emit = |event| drop(context.inputs.send(Input::Watched(Ok(event))));
            engine::watch::watch_other_run(session, take_over, emit)
                .await
                .err()
                .map(|failure| Input::Watched(Err(failure)))
        }
        Effect::Copy(copied) => Some(Input::Copied(copy_to_clipboard(session, &copied).await)),
        Effect::BringToForeground | Effect::Stop | Effect::Pause(_) | Effect::Leave(_) => None,
    }
}

/// To the terminal's clipboard (OSC 52), and to a file that only its owner reads, since not every terminal obeys; with
/// the secret that the screen hides.
async fn copy_to_clipboard(session: &Session, copied: &ClipboardText) -> Result<String, Failure> {
    let text = session.reveal_secret(&copied.text).await;
    let path = session.host.state.write_clipboard_file(&text)?;
    let _ = execute!(std::io::stdout(), CopyToClipboard::to_clipboard_from(&text));
    let clear = if text == copied.text { "" } else { ", the secret in clear" };
    Ok(format!("{}{clear}: {}", path.display(), copied.title))
}
