//! The plain face in process: its real loop, over the scripted engine and over the real one on a sandbox; what is written is kept whole.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Parser as _;
use futures::channel::mpsc;
use packagecloud_cloudfront::{
    app::compose::build_app_context,
    args::CliArguments,
    model::run::{event::CredentialRenewalNeed, plan::RequiredConsent},
    plain::{
        run_plain_wizard_loop,
        terminal::{PlainRequest, PlainTerminal, TypedLine},
    },
    tui::EffectJobContext,
    wizard::{Wizard, WizardEffect, WizardOutcome, WizardStartOptions},
};
use tokio::{task::JoinHandle, time::sleep};

use crate::scripted::{CONFIG_PATH, SharedScript, perform_scripted};

const COLUMNS: usize = 80;

/// A terminal that keeps all that was written on it, and what stands on its last line.
#[derive(Clone, Default)]
struct RecordingTerminal(Arc<Mutex<WrittenLines>>);

#[derive(Default)]
struct WrittenLines {
    text: String,
    /// The question that stands behind it all, where one does.
    prompt: Option<String>,
    prompts: usize,
    is_typing_hidden: bool,
}

impl PlainTerminal for RecordingTerminal {
    fn print_line(&mut self, line: &str) {
        let mut written = self.0.lock().unwrap();
        assert!(!line.contains('\n'), "two lines at once: {line:?}");
        written.prompt = None;
        written.text.push_str(line);
        written.text.push('\n');
    }

    fn print_prompt(&mut self, prompt: &str) {
        let mut written = self.0.lock().unwrap();
        written.text.push_str(prompt);
        written.prompt = Some(prompt.to_owned());
        written.prompts += 1;
    }

    fn line_columns(&self) -> usize {
        COLUMNS
    }

    fn set_typing_shown(&mut self, shown: bool) {
        self.0.lock().unwrap().is_typing_hidden = !shown;
    }

    fn discard_typed_bytes(&mut self) {}

    fn suspend_process(&mut self) {}
}

/// Somebody who reads the lines, and types when a question stands.
#[derive(Clone)]
struct LinePlayer {
    terminal: RecordingTerminal,
    typed: mpsc::UnboundedSender<TypedLine>,
    requests: mpsc::UnboundedSender<PlainRequest>,
}

impl LinePlayer {
    fn written_text(&self) -> String {
        self.terminal.0.lock().unwrap().text.clone()
    }

    fn is_typing_hidden(&self) -> bool {
        self.terminal.0.lock().unwrap().is_typing_hidden
    }

