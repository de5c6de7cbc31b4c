//! Performs the wizard's effects by calling the engine's verbs: the one place where the wizard's wishes meet the engine.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crossterm::{Command as _, clipboard::CopyToClipboard};
use tokio::task::JoinHandle;

use super::EffectJobContext;
use crate::{
    engine::{self, OperatorPresence, RunContext, Session, welcome},
    model::{
        failure::Failure,
        run::{
            answers::OperatorAnswers,
            event::StageEvent,
            goal::RunStage,
            link_explanation::LinkExplanation,
            welcome::{FoundAwsIdentity, WelcomeFindings},
        },
    },
    wizard::{ClipboardText, CredentialInput, WizardEffect, WizardInput},
};

/// What is written to the terminal beside the screen: its standard output, or what a test keeps in the place of that.
pub type TerminalWriter = Arc<Mutex<dyn Write + Send>>;

/// Where a copy goes.
#[derive(Clone)]
pub enum ClipboardTarget {
    /// To the terminal's clipboard, by a control sequence that is written here, and to a file.
    TerminalAndFile(TerminalWriter),
    /// To a file: the terminal is written to in lines alone.
    FileAlone,
}

/// Makes the performer that [`super::run_wizard`] takes; `line` renders an event for the log.
pub fn build_effect_performer(
    session: Session,
    line: fn(&StageEvent) -> Option<String>,
    clipboard: ClipboardTarget,
) -> impl Fn(WizardEffect, EffectJobContext) -> JoinHandle<()> {
    let session = Arc::new(session);
    move |effect, context| {
        let (session, clipboard) = (session.clone(), clipboard.clone());
        tokio::spawn(async move {
            let performed = perform_wizard_effect(&session, line, &clipboard, effect, &context);
            if let Some(input) = name_silent_calls_meanwhile(performed, &context).await {
                // A wizard that has been left takes nothing.
                let _ = context.inputs.send(input);
            }
        })
    }
}

/// How often it is looked whether AWS answers.
const SILENCE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Waits for `performed`, and says meanwhile which service of AWS's doesn't answer.
async fn name_silent_calls_meanwhile<T>(performed: impl Future<Output = T>, context: &EffectJobContext) -> T {
    let mut performed = std::pin::pin!(performed);
    // A wizard that has been left takes nothing.
    let say = |silent| drop(context.inputs.send(WizardInput::AwsSilent(silent)));
    // What an earlier job said last isn't known here: the first look says what is so in any case.
    let mut said: Option<Option<String>> = None;
    loop {
        if let Ok(done) = tokio::time::timeout(SILENCE_LOOK_INTERVAL, &mut performed).await {
            if said.is_some_and(|said| said.is_some()) {
                say(None);
            }
            return done;
        }
        let silent = engine::describe_silent_aws_call();
        if said.as_ref() != Some(&silent) {
            say(silent.clone());
            said = Some(silent);
        }
    }
}

async fn explain_link_in_box(
    session: &Session,
    answers: &OperatorAnswers,
    link: &str,
) -> Box<LinkExplanation> {
    Box::new(engine::link_explanation::explain_customer_link(session, answers, link).await)
}

/// Asks AWS whose credentials these are, and uses them from now on.
async fn identify_given_credentials(
    session: &Session,
    credentials: CredentialInput,
    answers: &OperatorAnswers,
) -> FoundAwsIdentity {
    match credentials {
        CredentialInput::Profile(name) => {
            welcome::identify_aws_credentials(session, Some(&name), None, answers).await
        }
        CredentialInput::Keys(keys) => {
            welcome::identify_aws_credentials(session, None, Some(&keys), answers).await
        }
        CredentialInput::Code { profile, code } => {
            session.store_typed_mfa_code(code).await;
            welcome::identify_aws_credentials(session, Some(&profile), None, answers).await
        }
    }
}

async fn perform_wizard_effect(
    session: &Arc<Session>,
    line: fn(&StageEvent) -> Option<String>,
    clipboard: &ClipboardTarget,
    effect: WizardEffect,
    context: &EffectJobContext,
) -> Option<WizardInput> {
    let logged = session.clone();
    let run = RunContext::new(context.events.clone(), context.stop.clone(), context.pause.clone())
        .with_operator_presence(OperatorPresence::Typing)
        .with_event_listener(move |event| line(event).iter().for_each(|line| logged.write_log_line(line)));
    match effect {
        WizardEffect::Welcome(answers) => {
            Some(WizardInput::Welcome(Ok(Box::new(look_around(session, &answers, context).await))))
        }
        WizardEffect::Status(answers) => {
            let status = engine::status::read_install_status(session, &answers).await;
            Some(WizardInput::Status(Ok(Box::new(status))))
        }
        WizardEffect::ExplainLink(link, answers) => {
            Some(WizardInput::LinkExplained(Ok(explain_link_in_box(session, &answers, &link).await)))
        }
        WizardEffect::Identify(credentials, answers) => Some(WizardInput::Identified(Ok(
            identify_given_credentials(session, credentials, &answers).await,
        ))),
        WizardEffect::Renew(credentials) => {
            match credentials {
                CredentialInput::Keys(keys) => welcome::use_typed_credentials(session, &keys).await,
                CredentialInput::Code { code, .. } => session.store_typed_mfa_code(code).await,
                // A profile is renewed where it lies.
                CredentialInput::Profile(_) => {}
            }
            None
        }
        WizardEffect::Look(stage, answers) | WizardEffect::LookWhileJobRuns(stage, answers) => {
            plan_stage_and_send_plan(session, stage, &answers, &run, context).await;
            None
        }
        WizardEffect::Apply(plan, answers) => {
            engine::apply(session, &plan, &answers, &run).await;
            None
        }
        WizardEffect::Watch { take_over } => {
            let emit = |event| drop(context.inputs.send(WizardInput::Watched(Ok(event))));
            engine::watch::watch_other_run(session, take_over, emit)
                .await
                .err()
                .map(|failure| WizardInput::Watched(Err(failure)))
        }
        WizardEffect::Copy(copied) => {
            Some(WizardInput::Copied(copy_to_clipboard(session, clipboard, &copied).await))
        }
        WizardEffect::BringToForeground
        | WizardEffect::Stop
        | WizardEffect::Pause(_)
        | WizardEffect::Suspend
        | WizardEffect::Redraw
        | WizardEffect::Leave(_) => None,
    }
}

/// Finds what Home shows: what is known without AWS is sent at once, and again with packagecloud's redirects.
async fn look_around(
    session: &Session,
    answers: &OperatorAnswers,
    context: &EffectJobContext,
) -> WelcomeFindings {
    session.invalidate_cached_aws_target().await;
    let local = welcome::read_local_findings(session).await;
    let send = |found| drop(context.inputs.send(WizardInput::LocalFindings(Box::new(found))));
    send(local.clone());
    let redirects = async {
        let redirects = welcome::read_redirects(session, answers).await;
        send(WelcomeFindings { redirects: redirects.clone(), ..local.clone() });
        redirects
    };
    let aws = welcome::add_aws_findings(session, answers, local.clone());
    let (redirects, found) = tokio::join!(Box::pin(redirects), Box::pin(aws));
    WelcomeFindings { redirects, ..found }
}

/// Looks at a stage and sends its plan; before switching off, checks too whether S3 answers packagecloud's links.
async fn plan_stage_and_send_plan(
    session: &Arc<Session>,
    stage: RunStage,
    answers: &OperatorAnswers,
    run: &RunContext,
    context: &EffectJobContext,
) {
    session.remember_seen_disable_markers().await;
    session.invalidate_cached_account_reads().await;
    let plan = engine::look(session, stage, answers).await;
    if let Err(failure) = &plan {
        session.write_log_line(&format!("{}: {failure}; next: {}", stage.stage_title(), failure.next));
    }
    let disabling = stage == RunStage::Disable && plan.is_ok();
    let _ = context.inputs.send(WizardInput::Looked(stage, plan.map(Box::new)));
    if disabling {
        engine::stages::disable::emit_s3_links_check(session, answers, run).await;
    }
}

/// To the terminal's clipboard (OSC 52), and to a file that only its owner reads, since not every terminal obeys; with
/// the secret that the screen hides.
async fn copy_to_clipboard(
    session: &Session,
    clipboard: &ClipboardTarget,
    copied: &ClipboardText,
) -> Result<String, Failure> {
    let text = session.replace_hidden_with_secret(&copied.text).await;
    let path = session.host.state.write_clipboard_file(&text)?;
    if let ClipboardTarget::TerminalAndFile(terminal) = clipboard {
        let mut sequence = String::new();
        let _ = CopyToClipboard::to_clipboard_from(&text).write_ansi(&mut sequence);
        let mut terminal = terminal.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that is gone has no clipboard; the file has the copy.
        let _ = terminal.write_all(sequence.as_bytes()).and_then(|()| terminal.flush());
    }
    let clear = if text == copied.text { "" } else { ", the secret in clear" };
    Ok(format!("{}{clear}: {}", path.display(), copied.title))
}