    /// Waits until a question stands, and returns it.
    async fn wait_for_prompt(&self) -> String {
        for _ in 0..60_000 {
            if let Some(prompt) = &self.terminal.0.lock().unwrap().prompt {
                return prompt.clone();
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("no question was asked:\n{}", self.written_text());
    }

    /// Types a line at once.
    fn type_line(&self, line: &str) {
        {
            let mut written = self.terminal.0.lock().unwrap();
            if !written.is_typing_hidden {
                written.text.push_str(line);
                written.text.push('\n');
            }
            written.prompt = None;
        }
        let _ = self.typed.unbounded_send(TypedLine::Text(line.to_owned()));
    }

    /// Answers the question that stands, or comes.
    async fn answer(&self, line: &str) -> String {
        let prompt = self.wait_for_prompt().await;
        self.type_line(line);
        sleep(Duration::from_millis(20)).await;
        prompt
    }

    async fn wait_for_text(&self, text: &str) {
        for _ in 0..60_000 {
            if self.written_text().contains(text) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{text:?} was not written:\n{}", self.written_text());
    }
}

/// Plays `part` against the real loop; it must leave the wizard. Returns how, and all that was written.
async fn play_lines<P, F, E>(init: WizardStartOptions, effects: E, part: P) -> (WizardOutcome, String)
where
    P: FnOnce(LinePlayer) -> F,
    F: Future<Output = ()>,
    E: Fn(WizardEffect, EffectJobContext) -> JoinHandle<()>,
{
    let mut terminal = RecordingTerminal::default();
    let (typed, lines) = mpsc::unbounded();
    let (requests, asked) = mpsc::unbounded();
    let player = LinePlayer { terminal: terminal.clone(), typed, requests };
    let last = player.clone();
    let mut wizard = Wizard::new(init);
    let played = async move {
        part(player).await;
        sleep(Duration::from_mins(1)).await;
        panic!("the wizard was not left:\n{}", last.written_text());
    };
    let kept = terminal.clone();
    let outcome = tokio::select! {
        outcome = run_plain_wizard_loop(&mut terminal, lines, asked, &mut wizard, effects) => outcome,
        () = played => unreachable!("it panics first"),
    };
    let text = kept.0.lock().unwrap().text.clone();
    assert_plain_text(&text);
    (outcome, text)
}

/// No control sequence, no line that runs out of the window but one that is copied whole, and no mark in the place of a word.
fn assert_plain_text(text: &str) {
    let controls: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert!(controls.is_empty(), "{controls:?} in:\n{text}");
    for line in text.lines() {
        let is_prompt = line.contains("]: ") || line.starts_with("Your answer");
        assert!(is_prompt || line.chars().count() <= COLUMNS || !line.contains(' '), "too long: {line}");
        let first = line.trim_start().chars().next().unwrap_or('x');
        assert!(!"✓✗▸–‖⠋⠙⠹⠸⠼⠴⠦⠧".contains(first), "a mark alone: {line}");
    }
}

async fn play_script_lines<P, F>(script: &SharedScript, part: P) -> (WizardOutcome, String)
where
    P: FnOnce(LinePlayer) -> F,
    F: Future<Output = ()>,
{
    let init = WizardStartOptions {
        sandbox: true,
        config_path: CONFIG_PATH.to_owned(),
        ..WizardStartOptions::default()
    };
    play_lines(init, perform_scripted(script), part).await
}

/// The plain wizard on the real engine and the sandbox in `dir`.
async fn play_sandbox_lines<P, F>(dir: &Path, options: &[&str], part: P) -> (WizardOutcome, String)
where
    P: FnOnce(LinePlayer) -> F,
    F: Future<Output = ()>,
{
    let sandbox = format!("--sandbox={}", dir.display());
    let line = ["packagecloud-cloudfront", &sandbox, "--plain"];
    let line = line.into_iter().chain(options.iter().copied()).chain(["wizard"]);
    let CliArguments { global, command } = CliArguments::parse_from(line);
    let app = build_app_context(&global, &command.unwrap()).await.unwrap();
    assert!(app.is_plain);
    let performer = app.build_wizard_effect_performer(Arc::new(Mutex::new(std::io::sink())));
    let init = WizardStartOptions {
        config_path: app.session.host.config.display().to_string(),
        answers: app.answers,
        sandbox: app.sandbox,
        ..WizardStartOptions::default()
    };
    play_lines(init, performer, part).await
}

fn is_live(dir: &Path) -> bool {
    let file = std::fs::read_to_string(dir.join("packagecloud.rb")).unwrap();
    file.lines().any(|line| line.starts_with("packagecloud_rails['cloudfront_enabled'] = true"))
}

#[tokio::test(start_paused = true)]
async fn enter_alone_leads_to_live() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_owned();
    let entered = Arc::new(Mutex::new(0));
    let count = Arc::clone(&entered);
    let (outcome, text) = play_sandbox_lines(dir.path(), &[], async |player: LinePlayer| {
        while !is_live_if_opened(&at) {
            player.answer("").await;
            *count.lock().unwrap() += 1;
            assert!(*count.lock().unwrap() <= 12, "{}", player.written_text());
        }
        player.answer("q").await;
    })
    .await;
    assert_eq!(outcome.code, 0, "{text}");
}

fn is_live_if_opened(dir: &Path) -> bool {
    dir.join("packagecloud.rb").exists() && is_live(dir)
}

#[tokio::test(start_paused = true)]
async fn each_question_says_what_enter_answers_and_numbers_what_can_be_chosen() {
    let script = SharedScript::default();
    let (outcome, text) = play_script_lines(&script, async |player: LinePlayer| {
        let prompt = player.wait_for_prompt().await;
        assert!(prompt.starts_with("Your answer [") && prompt.ends_with(": "), "{prompt}");
        player.answer("?").await;
        player.wait_for_prompt().await;
        player.answer("nonsense").await;
        player.wait_for_text("\"nonsense\" is nothing that can be done here.").await;
        player.answer("b").await;
        player.answer("q").await;
    })
    .await;
    assert_eq!(outcome.code, 0, "{text}");
    assert!(text.contains("  1. ") && text.contains("  Enter alone: "), "{text}");
    assert!(text.contains("Type ? then Enter at a question for help."), "{text}");
    assert!(
        text.contains("  D: disable") && text.contains("  D: shows how CloudFront is switched off"),
        "{text}"
    );
    assert!(!text.contains("PgUp"), "no key of a drawn screen: {text}");
    assert!(text.contains("SANDBOX"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_before_a_question_stands_answers_nothing() {
    let script = SharedScript::default();
    let (_, text) = play_script_lines(&script, async |player: LinePlayer| {
        // While it looks around: three lines, of which the first two would go on.
        for line in ["", "", "1"] {
            player.type_line(line);
        }
        player.wait_for_prompt().await;
        assert_eq!(script.lock().unwrap().heard, ["welcome"]);
        player.answer("q").await;
    })
    .await;
    assert_eq!(script.lock().unwrap().heard, ["welcome"], "{text}");
}

#[tokio::test(start_paused = true)]
async fn keys_are_typed_unseen() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let script = SharedScript::default();
    let (_, text) = play_script_lines(&script, async |player: LinePlayer| {
        player.answer("").await;
        player.wait_for_text("Enter alone: set this up").await;
        player.wait_for_prompt().await;
        let identity = find_number_of(&player.written_text(), "Identity");
        player.answer(&identity).await;
        player.wait_for_text("A named profile").await;
        player.wait_for_prompt().await;
        let keys = find_number_of(&player.written_text(), "Type or paste access keys");
        player.answer(&keys).await;
        let prompt = player.wait_for_prompt().await;
        assert!(prompt.contains("access key id") && prompt.contains("not shown"), "{prompt}");
        assert!(player.is_typing_hidden());
        player.answer("AKIAIOSFODNN7EXAMPLE").await;
        let prompt = player.wait_for_prompt().await;
        assert!(prompt.starts_with("secret access key"), "{prompt}");
        assert!(player.is_typing_hidden());
        player.answer(SECRET).await;
        player.answer("").await;
        player.answer("n").await;
        player.wait_for_prompt().await;
        assert!(!player.is_typing_hidden(), "it is shown again");
        player.answer("q").await;
    })
    .await;
    assert!(text.contains("access key id: AKIAIOSFODNN7EXAMPLE"), "{text}");
    assert!(!text.contains("wJalr"), "{text}");
    assert!(script.lock().unwrap().heard.contains(&"identify".to_owned()), "{text}");
}

/// The number that stands before `text` in the list that was written last.
fn find_number_of(written: &str, text: &str) -> String {
    let line = written.lines().rev().find(|line| line.contains(text) && line.contains(". ")).unwrap();
    line.trim().split('.').next().unwrap().to_owned()
}

/// Home says that a customer's link is explained there: one that is typed or pasted as an answer is.
#[tokio::test(start_paused = true)]
async fn a_link_that_is_given_as_an_answer_is_explained() {
    const LINK: &str = "https://d1.cloudfront.net/7/8/a.deb?t=1_2";
    let script = SharedScript::default();
    let (_, text) = play_script_lines(&script, async |player: LinePlayer| {
        player.answer(LINK).await;
        player.wait_for_text("it expired 2 h ago").await;
        player.answer("").await;
        player.answer("q").await;
    })
    .await;
    assert!(text.contains("next: ask again"), "{text}");
    assert_eq!(script.lock().unwrap().heard, ["welcome".to_owned(), format!("link {LINK}")]);
}

/// A run that waits for other keys says which letter takes them, and that letter asks for them.
#[tokio::test(start_paused = true)]
async fn keys_that_a_run_waits_for_are_asked_for_by_the_letter_that_is_offered() {
    let script = SharedScript::default();
    script.lock().unwrap().expires = Some(CredentialRenewalNeed::Keys);
    let (_, text) = play_script_lines(&script, async |player: LinePlayer| {
        player.answer("").await;
        player.wait_for_text("Enter alone: set this up").await;
        player.answer("o").await;
        player.wait_for_text("Enter alone: reindex").await;
        player.answer("").await;
        player.wait_for_text("  i: type other keys").await;
        player.answer("i").await;
        let prompt = player.wait_for_prompt().await;
        assert!(prompt.starts_with("access key id"), "{prompt}");
        player.answer("").await;
        for _ in 0..2 {
            let _ = player.requests.unbounded_send(PlainRequest::Interrupt);
            sleep(Duration::from_secs(2)).await;
        }
    })
    .await;
    assert!(!text.contains("can't be done here"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_consent_is_given_by_yes_and_never_by_enter() {
    let script = SharedScript::default();
    script.lock().unwrap().asks = Some(RequiredConsent::Adopt);
    let (_, text) = play_script_lines(&script, async |player: LinePlayer| {
        for _ in 0..30 {
            let prompt = player.wait_for_prompt().await;
            if prompt.contains("y or n") {
                break;
            }
            player.answer("").await;
        }
        let asked = script.lock().unwrap().heard.len();
        for _ in 0..3 {
            let prompt = player.answer("").await;
            assert!(prompt.contains("y or n"), "{prompt}");
        }
        player.wait_for_text("Enter alone answers nothing here.").await;
        assert_eq!(script.lock().unwrap().heard.len(), asked, "Enter did something");
        player.answer("n").await;
        player.wait_for_text("that needs your yes").await;
        // The reindex may run beside it: the first stops that, the second leaves.
        for _ in 0..2 {
            let _ = player.requests.unbounded_send(PlainRequest::Interrupt);
            sleep(Duration::from_secs(2)).await;
        }
    })
    .await;
    assert!(!script.lock().unwrap().heard.contains(&"apply distribution".to_owned()), "{text}");
}

#[tokio::test(start_paused = true)]
async fn ctrl_d_leaves_and_ctrl_c_too() {
    for (case, code) in [("Ctrl-D", 0), ("Ctrl-C", 130), ("hang-up", 130), ("gone", 130)] {
        let script = SharedScript::default();
        let (outcome, text) = play_script_lines(&script, async |player: LinePlayer| {
            player.wait_for_prompt().await;
            match case {
                "Ctrl-D" => drop(player.typed.unbounded_send(TypedLine::EndOfInput)),
                "Ctrl-C" => drop(player.requests.unbounded_send(PlainRequest::Interrupt)),
                "hang-up" => drop(player.requests.unbounded_send(PlainRequest::Hangup)),
                _ => player.typed.close_channel(),
            }
        })
        .await;
        assert_eq!(outcome.code, code, "{case}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn switching_off_is_asked_for_while_nothing_of_aws_answers() {
    let script = SharedScript::default();
    script.lock().unwrap().silent = true;
    let (outcome, text) = play_script_lines(&script, async |player: LinePlayer| {
        player.wait_for_text("While this runs you can type").await;
        player.type_line("D");
        let prompt = player.answer("").await;
        assert!(prompt.contains("switch CloudFront off"), "{prompt}");
        player.wait_for_text("Disable done").await;
        player.answer("q").await;
    })
    .await;
    assert_eq!(outcome.code, 0, "{text}");
    assert!(script.lock().unwrap().heard.contains(&"apply disable".to_owned()), "{text}");
}
